//! The cache under its latch: how entries are used and how they leave.
//!
//! Everything here adds words to the [`Changes`] of one intent.

use super::list::{Item, List, item};
use super::rules::{self, Rules, TRIMMING};
use crate::entry::{Key, word};
use crate::error::{Error, Result};
use crate::intent::Changes;
use crate::segment::layout::{PAGE, cache, shard, table};
use crate::segment::members::{self, MemberId};
use crate::segment::region::Offset;
use crate::shard::Shard;
use crate::sync::Ordering;
use crate::table::{Found, bucket_of, target};

/// Entries that one intent frees at most when it does nothing else: each may hand over two pieces
/// of the page area, a run and a span, and an intent has room for eight.
pub(super) const FREES: u32 = 4;
/// What waits for the heir may take this part of the memory.
pub(super) const ESTATE_PART: u64 = 16;
/// Longest chain that is followed.
const MAX_CHAIN: u64 = 1 << 16;

/// The cache while its latch is held.
#[derive(Debug)]
pub(super) struct Cache<'s> {
    pub(super) shard: Shard<'s>,
    pub(super) rules: Rules,
    /// Whether the heir has to be told, once the latch is let go.
    pub(super) has_bequeathed: bool,
}

impl<'s> Cache<'s> {
    /// The cache as it stands. The caller holds the latch.
    #[inline]
    pub(super) fn read(shard: Shard<'s>) -> Result<Self> {
        Ok(Self { shard, rules: Rules::read(shard)?, has_bequeathed: false })
    }

    /// What is in it, the entry that was used last in front.
    #[inline]
    pub(super) const fn uses(&self) -> List {
        List::new(self.at(cache::NEWEST), self.at(cache::OLDEST))
    }

    /// What has left it and waits for the heir.
    #[inline]
    pub(super) const fn estate(&self) -> List {
        List::new(self.at(cache::ESTATE), self.at(cache::ESTATE_END))
    }

    /// What is only to be freed.
    #[inline]
    pub(super) const fn past(&self) -> List {
        List::new(self.at(cache::PAST), self.at(cache::PAST_END))
    }

    /// One of the cache's own words.
    #[inline]
    pub(super) const fn at(&self, field: u64) -> Offset {
        self.shard.at(shard::CACHE + field)
    }

    /// The entry of a key; `None` if there is none, or one of a former cache.
    #[inline]
    pub(super) fn find(&self, key: &Key<'_>) -> Result<Option<Found>> {
        let found = self.shard.table().find(self.shard.segment.region(), key)?;
        match found {
            Some(found) if self.is_current(&found)? => Ok(Some(found)),
            _ => Ok(None),
        }
    }

    /// Whether an entry of the table belongs to the cache that there is now.
    #[inline]
    pub(super) fn is_current(&self, found: &Found) -> Result<bool> {
        let stamp =
            self.shard.segment.region().load(found.entry.add(word::STAMP), Ordering::Relaxed)?;
        Ok(stamp >> 1 > self.rules.since)
    }

    /// Whether an entry has expired.
    #[inline]
    pub(super) fn is_expired(&self, changes: &Changes<'_>, item: Item, now: f64) -> Result<bool> {
        let used_at = f64::from_bits(changes.get(item.at(item::USED_AT))?);
        Ok(self.rules.is_expired(used_at, now))
    }

    /// An entry is used: it becomes the newest. `false`: nothing changes by that.
    #[inline]
    pub(super) fn use_now(&self, changes: &mut Changes<'_>, item: Item, now: f64) -> Result<bool> {
        let is_newest = self.uses().first(changes)? == Some(item);
        if !is_newest {
            self.unlink(changes, item)?;
            self.uses().push_first(changes, item)?;
        }
        if self.rules.updates_age() {
            changes.set(item.at(item::USED_AT), now.to_bits())?;
        }
        Ok(!is_newest || self.rules.updates_age())
    }

    /// An entry leaves the cache.
    pub(super) fn leave(&mut self, changes: &mut Changes<'_>, found: &Found) -> Result<()> {
        let item = Item::new(found.entry, found.meta);
        self.shard.table().remove(changes, found)?;
        self.unlink(changes, item)?;
        let length = self.length(changes)? - length_of(changes, item)?;
        changes.set(self.at(cache::LENGTH), length.to_bits())?;
        self.bequeath(changes, item)
    }

