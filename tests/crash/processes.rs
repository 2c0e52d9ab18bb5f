//! Processes of the matrix: this very program, started anew in a role. Each is ended and reaped by
//! whoever started it, by its pid, also on the way out of a panic; and the kernel ends them all
//! should the runner itself be killed.

use rustix::process::{
    Pid, Signal, WaitOptions, getpid, kill_process, set_parent_process_death_signal, waitpid,
};
use std::fs::File;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How a process ended, or that it stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Stopped,
    Killed,
    Exited(i32),
}

/// A process that this one has started.
#[derive(Debug)]
pub(crate) struct Process {
    pid: Pid,
    is_reaped: bool,
}

impl Process {
    /// Starts this program in a role.
    pub(crate) fn start(role: &str, variables: &[(&str, String)]) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .env("CRASH_ROLE", role)
            .env("CRASH_RUNNER", getpid().as_raw_nonzero().to_string())
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        let pid = command.spawn().unwrap().id();
        Self { pid: Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), is_reaped: false }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        assert!(!self.is_reaped);
        kill_process(self.pid, signal).unwrap();
    }

    /// What has become of it, if anything has since the last look.
    pub(crate) fn look(&mut self) -> Option<Change> {
        if self.is_reaped {
            return None;
        }
        let options = WaitOptions::UNTRACED | WaitOptions::NOHANG;
        let (_, status) = waitpid(Some(self.pid), options).unwrap()?;
        if status.stopped() {
            return Some(Change::Stopped);
        }
        self.is_reaped = true;
        Some(match status.exit_status() {
            Some(code) => Change::Exited(code),
            None => Change::Killed,
        })
    }

    /// Waits until it ends or stops.
    pub(crate) fn wait(&mut self, limit: Duration) -> Option<Change> {
        let since = Instant::now();
        while since.elapsed() < limit {
            if let Some(change) = self.look() {
                return Some(change);
            }
            std::thread::sleep(Duration::from_micros(30));
        }
        None
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.is_reaped {
            let _ = kill_process(self.pid, Signal::KILL);
            let _ = waitpid(Some(self.pid), WaitOptions::empty());
        }
    }
}

/// Called first in each role: it shall not outlive the runner.
pub(crate) fn follow_the_runner() {
    set_parent_process_death_signal(Some(Signal::KILL)).unwrap();
    // The runner may have died before that call.
    let parent = std::os::unix::process::parent_id().to_string();
    assert_eq!(variable("CRASH_RUNNER"), parent, "the runner is gone");
}

pub(crate) fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

/// A descriptor that was inherited under the number in an environment variable.
pub(crate) fn inherited(name: &str) -> File {
    // Opened anew: to adopt the number itself would be unsafe code.
    let path = format!("/proc/self/fd/{}", variable(name));
    let mut options = File::options();
    options.read(true).write(true).open(path).unwrap()
}
