//! Writing: under the latch of the key's shard, each change by one intent.
//!
//! To set a key: take a free block, fill it out of sight, and seal an intent that links it into the
//! table in place of the old one, which goes to the free list or, if the log names it, stays for the
//! log. A value that is too long for a block is written into a run of pages before the latch is
//! taken. If the class of the block has no room, the latch is let go, a span is built, and the
//! operation begins anew with the span in hand.

use super::{Shard, Store};
use crate::entry::{Key, MAX_VALUE_BYTES, Meta, Tag, Value, stamp, word};
use crate::error::{Error, Result};
use crate::heap::blocks::{self, MAX_BLOCK};
use crate::heap::fact::Fact;
use crate::heap::pages::{self, Building, Note};
use crate::intent::Changes;
use crate::latch::{self, Held};
use crate::log::{self, Log, REMOVED};
use crate::segment::layout::{PAGE, member, shard};
use crate::segment::region::Offset;
use crate::sync::Ordering;
use crate::table::Found;

/// Sums beyond this are not exact: `Number.MAX_SAFE_INTEGER`.
const MAX_SAFE: f64 = 9_007_199_254_740_991.0;

/// What a writer is about to do with a key.
#[derive(Debug, Clone, Copy)]
enum Change<'v> {
    Set(Value<'v>),
    Add(f64),
}

/// How far an attempt under the latch got.
enum Attempt {
    Done(f64),
    /// The class has no free block.
    NeedsSpan(u64),
}

impl Store {
    /// Sets a key to a value.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], [`Error::ValueTooLarge`], [`Error::Busy`]: nothing was changed.
    #[inline]
    pub fn set(&self, key: &Key<'_>, value: &Value<'_>) -> Result<()> {
        let run = self.build_run(key, value)?;
        self.change(key, Change::Set(*value), run).map(drop)
    }

    /// Adds to a number, which begins as 0, and gives the sum.
    ///
    /// # Errors
    /// [`Error::NotANumber`] if another kind of value stands there; [`Error::OutOfRange`] if the sum
    /// is not finite, or an integer that is not exact; those of [`Store::set`]. Nothing was changed.
    #[inline]
    pub fn incr(&self, key: &Key<'_>, by: f64) -> Result<f64> {
        self.change(key, Change::Add(by), None)
    }

    /// Removes a key; `false` if there was no such entry.
    ///
    /// # Errors
    /// [`Error::Busy`]: nothing was changed.
    pub fn remove(&self, key: &Key<'_>) -> Result<bool> {
        self.count(member::WRITES, 1)?;
        let shard = Shard::of(&self.segment, key);
        let held = latch::hold(&self.segment, shard.base(), self.me)?;
        let Some(found) = shard.table().find(self.segment.region(), key)? else {
            return Ok(false);
        };
        let mut changes = held.changes();
        let version = shard.next_version(&mut changes)?;
        shard.table().remove(&mut changes, &found)?;
        if shard.is_watched(key)? {
            shard.log().append(&mut changes, found.entry, REMOVED, version, |changes, block| {
                shard.free(changes, block)
            })?;
        }
        shard.retire(&mut changes, found.entry)?;
        held.commit(&mut changes)?;
        Ok(true)
    }

    /// Makes the change, with a new span in hand where the first attempt lacked one.
    #[inline]
    fn change(
        &self,
        key: &Key<'_>,
        change: Change<'_>,
        mut run: Option<Building<'_>>,
    ) -> Result<f64> {
        self.count(member::WRITES, 1)?;
        let shard = Shard::of(&self.segment, key);
        let mut span = None;
        loop {
            let held = latch::hold(&self.segment, shard.base(), self.me)?;
            if let Some((class, building)) = span.take() {
                shard.install(&held, class, building)?;
            }
            match shard.attempt(&held, key, change, run.as_ref())? {
                Attempt::Done(sum) => {
                    if let Some(run) = run.take() {
                        run.publish();
                    }
                    // The change has happened: what fails from here on is not its failure. A table
                    // that could not grow has longer chains, and tries again at the next change.
                    let wants_more = shard.table().split(&held).unwrap_or(false);
                    drop(held);
                    if wants_more {
                        let _ = shard.table().grow();
                    }
                    return Ok(sum);
                }
                Attempt::NeedsSpan(class) => {
                    drop(held);
                    span = Some((class, self.build_span()?));
                }
            }
        }
    }

    /// The run that a long value is written into; `None` if the value fits a block.
    #[inline]
    fn build_run(&self, key: &Key<'_>, value: &Value<'_>) -> Result<Option<Building<'_>>> {
        let length = value.bytes.len() as u64;
        if !is_long(key, length) {
            return Ok(None);
        }
        if length > MAX_VALUE_BYTES {
            return Err(Error::ValueTooLarge { length, maximum: MAX_VALUE_BYTES });
        }
        let run = pages::build(&self.segment, self.me, Note::Run, length.div_ceil(PAGE), 1)?;
        self.segment.region().write_bytes(self.segment.layout().page(run.page()), value.bytes)?;
        Ok(Some(run))
    }

    #[cold]
    fn build_span(&self) -> Result<Building<'_>> {
        let pages = self.segment.layout().span_pages;
        pages::build(&self.segment, self.me, Note::Span, pages, pages)
    }
}

