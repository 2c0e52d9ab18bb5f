//! Locks: for each key a list of requests, *tickets*, in the order in which they arrived.
//!
//! The holders are the longest compatible prefix of the list. A ticket is named by a version of its
//! shard, and versions rise, so one word tells who they are: all tickets up to `GRANTED`. (So far
//! every ticket is exclusive, and the prefix is the first one.) A request appends a ticket; a release
//! or a death takes it off and moves `GRANTED`. First come, first served, and skipping the dead,
//! follow from that.
//!
//! ```text
//! entry of the key, in the shard's table of locks         waiter: a block for each further ticket
//!  GRANTED  tickets up to this version hold << 1;         LINK   the next one
//!           + 1: the last holder died                     STAMP  its version << 1
//!  FIRST    the oldest ticket; 0: nobody has or wants it  OWNER  whose it is; 0: given up
//!  OWNER    whose that is
//!  NEXT     the first waiter                              FLAGS  whether its owner sleeps
//!  LAST     the last one
//!  SEAT     which seat keeps the entry, + 1
//! ```
//!
//! Nobody waits for a free lock, and it costs no block: FIRST is in the entry, and the entry of a
//! lock that was let go of keeps one of the shard's *seats* until as many others have been let go of
//! since. Taking and letting go of it are then a few stores, of which the last one decides.
//!
//! Who has to wait and is next may spin on `GRANTED` for as long as a wake-up costs (`spin.rs`). Then
//! it marks its ticket as that of a sleeper, under the latch; who grants it a lock tells its member
//! ([`wake::tell`]), and the member looks at its tickets of that shard (`queue.rs`). A ticket's owner
//! looks by itself every now and then as well: nothing is lost with a granter that is killed.

mod mend;
mod queue;
mod release;
mod spin;

pub use mend::give_up_all;
pub use release::Released;
pub use spin::Spinner;

use crate::entry::{Key, Meta, Tag, Value};
use crate::error::Result;
use crate::latch::{Held, PATIENCE};
use crate::segment::Segment;
use crate::segment::layout::{member, shard};
use crate::segment::members::MemberId;
use crate::segment::region::{Offset, Region};
use crate::shard::{Attempt, Draft, Shard};
use crate::sync::Ordering;
use queue::Queues;
use std::sync::Arc;

/// Offsets in the words of a lock, which stand where other entries have their value.
pub mod lock_word {
    /// Tickets up to this version hold the lock; see [`super::granted`].
    pub const GRANTED: u64 = 0;
    /// The oldest ticket; 0: nobody has or wants the lock.
    pub const FIRST: u64 = 8;
    /// Whose that is.
    pub const OWNER: u64 = 16;
    /// The first waiter; 0: nobody waits.
    pub const NEXT: u64 = 24;
    /// The last one.
    pub const LAST: u64 = 32;
    /// Which seat keeps the entry, + 1; 0: none.
    pub const SEAT: u64 = 40;
    /// Bytes.
    pub const BYTES: usize = 48;
}

/// Offsets in the block of a waiter.
pub mod waiter_word {
    /// The next waiter; of a free block, the next of those.
    pub const LINK: u64 = crate::heap::blocks::LINK;
    /// Its version, as the stamp of an entry.
    pub const STAMP: u64 = crate::entry::word::STAMP;
    /// Whose ticket it is; 0: given up.
    pub const OWNER: u64 = 16;
    /// Whether its owner sleeps, and is to be told.
    pub const FLAGS: u64 = 24;
    /// The size class of the block.
    pub const CLASS: u64 = 0;
}

/// In GRANTED: the last holder died and did not let go of the lock.
const ABANDONED: u64 = 1;
/// In the FLAGS of a waiter: its owner sleeps. (The flags stand where entries have their meta word,
/// and are none.)
const SLEEPS: u64 = 1 << 8;

/// The word GRANTED: tickets up to `version` hold the lock.
#[must_use]
pub const fn granted(version: u64, abandoned: u64) -> u64 {
    version << 1 | abandoned
}

/// A request for a lock, and the right to it once it is granted. No other ticket of the segment is
/// or will be equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket {
    version: u64,
    shard: u64,
}

impl Ticket {
    const SHARDS: u64 = 64;

    /// The ticket as a number; of two of one lock, the later one has the greater number.
    #[must_use]
    pub const fn to_number(self) -> u64 {
        self.version.wrapping_mul(Self::SHARDS) | self.shard
    }

    /// The ticket with that number.
    #[must_use]
    pub const fn from_number(number: u64) -> Self {
        Self { version: number / Self::SHARDS, shard: number % Self::SHARDS }
    }
}

