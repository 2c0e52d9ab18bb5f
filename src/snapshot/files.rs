//! The file of a snapshot among others: what may be read, and where damage goes.
//!
//! `FILE.damaged-N` is what could not be read. Nobody removes it.
//!
//! A symbolic link is refused: to replace it would put a file in the place of the link, and leave what
//! it names as it was. Folders on the way may be links.

use super::Flaw;
use super::format::is_snapshot;
use crate::error::{Error, Result};
use rustix::fs::{CWD, FileType, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// How many names are tried.
pub(super) const NAMES: u32 = 10_000;
/// Bytes of a file's name: what is beside it has longer ones, and file systems take 255.
const LONGEST_NAME: usize = 220;
/// Everybody may write.
const BY_ALL: u32 = 0o002;

/// Where the snapshot is.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) path: PathBuf,
    pub(super) folder: PathBuf,
}

/// A file that may be read.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) file: File,
    pub(super) length: u64,
}

impl Target {
    pub(super) fn of(path: &Path) -> Result<Self> {
        let mut target = Self { path: path.to_owned(), folder: PathBuf::from(".") };
        let Some(name) = path.file_name() else {
            return Err(target.refuse("is no name of a file"));
        };
        if name.len() > LONGEST_NAME {
            return Err(target.refuse(&format!("has a name of more than {LONGEST_NAME} bytes")));
        }
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            folder.clone_into(&mut target.folder);
        }
        Ok(target)
    }

    /// Opens the file, if there is one.
    pub(super) fn open(&self) -> Result<Option<Found>> {
        // Nothing that is not a regular file may keep this waiting, or be opened otherwise.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        let fd = match rustix::fs::open(&self.path, flags | OFlags::CLOEXEC, Mode::empty()) {
            Ok(fd) => fd,
            // Better now than when there is something to be written.
            Err(Errno::NOENT) if !self.folder.is_dir() => {
                return Err(self.refuse("has no folder to be in"));
            }
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP) => {
                return Err(self.refuse("is a symbolic link; name the file itself"));
            }
            Err(Errno::NXIO) => return Err(self.refuse("is no regular file")),
            Err(errno) => return Err(self.cannot("be opened", &errno.into())),
        };
        let stat = rustix::fs::fstat(&fd).map_err(|errno| self.cannot("be read", &errno.into()))?;
        if let Some(why) = distrust(&stat) {
            return Err(self.refuse(&why));
        }
        let found = Found { file: fd.into(), length: stat.st_size.cast_unsigned() };
        match found.is_snapshot() {
            Ok(true) => Ok(Some(found)),
            Ok(false) => Err(self.refuse("is something else, no snapshot")),
            Err(error) => Err(self.cannot("be read", &error)),
        }
    }

    /// Renames a file that cannot be used, and says so.
    pub(super) fn keep_aside(&self, why: &str) -> Error {
        match self.rename_to("damaged") {
            Ok(aside) => {
                let kept = Some(aside.display().to_string());
                Error::Snapshot {
                    file: self.name(),
                    why: why.to_owned(),
                    kept,
                    is_too_large: false,
                }
            }
            Err(reason) => self.refuse(&format!("{why}, and cannot be renamed: {reason}")),
        }
    }

    /// Renames the file to `FILE.KIND-N`. None of those that were put aside before is written over.
    pub(super) fn rename_to(&self, kind: &str) -> io::Result<PathBuf> {
        self.rename_from(&self.path, kind)
    }

    /// The same of what has its place under another name.
    pub(super) fn rename_from(&self, path: &Path, kind: &str) -> io::Result<PathBuf> {
        for number in 1..NAMES {
            let aside = self.sibling(&format!(".{kind}-{number}"));
            match rename_new(path, &aside) {
                Ok(()) => {
                    let _ = self.sync_folder();
                    return Ok(aside);
                }
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Err(io::Error::other(format!("{NAMES} others are kept already")))
    }

    /// It was not read.
    pub(super) fn unread(&self, flaw: Flaw) -> Error {
        match flaw {
            Flaw::Damaged(_) => self.refuse("was changed while it was read"),
            Flaw::Io(error) => self.cannot("be read", &error),
            Flaw::Store(error @ Error::OutOfMemory { .. }) => {
                let (file, why) = (self.name(), format!("does not fit: {error}"));
                Error::Snapshot { file, why, kept: None, is_too_large: true }
            }
            Flaw::Store(error) => error,
        }
    }

    /// It was not written.
    pub(super) fn unwritten(&self, flaw: Flaw) -> Error {
        match flaw {
            Flaw::Damaged(why) => self.refuse(&why),
            Flaw::Io(error) => self.cannot("be written", &error),
            Flaw::Store(error) => error,
        }
    }

    pub(super) fn refuse(&self, why: &str) -> Error {
        Error::Snapshot { file: self.name(), why: why.to_owned(), kept: None, is_too_large: false }
    }

    fn cannot(&self, what: &str, error: &io::Error) -> Error {
        self.refuse(&format!("cannot {what}: {error}"))
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// The path of another file, whose name goes on so.
    pub(super) fn sibling(&self, ending: &str) -> PathBuf {
        let mut name = self.path.file_name().map(OsString::from).unwrap_or_default();
        name.push(ending);
        self.folder.join(name)
    }

    /// Has the disk know what the files are called.
    pub(super) fn sync_folder(&self) -> io::Result<()> {
        match File::open(&self.folder)?.sync_all() {
            // Not all file systems can.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
            synced => synced,
        }
    }
}

impl Found {
    fn is_snapshot(&self) -> io::Result<bool> {
        let bytes = self.length.min(8);
        let (mut front, mut end) = (vec![], vec![]);
        for (part, at) in [(&mut front, 0), (&mut end, self.length - bytes)] {
            part.resize(usize::try_from(bytes).unwrap_or(0), 0);
            self.file.read_exact_at(part, at)?;
        }
        Ok(is_snapshot(&front, &end))
    }
}

/// Why a file must not be read, if so.
fn distrust(stat: &Stat) -> Option<String> {
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Some("is no regular file".into());
    }
    let me = rustix::process::geteuid().as_raw();
    if stat.st_uid != me && stat.st_uid != 0 {
        return Some(format!("belongs to user {}, and this process to {me}", stat.st_uid));
    }
    (stat.st_mode & BY_ALL != 0).then(|| "could have been written by anybody (mode o+w)".into())
}

/// Lets two files have each other's name; where the file system cannot, the second one is gone.
pub(super) fn exchange(one: &Path, other: &Path) -> Result<(), Errno> {
    match rustix::fs::renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => rustix::fs::rename(one, other),
        exchanged => exchanged,
    }
}

/// Gives a file a name that no other has.
pub(super) fn rename_new(from: &Path, to: &Path) -> Result<(), Errno> {
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // The file system cannot do it in one step.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => match rustix::fs::lstat(to) {
            Ok(_) => Err(Errno::EXIST),
            Err(Errno::NOENT) => rustix::fs::rename(from, to),
            Err(errno) => Err(errno),
        },
        renamed => renamed,
    }
}