    /// What is in no list any more goes to the heir; without one it is freed.
    pub(super) fn bequeath(&mut self, changes: &mut Changes<'_>, item: Item) -> Result<()> {
        if self.rules.heir.is_none() {
            return self.free(changes, item);
        }
        changes.set(item.entry().add(word::STAMP), 0)?;
        self.estate().push_last(changes, item)?;
        self.has_bequeathed = true;
        let bytes = changes.get(self.at(cache::ESTATE_BYTES))? + self.weight(item)?;
        changes.set(self.at(cache::ESTATE_BYTES), bytes)?;
        match self.estate().first(changes)? {
            // A heir that does not listen shall not take the memory from everybody.
            Some(oldest) if bytes > self.share() && oldest != item => {
                self.take_from_estate(changes, oldest)?;
                self.past().push_last(changes, oldest)?;
                changes.add(self.at(cache::ESTATE_LOST), 1)
            }
            _ => Ok(()),
        }
    }

    /// Takes an entry out of the estate.
    pub(super) fn take_from_estate(&self, changes: &mut Changes<'_>, item: Item) -> Result<()> {
        self.estate().unlink(changes, item)?;
        changes.add(self.at(cache::ESTATE_BYTES), self.weight(item)?.wrapping_neg())
    }

    /// Bytes that the estate may have.
    const fn share(&self) -> u64 {
        self.shard.segment.layout().area_bytes() / ESTATE_PART
    }

    /// Bytes of an entry as the estate counts them: whatever has been written of it so far.
    fn weight(&self, item: Item) -> Result<u64> {
        let region = self.shard.segment.region();
        let length = region.load(item.entry().add(word::LENGTH), Ordering::Relaxed)?;
        let run = if item.meta(region)?.in_run() { length.next_multiple_of(PAGE) } else { 0 };
        Ok(self.shard.blocks().bytes_of(item.entry())? + run)
    }

    /// Frees what is in no list and not in the table.
    pub(super) fn free(&self, changes: &mut Changes<'_>, item: Item) -> Result<()> {
        changes.set(item.entry().add(word::STAMP), 0)?;
        self.shard.free(changes, item.entry()).map(drop)
    }

    /// Takes an entry out of the list of uses.
    #[inline]
    pub(super) fn unlink(&self, changes: &mut Changes<'_>, item: Item) -> Result<()> {
        self.uses().unlink(changes, item)
    }

    /// Evicts from the oldest end while the cache is too long, `most` entries and never `new`, for
    /// what one intent makes it cannot free. Says whether it is still too long.
    pub(super) fn trim(
        &mut self,
        changes: &mut Changes<'_>,
        most: u32,
        new: Option<Item>,
    ) -> Result<bool> {
        for _ in 0..most {
            match self.uses().last(changes)? {
                Some(oldest) if Some(oldest) != new && self.is_too_long(changes)? => {
                    let found = self.locate(changes, oldest)?;
                    self.leave(changes, &found)?;
                }
                _ => break,
            }
        }
        Ok(self.is_too_long(changes)? && self.uses().last(changes)?.is_some())
    }

    /// One step of what the last set has left to be evicted.
    pub(super) fn go_on_trimming(&mut self, changes: &mut Changes<'_>) -> Result<()> {
        if !self.trim(changes, FREES, None)? {
            let flags = changes.get(self.at(cache::FLAGS))?;
            changes.set(self.at(cache::FLAGS), flags & !TRIMMING)?;
        }
        Ok(())
    }

    /// Frees some entries of the past, until about `enough` bytes are free; gives how many that are.
    pub(super) fn forget(&self, changes: &mut Changes<'_>, most: u32, enough: u64) -> Result<u64> {
        let mut bytes = 0;
        for _ in 0..most {
            let Some(item) = self.past().first(changes)?.filter(|_| bytes < enough) else {
                break;
            };
            bytes += self.bytes_of(item)?;
            if changes.get(item.entry().add(word::STAMP))? != 0 {
                let found = self.locate(changes, item)?;
                self.shard.table().remove(changes, &found)?;
            }
            self.past().unlink(changes, item)?;
            self.free(changes, item)?;
        }
        Ok(bytes)
    }

