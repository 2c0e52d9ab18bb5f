//! Ends: how long an entry is there, and how those that have ended leave the table.
//!
//! An entry that has ended is given to nobody from that moment on; its memory comes back when a
//! writer of its key meets it, or this sweep does. The hub sweeps in the background, and whoever
//! finds no memory sweeps before it says so.

use super::Store;
use super::write::expiry_in;
use crate::clock;
use crate::entry::{Key, has_ended, has_ended_by, word};
use crate::error::Result;
use crate::intent;
use crate::latch::Held;
use crate::segment::layout::{member, shard, table};
use crate::shard::{Attempt, Shard};
use crate::sync::Ordering;
use crate::table::Found;
use arrayvec::ArrayVec;
use std::time::{Duration, Instant};

/// Entries that are taken out under the latch at a time.
const ENDS: usize = 8;
/// How long the sweep waits for a latch before it goes on elsewhere. (A model run takes no time that
/// counts.)
const PATIENCE: Duration = Duration::from_millis(if cfg!(shm_loom) { 1 << 42 } else { 1 });

/// How long a caller that finds no memory looks for what has ended, in all. Who has found nothing does
/// not look again for ten times as long as that took.
const MOST_TIME: Duration = Duration::from_millis(20);
const REST: u32 = 10;
/// Buckets that it looks at between two looks at the clock.
const AT_A_TIME: u64 = 1024;

/// Where a sweep goes on.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sweep {
    shard: u64,
    bucket: u64,
}

impl Sweep {
    /// The first bucket of all.
    pub(super) const START: Self = Self { shard: 0, bucket: 0 };
}

/// A search for what has ended, by a writer that finds no memory.
pub(super) struct Search<'s> {
    store: &'s Store,
    start: Instant,
    /// How often it may come to the end of the last shard: once, and once more up to where it began.
    rounds: u32,
}

impl<'s> Search<'s> {
    pub(super) fn begin(store: &'s Store) -> Self {
        Self { store, start: Instant::now(), rounds: 2 }
    }

    /// Removes what has ended until some memory has come back; `false` if there is none to be found in
    /// the time that a caller may wait.
    pub(super) fn goes_on(&mut self) -> Result<bool> {
        let store = self.store;
        if store.barren_until.get().is_some_and(|until| self.start < until) {
            return Ok(false);
        }
        let mut sweep = store.sweep.get();
        let mut removed = 0;
        while self.rounds > 0 && removed == 0 && self.start.elapsed() < MOST_TIME {
            let swept = store.sweep_ended(&mut sweep, AT_A_TIME)?;
            removed = swept.removed;
            self.rounds -= u32::from(swept.is_around);
        }
        store.sweep.set(sweep);
        if removed == 0 {
            store.barren_until.set(Some(Instant::now() + self.start.elapsed() * REST));
        }
        Ok(removed > 0)
    }
}

/// What a sweep has done.
#[derive(Debug, Clone, Copy, Default)]
pub struct Swept {
    /// Entries that were removed.
    pub removed: u64,
    /// Whether it has come to the end of the last shard, and begins anew.
    pub is_around: bool,
}

impl Store {
    /// Lets an entry end so many ms from now, or never; `false` if there is none. Its value and
    /// version stay, and nobody is told.
    ///
    /// # Errors
    /// [`crate::error::Error::Busy`]: nothing was changed.
    pub fn touch(&self, key: &Key<'_>, ttl_ms: Option<u64>) -> Result<bool> {
        self.count(member::WRITES, 1)?;
        let expiry = expiry_in(ttl_ms);
        let shard = Shard::of(&self.segment, key);
        shard.change(self.me, |held| {
            let found = shard.table().find(self.segment.region(), key)?;
            let old_expiry = shard.expiry_of(found.as_ref())?;
            let standing = found.filter(|_| !has_ended(old_expiry));
            if let Some(standing) = &standing {
                shard.set_expiry(held, standing, old_expiry, expiry)?;
            }
            Ok(Attempt::Done(standing.is_some()))
        })
    }

    /// Removes what has ended from up to so many buckets, from where it stopped last. Shards without
    /// an entry that can end cost nothing.
    ///
    /// # Errors
    /// [`crate::error::Error::Corrupted`]. Where a latch is taken for long, it goes on elsewhere.
    pub fn sweep_ended(&self, sweep: &mut Sweep, buckets: u64) -> Result<Swept> {
        let mut swept = Swept::default();
        let mut left = buckets;
        let now = clock::since_boot_us();
        while left > 0 {
            let shard = Shard::new(&self.segment, sweep.shard);
            let end = match shard.load(shard::EXPIRING)? {
                0 => 0,
                _ => shard.load(shard::TABLE + table::BUCKETS)?,
            };
            if sweep.bucket >= end {
                *sweep = Sweep { shard: sweep.shard + 1, bucket: 0 };
                if sweep.shard == self.segment.layout().shards {
                    *sweep = Sweep::default();
                    swept.is_around = true;
                    return Ok(swept);
                }
                continue;
            }
            let mut next = sweep.bucket + 1;
            if shard.has_ends(sweep.bucket, now)? {
                match self.sweep_bucket(&shard, sweep.bucket, now)? {
                    Some(removed) => swept.removed += removed,
                    // Not a wait for each bucket of it: the next shard.
                    None => next = u64::MAX,
                }
            }
            sweep.bucket = next;
            left -= 1;
        }
        Ok(swept)
    }

