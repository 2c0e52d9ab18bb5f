//! Blocks of 25 size classes, each shard's in spans of its own.
//!
//! A span is cut into blocks of one class (memcached's slabs). Its record holds a list of free
//! blocks, linked through their first words, and how many have been cut off so far; the spans of a
//! class that have a free block are a list too. All of that belongs to the shard and changes only by
//! its intents: taking and freeing here means adding words to the [`Changes`] of an operation.
//!
//! An empty span goes back to the page area, but for the last one of its class with room, so that
//! one entry that comes and goes does not take a span along each time.

use crate::error::{Error, Result};
use crate::heap::fact::Fact;
use crate::heap::pages::{self, Building};
use crate::intent::Changes;
use crate::segment::Segment;
use crate::segment::layout::{self, PAGE, shard, span};
use crate::segment::region::Offset;
use crate::sync::Ordering;

/// Smallest block.
pub const MIN_BLOCK: u64 = 64;
/// Largest block; what is longer gets a run of pages.
pub const MAX_BLOCK: u64 = 4096;

/// A place for a block's list link: its first word.
pub const LINK: u64 = 0;

const COUNT_BITS: u32 = 32;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;

/// A shard's blocks.
#[derive(Debug, Clone, Copy)]
pub struct Blocks<'s> {
    segment: &'s Segment,
    shard: u64,
}

/// The smallest class whose blocks hold `bytes`; `None` if there is none.
///
/// 64, 80, 96, 112, 128, then four steps to each doubling: at most a fifth of a block is wasted.
#[inline]
#[must_use]
pub const fn class_of(bytes: u64) -> Option<u64> {
    if bytes <= MIN_BLOCK {
        return Some(0);
    }
    if bytes > MAX_BLOCK {
        return None;
    }
    let doubling = (bytes - 1).ilog2();
    let step = 1 << (doubling - 2);
    Some((doubling as u64 - 6) * 4 + (bytes - (1 << doubling)).div_ceil(step))
}

/// Bytes of the blocks of a class.
#[inline]
#[must_use]
pub const fn class_bytes(class: u64) -> u64 {
    if class == 0 {
        return MIN_BLOCK;
    }
    let (doubling, step) = ((class - 1) / 4 + 6, (class - 1) % 4 + 1);
    (1 << doubling) + step * (1 << (doubling - 2))
}

impl<'s> Blocks<'s> {
    /// The blocks of shard number `shard`.
    #[inline]
    #[must_use]
    pub const fn new(segment: &'s Segment, shard: u64) -> Self {
        Self { segment, shard }
    }

    /// Takes a block of a class. `None`: the class has no free one, and needs another span.
    ///
    /// # Errors
    /// [`Error::Corrupted`] if the lists are damaged.
    #[inline]
    pub fn take(&self, changes: &mut Changes<'_>, class: u64) -> Result<Option<Offset>> {
        let (bytes, most) = (class_bytes(class), self.blocks_per_span(class));
        let head_at = self.class_head(class);
        let Some(page) = changes.get(head_at)?.checked_sub(1) else {
            return Ok(None);
        };
        let record = self.record(page)?;
        let counts = changes.get(record.add(span::COUNTS))?;
        let (used, cut) = (counts & COUNT_MASK, counts >> COUNT_BITS);
        let free = changes.get(record.add(span::FREE))?;
        let (block, cut) = if free == 0 {
            if cut >= most {
                return Err(Error::corrupted("a full span in the list", record.bytes()));
            }
            let block = self.segment.layout().page(page).add(cut * bytes);
            (block, cut + 1)
        } else {
            let block = Offset::new(free);
            self.check_in_span(page, block, bytes, most)?;
            let next = changes.get(block.add(LINK))?;
            changes.set(record.add(span::FREE), next)?;
            (block, cut)
        };
        changes.set(record.add(span::COUNTS), (used + 1) | cut << COUNT_BITS)?;
        if used + 1 >= most {
            self.unlink(changes, class, page)?;
        }
        Ok(Some(block))
    }

