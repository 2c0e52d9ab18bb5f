//! Reading: no latch, no store into the segment, and never half a value.
//!
//! The first try is a sequence lock: walk, copy, and if the shard's sequence is still what it was
//! before, all of that belonged together. If the shard changed meanwhile, or a writer was caught in
//! the middle, the second way is taken:
//!
//! - the sequence is even: the entry alone is validated. Its stamp is read before its key is compared
//!   and again after the copy, and the number of spans that the shard has given back before the walk
//!   and after the copy. So the walk met nothing but blocks of this shard, and since stamps do not
//!   come back, the block was this entry all the while. (It is a correct answer even if a sealed change of the key
//!   is pending by now: the sequence was even when this try began, so the read counts as of then.)
//! - the sequence stays odd: the writer is stopped or dead. The reader reads through its sealed
//!   words, as if it had finished.
//!
//! A long value in a run is at last protected by the member's hazard word, so that its copy cannot
//! be overtaken again and again by writers.

use super::{Shard, Store};
use crate::entry::{Key, Meta, Tag, word};
use crate::error::{Error, Result};
use crate::heap::{fact::Fact, hazard};
use crate::intent::{self, Overlay, Words};
use crate::segment::layout::{PAGE, shard};
use crate::segment::region::Offset;
use crate::sync::{Ordering, fence, spin_hint};
use crate::table::Found;

/// Tries before a reader gives up with [`Error::Busy`]. Each fails only if this very entry changed
/// within some tens of nanoseconds.
const TRIES: u32 = 1 << 20;
/// Tries without the hazard word.
const BOLD_TRIES: u32 = 2;
/// How often the sequence is looked at before an odd one is read through.
const SPINS: u32 = if cfg!(shm_loom) { 1 } else { 64 };
const LENGTH_MASK: u64 = (1 << 32) - 1;

/// What was read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Read {
    /// What it is.
    pub tag: Tag,
    /// The double, if it is a number.
    pub number: f64,
    /// How many bytes were written to the front of the scratch.
    pub length: usize,
    /// Version of the entry.
    pub version: u64,
}

impl Read {
    const NOTHING: Self = Self { tag: Tag::Undefined, number: 0.0, length: 0, version: 0 };
}

/// How far one try got.
#[derive(Debug, Clone, Copy)]
enum Glance {
    /// The value is where the caller wants it. (Not here: a large result would be written to
    /// memory by one function and read again in other portions by the next, which stalls.)
    Value,
    Missing,
    /// What was read does not belong together.
    Again,
}

/// Where a value's bytes are copied to; kept from read to read.
#[derive(Debug, Default)]
pub struct Scratch(Vec<u8>);

impl Scratch {
    /// Longest scratch that is kept when it is not needed.
    const KEEP: usize = 1 << 20;

    /// The first `length` bytes.
    #[must_use]
    pub fn bytes(&self, length: usize) -> &[u8] {
        self.0.get(..length).unwrap_or_default()
    }

    /// Gives memory back after a long value.
    pub fn shrink(&mut self) {
        if self.0.len() > Self::KEEP {
            self.0 = Vec::new();
        }
    }

    /// Room for so many bytes, filled up to whole words.
    #[inline(always)]
    fn words(&mut self, length: usize) -> Result<&mut [u8]> {
        let length = length.next_multiple_of(8);
        if self.0.len() < length {
            self.grow(length)?;
        }
        self.0.get_mut(..length).ok_or(Error::Closed)
    }

    #[cold]
    fn grow(&mut self, length: usize) -> Result<()> {
        let none = Error::OutOfMemory { need: length as u64, free: 0, maximum: length as u64 };
        self.0.try_reserve_exact(length - self.0.len()).map_err(|_| none)?;
        self.0.resize(length, 0);
        Ok(())
    }
}

impl Store {
    /// The value of a key, its bytes in `scratch`; `None` if there is no such entry.
    ///
    /// # Errors
    /// [`Error::Corrupted`] if the segment is damaged; [`Error::OutOfMemory`] if this process has no
    /// room for the copy.
    #[inline(always)]
    pub fn get(&self, key: &Key<'_>, scratch: &mut Scratch) -> Result<Option<Read>> {
        self.count_read()?;
        let shard = Shard::of(&self.segment, key);
        let region = self.segment.region();
        let sequence = intent::sequence(region, shard.base())?;
        if sequence & 1 == 0 {
            let mut read = Read::NOTHING;
            let glance = shard.read(region, key, scratch, &mut read, sequence);
            if intent::is_unchanged(region, shard.base(), sequence)? {
                match glance? {
                    Glance::Value => return Ok(Some(read)),
                    Glance::Missing => return Ok(None),
                    Glance::Again => {}
                }
            }
        }
        self.read_again(shard, key, scratch)
    }

