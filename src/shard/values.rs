//! Copying values out of a shard. Without the latch, whatever is copied is still to be validated.

use super::Shard;
use crate::entry::{Key, Meta, Tag, has_ended, word};
use crate::error::{Error, Result};
use crate::heap::fact::Fact;
use crate::intent::{self, Words};
use crate::segment::layout::PAGE;
use crate::segment::region::Offset;
use crate::sync::{Ordering, fence, spin_hint};
use crate::table::Found;

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
    /// When the entry ends, by [`crate::clock::since_boot_us`]; 0: never.
    pub expiry: u64,
}

impl Read {
    /// Nothing yet.
    pub const NOTHING: Self =
        Self { tag: Tag::Undefined, number: 0.0, length: 0, version: 0, expiry: 0 };
}

/// How far one try got.
#[derive(Debug, Clone, Copy)]
pub enum Glance {
    /// The value is where the caller wants it. (Not here: a large result would be written to
    /// memory by one function and read again in other portions by the next, which stalls.)
    Value,
    /// There is no such entry.
    Missing,
    /// There is, but it has ended.
    Ended,
    /// The value is that of the version which the caller knows.
    Known,
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
    pub(crate) fn words(&mut self, length: usize) -> Result<&mut [u8]> {
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

/// Where a long value lies.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// Its first page.
    pub page: u64,
    /// Bytes of the value.
    pub length: u64,
}

impl Shard<'_> {
    /// The sequence, after a short wait for an even one.
    ///
    /// # Errors
    /// [`Error::Corrupted`] if the shard is damaged; so for all methods below. Without the latch that
    /// may just mean that it changed meanwhile.
    pub fn settled_sequence(&self) -> Result<u64> {
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

    /// Walks and copies, unless the value is that of the version `known` (0: none is). Whatever it
    /// gives is still to be validated.
    ///
    /// # Errors
    /// As above.
    #[inline(always)]
    pub fn read(
        &self,
        words: &impl Words,
        key: &Key<'_>,
        known: u64,
        scratch: &mut Scratch,
        read: &mut Read,
        sequence: u64,
    ) -> Result<Glance> {
        match self.table().find(words, key)? {
            None => Ok(Glance::Missing),
            Some(found) => self.read_value(words, &found, known, scratch, read, sequence),
        }
    }

    /// Copies the value of an entry.
    ///
    /// # Errors
    /// As above.
    #[inline(always)]
    pub fn read_value(
        &self,
        words: &impl Words,
        found: &Found,
        known: u64,
        scratch: &mut Scratch,
        read: &mut Read,
        sequence: u64,
    ) -> Result<Glance> {
        let region = self.segment.region();
        let meta = found.meta;
        let value = found.entry.add(meta.value_offset());
        let stamp = words.word_at(found.entry.add(word::STAMP))?;
        read.tag = meta.tag();
        read.version = stamp >> 1;
        read.expiry = words.word_at(found.entry.add(word::EXPIRY))?;
        if has_ended(read.expiry) {
            return Ok(Glance::Ended);
        }
        // No stamp of an entry has version 0.
        if known != 0 && read.version == known {
            return Ok(Glance::Known);
        }
        match meta.tag() {
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
            _ if meta.in_run() => {
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

    /// Copies the value that an entry had when the log was given its name: nobody changes it since,
    /// for the log's mark keeps numbers from changing in place.
    ///
    /// # Errors
    /// As above.
    pub fn read_logged(
        &self,
        entry: Offset,
        meta: Meta,
        scratch: &mut Scratch,
        read: &mut Read,
    ) -> Result<()> {
        let region = self.segment.region();
        let value = entry.add(meta.value_offset());
        read.tag = meta.tag();
        match meta.tag() {
            Tag::Undefined | Tag::Null | Tag::False | Tag::True => {}
            Tag::Number => read.number = f64::from_bits(region.load(value, Ordering::Relaxed)?),
            _ if meta.in_run() => {
                // No look at the fact: the change that makes it a run may still be unwritten, and the
                // record vouches for it.
                let page = region.load(value, Ordering::Relaxed)?;
                let length = region.load(entry.add(word::LENGTH), Ordering::Relaxed)? & LENGTH_MASK;
                if page.saturating_add(length.div_ceil(PAGE)) > self.segment.layout().pages {
                    return Err(Error::corrupted("the run of a value", value.bytes()));
                }
                self.copy_run(Run { page, length }, scratch)?;
                read.length = usize::try_from(length).unwrap_or(0);
            }
            _ => {
                let length = region.load(entry.add(word::LENGTH), Ordering::Relaxed)? & LENGTH_MASK;
                self.copy_block(meta, value, length, scratch)?;
                read.length = usize::try_from(length).unwrap_or(0);
            }
        }
        Ok(())
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

    /// Where the value of an entry lies.
    ///
    /// # Errors
    /// As above.
    pub fn run_of(&self, words: &impl Words, found: &Found) -> Result<Run> {
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

    /// Copies a long value.
    ///
    /// # Errors
    /// As above; [`Error::OutOfMemory`] if this process has no room for it.
    pub fn copy_run(&self, run: Run, scratch: &mut Scratch) -> Result<()> {
        let bytes = usize::try_from(run.length).unwrap_or(usize::MAX);
        let from = self.segment.layout().page(run.page);
        self.segment.region().read_bytes(from, scratch.words(bytes)?)
    }
}
