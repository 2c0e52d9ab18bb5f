//! A segment without a file, for model runs (`--cfg shm_loom`).
//!
//! Loom keeps a history of every atomic, so a model has only as many as it touches: all of them are
//! zero, and each stands for the offset that first asks for it.

use super::Segment;
use crate::error::Result;
use crate::segment::layout::Layout;
use crate::segment::region::{Offset, Region};
use crate::sync::{AtomicU32, AtomicU64};
use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};

/// Words of a store that are there before the threads of a model begin, who touch no others. Who looks
/// at everything when they have ended needs more: each is made when it is touched.
const WORDS: usize = 320;
/// Words that a model touches at most.
const MAX_WORDS: usize = 2048;
/// Half words that it touches at most.
const HALVES: usize = 8;
/// A log is so short that one change can lap its readers: by its length if the values fit the
/// smallest blocks, and by the bytes of what it keeps.
const LOG_RECORDS: u64 = 2;
const LOG_BYTES: u64 = 64;

/// The words of a modelled region.
#[derive(Debug)]
pub(super) struct Words {
    length: u64,
    words: Box<[OnceLock<AtomicU64>]>,
    halves: Box<[AtomicU32]>,
    /// Which word stands for which offset. Loom runs one thread at a time, and does not switch
    /// while this is locked: the naming is the same in each repetition of a run.
    names: Mutex<HashMap<Offset, usize>>,
    half_names: Mutex<HashMap<Offset, usize>>,
}

impl Words {
    pub(super) fn new(length: u64, words: usize) -> Self {
        let made = (0..words).map(|_| OnceLock::from(AtomicU64::new(0)));
        let words = made.chain((words..MAX_WORDS).map(|_| OnceLock::new())).collect();
        let halves = (0..HALVES).map(|_| AtomicU32::new(0)).collect();
        Self { length, words, halves, names: Mutex::default(), half_names: Mutex::default() }
    }

    /// The word at `at`; `None` outside the region.
    pub(super) fn word(&self, at: Offset) -> Option<&AtomicU64> {
        let word = self.named(at, 8, &self.names, &self.words)?;
        Some(word.get_or_init(|| AtomicU64::new(0)))
    }

    /// The half word at `at`; `None` outside the region.
    pub(super) fn half(&self, at: Offset) -> Option<&AtomicU32> {
        self.named(at, 4, &self.half_names, &self.halves)
    }

    fn named<'w, T>(
        &self,
        at: Offset,
        align: u64,
        names: &Mutex<HashMap<Offset, usize>>,
        words: &'w [T],
    ) -> Option<&'w T> {
        if !at.bytes().is_multiple_of(align) || at.bytes() >= self.length {
            return None;
        }
        let mut names = names.lock().unwrap_or_else(PoisonError::into_inner);
        let next = names.len();
        let word = words.get(*names.entry(at).or_insert(next));
        assert!(word.is_some(), "the model touches more words than it was given");
        word
    }
}

impl Segment {
    /// Makes a new segment. Its hash has a fixed key, and its logs are short.
    ///
    /// # Errors
    /// None.
    pub fn create(mut layout: Layout) -> Result<Self> {
        (layout.log_records, layout.log_bytes) = (LOG_RECORDS, LOG_BYTES);
        let region = Region::modelled(layout.length, WORDS);
        Ok(Self { region, layout, hash_key: (1, 2) })
    }

    /// Does nothing: a modelled segment has all its memory.
    ///
    /// # Errors
    /// None.
    pub const fn back(&self, _start: u64, _length: u64) -> Result<()> {
        Ok(())
    }

    /// Does nothing: no model looks into pages that it has given back.
    ///
    /// # Errors
    /// None.
    pub const fn punch(&self, _start: u64, _length: u64) -> Result<()> {
        Ok(())
    }
}
