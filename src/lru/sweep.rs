//! What nobody waits for: freeing the past, looking for expired entries.

use super::Lru;
use super::cache::{Cache, FREES};
use super::list::{Item, item};
use crate::clock;
use crate::error::Result;
use crate::intent::Changes;
use crate::segment::layout::cache;
use crate::sync::Ordering;

/// Entries that are looked at while the latch is held once.
const LOOKS: u64 = 16;
/// How far one hold of the latch got in the search for expired entries.
#[derive(Debug)]
struct Swept {
    looked_at: u64,
    has_removed: bool,
    /// Where to go on.
    next: Option<Item>,
}

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

    /// Looks at so many entries, from the oldest on, and removes those that have expired; `true` if
    /// it has not come to the end. The next call goes on there, whoever makes it.
    ///
    /// # Errors
    /// As above; what was removed so far is removed.
    pub fn sweep_expired(&self, budget: u64) -> Result<bool> {
        self.sweep_expired_at(budget, clock::now_ms())
    }

    /// [`Lru::sweep_expired`] at another time.
    ///
    /// # Errors
    /// As above.
    pub fn sweep_expired_at(&self, budget: u64, now: f64) -> Result<bool> {
        let mut left = budget;
        while left > 0 {
            let (held, mut cache) = self.hold()?;
            // With `stale` set an expired entry is still to be given to whoever asks first.
            if cache.rules.gives_stale() || cache.rules.max_age == 0.0 {
                return Ok(false);
            }
            let mut changes = held.changes();
            let swept = cache.sweep(&mut changes, left.min(LOOKS), now)?;
            let next = swept.next.map_or(0, Item::to_link);
            if swept.has_removed {
                changes.set(cache.at(cache::SWEEP), next)?;
                held.commit(&mut changes)?;
            } else {
                // One store, which decides nothing but where the next look begins.
                self.segment.region().store(cache.at(cache::SWEEP), next, Ordering::Relaxed)?;
            }
            drop(held);
            self.tell_heir(&cache);
            if next == 0 {
                return Ok(false);
            }
            left -= swept.looked_at.min(left);
        }
        Ok(true)
    }
}

impl Cache<'_> {
    /// Looks at some entries from where the last look ended.
    fn sweep(&mut self, changes: &mut Changes<'_>, most: u64, now: f64) -> Result<Swept> {
        let begin = Item::from_link(changes.get(self.at(cache::SWEEP))?);
        let mut next = match begin {
            Some(item) => Some(item),
            None => self.uses().last(changes)?,
        };
        let (mut looked_at, mut removed) = (0, 0);
        while let Some(item) = next
            && looked_at < most
            && removed < FREES
        {
            let previous = Item::from_link(changes.get(item.at(item::PREVIOUS))?);
            looked_at += 1;
            if self.is_expired(changes, item, now)? {
                let found = self.locate(changes, item)?;
                self.leave(changes, &found)?;
                removed += 1;
            } else if self.rules.updates_age() {
                // All the others were used later.
                return Ok(Swept { looked_at, has_removed: removed > 0, next: None });
            }
            next = previous;
        }
        Ok(Swept { looked_at, has_removed: removed > 0, next })
    }
}
