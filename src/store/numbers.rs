//! Numbers, which change in place: what a sum is, and how it is written; see [`crate::entry`].

use crate::entry::{Tag, stamp, word};
use crate::error::{Error, Result};
use crate::segment::layout::shard;
use crate::segment::region::Offset;
use crate::shard::Shard;
use crate::sync::Ordering;
use crate::table::Found;

/// Sums beyond this are not exact: `Number.MAX_SAFE_INTEGER`.
const MAX_SAFE: f64 = 9_007_199_254_740_991.0;

impl Shard<'_> {
    /// What a number becomes.
    #[inline]
    pub(super) fn sum(&self, found: Option<&Found>, by: f64) -> Result<f64> {
        let Some(found) = found else {
            return exact_sum(0.0, by);
        };
        if found.meta.tag() != Tag::Number {
            return Err(Error::NotANumber { kind: found.meta.tag().describe() });
        }
        let region = self.segment.region();
        let stamp = region.load(found.entry.add(word::STAMP), Ordering::Relaxed)?;
        let cell = found.entry.add(found.meta.value_offset()).word(stamp & 1);
        exact_sum(f64::from_bits(region.load(cell, Ordering::Relaxed)?), by)
    }

    /// Writes the other cell of a number and then its stamp; gives the version. `None`: the log names
    /// the entry, so it needs a new block.
    ///
    /// Killed before the last store: nothing has happened, but for a version that is never used.
    #[inline]
    pub(super) fn change_in_place(&self, found: &Found, number: f64) -> Result<Option<u64>> {
        let region = self.segment.region();
        let load = |at: Offset| region.load(at, Ordering::Relaxed);
        if load(found.entry.add(word::LENGTH))? != 0 {
            return Ok(None);
        }
        let version = load(self.at(shard::VERSION))?.wrapping_add(1);
        region.store(self.at(shard::VERSION), version, Ordering::Relaxed)?;
        let stamp_at = found.entry.add(word::STAMP);
        let cell = (load(stamp_at)? & 1) ^ 1;
        let value = found.entry.add(found.meta.value_offset());
        // Relaxed: `latch::acquire` has put a Release fence before it.
        region.store(value.word(cell), number.to_bits(), Ordering::Relaxed)?;
        // Release: who reads this stamp with Acquire reads this cell, and the version before it.
        region.store(stamp_at, stamp(version, cell), Ordering::Release)?;
        Ok(Some(version))
    }
}

#[inline]
fn exact_sum(number: f64, by: f64) -> Result<f64> {
    let sum = number + by;
    if sum.abs() <= MAX_SAFE { Ok(sum) } else { large_sum(number, by) }
}

#[cold]
fn large_sum(number: f64, by: f64) -> Result<f64> {
    let sum = number + by;
    let is_inexact_integer = number.fract() == 0.0 && by.fract() == 0.0;
    if sum.is_finite() && !is_inexact_integer { Ok(sum) } else { Err(out_of_range(sum)) }
}

#[cold]
fn out_of_range(sum: f64) -> Error {
    Error::OutOfRange(sum.to_string())
}
