//! A table (of a shard's values, of its locks, of the cache): buckets of chains that grow by one
//! bucket at a time (linear hashing, Litwin, 1980), so that no insertion waits for the whole table to
//! be rebuilt.
//!
//! Of n buckets, p is the largest power of two up to n. A hash belongs to bucket `hash mod 2p` if
//! there is one yet, else to `hash mod p`. To add bucket n is to split bucket n - p: one intent of
//! its own, right after the insertion that made the table too full, under the same latch.
//!
//! A link is the offset of an entry and, in its upper 16 bits, a part of the hash of its key, so
//! that a walk seldom touches an entry that it does not look for.

use crate::entry::{Key, MAX_KEY_UNITS, Meta, word};
use crate::error::{Error, Result};
use crate::intent::{Changes, Words};
use crate::latch::Held;
use crate::segment::Segment;
use crate::segment::layout::{PAGE, TablePlace, table};
use crate::segment::region::Offset;
use crate::sync::Ordering;

/// Longest chain that is followed. With a keyed hash no chain comes near it, unless the system has
/// no memory for more buckets.
const MAX_CHAIN: u64 = 1 << 16;
/// Longest chain that one intent splits.
const MAX_SPLIT: usize = 48;
const TAG_SHIFT: u32 = 48;
const OFFSET_MASK: u64 = (1 << TAG_SHIFT) - 1;
/// Memory for buckets grows by what there is, from one page to this many bytes.
const MAX_GROWTH: u64 = 1 << 20;

/// A table.
#[derive(Debug, Clone, Copy)]
pub struct Table<'s> {
    segment: &'s Segment,
    place: TablePlace,
}

/// An entry that a walk has met.
#[derive(Debug, Clone, Copy)]
pub struct Found {
    /// The entry.
    pub entry: Offset,
    /// The word that links to it.
    pub link_at: Offset,
    /// What its bytes are.
    pub meta: Meta,
}

/// Gives each table its first bucket.
///
/// # Errors
/// [`Error::OutOfMemory`] or [`Error::System`].
pub fn format(segment: &Segment) -> Result<()> {
    let layout = segment.layout();
    let values = (0..=layout.cache()).map(|shard| layout.table(shard));
    for place in values.chain((0..layout.shards).map(|shard| layout.locks(shard))) {
        segment.back(place.buckets.bytes(), PAGE)?;
        let store =
            |field, word| segment.region().store(place.counts.add(field), word, Ordering::Relaxed);
        store(table::BACKED, PAGE / 8)?;
        store(table::BUCKETS, 1)?;
    }
    Ok(())
}

/// The shard that a hash belongs to: its topmost bits, which no bucket number uses.
#[inline]
#[must_use]
pub const fn shard_of(segment: &Segment, hash: u64) -> u64 {
    let bits = segment.layout().shards.trailing_zeros();
    if bits == 0 { 0 } else { hash >> (64 - bits) }
}

/// The bucket of a hash among `buckets`.
#[inline]
#[must_use]
pub const fn bucket_of(hash: u64, buckets: u64) -> u64 {
    // 0 can only come from damaged memory; the walk then ends at once.
    let power = 1 << (buckets | 1).ilog2();
    let bucket = hash & (2 * power - 1);
    if bucket < buckets { bucket } else { hash & (power - 1) }
}

/// The entry that a link leads to; `None` at the end of a chain.
#[inline]
#[must_use]
pub const fn target(link: u64) -> Option<Offset> {
    if link == 0 { None } else { Some(Offset::new(link & OFFSET_MASK)) }
}

#[inline]
const fn link_to(entry: Offset, hash: u64) -> u64 {
    entry.bytes() | tag(hash)
}

#[inline]
const fn tag(hash: u64) -> u64 {
    (hash >> 32) << TAG_SHIFT
}

impl<'s> Table<'s> {
    /// The table that stands there.
    #[inline]
    #[must_use]
    pub const fn new(segment: &'s Segment, place: TablePlace) -> Self {
        Self { segment, place }
    }

    /// Looks for a key. Without the latch, what it finds counts only once validated.
    ///
    /// # Errors
    /// [`Error::Corrupted`] if a link leads nowhere, which without the latch may just mean that the
    /// table changed meanwhile.
    #[inline(always)]
    pub fn find(&self, words: &impl Words, key: &Key<'_>) -> Result<Option<Found>> {
        let mut link_at = self.bucket_at(words.word_at(self.at(table::BUCKETS))?, key.hash())?;
        for _ in 0..MAX_CHAIN {
            let link = words.word_at(link_at)?;
            let Some(entry) = target(link) else {
                return Ok(None);
            };
            if link & !OFFSET_MASK == tag(key.hash())
                && let Some(meta) = self.matches(entry, key)?
            {
                return Ok(Some(Found { entry, link_at, meta }));
            }
            link_at = entry.add(word::LINK);
        }
        Err(Error::corrupted("a chain without end", link_at.bytes()))
    }

