//! Reading: no latch, no store into the segment, and never half a value.
//!
//! The first try is a sequence lock: walk, copy, and if the shard's sequence is still what it was
//! before, all of that belonged together. If the shard changed meanwhile, or a writer was caught in
//! the middle, the second way is taken:
//!
//! - the sequence is even: the entry alone is validated. Its stamp is read before its key is compared
//!   and again after the copy, and the number of spans that the shard has given back before the walk
//!   and after the copy. So the walk met nothing but blocks of this shard, and since stamps do not
//!   come back, the block was this entry all the while. (It is a correct answer even if a sealed
//!   change of the key is pending by now: the sequence was even when this try began, so the read
//!   counts as of then.)
//! - the sequence stays odd: the writer is stopped or dead. The reader reads through its sealed
//!   words, as if it had finished.
//!
//! A long value in a run is at last protected by the member's hazard word, so that its copy cannot
//! be overtaken again and again by writers.

use super::Store;
use crate::entry::{Key, has_ended, word};
use crate::error::{Error, Result};
use crate::heap::hazard;
use crate::intent::{self, Overlay};
use crate::segment::layout::shard;
use crate::shard::{Glance, Read, Scratch, Shard};
use crate::sync::{Ordering, fence};
use crate::table::Found;

/// Tries before a reader gives up with [`Error::Busy`]. Each fails only if this very entry changed
/// within some tens of nanoseconds.
const TRIES: u32 = 1 << 20;
/// Tries without the hazard word.
const BOLD_TRIES: u32 = 2;

impl Store {
    /// The value of a key, its bytes in `scratch`; `None` if there is no such entry.
    ///
    /// # Errors
    /// [`Error::Corrupted`] if the segment is damaged; [`Error::OutOfMemory`] if this process has no
    /// room for the copy.
    #[inline(always)]
    pub fn get(&self, key: &Key<'_>, scratch: &mut Scratch) -> Result<Option<Read>> {
        let mut read = Read::NOTHING;
        match self.get_unless(key, 0, scratch, &mut read)? {
            Glance::Value => Ok(Some(read)),
            _ => Ok(None),
        }
    }

    /// The value of a key, as [`Store::get`] gives it; or [`Glance::Known`] if it is still that of the
    /// version `known`, of which nothing is copied. Else it is a value or missing.
    ///
    /// # Errors
    /// As above.
    #[inline(always)]
    pub fn get_unless(
        &self,
        key: &Key<'_>,
        known: u64,
        scratch: &mut Scratch,
        read: &mut Read,
    ) -> Result<Glance> {
        self.count_read()?;
        let shard = Shard::of(&self.segment, key);
        let region = self.segment.region();
        let sequence = intent::sequence(region, shard.base())?;
        if sequence & 1 == 0 {
            let glance = shard.read(region, key, known, scratch, read, sequence);
            if intent::is_unchanged(region, shard.base(), sequence)? {
                match glance? {
                    Glance::Again => {}
                    Glance::Ended => return Ok(Glance::Missing),
                    glance => return Ok(glance),
                }
            }
        }
        Ok(match self.read_again(shard, key, scratch)? {
            Some(value) => {
                *read = value;
                Glance::Value
            }
            None => Glance::Missing,
        })
    }

    /// The value of a key as of a version: it is what all changes up to that one have made it, and
    /// none after it.
    ///
    /// # Errors
    /// As above; [`Error::Busy`].
    pub fn get_as_of(&self, key: &Key<'_>, scratch: &mut Scratch) -> Result<(Option<Read>, u64)> {
        loop {
            if let Some(read) = self.get(key, scratch)? {
                return Ok((Some(read), read.version));
            }
            // Of what is not there only the latch knows the version.
            if let (version, false) = self.version_of(key)? {
                return Ok((None, version));
            }
        }
    }

    /// The version of the last change that made a key what it is, and whether it is there now; of
    /// what is not there, the version of the shard's last change.
    ///
    /// # Errors
    /// [`Error::Busy`]; [`Error::Corrupted`].
    pub fn version_of(&self, key: &Key<'_>) -> Result<(u64, bool)> {
        let shard = Shard::of(&self.segment, key);
        let _held = shard.hold(self.me)?;
        let found = shard.table().find(self.segment.region(), key)?;
        let expiry = shard.expiry_of(found.as_ref())?;
        match found.filter(|_| !has_ended(expiry)) {
            Some(found) => {
                let stamp_at = found.entry.add(word::STAMP);
                Ok((self.segment.region().load(stamp_at, Ordering::Relaxed)? >> 1, true))
            }
            None => Ok((shard.load(shard::VERSION)?, false)),
        }
    }

    /// Whether there is an entry with this key.
    ///
    /// # Errors
    /// [`Error::Corrupted`] if the segment is damaged.
    #[inline]
    pub fn has(&self, key: &Key<'_>) -> Result<bool> {
        Ok(self.end_of(key)?.is_some())
    }

