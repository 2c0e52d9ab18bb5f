//! The exact LRU of 1.1.5, which is lru-cache 6: one order of uses over all processes.
//!
//! The cache has a shard of its own: one latch, one table as index, blocks and versions. Every use
//! moves an entry to the front, so a get takes the latch too, and makes an intent unless the entry
//! stands in front already. Each entry is in one of three lists (`list.rs`):
//!
//! ```text
//! uses     NEWEST .. OLDEST       what is in the cache
//! estate   ESTATE .. ESTATE_END   what has left it and waits for the heir
//! past     PAST .. PAST_END       what is only to be freed: former caches, former estates
//! ```
//!
//! * A set evicts by its own intent what it has to, up to `EVICTIONS` entries. If lengths make it
//!   more, the intent leaves a mark, and whoever takes the latch next, this member or another, goes
//!   on from the old end before it does anything else. So nobody sees the cache too long.
//! * The heir is the member whose options ask to hear what leaves (`dispose`). What leaves goes to
//!   the end of the estate by the same intent, and the heir takes it from the front. If the heir is
//!   gone, or others' options come, the estate is past; and so is its front, if it becomes too large.
//! * New options make a new cache at once, however long the old one was: all its entries become past
//!   by a few links. They are still in the table, but their versions are not after SINCE, so nobody
//!   finds them. Each set frees two of the past, [`Lru::sweep_old`] the others.
//!
//! No intent here has more words than fit (96 pairs, two of them for each of 8 hand-overs). To free an
//! entry takes up to 8 pairs (its stamp and link; counts and list of its span) and two hand-overs (its
//! run, its span); to take it out of table and list up to 3 more. Written once at most: the shard's
//! version, entries, bytes and spans; the cache's length, flags and list ends.
//!
//! | intent | frees | hand-overs | pairs |
//! | --- | --- | --- | --- |
//! | set over another (30), with two evictions (28), all ends (7) | 3 | 6 | 65 |
//! | the same with an heir, whose estate is too large | 0 | 0 | 85 |
//! | evict, forget, sweep | 4 | 8 | 67 |
//! | get of an entry that stays | 0 | 0 | 8 |
//! | new options | 0 | 0 | 21 |

mod cache;
mod copy;
mod estate;
mod list;
mod room;
mod rules;
mod set;
mod sweep;

pub use estate::Inherited;
pub use rules::Options;
pub use set::Outcome;

pub(crate) use list::{Item, item};
pub(crate) use rules::{ROUNDED, TRIMMING};

use self::cache::Cache;
use self::copy::Copying;
use crate::clock;
use crate::entry::Key;
use crate::error::Result;
use crate::heap::blocks::MAX_BLOCK;
use crate::latch::Held;
use crate::segment::Segment;
use crate::segment::layout::{cache as word, member, shard};
use crate::segment::members::{self, MemberId};
use crate::shard::{Read, Scratch, Shard};
use std::cell::Cell;
use std::sync::Arc;

/// Entries that a set evicts by its own intent.
const EVICTIONS: u32 = 2;

/// The cache as one member sees it; for the thread of that member.
#[derive(Debug)]
pub struct Lru {
    segment: Arc<Segment>,
    me: MemberId,
    /// How often this member has added to the estate.
    bequests: Cell<u32>,
    /// The front of the estate for which it has waited in vain.
    unmoved: Cell<u64>,
}

/// See [`Lru::standing`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Whether it has these options.
    pub is_same: bool,
    /// Whether anybody is the heir, dead or alive: one that is dead has not been mended yet.
    pub has_heir: bool,
    /// The same of who measures.
    pub has_measurer: bool,
}

impl Lru {
    /// The cache in `segment`, for the member `me`.
    #[must_use]
    pub const fn new(segment: Arc<Segment>, me: MemberId) -> Self {
        Self { segment, me, bequests: Cell::new(0), unmoved: Cell::new(0) }
    }

