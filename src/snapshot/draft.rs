//! How the file is replaced: another one is written beside it, and renamed.
//!
//! `FILE.writing-PID-N` is being written: it came into being with `O_EXCL` and is locked by its writer
//! (flock). So a file of that name without a lock is of a writer that has died, whatever has become
//! of its pid, and whoever reads or writes the snapshot next removes it.

use super::Flaw;
use super::files::{NAMES, Target, exchange, rename_new};
use super::origin::Origin;
use super::read::source;
use crate::error::Result;
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// How often it is tried while others come and go.
const TRIES: u32 = 100;

/// Drafts of this process so far.
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A file that is being written. It is gone at the end, unless it was published.
#[derive(Debug)]
pub(super) struct Draft<'t> {
    target: &'t Target,
    path: PathBuf,
    file: File,
    is_published: bool,
}

impl Draft<'_> {
    pub(super) const fn file(&self) -> &File {
        &self.file
    }

    /// Puts it in the place of the snapshot that is there, once the disk has it. What is not ours is kept
    /// under another name: gives that.
    pub(super) fn publish(
        mut self,
        is_ours: &dyn Fn(Origin, Option<u64>) -> bool,
    ) -> Result<Option<PathBuf>> {
        let target = self.target;
        let placed = self.file.sync_all().and_then(|()| self.take_its_place(is_ours));
        let kept = placed.map_err(|error| target.unwritten(Flaw::Io(error)))?;
        target.sync_folder().map_err(|error| {
            target.refuse(&format!("was written, but may not outlast a loss of power: {error}"))
        })?;
        Ok(kept)
    }

    /// Whatever comes and goes there meanwhile, nothing is lost that is not ours.
    fn take_its_place(
        &mut self,
        is_ours: &dyn Fn(Origin, Option<u64>) -> bool,
    ) -> io::Result<Option<PathBuf>> {
        let target = self.target;
        let mut kept = None;
        for _ in 0..TRIES {
            // So that nobody takes it for what a dead writer has left, while it has that name.
            let _locked = lock(&target.path);
            let placed = match Origin::of(&target.path) {
                Some(origin) if is_ours(origin, source(&target.path)) => {
                    exchange(&self.path, &target.path)
                }
                stands => {
                    if stands.is_some() {
                        match target.rename_to("replaced") {
                            Ok(aside) => kept = Some(aside),
                            // Somebody else has.
                            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                            Err(error) => return Err(error),
                        }
                    }
                    rename_new(&self.path, &target.path)
                }
            };
            match placed {
                Ok(()) => {}
                Err(Errno::EXIST | Errno::NOENT) => continue,
                Err(errno) => return Err(errno.into()),
            }
            // What has its own place now, if anything, is what it was exchanged for.
            match Origin::of(&self.path) {
                Some(origin) if !is_ours(origin, source(&self.path)) => {
                    kept = Some(target.rename_from(&self.path, "replaced")?);
                }
                // Somebody may have removed it for one that a dead writer has left.
                Some(_) => drop(std::fs::remove_file(&self.path)),
                None => {}
            }
            self.is_published = true;
            return Ok(kept);
        }
        Err(io::Error::other("others write it all the time"))
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        if !self.is_published {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Target {
    /// Removes what dead writers have left.
    pub(super) fn sweep(&self) {
        let Ok(folder) = std::fs::read_dir(&self.folder) else {
            return;
        };
        for file in folder.flatten().filter(|file| self.is_draft(&file.file_name())) {
            // What cannot be removed does no harm.
            let _ = remove_unlocked(&file.path());
        }
    }

    /// A new file under another name.
    pub(super) fn draft(&self) -> Result<Draft<'_>> {
        for _ in 0..NAMES {
            // No name twice: somebody may still be about to remove what had it before. Relaxed: a count.
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let path = self.sibling(&format!(".writing-{}-{number}", std::process::id()));
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            let file = match rustix::fs::open(&path, flags, Mode::RUSR | Mode::WUSR) {
                Ok(fd) => File::from(fd),
                Err(Errno::EXIST) => continue,
                Err(errno) => return Err(self.unwritten(Flaw::Io(errno.into()))),
            };
            // Where there are no locks, nobody removes anything.
            let locked = rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive);
            let is_swept = rustix::fs::fstat(&file).is_ok_and(|stat| stat.st_nlink == 0);
            // Else somebody has just taken it for one without a writer.
            if locked != Err(Errno::WOULDBLOCK) && !is_swept {
                return Ok(Draft { target: self, path, file, is_published: false });
            }
        }
        Err(self.refuse("cannot be written: all names are taken"))
    }

    fn is_draft(&self, name: &OsStr) -> bool {
        let of = self.path.file_name().unwrap_or_default().as_bytes();
        let ending = name.as_bytes().strip_prefix(of);
        let numbers = ending.and_then(|ending| ending.strip_prefix(b".writing-"));
        let is_number = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
        let mut parts = numbers.unwrap_or_default().split(|byte| *byte == b'-');
        parts.by_ref().take(2).filter(|part| is_number(part)).count() == 2 && parts.next().is_none()
    }
}

/// Locks a file, if there is one and nobody has.
fn lock(path: &Path) -> Option<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).ok()?);
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).ok()?;
    Some(file)
}

/// Removes a file that nobody is writing.
fn remove_unlocked(path: &Path) -> Result<(), Errno> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty())?;
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    // With the lock in hand, the name stays that of this file, if it still is.
    let (locked, named) = (rustix::fs::fstat(&file)?, rustix::fs::lstat(path)?);
    let is_same = (locked.st_dev, locked.st_ino) == (named.st_dev, named.st_ino);
    if is_same && locked.st_uid == rustix::process::geteuid().as_raw() {
        rustix::fs::unlink(path)?;
    }
    Ok(())
}
