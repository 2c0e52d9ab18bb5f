//! What a worker's process and a hub say to each other: JSON, a message each.
//!
//! ```text
//! worker                                         hub
//!   {"kind":"hello", "layout":1, "pid":..}  ->
//!                                           <-   {"kind":"welcome", ..} and the segment's descriptor,
//!                                                in a group also that of the listening socket
//!                                           or   {"kind":"refused", "code":.., "reason":..}
//!                                           or   {"kind":"elsewhere", "name":..}
//!   {"kind":"mend"}                         ->         when all slots are taken
//!                                           <-   {"kind":"mended", "freed":7}
//! ```
//!
//! A hello and a refusal are understood across versions: members may be added to them, none goes,
//! and unknown ones are passed over.

use crate::os::process::ProcessId;
use crate::segment::layout;
use core::fmt;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Version of this package.
pub const PACKAGE: &str = env!("CARGO_PKG_VERSION");

/// What a worker's process says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Request {
    /// It wants to be admitted.
    Hello(Hello),
    /// It finds all slots taken: mend what the dead have left.
    Mend,
}

/// Who wants to be admitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Version of its package.
    pub package: String,
    /// Layout version that it understands.
    pub layout: u64,
    /// Its process id, as it sees it.
    pub pid: u32,
    /// When it started.
    pub start_time: u64,
}

/// What a hub says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Reply {
    /// The segment's descriptor comes with this.
    Welcome {
        /// Version of the hub's package.
        package: String,
        /// Its layout version.
        layout: u64,
    },
    /// There is nothing for you here.
    Refused(Refusal),
    /// What the segment begins with is still being read: ask again.
    Reading {
        /// Entries that are read.
        entries: u64,
        /// Entries in all; 0 if that is not known yet.
        total: u64,
    },
    /// The hub's process shares by a name: join it there.
    Elsewhere(Referral),
    /// What the dead had left is mended.
    Mended {
        /// How many slots that has freed.
        freed: u64,
    },
}

/// Where a worker finds those that its primary shares with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Referral {
    /// The name of the group.
    pub name: String,
    /// The user that it belongs to.
    pub uid: u32,
    /// What its segment is made with, if the worker is the first: as in `store::Settings`.
    pub maximum: u64,
    /// The same.
    pub log: Option<u64>,
    /// The same.
    pub mode: u64,
    /// The file that it begins with and is left in, if there is one and its name is text.
    pub snapshot: Option<PathBuf>,
}

/// Why a hub does not let a process in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The reason for programs.
    pub code: Code,
    /// The reason for people, which names both sides.
    pub reason: String,
    /// Layout version of the hub.
    pub layout: u64,
}

/// The reason of a refusal for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// The process does not belong to this application.
    Stranger,
    /// It is not the process that it says it is, as in another pid namespace.
    OtherIdentity,
    /// It has another layout version.
    LayoutMismatch,
    /// It said nothing that can be understood.
    BadMessage,
    /// There is no segment to hand over, for want of memory for example.
    NoSegment,
    /// Something newer than this version.
    #[serde(other)]
    Unknown,
}

/// Why a message could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Malformed {
    /// It begins well and then stops: its sender was cut off.
    Incomplete,
    /// No end could make it a message.
    Invalid(String),
}

impl Hello {
    /// What this process says of itself.
    #[must_use]
    pub fn of(process: ProcessId) -> Self {
        Self {
            package: PACKAGE.to_owned(),
            layout: layout::VERSION,
            pid: process.pid,
            start_time: process.start_time,
        }
    }

    /// The process that it says it is.
    #[must_use]
    pub const fn process(&self) -> ProcessId {
        ProcessId { pid: self.pid, start_time: self.start_time }
    }
}

impl Reply {
    /// The segment comes with this.
    #[must_use]
    pub fn welcome() -> Self {
        Self::Welcome { package: PACKAGE.to_owned(), layout: layout::VERSION }
    }
}

impl Refusal {
    /// A refusal by this build.
    #[must_use]
    pub const fn new(code: Code, reason: String) -> Self {
        let layout = layout::VERSION;
        Self { code, reason, layout }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Incomplete => f.write_str("the message was cut off"),
            Self::Invalid(why) => f.write_str(why),
        }
    }
}

/// A message as it is sent.
#[must_use]
pub fn to_bytes(message: &impl Serialize) -> Vec<u8> {
    // Strings and numbers alone: nothing that JSON cannot say.
    serde_json::to_vec(message).unwrap_or_default()
}

/// The message that was sent.
///
/// # Errors
/// [`Malformed`], for something else.
pub fn parse<'b, M: Deserialize<'b>>(bytes: &'b [u8]) -> Result<M, Malformed> {
    serde_json::from_slice(bytes).map_err(|error| {
        if error.is_eof() { Malformed::Incomplete } else { Malformed::Invalid(error.to_string()) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello() -> Request {
        Request::Hello(Hello::of(ProcessId::current()))
    }

    #[test]
    fn messages_survive_their_bytes() {
        for message in [hello(), Request::Mend] {
            assert_eq!(parse(&to_bytes(&message)), Ok(message));
        }
        let refused = Refusal::new(Code::LayoutMismatch, "because".into());
        for message in [Reply::welcome(), Reply::Refused(refused), Reply::Mended { freed: 3 }] {
            assert_eq!(parse(&to_bytes(&message)), Ok(message));
        }
    }

    #[test]
    fn a_message_cut_at_any_byte_is_incomplete_and_not_invalid() {
        let whole = to_bytes(&hello());
        for length in 0..whole.len() {
            assert_eq!(
                parse::<Request>(&whole[..length]),
                Err(Malformed::Incomplete),
                "{length} bytes"
            );
        }
    }

    #[test]
    fn garbage_is_invalid() {
        for garbage in [&b"\xff\xfe"[..], b"[]", b"{}", b"{\"kind\":\"x\"}", b"null", b"1 2"] {
            assert!(matches!(parse::<Request>(garbage), Err(Malformed::Invalid(_))), "{garbage:?}");
        }
    }

    #[test]
    fn a_later_version_is_understood_as_far_as_it_goes() {
        let hello = br#"{"kind":"hello","package":"9","layout":7,"pid":1,"start_time":2,"new":[]}"#;
        assert!(matches!(parse(hello), Ok(Request::Hello(Hello { layout: 7, .. }))));
        let refused = br#"{"kind":"refused","code":"too-ugly","reason":"r","layout":7}"#;
        let Ok(Reply::Refused(refusal)) = parse(refused) else {
            panic!("not understood");
        };
        assert_eq!(refusal.code, Code::Unknown);
    }
}
