//! A shard's log: a bounded ring of the changes that somebody watches, in their one true order.
//!
//! A record names the block of the entry that was set or removed, so it costs no copy. A block that
//! leaves the table while a record names it is *kept*: it is freed when the last record that names
//! it is dropped. The ring drops its oldest record when it is full, and up to two for each block that
//! is kept while kept blocks take more than their share. Nobody is waited for: a reader that finds its
//! position behind the tail was lapped.
//!
//! Records are appended and dropped by the intent of the change itself.

use crate::entry::word;
use crate::error::{Error, Result};
use crate::intent::{self, Changes, Overlay, Words};
use crate::segment::Segment;
use crate::segment::layout::shard;
use crate::segment::region::Offset;
use crate::sync::{Ordering, fence, spin_hint};

/// Marks a record of a removal.
pub const REMOVED: u64 = 1 << 63;
const MARK_SHIFT: u32 = 32;
const LENGTH_MASK: u64 = (1 << MARK_SHIFT) - 1;
/// Records that are dropped for one block that is kept.
const DROPS: u32 = 2;
/// Room in an intent for one record more: what freeing an entry, its span and its run takes at most.
const TRIM_ROOM: usize = 48;
/// How often the sequence is looked at before an odd one is read through.
const SPINS: u32 = if cfg!(shm_loom) { 1 } else { 64 };

/// A change of a watched key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// The entry that was set or removed.
    pub entry: Offset,
    /// Whether it was removed.
    pub is_removal: bool,
    /// Version of the change.
    pub version: u64,
}

/// What stands at a reader's cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// Nothing yet.
    End,
    /// The record has been dropped.
    Lapped,
    /// A record, which is there for as long as the tail has not passed the cursor.
    Record(Record),
}

/// A shard's log.
#[derive(Debug, Clone, Copy)]
pub struct Log<'s> {
    segment: &'s Segment,
    shard: u64,
}

/// The bit of the shard's filter of watched keys that a hash has.
#[inline]
#[must_use]
pub const fn filter_bit(hash: u64) -> u64 {
    1 << ((hash >> 48) & 63)
}

impl<'s> Log<'s> {
    /// The log of shard number `shard`.
    #[inline]
    #[must_use]
    pub const fn new(segment: &'s Segment, shard: u64) -> Self {
        Self { segment, shard }
    }

    /// Looks at the log without the latch. What is copied of the record and its entry counts only if
    /// the cursor [is not lapped](Self::is_lapped) afterwards.
    ///
    /// # Errors
    /// [`Error::Corrupted`] if the log is damaged.
    pub fn look(&self, cursor: u64) -> Result<At> {
        let head_at = self.at(shard::LOG_HEAD);
        // Read before the sequence: if that is even then, all records up to this head are written.
        // (A head that is read afterwards may be that of a change which is being written.)
        self.settled(
            || self.segment.region().load(head_at, Ordering::Relaxed),
            |words, head| {
                let head = head.map_or_else(|| words.word_at(head_at), Ok)?;
                self.at_cursor(words, head, cursor)
            },
        )
    }

    /// Whether the tail has passed the cursor, so that what was copied of its record is nothing.
    ///
    /// # Errors
    /// [`Error::Corrupted`] if the shard lies outside the segment.
    pub fn is_lapped(&self, cursor: u64) -> Result<bool> {
        // Who has copied a word of what came into the record's or the entry's place sees that its
        // change is sealed; once that is written, the tail is.
        self.settled(|| Ok(()), |words, _| Ok(cursor < words.word_at(self.at(shard::LOG_TAIL))?))
    }

