//! What nobody waits for: freeing the past, and what has expired.

use super::Lru;
use super::cache::FREES;
use crate::clock;
use crate::error::Result;
use crate::segment::layout::cache;

impl Lru {
    /// Frees a few entries of former caches and estates; `true` if there are more.
    ///
    /// # Errors
    /// [`crate::error::Error::Busy`], [`crate::error::Error::Corrupted`]: nothing was changed.
    pub fn sweep_old(&self) -> Result<bool> {
        if self.word(cache::PAST)? == 0 {
            return Ok(false);
        }
        let (held, cache) = self.hold()?;
        let mut changes = held.changes();
        if cache.forget(&mut changes, FREES, u64::MAX)? > 0 {
            held.commit(&mut changes)?;
        }
        Ok(self.word(cache::PAST)? != 0)
    }

    /// Removes up to so many expired entries from the old end; `true` if there may be more. What has
    /// expired behind one that has not stays: lru-cache would evict that one first.
    ///
    /// # Errors
    /// As above; what was removed so far is removed.
    pub fn sweep_expired(&self, most: u32) -> Result<bool> {
        self.sweep_expired_at(most, clock::now_ms())
    }

    /// [`Lru::sweep_expired`] at another time.
    ///
    /// # Errors
    /// As above.
    pub fn sweep_expired_at(&self, most: u32, now: f64) -> Result<bool> {
        let mut left = most;
        while left > 0 {
            let (held, mut cache) = self.hold()?;
            // With `stale` set an expired entry is still to be given to whoever asks first.
            if cache.rules.gives_stale() {
                return Ok(false);
            }
            let mut changes = held.changes();
            let mut removed = 0;
            while removed < left.min(FREES)
                && let Some(item) = cache.uses().last(&changes)?
                && cache.is_expired(&changes, item, now)?
            {
                let found = cache.locate(&changes, item)?;
                cache.leave(&mut changes, &found)?;
                removed += 1;
            }
            if removed == 0 {
                return Ok(false);
            }
            held.commit(&mut changes)?;
            drop(held);
            self.tell_heir(&cache);
            left -= removed;
        }
        Ok(true)
    }
}
