//! Writing: the operations that change one key.
//!
//! Writers work under the latch of the key's shard and make each change by one intent (`put.rs`). To
//! set a key: take a free block, fill it out of sight, and seal an intent that links it into the
//! table in place of the old one, which goes to the free list or, if the log names it, stays for the
//! log. A value that is too long for a block is written into a run of pages before the latch is
//! taken. If the class of the block has no room, the latch is let go, a span is built, and the
//! operation begins anew with the span in hand.

use super::expire::Search;
use super::put::{Change, Given, Put};
use super::{Condition, Store};
use crate::clock;
use crate::entry::{Key, Value};
use crate::error::{Error, Result};
use crate::segment::layout::member;
use crate::shard::{Attempt, Read, Scratch, Shard, build_run};
use crate::wake;

impl Store {
    /// Sets a key to a value, for ever.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], [`Error::ValueTooLarge`], [`Error::Busy`]: nothing was changed.
    #[inline]
    pub fn set(&self, key: &Key<'_>, value: &Value<'_>) -> Result<()> {
        let put = Put { given: Given::Set(*value), condition: Condition::Always, expiry: 0 };
        self.change(key, &put).map(drop)
    }

    /// Sets a key to a value if the condition holds, for so many ms or for ever; gives the version of
    /// the change, or `None` if the condition does not hold.
    ///
    /// # Errors
    /// As above.
    pub fn put(
        &self,
        key: &Key<'_>,
        value: &Value<'_>,
        condition: Condition,
        ttl_ms: Option<u64>,
    ) -> Result<Option<u64>> {
        let put = Put { given: Given::Set(*value), condition, expiry: expiry_in(ttl_ms) };
        Ok(self.change(key, &put)?.map(|change| change.version))
    }

    /// Adds to a number, which begins as 0, and gives the sum.
    ///
    /// # Errors
    /// [`Error::NotANumber`] if another kind of value stands there; [`Error::OutOfRange`] if the sum
    /// is not finite, or an integer that is not exact; those of [`Store::set`]. Nothing was changed.
    #[inline]
    pub fn incr(&self, key: &Key<'_>, by: f64) -> Result<f64> {
        self.add(key, by, 0)
    }

    /// The same; if the number begins now, it is there for so many ms.
    ///
    /// # Errors
    /// As above.
    pub fn incr_for(&self, key: &Key<'_>, by: f64, ttl_ms: u64) -> Result<f64> {
        self.add(key, by, expiry_in(Some(ttl_ms)))
    }

    #[inline]
    fn add(&self, key: &Key<'_>, by: f64, expiry: u64) -> Result<f64> {
        let put = Put { given: Given::Add(by), condition: Condition::Always, expiry };
        // Without a condition there is always a change.
        Ok(self.change(key, &put)?.map_or(by, |change| change.number))
    }

    /// Removes a key; `false` if there was no such entry.
    ///
    /// # Errors
    /// [`Error::Busy`]: nothing was changed.
    pub fn remove(&self, key: &Key<'_>) -> Result<bool> {
        self.remove_if(key, Condition::Always)
    }

    /// Removes a key if the condition holds; `false` if it does not, or there was no such entry.
    ///
    /// # Errors
    /// As above.
    pub fn remove_if(&self, key: &Key<'_>, condition: Condition) -> Result<bool> {
        self.count(member::WRITES, 1)?;
        let shard = Shard::of(&self.segment, key);
        let removed = shard.change(self.me, |held| shard.remove(held, key, condition));
        let (is_watched, was_there) = match removed {
            // Only the record of a key that is not there needs memory. Without it, it is not heard
            // that nothing was removed.
            Err(Error::OutOfMemory { .. }) => (false, false),
            removed => removed?,
        };
        if is_watched {
            self.tell_watchers(&shard, key.hash());
        }
        Ok(was_there)
    }