    /// Reads `first`, and then the rest when all changes of which anything has been seen are written;
    /// or, if their writer is stopped or dead, everything through its sealed words.
    fn settled<A, T>(
        &self,
        first: impl Fn() -> Result<A>,
        rest: impl Fn(&dyn Words, Option<A>) -> Result<T>,
    ) -> Result<T> {
        let region = self.segment.region();
        let base = self.at(shard::DOMAIN);
        for attempt in 0_u32.. {
            let seen = first()?;
            // Who has seen a word of a change sees that it is sealed: pairs with the Release fence in
            // `intent::apply`, and for words of reused blocks with the one in `latch::acquire`.
            fence(Ordering::Acquire);
            let sequence = intent::sequence(region, base)?;
            if sequence & 1 == 0 {
                return rest(region, Some(seen));
            }
            spin_hint();
            if attempt < SPINS {
                continue;
            }
            if let Some(overlay) = Overlay::read(region, base, sequence)? {
                let read = rest(&overlay, None);
                if intent::is_unchanged(region, base, sequence)? {
                    return read;
                }
            }
        }
        Err(Error::corrupted("a sequence that is never even", base.bytes()))
    }

    fn at_cursor(&self, words: &dyn Words, head: u64, cursor: u64) -> Result<At> {
        if cursor < words.word_at(self.at(shard::LOG_TAIL))? {
            return Ok(At::Lapped);
        }
        if cursor >= head {
            return Ok(At::End);
        }
        if head - cursor > self.segment.layout().log_records {
            return Err(Error::corrupted("the ends of a log", head));
        }
        let record = self.segment.layout().log_record(self.shard, cursor);
        let word = words.word_at(record)?;
        Ok(At::Record(Record {
            entry: Offset::new(word & !REMOVED),
            is_removal: word & REMOVED != 0,
            version: words.word_at(record.word(1))?,
        }))
    }

    /// Where a reader that was lapped goes on: the number of records so far. Values that are read
    /// afterwards are not older.
    ///
    /// # Errors
    /// [`Error::Corrupted`] if the log is damaged: its reader would be lapped again at once.
    pub fn head(&self) -> Result<u64> {
        let (region, base) = (self.segment.region(), self.at(shard::DOMAIN));
        let (head_at, tail_at) = (self.at(shard::LOG_HEAD), self.at(shard::LOG_TAIL));
        // As in `look`: its change is seen to be sealed.
        let first = || region.load(head_at, Ordering::Relaxed);
        self.settled(first, |words, seen| {
            let sequence = intent::sequence(region, base)?;
            let (head, tail) = (words.word_at(head_at)?, words.word_at(tail_at)?);
            // Both ends are of the same time if they were read through one intent, or if nothing has
            // changed in between.
            let belong_together = seen.is_none()
                || sequence & 1 == 0 && intent::is_unchanged(region, base, sequence)?;
            if belong_together && head.wrapping_sub(tail) > self.segment.layout().log_records {
                return Err(Error::corrupted("the ends of a log", tail));
            }
            Ok(seen.unwrap_or(head))
        })
    }

