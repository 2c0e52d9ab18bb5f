//! Writing entries: what stands in a block, and what becomes of it.
//!
//! An entry is filled out of sight, in a free block; a value that is too long for a block is written
//! into a run of pages before any latch is taken. Only the intent that links it makes it an entry.

use super::Shard;
use crate::entry::{Key, MAX_VALUE_BYTES, Meta, Tag, Value, stamp, word};
use crate::error::{Error, Result};
use crate::heap::blocks::{self, MAX_BLOCK};
use crate::heap::fact::Fact;
use crate::heap::pages::{self, Building, Note};
use crate::intent::Changes;
use crate::latch::Held;
use crate::log::Log;
use crate::segment::Segment;
use crate::segment::layout::{PAGE, shard};
use crate::segment::members::MemberId;
use crate::segment::region::Offset;
use crate::sync::Ordering;

/// An entry that is still to be written: what its block will be like.
#[derive(Debug, Clone, Copy)]
pub struct Draft {
    /// What its bytes are.
    pub meta: Meta,
    /// Size class of its block.
    pub class: u64,
    /// When it ends; 0: never.
    pub expiry: u64,
}

impl Draft {
    /// The entry of a key and its value, which lies in a run or does not; in the cache or not.
    ///
    /// # Errors
    /// [`Error::ValueTooLarge`] if it needs a run and has none.
    #[inline]
    pub fn new(key: &Key<'_>, value: &Value<'_>, in_run: bool, in_cache: bool) -> Result<Self> {
        let meta = Meta::new(key, value.tag, in_run, in_cache);
        let value_bytes = match value.tag {
            _ if in_run => 8,
            Tag::Number => 16,
            _ => (value.bytes.len() as u64).next_multiple_of(8),
        };
        let bytes = meta.value_offset() + value_bytes;
        let too_large = Error::ValueTooLarge { length: bytes, maximum: MAX_BLOCK };
        Ok(Self { meta, class: blocks::class_of(bytes).ok_or(too_large)?, expiry: 0 })
    }

    /// The same, but it ends.
    #[inline]
    #[must_use]
    pub const fn ending(self, expiry: u64) -> Self {
        Self { expiry, ..self }
    }

    /// Bytes of its block.
    #[inline]
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        blocks::class_bytes(self.class)
    }
}

/// The run that a long value is written into; `None` if the value fits a block.
///
/// # Errors
/// [`Error::ValueTooLarge`]; those of [`pages::build`].
#[inline]
pub fn build_run<'s>(
    segment: &'s Segment,
    me: MemberId,
    key: &Key<'_>,
    value: &Value<'_>,
    in_cache: bool,
) -> Result<Option<Building<'s>>> {
    let length = value.bytes.len() as u64;
    if !is_long(key, length, in_cache) {
        return Ok(None);
    }
    if length > MAX_VALUE_BYTES {
        return Err(Error::ValueTooLarge { length, maximum: MAX_VALUE_BYTES });
    }
    let run = pages::build(segment, me, Note::Run, length.div_ceil(PAGE), 1)?;
    segment.region().write_bytes(segment.layout().page(run.page()), value.bytes)?;
    Ok(Some(run))
}

/// Pages that become a span.
#[cold]
pub(super) fn build_span(segment: &Segment, me: MemberId) -> Result<Building<'_>> {
    let pages = segment.layout().span_pages;
    pages::build(segment, me, Note::Span, pages, pages)
}

/// Whether a value of so many bytes needs a run.
#[inline]
const fn is_long(key: &Key<'_>, bytes: u64, in_cache: bool) -> bool {
    let key_bytes = (key.bytes().len() as u64).next_multiple_of(8);
    let cache_bytes = if in_cache { Meta::CACHE_WORDS * 8 } else { 0 };
    word::KEY + key_bytes + cache_bytes + bytes.next_multiple_of(8) > MAX_BLOCK
}