    /// Evicts some entries, until about `enough` bytes are free; gives how many that are.
    pub(super) fn evict(&mut self, changes: &mut Changes<'_>, enough: u64) -> Result<u64> {
        let mut bytes = 0;
        for _ in 0..FREES {
            let Some(oldest) = self.uses().last(changes)?.filter(|_| bytes < enough) else {
                break;
            };
            bytes += self.bytes_of(oldest)?;
            let found = self.locate(changes, oldest)?;
            self.leave(changes, &found)?;
        }
        Ok(bytes)
    }

    /// The heir is gone, or is one no more: what waits for it is only to be freed.
    pub(super) fn disinherit(&mut self, changes: &mut Changes<'_>) -> Result<()> {
        changes.set(self.at(cache::HEIR), 0)?;
        changes.set(self.at(cache::ESTATE_BYTES), 0)?;
        self.past().take_in(changes, self.estate())
    }

    /// Whether something has to be done before anything else: a set has left a part of its
    /// evictions, or the heir is gone for certain. (One that died is so once it is mended.)
    #[inline]
    pub(super) fn needs_care(&self) -> Result<bool> {
        Ok(self.rules.is_trimming() || self.is_heir_gone()?)
    }

    /// Whether there is an heir whose slot says that it is one no more.
    #[inline]
    pub(super) fn is_heir_gone(&self) -> Result<bool> {
        Ok(self.rules.heir.is_some() && !self.is_attached(self.rules.heir)?)
    }

    /// Whether there is a member that measures what comes into the cache.
    #[inline]
    pub(super) fn is_measured(&self) -> Result<bool> {
        self.is_attached(self.rules.measurer)
    }

    fn is_attached(&self, member: Option<MemberId>) -> Result<bool> {
        let Some(member) = member else {
            return Ok(false);
        };
        let segment = self.shard.segment;
        let info = members::find(segment.region(), segment.layout(), member)?;
        Ok(info.is_some_and(|info| !info.has_left))
    }

    /// Sum of the lengths.
    #[inline]
    pub(super) fn length(&self, changes: &Changes<'_>) -> Result<f64> {
        changes.get(self.at(cache::LENGTH)).map(f64::from_bits)
    }

    /// The sum of the lengths becomes this, by an entry of that length.
    #[inline]
    pub(super) fn set_length(
        &self,
        changes: &mut Changes<'_>,
        sum: f64,
        length: f64,
    ) -> Result<()> {
        if !rules::is_exact(length, sum) {
            let flags = changes.get(self.at(cache::FLAGS))?;
            changes.set(self.at(cache::FLAGS), flags | rules::ROUNDED)?;
        }
        changes.set(self.at(cache::LENGTH), sum.to_bits())
    }

    /// Where an entry stands in the table, by the hash in its words.
    pub(super) fn locate(&self, changes: &Changes<'_>, item: Item) -> Result<Found> {
        let segment = self.shard.segment;
        let place = segment.layout().table(self.shard.number());
        let meta = item.meta(segment.region())?;
        let hash = changes.get(item.at(item::HASH))?;
        let buckets = changes.get(place.counts.add(table::BUCKETS))?.min(place.reserved);
        let mut link_at = place.buckets.word(bucket_of(hash, buckets));
        for _ in 0..MAX_CHAIN {
            match target(changes.get(link_at)?) {
                None => break,
                Some(entry) if entry == item.entry() => return Ok(Found { entry, link_at, meta }),
                Some(entry) => link_at = entry.add(word::LINK),
            }
        }
        Err(Error::corrupted("an entry that is not in the table", item.entry().bytes()))
    }

    #[inline]
    fn is_too_long(&self, changes: &Changes<'_>) -> Result<bool> {
        Ok(self.length(changes)? > self.rules.max)
    }

    /// Bytes of an entry's block and of its run, if it has one.
    pub(super) fn bytes_of(&self, item: Item) -> Result<u64> {
        let region = self.shard.segment.region();
        let (entry, meta) = (item.entry(), item.meta(region)?);
        let block = self.shard.blocks().bytes_of(entry)?;
        if !meta.in_run() {
            return Ok(block);
        }
        let run = self.shard.run_of(region, &Found { entry, link_at: entry, meta })?;
        Ok(block + run.length.next_multiple_of(PAGE))
    }
}

/// Length of an entry.
#[inline]
pub(super) fn length_of(changes: &Changes<'_>, item: Item) -> Result<f64> {
    changes.get(item.at(item::LENGTH)).map(f64::from_bits)
}