    /// When the entry of a key ends, by [`crate::clock::since_boot_us`], 0: never; `None` if there is none.
    ///
    /// # Errors
    /// [`Error::Corrupted`] if the segment is damaged.
    #[inline]
    pub fn end_of(&self, key: &Key<'_>) -> Result<Option<u64>> {
        self.count_read()?;
        let shard = Shard::of(&self.segment, key);
        let region = self.segment.region();
        let sequence = intent::sequence(region, shard.base())?;
        if sequence & 1 == 0 {
            let found = shard.table().find(region, key);
            if let Ok(found) = found {
                let expiry = shard.expiry_of(found.as_ref())?;
                // Before the validation: else a touch could come between this end and the clock.
                let has_ended = has_ended(expiry);
                if intent::is_unchanged(region, shard.base(), sequence)? {
                    return Ok(found.filter(|_| !has_ended).map(|_| expiry));
                }
            }
        }
        Ok(self.read_again(shard, key, &mut Scratch::default())?.map(|read| read.expiry))
    }

    #[cold]
    fn read_again(
        &self,
        shard: Shard<'_>,
        key: &Key<'_>,
        scratch: &mut Scratch,
    ) -> Result<Option<Read>> {
        let region = self.segment.region();
        let mut read = Read::NOTHING;
        for attempt in 0..TRIES {
            // Before the sequence: who sees a span as given back sees a sequence that says so.
            // Acquire: the sequence and the walk are not older.
            let given_back = region.load(shard.at(shard::SPANS_GIVEN_BACK), Ordering::Acquire)?;
            let sequence = shard.settled_sequence()?;
            let is_even = sequence & 1 == 0;
            let glance = if is_even {
                let since = Since { sequence, given_back };
                self.read_entry(shard, key, scratch, &mut read, since, attempt)
            } else {
                match Overlay::read(region, shard.base(), sequence) {
                    Ok(Some(overlay)) => shard.read(&overlay, key, 0, scratch, &mut read, sequence),
                    Ok(None) => Ok(Glance::Again),
                    Err(error) => Err(error),
                }
            };
            match glance {
                Ok(Glance::Again) => continue,
                // `read_entry` has validated it by its stamp. (Not an end: a touch moves that, and
                // leaves the stamp as it is.)
                Ok(Glance::Value) if is_even => return Ok(Some(read)),
                _ => {}
            }
            if intent::is_unchanged(region, shard.base(), sequence)? {
                return match glance? {
                    Glance::Value => Ok(Some(read)),
                    Glance::Missing | Glance::Ended | Glance::Known | Glance::Again => Ok(None),
                };
            }
        }
        Err(Error::Busy { pid: 0, state: "changing this entry all the time" })
    }

    /// Reads the entry of a key and validates it by its stamp. A miss, an end, and an error are for
    /// the caller to validate by the sequence.
    fn read_entry(
        &self,
        shard: Shard<'_>,
        key: &Key<'_>,
        scratch: &mut Scratch,
        read: &mut Read,
        since: Since,
        attempt: u32,
    ) -> Result<Glance> {
        let region = self.segment.region();
        let Some(found) = shard.table().find(region, key)? else {
            return Ok(Glance::Missing);
        };
        let stamp_at = found.entry.add(word::STAMP);
        // Acquire: what is read of the entry afterwards is not older than this stamp.
        let stamp = region.load(stamp_at, Ordering::Acquire)?;
        // The block may have become another entry since the walk.
        let Some(meta) = shard.table().matches(found.entry, key)? else {
            return Ok(Glance::Again);
        };
        let found = Found { meta, ..found };
        let given_back_at = shard.at(shard::SPANS_GIVEN_BACK);
        let is_still_there = || {
            // Pairs with the Release fences in `latch::acquire` and `intent::apply`.
            fence(Ordering::Acquire);
            Ok::<bool, Error>(
                // Acquire: what only looks like the stamp is not older than the count below.
                stamp != 0
                    && region.load(stamp_at, Ordering::Acquire)? == stamp
                    && region.load(given_back_at, Ordering::Relaxed)? == since.given_back,
            )
        };
        if meta.in_run() && attempt >= BOLD_TRIES {
            return self.read_protected(shard, &found, scratch, read, stamp, is_still_there);
        }
        let glance = shard.read_value(region, &found, 0, scratch, read, since.sequence);
        if is_still_there()? { glance } else { Ok(Glance::Again) }
    }

    /// Copies a run that nobody can reuse meanwhile: what was the value when it was protected.
    fn read_protected(
        &self,
        shard: Shard<'_>,
        found: &Found,
        scratch: &mut Scratch,
        read: &mut Read,
        stamp: u64,
        is_still_there: impl Fn() -> Result<bool>,
    ) -> Result<Glance> {
        let region = self.segment.region();
        let run = shard.run_of(region, found)?;
        let expiry = shard.expiry_of(Some(found))?;
        if has_ended(expiry) {
            return Ok(if is_still_there()? { Glance::Ended } else { Glance::Again });
        }
        hazard::protect(&self.segment, self.me, run.page)?;
        let copied = match is_still_there() {
            Ok(true) => shard.copy_run(run, scratch).map(|()| true),
            other => other,
        };
        hazard::unprotect(&self.segment, self.me)?;
        let length = usize::try_from(run.length).unwrap_or(0);
        *read = Read { tag: found.meta.tag(), number: 0.0, length, version: stamp >> 1, expiry };
        Ok(if copied? { Glance::Value } else { Glance::Again })
    }
}

/// What a walk is validated against.
#[derive(Debug, Clone, Copy)]
struct Since {
    sequence: u64,
    given_back: u64,
}
