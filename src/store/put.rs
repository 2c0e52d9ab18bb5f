//! What writers do under the latch: one intent that puts an entry into the table in place of
//! another, or takes one out.
//!
//! An entry that has expired counts as missing for whoever asks, but stands in the table until a
//! writer of its key replaces it, or the sweep takes it out (`expire.rs`).

use super::Condition;
use crate::entry::{Key, Namespace, Tag, Value, has_ended, word};
use crate::error::{Error, Result};
use crate::heap::pages::Building;
use crate::intent::Changes;
use crate::latch::Held;
use crate::log::REMOVED;
use crate::segment::layout::{namespace, shard};
use crate::segment::members::MemberId;
use crate::shard::{Attempt, Draft, Shard};
use crate::sync::Ordering;
use crate::table::Found;

/// A change that is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Put<'v> {
    pub(super) given: Given<'v>,
    pub(super) condition: Condition,
    /// When a value that is set, or a number that begins, will end; 0: never.
    pub(super) expiry: u64,
}

/// What the key shall become.
#[derive(Debug, Clone, Copy)]
pub(super) enum Given<'v> {
    Set(Value<'v>),
    /// What stands there and this.
    Add(f64),
}

/// A change that was made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Change {
    pub(super) version: u64,
    /// The number that the key is now, if it is one.
    pub(super) number: f64,
}

