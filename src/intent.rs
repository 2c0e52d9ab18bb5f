//! A change of several words that happens wholly or not at all: a redo log of one record.
//!
//! Who holds a latch computes all words that its operation will write ([`Changes`]), notes them in
//! the intent of the latch's domain, and *seals* it by making the domain's sequence odd: one store,
//! and from it on the operation has happened. Then it writes the words and makes the sequence even
//! again. Whoever finds the sequence odd under the latch of a dead owner writes the words once more:
//! they are absolute values, so that it does not matter how many of them had been written. That is
//! physical redo logging (Mohan et al., ARIES, 1992) cut down to a log of one record.
//!
//! What makes the replay right: a word in an intent belongs to the domain, that is, nobody else
//! writes it before the sequence is even again. The exception is pages that become free: from then
//! on they are anybody's, and so are all words in them. So the fact that says so is written after all
//! other words, and conditionally ([`Changes::hand_over`]): only if the old value, which nobody can
//! bring back without this latch, still stands there. A replay that finds one such fact gone knows
//! that all other words had been written, and leaves them alone.
//!
//! The sequence is a sequence lock for readers (crossbeam's `seq_lock.rs` has the same fences). A
//! reader that finds it odd for long, for the owner is stopped, reads through the sealed words
//! ([`Overlay`]) instead of waiting.

use crate::error::{Error, Result};
use crate::segment::layout::domain;
use crate::segment::region::{Offset, Region};
use crate::sync::{Ordering, fence};
use arrayvec::ArrayVec;

#[expect(clippy::cast_possible_truncation, reason = "a small constant")]
const CAPACITY: usize = domain::INTENT_PAIRS as usize;
/// Marks the first pair of a conditional write, which holds the expected value.
const EXPECTED: u64 = 1;

/// How many words one change hands to others at most.
const HAND_OVERS: usize = 8;

/// Where a word stands, and what it becomes.
type Pair = [u64; 2];
type Pairs = ArrayVec<Pair, CAPACITY>;

/// Where words are read from: memory, or memory as it will be.
pub trait Words {
    /// The word at `at`.
    ///
    /// # Errors
    /// [`Error::Corrupted`] if there is none.
    fn word_at(&self, at: Offset) -> Result<u64>;
}

impl Words for Region {
    #[inline(always)]
    fn word_at(&self, at: Offset) -> Result<u64> {
        // Acquire: pairs with the fence after the seal in `commit`.
        self.load(at, Ordering::Acquire)
    }
}

/// The words that an operation is going to write, not yet visible to anybody.
#[derive(Debug)]
pub struct Changes<'r> {
    region: &'r Region,
    pairs: Pairs,
    /// A Bloom filter of one word: which offsets are among the pairs.
    filter: u64,
    /// Written after all others: who takes such a word over must find everything else done.
    hand_overs: ArrayVec<(u64, u64, u64), HAND_OVERS>,
}

impl<'r> Changes<'r> {
    /// No changes yet.
    #[inline]
    #[must_use]
    pub const fn new(region: &'r Region) -> Self {
        Self { region, pairs: Pairs::new_const(), filter: 0, hand_overs: ArrayVec::new_const() }
    }

    /// The word at `at` as it will be.
    ///
    /// # Errors
    /// [`Error::Corrupted`] if there is no such word.
    #[inline]
    pub fn get(&self, at: Offset) -> Result<u64> {
        let noted = if self.filter & filter_bit(at) == 0 { None } else { pending(&self.pairs, at) };
        match noted {
            Some(value) => Ok(value),
            // Relaxed: the latch orders everything that its domain holds.
            None => self.region.load(at, Ordering::Relaxed),
        }
    }

    /// The word at `at` shall become `value`. The word must belong to the domain.
    ///
    /// # Errors
    /// [`Error::Corrupted`] if there is no such word, or no room for so many changes.
    #[inline]
    pub fn set(&mut self, at: Offset, value: u64) -> Result<()> {
        if let Some(noted) = self.noted(at) {
            *noted = value;
            return Ok(());
        }
        self.region.word(at)?;
        self.note(at, value)
    }

    /// Adds to the word at `at`, wrapping.
    ///
    /// # Errors
    /// See [`Changes::set`].
    #[inline]
    pub fn add(&mut self, at: Offset, by: u64) -> Result<()> {
        if let Some(noted) = self.noted(at) {
            *noted = noted.wrapping_add(by);
            return Ok(());
        }
        let value = self.region.load(at, Ordering::Relaxed)?.wrapping_add(by);
        self.note(at, value)
    }

