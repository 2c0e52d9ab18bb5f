//! Where a hub listens: a name that a worker can tell by itself.
//!
//! It is made of the layout version, and pid and start time of the hub's process, which a worker
//! knows as its parent's. Hubs of other layouts, or of a process that had the same pid before, have
//! other names, so that nobody talks to them by mistake.

use crate::error::{Error, Result};
use crate::os::process::ProcessId;
use crate::segment::layout;
use core::fmt;
use core::str::FromStr;
use std::sync::OnceLock;

/// The variable by which a worker learns of a hub that is not its parent's: `PID:STARTTIME`, or the
/// whole name.
pub const VARIABLE: &str = "CLUSTER_SHARED_MEMORY_HUB";

const PREFIX: &str = "cluster-shared-memory";

/// The name of a hub.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HubName {
    layout: u64,
    process: ProcessId,
    label: Option<String>,
}

impl HubName {
    /// The hub of a process.
    #[must_use]
    pub const fn of(process: ProcessId) -> Self {
        Self { layout: layout::VERSION, process, label: None }
    }

    /// One of several hubs of a process.
    #[must_use]
    pub fn labelled(process: ProcessId, label: &str) -> Self {
        Self { label: Some(label.to_owned()), ..Self::of(process) }
    }

    /// The hub that this process belongs to, as its environment says or else its parent's.
    ///
    /// # Errors
    /// [`Error::NoHub`] if the environment names nothing, or the parent is not to be seen.
    pub fn expected() -> Result<Self> {
        // Once: a parent that dies must not make the worker's later threads look elsewhere.
        static EXPECTED: OnceLock<HubName> = OnceLock::new();
        match EXPECTED.get() {
            Some(name) => Ok(name.clone()),
            None => Self::look_up().map(|name| EXPECTED.get_or_init(|| name).clone()),
        }
    }

    fn look_up() -> Result<Self> {
        if let Ok(name) = std::env::var(VARIABLE) {
            return name.parse();
        }
        let parent = std::os::unix::process::parent_id();
        ProcessId::of(parent)
            .map(Self::of)
            .ok_or_else(|| Error::NoHub(format!("process {parent}, the parent of this one")))
    }

    /// Whether the process of this name has a hub, but of another layout: the layout of that one.
    /// For who gets no answer and wants to know why; where it cannot be told, it says nothing.
    #[must_use]
    pub fn other_layout(&self) -> Option<u64> {
        // Others may have chosen any bytes for their names.
        let table = std::fs::read("/proc/net/unix").ok()?;
        let table = String::from_utf8_lossy(&table);
        // The last column is the name, with an @ in place of the zero byte of abstract ones.
        let names = table.lines().filter_map(|line| parse_whole(line.rsplit_once(" @")?.1));
        names
            .filter(|name| name.process == self.process && name.label == self.label)
            .map(|name| name.layout)
            .find(|layout| *layout != self.layout)
    }

    /// The process that listens under this name.
    #[must_use]
    pub const fn process(&self) -> ProcessId {
        self.process
    }

    /// The layout version of the segments there.
    #[must_use]
    pub const fn layout(&self) -> u64 {
        self.layout
    }
}

impl fmt::Display for HubName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ProcessId { pid, start_time } = self.process;
        write!(f, "{PREFIX}.{}.{pid}.{start_time}", self.layout)?;
        match &self.label {
            Some(label) => write!(f, ".{label}"),
            None => Ok(()),
        }
    }
}

impl FromStr for HubName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parse_short(text)
            .or_else(|| parse_whole(text))
            .ok_or_else(|| Error::NoHub(format!("\"{text}\", which is no name of a hub")))
    }
}

fn parse_short(text: &str) -> Option<HubName> {
    let (pid, start_time) = text.split_once(':')?;
    Some(HubName::of(ProcessId { pid: pid.parse().ok()?, start_time: start_time.parse().ok()? }))
}

fn parse_whole(text: &str) -> Option<HubName> {
    let mut parts = text.strip_prefix(PREFIX)?.strip_prefix('.')?.splitn(4, '.');
    Some(HubName {
        layout: parts.next()?.parse().ok()?,
        process: ProcessId {
            pid: parts.next()?.parse().ok()?,
            start_time: parts.next()?.parse().ok()?,
        },
        label: parts.next().map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROCESS: ProcessId = ProcessId { pid: 12, start_time: 345 };

    #[test]
    fn a_name_survives_its_text() {
        for name in [HubName::of(PROCESS), HubName::labelled(PROCESS, "second.one")] {
            assert_eq!(name.to_string().parse::<HubName>().unwrap(), name);
        }
    }

    #[test]
    fn a_hub_of_another_layout_is_found() {
        let ours = HubName::labelled(ProcessId::current(), "found");
        assert_eq!(ours.other_layout(), None);
        let theirs = HubName { layout: 77, ..ours.clone() };
        let _listener = crate::os::socket::Listener::bind(&theirs.to_string()).unwrap();
        assert_eq!(ours.other_layout(), Some(77));
    }

    #[test]
    fn a_hub_of_another_layout_is_found_among_names_that_are_no_text() {
        use std::os::linux::net::SocketAddrExt as _;
        use std::os::unix::net::{SocketAddr, UnixListener};
        let stranger = [&std::process::id().to_le_bytes()[..], b"\xff\xd0"].concat();
        let address = SocketAddr::from_abstract_name(stranger).unwrap();
        let _stranger = UnixListener::bind_addr(&address).unwrap();
        let ours = HubName::labelled(ProcessId::current(), "found among others");
        let theirs = HubName { layout: 77, ..ours.clone() };
        let _listener = crate::os::socket::Listener::bind(&theirs.to_string()).unwrap();
        assert_eq!(ours.other_layout(), Some(77));
    }

    #[test]
    fn the_short_form_names_a_process() {
        assert_eq!("12:345".parse::<HubName>().unwrap(), HubName::of(PROCESS));
    }

    #[test]
    fn what_is_no_name_is_told_so() {
        for text in ["", ":", "12", "12:", "a:b", "cluster-shared-memory.1.2"] {
            assert!(matches!(text.parse::<HubName>(), Err(Error::NoHub(_))), "{text}");
        }
    }
}