impl Shard<'_> {
    /// Makes the change, if its condition holds; `room`: how many bytes more the key's namespace may
    /// have.
    #[inline]
    pub(super) fn put(
        &self,
        held: &Held<'_>,
        key: &Key<'_>,
        put: &Put<'_>,
        run: Option<&Building<'_>>,
        is_watched: bool,
        room: u64,
    ) -> Result<Attempt<Option<Change>>> {
        let found = self.table().find(self.segment.region(), key)?;
        let old_expiry = self.expiry_of(found.as_ref())?;
        let standing = found.as_ref().filter(|_| !has_ended(old_expiry));
        if !self.holds(put.condition, standing)? {
            return Ok(Attempt::Done(None));
        }
        let (value, expiry) = match put.given {
            Given::Set(value) => (value, put.expiry),
            Given::Add(by) => {
                let expiry = if standing.is_some() { old_expiry } else { put.expiry };
                (Value::number(self.sum(standing, by)?), expiry)
            }
        };
        if let Some(standing) = standing
            && value.tag == Tag::Number
            && standing.meta.tag() == Tag::Number
            && expiry == old_expiry
            && !is_watched
            && let Some(version) = self.change_in_place(standing, value.number)?
        {
            return Ok(Attempt::Done(Some(Change { version, number: value.number })));
        }
        let mut changes = held.changes();
        let draft = Draft::new(key, &value, run.is_some(), false)?.ending(expiry);
        let Some((block, version)) = self.write(&mut changes, key, draft, &value, run)? else {
            return Ok(Attempt::NeedsSpan(draft.class));
        };
        match &found {
            None => self.table().insert(&mut changes, block, key.hash())?,
            Some(found) => self.table().replace(&mut changes, found, block, key.hash())?,
        }
        if expiry != 0 || old_expiry != 0 {
            self.count_expiring(&mut changes, old_expiry, expiry)?;
        }
        if key.namespace() != Namespace::USER {
            let new_bytes = draft.bytes() + run.map_or(0, Building::bytes);
            self.count_in(&mut changes, key.namespace(), found.as_ref(), Some(new_bytes), room)?;
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
        Ok(Attempt::Done(Some(Change { version, number: value.number })))
    }

    /// Takes a key out of the table, if the condition holds; gives whether somebody is to be told and
    /// whether it was there. Who watches a key hears of every removal: of one that was not there, a
    /// record needs an entry of its own.
    pub(super) fn remove(
        &self,
        held: &Held<'_>,
        key: &Key<'_>,
        condition: Condition,
    ) -> Result<Attempt<(bool, bool)>> {
        let found = self.table().find(self.segment.region(), key)?;
        let old_expiry = self.expiry_of(found.as_ref())?;
        let standing = found.as_ref().filter(|_| !has_ended(old_expiry));
        if !self.holds(condition, standing)? {
            return Ok(Attempt::Done((false, false)));
        }
        let is_watched = self.is_watched(key.hash())?;
        if let Some(found) = &found {
            self.take_out(held, found, key.namespace(), is_watched)?;
            return Ok(Attempt::Done((is_watched, standing.is_some())));
        }
        if !is_watched {
            return Ok(Attempt::Done((false, false)));
        }
        let mut changes = held.changes();
        let nothing = Value::bytes(Tag::Undefined, &[]);
        let draft = Draft::new(key, &nothing, false, false)?;
        let Some((entry, version)) = self.write(&mut changes, key, draft, &nothing, None)? else {
            return Ok(Attempt::NeedsSpan(draft.class));
        };
        self.log().append(&mut changes, entry, REMOVED, version, |changes, block| {
            self.free(changes, block)
        })?;
        self.retire(&mut changes, entry)?;
        held.commit(&mut changes)?;
        Ok(Attempt::Done((true, false)))
    }

    /// Takes an entry out of the table, whether it has expired or not.
    pub(super) fn take_out(
        &self,
        held: &Held<'_>,
        found: &Found,
        namespace: Namespace,
        is_watched: bool,
    ) -> Result<()> {
        let old_expiry = self.expiry_of(Some(found))?;
        let mut changes = held.changes();
        self.table().remove(&mut changes, found)?;
        let version = self.next_version(&mut changes)?;
        if old_expiry != 0 {
            self.count_expiring(&mut changes, old_expiry, 0)?;
        }
        if namespace != Namespace::USER {
            self.count_in(&mut changes, namespace, Some(found), None, 0)?;
        }
        if is_watched {
            self.log().append(&mut changes, found.entry, REMOVED, version, |changes, block| {
                self.free(changes, block)
            })?;
        }
        self.retire(&mut changes, found.entry)?;
        held.commit(&mut changes)
    }

    /// Drops some records of a log that keeps too much; gives how many.
    pub(super) fn trim_log(&self, me: MemberId) -> Result<u64> {
        let held = self.hold(me)?;
        let mut changes = held.changes();
        let dropped = self.log().trim(&mut changes, |changes, block| self.free(changes, block))?;
        held.commit(&mut changes)?;
        Ok(dropped)
    }

    /// When an entry ends; 0: never, or there is none.
    #[inline]
    pub(super) fn expiry_of(&self, found: Option<&Found>) -> Result<u64> {
        match found {
            None => Ok(0),
            Some(found) => {
                self.segment.region().load(found.entry.add(word::EXPIRY), Ordering::Relaxed)
            }
        }
    }

    #[inline]
    fn holds(&self, condition: Condition, standing: Option<&Found>) -> Result<bool> {
        Ok(match (condition, standing) {
            (Condition::Always, _) => true,
            (Condition::Absent, found) => found.is_none(),
            (Condition::Present, found) => found.is_some(),
            (Condition::Version(_), None) => false,
            (Condition::Version(version), Some(found)) => {
                let stamp_at = found.entry.add(word::STAMP);
                self.segment.region().load(stamp_at, Ordering::Relaxed)? >> 1 == version
            }
        })
    }

    /// How many entries have an expiry, after one with the first became one with the second.
    #[cold]
    pub(super) fn count_expiring(
        &self,
        changes: &mut Changes<'_>,
        old_expiry: u64,
        expiry: u64,
    ) -> Result<()> {
        let difference = u64::from(expiry != 0).wrapping_sub(u64::from(old_expiry != 0));
        changes.add(self.at(shard::EXPIRING), difference)
    }

    /// What a namespace has, after an entry came into the place of another.
    #[cold]
    fn count_in(
        &self,
        changes: &mut Changes<'_>,
        namespace: Namespace,
        found: Option<&Found>,
        new_bytes: Option<u64>,
        room: u64,
    ) -> Result<()> {
        let layout = self.segment.layout();
        let Some(counts) = layout.namespace(self.number(), namespace.number()) else {
            return Ok(());
        };
        let old_bytes = found.map_or(Ok(0), |found| self.bytes_of(found.entry))?;
        let need = new_bytes.unwrap_or(0).saturating_sub(old_bytes);
        if need > room {
            let bound = layout.namespace_bound(namespace.number());
            let maximum = self.segment.region().load(bound, Ordering::Relaxed)?;
            return Err(Error::OutOfMemory { need, free: room, maximum });
        }
        let entries = u64::from(new_bytes.is_some()).wrapping_sub(u64::from(found.is_some()));
        changes.add(counts.add(namespace::ENTRIES), entries)?;
        let bytes = new_bytes.unwrap_or(0).wrapping_sub(old_bytes);
        changes.add(counts.add(namespace::BYTES_USED), bytes)
    }
}