    /// Frees a block, and the span with it if it was the last one; gives its bytes.
    ///
    /// # Errors
    /// [`Error::Corrupted`] if it is no block of this shard.
    #[inline]
    pub fn free(&self, changes: &mut Changes<'_>, block: Offset) -> Result<u64> {
        let (page, class, fact) = self.span_of(block)?;
        let (bytes, most) = (class_bytes(class), self.blocks_per_span(class));
        self.check_in_span(page, block, bytes, most)?;
        let record = self.record(page)?;
        let counts = changes.get(record.add(span::COUNTS))?;
        let (used, cut) = (counts & COUNT_MASK, counts >> COUNT_BITS);
        if used == 0 {
            return Err(Error::corrupted("a block freed twice", block.bytes()));
        }
        let free = changes.get(record.add(span::FREE))?;
        changes.set(block.add(LINK), free)?;
        changes.set(record.add(span::FREE), block.bytes())?;
        changes.set(record.add(span::COUNTS), (used - 1) | cut << COUNT_BITS)?;
        if used == most {
            self.link(changes, class, page)?;
        }
        if used == 1 && !self.is_only_one(changes, class, page)? {
            self.give_back(changes, class, page, fact)?;
        }
        Ok(bytes)
    }

    /// Hands an empty span to the page area.
    #[cold]
    fn give_back(
        &self,
        changes: &mut Changes<'_>,
        class: u64,
        page: u64,
        fact: Fact,
    ) -> Result<()> {
        self.unlink(changes, class, page)?;
        let free = Fact::Free { pages: fact.pages(), backed: true };
        let given_back = self.segment.layout().shard(self.shard).add(shard::SPANS_GIVEN_BACK);
        changes.add(given_back, 1)?;
        let at = self.segment.layout().fact(page);
        changes.hand_over(at, fact.to_word(), free.to_word())
    }

    /// Makes the pages that a member has built a span of a class.
    ///
    /// # Errors
    /// [`Error::Corrupted`] if the lists are damaged.
    pub fn install(
        &self,
        changes: &mut Changes<'_>,
        class: u64,
        building: &Building<'_>,
    ) -> Result<()> {
        let page = building.page();
        let record = self.record(page)?;
        changes.set(record.add(span::FREE), 0)?;
        changes.set(record.add(span::COUNTS), 0)?;
        self.link(changes, class, page)?;
        let fact = Fact::Span { shard: self.shard, class, pages: building.pages() };
        changes.set(self.segment.layout().fact(page), fact.to_word())?;
        changes.set(building.note_at(), 0)
    }

    /// Whether that is a block of this shard that has been in use once, under the latch.
    ///
    /// # Errors
    /// [`Error::Corrupted`] if the lists are damaged.
    pub fn is_cut(&self, block: Offset) -> Result<bool> {
        let Ok((page, class, _)) = self.span_of(block) else {
            return Ok(false);
        };
        let counts_at = self.record(page)?.add(span::COUNTS);
        let cut = self.segment.region().load(counts_at, Ordering::Relaxed)? >> COUNT_BITS;
        let within = block.bytes().wrapping_sub(self.segment.layout().page(page).bytes());
        Ok(within.is_multiple_of(class_bytes(class)) && within / class_bytes(class) < cut)
    }

    /// Bytes of a block, from the class of the span that it lies in.
    ///
    /// # Errors
    /// [`Error::Corrupted`] if it is no block of this shard.
    #[inline]
    pub fn bytes_of(&self, block: Offset) -> Result<u64> {
        Ok(class_bytes(self.span_of(block)?.1))
    }

    /// Blocks that a span of a class holds.
    #[inline]
    #[must_use]
    pub const fn blocks_per_span(&self, class: u64) -> u64 {
        self.segment.layout().span_pages * PAGE / class_bytes(class)
    }

