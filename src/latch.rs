//! A latch that knows its owner, so that a death cannot leave it stuck.
//!
//! The word is 0 or names a member by slot and generation (nginx's `ngx_shmtx` keeps a pid there;
//! here the data under the latch is mended too, by [`crate::intent`]). A latch is held for well
//! under a microsecond: never across a system call, a wake-up or JavaScript, and at most 4 KB are
//! copied under it. Who waits spins, then yields, then sleeps in short pieces; it takes the latch of
//! an owner whose death is proven, and gives up after a bounded time if the owner lives.
//!
//! Latch order: mend, then shard, then pages; never two shards.

use crate::error::{Error, Result};
use crate::fault;
use crate::intent::{self, Changes};
use crate::segment::Segment;
use crate::segment::layout::{domain, header, member};
use crate::segment::members::{self, MemberId};
use crate::segment::region::{Offset, Region};
use crate::sync::{self, Ordering, fence, spin_hint};
use std::time::{Duration, Instant};

/// How long a call waits for a latch whose owner lives. (A model run takes no time that counts.)
pub const PATIENCE: Duration = Duration::from_secs(if cfg!(shm_loom) { 1 << 32 } else { 1 });

/// Who waits for a latch, and what it may do meanwhile.
pub trait Waiter {
    /// The word that names the waiter as owner.
    fn word(&self) -> u64;

    /// Called again and again while `owner` has the latch. `true`: it is proven dead.
    ///
    /// # Errors
    /// [`Error::Busy`] if the waiter waits no longer.
    fn pause(&mut self, owner: u64) -> Result<bool>;
}

/// A latch that this member holds, and the right to change its domain.
#[derive(Debug)]
#[must_use = "dropping it gives the latch back"]
pub struct Held<'r> {
    region: &'r Region,
    base: Offset,
    /// The dead member whose latch it was; 0: nobody's. (A word, not a flag: a result with a flag in
    /// it is copied in overlapping pieces, which stalls.)
    former: u64,
}

/// Takes the latch of the domain at `base`, and finishes what a dead owner left sealed.
///
/// # Errors
/// [`Error::Busy`] from the waiter; [`Error::Corrupted`] if the intent left there is damaged.
#[inline]
pub fn acquire<'r>(region: &'r Region, base: Offset, waiter: &mut impl Waiter) -> Result<Held<'r>> {
    let latch = base.add(domain::LATCH);
    // Acquire: pairs with the Release in `drop`.
    let order = (Ordering::Acquire, Ordering::Relaxed);
    let free = region.compare_exchange(latch, 0, waiter.word(), order.0, order.1)?;
    let former = if free.is_ok() { 0 } else { wait(region, latch, waiter)? };
    let held = Held { region, base, former };
    intent::finish(region, base)?;
    // What the holder now writes into free blocks must not be seen by a reader that would not also
    // see the sequence that freed them: pairs with the Acquire fence in `intent::is_unchanged`.
    fence(Ordering::Release);
    Ok(held)
}

/// Waits for the latch and takes it; gives the dead owner that had it, 0 if it was free.
#[cold]
fn wait(region: &Region, latch: Offset, waiter: &mut impl Waiter) -> Result<u64> {
    loop {
        let owner = region.load(latch, Ordering::Relaxed)?;
        let is_dead = owner != 0 && waiter.pause(owner)?;
        if owner != 0 && !is_dead {
            continue;
        }
        // Acquire: pairs with the Release in `drop`. A dead owner released nothing; what it wrote is
        // visible because the kernel reported its death after its last instruction.
        let order = (Ordering::Acquire, Ordering::Relaxed);
        if region.compare_exchange(latch, owner, waiter.word(), order.0, order.1)?.is_ok() {
            return Ok(owner);
        }
        spin_hint();
    }
}

impl<'r> Held<'r> {
    /// The domain that the latch protects.
    #[inline]
    #[must_use]
    pub const fn base(&self) -> Offset {
        self.base
    }

    /// Whether the latch was a dead member's.
    #[must_use]
    pub const fn taken_over(&self) -> bool {
        self.former != 0
    }

    /// An empty set of changes.
    #[inline]
    #[must_use]
    pub const fn changes(&self) -> Changes<'r> {
        Changes::new(self.region)
    }

    /// Makes all changes at once.
    ///
    /// # Errors
    /// See [`intent::commit`].
    #[inline]
    pub fn commit(&self, changes: &mut Changes<'_>) -> Result<()> {
        intent::commit(self.region, self.base, changes)
    }
}

