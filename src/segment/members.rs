//! The slots of the members: who is attached, and what each has in hand.
//!
//! A slot's identity word holds state, generation and pid together, so that one compare-and-swap
//! claims it with the claimer's pid already in it: a slot whose claimer dies at once is known for
//! what it is. The generation rises with every claim; a member is named by slot and generation, and
//! a word that it left somewhere (a latch, a fact) never names its successor.
//!
//! ```text
//! 63      32 31       2 1  0
//! [  pid   | generation| state ]     state: 0 free, 1 attached, 2 left with something in hand
//! ```

use crate::error::{Error, Result};
use crate::os::process::ProcessId;
use crate::segment::layout::{self, Layout, header, member};
use crate::segment::region::{Offset, Region};
use crate::sync::Ordering;

const GENERATION_BITS: u32 = 30;
const GENERATION_MASK: u64 = (1 << GENERATION_BITS) - 1;
const FREE: u64 = 0;
const ATTACHED: u64 = 1;
const LEFT: u64 = 2;
/// Words of a slot that are 0 when nobody has it.
const OWN: [u64; 6] = [
    member::HAZARD,
    member::START_TIME,
    member::WATCHES,
    member::WATCHED,
    member::CLAIMS,
    member::NEWS,
];

/// A member: the slot and which of its users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MemberId {
    slot: u32,
    generation: u32,
}

impl MemberId {
    /// Number of its slot.
    #[must_use]
    pub const fn slot(self) -> u64 {
        self.slot as u64
    }

    /// The word that names this member as owner of a latch; never 0.
    #[must_use]
    pub const fn to_word(self) -> u64 {
        ((self.slot as u64 + 1) << 32) | self.generation as u64
    }

    /// The member that a latch's word names.
    #[must_use]
    pub fn from_word(word: u64) -> Option<Self> {
        let slot = (word >> 32).checked_sub(1).filter(|slot| *slot < layout::MEMBERS)?;
        let generation = word & u64::from(u32::MAX);
        let small = |word: u64| u32::try_from(word).ok();
        Some(Self { slot: small(slot)?, generation: small(generation)? })
    }
}

/// The thread number in the slot of a hub, which is a member without JavaScript.
pub const HUB: u64 = u64::MAX;

/// What the segment says of an attached member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemberInfo {
    /// The member.
    pub id: MemberId,
    /// Its process.
    pub process: ProcessId,
    /// Number of its thread in its process, 0 for the main one.
    pub thread: u64,
    /// Whether it has said goodbye, or its process has become another program, and left something to
    /// be mended.
    pub has_left: bool,
}

impl MemberInfo {
    /// Whether it will never do anything again: its death is proven, or it has left.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.has_left || self.process.is_dead()
    }
}

/// Takes a free slot for this process; `thread` is [`HUB`] for a hub.
///
/// # Errors
/// [`Error::TooManyMembers`] if none is free.
pub fn join(region: &Region, layout: &Layout, process: ProcessId, thread: u64) -> Result<MemberId> {
    let first = if thread == HUB { 0 } else { layout::HUBS };
    for slot in first..layout::MEMBERS {
        let at = layout.member(slot);
        // Acquire: pairs with the Release in `leave`, so that the former user's words are done.
        let word = region.load(at.add(member::IDENTITY), Ordering::Acquire)?;
        if word & 3 != FREE {
            continue;
        }
        let generation = (generation_of(word) + 1) & GENERATION_MASK;
        let claimed = identity(ATTACHED, generation, process.pid);
        let identity_at = at.add(member::IDENTITY);
        // Before the slot is taken, or nobody would look at one whose claimer dies at once; a free
        // slot below the end does no harm. Relaxed: the swap orders it.
        region.word(header::MEMBERS_END)?.fetch_max(slot + 1, Ordering::Relaxed);
        // Acquire: as above. Release: pairs with the Acquire in `at_slot`, so that who sees the slot
        // taken does not see the former user's start time.
        let swap = (Ordering::AcqRel, Ordering::Relaxed);
        if region.compare_exchange(identity_at, word, claimed, swap.0, swap.1)?.is_err() {
            continue;
        }
        // Until this is written the slot is known by its pid alone; 0 means just that.
        region.store(at.add(member::START_TIME), process.start_time, Ordering::Relaxed)?;
        region.store(at.add(member::THREAD), thread, Ordering::Relaxed)?;
        for counter in [member::READS, member::WRITES, member::LATCH_WAITS] {
            region.store(at.add(counter), 0, Ordering::Relaxed)?;
        }
        return member_id(slot, generation);
    }
    Err(Error::TooManyMembers { maximum: layout::MEMBERS - layout::HUBS })
}

/// Frees the slot of a member that holds nothing any more.
///
/// # Errors
/// [`Error::Corrupted`] if the slot lies outside the segment.
pub fn leave(region: &Region, layout: &Layout, id: MemberId) -> Result<()> {
    let at = layout.member(id.slot());
    let word = region.load(at.add(member::IDENTITY), Ordering::Relaxed)?;
    if word & 3 == FREE || generation_of(word) != u64::from(id.generation) {
        return Ok(());
    }
    for field in OWN {
        region.store(at.add(field), 0, Ordering::Relaxed)?;
    }
    // Release: pairs with the Acquire in `join`.
    let free = identity(FREE, u64::from(id.generation), 0);
    region.store(at.add(member::IDENTITY), free, Ordering::Release)
}