    /// Appends a record for the entry in `block`. A block that is dropped with the oldest record of
    /// a full ring is given to `free`.
    ///
    /// # Errors
    /// [`Error::Corrupted`] if the log is damaged; what `free` fails with.
    pub fn append(
        &self,
        changes: &mut Changes<'_>,
        block: Offset,
        kind: u64,
        version: u64,
        free: impl FnOnce(&mut Changes<'_>, Offset) -> Result<u64>,
    ) -> Result<()> {
        if self.length(changes)? == self.segment.layout().log_records {
            self.drop_oldest(changes, free)?;
        }
        let head = changes.get(self.at(shard::LOG_HEAD))?;
        let record = self.segment.layout().log_record(self.shard, head);
        changes.set(record, block.bytes() | kind)?;
        changes.set(record.word(1), version)?;
        changes.set(self.at(shard::LOG_HEAD), head.wrapping_add(1))?;
        mark(changes, block, head % self.segment.layout().log_records + 1)
    }

    /// Whether a record names the entry in `block`.
    ///
    /// # Errors
    /// [`Error::Corrupted`] if it lies outside the segment.
    #[inline]
    pub fn names(changes: &Changes<'_>, block: Offset) -> Result<bool> {
        Ok(changes.get(block.add(word::LENGTH))? >> MARK_SHIFT != 0)
    }

    /// A block of so many bytes has left the table, and stays for the log. If kept blocks take too
    /// much by now, the oldest records are dropped, at most two and with them the record that
    /// names this very block if need be.
    ///
    /// # Errors
    /// [`Error::Corrupted`] if the log is damaged; what `free` fails with.
    pub fn keep(
        &self,
        changes: &mut Changes<'_>,
        bytes: u64,
        free: impl Fn(&mut Changes<'_>, Offset) -> Result<u64>,
    ) -> Result<()> {
        changes.add(self.at(shard::LOG_KEPT), bytes)?;
        for _ in 0..DROPS {
            let is_too_much =
                changes.get(self.at(shard::LOG_KEPT))? > self.segment.layout().log_bytes;
            if is_too_much && self.length(changes)? > 0 {
                self.drop_oldest(changes, &free)?;
            }
        }
        Ok(())
    }

    /// Whether blocks are kept that take more than their share. (One change drops few records, and
    /// the entry that it replaces may be named by one of the newest.)
    ///
    /// # Errors
    /// [`Error::Corrupted`] if the shard lies outside the segment.
    pub fn keeps_too_much(&self) -> Result<bool> {
        let kept = self.segment.region().load(self.at(shard::LOG_KEPT), Ordering::Relaxed)?;
        Ok(kept > self.segment.layout().log_bytes)
    }

    /// Drops some of the oldest records, in an intent of their own; gives how many.
    ///
    /// # Errors
    /// [`Error::Corrupted`] if the log is damaged; what `free` fails with.
    pub fn trim(
        &self,
        changes: &mut Changes<'_>,
        free: impl Fn(&mut Changes<'_>, Offset) -> Result<u64>,
    ) -> Result<u64> {
        let mut dropped = 0;
        // To free an entry may hand over its run and its span.
        while changes.room() > TRIM_ROOM
            && changes.hand_overs_left() >= 2
            && changes.get(self.at(shard::LOG_KEPT))? > self.segment.layout().log_bytes
            && self.length(changes)? > 0
        {
            self.drop_oldest(changes, &free)?;
            dropped += 1;
        }
        Ok(dropped)
    }

    /// Records in the ring.
    fn length(&self, changes: &Changes<'_>) -> Result<u64> {
        let head = changes.get(self.at(shard::LOG_HEAD))?;
        let tail = changes.get(self.at(shard::LOG_TAIL))?;
        let length = head.wrapping_sub(tail);
        if length > self.segment.layout().log_records {
            return Err(Error::corrupted("the ends of a log", tail));
        }
        Ok(length)
    }

    fn drop_oldest(
        &self,
        changes: &mut Changes<'_>,
        free: impl FnOnce(&mut Changes<'_>, Offset) -> Result<u64>,
    ) -> Result<()> {
        let tail = changes.get(self.at(shard::LOG_TAIL))?;
        let layout = self.segment.layout();
        let record = changes.get(layout.log_record(self.shard, tail))?;
        let block = Offset::new(record & !REMOVED);
        changes.set(self.at(shard::LOG_TAIL), tail.wrapping_add(1))?;
        let last = changes.get(block.add(word::LENGTH))? >> MARK_SHIFT;
        if last != tail % layout.log_records + 1 {
            // A later record names it too, and decides.
            return Ok(());
        }
        if changes.get(block.add(word::STAMP))? != 0 {
            return mark(changes, block, 0);
        }
        let bytes = free(changes, block)?;
        changes.add(self.at(shard::LOG_KEPT), bytes.wrapping_neg())
    }

    #[inline]
    const fn at(&self, field: u64) -> Offset {
        self.segment.layout().shard(self.shard).add(field)
    }
}

/// Notes in a block which place of the ring names it last; 0: none.
fn mark(changes: &mut Changes<'_>, block: Offset, place: u64) -> Result<()> {
    let at = block.add(word::LENGTH);
    let length = changes.get(at)? & LENGTH_MASK;
    changes.set(at, length | place << MARK_SHIFT)
}
