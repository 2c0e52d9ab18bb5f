//! The file of a segment: how it is made, handed over, checked, mapped and given memory.

use super::Segment;
use crate::error::{Error, Result};
use crate::os::{fd, mapping::Mapping};
use crate::segment::layout::{self, Layout, header};
use crate::segment::region::Region;
use crate::sync::Ordering;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::rand::{GetRandomFlags, getrandom};

impl Segment {
    /// Makes a new segment. Everything in it is zero, but for its identity and the key of the hash; it
    /// can be attached to once it is [published](Self::publish).
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] if not even its fixed part finds memory; [`Error::System`].
    pub fn create(layout: Layout) -> Result<Self> {
        let file = fd::create_sealed("cluster-shared-memory", layout.length)?;
        let mut segment = Self::map(file, layout)?;
        segment.back(0, segment.layout.fixed_bytes())?;
        segment.mark()?;
        Ok(segment)
    }

    /// Maps the segment that somebody handed over.
    ///
    /// # Errors
    /// [`Error::LayoutMismatch`], [`Error::Corrupted`] or [`Error::Refused`] if it is no segment
    /// that this build understands; [`Error::System`].
    pub fn attach(file: OwnedFd) -> Result<Self> {
        let length = fd::sealed_length(file.as_fd())?;
        if length < layout::PAGE {
            return Err(Error::Refused("the segment has no header".into()));
        }
        let layout = {
            let size = usize::try_from(layout::PAGE).unwrap_or(usize::MAX);
            Self::read_header(&Region::new(Mapping::new(file.as_fd(), size)?), length)?
        };
        Self::map(file, layout)
    }

    /// The file, to be handed to a process that joins.
    #[must_use]
    pub fn file(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Gives a range of the segment memory. Never call it while holding a latch.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] if the system has none; [`Error::System`].
    pub fn back(&self, start: u64, length: u64) -> Result<()> {
        if fd::back(&self.file, start, length)? {
            return Ok(());
        }
        Err(Error::OutOfMemory { need: length, free: 0, maximum: self.layout.area_bytes() })
    }

    /// Gives the memory of a range back to the system. Never call it while holding a latch.
    ///
    /// # Errors
    /// [`Error::System`].
    pub fn punch(&self, start: u64, length: u64) -> Result<()> {
        fd::punch(&self.file, start, length)
    }

    fn map(file: OwnedFd, layout: Layout) -> Result<Self> {
        let length = usize::try_from(layout.length).unwrap_or(usize::MAX);
        let region = Region::new(Mapping::new(file.as_fd(), length)?);
        let word = |at| region.load(at, Ordering::Relaxed);
        let hash_key = (word(header::HASH_KEY)?, word(header::HASH_KEY.word(1))?);
        Ok(Self { file, region, layout, hash_key })
    }

    /// Its identity, and the random key that every member hashes with.
    fn mark(&mut self) -> Result<()> {
        let mut bytes = [[0; 8]; 3];
        for word in &mut bytes {
            getrandom(word, GetRandomFlags::empty()).map_err(Error::system("getrandom"))?;
        }
        let [identity, first, second] = bytes.map(u64::from_le_bytes);
        self.hash_key = (first, second);
        let store = |at, word| self.region.store(at, word, Ordering::Relaxed);
        store(header::IDENTITY, identity)?;
        store(header::HASH_KEY, first)?;
        store(header::HASH_KEY.word(1), second)
    }

    fn read_header(region: &Region, length: u64) -> Result<Layout> {
        let word = |at| region.load(at, Ordering::Relaxed);
        // Acquire: pairs with the Release of the last store in `format`.
        let magic = region.load(header::MAGIC, Ordering::Acquire)?;
        if magic != layout::MAGIC {
            return Err(Error::corrupted("the magic word", 0));
        }
        let theirs = word(header::VERSION)?;
        if theirs != layout::VERSION {
            return Err(Error::LayoutMismatch { ours: layout::VERSION, theirs });
        }
        let layout = Layout::with_log(word(header::MAXIMUM)?, word(header::LOG)?)
            .map_err(|_| Error::corrupted("the maximum", header::MAXIMUM.bytes()))?;
        if layout.length != length || word(header::LENGTH)? != length {
            return Err(Error::corrupted("the length", header::LENGTH.bytes()));
        }
        Ok(layout)
    }
}