    /// Whether there is an entry with this key.
    ///
    /// # Errors
    /// [`Error::Corrupted`] if the segment is damaged.
    #[inline]
    pub fn has(&self, key: &Key<'_>) -> Result<bool> {
        self.count_read()?;
        let shard = Shard::of(&self.segment, key);
        let region = self.segment.region();
        let sequence = intent::sequence(region, shard.base())?;
        if sequence & 1 == 0 {
            let found = shard.table().find(region, key);
            if let Ok(found) = found
                && intent::is_unchanged(region, shard.base(), sequence)?
            {
                return Ok(found.is_some());
            }
        }
        self.read_again(shard, key, &mut Scratch::default()).map(|read| read.is_some())
    }

    #[cold]
    fn read_again(
        &self,
        shard: Shard<'_>,
        key: &Key<'_>,
        scratch: &mut Scratch,
    ) -> Result<Option<Read>> {
        let region = self.segment.region();
        let mut read = Read::NOTHING;
        for attempt in 0..TRIES {
            // Before the sequence: who sees a span as given back sees a sequence that says so.
            // Acquire: the sequence and the walk are not older.
            let given_back = region.load(shard.at(shard::SPANS_GIVEN_BACK), Ordering::Acquire)?;
            let sequence = shard.settled_sequence()?;
            let is_even = sequence & 1 == 0;
            let glance = if is_even {
                let since = Since { sequence, given_back };
                self.read_entry(shard, key, scratch, &mut read, since, attempt)
            } else {
                match Overlay::read(region, shard.base(), sequence) {
                    Ok(Some(overlay)) => shard.read(&overlay, key, scratch, &mut read, sequence),
                    Ok(None) => Ok(Glance::Again),
                    Err(error) => Err(error),
                }
            };
            match glance {
                Ok(Glance::Again) => continue,
                // `read_entry` has validated it by its stamp.
                Ok(Glance::Value) if is_even => return Ok(Some(read)),
                _ => {}
            }
            if intent::is_unchanged(region, shard.base(), sequence)? {
                return match glance? {
                    Glance::Value => Ok(Some(read)),
                    Glance::Missing | Glance::Again => Ok(None),
                };
            }
        }
        Err(Error::Busy { pid: 0, state: "changing this entry all the time" })
    }

    /// Reads the entry of a key and validates it by its stamp. A miss, and an error, is for the
    /// caller to validate by the sequence.
    fn read_entry(
        &self,
        shard: Shard<'_>,
        key: &Key<'_>,
        scratch: &mut Scratch,
        read: &mut Read,
        since: Since,
        attempt: u32,
    ) -> Result<Glance> {
        let region = self.segment.region();
        let Some(found) = shard.table().find(region, key)? else {
            return Ok(Glance::Missing);
        };
        let stamp_at = found.entry.add(word::STAMP);
        // Acquire: what is read of the entry afterwards is not older than this stamp.
        let stamp = region.load(stamp_at, Ordering::Acquire)?;
        // The block may have become another entry since the walk.
        let Some(meta) = shard.table().matches(found.entry, key)? else {
            return Ok(Glance::Again);
        };
        let found = Found { meta, ..found };
        let given_back_at = shard.at(shard::SPANS_GIVEN_BACK);
        let is_still_there = || {
            // Pairs with the Release fences in `latch::acquire` and `intent::apply`.
            fence(Ordering::Acquire);
            Ok::<bool, Error>(
                // Acquire: what only looks like the stamp is not older than the count below.
                stamp != 0
                    && region.load(stamp_at, Ordering::Acquire)? == stamp
                    && region.load(given_back_at, Ordering::Relaxed)? == since.given_back,
            )
        };
        if meta.in_run && attempt >= BOLD_TRIES {
            return self.read_protected(shard, &found, scratch, read, stamp, is_still_there);
        }
        let glance = shard.read_value(region, &found, scratch, read, since.sequence);
        if is_still_there()? { glance } else { Ok(Glance::Again) }
    }

    /// Copies a run that nobody can reuse meanwhile: what was the value when it was protected.
    fn read_protected(
        &self,
        shard: Shard<'_>,
        found: &Found,
        scratch: &mut Scratch,
        read: &mut Read,
        stamp: u64,
        is_still_there: impl Fn() -> Result<bool>,
    ) -> Result<Glance> {
        let region = self.segment.region();
        let run = shard.run_of(region, found)?;
        hazard::protect(&self.segment, self.me, run.page)?;
        let copied = match is_still_there() {
            Ok(true) => shard.copy_run(run, scratch).map(|()| true),
            other => other,
        };
        hazard::unprotect(&self.segment, self.me)?;
        let length = usize::try_from(run.length).unwrap_or(0);
        *read = Read { tag: found.meta.tag, number: 0.0, length, version: stamp >> 1 };
        Ok(if copied? { Glance::Value } else { Glance::Again })
    }
}