    /// Where the first span with a free block of a class is named.
    #[inline]
    #[must_use]
    pub const fn class_head(&self, class: u64) -> Offset {
        self.segment.layout().shard(self.shard).add(shard::CLASSES).word(class)
    }

    /// The span that a block lies in: first page, class, fact.
    #[inline]
    fn span_of(&self, block: Offset) -> Result<(u64, u64, Fact)> {
        let page = self.segment.layout().page_of(block)?;
        let page = page & !(self.segment.layout().span_pages - 1);
        match pages::fact(self.segment, page)? {
            fact @ Fact::Span { shard, class, .. }
                if shard == self.shard && class < layout::CLASSES =>
            {
                Ok((page, class, fact))
            }
            _ => Err(Error::corrupted("a block outside the spans of its shard", block.bytes())),
        }
    }

    #[inline]
    fn record(&self, page: u64) -> Result<Offset> {
        let layout = self.segment.layout();
        if page >= layout.pages || page & (layout.span_pages - 1) != 0 {
            return Err(Error::corrupted("the page of a span", page));
        }
        Ok(layout.span(page))
    }

    #[inline]
    fn check_in_span(&self, page: u64, block: Offset, bytes: u64, most: u64) -> Result<()> {
        let start = self.segment.layout().page(page).bytes();
        let within = block.bytes().wrapping_sub(start);
        if !within.is_multiple_of(bytes) || within / bytes >= most {
            return Err(Error::corrupted("the place of a block", block.bytes()));
        }
        Ok(())
    }

    fn is_only_one(&self, changes: &Changes<'_>, class: u64, page: u64) -> Result<bool> {
        let next = changes.get(self.record(page)?.add(span::NEXT))?;
        Ok(changes.get(self.class_head(class))? == page + 1 && next == 0)
    }

    /// Puts a span in front of the list of those with free blocks.
    #[cold]
    fn link(&self, changes: &mut Changes<'_>, class: u64, page: u64) -> Result<()> {
        let record = self.record(page)?;
        let head_at = self.class_head(class);
        let next = changes.get(head_at)?;
        changes.set(record.add(span::NEXT), next)?;
        changes.set(record.add(span::PREVIOUS), 0)?;
        if let Some(next) = next.checked_sub(1) {
            changes.set(self.record(next)?.add(span::PREVIOUS), page + 1)?;
        }
        changes.set(head_at, page + 1)
    }

    /// Takes a span out of that list.
    #[cold]
    fn unlink(&self, changes: &mut Changes<'_>, class: u64, page: u64) -> Result<()> {
        let record = self.record(page)?;
        let next = changes.get(record.add(span::NEXT))?;
        let previous = changes.get(record.add(span::PREVIOUS))?;
        if let Some(next) = next.checked_sub(1) {
            changes.set(self.record(next)?.add(span::PREVIOUS), previous)?;
        }
        match previous.checked_sub(1) {
            Some(previous) => changes.set(self.record(previous)?.add(span::NEXT), next)?,
            None => changes.set(self.class_head(class), next)?,
        }
        changes.set(record.add(span::NEXT), 0)?;
        changes.set(record.add(span::PREVIOUS), 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_the_smallest_that_fit() {
        assert_eq!(class_of(MAX_BLOCK + 1), None);
        for bytes in 1..=MAX_BLOCK {
            let class = class_of(bytes).unwrap();
            assert!(class_bytes(class) >= bytes, "{bytes}");
            assert!(class == 0 || class_bytes(class - 1) < bytes, "{bytes}");
        }
        assert_eq!(class_of(MAX_BLOCK), Some(layout::CLASSES - 1));
    }

    #[test]
    fn blocks_are_aligned_to_sixteen_bytes() {
        assert!((0..layout::CLASSES).all(|class| class_bytes(class).is_multiple_of(16)));
    }
}
