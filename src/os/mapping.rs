//! A shared mapping of a file, for as long as the value lives.
#![allow(unsafe_code, reason = "mmap is the one way to memory that other processes share")]

use crate::error::{Error, Result};
use core::ffi::c_void;
use core::ptr::NonNull;
use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, munmap};

/// No mapping is shorter: a page of the smallest size that Linux has.
const SHORTEST: usize = 4096;

/// Memory that other processes see and change.
#[derive(Debug)]
pub struct Mapping {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: the mapping is plain memory without thread affinity; whoever reads or writes it does so
// through the atomics that `segment::region` makes.
unsafe impl Send for Mapping {}
// SAFETY: as above; a shared `Mapping` gives out nothing but its address and length.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps the first `length` bytes of `fd`, readable and writable, shared with other processes.
    ///
    /// # Errors
    /// [`Error::System`] if the kernel refuses, or if that is less than a page: who checks offsets
    /// against the length (`segment::region`) relies on it.
    pub fn new(fd: BorrowedFd<'_>, length: usize) -> Result<Self> {
        if length < SHORTEST {
            return Err(Error::system("mmap")(Errno::INVAL));
        }
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice touches no existing memory.
        let start =
            unsafe { mmap(core::ptr::null_mut(), length, protection, MapFlags::SHARED, fd, 0) }
                .map_err(Error::system("mmap"))?;
        let start =
            NonNull::new(start.cast::<u8>()).ok_or_else(|| Error::system("mmap")(Errno::FAULT))?;
        let mapping = Self { start, length };
        // A core dump must not carry everybody's values, nor a forked child keep them alive.
        mapping.advise(Advice::LinuxDontDump);
        mapping.advise(Advice::LinuxDontFork);
        Ok(mapping)
    }

    /// Address of the first byte, aligned to a page.
    #[must_use]
    pub const fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// Bytes that are mapped: a page at least.
    #[must_use]
    pub const fn length(&self) -> usize {
        self.length
    }

    fn advise(&self, advice: Advice) {
        // SAFETY: the range is exactly this mapping; both advices leave its contents alone. A kernel
        // that does not know them says so, and nothing is lost.
        let _ = unsafe { madvise(self.address(), self.length, advice) };
    }

    const fn address(&self) -> *mut c_void {
        self.start.as_ptr().cast()
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range is exactly this mapping, and no reference into it outlives `self`.
        let _ = unsafe { munmap(self.address(), self.length) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::fd;
    use rustix::fd::AsFd as _;

    #[test]
    fn nothing_shorter_than_a_page_is_mapped() {
        let file = fd::create_sealed("short", 4096).unwrap();
        for length in [0, 4, 7, 4095] {
            assert!(Mapping::new(file.as_fd(), length).is_err(), "{length}");
        }
        assert_eq!(Mapping::new(file.as_fd(), 4096).unwrap().length(), 4096);
    }
}
