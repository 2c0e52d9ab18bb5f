//! Memory that other processes write, as bounds-checked atomic words.
//!
//! The only references into the segment are to the atomics that [`Region`] finds after a check of
//! bounds and alignment: no slice of anything else, no string and no struct ever lies over it. Other
//! members may store anything at any time; whoever needs a stable picture copies words and then
//! validates.
//! Process-shared atomics are sound where they are lock-free (\[atomics.lockfree\] calls those
//! address-free: "memory shared between two processes" included).
#![allow(unsafe_code, reason = "turns checked offsets of the mapping into references to atomics")]

use crate::error::{Error, Result};
use crate::fault;
use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// Words of a copy up to which each is checked by itself. The loop of a longer one is unrolled, which
/// makes that faster and would make a short one slower.
const SHORT_COPY: usize = 16;

/// A place in the segment, in bytes from its start. Addresses differ from process to process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset(u64);

impl Offset {
    /// The place `bytes` after the start of the segment.
    #[must_use]
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Bytes from the start of the segment.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// The place `bytes` further on. A sum that wraps fails the bounds check when it is used.
    #[must_use]
    pub const fn add(self, bytes: u64) -> Self {
        Self(self.0.wrapping_add(bytes))
    }

    /// The `index`-th word from here.
    #[must_use]
    pub const fn word(self, index: u64) -> Self {
        self.add(index.wrapping_mul(8))
    }
}

/// The words of a segment.
#[derive(Debug)]
pub struct Region {
    #[cfg(not(shm_loom))]
    mapping: crate::os::mapping::Mapping,
    /// How many there are.
    #[cfg(not(shm_loom))]
    words: u64,
    #[cfg(shm_loom)]
    mapping: crate::segment::modelled::Words,
}

impl Region {
    /// The words of a mapping.
    #[cfg(not(shm_loom))]
    #[must_use]
    pub const fn new(mapping: crate::os::mapping::Mapping) -> Self {
        Self { words: mapping.length() as u64 / 8, mapping }
    }

    /// A region of `length` bytes of zeros of which a model run touches `words` words at most.
    #[cfg(shm_loom)]
    #[must_use]
    pub fn modelled(length: u64, words: usize) -> Self {
        Self { mapping: crate::segment::modelled::Words::new(length, words) }
    }