impl Drop for Held<'_> {
    #[inline]
    fn drop(&mut self) {
        if fault::is_dead() {
            return;
        }
        // Release: pairs with the Acquire in `acquire`. The offset was good when it was acquired.
        let _ = self.region.store(self.base.add(domain::LATCH), 0, Ordering::Release);
    }
}

/// A member of a segment that waits with [`PATIENCE`], or with another.
#[derive(Debug)]
pub struct Patient<'s> {
    segment: &'s Segment,
    me: MemberId,
    patience: Duration,
    rounds: u32,
    /// Which owner is waited for, and since when.
    owner: Option<(u64, Instant)>,
    began: Option<Instant>,
}

impl<'s> Patient<'s> {
    /// Spins of doubling length before the first yield: about two microseconds in all.
    const SPINS: u32 = if cfg!(shm_loom) { 0 } else { 12 };
    /// Yields before the first sleep.
    const YIELDS: u32 = if cfg!(shm_loom) { 0 } else { 20 };
    /// Sleeps between two looks at whether the owner is alive.
    const SLEEPS_PER_LOOK: u32 = if cfg!(shm_loom) { 1 } else { 8 };

    /// A waiter that has not waited yet.
    #[inline]
    #[must_use]
    pub const fn new(segment: &'s Segment, me: MemberId, patience: Duration) -> Self {
        Self { segment, me, patience, rounds: 0, owner: None, began: None }
    }

    /// Sleeps a little; now and then looks whether the owner is dead or the patience at its end.
    fn sleep(&mut self, owner: u64) -> Result<bool> {
        if self.rounds.is_multiple_of(Self::SLEEPS_PER_LOOK) {
            let id = MemberId::from_word(owner)
                .ok_or_else(|| Error::corrupted("the owner of a latch", owner))?;
            let (region, layout) = (self.segment.region(), self.segment.layout());
            if members::is_dead(region, layout, id)? {
                return Ok(true);
            }
            if self.is_at_end(owner) {
                return Err(self.busy(id));
            }
        }
        sync::sleep(Duration::from_micros(50));
        Ok(false)
    }

    /// Whether one owner has had the latch for longer than the patience lasts, or many have by
    /// turns for a multiple of it.
    fn is_at_end(&mut self, owner: u64) -> bool {
        const TURNS: u32 = 10;
        let now = Instant::now();
        let began = *self.began.get_or_insert(now);
        let since = match self.owner {
            Some((same, since)) if same == owner => since,
            _ => now,
        };
        self.owner = Some((owner, since));
        now - since >= self.patience || now - began >= self.patience * TURNS
    }

    fn busy(&self, owner: MemberId) -> Error {
        let info = members::find(self.segment.region(), self.segment.layout(), owner);
        match info {
            Ok(Some(info)) => Error::Busy { pid: info.process.pid, state: info.process.state() },
            _ => Error::Busy { pid: 0, state: "gone" },
        }
    }
}

impl Waiter for Patient<'_> {
    #[inline]
    fn word(&self) -> u64 {
        self.me.to_word()
    }

    fn pause(&mut self, owner: u64) -> Result<bool> {
        let round = self.rounds;
        self.rounds = self.rounds.wrapping_add(1);
        if round == 0 {
            let (region, layout) = (self.segment.region(), self.segment.layout());
            members::count(region, layout, self.me, member::LATCH_WAITS, 1)?;
        }
        if round < Self::SPINS {
            for _ in 0..1 << round.min(6) {
                spin_hint();
            }
            return Ok(false);
        }
        if round < Self::SPINS + Self::YIELDS {
            std::thread::yield_now();
            return Ok(false);
        }
        self.sleep(owner)
    }
}

/// Takes a latch of a segment with the usual patience, counting the takeover of a dead member's.
///
/// # Errors
/// See [`acquire`].
#[inline]
pub fn hold(segment: &Segment, base: Offset, me: MemberId) -> Result<Held<'_>> {
    hold_for(segment, base, me, PATIENCE)
}

/// Takes a latch of a segment with some patience, counting the takeover of a dead member's.
///
/// # Errors
/// See [`acquire`].
#[inline]
pub fn hold_for(
    segment: &Segment,
    base: Offset,
    me: MemberId,
    patience: Duration,
) -> Result<Held<'_>> {
    let held = acquire(segment.region(), base, &mut Patient::new(segment, me, patience))?;
    if held.taken_over() {
        count_repair(segment)?;
    }
    Ok(held)
}

#[cold]
fn count_repair(segment: &Segment) -> Result<()> {
    segment.region().word(header::REPAIRS)?.fetch_add(1, Ordering::Relaxed);
    Ok(())
}
