//! Memory by offset: runs of pages for large values and for spans, blocks of size classes in spans.

pub mod blocks;
pub mod fact;
pub mod hazard;
pub mod pages;
pub mod stretches;

use crate::error::Result;
use crate::segment::Segment;

/// Makes the page area of a new segment one free run.
///
/// # Errors
/// [`crate::error::Error::OutOfMemory`] or [`crate::error::Error::System`].
pub fn format(segment: &Segment) -> Result<()> {
    pages::format(segment)
}
