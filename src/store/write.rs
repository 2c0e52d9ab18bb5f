//! Writing: under the latch of the key's shard, each change by one intent.
//!
//! To set a key: take a free block, fill it out of sight, and seal an intent that links it into the
//! table in place of the old one, which goes to the free list or, if the log names it, stays for the
//! log. A value that is too long for a block is written into a run of pages before the latch is
//! taken. If the class of the block has no room, the latch is let go, a span is built, and the
//! operation begins anew with the span in hand.

use super::Store;
use crate::entry::{Key, Tag, Value, stamp, word};
use crate::error::{Error, Result};
use crate::heap::pages::Building;
use crate::latch::Held;
use crate::log::REMOVED;
use crate::segment::layout::{member, shard};
use crate::segment::members::MemberId;
use crate::segment::region::Offset;
use crate::shard::{Attempt, Draft, Shard, build_run};
use crate::sync::Ordering;
use crate::table::Found;
use crate::wake;

/// Sums beyond this are not exact: `Number.MAX_SAFE_INTEGER`.
const MAX_SAFE: f64 = 9_007_199_254_740_991.0;

/// What a writer is about to do with a key.
#[derive(Debug, Clone, Copy)]
enum Change<'v> {
    Set(Value<'v>),
    Add(f64),
}

impl Store {
    /// Sets a key to a value.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], [`Error::ValueTooLarge`], [`Error::Busy`]: nothing was changed.
    #[inline]
    pub fn set(&self, key: &Key<'_>, value: &Value<'_>) -> Result<()> {
        let run = build_run(&self.segment, self.me, key, value, false)?;
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
        let (is_watched, was_there) = match shard.change(self.me, |held| shard.remove(held, key)) {
            // Only the record of a key that is not there needs memory. Without it, it is not heard
            // that nothing was removed.
            Err(Error::OutOfMemory { .. }) => (false, false),
            removed => removed?,
        };
        if is_watched {
            self.tell_watchers(&shard, key);
        }
        Ok(was_there)
    }

    #[inline]
    fn change(
        &self,
        key: &Key<'_>,
        change: Change<'_>,
        mut run: Option<Building<'_>>,
    ) -> Result<f64> {
        self.count(member::WRITES, 1)?;
        let shard = Shard::of(&self.segment, key);
        let (mut wants_more, mut is_watched) = (false, false);
        let sum = shard.change(self.me, |held| {
            is_watched = shard.is_watched(key)?;
            let attempt = shard.put(held, key, change, run.as_ref(), is_watched)?;
            if matches!(attempt, Attempt::Done(_)) {
                // The change has happened: what fails from here on is not its failure. A table
                // that could not grow has longer chains, and tries again at the next change.
                wants_more = shard.table().split(held).unwrap_or(false);
            }
            Ok(attempt)
        })?;
        if let Some(run) = run.take() {
            run.publish();
        }
        if wants_more {
            let _ = shard.table().grow();
        }
        if is_watched {
            self.tell_watchers(&shard, key);
        }
        Ok(sum)
    }

    /// The change has happened: what fails here is not its failure.
    #[cold]
    fn tell_watchers(&self, shard: &Shard<'_>, key: &Key<'_>) {
        let told = wake::tell_watchers(&self.segment, self.me, shard.number(), key.hash());
        if told != Ok(false) {
            self.has_news.set(true);
        }
        while shard.log().keeps_too_much() == Ok(true) && matches!(shard.trim_log(self.me), Ok(1..))
        {
        }
    }
}

impl Shard<'_> {
    /// Puts what the key becomes into the table, and gives it if it is a number.
    #[inline]
    fn put(
        &self,
        held: &Held<'_>,
        key: &Key<'_>,
        change: Change<'_>,
        run: Option<&Building<'_>>,
        is_watched: bool,
    ) -> Result<Attempt<f64>> {
        let found = self.table().find(self.segment.region(), key)?;
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
        let draft = Draft::new(key, &value, run.is_some(), false)?;
        let Some((block, version)) = self.write(&mut changes, key, draft, &value, run)? else {
            return Ok(Attempt::NeedsSpan(draft.class));
        };
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

    /// Takes a key out of the table; gives whether somebody watches it and whether it was there.
    /// Who watches a key hears of every removal: of one that was not there, a record needs an entry
    /// of its own.
    fn remove(&self, held: &Held<'_>, key: &Key<'_>) -> Result<Attempt<(bool, bool)>> {
        let found = self.table().find(self.segment.region(), key)?;
        let is_watched = self.is_watched(key)?;
        let mut changes = held.changes();
        let (entry, version) = match &found {
            Some(found) => {
                self.table().remove(&mut changes, found)?;
                (found.entry, self.next_version(&mut changes)?)
            }
            None if !is_watched => return Ok(Attempt::Done((false, false))),
            None => {
                let nothing = Value::bytes(Tag::Undefined, &[]);
                let draft = Draft::new(key, &nothing, false, false)?;
                match self.write(&mut changes, key, draft, &nothing, None)? {
                    Some(written) => written,
                    None => return Ok(Attempt::NeedsSpan(draft.class)),
                }
            }
        };
        if is_watched {
            self.log().append(&mut changes, entry, REMOVED, version, |changes, block| {
                self.free(changes, block)
            })?;
        }
        self.retire(&mut changes, entry)?;
        held.commit(&mut changes)?;
        Ok(Attempt::Done((is_watched, found.is_some())))
    }

    /// Drops some records of a log that keeps too much; gives how many.
    fn trim_log(&self, me: MemberId) -> Result<u64> {
        let held = self.hold(me)?;
        let mut changes = held.changes();
        let dropped = self.log().trim(&mut changes, |changes, block| self.free(changes, block))?;
        held.commit(&mut changes)?;
        Ok(dropped)
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
