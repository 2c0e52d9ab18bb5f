//! Waking a member: a half word in its slot that its wake thread sleeps on, and a word that says
//! which shards have news for it.
//!
//! The half word is a set of reasons and two bits of state:
//!
//! ```text
//! 31         30     29    3   2      1          0
//! [ SLEEPING | TOLD |   -   | OTHER | REPAIRED | NEWS ]
//! ```
//!
//! * A waker first publishes what there is to see, then adds its reason. Only if the thread sleeps
//!   does the waker call the kernel. It calls even if its reason stands there already, for who put
//!   it there may be stopped, or have died, before its own call.
//! * NEWS and REPAIRED are for JavaScript. The thread that takes one of them tells JavaScript and
//!   sets TOLD: until JavaScript has looked to the end ([`settle`]), more of the same needs no call.
//!   So a burst of changes wakes a member once.
//! * The thread sleeps only while no reason stands there that it has to act on. All steps are on one
//!   half word, so they have one order, and no wake-up falls between two of them.
//! * A waker may be killed between its reason and its call. Whoever mends what it left gives
//!   *every* member the reason REPAIRED, and that call wakes the sleeper for both.

use crate::error::Result;
use crate::fault;
use crate::log;
use crate::os::futex;
use crate::segment::Segment;
use crate::segment::layout::member;
use crate::segment::members::{self, MemberId};
use crate::segment::region::Offset;
use crate::sync::{AtomicU32, Ordering};

/// Something has happened in the shards that the member's news word names.
pub const NEWS: u32 = 1;
/// What a dead member had left is mended: look everywhere.
pub const REPAIRED: u32 = 1 << 1;
/// Something for the wake thread itself.
pub const OTHER: u32 = 1 << 2;
/// JavaScript has been told, and has not looked to the end yet.
const TOLD: u32 = 1 << 30;
/// The thread sleeps.
const SLEEPING: u32 = 1 << 31;

/// The reasons that JavaScript is told of.
pub const FOR_JAVASCRIPT: u32 = NEWS | REPAIRED;
const REASONS: u32 = FOR_JAVASCRIPT | OTHER;

/// The half word that the wake thread of a slot's member sleeps on.
#[must_use]
pub const fn word_of(segment: &Segment, slot: u64) -> Offset {
    segment.layout().member(slot).add(member::WAKE)
}

/// Adds a reason to a word and wakes who sleeps on it, unless it was told already.
pub fn rouse(word: &AtomicU32, reason: u32) {
    // Release: what was published is seen by who takes the reason; pairs with the Acquire in
    // `sleep` and in `settle`.
    let before = word.fetch_or(reason, Ordering::Release);
    if before & SLEEPING != 0 && to_act_on(before | reason) != 0 {
        futex::wake(word);
    }
}

/// Sleeps until there is a reason to act on, and takes all of those away.
pub fn sleep(word: &AtomicU32) -> u32 {
    let mut seen = word.load(Ordering::Relaxed);
    loop {
        let reasons = to_act_on(seen);
        let told = if reasons & FOR_JAVASCRIPT == 0 { 0 } else { TOLD };
        let next = if reasons == 0 { seen | SLEEPING } else { seen & !SLEEPING & !reasons | told };
        // Acquire: pairs with the Release in `rouse`.
        match word.compare_exchange(seen, next, Ordering::Acquire, Ordering::Relaxed) {
            Err(now) => seen = now,
            Ok(_) if reasons != 0 => return reasons,
            Ok(_) => {
                futex::wait(word, next);
                seen = word.load(Ordering::Relaxed);
            }
        }
    }
}

/// JavaScript has looked to the end: takes away what has come since it was told, which it has to
/// look at too; 0: nothing has, and it will be told again.
pub fn settle(word: &AtomicU32) -> u32 {
    let mut seen = word.load(Ordering::Relaxed);
    loop {
        let reasons = seen & FOR_JAVASCRIPT;
        let next = if reasons == 0 { seen & !TOLD } else { seen & !reasons };
        // Acquire: pairs with the Release in `rouse`.
        match word.compare_exchange(seen, next, Ordering::Acquire, Ordering::Relaxed) {
            Err(now) => seen = now,
            Ok(_) => return reasons,
        }
    }
}

/// What the wake thread has to act on.
const fn to_act_on(word: u32) -> u32 {
    let told = if word & TOLD == 0 { 0 } else { FOR_JAVASCRIPT };
    word & REASONS & !told
}

/// Tells the member in a slot that something has happened in a shard. Never under a latch.
///
/// # Errors
/// [`crate::error::Error::Corrupted`] if there is no such slot; so below.
pub fn tell(segment: &Segment, slot: u64, shard: u64) -> Result<()> {
    note(segment, slot, shard)?;
    rouse_slot(segment, slot, NEWS)
}