    /// Looks for an entry that stands in the table, under the latch.
    ///
    /// # Errors
    /// [`Error::Corrupted`] if it does not stand where its key belongs.
    pub fn locate(&self, words: &impl Words, entry: Offset) -> Result<Found> {
        let buckets = words.word_at(self.at(table::BUCKETS))?;
        let mut link_at = self.bucket_at(buckets, self.hash_of(entry)?)?;
        for _ in 0..MAX_CHAIN {
            match target(words.word_at(link_at)?) {
                Some(found) if found == entry => {
                    let meta = Meta::from_word(words.word_at(entry.add(word::META))?)?;
                    return Ok(Found { entry, link_at, meta });
                }
                Some(other) => link_at = other.add(word::LINK),
                None => break,
            }
        }
        Err(Error::corrupted("an entry that is not in its chain", entry.bytes()))
    }

    /// Goes through the chain of a bucket as long as `visit` says so. Without the latch, what it meets
    /// counts only once validated.
    ///
    /// # Errors
    /// As [`Table::find`]; what `visit` fails with.
    pub fn walk(
        &self,
        words: &impl Words,
        bucket: u64,
        mut visit: impl FnMut(Found) -> Result<bool>,
    ) -> Result<()> {
        if bucket >= self.reserved() {
            return Err(Error::corrupted("the number of a bucket", bucket));
        }
        let mut link_at = self.place.buckets.word(bucket);
        for _ in 0..MAX_CHAIN {
            let Some(entry) = target(words.word_at(link_at)?) else {
                return Ok(());
            };
            let meta = Meta::from_word(words.word_at(entry.add(word::META))?)?;
            if !visit(Found { entry, link_at, meta })? {
                return Ok(());
            }
            link_at = entry.add(word::LINK);
        }
        Err(Error::corrupted("a chain without end", link_at.bytes()))
    }

    /// The bucket that a hash belongs to, and how many of the hash's lowest bits make it so.
    ///
    /// # Errors
    /// [`Error::Corrupted`] if the table is damaged.
    pub fn bucket_and_bits(&self, words: &impl Words, hash: u64) -> Result<(u64, u32)> {
        let buckets = words.word_at(self.at(table::BUCKETS))?;
        if buckets == 0 || buckets > self.reserved() {
            return Err(Error::corrupted("the number of buckets", buckets));
        }
        let power_bits = buckets.ilog2();
        let power = 1 << power_bits;
        let is_split = hash & (power - 1) < buckets - power;
        Ok((bucket_of(hash, buckets), power_bits + u32::from(is_split)))
    }

    /// The meta of an entry if its key is this one.
    ///
    /// # Errors
    /// [`Error::Corrupted`] if it lies outside the segment.
    #[inline(always)]
    pub fn matches(&self, entry: Offset, key: &Key<'_>) -> Result<Option<Meta>> {
        let region = self.segment.region();
        // Acquire: what is read of the entry afterwards is not older.
        let meta = region.load(entry.add(word::META), Ordering::Acquire)?;
        if !Meta::may_have(meta, key) || !region.equals(entry.add(word::KEY), key.bytes())? {
            return Ok(None);
        }
        // Where that states nothing, it is not an entry any more: validation will say so.
        Ok(Meta::from_word(meta).ok())
    }

    /// Puts an entry in front of its chain.
    ///
    /// # Errors
    /// [`Error::Corrupted`] if the table is damaged.
    #[inline]
    pub fn insert(&self, changes: &mut Changes<'_>, entry: Offset, hash: u64) -> Result<()> {
        let bucket_at = self.bucket_at(changes.get(self.at(table::BUCKETS))?, hash)?;
        let next = changes.get(bucket_at)?;
        changes.set(entry.add(word::LINK), next)?;
        changes.set(bucket_at, link_to(entry, hash))?;
        changes.add(self.at(table::ENTRIES), 1)
    }

    /// Puts an entry into the place of another with the same key.
    ///
    /// # Errors
    /// [`Error::Corrupted`] if the table is damaged.
    #[inline]
    pub fn replace(
        &self,
        changes: &mut Changes<'_>,
        found: &Found,
        entry: Offset,
        hash: u64,
    ) -> Result<()> {
        let next = changes.get(found.entry.add(word::LINK))?;
        changes.set(entry.add(word::LINK), next)?;
        changes.set(found.link_at, link_to(entry, hash))
    }

    /// Takes an entry out of its chain.
    ///
    /// # Errors
    /// [`Error::Corrupted`] if the table is damaged.
    #[inline]
    pub fn remove(&self, changes: &mut Changes<'_>, found: &Found) -> Result<()> {
        let next = changes.get(found.entry.add(word::LINK))?;
        changes.set(found.link_at, next)?;
        changes.add(self.at(table::ENTRIES), 1_u64.wrapping_neg())
    }

