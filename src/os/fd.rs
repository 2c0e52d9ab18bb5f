//! The file behind the segment: an anonymous, sealed, sparse one.
//!
//! A memfd and not /dev/shm, which containers limit to 64 MB. Sparse: a page takes memory from when
//! it is backed. A page that is touched without having been backed could end the process by SIGBUS,
//! so nothing is published that was not backed first.

use crate::error::{Error, Result};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{FallocateFlags, MemfdFlags, SealFlags};
use rustix::io::Errno;

/// Makes an empty file of `length` bytes whose length nobody can change any more.
///
/// # Errors
/// [`Error::System`] if the kernel refuses.
pub fn create_sealed(name: &str, length: u64) -> Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let fd = rustix::fs::memfd_create(name, flags).map_err(Error::system("memfd_create"))?;
    rustix::fs::ftruncate(&fd, length).map_err(Error::system("ftruncate"))?;
    rustix::fs::fcntl_add_seals(&fd, seals()).map_err(Error::system("fcntl(F_ADD_SEALS)"))?;
    Ok(fd)
}

/// Checks that `fd` is a file whose length is fixed, and gives that length.
///
/// # Errors
/// [`Error::Refused`] if it is not; [`Error::System`] if the kernel refuses.
pub fn sealed_length(fd: BorrowedFd<'_>) -> Result<u64> {
    let has = rustix::fs::fcntl_get_seals(fd).map_err(Error::system("fcntl(F_GET_SEALS)"))?;
    if !has.contains(seals()) {
        return Err(Error::Refused("the descriptor is not a sealed segment".into()));
    }
    let stat = rustix::fs::fstat(fd).map_err(Error::system("fstat"))?;
    u64::try_from(stat.st_size).map_err(|_| Error::Refused("the segment has no length".into()))
}

/// What tells this file from all others.
///
/// # Errors
/// [`Error::System`] if the kernel refuses.
pub fn identity(fd: BorrowedFd<'_>) -> Result<(u64, u64)> {
    let stat = rustix::fs::fstat(fd).map_err(Error::system("fstat"))?;
    Ok((stat.st_dev, stat.st_ino))
}

/// Gives the range memory, so that touching it cannot fail. `false`: there is none left. (At the
/// memory limit of a control group the kernel does not say so: it kills a process of the group.)
///
/// # Errors
/// [`Error::System`] if the kernel refuses for another reason.
pub fn back(fd: &impl AsFd, start: u64, length: u64) -> Result<bool> {
    match allocate(fd, FallocateFlags::empty(), start, length) {
        Ok(()) => Ok(true),
        Err(Errno::NOSPC | Errno::NOMEM | Errno::DQUOT) => Ok(false),
        Err(errno) => Err(Error::System { call: "fallocate", errno: errno.raw_os_error() }),
    }
}

/// Gives the memory of the range back to the system; it reads as zeros from now on.
///
/// # Errors
/// [`Error::System`] if the kernel refuses.
pub fn punch(fd: &impl AsFd, start: u64, length: u64) -> Result<()> {
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    allocate(fd, flags, start, length).map_err(Error::system("fallocate(PUNCH_HOLE)"))
}

/// In small parts, each tried again if a signal comes in between: kernels undo an interrupted call,
/// and under a profiler, whose signals come every millisecond, a long one would never end.
fn allocate(fd: &impl AsFd, flags: FallocateFlags, start: u64, length: u64) -> Result<(), Errno> {
    const PART: u64 = 256 << 10;
    let end = start + length;
    let mut at = start;
    while at < end {
        let part = PART.min(end - at);
        match rustix::fs::fallocate(fd, flags, at, part) {
            Ok(()) => at += part,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

fn seals() -> SealFlags {
    SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL
}