impl Shard<'_> {
    /// Takes a block and fills it with an entry, which is still to be linked; gives it and its
    /// version. `None`: the class has no free block.
    ///
    /// # Errors
    /// [`Error::Corrupted`] if the shard is damaged; so for all methods below.
    #[inline]
    pub fn write(
        &self,
        changes: &mut Changes<'_>,
        key: &Key<'_>,
        draft: Draft,
        value: &Value<'_>,
        run: Option<&Building<'_>>,
    ) -> Result<Option<(Offset, u64)>> {
        let Some(block) = self.blocks().take(changes, draft.class)? else {
            return Ok(None);
        };
        let version = self.next_version(changes)?;
        self.fill(block, key, draft, value, run)?;
        changes.set(block.add(word::STAMP), stamp(version, 0))?;
        let mut bytes = draft.bytes();
        if let Some(run) = run {
            bytes += run.bytes();
            self.own(changes, run)?;
        }
        changes.add(self.at(shard::BYTES_USED), bytes)?;
        Ok(Some((block, version)))
    }

    /// Writes all words of a block that no intent writes; nobody sees the block yet.
    #[inline]
    fn fill(
        &self,
        block: Offset,
        key: &Key<'_>,
        draft: Draft,
        value: &Value<'_>,
        run: Option<&Building<'_>>,
    ) -> Result<()> {
        let meta = draft.meta;
        let region = self.segment.region();
        let store = |at: Offset, word| region.store(at, word, Ordering::Relaxed);
        // A block that was never cut off before holds what stood in its pages. The stamp of no entry
        // must be visible before the link to this one is.
        store(block.add(word::STAMP), 0)?;
        store(block.add(word::EXPIRY), draft.expiry)?;
        store(block.add(word::META), meta.to_word())?;
        store(block.add(word::LENGTH), value.bytes.len() as u64)?;
        region.write_bytes(block.add(word::KEY), key.bytes())?;
        let value_at = block.add(meta.value_offset());
        match run {
            Some(run) => store(value_at, run.page()),
            None if meta.tag() == Tag::Number => store(value_at, value.number.to_bits()),
            None => region.write_bytes(value_at, value.bytes),
        }
    }

    /// Makes the pages that a member has built a span of this shard.
    #[cold]
    pub(super) fn install(
        &self,
        held: &Held<'_>,
        class: u64,
        building: Building<'_>,
    ) -> Result<()> {
        let mut changes = held.changes();
        self.blocks().install(&mut changes, class, &building)?;
        held.commit(&mut changes)?;
        building.publish();
        Ok(())
    }

    /// Makes the run that a member has built one of this shard's.
    fn own(&self, changes: &mut Changes<'_>, run: &Building<'_>) -> Result<()> {
        let fact = Fact::Run { shard: self.number, pages: run.pages() };
        changes.set(self.segment.layout().fact(run.page()), fact.to_word())?;
        changes.set(run.note_at(), 0)
    }

    /// An entry leaves the table: its block is freed, or kept for the log.
    ///
    /// # Errors
    /// As above.
    #[inline]
    pub fn retire(&self, changes: &mut Changes<'_>, entry: Offset) -> Result<()> {
        changes.set(entry.add(word::STAMP), 0)?;
        if Log::names(changes, entry)? {
            let bytes = self.bytes_of(entry)?;
            return self.log().keep(changes, bytes, |changes, block| self.free(changes, block));
        }
        self.free(changes, entry).map(drop)
    }

    /// Frees the block of an entry and its run; gives their bytes.
    ///
    /// # Errors
    /// As above.
    #[inline]
    pub fn free(&self, changes: &mut Changes<'_>, entry: Offset) -> Result<u64> {
        let run = self.run_of_entry(entry)?;
        if let Some((page, pages)) = run {
            let owned = Fact::Run { shard: self.number, pages };
            let leaving = Fact::Leaving { shard: self.number, pages };
            let fact_at = self.segment.layout().fact(page);
            changes.hand_over(fact_at, owned.to_word(), leaving.to_word())?;
            pages::suggest(self.segment, page, pages)?;
        }
        let bytes = self.blocks().free(changes, entry)? + run.map_or(0, |(_, pages)| pages * PAGE);
        changes.add(self.at(shard::BYTES_USED), bytes.wrapping_neg())?;
        Ok(bytes)
    }

    /// Bytes of the block of an entry and of its run.
    ///
    /// # Errors
    /// As above.
    pub fn bytes_of(&self, entry: Offset) -> Result<u64> {
        let run = self.run_of_entry(entry)?.map_or(0, |(_, pages)| pages * PAGE);
        Ok(self.blocks().bytes_of(entry)? + run)
    }

    /// First page and length of the run that holds the value of an entry.
    fn run_of_entry(&self, entry: Offset) -> Result<Option<(u64, u64)>> {
        let region = self.segment.region();
        let meta = Meta::from_word(region.load(entry.add(word::META), Ordering::Relaxed)?)?;
        if !meta.in_run() {
            return Ok(None);
        }
        let page = region.load(entry.add(meta.value_offset()), Ordering::Relaxed)?;
        match pages::fact(self.segment, page)? {
            Fact::Run { shard, pages } if shard == self.number => Ok(Some((page, pages))),
            _ => Err(Error::corrupted("the run of a value", entry.bytes())),
        }
    }
}