/// Notes for the member in a slot that a shard has news.
fn note(segment: &Segment, slot: u64, shard: u64) -> Result<()> {
    let news_at = segment.layout().member(slot).add(member::NEWS);
    // Release: what has happened is seen by who takes the bit; pairs with the Acquire in `take_news`.
    segment.region().fetch_or(news_at, 1 << (shard & 63), Ordering::Release).map(drop)
}

/// Tells all members that watch a key of a shard. Never under a latch. Gives whether `me` is one of
/// them: it is not roused, but has to look by itself.
///
/// # Errors
/// As above.
#[cold]
pub fn tell_watchers(segment: &Segment, me: MemberId, shard: u64, hash: u64) -> Result<bool> {
    let (region, layout) = (segment.region(), segment.layout());
    let mut is_mine = false;
    for slot in 0..members::slots(region)? {
        let word = |field| region.load(layout.member(slot).add(field), Ordering::Relaxed);
        let watches = word(member::WATCHES)? >> (shard & 63) & 1 != 0;
        if !watches || word(member::WATCHED)? & log::filter_bit(hash) == 0 {
            continue;
        }
        if slot == me.slot() {
            is_mine = true;
            note(segment, slot, shard)?;
        } else {
            tell(segment, slot, shard)?;
        }
    }
    Ok(is_mine)
}

/// Takes the shards that have news for a member, a bit each. For the member itself.
///
/// # Errors
/// As above.
pub fn take_news(segment: &Segment, me: MemberId) -> Result<u64> {
    let at = segment.layout().member(me.slot()).add(member::NEWS);
    // Acquire: pairs with the Release in `note`.
    Ok(segment.region().word(at)?.swap(0, Ordering::Acquire))
}

/// Notes for a member that every shard may have news for it.
///
/// # Errors
/// As above.
pub fn note_all(segment: &Segment, me: MemberId) -> Result<()> {
    let at = segment.layout().member(me.slot()).add(member::NEWS);
    // Release: as in `note`.
    segment.region().fetch_or(at, u64::MAX, Ordering::Release).map(drop)
}

/// JavaScript of a member has looked to the end; see [`settle`].
///
/// # Errors
/// As above.
pub fn settle_member(segment: &Segment, me: MemberId) -> Result<u32> {
    Ok(settle(segment.region().half(word_of(segment, me.slot()))?))
}

/// Gives a reason to the member in a slot.
///
/// # Errors
/// As above.
pub fn rouse_slot(segment: &Segment, slot: u64, reason: u32) -> Result<()> {
    let at = word_of(segment, slot);
    let word = segment.region().half(at)?;
    fault::point(at.bytes());
    rouse(word, reason);
    Ok(())
}

/// Gives a reason to all members.
///
/// # Errors
/// [`crate::error::Error::Corrupted`] if the header is damaged.
pub fn rouse_all(segment: &Segment, reason: u32) -> Result<()> {
    for info in members::all(segment.region(), segment.layout())? {
        rouse_slot(segment, info.id.slot(), reason)?;
    }
    Ok(())
}

#[cfg(all(test, not(shm_loom)))]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_reason_that_is_there_lets_nobody_sleep() {
        let word = AtomicU32::new(0);
        rouse(&word, OTHER);
        assert_eq!(sleep(&word), OTHER);
        assert_eq!(word.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn what_comes_while_javascript_is_told_waits_for_it() {
        let word = AtomicU32::new(0);
        rouse(&word, NEWS);
        assert_eq!(sleep(&word), NEWS);
        rouse(&word, NEWS);
        rouse(&word, OTHER);
        assert_eq!(sleep(&word), OTHER, "only what is not JavaScript's");
        assert_eq!(settle(&word), NEWS);
        assert_eq!(settle(&word), 0);
        rouse(&word, REPAIRED);
        assert_eq!(sleep(&word), REPAIRED);
    }

    #[test]
    fn no_wake_up_is_lost() {
        const ROUNDS: u32 = 20_000;
        let (there, back) = (AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..ROUNDS {
                    assert_eq!(sleep(&there), OTHER);
                    rouse(&back, OTHER);
                }
            });
            for _ in 0..ROUNDS {
                rouse(&there, OTHER);
                assert_eq!(sleep(&back), OTHER);
            }
        });
    }

    #[test]
    fn a_new_reason_wakes_who_sleeps_beside_an_old_one() {
        let word = AtomicU32::new(0);
        std::thread::scope(|scope| {
            let sleeper = scope.spawn(|| sleep(&word));
            while word.load(Ordering::Relaxed) & SLEEPING == 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
            // As if a waker had been killed between its reason and its call.
            word.fetch_or(NEWS, Ordering::Release);
            rouse(&word, REPAIRED);
            assert_eq!(sleeper.join().unwrap(), NEWS | REPAIRED);
        });
    }
}