    /// The word at `at`, which belongs to the domain as long as it is `owned`, shall become `given`
    /// and with that somebody else's, once all other words are written.
    ///
    /// # Errors
    /// See [`Changes::set`].
    pub fn hand_over(&mut self, at: Offset, owned: u64, given: u64) -> Result<()> {
        self.region.word(at)?;
        let hand_over = (at.bytes(), owned, given);
        self.hand_overs.try_push(hand_over).map_err(|_| too_many(at.bytes()))
    }

    /// How many more words can be changed.
    #[must_use]
    pub fn room(&self) -> usize {
        self.pairs.remaining_capacity().saturating_sub(2 * self.hand_overs.len())
    }

    /// How many more words can be handed over.
    #[must_use]
    pub fn hand_overs_left(&self) -> usize {
        self.hand_overs.remaining_capacity()
    }

    /// What the word at `at` shall become, if it is among the changes.
    #[inline]
    fn noted(&mut self, at: Offset) -> Option<&mut u64> {
        if self.filter & filter_bit(at) == 0 {
            return None;
        }
        let pair = self.pairs.iter_mut().find(|[place, _]| *place == at.bytes());
        pair.map(|[_, value]| value)
    }

    #[inline]
    fn note(&mut self, at: Offset, value: u64) -> Result<()> {
        self.filter |= filter_bit(at);
        self.pairs.try_push([at.bytes(), value]).map_err(|_| too_many(at.bytes()))
    }

    /// All words in the order in which they are written.
    #[inline]
    fn finish(&mut self) -> Result<()> {
        for (at, owned, given) in &self.hand_overs {
            for pair in [[at | EXPECTED, *owned], [*at, *given]] {
                self.pairs.try_push(pair).map_err(|_| too_many(*at))?;
            }
        }
        Ok(())
    }
}

/// Makes all changes at once. The caller holds the latch of the domain at `base`. (By reference,
/// for they are nearly two thousand bytes.)
///
/// Killed before the seal: nothing has happened, and the next holder overwrites the intent. Killed
/// after it: everything has happened, and the next holder calls [`finish`].
///
/// # Errors
/// [`Error::Corrupted`] if the domain lies outside the segment; the offsets of the changes were
/// checked when they were noted.
#[inline]
pub fn commit(region: &Region, base: Offset, changes: &mut Changes<'_>) -> Result<()> {
    changes.finish()?;
    // The sequence that ended the last intent of this hold is seen before any word of the next.
    fence(Ordering::Release);
    region.store_all(base.add(domain::INTENT), changes.pairs.as_flattened())?;
    let count = changes.pairs.len() as u64;
    region.store(base.add(domain::INTENT_COUNT), count, Ordering::Relaxed)?;

    // Relaxed: only the holder of the latch writes it.
    let sequence = region.load(base.add(domain::SEQUENCE), Ordering::Relaxed)?;
    // Release: who reads this odd value with Acquire (`Overlay::read`) sees the whole intent.
    region.store(base.add(domain::SEQUENCE), sequence.wrapping_add(1), Ordering::Release)?;
    apply(region, &changes.pairs)?;
    // Release: pairs with the Acquire in `sequence`; who reads it sees all words applied.
    region.store(base.add(domain::SEQUENCE), sequence.wrapping_add(2), Ordering::Release)
}

/// Finishes the sealed intent that a former holder of the latch left, if there is one.
///
/// # Errors
/// [`Error::Corrupted`] if the intent is none that a member writes; nothing is written then.
#[inline]
pub fn finish(region: &Region, base: Offset) -> Result<()> {
    // Relaxed: the latch, which the caller holds, orders it.
    let sequence = region.load(base.add(domain::SEQUENCE), Ordering::Relaxed)?;
    if sequence & 1 == 0 { Ok(()) } else { replay(region, base, sequence) }
}

#[cold]
fn replay(region: &Region, base: Offset, sequence: u64) -> Result<()> {
    let mut pairs = read_pairs(region, base)?;
    for [at, _] in &pairs {
        region.word(Offset::new(at & !EXPECTED))?;
    }
    if is_handed_over(region, &pairs)? {
        // All other words are written, and may be others' by now.
        let from = pairs.iter().position(|[at, _]| at & EXPECTED != 0).unwrap_or(pairs.len());
        pairs.drain(..from);
    }
    apply(region, &pairs)?;
    // Release: as in `commit`.
    region.store(base.add(domain::SEQUENCE), sequence.wrapping_add(1), Ordering::Release)
}

