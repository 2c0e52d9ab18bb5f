//! How the file is replaced: another one is written beside it, and takes its place.
//!
//! 1. `FILE.writing-PID-N` is being written: it came into being with `O_EXCL` and is locked by its
//!    writer (flock). So a file of that name without a lock is of a writer that has died, whatever has
//!    become of its pid, and whoever reads or writes the snapshot next removes it. Nothing but a draft
//!    ever has such a name.
//! 2. When the disk has it, and something stands in its place, it takes the name `FILE.replaced-N`.
//!    Nobody removes what has such a name but who has given it.
//! 3. The two trade names in one step (`RENAME_EXCHANGE`). So whatever has stood there in that moment is
//!    one of those that are kept from then on.
//! 4. The writer looks what that is, and removes it if it is ours.
//!
//! The place is never empty meanwhile, and who is killed at any step loses nothing: it may leave one
//! file more than are needed. What the disk has and what cannot take the place stays under such a name.
//! Where the file system cannot exchange, what is not ours is linked or copied to one before it is
//! written over; who puts a file there between these two loses it.

use super::files::{Found, TRIES, Target};
use super::names::{LACKS_RENAMES, NAMES, exchange, is_named, rename, rename_new};
use super::origin::Origin;
use super::{Flaw, IsOurs};
use crate::error::Result;
use crate::fault;
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Drafts of this process so far.
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A file that is being written. It is gone at the end, unless it has got a name to stay.
#[derive(Debug)]
pub(super) struct Draft<'t> {
    target: &'t Target,
    path: PathBuf,
    file: File,
    /// What has the name `path` is not for the draft to remove any more.
    is_placed: bool,
}