    /// Sets a key to a value, and gives what stood there before, its bytes in `scratch`.
    ///
    /// # Errors
    /// Those of [`Store::set`] and [`Store::get`]; nothing was changed.
    pub fn exchange(
        &self,
        key: &Key<'_>,
        value: &Value<'_>,
        ttl_ms: Option<u64>,
        scratch: &mut Scratch,
    ) -> Result<Option<Read>> {
        // The old value may be long, and is not copied under the latch. Each round that fails is
        // one in which somebody else has succeeded.
        loop {
            let old = self.get(key, scratch)?;
            if self.put(key, value, Condition::is_still(old.as_ref()), ttl_ms)?.is_some() {
                return Ok(old);
            }
        }
    }

    /// Removes a key, and gives what stood there, its bytes in `scratch`.
    ///
    /// # Errors
    /// Those of [`Store::remove`] and [`Store::get`]; nothing was changed.
    pub fn take(&self, key: &Key<'_>, scratch: &mut Scratch) -> Result<Option<Read>> {
        loop {
            let Some(old) = self.get(key, scratch)? else {
                return Ok(None);
            };
            if self.remove_if(key, Condition::is_still(Some(&old)))? {
                return Ok(Some(old));
            }
        }
    }

    #[inline]
    fn change(&self, key: &Key<'_>, put: &Put<'_>) -> Result<Option<Change>> {
        self.count(member::WRITES, 1)?;
        match self.try_change(key, put) {
            Err(error @ Error::OutOfMemory { .. }) => self.change_with_room(key, put, error),
            change => change,
        }
    }

    /// What has ended makes room for what comes.
    #[cold]
    fn change_with_room(
        &self,
        key: &Key<'_>,
        put: &Put<'_>,
        error: Error,
    ) -> Result<Option<Change>> {
        let mut outcome = Err(error);
        let mut search = Search::begin(self);
        while matches!(outcome, Err(Error::OutOfMemory { .. })) && search.goes_on()? {
            outcome = self.try_change(key, put);
        }
        outcome
    }

    #[inline]
    fn try_change(&self, key: &Key<'_>, put: &Put<'_>) -> Result<Option<Change>> {
        let mut run = match &put.given {
            Given::Set(value) => build_run(&self.segment, self.me, key, value, false)?,
            Given::Add(_) => None,
        };
        let shard = Shard::of(&self.segment, key);
        let room = self.room_of(key.namespace())?;
        let (mut wants_more, mut is_watched) = (false, false);
        let change = shard.change(self.me, |held| {
            is_watched = shard.is_watched(key.hash())?;
            let attempt = shard.put(held, key, put, run.as_ref(), is_watched, room)?;
            if matches!(attempt, Attempt::Done(Some(_))) {
                // The change has happened: what fails from here on is not its failure. A table
                // that could not grow has longer chains, and tries again at the next change.
                wants_more = shard.table().split(held).unwrap_or(false);
            }
            Ok(attempt)
        })?;
        if change.is_none() {
            // The run, if there is one, is given back.
            return Ok(None);
        }
        if let Some(run) = run.take() {
            run.publish();
        }
        if wants_more {
            let _ = shard.table().grow();
        }
        if is_watched {
            self.tell_watchers(&shard, key.hash());
        }
        Ok(change)
    }

    /// The change has happened: what fails here is not its failure.
    #[cold]
    pub(super) fn tell_watchers(&self, shard: &Shard<'_>, hash: u64) {
        let told = wake::tell_watchers(&self.segment, self.me, shard.number(), hash);
        if told != Ok(false) {
            self.has_news.set(true);
        }
        while shard.log().keeps_too_much() == Ok(true) && matches!(shard.trim_log(self.me), Ok(1..))
        {
        }
    }
}

/// When what is set now ends; 0: never.
#[inline]
pub(super) fn expiry_in(ttl_ms: Option<u64>) -> u64 {
    ttl_ms.map_or(0, |ttl_ms| clock::since_boot_us().saturating_add(ttl_ms.saturating_mul(1000)))
}