/// Whether one of the words that are written last has been written.
fn is_handed_over(region: &Region, pairs: &Pairs) -> Result<bool> {
    for [at, owned] in pairs.iter().filter(|[at, _]| at & EXPECTED != 0) {
        // Acquire: pairs with the Release of the swap in `apply`.
        if region.load(Offset::new(at & !EXPECTED), Ordering::Acquire)? != *owned {
            return Ok(true);
        }
    }
    Ok(false)
}

#[inline]
fn apply(region: &Region, pairs: &Pairs) -> Result<()> {
    // A reader that sees one of the words below and then reads the sequence after an Acquire fence
    // sees it odd, or later.
    fence(Ordering::Release);
    let mut pairs = pairs.iter();
    while let Some([at, value]) = pairs.next() {
        if at & EXPECTED == 0 {
            region.store(Offset::new(*at), *value, Ordering::Relaxed)?;
            continue;
        }
        let at = Offset::new(at & !EXPECTED);
        let given = pairs.next().map_or(*value, |[_, given]| *given);
        // Release: who takes the word over sees all that was done while it was ours. A failure
        // means that this very write was done before, and that others have gone on from it.
        let order = (Ordering::Release, Ordering::Relaxed);
        let _ = region.compare_exchange(at, *value, given, order.0, order.1)?;
    }
    Ok(())
}

/// The sequence of the domain, for [`is_unchanged`].
///
/// # Errors
/// [`Error::Corrupted`] if the domain lies outside the segment.
#[inline(always)]
pub fn sequence(region: &Region, base: Offset) -> Result<u64> {
    // Acquire: pairs with the Release of the last store in `commit`.
    region.load(base.add(domain::SEQUENCE), Ordering::Acquire)
}

/// Whether nothing in the domain has changed since its sequence was read, so that all words read
/// in between belong together.
///
/// # Errors
/// [`Error::Corrupted`] if the domain lies outside the segment.
#[inline(always)]
pub fn is_unchanged(region: &Region, base: Offset, sequence: u64) -> Result<bool> {
    // Pairs with the Release fences in `apply` and in `latch::acquire`.
    fence(Ordering::Acquire);
    Ok(region.load(base.add(domain::SEQUENCE), Ordering::Relaxed)? == sequence)
}

/// The domain as it is once its sealed intent is applied.
#[derive(Debug)]
pub struct Overlay<'r> {
    region: &'r Region,
    pairs: Pairs,
}

impl<'r> Overlay<'r> {
    /// Reads the intent that is sealed by the odd `sequence`; `None` if it is not any more. What is
    /// read through the overlay counts only if [`is_unchanged`] says so afterwards.
    ///
    /// # Errors
    /// [`Error::Corrupted`] if the intent is none that a member writes.
    #[cold]
    pub fn read(region: &'r Region, base: Offset, sequence: u64) -> Result<Option<Self>> {
        let pairs = read_pairs(region, base);
        if !is_unchanged(region, base, sequence)? {
            return Ok(None);
        }
        Ok(Some(Self { region, pairs: pairs? }))
    }
}

impl Words for Overlay<'_> {
    fn word_at(&self, at: Offset) -> Result<u64> {
        match pending(&self.pairs, at) {
            Some(value) => Ok(value),
            None => self.region.word_at(at),
        }
    }
}

fn read_pairs(region: &Region, base: Offset) -> Result<Pairs> {
    let count = region.load(base.add(domain::INTENT_COUNT), Ordering::Relaxed)?;
    if count > domain::INTENT_PAIRS {
        return Err(Error::corrupted("the length of an intent", base.bytes()));
    }
    let mut pairs = Pairs::new();
    for index in 0..count {
        let at = base.add(domain::INTENT).word(2 * index);
        let word = region.load(at, Ordering::Relaxed)?;
        let value = region.load(at.word(1), Ordering::Relaxed)?;
        let full = |_| Error::corrupted("the length of an intent", base.bytes());
        pairs.try_push([word, value]).map_err(full)?;
    }
    Ok(pairs)
}

#[cold]
const fn too_many(at: u64) -> Error {
    Error::corrupted("too many changes for one intent", at)
}

#[inline]
fn pending(pairs: &Pairs, at: Offset) -> Option<u64> {
    pairs.iter().find(|[place, _]| *place == at.bytes()).map(|[_, value]| *value)
}

/// The bit of the filter that an offset has (multiplicative hashing, Knuth).
#[inline]
const fn filter_bit(at: Offset) -> u64 {
    1 << ((at.bytes() >> 3).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58)
}