impl Shard<'_> {
    /// One attempt under the latch.
    #[inline]
    fn attempt(
        &self,
        held: &Held<'_>,
        key: &Key<'_>,
        change: Change<'_>,
        run: Option<&Building<'_>>,
    ) -> Result<Attempt> {
        let found = self.table().find(self.segment.region(), key)?;
        let is_watched = self.is_watched(key)?;
        let value = match change {
            Change::Set(value) => value,
            Change::Add(by) => Value::number(self.sum(found.as_ref(), by)?),
        };
        if let Some(found) = &found
            && value.tag == Tag::Number
            && found.meta.tag == Tag::Number
            && !is_watched
            && self.change_in_place(found, value.number)?
        {
            return Ok(Attempt::Done(value.number));
        }
        let mut changes = held.changes();
        let meta = meta_of(key, &value, run.is_some());
        let class = class_of(meta, &value)?;
        let Some(block) = self.blocks().take(&mut changes, class)? else {
            return Ok(Attempt::NeedsSpan(class));
        };
        let version = self.next_version(&mut changes)?;
        self.fill(block, key, meta, &value, run)?;
        changes.set(block.add(word::STAMP), stamp(version, 0))?;
        let mut bytes = blocks::class_bytes(class);
        if let Some(run) = run {
            bytes += run.pages() * PAGE;
            self.own(&mut changes, run)?;
        }
        changes.add(self.at(shard::BYTES_USED), bytes)?;
        match &found {
            None => self.table().insert(&mut changes, block, key.hash())?,
            Some(found) => self.table().replace(&mut changes, found, block, key.hash())?,
        }
        if is_watched {
            self.log().append(&mut changes, block, 0, version, |changes, block| {
                self.free(changes, block)
            })?;
        }
        if let Some(found) = &found {
            self.retire(&mut changes, found.entry)?;
        }
        held.commit(&mut changes)?;
        Ok(Attempt::Done(value.number))
    }

    /// What a number becomes.
    #[inline]
    fn sum(&self, found: Option<&Found>, by: f64) -> Result<f64> {
        let Some(found) = found else {
            return exact_sum(0.0, by);
        };
        if found.meta.tag != Tag::Number {
            return Err(Error::NotANumber { kind: found.meta.tag.describe() });
        }
        let region = self.segment.region();
        let stamp = region.load(found.entry.add(word::STAMP), Ordering::Relaxed)?;
        let cell = found.entry.add(found.meta.value_offset()).word(stamp & 1);
        exact_sum(f64::from_bits(region.load(cell, Ordering::Relaxed)?), by)
    }

    /// Writes the other cell of a number and then its stamp; see [`crate::entry`]. `false`: the log names
    /// the entry, or it has an expiry, so it needs a new block.
    ///
    /// Killed before the last store: nothing has happened, but for a version that is never used.
    #[inline]
    fn change_in_place(&self, found: &Found, number: f64) -> Result<bool> {
        let region = self.segment.region();
        let load = |at: Offset| region.load(at, Ordering::Relaxed);
        let length = load(found.entry.add(word::LENGTH))?;
        if length != 0 || load(found.entry.add(word::EXPIRY))? != 0 {
            return Ok(false);
        }
        let version = load(self.at(shard::VERSION))?.wrapping_add(1);
        region.store(self.at(shard::VERSION), version, Ordering::Relaxed)?;
        let stamp_at = found.entry.add(word::STAMP);
        let cell = (load(stamp_at)? & 1) ^ 1;
        let value = found.entry.add(found.meta.value_offset());
        // Relaxed: `latch::acquire` has put a Release fence before it.
        region.store(value.word(cell), number.to_bits(), Ordering::Relaxed)?;
        // Release: who reads this stamp with Acquire reads this cell, and the version before it.
        region.store(stamp_at, stamp(version, cell), Ordering::Release)?;
        Ok(true)
    }

    /// Writes all words of a block that no intent writes; nobody sees the block yet.
    #[inline]
    fn fill(
        &self,
        block: Offset,
        key: &Key<'_>,
        meta: Meta,
        value: &Value<'_>,
        run: Option<&Building<'_>>,
    ) -> Result<()> {
        let region = self.segment.region();
        let store = |at: Offset, word| region.store(at, word, Ordering::Relaxed);
        // A block that was never cut off before holds what stood in its pages. The stamp of no entry
        // must be visible before the link to this one is.
        store(block.add(word::STAMP), 0)?;
        store(block.add(word::EXPIRY), 0)?;
        store(block.add(word::META), meta.to_word())?;
        store(block.add(word::LENGTH), value.bytes.len() as u64)?;
        region.write_bytes(block.add(word::KEY), key.bytes())?;
        let value_at = block.add(meta.value_offset());
        match run {
            Some(run) => store(value_at, run.page()),
            None if meta.tag == Tag::Number => store(value_at, value.number.to_bits()),
            None => region.write_bytes(value_at, value.bytes),
        }
    }

    /// Makes the pages that a member has built a span of this shard.
    #[cold]
    fn install(&self, held: &Held<'_>, class: u64, building: Building<'_>) -> Result<()> {
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
    #[inline]
    fn retire(&self, changes: &mut Changes<'_>, entry: Offset) -> Result<()> {
        changes.set(entry.add(word::STAMP), 0)?;
        if Log::names(changes, entry)? {
            let bytes = self.bytes_of(entry)?;
            return self.log().keep(changes, bytes, |changes, block| self.free(changes, block));
        }
        self.free(changes, entry).map(drop)
    }

    /// Frees the block of an entry and its run; gives their bytes.
    #[inline]
    fn free(&self, changes: &mut Changes<'_>, entry: Offset) -> Result<u64> {
        let bytes = self.bytes_of(entry)?;
        if let Some((page, pages)) = self.run_of_entry(entry)? {
            let owned = Fact::Run { shard: self.number, pages };
            let leaving = Fact::Leaving { shard: self.number, pages };
            let fact_at = self.segment.layout().fact(page);
            changes.hand_over(fact_at, owned.to_word(), leaving.to_word())?;
            pages::suggest(self.segment, page, pages)?;
        }
        self.blocks().free(changes, entry)?;
        changes.add(self.at(shard::BYTES_USED), bytes.wrapping_neg())?;
        Ok(bytes)
    }

    fn bytes_of(&self, entry: Offset) -> Result<u64> {
        let run = self.run_of_entry(entry)?.map_or(0, |(_, pages)| pages * PAGE);
        Ok(self.blocks().bytes_of(entry)? + run)
    }

    /// First page and length of the run that holds the value of an entry.
    fn run_of_entry(&self, entry: Offset) -> Result<Option<(u64, u64)>> {
        let region = self.segment.region();
        let meta = Meta::from_word(region.load(entry.add(word::META), Ordering::Relaxed)?)?;
        if !meta.in_run {
            return Ok(None);
        }
        let page = region.load(entry.add(meta.value_offset()), Ordering::Relaxed)?;
        match pages::fact(self.segment, page)? {
            Fact::Run { shard, pages } if shard == self.number => Ok(Some((page, pages))),
            _ => Err(Error::corrupted("the run of a value", entry.bytes())),
        }
    }

    #[inline]
    fn next_version(&self, changes: &mut Changes<'_>) -> Result<u64> {
        let version = changes.get(self.at(shard::VERSION))?.wrapping_add(1);
        changes.set(self.at(shard::VERSION), version)?;
        Ok(version)
    }

    #[inline]
    fn is_watched(&self, key: &Key<'_>) -> Result<bool> {
        let filter = self.segment.region().load(self.at(shard::WATCHED), Ordering::Relaxed)?;
        Ok(filter & log::filter_bit(key.hash()) != 0)
    }
}

