//! Who may come in: rules alone, no I/O but a look at the process table.
//!
//! The kernel says who is at the other end of a connection. A process belongs to a group if it runs
//! under the group's user. Else it belongs to the application if
//! the hub's process is among its ancestors, and it runs under the same user; a child that the hub's
//! process forked itself may run under another one (`setuid` in cluster settings). A worker, for its
//! part, takes a segment only from its ancestor whom it expects, for anybody may take the name of a
//! hub that is not there.

use super::group::GroupName;
use super::message::{Code, Hello, Malformed, PACKAGE, Refusal};
use super::name::HubName;
use crate::error::{Error, Result};
use crate::os::process::{self, ProcessId};
use crate::os::socket::Credentials;
use crate::segment::layout;
use rustix::process::geteuid;

/// How many parents of parents are looked at.
const GENERATIONS: usize = 64;

/// The process that a hub looks after its application for.
#[derive(Debug, Clone, Copy)]
pub struct Host {
    /// The hub's process.
    pub process: ProcessId,
    /// The user that it runs under now.
    pub uid: u32,
}

impl Host {
    /// This process.
    #[must_use]
    pub fn current() -> Self {
        Self { process: ProcessId::current(), uid: current_uid() }
    }
}

/// Whether the process at the other end may join a group: it runs under the group's user, or is a member
/// already, and has changed its user since.
///
/// # Errors
/// A refusal, if it may not.
pub fn check_user(
    group: &GroupName,
    peer: Credentials,
    is_member: impl FnOnce(ProcessId) -> bool,
) -> Result<(), Refusal> {
    let is_known = peer.uid == group.uid() || ProcessId::of(peer.pid).is_some_and(is_member);
    if peer.pid != 0 && is_known {
        return Ok(());
    }
    let reason = format!(
        "process {} (user {}) may not join \"{group}\" of user {}",
        peer.pid,
        peer.uid,
        group.uid()
    );
    Err(Refusal::new(Code::Stranger, reason))
}

/// Whether the process at the other end belongs to the application: to the host's own family.
///
/// # Errors
/// A refusal, if it does not.
pub fn check_peer(host: &Host, peer: Credentials) -> Result<(), Refusal> {
    let is_child = process::parent(peer.pid) == Some(host.process.pid);
    let is_known = is_child
        || is_descendant(peer.pid, host.process.pid, process::parent) && peer.uid == host.uid;
    if is_known {
        return Ok(());
    }
    let reason = format!(
        "process {} (user {}) is no descendant under the same user of process {} (user {})",
        peer.pid, peer.uid, host.process.pid, host.uid
    );
    Err(Refusal::new(Code::Stranger, reason))
}

/// Whether what a process says of itself is true, and fits. Gives which process it is.
///
/// # Errors
/// A refusal, if it is not or does not.
pub fn check_hello(peer: Credentials, hello: &Hello) -> Result<ProcessId, Refusal> {
    if hello.layout != layout::VERSION {
        let reason = format!(
            "process {} has version {} of the package with layout {}, process {} which it shares \
             with has version {PACKAGE} with layout {}",
            peer.pid,
            hello.package,
            hello.layout,
            std::process::id(),
            layout::VERSION
        );
        return Err(Refusal::new(Code::LayoutMismatch, reason));
    }
    let said = hello.process();
    // Pids in the segment must mean the same to all members. The start time is not always to be
    // seen (/proc mounted with hidepid), and then its word is enough.
    let seen = ProcessId::of(peer.pid).unwrap_or(said);
    if said.pid == peer.pid && (said.start_time == 0 || seen == said) {
        return Ok(seen);
    }
    let reason = format!(
        "process {} says that it is process {}: its pid namespace is another than that of process \
         {}",
        peer.pid,
        hello.pid,
        std::process::id()
    );
    Err(Refusal::new(Code::OtherIdentity, reason))
}

/// The refusal of who says nothing that can be understood.
#[must_use]
pub fn bad_message(peer: Credentials, malformed: &Malformed) -> Refusal {
    let reason = format!("process {} sent no hello: {malformed}", peer.pid);
    Refusal::new(Code::BadMessage, reason)
}

