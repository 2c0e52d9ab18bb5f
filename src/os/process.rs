//! Is that process alive? Only a proven death counts.
//!
//! A process is named by its pid and its start time, for pids come back. It is dead if no process
//! has the pid, if the one that has it started at another time, or if its pidfd is readable: the
//! kernel makes it so once the last thread of the process has ended, so that none of its stores is
//! still to come. A stopped process is alive.
//!
//! What was in a process may be gone although it lives: one that replaces its program keeps its pid,
//! its start time and its pidfd. Then it has no longer mapped what its old program had
//! ([`ProcessId::maps`]).

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// A process, told from all others that have had or will have its pid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProcessId {
    /// Its process id.
    pub pid: u32,
    /// When it started, in clock ticks since boot; 0 if not known.
    pub start_time: u64,
}

impl ProcessId {
    /// This process.
    #[must_use]
    pub fn current() -> Self {
        let pid = std::process::id();
        // In a pid namespace with another's /proc, /proc/PID is some stranger: better no start time.
        let seen = std::fs::read_link("/proc/self").ok();
        let is_ours = seen.is_some_and(|link| link.to_str() == Some(&pid.to_string()));
        let start_time = if is_ours { start_time(pid) } else { None };
        Self { pid, start_time: start_time.unwrap_or(0) }
    }

    /// The process that has `pid` now, if any.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        start_time(pid).map(|start_time| Self { pid, start_time })
    }

    /// Whether its death is proven.
    #[must_use]
    pub fn is_dead(self) -> bool {
        match open(self.pid) {
            Err(Errno::SRCH | Errno::INVAL | Errno::NOENT) => true,
            Err(_) => self.is_dead_by_proc(),
            Ok(pidfd) => has_ended(&pidfd) || self.was_replaced(),
        }
    }

    /// What it is doing: the kernel's state letter in a word.
    #[must_use]
    pub fn state(self) -> &'static str {
        match stat_fields(self.pid).as_deref().and_then(|fields| fields.chars().next()) {
            Some('R') => "running",
            Some('S' | 'I') => "sleeping",
            Some('D') => "waiting for I/O",
            Some('T' | 't') => "stopped",
            Some('Z' | 'X') => "ending",
            Some(_) => "in an unknown state",
            None => "gone",
        }
    }

    /// Whether it has mapped the file of that device and inode; `None` if that cannot be known, of
    /// this very process or for sure.
    ///
    /// What a process has mapped all along is in /proc/PID/maps, whatever it maps besides meanwhile
    /// (proc(5)).
    #[must_use]
    pub fn maps(self, file: (u64, u64)) -> Option<bool> {
        let maps = std::fs::read(format!("/proc/{}/maps", self.pid)).ok()?;
        // Of a process that is ending nothing is to be seen, though other threads may still run. And
        // only a start time tells that this /proc speaks of the same process.
        let is_known = !maps.is_empty() && self.start_time != 0 && Self::of(self.pid) == Some(self);
        is_known.then(|| maps.split(|byte| *byte == b'\n').any(|line| is_of_file(line, file)))
    }

    fn was_replaced(self) -> bool {
        self.start_time != 0 && start_time(self.pid).is_some_and(|now| now != self.start_time)
    }

    /// For kernels and sandboxes without pidfd: dead if it is not there any more at all.
    fn is_dead_by_proc(self) -> bool {
        let gone = rustix::process::test_kill_process(match pid(self.pid) {
            Some(pid) => pid,
            None => return true,
        }) == Err(Errno::SRCH);
        gone || self.was_replaced()
    }
}

/// A descriptor that becomes readable when the process ends.
///
/// # Errors
/// `SRCH` if there is no such process.
pub fn open(process: u32) -> Result<OwnedFd, Errno> {
    pidfd_open(pid(process).ok_or(Errno::SRCH)?, PidfdFlags::empty())
}

/// The parent of a process.
#[must_use]
pub fn parent(process: u32) -> Option<u32> {
    stat_fields(process)?.split(' ').nth(1)?.parse().ok()
}

/// The number of the pid namespace of this process; `None` if it cannot be known.
#[must_use]
pub fn pid_namespace() -> Option<u64> {
    let link = std::fs::read_link("/proc/self/ns/pid").ok()?;
    link.to_str()?.strip_prefix("pid:[")?.strip_suffix(']')?.parse().ok()
}

