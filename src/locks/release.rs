//! Letting go of a lock: the first ticket leaves the list, and the next one that was not given up
//! becomes the first.
//!
//! Of tickets that were given up, a few are dropped with each intent, so that no latch is held for
//! long; until the last of them is gone the lock stays with who lets go of it.

use super::{Lock, Locks, SLEEPS, Ticket, granted, in_order, lock_word, waiter_word};
use crate::entry::{Key, Meta, word};
use crate::error::Result;
use crate::heap::blocks::class_bytes;
use crate::intent::Changes;
use crate::latch::Held;
use crate::segment::Segment;
use crate::segment::layout::{LOCK_SEATS, shard};
use crate::segment::members::MemberId;
use crate::segment::region::Offset;
use crate::shard::Shard;
use crate::sync::Ordering;
use crate::wake;
use std::time::Duration;

/// Given-up tickets that are dropped in one intent. Each takes up to eight words and a hand-over.
const DROPS: u32 = 4;

/// What has become of a lock that was let go of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Released {
    /// The ticket does not hold it; nothing was changed.
    NotHeld,
    /// It is free, or another member's now, which has been told.
    Done,
    /// It is this member's again, by its next ticket.
    Mine(Ticket),
}

/// Who has the lock after one step.
pub(super) enum Passed {
    /// Still the same: there are more tickets to drop.
    Nobody,
    /// It is free.
    Free,
    /// A waiter.
    To(Next),
}

/// The waiter that has the lock now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Next {
    pub(super) version: u64,
    pub(super) owner: u64,
    sleeps: bool,
}

impl Locks {
    /// Lets go of a lock, whoever asked for it.
    ///
    /// # Errors
    /// [`crate::error::Error::Busy`] if the latch is not to be had within `patience`: nothing was
    /// changed.
    pub fn release(
        &mut self,
        key: &Key<'_>,
        ticket: Ticket,
        patience: Duration,
    ) -> Result<Released> {
        let segment = &self.segment;
        let key = &key.of_lock();
        let shard = Shard::of(segment, key);
        if shard.number() != ticket.shard {
            return Ok(Released::NotHeld);
        }
        loop {
            let held = shard.hold_for(self.me, patience)?;
            let Some(found) = shard.locks().find(segment.region(), key)? else {
                return Ok(Released::NotHeld);
            };
            let lock = Lock::new(segment.region(), found.entry, found.meta);
            if lock.get(lock_word::FIRST)? != ticket.version || ticket.version == 0 {
                return Ok(Released::NotHeld);
            }
            let passed = shard.pass_on(&held, lock, 0)?;
            drop(held);
            match passed {
                Passed::Nobody => {}
                Passed::Free => return Ok(Released::Done),
                Passed::To(next) if next.owner == self.me.to_word() => {
                    let next = Ticket { version: next.version, shard: shard.number() };
                    self.queues.take(next, lock.at(lock_word::GRANTED));
                    return Ok(Released::Mine(next));
                }
                Passed::To(next) => {
                    // Who is not told looks by itself.
                    let _ = next.tell(segment, shard.number());
                    return Ok(Released::Done);
                }
            }
        }
    }
}

impl Next {
    /// Tells the waiter's member, if it sleeps. Never under a latch.
    pub(super) fn tell(&self, segment: &Segment, shard: u64) -> Result<()> {
        match MemberId::from_word(self.owner) {
            Some(owner) if self.sleeps => wake::tell(segment, owner.slot(), shard),
            _ => Ok(()),
        }
    }
}

