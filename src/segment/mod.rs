//! The segment: one sealed memfd that all members map, its layout, and who is attached.

#[cfg(not(shm_loom))]
mod file;
pub mod host;
pub mod layout;
pub mod members;
#[cfg(shm_loom)]
mod modelled;
pub mod region;

use crate::error::Result;
use crate::segment::layout::{Layout, header};
use crate::segment::region::Region;
use crate::sync::Ordering;

/// A segment that this process has mapped.
#[derive(Debug)]
pub struct Segment {
    #[cfg(not(shm_loom))]
    file: rustix::fd::OwnedFd,
    region: Region,
    layout: Layout,
    hash_key: (u64, u64),
}

impl Segment {
    /// Declares a new segment complete: from now on it can be attached to.
    ///
    /// # Errors
    /// [`crate::error::Error::Corrupted`] never, for the header is there.
    pub fn publish(&self) -> Result<()> {
        let store = |at, word| self.region.store(at, word, Ordering::Relaxed);
        store(header::VERSION, layout::VERSION)?;
        store(header::LENGTH, self.layout.length)?;
        store(header::MAXIMUM, self.layout.maximum)?;
        store(header::LOG, self.layout.log)?;
        // Release: pairs with the Acquire in `read_header`.
        self.region.store(header::MAGIC, layout::MAGIC, Ordering::Release)
    }

    /// The words of the segment.
    #[inline]
    #[must_use]
    pub const fn region(&self) -> &Region {
        &self.region
    }

    /// Where everything stands.
    #[inline]
    #[must_use]
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// A random number that no other segment has.
    ///
    /// # Errors
    /// [`crate::error::Error::Corrupted`] never, for the header is there.
    pub fn identity(&self) -> Result<u64> {
        self.region.load(header::IDENTITY, Ordering::Relaxed)
    }

    /// The random key of the hash of keys.
    #[inline]
    #[must_use]
    pub const fn hash_key(&self) -> (u64, u64) {
        self.hash_key
    }
}