    /// The key of these bytes; see [`Key::new`].
    ///
    /// # Errors
    /// [`crate::error::Error::KeyTooLong`].
    #[inline]
    pub fn key<'b>(&self, bytes: &'b [u8], wide: bool) -> Result<Key<'b>> {
        Key::new(self.segment.hash_key(), bytes, wide)
    }

    /// The value of a key, its bytes in `scratch`, which is a use of it; `None` if it is not in the
    /// cache, or has expired (but see [`Options::stale`]).
    ///
    /// # Errors
    /// [`crate::error::Error::Busy`]: nothing was changed; [`crate::error::Error::OutOfMemory`] if
    /// this process has no room for the copy; [`crate::error::Error::Corrupted`].
    pub fn get(&self, key: &Key<'_>, scratch: &mut Scratch) -> Result<Option<Read>> {
        self.get_at(key, scratch, clock::now_ms())
    }

    /// [`Lru::get`] at another time.
    ///
    /// # Errors
    /// As above.
    pub fn get_at(&self, key: &Key<'_>, scratch: &mut Scratch, now: f64) -> Result<Option<Read>> {
        self.count(member::READS)?;
        make_room(scratch)?;
        let (held, mut cache) = self.hold()?;
        let Some(found) = cache.find(key)? else {
            return Ok(None);
        };
        let mut changes = held.changes();
        let item = Item::new(found.entry, found.meta);
        let is_expired = cache.is_expired(&changes, item, now)?;
        let copy = if is_expired && !cache.rules.gives_stale() {
            None
        } else {
            Some(Copying::begin(cache.shard, self.me, &found, scratch)?)
        };
        if is_expired {
            cache.leave(&mut changes, &found)?;
            held.commit(&mut changes)?;
        } else if cache.use_now(&mut changes, item, now)? {
            held.commit(&mut changes)?;
        }
        drop(held);
        self.tell_heir(&cache);
        copy.map(|copy| copy.finish(self.shard(), scratch)).transpose()
    }

    /// Removes a key; `false` if it was not in the cache.
    ///
    /// # Errors
    /// [`crate::error::Error::Busy`]: nothing was changed; [`crate::error::Error::Corrupted`].
    pub fn remove(&self, key: &Key<'_>) -> Result<bool> {
        self.count(member::WRITES)?;
        let (held, mut cache) = self.hold()?;
        let Some(found) = cache.find(key)? else {
            return Ok(false);
        };
        let mut changes = held.changes();
        cache.leave(&mut changes, &found)?;
        held.commit(&mut changes)?;
        drop(held);
        self.tell_heir(&cache);
        Ok(true)
    }

    /// Makes a new, empty cache with other options. The heir of the former options hears no more:
    /// what waits for it should be [inherited](Lru::inherit) before. What the old cache held is to be
    /// freed by [`Lru::sweep_old`].
    ///
    /// # Errors
    /// As for [`Lru::remove`].
    pub fn set_options(&self, options: &Options) -> Result<()> {
        let (held, mut cache) = self.hold()?;
        let mut changes = held.changes();
        cache.disinherit(&mut changes)?;
        cache.past().take_in(&mut changes, cache.uses())?;
        let me_if = |is_asked_for| if is_asked_for { self.me.to_word() } else { 0 };
        let words = [
            (word::LENGTH, 0),
            (word::SINCE, cache.shard.load(shard::VERSION)?),
            (word::MAX, options.bound().to_bits()),
            (word::MAX_AGE, options.limit().to_bits()),
            (word::FLAGS, options.flags()),
            (word::HEIR, me_if(options.disposes)),
            (word::MEASURER, me_if(options.measures)),
            (word::ESTATE_LOST, 0),
        ];
        for (field, value) in words {
            changes.set(cache.at(field), value)?;
        }
        held.commit(&mut changes)
    }

    /// Takes part in a cache that has these options already, and keeps what is in it: this member is
    /// the heir and measures from now on, if it wants to. `false`: the cache has other options, and
    /// nothing was done.
    ///
    /// # Errors
    /// As for [`Lru::remove`].
    pub fn adopt_options(&self, options: &Options) -> Result<bool> {
        let (held, cache) = self.hold()?;
        if !cache.rules.are_of(options) {
            return Ok(false);
        }
        let mut changes = held.changes();
        for (field, is_wanted) in
            [(word::HEIR, options.disposes), (word::MEASURER, options.measures)]
        {
            if is_wanted {
                changes.set(cache.at(field), self.me.to_word())?;
            }
        }
        held.commit(&mut changes)?;
        Ok(true)
    }

    /// Whether this member is the heir or measures.
    ///
    /// # Errors
    /// As for [`Lru::measurer`].
    pub fn has_duties(&self) -> Result<bool> {
        let rules = rules::Rules::read(self.shard())?;
        Ok([rules.heir, rules.measurer].contains(&Some(self.me)))
    }

    /// What has become of the cache since this member chose these options. Looks without the latch.
    ///
    /// # Errors
    /// As for [`Lru::measurer`].
    pub fn standing(&self, options: &Options) -> Result<Standing> {
        let rules = rules::Rules::read(self.shard())?;
        let (region, layout) = (self.segment.region(), self.segment.layout());
        let is_there = |member: Option<MemberId>| {
            let found = member.map(|id| members::find(region, layout, id)).transpose()?;
            Ok::<_, crate::error::Error>(found.flatten().is_some())
        };
        Ok(Standing {
            is_same: rules.are_of(options),
            has_heir: is_there(rules.heir)?,
            has_measurer: is_there(rules.measurer)?,
        })
    }

    /// Makes room for something that is no entry of the cache, which gives way to it; `false`: there
    /// is nothing that would help.
    ///
    /// # Errors
    /// [`crate::error::Error::Busy`], [`crate::error::Error::Corrupted`].
    pub fn give_way(&self, bytes: u64) -> Result<bool> {
        self.make_room(bytes, bytes, 0)
    }

    /// Sum of the lengths of all that is in the cache. Looks without the latch.
    ///
    /// # Errors
    /// [`crate::error::Error::Corrupted`] never, for the cache is there; so below.
    pub fn length(&self) -> Result<f64> {
        self.word(word::LENGTH).map(f64::from_bits)
    }

    /// The member without which nothing may be set, see [`Options::measures`]. Looks without the
    /// latch: a set without a length that comes too late says so itself.
    ///
    /// # Errors
    /// As above.
    pub fn measurer(&self) -> Result<Option<MemberId>> {
        Ok(rules::Rules::read(self.shard())?.measurer)
    }

    #[inline]
    fn shard(&self) -> Shard<'_> {
        Shard::new(&self.segment, self.segment.layout().cache())
    }

    /// One of the cache's own words, without the latch.
    fn word(&self, field: u64) -> Result<u64> {
        self.shard().load(shard::CACHE + field)
    }

    /// Takes the latch, and does first what others have left to be done.
    #[inline]
    fn hold(&self) -> Result<(Held<'_>, Cache<'_>)> {
        loop {
            let held = self.shard().hold(self.me)?;
            let cache = Cache::read(self.shard())?;
            if !cache.needs_care()? {
                return Ok((held, cache));
            }
            self.care(held, cache)?;
        }
    }

    /// A step of it; the latch is let go in between.
    #[cold]
    fn care(&self, held: Held<'_>, mut cache: Cache<'_>) -> Result<()> {
        let mut changes = held.changes();
        if cache.is_heir_gone()? {
            cache.disinherit(&mut changes)?;
        } else {
            cache.go_on_trimming(&mut changes)?;
        }
        held.commit(&mut changes)?;
        drop(held);
        self.tell_heir(&cache);
        Ok(())
    }

    fn count(&self, counter: u64) -> Result<()> {
        members::count(self.segment.region(), self.segment.layout(), self.me, counter, 1)
    }
}

/// Bound of the length, as verify wants to know it.
pub(crate) fn bound(segment: &Segment) -> Result<f64> {
    Ok(rules::Rules::read(Shard::new(segment, segment.layout().cache()))?.max)
}

/// Room for what a block holds, so that nothing is allocated under the latch.
#[inline]
fn make_room(scratch: &mut Scratch) -> Result<()> {
    #[expect(clippy::cast_possible_truncation, reason = "a small constant")]
    scratch.words(MAX_BLOCK as usize).map(drop)
}