impl Shard<'_> {
    /// Takes the first ticket off the list and grants the lock to the next one. `abandoned`: 0, or
    /// [`super::ABANDONED`] if the first ticket's owner is dead.
    pub(super) fn pass_on(
        &self,
        held: &Held<'_>,
        lock: Lock<'_>,
        abandoned: u64,
    ) -> Result<Passed> {
        let first_waiter = lock.get(lock_word::NEXT)?;
        if first_waiter == 0 && lock.get(lock_word::SEAT)? != 0 {
            // One store decides. Killed before it: the lock is still the first ticket's.
            let version = lock.get(lock_word::FIRST)?;
            lock.set(lock_word::GRANTED, granted(version, abandoned))?;
            lock.decide(0)?;
            return Ok(Passed::Free);
        }
        let mut changes = held.changes();
        let mut waiter = first_waiter;
        let mut drops = 0;
        let mut before = lock.get(lock_word::FIRST)?;
        let next = loop {
            if waiter == 0 {
                break None;
            }
            let block = Offset::new(waiter);
            let load = |field| lock.region.load(block.add(field), Ordering::Relaxed);
            let (owner, link) = (load(waiter_word::OWNER)?, load(waiter_word::LINK)?);
            if owner == 0 && drops == DROPS {
                break Some(None);
            }
            let version = load(waiter_word::STAMP)? >> 1;
            before = in_order(block, version, before)?;
            let sleeps = load(waiter_word::FLAGS)? & SLEEPS != 0;
            self.free_waiter(&mut changes, block)?;
            waiter = link;
            if owner != 0 {
                break Some(Some(Next { version, owner, sleeps }));
            }
            drops += 1;
        };
        changes.set(lock.at(lock_word::NEXT), waiter)?;
        if waiter == 0 {
            changes.set(lock.at(lock_word::LAST), 0)?;
        }
        let passed = match next {
            Some(None) => Passed::Nobody,
            Some(Some(next)) => {
                changes.set(lock.at(lock_word::FIRST), next.version)?;
                changes.set(lock.at(lock_word::OWNER), next.owner)?;
                changes.set(lock.at(lock_word::GRANTED), granted(next.version, abandoned))?;
                Passed::To(next)
            }
            None => {
                let version = lock.get(lock_word::FIRST)?;
                changes.set(lock.at(lock_word::FIRST), 0)?;
                changes.set(lock.at(lock_word::GRANTED), granted(version, abandoned))?;
                if lock.get(lock_word::SEAT)? == 0 {
                    self.seat(&mut changes, lock)?;
                }
                Passed::Free
            }
        };
        held.commit(&mut changes)?;
        Ok(passed)
    }

    fn free_waiter(&self, changes: &mut Changes<'_>, block: Offset) -> Result<()> {
        changes.set(block.add(waiter_word::STAMP), 0)?;
        self.blocks().free(changes, block)?;
        let bytes = class_bytes(waiter_word::CLASS);
        changes.add(self.at(shard::BYTES_USED), bytes.wrapping_neg())
    }

    /// Gives the lock the next seat. Whoever had that one leaves the table if nobody has or wants
    /// it, and else gets another seat when it is let go of.
    fn seat(&self, changes: &mut Changes<'_>, lock: Lock<'_>) -> Result<()> {
        let seat = self.load(shard::NEXT_SEAT)? % LOCK_SEATS;
        let seat_at = self.at(shard::SEATS).word(seat);
        let former = lock.region.load(seat_at, Ordering::Relaxed)?;
        changes.set(self.at(shard::NEXT_SEAT), (seat + 1) % LOCK_SEATS)?;
        changes.set(seat_at, lock.entry.bytes())?;
        changes.set(lock.at(lock_word::SEAT), seat + 1)?;
        if former == 0 {
            return Ok(());
        }
        let entry = Offset::new(former);
        let meta = Meta::from_word(lock.region.load(entry.add(word::META), Ordering::Relaxed)?)?;
        let former = Lock::new(lock.region, entry, meta);
        if former.get(lock_word::FIRST)? != 0 {
            return changes.set(former.at(lock_word::SEAT), 0);
        }
        let found = self.locks().locate(lock.region, entry)?;
        self.locks().remove(changes, &found)?;
        self.retire(changes, entry)
    }
}
