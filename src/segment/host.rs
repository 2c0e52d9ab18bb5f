//! Which member hosts the hub: one word of the header, the hub's member as
//! [`MemberId::to_word`](super::members::MemberId::to_word) has it, or 0.
//!
//! It changes by compare-and-swap alone, and only away from nobody or from one who is gone for good.
//! So of all who want it exactly one gets it, and whoever is killed at any instruction leaves either
//! the word of before or one that names a dead member, which the next one may replace.

use crate::error::Result;
use crate::segment::layout::{Layout, header};
use crate::segment::members::{self, MemberId, MemberInfo};
use crate::segment::region::Region;
use crate::sync::Ordering;

/// Makes `me` the host, unless another is; `is_gone` says of one whether it will never host again.
/// Gives whether `me` is the host now.
///
/// # Errors
/// [`crate::error::Error::Corrupted`] if the slot lies outside the segment.
pub fn claim(
    region: &Region,
    layout: &Layout,
    me: MemberId,
    is_gone: impl Fn(&MemberInfo) -> bool,
) -> Result<bool> {
    loop {
        // Acquire: pairs with the Release below and in `release`; what the last host wrote is seen.
        let word = region.load(header::HOST, Ordering::Acquire)?;
        if word == me.to_word() {
            return Ok(true);
        }
        if find(region, layout, word)?.is_some_and(|host| !is_gone(&host)) {
            return Ok(false);
        }
        let order = (Ordering::AcqRel, Ordering::Relaxed);
        let swap = region.compare_exchange(header::HOST, word, me.to_word(), order.0, order.1)?;
        if swap.is_ok() {
            return Ok(true);
        }
    }
}

/// Lets another be the host.
///
/// # Errors
/// [`crate::error::Error::Corrupted`] never, for the header is there.
pub fn release(region: &Region, me: MemberId) -> Result<()> {
    // Release: pairs with the Acquire in `claim`. If it fails, it was another's already.
    let order = (Ordering::Release, Ordering::Relaxed);
    region.compare_exchange(header::HOST, me.to_word(), 0, order.0, order.1).map(drop)
}

/// Who is the host; `None`: nobody, or one whose slot is free again.
///
/// # Errors
/// [`crate::error::Error::Corrupted`] if the slot lies outside the segment.
pub fn current(region: &Region, layout: &Layout) -> Result<Option<MemberInfo>> {
    find(region, layout, region.load(header::HOST, Ordering::Acquire)?)
}

fn find(region: &Region, layout: &Layout, word: u64) -> Result<Option<MemberInfo>> {
    MemberId::from_word(word).map_or(Ok(None), |id| members::find(region, layout, id))
}
