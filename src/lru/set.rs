//! Setting: what becomes of the key's old entry, of the new one, and of the oldest.

use super::cache::{Cache, FREES, length_of};
use super::list::{Item, item};
use super::rules::{Rules, TRIMMING};
use super::{EVICTIONS, Lru};
use crate::clock;
use crate::entry::{Key, Value};
use crate::error::{Error, Result};
use crate::heap::pages::Building;
use crate::intent::Changes;
use crate::latch::Held;
use crate::segment::layout::{cache, member};
use crate::shard::{Attempt, Draft, build_run};
use crate::sync::Ordering;
use crate::table::Found;

/// Entries of the past that a set frees.
const FORGETS: u32 = FREES / 2;

/// What has become of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The entry is in the cache.
    Stored,
    /// It is longer than the cache may be, and is not; what stood there is gone.
    TooLong,
    /// Nothing, for it had no length and the options ask for one; see [`super::Options::measures`].
    Unmeasured,
}

/// What is to be set.
#[derive(Debug, Clone, Copy)]
struct Order<'o> {
    key: &'o Key<'o>,
    value: &'o Value<'o>,
    length: Option<f64>,
    now: f64,
    /// Whether the value needs a run.
    is_long: bool,
}

/// How far a set got under the latch.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// To its end.
    Done(Done),
    /// Others have left something to be done first.
    Care,
    /// It needs the run that seemed to be needless.
    NeedsRun,
}

#[derive(Debug, Clone, Copy)]
struct Done {
    outcome: Outcome,
    /// Whether there is an entry of the new value, in the cache or in the estate.
    is_written: bool,
    /// Whether there is more to evict than went into the intent.
    is_trimming: bool,
}

/// What a set does with the old and the new entry of its key.
#[derive(Debug, Clone, Copy)]
struct Plan {
    length: f64,
    /// The key's entry in the cache.
    current: Option<Found>,
    /// Its entry in a former cache, which is still in the table.
    former: Option<Found>,
    is_too_long: bool,
    /// Whether the new entry is in the cache in the end.
    stays: bool,
    /// Whether it goes to the heir at once.
    is_bequeathed: bool,
}

impl Lru {
    /// Sets a key to a value of some length (`None`: 1), which is a use of it, and evicts what is
    /// oldest until the cache is not too long.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] if evicting did not help either; [`Error::ValueTooLarge`];
    /// [`Error::Busy`]: but for what was evicted nothing was changed.
    pub fn set(&self, key: &Key<'_>, value: &Value<'_>, length: Option<f64>) -> Result<Outcome> {
        self.set_at(key, value, length, clock::now_ms())
    }

