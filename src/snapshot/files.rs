//! The file of a snapshot among others: what may be read, and where damage goes.
//!
//! `FILE.damaged-N` is what could not be read. Nobody removes it. What is not for this build to judge
//! (something else, a newer format, a file of somebody else) is neither read nor moved nor written over.
//!
//! A symbolic link is refused: to replace it would put a file in the place of the link, and leave what
//! it names as it was. Folders on the way may be links.

use super::Flaw;
use super::format::{Head, foreign};
use super::names::{is_named, rename_new};
use super::origin::Origin;
use crate::error::{Error, Result};
use rustix::fs::{Access, AtFlags, CWD, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use rustix::thread::CapabilitySet;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// How often it is tried while others come and go.
pub(super) const TRIES: u32 = 100;
/// Bytes of a file's name: what is beside it has longer ones, and file systems take 255.
const LONGEST_NAME: usize = 220;
/// Everybody may write.
const BY_ALL: u32 = 0o002;
/// Only owners may rename and remove what is in the folder.
const STICKY: u32 = 0o1000;

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
        let target = Self::at(path);
        let Some(name) = path.file_name() else {
            return Err(target.refuse("is no name of a file"));
        };
        if name.len() > LONGEST_NAME {
            return Err(target.refuse(&format!("has a name of more than {LONGEST_NAME} bytes")));
        }
        Ok(target)
    }

    /// Also of a name that is too long for others beside it.
    pub(super) fn at(path: &Path) -> Self {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        Self { path: path.to_owned(), folder: folder.unwrap_or(Path::new(".")).to_owned() }
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
        match found.foreign() {
            Ok(None) => Ok(Some(found)),
            Ok(Some(why)) => Err(self.refuse(&why)),
            Err(error) => Err(self.cannot("be read", &error)),
        }
    }

    /// The same, if another file could take its place one day: better told now than when there is one.
    pub(super) fn open_to_replace(&self) -> Result<Option<Found>> {
        let found = self.open()?;
        let access = Access::WRITE_OK | Access::EXEC_OK;
        match rustix::fs::accessat(CWD, &self.folder, access, AtFlags::EACCESS) {
            Err(errno @ (Errno::ACCESS | Errno::ROFS)) => Err(self.cannot_later(errno)),
            _ if found.as_ref().is_some_and(|found| self.sticks(found)) => {
                Err(self.cannot_later(Errno::PERM))
            }
            // Where that cannot be asked, it is seen then.
            _ => Ok(found),
        }
    }

    /// Whether the folder lets nobody but its owner and that of the file (and who has the power) replace
    /// it, as that of temporary files does.
    fn sticks(&self, found: &Found) -> bool {
        let stats = rustix::fs::stat(&self.folder).and_then(|folder| {
            let file = rustix::fs::fstat(&found.file)?;
            Ok((folder, file))
        });
        let me = rustix::process::geteuid().as_raw();
        let is_sticky = stats.is_ok_and(|(folder, file)| {
            folder.st_mode & STICKY != 0 && folder.st_uid != me && file.st_uid != me
        });
        is_sticky
            && rustix::thread::capabilities(None)
                .is_ok_and(|sets| !sets.effective.contains(CapabilitySet::FOWNER))
    }

    /// Renames a file that cannot be used, and says so; `None` if another one stands there by now.
    pub(super) fn keep_aside(&self, found: &Found, why: &str) -> Option<Error> {
        let stands = is_named(&found.file, &self.path).map_err(io::Error::from);
        let aside = stands.and_then(|stands| if stands { self.put_aside(found) } else { Ok(None) });
        match aside {
            Ok(Some(aside)) => {
                let (file, why) = (self.name(), why.to_owned());
                let kept = Some(aside.display().to_string());
                Some(Error::Snapshot { file, why, kept, is_too_large: false })
            }
            Ok(None) => None,
            Err(reason) => Some(self.refuse(&format!("{why}, and cannot be renamed: {reason}"))),
        }
    }

    /// Another one may come in this very moment: then that gets its place back, and it is `None`.
    fn put_aside(&self, found: &Found) -> io::Result<Option<PathBuf>> {
        self.judge_aside(found, self.rename_from(&self.path, "damaged")?)
    }

    /// What has been renamed may be another one.
    fn judge_aside(&self, found: &Found, aside: PathBuf) -> io::Result<Option<PathBuf>> {
        let is_it = is_named(&found.file, &aside)?;
        if !is_it && let Err(errno) = rename_new(&aside, &self.path) {
            let kept = aside.display();
            return Err(io::Error::other(format!("{errno}; another file is kept as {kept}")));
        }
        let _ = self.sync_folder();
        Ok(is_it.then_some(aside))
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

    fn cannot_later(&self, errno: Errno) -> Error {
        self.cannot("be written when it is time", &errno.into())
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
    /// What its head says, if that is whole.
    pub(super) fn head(&self) -> Result<Head, Flaw> {
        Head::read(&self.part(0, Head::BYTES as u64)?, self.length)
    }

    /// What tells it from others, if it can be told.
    pub(super) fn origin(&self) -> Option<Origin> {
        self.head().ok().map(|head| Origin::from_head(&head))
    }

    fn foreign(&self) -> io::Result<Option<String>> {
        let end = self.length.saturating_sub(8);
        Ok(foreign(&self.part(0, Head::BYTES as u64)?, &self.part(end, 8)?))
    }

    /// Bytes from there on, at most so many.
    fn part(&self, at: u64, most: u64) -> io::Result<Vec<u8>> {
        let bytes = most.min(self.length - at);
        let mut part = vec![0; usize::try_from(bytes).unwrap_or(0)];
        self.file.read_exact_at(&mut part, at)?;
        Ok(part)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::tests::Folder;
    use std::fs;

    #[test]
    fn a_file_that_comes_as_a_damaged_one_is_put_aside_gets_its_place_back() {
        let folder = Folder::new("aside");
        let target = Target::of(&folder.path("values")).unwrap();
        fs::write(&target.path, b"csm-").unwrap();
        let found = target.open().unwrap().unwrap();
        fs::remove_file(&target.path).unwrap();
        // Between the look and the renaming.
        fs::write(&target.path, b"another").unwrap();
        assert_eq!(target.put_aside(&found).unwrap(), None);
        assert_eq!(folder.names(), ["values"]);
        assert_eq!(fs::read(&target.path).unwrap(), b"another");
        assert!(target.keep_aside(&found, "is damaged").is_none());
        // If there is none, the damage is told of all the same.
        fs::remove_file(&target.path).unwrap();
        let error = target.keep_aside(&found, "is damaged").unwrap().to_string();
        assert!(error.contains("is damaged, and cannot be renamed: No such file"), "{error}");
    }

    /// As if the file system could not rename without replacing.
    #[test]
    fn a_file_that_comes_at_any_step_of_the_putting_aside_is_never_gone() {
        for step in ["reserved", "renamed", "both"] {
            let folder = Folder::new("any-step");
            let target = Target::of(&folder.path("values")).unwrap();
            let comes = |content: &str| {
                fs::write(folder.path("good"), content).unwrap();
                fs::rename(folder.path("good"), &target.path).unwrap();
            };
            fs::write(&target.path, b"csm-").unwrap();
            let found = target.open().unwrap().unwrap();
            let reserved = target.reserve("damaged").unwrap();
            if step != "renamed" {
                comes("first");
            }
            let aside = reserved.give_to(&target.path).unwrap();
            if step != "reserved" {
                comes("last");
            }
            let outcome = target.judge_aside(&found, aside);
            let kept = target.sibling(".damaged-1");
            let last = if step == "reserved" { "first" } else { "last" };
            assert_eq!(fs::read_to_string(&target.path).unwrap(), last);
            match step {
                "reserved" => assert!(outcome.unwrap().is_none() && !kept.exists()),
                "renamed" => {
                    assert_eq!(outcome.unwrap().as_ref(), Some(&kept));
                    assert_eq!(fs::read_to_string(kept).unwrap(), "csm-");
                }
                _ => {
                    let error = outcome.unwrap_err().to_string();
                    assert!(error.ends_with("values.damaged-1"), "{error}");
                    assert_eq!(fs::read_to_string(kept).unwrap(), "first");
                }
            }
        }
    }
}
