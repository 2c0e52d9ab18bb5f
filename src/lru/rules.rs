//! The options of the cache, and what stands of them in the segment.

use crate::error::Result;
use crate::segment::layout::{cache, shard};
use crate::segment::members::MemberId;
use crate::shard::Shard;

/// Somebody has chosen options; until then those of 1.1.5 hold.
const CHOSEN: u64 = 1;
const STALE: u64 = 1 << 1;
const NO_DISPOSE_ON_SET: u64 = 1 << 2;
const UPDATE_AGE_ON_GET: u64 = 1 << 3;
/// The last set has evicted only a part of what it has to: whoever takes the latch next goes on.
pub(crate) const TRIMMING: u64 = 1 << 5;
/// A length was not a small whole number, so that the sum of all may have been rounded.
pub(crate) const ROUNDED: u64 = 1 << 6;

/// Up to here sums of whole numbers are exact.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

/// The options of lru-cache 6. What they are is checked in JavaScript; here a bound that is no
/// number above 0 is none.
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "they are lru-cache's options")]
pub struct Options {
    /// Bound of the sum of all lengths.
    pub max: f64,
    /// How long an entry is good, in ms; 0: for ever; below 0: not at all.
    pub max_age: f64,
    /// Whether an expired entry is given once.
    pub stale: bool,
    /// Whether the heir does not hear of what is overwritten.
    pub no_dispose_on_set: bool,
    /// Whether a get starts the age of an entry anew.
    pub update_age_on_get: bool,
    /// Whether the member that sets these options is the heir: hears of all that leaves the cache.
    pub disposes: bool,
    /// Whether the member that sets these options measures each entry: for as long as it is attached,
    /// nobody may set one without a length.
    pub measures: bool,
}

impl Default for Options {
    /// Those of the package 1.1.5.
    fn default() -> Self {
        Self {
            max: 10_000.0,
            max_age: 300_000.0,
            stale: false,
            no_dispose_on_set: false,
            update_age_on_get: false,
            disposes: false,
            measures: false,
        }
    }
}

impl Options {
    /// Bound of the length as lru-cache understands it.
    pub(super) fn bound(&self) -> f64 {
        if self.max > 0.0 { self.max } else { f64::INFINITY }
    }

    /// Limit of the age as lru-cache understands it.
    pub(super) fn limit(&self) -> f64 {
        if self.max_age.is_nan() { 0.0 } else { self.max_age }
    }

    /// The options that are on or off.
    pub(super) const fn flags(&self) -> u64 {
        CHOSEN
            | if self.stale { STALE } else { 0 }
            | if self.no_dispose_on_set { NO_DISPOSE_ON_SET } else { 0 }
            | if self.update_age_on_get { UPDATE_AGE_ON_GET } else { 0 }
    }
}

/// What holds while the latch is held.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub(super) max: f64,
    pub(super) max_age: f64,
    /// Entries up to this version belong to a former cache.
    pub(super) since: u64,
    pub(super) heir: Option<MemberId>,
    pub(super) measurer: Option<MemberId>,
    flags: u64,
}

impl Rules {
    /// Reads them. Without the latch they may be of two different options.
    #[inline]
    pub(super) fn read(shard: Shard<'_>) -> Result<Self> {
        let word = |field| shard.load(shard::CACHE + field);
        let flags = word(cache::FLAGS)?;
        let (max, max_age) = if flags & CHOSEN == 0 {
            let default = Options::default();
            (default.max, default.max_age)
        } else {
            (f64::from_bits(word(cache::MAX)?), f64::from_bits(word(cache::MAX_AGE)?))
        };
        let heir = MemberId::from_word(word(cache::HEIR)?);
        let measurer = MemberId::from_word(word(cache::MEASURER)?);
        Ok(Self { max, max_age, since: word(cache::SINCE)?, heir, measurer, flags })
    }

    /// Whether they are those of these options, whoever is the heir or measures.
    #[expect(clippy::float_cmp, reason = "what was stored is stored again")]
    pub(super) fn are_of(&self, options: &Options) -> bool {
        let chosen = STALE | NO_DISPOSE_ON_SET | UPDATE_AGE_ON_GET;
        self.max == options.bound()
            && self.max_age == options.limit()
            && self.flags & chosen == options.flags() & chosen
    }

    /// Whether an entry of that time has expired.
    #[inline]
    pub(super) fn is_expired(&self, used_at: f64, now: f64) -> bool {
        self.max_age != 0.0 && now - used_at > self.max_age
    }

    #[inline]
    pub(super) const fn gives_stale(&self) -> bool {
        self.flags & STALE != 0
    }

    #[inline]
    pub(super) const fn disposes_on_set(&self) -> bool {
        self.flags & NO_DISPOSE_ON_SET == 0
    }

    #[inline]
    pub(super) const fn updates_age(&self) -> bool {
        self.flags & UPDATE_AGE_ON_GET != 0
    }

    #[inline]
    pub(super) const fn is_trimming(&self) -> bool {
        self.flags & TRIMMING != 0
    }
}

/// Whether a sum that was exact is so again after this length has been added to it.
#[inline]
pub(super) fn is_exact(length: f64, sum: f64) -> bool {
    length >= 0.0 && length.fract() == 0.0 && sum <= MAX_EXACT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_bound_bounds_nothing() {
        for max in [0.0, -0.0, -1.0, f64::NAN, f64::INFINITY] {
            let options = Options { max, ..Options::default() };
            assert!(options.bound().is_infinite() && options.bound() > 0.0, "{max}");
        }
        assert!(Options { max: 0.5, ..Options::default() }.bound() < 1.0);
    }

    #[test]
    fn sums_are_exact_up_to_two_to_the_53rd() {
        assert!(is_exact(1.0, 1.0) && is_exact(0.0, MAX_EXACT));
        for (length, sum) in [(0.5, 1.5), (-1.0, 1.0), (1.0, 1e16), (f64::NAN, f64::NAN)] {
            assert!(!is_exact(length, sum), "{length} {sum}");
        }
        assert!(!is_exact(f64::INFINITY, f64::INFINITY));
    }
}
