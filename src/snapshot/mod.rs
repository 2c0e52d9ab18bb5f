//! All entries in a file, and back: what lets values outlive their last member.
//!
//! The last member to leave [writes](write()) it, and whoever makes the next segment [reads](read())
//! it before anybody else comes in. In it are the entries of users in all namespaces, with their ends
//! by the wall clock, and the namespaces with their bounds; and the highest version, so that none
//! comes back. Not in it are locks and listeners, which end with their members; the package's own
//! keys; and the LRU cache, which is a cache: whoever misses something there makes it anew.
//!
//! * The file is whole or not there at all. It is written under another name (`draft.rs`), brought to
//!   the disk and renamed. Who is killed meanwhile, or finds no room, leaves the file that was there.
//! * What stands in its place and is not ours is kept under another name, at whatever step a writer
//!   is killed, and whoever tidies up.
//! * It says itself whether it is whole: by a length and checksums (`format.rs`). All of it is read
//!   and understood before the first entry is stored.
//! * Only the owner of the process writes it, and only what that user or root owns and not everybody
//!   can write to is read. What is no snapshot, or one of a newer format, is neither moved nor written
//!   over.
//!
//! Each entry is as it was at some moment of the writing. So the file is one picture of all of them
//! only if nobody changes any meanwhile.

mod draft;
mod files;
mod format;
mod names;
mod origin;
mod read;
mod record;
mod write;

pub use origin::Origin;
pub use read::{ReadIn, maximum_of, read, read_for, unread};
pub use write::{Written, replace, stands, write};

use crate::clock;
use crate::error::Error;
use std::io;

/// Entries, and bytes of the file, after which the caller hears how far it is.
const ENTRIES_PER_NEWS: u64 = 1 << 16;
const BYTES_PER_NEWS: u64 = 1 << 26;

/// Whether a file with this origin may go: its entries are in the memory.
type IsOurs<'f> = &'f dyn Fn(Origin) -> bool;

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The entries are written to the file.
    Write,
    /// The file is read to the end, to see whether it is whole.
    Check,
    /// It is read again, and its entries are stored.
    Store,
}

/// How far it is; told every 65 536 entries and every 64 MiB, so of a small file never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub step: Step,
    /// Entries that are done.
    pub entries: u64,
    /// Entries in all; while they are written, as many as there were at the beginning.
    pub total: u64,
    /// Bytes of records that are done.
    pub bytes: u64,
}

/// Who wants to hear of the progress, and what was told last.
struct News<'n> {
    tell: &'n mut dyn FnMut(Progress),
    now: Progress,
    told: (u64, u64),
}

impl<'n> News<'n> {
    fn new(tell: &'n mut dyn FnMut(Progress), step: Step, total: u64) -> Self {
        Self { tell, now: Progress { step, entries: 0, total, bytes: 0 }, told: (0, 0) }
    }

    /// So many entries and bytes more are done. Gives whether that was told.
    fn add(&mut self, entries: u64, bytes: u64) -> bool {
        self.now.entries += entries;
        self.now.bytes += bytes;
        let is_time = self.now.entries - self.told.0 >= ENTRIES_PER_NEWS
            || self.now.bytes - self.told.1 >= BYTES_PER_NEWS;
        if is_time {
            self.told = (self.now.entries, self.now.bytes);
            (self.tell)(self.now);
        }
        is_time
    }
}

/// Whole milliseconds since 1970.
fn wall_ms() -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    let now = clock::now_ms() as u64;
    now
}

/// Why a file cannot be read or written.
#[derive(Debug)]
enum Flaw {
    /// It is not what was once written, as the end of a sentence.
    Damaged(String),
    /// The system says so.
    Io(io::Error),
    /// It is the store that cannot.
    Store(Error),
}

impl Flaw {
    /// Damage, in words.
    fn damaged(what: &str) -> Self {
        Self::Damaged(format!("is damaged: {what}"))
    }
}

impl From<io::Error> for Flaw {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::damaged("a record ends too late"),
            _ => Self::Io(error),
        }
    }
}

impl From<Error> for Flaw {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    /// A folder that is gone at the end of its test.
    pub(super) struct Folder(PathBuf);

    impl Folder {
        pub(super) fn new(label: &str) -> Self {
            let name = format!("csm-unit-{label}-{}", std::process::id());
            let path = std::env::temp_dir().join(name);
            let _ = fs::remove_dir_all(&path);
            fs::create_dir(&path).unwrap();
            Self(path)
        }

        pub(super) fn path(&self, name: &str) -> PathBuf {
            self.0.join(name)
        }

        pub(super) fn names(&self) -> Vec<String> {
            let files = fs::read_dir(&self.0).unwrap().map(|file| file.unwrap().file_name());
            files.map(|name| name.into_string().unwrap()).collect()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}
