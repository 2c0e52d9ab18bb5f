//! What a dead member leaves, and how it is mended.
//!
//! Whoever needs a latch takes it from the dead and finishes its intent by itself; nothing waits for
//! this module. What remains is mended here, by the hub as soon as it learns of a death: first every
//! latch that may need it is passed through once, so that no intent of the dead is open any more;
//! then its lock requests are given up and what it held passes on, and its watches end; then the
//! pieces of the page area that it was building are given back; only then is its slot free for
//! another. A latch of its own keeps two from mending at a time, and a mender may itself die at any
//! point: each step can be done again.

use crate::error::Result;
use crate::heap::pages;
use crate::intent;
use crate::latch::{self, PATIENCE, Patient};
use crate::locks;
use crate::segment::Segment;
use crate::segment::layout::{domain, header};
use crate::segment::members::{self, MemberId, MemberInfo};
use crate::segment::region::Offset;
use crate::sync::Ordering;
use crate::watches;
use std::time::Duration;

/// Mends what all dead members have left; gives those that were mended.
///
/// # Errors
/// [`crate::error::Error::Busy`] if somebody else is mending, or a latch stays with a stopped
/// member: what was mended so far is mended, and it can be called again.
pub fn mend_the_dead(segment: &Segment, me: MemberId) -> Result<Vec<MemberInfo>> {
    let mut mended = Vec::new();
    for info in members::all(segment.region(), segment.layout())? {
        if info.id != me && info.is_dead() {
            mend(segment, me, info.id)?;
            mended.push(info);
        }
    }
    Ok(mended)
}

/// Mends what a member has left whose death is proven, or which says goodbye itself.
///
/// # Errors
/// See [`mend_the_dead`].
pub fn mend(segment: &Segment, me: MemberId, gone: MemberId) -> Result<()> {
    mend_within(segment, me, gone, PATIENCE)
}

/// Mends what a member has left, but waits no longer for any latch than `patience`.
///
/// # Errors
/// See [`mend_the_dead`].
pub fn mend_within(
    segment: &Segment,
    me: MemberId,
    gone: MemberId,
    patience: Duration,
) -> Result<()> {
    let (region, layout) = (segment.region(), segment.layout());
    let mending = latch::acquire(
        region,
        header::MEND_DOMAIN,
        &mut Patient::new(segment, me, Duration::ZERO),
    )?;
    if members::find(region, layout, gone)?.is_none() {
        return Ok(());
    }
    for number in 0..=layout.cache() {
        pass_through(segment, layout.shard(number), me, gone, patience)?;
    }
    pass_through(segment, header::PAGES_DOMAIN, me, gone, patience)?;
    locks::give_up_all(segment, me, gone, patience)?;
    watches::end_all(segment, me, gone, patience)?;
    pages::mend(segment, gone)?;
    members::leave(region, layout, gone)?;
    drop(mending);
    Ok(())
}

/// Sees to it that no intent of `gone` is open in a domain. It can only be if the latch is still its
/// own, or if who has taken the latch over has not finished: then the sequence is odd. So a stopped
/// process elsewhere holds up no mending.
fn pass_through(
    segment: &Segment,
    base: Offset,
    me: MemberId,
    gone: MemberId,
    patience: Duration,
) -> Result<()> {
    // Acquire: the sequence is not older. It is even after the latch was another's: all that was
    // open then is finished.
    let owner = segment.region().load(base.add(domain::LATCH), Ordering::Acquire)?;
    if owner == gone.to_word() || intent::sequence(segment.region(), base)? & 1 != 0 {
        drop(latch::hold_for(segment, base, me, patience)?);
    }
    Ok(())
}
