//! Everything that can go wrong, once, with the figures that the caller needs.
//!
//! `node::errors` maps each variant to the stable `code` that JavaScript sees.

use std::io::{self, Write as _};
use std::path::PathBuf;
use thiserror::Error as ThisError;

/// What a call on the segment can fail with.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
pub enum Error {
    /// The segment has no room; nothing was changed.
    #[error("out of shared memory: {need} bytes needed, {free} free of {maximum}")]
    OutOfMemory {
        /// Bytes that the operation asked for.
        need: u64,
        /// Bytes that are free, though perhaps not in one piece.
        free: u64,
        /// Bytes that values may take in all.
        maximum: u64,
    },
    /// A latch stayed with a living owner for longer than the caller may wait; nothing was done.
    #[error("process {pid} ({state}) has held a latch for too long")]
    Busy {
        /// Process that owns the latch.
        pid: u32,
        /// Its state in the words of the kernel: `running`, `sleeping`, `stopped`, ...
        state: &'static str,
    },
    /// The segment holds something that no member writes.
    #[error("the segment is damaged: {what} at {at:#x}")]
    Corrupted {
        /// Which rule is broken.
        what: &'static str,
        /// Offset at which it was noticed.
        at: u64,
    },
    /// The key is longer than [`crate::entry::MAX_KEY_UNITS`].
    #[error("a key has at most {maximum} UTF-16 units, this one has {length}")]
    KeyTooLong {
        /// UTF-16 units of the key.
        length: u64,
        /// UTF-16 units that a key may have.
        maximum: u64,
    },
    /// The value is longer than [`crate::entry::MAX_VALUE_BYTES`].
    #[error("a value has at most {maximum} bytes, this one has {length}")]
    ValueTooLarge {
        /// Bytes of the value.
        length: u64,
        /// Bytes that a value may have.
        maximum: u64,
    },
    /// The entry to be added to holds another kind of value.
    #[error("the value is not a number but {kind}")]
    NotANumber {
        /// Kind of the value that stands there.
        kind: &'static str,
    },
    /// The sum would not be exact (beyond 2^53 - 1) or not finite; nothing was changed.
    #[error("the sum would be {0}, which is no longer exact")]
    OutOfRange(String),
    /// All member slots are taken by living processes.
    #[error("all {maximum} places for members are taken")]
    TooManyMembers {
        /// Slots of the segment but the hub's.
        maximum: u64,
    },
    /// All numbers for namespaces are taken.
    #[error("there are {maximum} namespaces already")]
    TooManyNamespaces {
        /// How many there may be.
        maximum: u64,
    },
    /// That is no name for what processes share.
    #[error("a name has 1 to 48 of A-Z a-z 0-9 . _ : @ -, which \"{0}\" has not")]
    BadName(String),
    /// Nobody listens where the hub should be.
    #[error("no hub answers at {0}")]
    NoHub(String),
    /// The hub does not let this process in.
    #[error("the hub refused this process: {0}")]
    Refused(String),
    /// The segment was made by another layout version of the package.
    #[error("the segment has layout {theirs}, this build of the package has {ours}")]
    LayoutMismatch {
        /// Layout version of this build.
        ours: u64,
        /// Layout version found.
        theirs: u64,
    },
    /// The size asked for cannot make a segment, or its logs.
    #[error("the size must be from {minimum} to {maximum} bytes, not {size}")]
    BadSize {
        /// Bytes asked for.
        size: u64,
        /// Smallest size that works.
        minimum: u64,
        /// Largest size that works.
        maximum: u64,
    },
    /// The segment exists already, with other settings.
    #[error(
        "the shared memory exists already: configure it in the turn in which the package is loaded"
    )]
    AlreadyOpen,
    /// This member has left the segment.
    #[error("the shared memory is closed")]
    Closed,
    /// What the memory begins with is still being read.
    #[error("a snapshot is being read: {entries} of {total} entries")]
    Reading {
        /// Entries that are read.
        entries: u64,
        /// Entries in all; 0 if that is not known yet.
        total: u64,
    },
    /// A snapshot cannot be read or written.
    #[error("the snapshot {file} {why}{kept}", kept = kept_as(kept.as_deref()))]
    Snapshot {
        /// The file.
        file: String,
        /// What is wrong with it, or what happened to it, as the end of a sentence.
        why: String,
        /// What a file that is damaged, stood in the way, or cannot take its place, is called now;
        /// several with `and` between them. `None`: nothing was moved.
        kept: Option<String>,
        /// Whether a larger segment might have room for it.
        is_too_large: bool,
    },
    /// The operating system refused a call.
    #[error("{call} failed: {source}", source = rustix::io::Errno::from_raw_os_error(*errno))]
    System {
        /// Name of the call.
        call: &'static str,
        /// Error number.
        errno: i32,
    },
}

impl Error {
    /// Damage found at an offset.
    #[cold]
    #[must_use]
    pub const fn corrupted(what: &'static str, at: u64) -> Self {
        Self::Corrupted { what, at }
    }

    /// Whether the operating system has refused a call with this error number.
    #[must_use]
    pub fn is_errno(&self, errno: rustix::io::Errno) -> bool {
        matches!(self, Self::System { errno: is, .. } if *is == errno.raw_os_error())
    }

    /// An error about a snapshot says also where files were put that stood in its place.
    #[must_use]
    pub fn keeping(mut self, files: &[PathBuf]) -> Self {
        if let Self::Snapshot { why, kept, .. } = &mut self
            && !files.is_empty()
        {
            let names = files.iter().map(|path| path.display().to_string()).chain(kept.take());
            *kept = Some(names.collect::<Vec<_>>().join(" and "));
            why.push_str("; another one stood there");
        }
        self
    }

    /// An error about a snapshot that cannot take its place says also where that is.
    #[must_use]
    pub fn keeping_it(mut self, file: Option<PathBuf>) -> Self {
        if let Self::Snapshot { kept, .. } = &mut self
            && let Some(file) = file
        {
            *kept = Some(file.display().to_string());
        }
        self
    }

    /// A function that turns an error number into the error of `call`.
    pub fn system(call: &'static str) -> impl FnOnce(rustix::io::Errno) -> Self {
        move |errno| Self::System { call, errno: errno.raw_os_error() }
    }
}

fn kept_as(kept: Option<&str>) -> String {
    kept.map_or_else(String::new, |kept| format!("; it is kept as {kept}"))
}

/// The result of a call on the segment.
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// Says on stderr what no caller is there to hear. (`eprintln!` panics where nobody reads it any more.)
pub fn tell(what: &impl std::fmt::Display) {
    let _ = writeln!(io::stderr(), "cluster-shared-memory: {what}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_about_a_snapshot_says_where_others_are_kept() {
        let error = Error::Snapshot {
            file: "f".into(),
            why: "cannot be written".into(),
            kept: None,
            is_too_large: false,
        };
        assert_eq!(error.clone().keeping(&[]), error);
        let error = error.keeping(&["g".into()]).keeping(&["h".into(), "i".into()]);
        let Error::Snapshot { kept, .. } = error.clone() else { unreachable!() };
        assert_eq!(kept.as_deref(), Some("h and i and g"));
        let error = error.to_string();
        assert!(
            error.ends_with("; another one stood there; it is kept as h and i and g"),
            "{error}"
        );
    }
}