    /// Bytes of the segment.
    #[cfg(not(shm_loom))]
    #[inline]
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.mapping.length() as u64
    }

    /// The word at `at`.
    ///
    /// # Errors
    /// [`Error::Corrupted`] if it does not lie wholly inside the segment or is not aligned: such an
    /// offset can only have been read from damaged memory.
    #[cfg(not(shm_loom))]
    #[inline(always)]
    pub fn word(&self, at: Offset) -> Result<&AtomicU64> {
        let bytes = at.bytes();
        // One comparison for both: the bits that an aligned offset does not have become the highest.
        if bytes.rotate_right(3) >= self.words {
            return Err(Error::corrupted("an offset outside the segment", bytes));
        }
        // SAFETY: the check above keeps all eight bytes inside the mapping and the address aligned,
        // for the mapping starts at a page. Every access by every process is atomic, and the reference
        // cannot outlive `self`, which owns the mapping.
        #[expect(clippy::cast_possible_truncation, reason = "bounded by a usize length")]
        let word = unsafe { self.mapping.start().byte_add(bytes as usize).cast().as_ref() };
        Ok(word)
    }

    /// The word at `at` of a model.
    #[cfg(shm_loom)]
    pub fn word(&self, at: Offset) -> Result<&AtomicU64> {
        let outside = || Error::corrupted("an offset outside the segment", at.bytes());
        self.mapping.word(at).ok_or_else(outside)
    }

    /// So many words from `at` on: one check for all of them, so that a damaged length cannot start a
    /// long copy.
    #[cfg(not(shm_loom))]
    #[inline(always)]
    fn words(&self, at: Offset, count: usize) -> Result<&[AtomicU64]> {
        let Some(behind_first) = count.checked_sub(1) else {
            return Ok(&[]);
        };
        self.word(at)?;
        if behind_first as u64 >= self.words - at.bytes() / 8 {
            return Err(Error::corrupted("a range outside the segment", at.bytes()));
        }
        // SAFETY: as in `word`, which has checked the first one; the comparison above has checked the
        // last, and between them all is mapped and aligned too.
        #[expect(clippy::cast_possible_truncation, reason = "bounded by a usize length")]
        let words = unsafe {
            let first = self.mapping.start().byte_add(at.bytes() as usize).cast();
            std::slice::from_raw_parts(first.as_ptr(), count)
        };
        Ok(words)
    }

    /// So many words of a model from `at` on.
    #[cfg(shm_loom)]
    fn words(&self, at: Offset, count: usize) -> Result<Vec<&AtomicU64>> {
        (0..count as u64).map(|index| self.word(at.word(index))).collect()
    }

    /// The half word at `at`, for futexes.
    ///
    /// # Errors
    /// [`Error::Corrupted`] as for [`Region::word`].
    #[cfg(not(shm_loom))]
    pub fn half(&self, at: Offset) -> Result<&AtomicU32> {
        let bytes = at.bytes();
        if bytes & 3 != 0 || bytes > self.length() - 8 {
            return Err(Error::corrupted("an offset outside the segment", bytes));
        }
        // SAFETY: as in `word`: inside, aligned, and atomic in every process. The layout uses no word
        // both as a whole and as halves. Where a damaged offset leads to that, atomics of two sizes
        // overlap: Rust promises nothing then, but the processors this runs on keep each one whole.
        #[expect(clippy::cast_possible_truncation, reason = "bounded by a usize length")]
        let half = unsafe { self.mapping.start().byte_add(bytes as usize).cast().as_ref() };
        Ok(half)
    }

    /// The half word at `at` of a model.
    #[cfg(shm_loom)]
    pub fn half(&self, at: Offset) -> Result<&AtomicU32> {
        let outside = || Error::corrupted("an offset outside the segment", at.bytes());
        self.mapping.half(at).ok_or_else(outside)
    }

    /// Reads the word at `at`.
    ///
    /// # Errors
    /// [`Error::Corrupted`] if `at` is no word of the segment; so for all methods below.
    #[inline(always)]
    pub fn load(&self, at: Offset, order: Ordering) -> Result<u64> {
        Ok(self.word(at)?.load(order))
    }

    /// Writes the word at `at`.
    ///
    /// # Errors
    /// See [`Region::load`].
    #[inline(always)]
    pub fn store(&self, at: Offset, value: u64, order: Ordering) -> Result<()> {
        let word = self.word(at)?;
        fault::point(at.bytes());
        word.store(value, order);
        Ok(())
    }

    /// Writes `new` if `expected` stands there; gives what stood there, as `Ok` if it was written.
    ///
    /// # Errors
    /// See [`Region::load`].
    #[inline(always)]
    pub fn compare_exchange(
        &self,
        at: Offset,
        expected: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<Result<u64, u64>> {
        let word = self.word(at)?;
        fault::point(at.bytes());
        Ok(word.compare_exchange(expected, new, success, failure))
    }

    /// Adds bits to the word at `at`; gives what stood there.
    ///
    /// # Errors
    /// See [`Region::load`].
    #[inline]
    pub fn fetch_or(&self, at: Offset, bits: u64, order: Ordering) -> Result<u64> {
        let word = self.word(at)?;
        fault::point(at.bytes());
        Ok(word.fetch_or(bits, order))
    }

    /// Writes these words one behind the other.
    ///
    /// # Errors
    /// See [`Region::load`]; then nothing is written.
    #[inline]
    pub fn store_all(&self, at: Offset, values: &[u64]) -> Result<()> {
        for (index, (word, value)) in self.words(at, values.len())?.iter().zip(values).enumerate() {
            fault::point(at.word(index as u64).bytes());
            word.store(*value, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Copies bytes out of the segment, word by word; `at` must be aligned. What is copied is
    /// whatever stood there from word to word: the caller validates afterwards.
    ///
    /// # Errors
    /// See [`Region::load`].
    #[inline]
    pub fn read_bytes(&self, at: Offset, out: &mut [u8]) -> Result<()> {
        let words = self.words(at, out.len().div_ceil(8))?;
        let (whole, rest) = out.as_chunks_mut();
        for (word, to) in words.iter().zip(whole) {
            *to = word.load(Ordering::Relaxed).to_le_bytes();
        }
        if !rest.is_empty()
            && let Some(word) = words.last()
        {
            let last = word.load(Ordering::Relaxed).to_le_bytes();
            for (to, byte) in rest.iter_mut().zip(last) {
                *to = byte;
            }
        }
        Ok(())
    }

    /// Copies bytes into a part of the segment that nobody else reads yet, word by word, the last
    /// word filled up with zeros; `at` must be aligned. For the fault harness the copy is three
    /// points: before, in the middle, and before its last word.
    ///
    /// # Errors
    /// See [`Region::load`].
    #[inline]
    pub fn write_bytes(&self, at: Offset, bytes: &[u8]) -> Result<()> {
        self.words(at, bytes.len().div_ceil(8))?;
        let last = bytes.len().div_ceil(8).saturating_sub(1);
        let pass = |index: usize| {
            if index == 0 || index == last.div_ceil(2) || index == last {
                fault::point(at.word(index as u64).bytes());
            }
        };
        let (whole, rest) = bytes.as_chunks();
        if whole.len() > SHORT_COPY {
            self.write_whole(at, whole, pass)?;
        } else {
            for (index, from) in whole.iter().enumerate() {
                pass(index);
                self.word(at.word(index as u64))?
                    .store(u64::from_le_bytes(*from), Ordering::Relaxed);
            }
        }
        if !rest.is_empty() {
            pass(last);
            self.word(at.word(last as u64))?.store(last_word(rest), Ordering::Relaxed);
        }
        Ok(())
    }

    #[inline(never)]
    fn write_whole(&self, at: Offset, from: &[[u8; 8]], pass: impl Fn(usize)) -> Result<()> {
        for (index, (word, from)) in self.words(at, from.len())?.iter().zip(from).enumerate() {
            pass(index);
            word.store(u64::from_le_bytes(*from), Ordering::Relaxed);
        }
        Ok(())
    }

    /// Whether the bytes at `at` are these, the last word filled up with zeros.
    ///
    /// # Errors
    /// See [`Region::load`].
    #[inline(always)]
    pub fn equals(&self, at: Offset, bytes: &[u8]) -> Result<bool> {
        let mut from = at;
        let chunks = bytes.chunks_exact(8);
        let rest = chunks.remainder();
        for chunk in chunks {
            let mut word = [0; 8];
            word.copy_from_slice(chunk);
            if self.load(from, Ordering::Relaxed)? != u64::from_le_bytes(word) {
                return Ok(false);
            }
            from = from.word(1);
        }
        Ok(rest.is_empty() || self.load(from, Ordering::Relaxed)? == last_word(rest))
    }
}

/// Up to seven bytes as a word, filled up with zeros: two overlapping halves instead of a loop.
#[inline(always)]
fn last_word(bytes: &[u8]) -> u64 {
    let shift = |bytes: usize| 8 * bytes;
    match (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        (Some(low), Some(high)) => {
            let (low, high) = (u32::from_le_bytes(*low), u32::from_le_bytes(*high));
            u64::from(low) | u64::from(high) << shift(bytes.len() - 4)
        }
        _ => bytes
            .iter()
            .enumerate()
            .fold(0, |word, (at, byte)| word | u64::from(*byte) << shift(at)),
    }
}

#[cfg(test)]
mod tests {
    use super::last_word;

    #[test]
    fn the_last_word_is_filled_up_with_zeros() {
        let bytes = [1, 2, 3, 4, 5, 6, 7];
        for length in 1..=7 {
            let mut word = [0; 8];
            word[..length].copy_from_slice(&bytes[..length]);
            assert_eq!(last_word(&bytes[..length]), u64::from_le_bytes(word));
        }
    }
}
