//! Asking for a lock: it is taken at once, or a ticket gets in line.

use super::queue::Queues;
use super::spin::Spinner;
use super::{
    ABANDONED, Asked, Lock, Locks, Place, SLEEPS, Ticket, granted, lock_word, waiter_word,
};
use crate::entry::{Key, Tag, Value, stamp};
use crate::error::Result;
use crate::heap::blocks::class_bytes;
use crate::latch::{Held, PATIENCE};
use crate::segment::Segment;
use crate::segment::layout::{member, shard};
use crate::segment::members::MemberId;
use crate::segment::region::Offset;
use crate::shard::{Attempt, Draft, Shard};
use crate::sync::Ordering;

/// A ticket that was just made. (Only words, for the same reason as in [`Held`].)
#[derive(Debug, Clone, Copy)]
struct Made {
    version: u64,
    /// The word that says whether it is granted.
    granted_at: Offset,
    /// The waiter's block; 0: the lock was free.
    block: u64,
    /// [`ABANDONED`] if the lock was free and abandoned; [`IS_NEXT`] if it is the first in line,
    /// behind a holder of another member.
    flags: u64,
}

/// In the flags of a ticket that was just made.
const IS_NEXT: u64 = 2;

impl Locks {
    /// Asks for a lock: takes it if it is free, else gets in line and waits for it for as long as a
    /// wake-up costs, where that makes sense.
    ///
    /// # Errors
    /// [`crate::error::Error::OutOfMemory`], [`crate::error::Error::Busy`]: nothing was changed.
    #[inline]
    pub fn ask(&mut self, key: &Key<'_>) -> Result<Asked> {
        let Self { segment, me, queues, spinner } = self;
        let key = &key.of_lock();
        let shard = Shard::of(segment, key);
        claim(segment, *me, shard.number())?;
        let may_spin = spinner.may_spin();
        let mut wants_more = false;
        let made = shard.change(*me, |held| {
            if let Some(found) = shard.locks().find(segment.region(), key)? {
                let lock = Lock::new(segment.region(), found.entry, found.meta);
                return if lock.get(lock_word::FIRST)? == 0 {
                    lock.take(&shard, *me)
                } else {
                    shard.append(held, lock, *me, may_spin)
                };
            }
            let opened = shard.open(held, key, *me)?;
            if matches!(opened, Attempt::Done(_)) {
                // As in the store: what fails from here on is not the request's failure.
                wants_more = shard.locks().split(held).unwrap_or(false);
            }
            Ok(opened)
        })?;
        if wants_more {
            let _ = shard.locks().grow();
        }
        if made.block == 0 {
            let ticket = Ticket { version: made.version, shard: shard.number() };
            let place = Place(made.granted_at);
            Ok(Asked::Granted { ticket, place, abandoned: made.flags & ABANDONED != 0 })
        } else {
            wait(shard, *me, made, queues, spinner)
        }
    }
}

/// Says in a member's slot that it may have tickets in a shard.
#[inline]
fn claim(segment: &Segment, me: MemberId, shard: u64) -> Result<()> {
    let at = segment.layout().member(me.slot()).add(member::CLAIMS);
    // Relaxed: nobody else writes it, and the latch orders it before any ticket.
    let claims = segment.region().load(at, Ordering::Relaxed)?;
    if claims >> shard & 1 == 0 {
        segment.region().store(at, claims | 1 << shard, Ordering::Relaxed)?;
    }
    Ok(())
}

/// Spins if that makes sense, then leaves it to whoever grants the ticket to tell its member.
#[cold]
fn wait(
    shard: Shard<'_>,
    me: MemberId,
    made: Made,
    queues: &mut Queues,
    spinner: &mut Spinner,
) -> Result<Asked> {
    let Made { version, granted_at, .. } = made;
    let ticket = Ticket { version, shard: shard.number() };
    if made.flags & IS_NEXT != 0 && spinner.may_spin() {
        let region = shard.segment.region();
        // Acquire: pairs with the Release fence before the words of the granter's intent.
        let is_granted = || Ok(region.load(granted_at, Ordering::Acquire)? >> 1 >= version);
        if spinner.spin(is_granted)? || !shard.mark_as_sleeper(me, made)? {
            let abandoned = region.load(granted_at, Ordering::Acquire)? & ABANDONED != 0;
            return Ok(Asked::Granted { ticket, place: Place(granted_at), abandoned });
        }
    } else {
        spinner.rested();
    }
    queues.push(ticket, granted_at);
    Ok(Asked::Waiting { ticket, place: Place(granted_at) })
}

