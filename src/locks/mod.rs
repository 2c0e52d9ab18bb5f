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
//! ([`crate::wake::tell`]), and the member looks at its tickets of that shard (`queue.rs`). A ticket's owner
//! looks by itself every now and then as well: nothing is lost with a granter that is killed.

mod ask;
mod mend;
mod queue;
mod release;
mod spin;

pub use mend::give_up_all;
pub use release::Released;
pub use spin::Spinner;

use crate::entry::Meta;
use crate::error::{Error, Result};
use crate::segment::Segment;
use crate::segment::layout::MOST_SHARDS;
use crate::segment::members::MemberId;
use crate::segment::region::{Offset, Region};
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
    /// The ticket as a number; of two of one lock, the later one has the greater number.
    #[must_use]
    pub const fn to_number(self) -> u64 {
        self.version.wrapping_mul(MOST_SHARDS) | self.shard
    }

    /// The ticket with that number.
    #[must_use]
    pub const fn from_number(number: u64) -> Self {
        Self { version: number / MOST_SHARDS, shard: number % MOST_SHARDS }
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

    /// The tickets of this member that have been granted since the last call, oldest first, in the
    /// shards that have news, a bit each; and whether the lock was abandoned. Looks at no lock that
    /// nobody here waits for.
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

/// Checks that a waiter came after the one before it in the list; gives its version. Versions rise
/// along a list, so that no walk along one goes round in circles.
///
/// # Errors
/// [`Error::Corrupted`] if it did not.
fn in_order(block: Offset, version: u64, before: u64) -> Result<u64> {
    if version > before {
        return Ok(version);
    }
    Err(Error::corrupted("the order of lock requests", block.bytes()))
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

    /// Says whose the lock is, or that it is nobody's. The one store by which that happens.
    #[inline]
    fn decide(&self, first: u64) -> Result<()> {
        // Release: nothing that was stored before may come after it, for whoever is killed in
        // between shall leave the other words written.
        self.region.store(self.at(lock_word::FIRST), first, Ordering::Release)
    }
}
