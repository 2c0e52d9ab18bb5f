//! What becomes of the tickets of a member that is gone: those that wait are given up where they
//! stand, and the locks that it holds pass on to the next ticket, marked as abandoned.
//!
//! All locks of the shards in which the member may have tickets are looked at, bucket by bucket. No
//! latch is held for more than a few locks or a few dozen tickets, so others go on meanwhile; they
//! add nothing for the one that is gone, and a bucket that splits meanwhile splits upwards, where it
//! is still to come. Each step can be done again.

use super::release::Passed;
use super::{ABANDONED, Lock, in_order, lock_word, waiter_word};
use crate::entry::{Meta, word};
use crate::error::{Error, Result};
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
/// How often a bucket is looked at: enough for the longest chain that the table follows.
const LOOKS: u32 = 1 << 12;

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
        let mut bucket = 0;
        while bucket < self.buckets()? {
            self.give_up_bucket(bucket)?;
            bucket += 1;
        }
        Ok(())
    }

    /// Buckets of the table, of which there can be no more than it has room for.
    fn buckets(&self) -> Result<u64> {
        let place = self.segment.layout().locks(self.shard.number());
        let buckets_at = place.counts.add(table::BUCKETS);
        let buckets = self.load(buckets_at)?;
        if buckets > place.reserved {
            return Err(Error::corrupted("the number of buckets", buckets_at.bytes()));
        }
        Ok(buckets)
    }

    fn give_up_bucket(&self, bucket: u64) -> Result<()> {
        let mut last = None;
        for _ in 0..LOOKS {
            let locks = self.locks_of(bucket, last)?;
            for (entry, stamp) in &locks {
                self.give_up_lock(*entry, *stamp)?;
            }
            last = locks.last().copied();
            if !locks.is_full() {
                return Ok(());
            }
        }
        Err(Error::corrupted("a chain of locks without end", last.map_or(0, |last| last.0.bytes())))
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
            let buckets = self.buckets()?;
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
        let mut before = after;
        for step in 0.. {
            if waiter == 0 {
                return Ok(None);
            }
            let block = Offset::new(waiter);
            let version = self.load(block.add(waiter_word::STAMP))? >> 1;
            before = in_order(block, version, before)?;
            let owner_at = block.add(waiter_word::OWNER);
            if self.load(owner_at)? == self.gone.to_word() {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Key;
    use crate::latch::PATIENCE;
    use crate::locks::{Asked, Locks, Released, Spinner, Ticket};
    use crate::os::process::ProcessId;
    use crate::segment::members;
    use crate::store;
    use std::sync::Arc;

    const MEMBERS: usize = 3;

    /// A segment with a lock that the first member holds and the others wait for.
    struct Scene {
        segment: Arc<Segment>,
        ids: [MemberId; MEMBERS],
        locks: Vec<Locks>,
        ticket: Ticket,
    }

    impl Scene {
        fn new() -> Self {
            let segment = Arc::new(store::create(16 << 20).unwrap());
            let ids = [0; MEMBERS].map(|thread| {
                let process = ProcessId::current();
                members::join(segment.region(), segment.layout(), process, thread).unwrap()
            });
            let locks = |id| Locks::new(Arc::clone(&segment), id, Spinner::new(1));
            let mut locks: Vec<_> = ids.into_iter().map(locks).collect();
            let key = Key::new(segment.hash_key(), b"key", false).unwrap();
            let asked: Vec<_> = locks.iter_mut().map(|locks| locks.ask(&key).unwrap()).collect();
            let Asked::Granted { ticket, .. } = asked[0] else { panic!("the lock was free") };
            Self { segment, ids, locks, ticket }
        }

        fn key(&self) -> Key<'static> {
            Key::new(self.segment.hash_key(), b"key", false).unwrap()
        }

        fn shard(&self) -> Shard<'_> {
            Shard::of(&self.segment, &self.key().of_lock())
        }

        /// The entry of the lock, and its first and last waiter.
        fn words(&self) -> (Offset, Offset, Offset) {
            let region = self.segment.region();
            let key = self.key();
            let found = self.shard().locks().find(region, &key.of_lock()).unwrap().unwrap();
            let lock = Lock::new(region, found.entry, found.meta);
            let word = |field| Offset::new(lock.get(field).unwrap());
            (found.entry, word(lock_word::NEXT), word(lock_word::LAST))
        }

        fn damage(&self, at: Offset, word: u64) {
            self.segment.region().store(at, word, Ordering::Relaxed).unwrap();
        }

        fn give_up(&self, member: usize) -> Result<()> {
            give_up_all(&self.segment, self.ids[0], self.ids[member], PATIENCE)
        }
    }

    fn is_damage<T>(result: Result<T>) -> bool {
        matches!(result.err(), Some(Error::Corrupted { .. }))
    }

    #[test]
    fn waiters_in_a_circle_are_damage() {
        let mut scene = Scene::new();
        let (_, first, last) = scene.words();
        scene.damage(last.add(waiter_word::LINK), first.bytes());
        assert!(is_damage(scene.give_up(1)));
        assert!(is_damage(scene.give_up(2)));
        // Both are given up by now, and who lets go of the lock looks for one that is not.
        let (key, ticket) = (scene.key(), scene.ticket);
        assert!(is_damage(scene.locks[0].release(&key, ticket, PATIENCE)));
    }

    #[test]
    fn locks_in_a_circle_are_damage() {
        let scene = Scene::new();
        let (entry, ..) = scene.words();
        scene.damage(entry.add(word::LINK), entry.bytes());
        assert!(is_damage(scene.give_up(1)));
    }

    #[test]
    fn more_buckets_than_there_is_room_for_are_damage() {
        let scene = Scene::new();
        let place = scene.segment.layout().locks(scene.shard().number());
        scene.damage(place.counts.add(table::BUCKETS), u64::MAX);
        assert!(is_damage(scene.give_up(1)));
    }

    #[test]
    fn what_is_whole_is_given_up_and_passed_on() {
        let mut scene = Scene::new();
        scene.give_up(1).unwrap();
        let (key, ticket) = (scene.key(), scene.ticket);
        let released = scene.locks[0].release(&key, ticket, PATIENCE).unwrap();
        assert_eq!(released, Released::Done);
        assert_eq!(scene.locks[2].granted(u64::MAX).unwrap().len(), 1);
    }
}