/// A variable of the environment that this process was started with, whatever has become of it.
/// `None` if that cannot be known: a process that has changed its user may not look there.
#[must_use]
pub fn initial_env(name: &str) -> Option<Option<String>> {
    let environment = std::fs::read("/proc/self/environ").ok()?;
    Some(environment.split(|byte| *byte == 0).find_map(|variable| {
        let value = variable.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        Some(String::from_utf8_lossy(value).into_owned())
    }))
}

fn has_ended(pidfd: &OwnedFd) -> bool {
    let mut fds = [PollFd::from_borrowed_fd(pidfd.as_fd(), PollFlags::IN)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    matches!(poll(&mut fds, Some(&now)), Ok(1))
}

fn pid(process: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(process).ok()?)
}

fn start_time(process: u32) -> Option<u64> {
    stat_fields(process)?.split(' ').nth(19)?.parse().ok()
}

/// Whether a line of /proc/PID/maps is about a file: `range permissions offset device inode path`.
fn is_of_file(line: &[u8], (device, inode): (u64, u64)) -> bool {
    let line = String::from_utf8_lossy(line);
    let mut fields = line.split_ascii_whitespace().skip(3);
    let named = format!("{:02x}:{:02x}", rustix::fs::major(device), rustix::fs::minor(device));
    fields.next() == Some(&named) && fields.next().and_then(|text| text.parse().ok()) == Some(inode)
}

/// The fields of /proc/PID/stat from the third on: the second is a name in parentheses that may
/// itself hold blanks and parentheses (proc(5)).
fn stat_fields(process: u32) -> Option<String> {
    // The name is whatever bytes somebody chose, or what the kernel cut off in the middle of a letter.
    let bytes = std::fs::read(format!("/proc/{process}/stat")).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let (_, fields) = text.rsplit_once(") ")?;
    Some(fields.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_and_its_parent_is_known() {
        let me = ProcessId::current();
        assert!(!me.is_dead());
        assert_eq!(parent(me.pid), Some(std::os::unix::process::parent_id()));
    }

    #[test]
    fn a_process_is_known_whatever_bytes_its_name_has() {
        let name = format!("/proc/{}/comm", std::process::id());
        let before = std::fs::read(&name).unwrap();
        std::fs::write(&name, b"\xd0) (\xd0 \xff").unwrap();
        let me = ProcessId::current();
        let seen = (ProcessId::of(me.pid), parent(me.pid));
        std::fs::write(&name, before).unwrap();
        assert_ne!(me.start_time, 0);
        assert_eq!(seen, (Some(me), Some(std::os::unix::process::parent_id())));
    }

    #[test]
    fn a_child_is_dead_from_its_end_on_even_before_it_is_reaped() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let id = ProcessId::of(child.id()).unwrap();
        while !id.is_dead() {
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert!(id.is_dead());
    }

    #[test]
    fn what_a_process_has_mapped_is_known_until_it_ends() {
        use crate::os::{fd, mapping::Mapping};
        let file = fd::create_sealed("mapped", 8192).unwrap();
        let identity = fd::identity(file.as_fd()).unwrap();
        let me = ProcessId::current();
        assert_eq!(me.maps(identity), Some(false));
        let mapping = Mapping::new(file.as_fd(), 4096).unwrap();
        assert_eq!(me.maps(identity), Some(true));
        drop(mapping);
        assert_eq!(me.maps(identity), Some(false));
        // Not knowing which process it is, one knows nothing.
        assert_eq!(ProcessId { start_time: 0, ..me }.maps(identity), None);
        assert_eq!(ProcessId { start_time: me.start_time - 1, ..me }.maps(identity), None);

        let mut child = std::process::Command::new("true").spawn().unwrap();
        let id = ProcessId::of(child.id()).unwrap();
        while !id.is_dead() {
            std::thread::yield_now();
        }
        assert_eq!(id.maps(identity), None, "a zombie");
        child.wait().unwrap();
        assert_eq!(id.maps(identity), None);
    }

    #[test]
    fn another_process_with_the_same_pid_is_not_the_same() {
        let me = ProcessId::current();
        assert!(ProcessId { start_time: me.start_time - 1, ..me }.is_dead());
    }

    #[test]
    fn a_stopped_process_is_alive() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let id = ProcessId::of(child.id()).unwrap();
        rustix::process::kill_process(pid(id.pid).unwrap(), rustix::process::Signal::STOP).unwrap();
        while id.state() != "stopped" {
            std::thread::yield_now();
        }
        assert!(!id.is_dead());
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