impl Draft<'_> {
    pub(super) const fn file(&self) -> &File {
        &self.file
    }

    /// Puts it in the place of the snapshot that is there, once the disk has it. What is not ours is kept
    /// under another name: gives that.
    pub(super) fn publish(mut self, is_ours: IsOurs<'_>) -> Result<Option<PathBuf>> {
        let target = self.target;
        self.file.sync_all().map_err(|error| target.unwritten(Flaw::Io(error)))?;
        let placed = self.take_its_place(is_ours);
        let kept = placed.map_err(|flaw| target.unwritten(flaw).keeping_it(self.stay()))?;
        target.sync_folder().map_err(|error| {
            let why = format!("was written, but may not outlast a loss of power: {error}");
            target.refuse(&why).keeping(kept.as_slice())
        })?;
        Ok(kept)
    }

    /// Whatever comes and goes there meanwhile, nothing is lost that is not ours.
    fn take_its_place(&mut self, is_ours: IsOurs<'_>) -> Result<Option<PathBuf>, Flaw> {
        let (target, mut is_aside) = (self.target, false);
        for _ in 0..TRIES {
            match rename_new(&self.path, &target.path) {
                Ok(()) => {
                    self.is_placed = true;
                    return Ok(None);
                }
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(self.lost(errno.into())),
            }
            if !is_aside {
                self.stand_aside().map_err(|error| self.lost(error))?;
                is_aside = true;
            }
            match exchange(&self.path, &target.path) {
                Ok(()) => {
                    self.is_placed = true;
                    return Ok(self.judge(is_ours));
                }
                // Nothing stands there any more.
                Err(Errno::NOENT) => {}
                Err(errno) if LACKS_RENAMES.contains(&errno) => return self.write_over(is_ours),
                Err(errno) => return Err(Flaw::Io(errno.into())),
            }
        }
        Err(Flaw::Io(io::Error::other("others write it all the time")))
    }

    /// Is whole, and cannot take the place: if it is still there, it stays under another name.
    fn stay(&mut self) -> Option<PathBuf> {
        if is_named(&self.file, &self.path) != Ok(true) {
            return None;
        }
        // Under the name of a draft the next one would remove it.
        if self.target.is_draft(self.path.file_name().unwrap_or_default()) {
            self.stand_aside().ok()?;
        }
        self.is_placed = true;
        let _ = self.target.sync_folder();
        Some(self.path.clone())
    }

    /// Takes the name of a file that is kept.
    fn stand_aside(&mut self) -> io::Result<()> {
        self.path = self.target.rename_from(&self.path, "replaced")?;
        Ok(())
    }

    /// Removes what it was exchanged for, if that is ours; else gives its name.
    fn judge(&self, is_ours: IsOurs<'_>) -> Option<PathBuf> {
        fault::point(fault::FILE);
        let is_kept = Origin::of(&self.path).is_none_or(|origin| !is_ours(origin));
        // What cannot be removed is kept, and does no harm.
        (is_kept || std::fs::remove_file(&self.path).is_err()).then(|| self.path.clone())
    }

    /// Takes the place without an exchange.
    fn write_over(&mut self, is_ours: IsOurs<'_>) -> Result<Option<PathBuf>, Flaw> {
        let target = self.target;
        let mut other = target.open()?.filter(|found| !found.origin().is_some_and(is_ours));
        let keep = |other: &mut Found| target.link(other).or_else(|_| target.copy(other));
        let kept = other.as_mut().map(keep).transpose()?;
        // If the draft is gone, its name may be that of the link.
        let renamed = match is_named(&self.file, &self.path) {
            Ok(true) => rename(&self.path, &target.path),
            Ok(false) => Err(Errno::NOENT),
            Err(errno) => Err(errno),
        };
        if let Err(errno) = renamed {
            if let Some((other, kept)) = other.zip(kept)
                && is_named(&other.file, &target.path) == Ok(true)
            {
                // It has not lost its place.
                let _ = std::fs::remove_file(kept);
            }
            return Err(self.lost(errno.into()));
        }
        self.is_placed = true;
        Ok(kept)
    }

    /// Why it cannot be renamed.
    fn lost(&self, error: io::Error) -> Flaw {
        if error.kind() == io::ErrorKind::NotFound {
            return Flaw::Io(io::Error::other(format!("{} is gone", self.path.display())));
        }
        Flaw::Io(error)
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        if !self.is_placed && is_named(&self.file, &self.path) == Ok(true) {
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

    /// Gives what stands there a second name, by which it is kept.
    fn link(&self, found: &mut Found) -> io::Result<PathBuf> {
        let (kept, ()) = self.first_free("replaced", |kept| rustix::fs::link(&self.path, kept))?;
        if is_named(&found.file, &kept) != Ok(true) {
            // Another has come meanwhile, whatever it is.
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            found.file = rustix::fs::open(&kept, flags, Mode::empty())?.into();
        }
        Ok(kept)
    }

    /// Keeps a copy of a file: there are file systems without links, and files that not everybody may
    /// link.
    fn copy(&self, found: &Found) -> Result<PathBuf, Flaw> {
        let mut copy = self.draft()?;
        io::copy(&mut &found.file, &mut &copy.file)?;
        copy.file.sync_all()?;
        copy.stand_aside()?;
        copy.is_placed = true;
        Ok(copy.path.clone())
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
                return Ok(Draft { target: self, path, file, is_placed: false });
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

/// Removes a file that nobody is writing.
fn remove_unlocked(path: &Path) -> Result<(), Errno> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    let is_mine = rustix::fs::fstat(&file)?.st_uid == rustix::process::geteuid().as_raw();
    // With the lock in hand, the name stays that of this file, if it still is.
    if is_mine && is_named(&file, path)? {
        rustix::fs::unlink(path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::format::{END, Head};
    use crate::snapshot::tests::Folder;
    use std::fs;
    use std::io::Write as _;

    /// A whole file without entries, of that memory.
    fn whole(memory: u64) -> Vec<u8> {
        let head = Head {
            length: (Head::BYTES + END.len()) as u64,
            entries: 0,
            namespaces: 0,
            versions: 0,
            taken_ms: 1,
            memory,
            maximum: 1,
            sum: crc32fast::hash(&END),
        };
        [&head.to_bytes()[..], &END].concat()
    }

    #[test]
    fn where_nothing_can_be_exchanged_what_is_not_ours_is_linked() {
        let folder = Folder::new("linked");
        let target = Target::of(&folder.path("values")).unwrap();
        for (stands, kept) in [(None, false), (Some(1), true), (Some(2), false)] {
            let _ = fs::remove_file(&target.path);
            if let Some(memory) = stands {
                fs::write(&target.path, whole(memory)).unwrap();
            }
            let mut draft = target.draft().unwrap();
            draft.file.write_all(&whole(2)).unwrap();
            draft.stand_aside().unwrap();
            let aside = draft.write_over(&|origin| origin.memory() == 2).unwrap();
            assert_eq!(aside.is_some(), kept, "{stands:?}");
            drop(draft);
            assert_eq!(fs::read(&target.path).unwrap(), whole(2));
            if let Some(aside) = aside {
                assert_eq!(fs::read(&aside).unwrap(), whole(1));
                fs::remove_file(aside).unwrap();
            }
            assert_eq!(folder.names(), ["values"]);
        }
    }

    #[test]
    fn where_there_are_no_links_what_is_not_ours_is_copied() {
        let folder = Folder::new("copied");
        let target = Target::of(&folder.path("values")).unwrap();
        fs::write(&target.path, whole(1)).unwrap();
        let found = target.open().unwrap().unwrap();
        let copy = target.copy(&found).unwrap();
        assert_eq!(copy, target.sibling(".replaced-1"));
        assert_eq!(is_named(&found.file, &copy), Ok(false));
        assert_eq!(fs::read(copy).unwrap(), whole(1));
        assert_eq!(folder.names().len(), 2);
    }

    #[test]
    fn what_comes_as_another_is_linked_is_what_is_kept() {
        let folder = Folder::new("late");
        let target = Target::of(&folder.path("values")).unwrap();
        fs::write(&target.path, whole(1)).unwrap();
        let mut found = target.open().unwrap().unwrap();
        fs::remove_file(&target.path).unwrap();
        fs::write(&target.path, whole(2)).unwrap();
        let kept = target.link(&mut found).unwrap();
        assert_eq!(fs::read(kept).unwrap(), whole(2));
        assert_eq!(is_named(&found.file, &target.path), Ok(true));
    }

    #[test]
    fn what_has_not_lost_its_place_is_not_kept_twice() {
        let folder = Folder::new("twice");
        let target = Target::of(&folder.path("values")).unwrap();
        fs::write(&target.path, whole(1)).unwrap();
        let mut draft = target.draft().unwrap();
        draft.stand_aside().unwrap();
        fs::remove_file(&draft.path).unwrap();
        assert!(draft.write_over(&|_| false).is_err());
        assert_eq!(draft.stay(), None);
        assert_eq!(folder.names(), ["values"]);
        assert_eq!(fs::read(&target.path).unwrap(), whole(1));
    }

    #[test]
    fn what_is_whole_and_cannot_take_the_place_stays() {
        let folder = Folder::new("stays");
        let target = Target::of(&folder.path("values")).unwrap();
        fs::create_dir(&target.path).unwrap();
        for number in 1..=2 {
            let mut draft = target.draft().unwrap();
            draft.file.write_all(&whole(number)).unwrap();
            assert!(draft.write_over(&|_| true).is_err());
            let kept = draft.stay().unwrap();
            drop(draft);
            target.sweep();
            assert_eq!(kept, target.sibling(&format!(".replaced-{number}")));
            assert_eq!(fs::read(kept).unwrap(), whole(number));
        }
        assert_eq!(folder.names().len(), 3);
    }

    #[test]
    fn a_draft_that_is_given_up_removes_nothing_but_itself() {
        let folder = Folder::new("given-up");
        let target = Target::of(&folder.path("values")).unwrap();
        let draft = target.draft().unwrap();
        let path = draft.path.clone();
        // As if an exchange had come about, and yet had failed.
        fs::rename(&path, &target.path).unwrap();
        fs::write(&path, whole(1)).unwrap();
        drop(draft);
        assert_eq!(fs::read(path).unwrap(), whole(1));
        drop(target.draft().unwrap());
        assert_eq!(folder.names().len(), 2);
    }
}
