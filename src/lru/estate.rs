//! The estate: what has left the cache, in order, and who hears of it.

use super::cache::ESTATE_PART;
use super::copy::Copying;
use super::{Cache, Lru, make_room};
use crate::entry::{MAX_KEY_UNITS, word};
use crate::error::{Error, Result};
use crate::segment::layout::cache;
use crate::segment::members::{self, MemberId};
use crate::shard::{Read, Scratch};
use crate::table::Found;
use crate::wake;

/// How often a set rests for a heir of whom much is to be heard of.
const RESTS: u32 = 20;
/// So many times does a member add to the estate before it asks the kernel whether the heir lives.
const BEQUESTS_PER_LOOK: u32 = 1024;

/// What the heir hears of: an entry that has left the cache.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Inherited {
    /// Whether its key has two bytes a unit.
    pub wide: bool,
    /// Its value.
    pub read: Read,
}

impl Lru {
    /// Whether this member is the heir and something waits for it. Looks without the latch.
    ///
    /// # Errors
    /// [`Error::Corrupted`] never, for the cache is there.
    #[inline]
    pub fn has_estate(&self) -> Result<bool> {
        Ok(self.word(cache::ESTATE)? != 0 && self.word(cache::HEIR)? == self.me.to_word())
    }

    /// How many entries the heir will never hear of, since the options were set: it has not listened
    /// while more left the cache than a part of the memory may hold.
    ///
    /// # Errors
    /// As above.
    pub fn lost(&self) -> Result<u64> {
        self.word(cache::ESTATE_LOST)
    }

    /// Takes the entry that has waited longest for this member: the bytes of its key go to `key`,
    /// those of its value to `scratch`. `None` if none waits, or this member is not the heir.
    ///
    /// # Errors
    /// [`Error::Busy`]: nothing was changed; [`Error::OutOfMemory`] if this process has no room for
    /// the copy, and the entry is gone; [`Error::Corrupted`].
    pub fn inherit(&self, scratch: &mut Scratch, key: &mut Vec<u8>) -> Result<Option<Inherited>> {
        make_room(scratch)?;
        make_room_for_key(key)?;
        let (held, cache) = self.hold()?;
        let mut changes = held.changes();
        let is_heir = cache.rules.heir == Some(self.me);
        let Some(item) = cache.estate().first(&changes)?.filter(|_| is_heir) else {
            return Ok(None);
        };
        let region = self.segment.region();
        let (entry, meta) = (item.entry(), item.meta(region)?);
        key.resize(usize::try_from(meta.key_bytes()).unwrap_or(0), 0);
        region.read_bytes(entry.add(word::KEY), key)?;
        let found = Found { entry, link_at: entry, meta };
        let copy = Copying::begin(cache.shard, self.me, &found, scratch)?;
        cache.take_from_estate(&mut changes, item)?;
        cache.free(&mut changes, item)?;
        held.commit(&mut changes)?;
        drop(held);
        let read = copy.finish(self.shard(), scratch)?;
        Ok(Some(Inherited { wide: meta.is_wide(), read }))
    }

    /// Wakes the heir if something was left to it. What it is told of has happened, whatever becomes
    /// of the telling: a heir that is not told now is told of the next, or of the mending of a death.
    #[inline]
    pub(super) fn tell_heir(&self, cache: &Cache<'_>) {
        if let Some(heir) = cache.rules.heir
            && cache.has_bequeathed
            && heir != self.me
        {
            let _ = self.wake(heir);
        }
    }

    /// If much waits for the heir, gives it a little time to hear of it; but not again and again while
    /// it hears of nothing.
    #[inline]
    pub(super) fn wait_for_heir(&self) -> Result<()> {
        if self.word(cache::ESTATE_BYTES)? > self.segment.layout().area_bytes() / ESTATE_PART / 2 {
            self.rest_for_heir()?;
        }
        Ok(())
    }

    #[cold]
    fn rest_for_heir(&self) -> Result<()> {
        let front = self.word(cache::ESTATE)?;
        if front == self.unmoved.get() {
            return Ok(());
        }
        for _ in 0..RESTS {
            if !self.rest()? || self.word(cache::ESTATE)? != front {
                return Ok(());
            }
        }
        self.unmoved.set(front);
        Ok(())
    }

    #[cold]
    fn wake(&self, heir: MemberId) -> Result<()> {
        wake::rouse_slot(&self.segment, heir.slot(), wake::NEWS)?;
        self.bequests.set(self.bequests.get().wrapping_add(1));
        if self.bequests.get().is_multiple_of(BEQUESTS_PER_LOOK) {
            self.look_after(heir)?;
        }
        Ok(())
    }

    /// If the heir is dead there is none any more.
    pub(super) fn look_after(&self, heir: MemberId) -> Result<()> {
        if !members::is_dead(self.segment.region(), self.segment.layout(), heir)? {
            return Ok(());
        }
        let held = self.shard().hold(self.me)?;
        let mut cache = Cache::read(self.shard())?;
        if cache.rules.heir == Some(heir) {
            let mut changes = held.changes();
            cache.disinherit(&mut changes)?;
            held.commit(&mut changes)?;
        }
        Ok(())
    }
}

/// As `make_room`, for what was a key.
fn make_room_for_key(key: &mut Vec<u8>) -> Result<()> {
    const KEY_BYTES: usize = 2 * MAX_KEY_UNITS;
    let need = KEY_BYTES as u64;
    let none = Error::OutOfMemory { need, free: 0, maximum: need };
    key.clear();
    key.try_reserve(KEY_BYTES).map_err(|_| none)
}
