//! What becomes of the tickets of a member that is gone: those that wait are given up where they
//! stand, and the locks that it holds pass on to the next ticket, marked as abandoned.
//!
//! All locks of the shards in which the member may have tickets are looked at, bucket by bucket. No
//! latch is held for more than a few locks or a few dozen tickets, so others go on meanwhile; they
//! add nothing for the one that is gone, and a bucket that splits meanwhile splits upwards, where it
//! is still to come. Each step can be done again.

use super::release::Passed;
use super::{ABANDONED, Lock, lock_word, waiter_word};
use crate::entry::{Meta, word};
use crate::error::Result;
use crate::segment::Segment;
use crate::segment::layout::{member, table};
use crate::segment::members::MemberId;
use crate::segment::region::Offset;
use crate::shard::Shard;
use crate::sync::Ordering;
use crate::table::{bucket_of, target};
use arrayvec::ArrayVec;
use std::time::Duration;

/// Locks of a bucket, and tickets of a lock, that are looked at under one latch.
const LOCKS: usize = 16;
const TICKETS: u32 = 64;

/// Gives up all tickets of `gone`, for which nobody asks for any more. Those that get a lock by that
/// are told, if they sleep.
///
/// # Errors
/// [`crate::error::Error::Busy`]: some are given up, and it can be called again.
pub fn give_up_all(
    segment: &Segment,
    me: MemberId,
    gone: MemberId,
    patience: Duration,
) -> Result<()> {
    let claims_at = segment.layout().member(gone.slot()).add(member::CLAIMS);
    let claims = segment.region().load(claims_at, Ordering::Relaxed)?;
    let shards = (0..segment.layout().shards).filter(|shard| claims >> shard & 1 != 0);
    for number in shards {
        let work = GiveUp { segment, shard: Shard::new(segment, number), me, gone, patience };
        work.all()?;
    }
    Ok(())
}

/// The tickets of one member in one shard.
struct GiveUp<'s> {
    segment: &'s Segment,
    shard: Shard<'s>,
    me: MemberId,
    gone: MemberId,
    patience: Duration,
}

/// Where a walk along the tickets of a lock goes on: behind the ticket of that version, in that
/// block if it still is.
#[derive(Debug, Clone, Copy)]
struct Position {
    block: Offset,
    version: u64,
}

impl GiveUp<'_> {
    fn all(&self) -> Result<()> {
        let buckets_at = self.segment.layout().locks(self.shard.number()).counts;
        let mut bucket = 0;
        while bucket < self.load(buckets_at.add(table::BUCKETS))? {
            let mut last = None;
            loop {
                let locks = self.locks_of(bucket, last)?;
                for (entry, stamp) in &locks {
                    self.give_up_lock(*entry, *stamp)?;
                }
                last = locks.last().copied();
                if !locks.is_full() {
                    break;
                }
            }
            bucket += 1;
        }
        Ok(())
    }

    /// Some locks of a bucket, by entry and stamp: the ones behind the last one that was looked at.
    /// If that has left the bucket, from the front again.
    fn locks_of(
        &self,
        bucket: u64,
        last: Option<(Offset, u64)>,
    ) -> Result<ArrayVec<(Offset, u64), LOCKS>> {
        let _held = self.shard.hold_for(self.me, self.patience)?;
        let place = self.segment.layout().locks(self.shard.number());
        let mut link = self.load(place.buckets.word(bucket))?;
        if let Some((entry, stamp)) = last
            && self.stamp_of(entry)? == stamp
        {
            let buckets = self.load(place.counts.add(table::BUCKETS))?;
            if bucket_of(self.shard.locks().hash_of(entry)?, buckets) == bucket {
                link = self.load(entry.add(word::LINK))?;
            }
        }
        let mut locks = ArrayVec::new();
        while let Some(entry) = target(link)
            && !locks.is_full()
        {
            locks.push((entry, self.load(entry.add(word::STAMP))?));
            link = self.load(entry.add(word::LINK))?;
        }
        Ok(locks)
    }

    /// Gives up the tickets of one lock, unless the lock has left the table.
    fn give_up_lock(&self, entry: Offset, stamp: u64) -> Result<()> {
        let mut position = None;
        loop {
            let held = self.shard.hold_for(self.me, self.patience)?;
            if self.stamp_of(entry)? != stamp {
                return Ok(());
            }
            let meta = Meta::from_word(self.load(entry.add(word::META))?)?;
            let lock = Lock::new(self.segment.region(), entry, meta);
            // First those that wait, so that no lock passes on to another ticket of the same one.
            if let Some(next) = self.give_up_some(lock, position)? {
                position = Some(next);
                continue;
            }
            let owner = lock.get(lock_word::OWNER)?;
            if lock.get(lock_word::FIRST)? == 0 || owner != self.gone.to_word() {
                return Ok(());
            }
            let passed = self.shard.pass_on(&held, lock, ABANDONED)?;
            drop(held);
            if let Passed::To(next) = passed {
                let _ = next.tell(self.segment, self.shard.number());
            }
        }
    }

    /// Gives up tickets among the next few; where to go on, or `None` at the end of the list.
    fn give_up_some(&self, lock: Lock<'_>, from: Option<Position>) -> Result<Option<Position>> {
        let (mut waiter, after) = match from {
            Some(Position { block, version }) if self.stamp_of(block)? >> 1 == version => {
                (self.load(block.add(waiter_word::LINK))?, version)
            }
            // It has been granted meanwhile, and so have all before it.
            from => (lock.get(lock_word::NEXT)?, from.map_or(0, |from| from.version)),
        };
        for step in 0.. {
            if waiter == 0 {
                return Ok(None);
            }
            let block = Offset::new(waiter);
            let version = self.load(block.add(waiter_word::STAMP))? >> 1;
            let owner_at = block.add(waiter_word::OWNER);
            if version > after && self.load(owner_at)? == self.gone.to_word() {
                // One store decides.
                self.segment.region().store(owner_at, 0, Ordering::Relaxed)?;
            }
            if step == TICKETS {
                return Ok(Some(Position { block, version }));
            }
            waiter = self.load(block.add(waiter_word::LINK))?;
        }
        Ok(None)
    }

    /// The stamp of what was a block when no latch was held in between; 0: it is none any more.
    /// Stamps never come back in a shard.
    fn stamp_of(&self, block: Offset) -> Result<u64> {
        if self.shard.blocks().is_cut(block)? { self.load(block.add(word::STAMP)) } else { Ok(0) }
    }

    /// A word, which the latch orders.
    fn load(&self, at: Offset) -> Result<u64> {
        self.segment.region().load(at, Ordering::Relaxed)
    }
}
