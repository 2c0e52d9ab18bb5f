//! Hazard words: how a reader keeps the run that it copies from being reused (Michael, "Hazard
//! Pointers", 2004). A member has one; whoever takes pages that are `leaving` looks at all of them.

use crate::error::Result;
use crate::segment::Segment;
use crate::segment::layout::member;
use crate::segment::members::{self, MemberId};
use crate::sync::{Ordering, fence};

/// Keeps everybody from reusing the run that starts at `page`, until [`unprotect`]. It holds only
/// if the entry is still found to own the run *after* this call: then whoever frees the run later
/// looks at the hazard words after it has unlinked the entry.
///
/// # Errors
/// [`crate::error::Error::Corrupted`] if the slot lies outside the segment.
pub fn protect(segment: &Segment, me: MemberId, page: u64) -> Result<()> {
    let at = segment.layout().member(me.slot()).add(member::HAZARD);
    segment.region().store(at, page + 1, Ordering::Relaxed)?;
    // SeqCst: store, then load of the entry here; against store to the entry, then load of the
    // hazard there. Nothing weaker keeps a store in front of a later load. Pairs with `protected`.
    fence(Ordering::SeqCst);
    Ok(())
}

/// Ends what [`protect`] began.
///
/// # Errors
/// [`crate::error::Error::Corrupted`] if the slot lies outside the segment.
pub fn unprotect(segment: &Segment, me: MemberId) -> Result<()> {
    let at = segment.layout().member(me.slot()).add(member::HAZARD);
    // Release: the copy is done before anybody sees this and reuses the run.
    segment.region().store(at, 0, Ordering::Release)
}

/// The pages of runs that may still be read although their entries are gone. Facts that are
/// `leaving` must have been read before. One by one, for who asks may hold a latch and must not
/// wait for memory.
pub(super) fn protected(segment: &Segment) -> Result<impl Iterator<Item = Result<u64>>> {
    // SeqCst: pairs with the fence in `protect`. A reader that is not seen here finds its entry
    // unlinked.
    fence(Ordering::SeqCst);
    members::hazards(segment.region(), segment.layout())
}