/// Whether who listens under `name` is whom this process expects there.
///
/// # Errors
/// [`Error::Refused`] if it is not.
pub fn check_hub(name: &HubName, listener: Credentials) -> Result<()> {
    let (me, expected) = (std::process::id(), name.process());
    let is_expected =
        listener.pid == expected.pid && ProcessId::of(expected.pid).is_none_or(|id| id == expected);
    let is_parent = std::os::unix::process::parent_id() == expected.pid;
    let is_trusted = is_parent
        || is_descendant(me, expected.pid, process::parent)
            && [0, current_uid()].contains(&listener.uid);
    if is_expected && is_trusted {
        return Ok(());
    }
    Err(Error::Refused(format!(
        "process {} (user {}) listens at {name}, which is not the ancestor that this process ({me}) \
         expects there",
        listener.pid, listener.uid
    )))
}

/// The error that a worker makes of a refusal.
#[must_use]
pub fn refused(refusal: Refusal) -> Error {
    match refusal.code {
        Code::LayoutMismatch => {
            Error::LayoutMismatch { ours: layout::VERSION, theirs: refusal.layout }
        }
        _ => Error::Refused(refusal.reason),
    }
}

fn current_uid() -> u32 {
    geteuid().as_raw()
}

/// Whether `ancestor` is `process` or among its ancestors.
fn is_descendant(process: u32, ancestor: u32, parent: impl Fn(u32) -> Option<u32>) -> bool {
    core::iter::successors(Some(process), |process| parent(*process))
        .take(GENERATIONS)
        .any(|process| process == ancestor && process != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn me() -> Credentials {
        Credentials { pid: std::process::id(), uid: current_uid() }
    }

    fn child() -> std::process::Child {
        std::process::Command::new("sleep").arg("60").spawn().unwrap()
    }

    #[test]
    fn descent_is_looked_up_a_bounded_number_of_times() {
        let parent = |process: u32| process.checked_sub(1);
        assert!(is_descendant(50, 50, parent));
        assert!(is_descendant(50, 1, parent));
        assert!(!is_descendant(50, 51, parent));
        assert!(!is_descendant(5000, 1, parent), "too far");
        assert!(!is_descendant(0, 0, parent), "a process of another namespace");
        assert!(!is_descendant(7, 1, |_| Some(7)), "a circle");
    }

    #[test]
    fn a_child_is_known_under_any_user_and_a_stranger_under_none() {
        let host = Host::current();
        let mut child = child();
        for uid in [host.uid, host.uid + 1] {
            let pid = child.id();
            assert_eq!(check_peer(&host, Credentials { pid, uid }), Ok(()));
        }
        child.kill().unwrap();
        child.wait().unwrap();

        let parent = Credentials { pid: std::os::unix::process::parent_id(), uid: host.uid };
        assert_eq!(check_peer(&host, parent).unwrap_err().code, Code::Stranger);
        let hidden = Credentials { pid: 0, ..parent };
        assert_eq!(check_peer(&host, hidden).unwrap_err().code, Code::Stranger);
    }

    #[test]
    fn a_hello_must_be_true_and_fit() {
        let process = ProcessId::current();
        let hello = Hello::of(process);
        assert_eq!(check_hello(me(), &hello), Ok(process));

        let other = Hello { pid: hello.pid + 1, ..hello.clone() };
        let refusal = check_hello(me(), &other).unwrap_err();
        assert_eq!(refusal.code, Code::OtherIdentity);
        assert!(refusal.reason.contains(&other.pid.to_string()));

        let newer = Hello { layout: 77, package: "9.9.9".into(), ..hello };
        let refusal = check_hello(me(), &newer).unwrap_err();
        assert_eq!(refusal.code, Code::LayoutMismatch);
        for side in ["layout 77", "9.9.9", PACKAGE] {
            assert!(refusal.reason.contains(side), "{}", refusal.reason);
        }
    }

    #[test]
    fn only_the_expected_ancestor_may_hand_over_a_segment() {
        let parent = ProcessId::of(std::os::unix::process::parent_id()).unwrap();
        let name = HubName::of(parent);
        let listener = Credentials { pid: parent.pid, uid: current_uid() + 1 };
        check_hub(&name, listener).unwrap();
        check_hub(&name, me()).unwrap_err();

        let mut child = child();
        let name = HubName::of(ProcessId::of(child.id()).unwrap());
        let listener = Credentials { pid: child.id(), ..me() };
        check_hub(&name, listener).unwrap_err();
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