    /// [`Lru::set`] at another time.
    ///
    /// # Errors
    /// As above.
    pub fn set_at(
        &self,
        key: &Key<'_>,
        value: &Value<'_>,
        length: Option<f64>,
        now: f64,
    ) -> Result<Outcome> {
        self.count(member::WRITES)?;
        self.wait_for_heir()?;
        let is_long = Draft::new(key, value, false, true).is_err();
        let order = Order { key, value, length, now, is_long };
        let (mut run, mut wants_run) = (None, is_long && self.is_wanted(length)?);
        let mut tries = 0;
        loop {
            match self.try_set(&order, &mut run, wants_run) {
                Ok(Step::Done(done)) => return Ok(done.outcome),
                Ok(Step::Care) => drop(self.hold()?),
                Ok(Step::NeedsRun) => wants_run = true,
                Err(Error::OutOfMemory { need, free, .. })
                    if self.make_room(need, free, tries)? =>
                {
                    tries += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether an entry of that length seems to go anywhere. If not, its value needs no run, for
    /// which others would have to be evicted.
    fn is_wanted(&self, length: Option<f64>) -> Result<bool> {
        let rules = Rules::read(self.shard())?;
        let is_too_long = length.unwrap_or(1.0) > rules.max;
        Ok(!is_too_long || rules.heir.is_some())
    }

    #[inline]
    fn try_set<'s>(
        &'s self,
        order: &Order<'_>,
        run: &mut Option<Building<'s>>,
        wants_run: bool,
    ) -> Result<Step> {
        if wants_run && run.is_none() {
            *run = build_run(&self.segment, self.me, order.key, order.value, true)?;
        }
        let shard = self.shard();
        let (mut cache, mut wants_more) = (None, false);
        let step = shard.change(self.me, |held| {
            let cache = cache.insert(Cache::read(shard)?);
            let attempt = cache.put(held, order, run.as_ref())?;
            if let Attempt::Done(Step::Done(_)) = attempt {
                // The set has happened: what fails from here on is not its failure. A table that
                // could not grow has longer chains, and tries again at the next set.
                wants_more = shard.table().split(held).unwrap_or(false);
            }
            Ok(attempt)
        })?;
        let Step::Done(done) = step else {
            return Ok(step);
        };
        if let Some(run) = run.take_if(|_| done.is_written) {
            run.publish();
        }
        if wants_more {
            let _ = shard.table().grow();
        }
        if let Some(cache) = cache {
            self.tell_heir(&cache);
        }
        if done.is_trimming {
            // If not this member now, whoever comes next.
            let _ = self.hold();
        }
        Ok(step)
    }
}

impl Cache<'_> {
    /// Does all of a set, or nothing.
    #[inline]
    fn put(
        &mut self,
        held: &Held<'_>,
        order: &Order<'_>,
        run: Option<&Building<'_>>,
    ) -> Result<Attempt<Step>> {
        if self.needs_care()? {
            return Ok(Attempt::Done(Step::Care));
        }
        if order.length.is_none() && self.is_measured()? {
            return Ok(finished(Outcome::Unmeasured));
        }
        self.forget_some(held)?;
        let plan = self.plan(order)?;
        let is_written = plan.stays || plan.is_bequeathed;
        if !is_written && plan.current.is_none() {
            return Ok(finished(Outcome::TooLong));
        }
        if is_written && order.is_long && run.is_none() {
            return Ok(Attempt::Done(Step::NeedsRun));
        }
        let mut changes = held.changes();
        let mut new = None;
        if is_written {
            match self.write(&mut changes, order, plan.length, run)? {
                Attempt::Done(item) => new = Some(item),
                Attempt::NeedsSpan(class) => return Ok(Attempt::NeedsSpan(class)),
            }
        }
        self.exchange(&mut changes, &plan, order.key, new)?;
        let is_trimming = !plan.is_too_long && self.trim(&mut changes, EVICTIONS, new)?;
        if is_trimming {
            let flags = changes.get(self.at(cache::FLAGS))?;
            changes.set(self.at(cache::FLAGS), flags | TRIMMING)?;
        }
        held.commit(&mut changes)?;
        let outcome = if plan.is_too_long { Outcome::TooLong } else { Outcome::Stored };
        Ok(Attempt::Done(Step::Done(Done { outcome, is_written, is_trimming })))
    }

    /// What lru-cache would do.
    #[inline]
    fn plan(&self, order: &Order<'_>) -> Result<Plan> {
        let length = order.length.unwrap_or(1.0);
        let found = self.shard.table().find(self.shard.segment.region(), order.key)?;
        let is_current = match &found {
            Some(found) => self.is_current(found)?,
            None => false,
        };
        let is_too_long = length > self.rules.max;
        // To set over an entry is to get it, and with an age limit below 0 it has expired by then.
        let is_expired = is_current && self.rules.is_expired(order.now, order.now);
        let stays = !is_too_long && !is_expired;
        // Of a new entry that is too long the heir hears only if there was no old one.
        let vanishes = is_too_long && is_current;
        let is_bequeathed = !stays && !vanishes && self.rules.heir.is_some();
        let (current, former) = if is_current { (found, None) } else { (None, found) };
        Ok(Plan { length, current, former, is_too_long, stays, is_bequeathed })
    }

    /// Writes a new entry, which nobody sees yet and which is in no list.
    #[inline]
    fn write(
        &self,
        changes: &mut Changes<'_>,
        order: &Order<'_>,
        length: f64,
        run: Option<&Building<'_>>,
    ) -> Result<Attempt<Item>> {
        let draft = Draft::new(order.key, order.value, run.is_some(), true)?;
        let written = self.shard.write(changes, order.key, draft, order.value, run)?;
        let Some((block, _)) = written else {
            return Ok(Attempt::NeedsSpan(draft.class));
        };
        let new = Item::new(block, draft.meta);
        let now = if self.rules.max_age == 0.0 { 0.0 } else { order.now };
        let words = [
            (item::USED_AT, now.to_bits()),
            (item::LENGTH, length.to_bits()),
            (item::HASH, order.key.hash()),
        ];
        for (field, word) in words {
            self.shard.segment.region().store(new.at(field), word, Ordering::Relaxed)?;
        }
        Ok(Attempt::Done(new))
    }

    /// The old entry goes, if there is one, and the new one comes, to stay or for the heir.
    #[inline]
    fn exchange(
        &mut self,
        changes: &mut Changes<'_>,
        plan: &Plan,
        key: &Key<'_>,
        new: Option<Item>,
    ) -> Result<()> {
        let table = self.shard.table();
        let mut sum = self.length(changes)?;
        if let (Some(new), true) = (new, plan.stays) {
            match plan.current.as_ref().or(plan.former.as_ref()) {
                None => table.insert(changes, new.entry(), key.hash())?,
                Some(found) => table.replace(changes, found, new.entry(), key.hash())?,
            }
        } else if let Some(current) = &plan.current {
            table.remove(changes, current)?;
        }
        if let Some(current) = &plan.current {
            let old = Item::new(current.entry, current.meta);
            let old_length = length_of(changes, old)?;
            sum += if plan.is_too_long { -old_length } else { plan.length - old_length };
            self.overwrite(changes, old, plan)?;
        } else if plan.stays {
            sum += plan.length;
        }
        if let (Some(former), true) = (&plan.former, plan.stays) {
            let former = Item::new(former.entry, former.meta);
            self.past().unlink(changes, former)?;
            self.free(changes, former)?;
        }
        match new {
            Some(new) if plan.stays => self.uses().push_first(changes, new)?,
            Some(new) => self.bequeath(changes, new)?,
            None => {}
        }
        if !plan.stays && !plan.is_too_long {
            sum -= plan.length;
        }
        self.set_length(changes, sum, plan.length)
    }

    /// An entry of the cache goes, which is not in the table any more.
    #[inline]
    fn overwrite(&mut self, changes: &mut Changes<'_>, old: Item, plan: &Plan) -> Result<()> {
        self.unlink(changes, old)?;
        if plan.is_too_long || self.rules.disposes_on_set() {
            self.bequeath(changes, old)
        } else {
            self.free(changes, old)
        }
    }

    /// Frees some of the past, by an intent of its own.
    #[inline]
    fn forget_some(&self, held: &Held<'_>) -> Result<()> {
        let mut changes = held.changes();
        if self.past().first(&changes)?.is_some() {
            self.forget(&mut changes, FORGETS, u64::MAX)?;
            held.commit(&mut changes)?;
        }
        Ok(())
    }
}

const fn finished(outcome: Outcome) -> Attempt<Step> {
    Attempt::Done(Step::Done(Done { outcome, is_written: false, is_trimming: false }))
}
