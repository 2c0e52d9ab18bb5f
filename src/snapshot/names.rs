//! Names for files, each of which no other has: in one step where the file system can, and without loss
//! where it cannot.

use super::files::Target;
use crate::fault;
use rustix::fs::{CWD, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// How many names are tried.
pub(super) const NAMES: u32 = 10_000;
/// What a file system says that has no such way to rename a file.
pub(super) const LACKS_RENAMES: [Errno; 3] = [Errno::INVAL, Errno::NOSYS, Errno::OPNOTSUPP];

/// A name that is kept free by an empty file, for a file system that cannot rename without replacing.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    file: File,
}

impl Reserve {
    /// Renames a file to it. If that fails, it is free again.
    pub(super) fn give_to(self, path: &Path) -> io::Result<PathBuf> {
        let renamed = rename(path, &self.path);
        // Over a network it may have been renamed even so.
        if renamed.is_err() && is_named(&self.file, &self.path) == Ok(true) {
            let _ = rustix::fs::unlink(&self.path);
        }
        renamed?;
        Ok(self.path)
    }
}

impl Target {
    /// Renames a file to `FILE.KIND-N`. None of those that were put aside before is written over.
    pub(super) fn rename_from(&self, path: &Path, kind: &str) -> io::Result<PathBuf> {
        let renamed = self.first_free(kind, |aside| {
            fault::point(fault::FILE);
            rustix::fs::renameat_with(CWD, path, CWD, aside, RenameFlags::NOREPLACE)
        });
        match renamed {
            Ok((aside, ())) => Ok(aside),
            // So it has one name at any time, and two who do this at once do not get the same.
            Err(error) if lacks_renames(&error) => self.reserve(kind)?.give_to(path),
            Err(error) => Err(error),
        }
    }

    /// Takes a name by an empty file.
    pub(super) fn reserve(&self, kind: &str) -> io::Result<Reserve> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let (path, file) =
            self.first_free(kind, |path| rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR))?;
        Ok(Reserve { path, file: file.into() })
    }

    /// Takes the first name `FILE.KIND-N` that no other has.
    pub(super) fn first_free<T>(
        &self,
        kind: &str,
        mut take: impl FnMut(&Path) -> Result<T, Errno>,
    ) -> io::Result<(PathBuf, T)> {
        for number in 1..NAMES {
            let aside = self.sibling(&format!(".{kind}-{number}"));
            match take(&aside) {
                Ok(taken) => return Ok((aside, taken)),
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Err(io::Error::other(format!("{NAMES} others are kept already")))
    }
}

/// Whether a file is the one of that name.
pub(super) fn is_named(file: &File, path: &Path) -> Result<bool, Errno> {
    let (open, named) = (rustix::fs::fstat(file)?, rustix::fs::lstat(path)?);
    Ok((open.st_dev, open.st_ino) == (named.st_dev, named.st_ino))
}

/// Lets two files have each other's name.
pub(super) fn exchange(one: &Path, other: &Path) -> Result<(), Errno> {
    fault::point(fault::FILE);
    rustix::fs::renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)
}

/// Gives a file a name, whatever has that.
pub(super) fn rename(from: &Path, to: &Path) -> Result<(), Errno> {
    fault::point(fault::FILE);
    rustix::fs::rename(from, to)
}

/// Gives a file the name of a snapshot, if no other has that. What it was called before is the caller's
/// alone.
pub(super) fn rename_new(from: &Path, to: &Path) -> Result<(), Errno> {
    fault::point(fault::FILE);
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(errno) if LACKS_RENAMES.contains(&errno) => rename_by_link(from, to),
        renamed => renamed,
    }
}

/// The same where the file system cannot do it in one step: for a moment it has both names.
fn rename_by_link(from: &Path, to: &Path) -> Result<(), Errno> {
    match rustix::fs::link(from, to) {
        // With two names it does no harm.
        Ok(()) => rustix::fs::unlink(from).or(Ok(())),
        // Nor has it more than one name.
        Err(Errno::PERM | Errno::NOSYS | Errno::OPNOTSUPP) => match rustix::fs::lstat(to) {
            Ok(_) => Err(Errno::EXIST),
            Err(Errno::NOENT) => rustix::fs::rename(from, to),
            Err(errno) => Err(errno),
        },
        Err(errno) => Err(errno),
    }
}

/// Whether the file system cannot rename a file as it was told to.
fn lacks_renames(error: &io::Error) -> bool {
    Errno::from_io_error(error).is_some_and(|errno| LACKS_RENAMES.contains(&errno))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::tests::Folder;
    use std::fs;

    #[test]
    fn a_new_name_is_one_that_no_other_has_by_a_link_too() {
        let folder = Folder::new("link");
        let [one, other, third] = ["one", "other", "third"].map(|name| folder.path(name));
        fs::write(&one, b"1").unwrap();
        fs::write(&other, b"2").unwrap();
        assert_eq!(rename_by_link(&one, &other), Err(Errno::EXIST));
        assert_eq!(rename_by_link(&one, &third), Ok(()));
        assert_eq!(rename_by_link(&one, &third), Err(Errno::NOENT));
        assert_eq!(fs::read(&third).unwrap(), b"1");
        assert_eq!(fs::read(&other).unwrap(), b"2");
        assert_eq!(folder.names().len(), 2);
    }

    #[test]
    fn a_reserved_name_is_one_that_no_other_has_and_goes_if_it_is_not_needed() {
        let folder = Folder::new("reserved");
        let target = Target::of(&folder.path("values")).unwrap();
        fs::write(target.sibling(".kept-1"), b"1").unwrap();
        let gone = target.reserve("kept").unwrap().give_to(&target.path).unwrap_err();
        assert_eq!(gone.kind(), io::ErrorKind::NotFound);
        assert_eq!(folder.names(), ["values.kept-1"]);
        fs::write(&target.path, b"2").unwrap();
        let aside = target.reserve("kept").unwrap().give_to(&target.path).unwrap();
        assert_eq!(aside, target.sibling(".kept-2"));
        assert_eq!(fs::read(aside).unwrap(), b"2");
        assert_eq!(fs::read(target.sibling(".kept-1")).unwrap(), b"1");
        assert_eq!(folder.names().len(), 2);
    }

    #[test]
    fn all_who_reserve_names_at_the_same_time_get_their_own() {
        let folder = Folder::new("at-once");
        let target = Target::of(&folder.path("values")).unwrap();
        for round in 0..200 {
            std::thread::scope(|scope| {
                for number in 0..3 {
                    let (target, path) = (&target, folder.path(&format!("{round}-{number}")));
                    scope.spawn(move || {
                        fs::write(&path, path.as_os_str().as_encoded_bytes()).unwrap();
                        let aside = target.reserve("kept").unwrap().give_to(&path).unwrap();
                        let found = fs::read(&aside).unwrap();
                        assert_eq!(found, path.as_os_str().as_encoded_bytes());
                    });
                }
            });
        }
        assert_eq!(folder.names().len(), 600);
    }
}