impl Lock<'_> {
    /// Gives the lock, which nobody has or wants, to a member.
    ///
    /// Killed before the last store: nobody has it, and a version is never used.
    #[inline]
    fn take(&self, shard: &Shard<'_>, me: MemberId) -> Result<Attempt<Made>> {
        let abandoned = self.get(lock_word::GRANTED)? & ABANDONED;
        let version = shard.load(shard::VERSION)?.wrapping_add(1);
        self.region.store(shard.at(shard::VERSION), version, Ordering::Relaxed)?;
        self.set(lock_word::OWNER, me.to_word())?;
        self.set(lock_word::GRANTED, granted(version, abandoned))?;
        self.decide(version)?;
        let granted_at = self.at(lock_word::GRANTED);
        Ok(Attempt::Done(Made { version, granted_at, block: 0, flags: abandoned }))
    }
}

impl Shard<'_> {
    /// Makes the entry of a lock, whose first holder is `me`.
    fn open(&self, held: &Held<'_>, key: &Key<'_>, me: MemberId) -> Result<Attempt<Made>> {
        let words = Value::bytes(Tag::Bytes, &[0; lock_word::BYTES]);
        let draft = Draft::new(key, &words, false, false)?;
        let mut changes = held.changes();
        let Some((entry, version)) = self.write(&mut changes, key, draft, &words, None)? else {
            return Ok(Attempt::NeedsSpan(draft.class));
        };
        // Out of sight, like the rest of the entry.
        let lock = Lock::new(self.segment.region(), entry, draft.meta);
        lock.set(lock_word::GRANTED, granted(version, 0))?;
        lock.set(lock_word::FIRST, version)?;
        lock.set(lock_word::OWNER, me.to_word())?;
        self.locks().insert(&mut changes, entry, key.hash())?;
        held.commit(&mut changes)?;
        let granted_at = lock.at(lock_word::GRANTED);
        Ok(Attempt::Done(Made { version, granted_at, block: 0, flags: 0 }))
    }

    /// Appends a ticket to the list of a lock that somebody has.
    #[cold]
    fn append(
        &self,
        held: &Held<'_>,
        lock: Lock<'_>,
        me: MemberId,
        may_spin: bool,
    ) -> Result<Attempt<Made>> {
        let mut changes = held.changes();
        let Some(block) = self.blocks().take(&mut changes, waiter_word::CLASS)? else {
            return Ok(Attempt::NeedsSpan(waiter_word::CLASS));
        };
        let last = lock.get(lock_word::LAST)?;
        let holder = lock.get(lock_word::OWNER)?;
        let is_next = last == 0 && holder != me.to_word();
        let flags = if is_next && may_spin { 0 } else { SLEEPS };
        let store = |field, word| lock.region.store(block.add(field), word, Ordering::Relaxed);
        // As for an entry: a free block may hold anything.
        store(waiter_word::STAMP, 0)?;
        store(waiter_word::OWNER, me.to_word())?;
        store(waiter_word::FLAGS, flags)?;
        let version = self.next_version(&mut changes)?;
        changes.set(block.add(waiter_word::STAMP), stamp(version, 0))?;
        changes.set(block.add(waiter_word::LINK), 0)?;
        let end = if last == 0 {
            lock.at(lock_word::NEXT)
        } else {
            Offset::new(last).add(waiter_word::LINK)
        };
        changes.set(end, block.bytes())?;
        changes.set(lock.at(lock_word::LAST), block.bytes())?;
        let bytes = class_bytes(waiter_word::CLASS);
        changes.add(self.at(shard::BYTES_USED), bytes)?;
        held.commit(&mut changes)?;
        let granted_at = lock.at(lock_word::GRANTED);
        let flags = if is_next { IS_NEXT } else { 0 };
        Ok(Attempt::Done(Made { version, granted_at, block: block.bytes(), flags }))
    }

    /// Marks a waiter as one that is to be told; `false`: its turn has come.
    fn mark_as_sleeper(&self, me: MemberId, waiter: Made) -> Result<bool> {
        let region = self.segment.region();
        let Ok(_held) = self.hold_for(me, PATIENCE) else {
            // Not to be told, it looks by itself.
            return Ok(true);
        };
        if region.load(waiter.granted_at, Ordering::Relaxed)? >> 1 >= waiter.version {
            return Ok(false);
        }
        let flags_at = Offset::new(waiter.block).add(waiter_word::FLAGS);
        region.store(flags_at, SLEEPS, Ordering::Relaxed)?;
        Ok(true)
    }
}