/// Whether a value of so many bytes needs a run.
#[inline]
const fn is_long(key: &Key<'_>, bytes: u64) -> bool {
    let key_bytes = (key.bytes().len() as u64).next_multiple_of(8);
    word::KEY + key_bytes + bytes.next_multiple_of(8) > MAX_BLOCK
}

#[inline]
const fn meta_of(key: &Key<'_>, value: &Value<'_>, in_run: bool) -> Meta {
    let key_bytes = key.bytes().len() as u64;
    Meta { tag: value.tag, wide: key.is_wide(), in_run, key_bytes }
}

#[inline]
fn class_of(meta: Meta, value: &Value<'_>) -> Result<u64> {
    let value_bytes = match meta.tag {
        _ if meta.in_run => 8,
        Tag::Number => 16,
        _ => (value.bytes.len() as u64).next_multiple_of(8),
    };
    let bytes = meta.value_offset() + value_bytes;
    blocks::class_of(bytes).ok_or(Error::ValueTooLarge { length: bytes, maximum: MAX_BLOCK })
}

#[inline]
fn exact_sum(number: f64, by: f64) -> Result<f64> {
    let sum = number + by;
    let is_inexact_integer = sum.abs() > MAX_SAFE && number.fract() == 0.0 && by.fract() == 0.0;
    if sum.is_finite() && !is_inexact_integer { Ok(sum) } else { Err(out_of_range(sum)) }
}

#[cold]
fn out_of_range(sum: f64) -> Error {
    Error::OutOfRange(sum.to_string())
}