/// What a walk is validated against.
#[derive(Debug, Clone, Copy)]
struct Since {
    sequence: u64,
    given_back: u64,
}

/// Where a long value lies.
#[derive(Debug, Clone, Copy)]
struct Run {
    page: u64,
    length: u64,
}

impl Shard<'_> {
    /// The sequence, after a short wait for an even one.
    fn settled_sequence(&self) -> Result<u64> {
        let region = self.segment.region();
        let mut sequence = intent::sequence(region, self.base())?;
        for _ in 0..SPINS {
            if sequence & 1 == 0 {
                break;
            }
            spin_hint();
            sequence = intent::sequence(region, self.base())?;
        }
        Ok(sequence)
    }

    /// Walks and copies. Whatever it gives is still to be validated.
    #[inline(always)]
    fn read(
        &self,
        words: &impl Words,
        key: &Key<'_>,
        scratch: &mut Scratch,
        read: &mut Read,
        sequence: u64,
    ) -> Result<Glance> {
        match self.table().find(words, key)? {
            None => Ok(Glance::Missing),
            Some(found) => self.read_value(words, &found, scratch, read, sequence),
        }
    }

    /// Copies the value of an entry.
    #[inline(always)]
    fn read_value(
        &self,
        words: &impl Words,
        found: &Found,
        scratch: &mut Scratch,
        read: &mut Read,
        sequence: u64,
    ) -> Result<Glance> {
        let region = self.segment.region();
        let meta = found.meta;
        let value = found.entry.add(meta.value_offset());
        let stamp = words.word_at(found.entry.add(word::STAMP))?;
        read.tag = meta.tag;
        read.version = stamp >> 1;
        match meta.tag {
            Tag::Undefined | Tag::Null | Tag::False | Tag::True => {}
            Tag::Number => {
                let cell = region.load(value.word(stamp & 1), Ordering::Relaxed)?;
                read.number = f64::from_bits(cell);
                // Pairs with the Release fence in `latch::acquire`: a newer cell, a newer stamp.
                fence(Ordering::Acquire);
                if words.word_at(found.entry.add(word::STAMP))? != stamp {
                    return Ok(Glance::Again);
                }
            }
            _ if meta.in_run => {
                let run = self.run_of(words, found)?;
                // A long copy starts only from what is true up to here.
                if !intent::is_unchanged(region, self.base(), sequence)? {
                    return Ok(Glance::Again);
                }
                self.copy_run(run, scratch)?;
                read.length = usize::try_from(run.length).unwrap_or(0);
            }
            _ => {
                let length = region.load(found.entry.add(word::LENGTH), Ordering::Relaxed)?;
                let length = length & LENGTH_MASK;
                self.copy_block(meta, value, length, scratch)?;
                read.length = usize::try_from(length).unwrap_or(0);
            }
        }
        Ok(Glance::Value)
    }

    #[inline(always)]
    fn copy_block(
        &self,
        meta: Meta,
        value: Offset,
        length: u64,
        scratch: &mut Scratch,
    ) -> Result<()> {
        if meta.value_offset() + length > crate::heap::blocks::MAX_BLOCK {
            return Err(Error::corrupted("the length of a value", value.bytes()));
        }
        #[expect(clippy::cast_possible_truncation, reason = "at most a block")]
        self.segment.region().read_bytes(value, scratch.words(length as usize)?)
    }

    fn run_of(&self, words: &impl Words, found: &Found) -> Result<Run> {
        let (region, layout) = (self.segment.region(), self.segment.layout());
        let value = found.entry.add(found.meta.value_offset());
        let page = region.load(value, Ordering::Relaxed)?;
        let length = region.load(found.entry.add(word::LENGTH), Ordering::Relaxed)? & LENGTH_MASK;
        let fits = |pages: u64| {
            page.saturating_add(pages) <= layout.pages && length.div_ceil(PAGE) <= pages
        };
        if page < layout.pages
            && let Some(Fact::Run { shard, pages }) =
                Fact::from_word(words.word_at(layout.fact(page))?)
            && shard == self.number
            && fits(pages)
        {
            return Ok(Run { page, length });
        }
        Err(Error::corrupted("the run of a value", value.bytes()))
    }

    fn copy_run(&self, run: Run, scratch: &mut Scratch) -> Result<()> {
        let bytes = usize::try_from(run.length).unwrap_or(usize::MAX);
        let from = self.segment.layout().page(run.page);
        self.segment.region().read_bytes(from, scratch.words(bytes)?)
    }
}