    /// Adds a bucket if there are more entries than buckets, and memory for one. `true`: the
    /// caller should call [`Table::grow`] once it has let go of the latch.
    ///
    /// # Errors
    /// [`Error::Corrupted`] if the table is damaged.
    #[inline]
    pub fn split(&self, held: &Held<'_>) -> Result<bool> {
        let buckets = self.load(table::BUCKETS)?;
        if buckets == 0 || buckets > self.reserved() {
            return Err(Error::corrupted("the number of buckets", buckets));
        }
        let backed = self.load(table::BACKED)?;
        if self.load(table::ENTRIES)? > buckets && buckets < backed.min(self.reserved()) {
            self.split_one(held, buckets)?;
        }
        Ok(buckets + PAGE / 16 >= backed && backed < self.reserved())
    }

    /// Gives memory to more buckets. If the system has none, chains just become longer.
    ///
    /// # Errors
    /// [`Error::System`]; [`Error::Corrupted`].
    #[cold]
    pub fn grow(&self) -> Result<()> {
        let backed = self.load(table::BACKED)?.min(self.reserved());
        if backed == self.reserved() {
            return Ok(());
        }
        let bytes = (backed * 8).clamp(PAGE, MAX_GROWTH).min((self.reserved() - backed) * 8);
        let start = self.place.buckets.word(backed).bytes();
        match self.segment.back(start, bytes) {
            Ok(()) => {}
            Err(Error::OutOfMemory { .. }) => return Ok(()),
            Err(error) => return Err(error),
        }
        // Not under the latch: two that grow at the same time back the same range, and the maximum
        // of what they store is true. Relaxed would do: when `back` returns, the memory is there for
        // all processes, whatever else they have seen.
        let backed_at = self.segment.region().word(self.at(table::BACKED))?;
        crate::fault::point(self.at(table::BACKED).bytes());
        backed_at.fetch_max(backed + bytes / 8, Ordering::Release);
        Ok(())
    }

    /// The hash of the key of an entry, computed anew.
    ///
    /// # Errors
    /// [`Error::Corrupted`] if it is no entry.
    pub fn hash_of(&self, entry: Offset) -> Result<u64> {
        let region = self.segment.region();
        let meta = Meta::from_word(region.load(entry.add(word::META), Ordering::Relaxed)?)?;
        let mut buffer = [0; 2 * MAX_KEY_UNITS];
        let bytes = usize::try_from(meta.key_bytes()).unwrap_or(0);
        let Some(bytes) = buffer.get_mut(..bytes) else {
            return Err(Error::corrupted("the length of a key", entry.bytes()));
        };
        region.read_bytes(entry.add(word::KEY), bytes)?;
        let hash_key = self.segment.hash_key();
        Ok(Key::within(meta.namespace(), hash_key, bytes, meta.is_wide())?.hash())
    }

    /// Splits the chain of the bucket whose turn it is; the order within both halves stays.
    #[cold]
    fn split_one(&self, held: &Held<'_>, buckets: u64) -> Result<()> {
        let power = 1 << buckets.ilog2();
        let low = self.place.buckets.word(buckets - power);
        let high = self.place.buckets.word(buckets);
        let mut changes = held.changes();
        let (mut low_at, mut high_at) = (low, high);
        let mut link = changes.get(low)?;
        for step in 0.. {
            let Some(entry) = target(link) else {
                break;
            };
            if step == MAX_SPLIT {
                return Ok(());
            }
            let goes_high = self.hash_of(entry)? & power != 0;
            let tail = if goes_high { &mut high_at } else { &mut low_at };
            if changes.get(*tail)? != link || goes_high && *tail == high {
                changes.set(*tail, link)?;
            }
            *tail = entry.add(word::LINK);
            link = changes.get(*tail)?;
        }
        for tail in [low_at, high_at] {
            if changes.get(tail)? != 0 {
                changes.set(tail, 0)?;
            }
        }
        changes.set(self.at(table::BUCKETS), buckets + 1)?;
        held.commit(&mut changes)
    }

    #[inline(always)]
    fn bucket_at(&self, buckets: u64, hash: u64) -> Result<Offset> {
        if buckets > self.reserved() {
            return Err(Error::corrupted("the number of buckets", buckets));
        }
        Ok(self.place.buckets.word(bucket_of(hash, buckets)))
    }

    #[inline]
    const fn reserved(&self) -> u64 {
        self.place.reserved
    }

    #[inline]
    const fn at(&self, field: u64) -> Offset {
        self.place.counts.add(field)
    }

    #[inline]
    fn load(&self, field: u64) -> Result<u64> {
        self.segment.region().load(self.at(field), Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_stays_in_its_bucket_or_moves_to_the_new_one() {
        for buckets in 1..200_u64 {
            let power = 1 << buckets.ilog2();
            for hash in 0..1000 {
                let (old, new) = (bucket_of(hash, buckets), bucket_of(hash, buckets + 1));
                assert!(old < buckets);
                assert!(new == old || old == buckets - power && new == buckets);
            }
        }
    }
}
