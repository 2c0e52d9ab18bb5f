//! Whether to spin for a lock before sleeping, and for how long.
//!
//! Most locks are held for less than it costs to sleep and to be woken. So who is next in line looks
//! again and again for about as long as that (competitive spinning, Karlin et al., 1991), now and then
//! letting others run, for the holder may be waiting for this very processor. Where that fails again
//! and again, for the holder sleeps or holds on, it is tried less and less often, but then for longer:
//! if the holder sleeps too, its wake-up has to be waited for, and from then on both spin.

use crate::error::Result;
use crate::sync::spin_hint;
use std::time::{Duration, Instant};

/// What a wake-up costs if all goes well.
const LONGEST: Duration = Duration::from_micros(20);
/// What a wake-up costs if the processor has to be woken too.
const LONGEST_AFTER_REST: Duration = Duration::from_micros(100);
/// Looks between two looks at the clock.
const LOOKS: u32 = if cfg!(shm_loom) { 1 } else { 64 };
/// How many times in a row it is left out, at the most.
const MOST_REST: u32 = 64;

/// Whether a member spins.
#[derive(Debug)]
pub struct Spinner {
    /// Whether the process may use more than one processor.
    is_useful: bool,
    /// Requests for which it will be left out.
    rest: u32,
    /// How many it was the last time it failed.
    last_rest: u32,
}

impl Spinner {
    /// Spins only if the process may use more than one processor.
    #[must_use]
    pub const fn new(processors: usize) -> Self {
        Self { is_useful: processors > 1, rest: 0, last_rest: 0 }
    }

    /// Whether to spin for the next request.
    pub(super) const fn may_spin(&self) -> bool {
        self.is_useful && self.rest == 0
    }

    /// One more request was not spun for.
    pub(super) const fn rested(&mut self) {
        self.rest = self.rest.saturating_sub(1);
    }

    /// Looks again and again; `false` if it took too long.
    pub(super) fn spin(&mut self, mut look: impl FnMut() -> Result<bool>) -> Result<bool> {
        let start = Instant::now();
        let longest = if self.last_rest == 0 { LONGEST } else { LONGEST_AFTER_REST };
        loop {
            for _ in 0..LOOKS {
                if look()? {
                    self.last_rest /= 2;
                    return Ok(true);
                }
                spin_hint();
            }
            // (A model run takes no time that counts.)
            if cfg!(shm_loom) || start.elapsed() >= longest {
                self.last_rest = (2 * self.last_rest + 1).min(MOST_REST);
                self.rest = self.last_rest;
                return Ok(false);
            }
            std::thread::yield_now();
        }
    }
}