    /// Takes what has ended out of a bucket; `None`: the latch is taken for long.
    #[cold]
    fn sweep_bucket(&self, shard: &Shard<'_>, bucket: u64, now: u64) -> Result<Option<u64>> {
        let mut removed = 0;
        loop {
            let Ok(held) = shard.hold_for(self.me, PATIENCE) else {
                return Ok((removed > 0).then_some(removed));
            };
            let (ends, watched) = shard.take_ends(&held, bucket, now)?;
            drop(held);
            for hash in watched {
                self.tell_watchers(shard, hash);
            }
            removed += ends as u64;
            if ends < ENDS {
                return Ok(Some(removed));
            }
        }
    }
}

impl Shard<'_> {
    fn set_expiry(
        &self,
        held: &Held<'_>,
        found: &Found,
        old_expiry: u64,
        expiry: u64,
    ) -> Result<()> {
        let mut changes = held.changes();
        changes.set(found.entry.add(word::EXPIRY), expiry)?;
        self.count_expiring(&mut changes, old_expiry, expiry)?;
        held.commit(&mut changes)
    }

    /// Whether there seems to be an entry in a bucket that has ended, without the latch.
    fn has_ends(&self, bucket: u64, now: u64) -> Result<bool> {
        let region = self.segment.region();
        let sequence = intent::sequence(region, self.base())?;
        let is_even = sequence & 1 == 0;
        let mut has_ends = false;
        let walked = self.table().walk(region, bucket, |found| {
            let expiry = region.load(found.entry.add(word::EXPIRY), Ordering::Relaxed)?;
            has_ends |= has_ended_by(expiry, now);
            Ok(!has_ends)
        });
        if !is_even || !intent::is_unchanged(region, self.base(), sequence)? {
            // What was read may mean nothing. The latch will tell.
            return Ok(has_ends);
        }
        walked.map(|()| has_ends)
    }

    /// Takes up to [`ENDS`] entries that have ended out of a bucket; gives how many, and the hashes
    /// of those that somebody watches.
    fn take_ends(
        &self,
        held: &Held<'_>,
        bucket: u64,
        now: u64,
    ) -> Result<(usize, ArrayVec<u64, ENDS>)> {
        let region = self.segment.region();
        let mut watched = ArrayVec::new();
        for ends in 0..ENDS {
            let mut end: Option<Found> = None;
            self.table().walk(region, bucket, |found| {
                let expiry = region.load(found.entry.add(word::EXPIRY), Ordering::Relaxed)?;
                if has_ended_by(expiry, now) {
                    end = Some(found);
                }
                Ok(end.is_none())
            })?;
            let Some(found) = end else {
                return Ok((ends, watched));
            };
            let hash = self.table().hash_of(found.entry)?;
            let is_watched = self.is_watched(hash)?;
            self.take_out(held, &found, found.meta.namespace(), is_watched)?;
            if is_watched {
                watched.push(hash);
            }
        }
        Ok((ENDS, watched))
    }
}

/// How many ms are left until an end, at least 1; `None`: it is there for ever.
#[must_use]
pub fn ms_until(end: u64) -> Option<u64> {
    (end != 0).then(|| end.saturating_sub(clock::since_boot_us()).div_ceil(1000).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Value;
    use crate::os::process::ProcessId;
    use crate::segment::members;
    use crate::store::{self, Condition};
    use std::sync::Arc;

    #[test]
    fn the_sweep_waits_once_for_a_latch_and_goes_on_elsewhere() {
        let segment = Arc::new(store::create(16 << 20).unwrap());
        let join = || {
            let process = ProcessId::current();
            members::join(segment.region(), segment.layout(), process, 0).unwrap()
        };
        let (sweeper, holder) = (Store::new(Arc::clone(&segment), join()), join());
        let names: Vec<[u8; 8]> = (0..400_u64).map(u64::to_le_bytes).collect();
        let keys = || names.iter().map(|name| sweeper.key(name, false).unwrap());
        for key in keys() {
            sweeper.put(&key, &Value::number(1.0), Condition::Always, Some(0)).unwrap();
        }
        let held = Shard::new(&segment, 0).hold(holder).unwrap();
        let elsewhere = keys().filter(|key| Shard::of(&segment, key).number() != 0).count();
        let swept = sweeper.sweep_ended(&mut Sweep::default(), 1 << 16).unwrap();
        assert!(swept.is_around && swept.removed == elsewhere as u64, "{swept:?}");
        assert_eq!(sweeper.stats().unwrap().latch_waits, 1);
        drop(held);
        let swept = sweeper.sweep_ended(&mut Sweep::default(), 1 << 16).unwrap();
        assert_eq!(swept.removed, (names.len() - elsewhere) as u64);
    }
}