/// Says that a member does nothing any more, but that what it has in hand is still to be mended.
///
/// # Errors
/// [`Error::Corrupted`] if the slot lies outside the segment.
pub fn abandon(region: &Region, layout: &Layout, id: MemberId) -> Result<()> {
    let at = layout.member(id.slot()).add(member::IDENTITY);
    let word = region.load(at, Ordering::Relaxed)?;
    if word & 3 == FREE || generation_of(word) != u64::from(id.generation) {
        return Ok(());
    }
    // Release: pairs with the Acquire in `at_slot`. If it fails, somebody has mended it meanwhile.
    let order = (Ordering::Release, Ordering::Relaxed);
    region.compare_exchange(at, word, word & !3 | LEFT, order.0, order.1).map(drop)
}

/// What is known of a member; `None` if its slot is free.
///
/// # Errors
/// [`Error::Corrupted`] if the slot lies outside the segment.
pub fn find(region: &Region, layout: &Layout, id: MemberId) -> Result<Option<MemberInfo>> {
    Ok(at_slot(region, layout, id.slot())?.filter(|info| info.id == id))
}

/// All attached members.
///
/// # Errors
/// [`Error::Corrupted`] if the header is damaged.
pub fn all(region: &Region, layout: &Layout) -> Result<Vec<MemberInfo>> {
    let mut found = Vec::new();
    for slot in 0..slots(region)? {
        found.extend(at_slot(region, layout, slot)?);
    }
    Ok(found)
}

/// Whether a member will never do anything again. One whose slot is free owns nothing.
///
/// # Errors
/// [`Error::Corrupted`] if the slot lies outside the segment.
pub fn is_dead(region: &Region, layout: &Layout, id: MemberId) -> Result<bool> {
    Ok(find(region, layout, id)?.is_none_or(|info| info.is_dead()))
}

/// The first pages of the runs that members are reading under protection: nobody may reuse them.
/// The caller has put a `SeqCst` fence before it; see `heap::hazard::protect`.
///
/// # Errors
/// [`Error::Corrupted`] if the header is damaged.
pub fn hazards(region: &Region, layout: &Layout) -> Result<impl Iterator<Item = Result<u64>>> {
    // Acquire: pairs with the Release in `heap::hazard::unprotect`.
    let load = |slot| region.load(layout.member(slot).add(member::HAZARD), Ordering::Acquire);
    let hazards = (0..slots(region)?).map(load);
    Ok(hazards.filter_map(|hazard| hazard.map(|word| word.checked_sub(1)).transpose()))
}

/// Adds to one of this member's own counters: nobody else writes it.
///
/// # Errors
/// [`Error::Corrupted`] if the slot lies outside the segment.
pub fn count(region: &Region, layout: &Layout, id: MemberId, counter: u64, by: u64) -> Result<()> {
    let word: Offset = layout.member(id.slot()).add(counter);
    let word = region.word(word)?;
    word.store(word.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
    Ok(())
}

/// All members have slots below this. A scan that misses one that joins finds it the next time.
/// [`hazards`] has no next time, but the `SeqCst` fences between a hazard word and its reader order
/// the end of the slots as well; and who watches or waits takes a latch after it has joined.
///
/// # Errors
/// [`Error::Corrupted`] if the header is damaged.
#[inline]
pub fn slots(region: &Region) -> Result<u64> {
    Ok(region.load(header::MEMBERS_END, Ordering::Relaxed)?.min(layout::MEMBERS))
}

fn at_slot(region: &Region, layout: &Layout, slot: u64) -> Result<Option<MemberInfo>> {
    let at = layout.member(slot);
    // Acquire: pairs with the swap in `join`.
    let word = region.load(at.add(member::IDENTITY), Ordering::Acquire)?;
    if word & 3 == FREE {
        return Ok(None);
    }
    let pid = u32::try_from(word >> 32).unwrap_or(u32::MAX);
    let start_time = region.load(at.add(member::START_TIME), Ordering::Relaxed)?;
    let thread = region.load(at.add(member::THREAD), Ordering::Relaxed)?;
    let id = member_id(slot, generation_of(word))?;
    let has_left = word & 3 == LEFT;
    Ok(Some(MemberInfo { id, process: ProcessId { pid, start_time }, thread, has_left }))
}

const fn identity(state: u64, generation: u64, pid: u32) -> u64 {
    ((pid as u64) << 32) | (generation << 2) | state
}

const fn generation_of(word: u64) -> u64 {
    (word >> 2) & GENERATION_MASK
}

fn member_id(slot: u64, generation: u64) -> Result<MemberId> {
    let small = |word: u64| {
        u32::try_from(word).map_err(|_| Error::corrupted("a member slot's number", word))
    };
    Ok(MemberId { slot: small(slot)?, generation: small(generation)? })
}