/// Where a lock stands, for [`Locks::is_last`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place(Offset);

impl Place {
    /// The place as a number below 2^53.
    #[must_use]
    pub const fn to_number(self) -> u64 {
        self.0.bytes()
    }

    /// The place with that number.
    #[must_use]
    pub const fn from_number(number: u64) -> Self {
        Self(Offset::new(number))
    }
}

/// What has become of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// The lock is the caller's. `abandoned`: its last holder died.
    Granted {
        /// The right to it.
        ticket: Ticket,
        /// Where the lock stands for as long as the ticket is not let go of.
        place: Place,
        /// Whether its last holder died and did not let go of it.
        abandoned: bool,
    },
    /// [`Locks::granted`] will give the ticket when its turn has come.
    Waiting {
        /// The request.
        ticket: Ticket,
        /// Where the lock stands, as above.
        place: Place,
    },
}

/// The locks as one member sees them; for the thread of that member.
#[derive(Debug)]
pub struct Locks {
    segment: Arc<Segment>,
    me: MemberId,
    queues: Queues,
    spinner: Spinner,
}

/// A lock's entry.
#[derive(Debug, Clone, Copy)]
struct Lock<'r> {
    region: &'r Region,
    entry: Offset,
    words: Offset,
}

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
    /// The locks in `segment`, for the member `me`.
    #[must_use]
    pub fn new(segment: Arc<Segment>, me: MemberId, spinner: Spinner) -> Self {
        Self { segment, me, queues: Queues::default(), spinner }
    }

    /// Spins otherwise from now on.
    pub const fn set_spinner(&mut self, spinner: Spinner) {
        self.spinner = spinner;
    }

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

    /// The tickets of this member that have been granted since the last call, oldest first, in the
    /// shards that have news, a bit each; and whether the lock was abandoned. Looks at no lock that nobody here waits for.
    ///
    /// # Errors
    /// [`crate::error::Error::Corrupted`] if the segment is damaged.
    pub fn granted(&mut self, news: u64) -> Result<Vec<(Ticket, bool)>> {
        self.queues.granted(self.segment.region(), news)
    }

    /// Whether nobody has asked for a lock after that ticket of this member, which has not been let
    /// go of. Looks without the latch: who asks at the same time comes after this call.
    ///
    /// # Errors
    /// As above.
    pub fn is_last(&self, place: Place, ticket: Ticket) -> Result<bool> {
        let region = self.segment.region();
        // Acquire: the words below are not older.
        let load = |at| region.load(at, Ordering::Acquire);
        let word = |field| load(place.0.add(field - lock_word::GRANTED));
        match word(lock_word::LAST)? {
            0 => Ok(word(lock_word::FIRST)? == ticket.version),
            // If it is another's block by now, its stamp says so: stamps never come back.
            last => Ok(load(Offset::new(last).add(waiter_word::STAMP))? >> 1 == ticket.version),
        }
    }

    /// The holders of the locks that this member waits for.
    ///
    /// # Errors
    /// As above.
    pub fn holders(&self) -> Result<Vec<MemberId>> {
        self.queues.holders(self.segment.region())
    }

    /// Whether a request of this member waits.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.queues.is_empty()
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

impl<'r> Lock<'r> {
    /// The lock whose entry that is.
    #[inline]
    const fn new(region: &'r Region, entry: Offset, meta: Meta) -> Self {
        Self { region, entry, words: entry.add(meta.value_offset()) }
    }

    #[inline]
    const fn at(&self, field: u64) -> Offset {
        self.words.add(field)
    }

    /// A word, which the latch orders.
    #[inline]
    fn get(&self, field: u64) -> Result<u64> {
        self.region.load(self.at(field), Ordering::Relaxed)
    }

    #[inline]
    fn set(&self, field: u64, word: u64) -> Result<()> {
        self.region.store(self.at(field), word, Ordering::Relaxed)
    }

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
        self.set(lock_word::FIRST, version)?;
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
        changes.set(block.add(waiter_word::STAMP), crate::entry::stamp(version, 0))?;
        changes.set(block.add(waiter_word::LINK), 0)?;
        let end = if last == 0 {
            lock.at(lock_word::NEXT)
        } else {
            Offset::new(last).add(waiter_word::LINK)
        };
        changes.set(end, block.bytes())?;
        changes.set(lock.at(lock_word::LAST), block.bytes())?;
        let bytes = crate::heap::blocks::class_bytes(waiter_word::CLASS);
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
