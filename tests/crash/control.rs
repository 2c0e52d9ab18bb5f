//! What the processes of the matrix tell each other: words in a file of their own, so that nothing
//! of the test stands in the segment under test.

use super::content::Content;
use cluster_shared_memory::os::{fd, mapping::Mapping};
use cluster_shared_memory::segment::region::{Offset, Region};
use cluster_shared_memory::sync::{AtomicU64, Ordering};
use rustix::fd::{AsFd, OwnedFd};

/// Two that read and one that writes.
pub(crate) const BYSTANDERS: u64 = 3;
pub(crate) const WRITER: u64 = 2;
/// Stores of one operation that can be recorded.
pub(crate) const TRACE: u64 = 4000;

/// A word that all see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Cell {
    /// 1: bystanders stop between two operations.
    Pause,
    /// 1: the writer keeps away from the shard under test, and from pages.
    Calm,
    /// 1: there may be no room for what the writer wants.
    Tight,
    /// The latch word of the member that runs the operation.
    Actor,
    /// Set once the operation has returned: 1, or 2 for out of memory.
    Returned,
    /// Operations that the writer has done in the shard under test.
    HomeWrites,
    /// How often it was told that an owner does not let go, and the longest wait for that in us.
    Busies,
    SlowestBusy,
    /// How many of each there are.
    Targets,
    Statics,
    Written,
    Traced,
    /// For each bystander: has it paused, how much has it done, how long took the slowest.
    Paused,
    Done = 15,
    TargetReads = 18,
    Slowest = 21,
    /// Keys that the moves of a row are about: how many.
    Names = 24,
    /// What the actor is to do next, with which of them; the last order that it has obeyed, and what
    /// it was told then.
    Order,
    OrderOf,
    Obeyed,
    Told,
    Ticket,
    End,
}

/// The order to begin the operation under test.
pub(crate) const GO: u64 = u64::MAX;
/// Names that the actor may hear of.
pub(crate) const NAMES: u64 = 8;

const TARGETS_AT: u64 = Cell::End as u64;
const STATICS_AT: u64 = TARGETS_AT + 8 * Target::WORDS;
const WRITTEN_AT: u64 = STATICS_AT + 64 * 4;
const NAMES_AT: u64 = WRITTEN_AT + 32 * 4;
const TRACE_AT: u64 = NAMES_AT + NAMES;
const WORDS: u64 = TRACE_AT + TRACE;

/// A key under test: it holds the one or, later, the other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Target {
    pub(crate) id: u64,
    pub(crate) old: Content,
    pub(crate) new: Content,
}

/// A key that the writer changes again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) id: u64,
    pub(crate) kind: Kind,
    pub(crate) is_home: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Kind {
    Number,
    Small,
    Long,
    /// There after each odd change.
    Toggle,
}

impl Target {
    const WORDS: u64 = 7;
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Number, Self::Small, Self::Long, Self::Toggle];
}

impl Written {
    /// What the key holds after so many changes.
    pub(crate) fn content(self, change: u64) -> Content {
        let seed = self.id << 32 | change;
        let vary = change as usize;
        match self.kind {
            Kind::Number => Content::Number(change as f64),
            Kind::Small => Content::bytes(290 + vary % 14, seed),
            Kind::Long => Content::bytes(5000 + vary % 2 * 4096, seed),
            Kind::Toggle if change.is_multiple_of(2) => Content::Absent,
            Kind::Toggle => Content::bytes(300, seed),
        }
    }

    /// Whether it can hold this after the first `done` to `attempted` changes.
    pub(crate) fn may_hold(self, content: Content, done: u64, attempted: u64) -> bool {
        let change = match content {
            Content::Absent => done + done % 2,
            Content::Number(number) => number as u64,
            Content::Bytes { seed, .. } => seed & u64::from(u32::MAX),
        };
        (done..=attempted).contains(&change) && self.content(change) == content
    }
}

/// The words.
#[derive(Debug)]
pub(crate) struct Control {
    file: OwnedFd,
    region: Region,
}

impl Control {
    pub(crate) fn create() -> Self {
        let bytes = (WORDS * 8).next_multiple_of(4096);
        Self::map(fd::create_sealed("crash-matrix", bytes).unwrap())
    }

    pub(crate) fn map(file: OwnedFd) -> Self {
        let bytes = fd::sealed_length(file.as_fd()).unwrap();
        let mapping = Mapping::new(file.as_fd(), bytes as usize).unwrap();
        Self { file, region: Region::new(mapping) }
    }

    pub(crate) fn file(&self) -> &OwnedFd {
        &self.file
    }

    pub(crate) fn get(&self, cell: Cell) -> u64 {
        self.get_of(cell, 0)
    }

    pub(crate) fn set(&self, cell: Cell, value: u64) {
        self.set_of(cell, 0, value);
    }

    /// The word of a bystander.
    pub(crate) fn get_of(&self, cell: Cell, who: u64) -> u64 {
        self.word(cell as u64 + who).load(Ordering::Acquire)
    }

    pub(crate) fn set_of(&self, cell: Cell, who: u64, value: u64) {
        self.word(cell as u64 + who).store(value, Ordering::Release);
    }

    pub(crate) fn count(&self, cell: Cell, who: u64) {
        self.word(cell as u64 + who).fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn at_least(&self, cell: Cell, who: u64, value: u64) {
        self.word(cell as u64 + who).fetch_max(value, Ordering::AcqRel);
    }

    pub(crate) fn targets(&self) -> Vec<Target> {
        let target = |index| {
            let at = TARGETS_AT + index * Target::WORDS;
            Target {
                id: self.words::<1>(at)[0],
                old: Content::from_words(self.words(at + 1)),
                new: Content::from_words(self.words(at + 4)),
            }
        };
        (0..self.get(Cell::Targets)).map(target).collect()
    }

    pub(crate) fn set_targets(&self, targets: &[Target]) {
        for (index, target) in targets.iter().enumerate() {
            let at = TARGETS_AT + index as u64 * Target::WORDS;
            self.set_words(at, &[target.id]);
            self.set_words(at + 1, &target.old.to_words());
            self.set_words(at + 4, &target.new.to_words());
        }
        self.set(Cell::Targets, targets.len() as u64);
    }

    pub(crate) fn statics(&self) -> Vec<(u64, Content)> {
        let one = |index| {
            let [id, content @ ..] = self.words::<4>(STATICS_AT + index * 4);
            (id, Content::from_words(content))
        };
        (0..self.get(Cell::Statics)).map(one).collect()
    }

    pub(crate) fn set_statics(&self, statics: &[(u64, Content)]) {
        for (index, (id, content)) in statics.iter().enumerate() {
            let at = STATICS_AT + index as u64 * 4;
            self.set_words(at, &[*id]);
            self.set_words(at + 1, &content.to_words());
        }
        self.set(Cell::Statics, statics.len() as u64);
    }

    pub(crate) fn written(&self) -> Vec<Written> {
        let one = |index| {
            let [id, kind] = self.words::<2>(WRITTEN_AT + index * 4);
            Written { id, kind: Kind::ALL[(kind & 3) as usize], is_home: kind & 4 != 0 }
        };
        (0..self.get(Cell::Written)).map(one).collect()
    }

    pub(crate) fn set_written(&self, written: &[Written]) {
        for (index, one) in written.iter().enumerate() {
            let kind = one.kind as u64 | u64::from(one.is_home) << 2;
            self.set_words(WRITTEN_AT + index as u64 * 4, &[one.id, kind, 0, 0]);
        }
        self.set(Cell::Written, written.len() as u64);
    }

    /// The ids of the first few keys that moves are about.
    pub(crate) fn names(&self) -> Vec<u64> {
        (0..self.get(Cell::Names)).map(|index| self.words::<1>(NAMES_AT + index)[0]).collect()
    }

    pub(crate) fn set_names(&self, names: &[u64]) {
        let few = names.iter().take(NAMES as usize);
        self.set(Cell::Names, few.len() as u64);
        for (index, id) in few.enumerate() {
            self.set_words(NAMES_AT + index as u64, &[*id]);
        }
    }

    /// Changes of a written key that have been begun.
    pub(crate) fn attempted(&self, index: usize) -> &AtomicU64 {
        self.word(WRITTEN_AT + index as u64 * 4 + 2)
    }

    /// Changes of a written key that have been done.
    pub(crate) fn done(&self, index: usize) -> &AtomicU64 {
        self.word(WRITTEN_AT + index as u64 * 4 + 3)
    }

    pub(crate) fn record(&self, offset: u64) {
        let at = self.get(Cell::Traced);
        assert!(at < TRACE, "an operation of too many stores");
        self.set_words(TRACE_AT + at, &[offset]);
        self.set(Cell::Traced, at + 1);
    }

    pub(crate) fn trace(&self) -> Vec<u64> {
        let one = |index| self.words::<1>(TRACE_AT + index)[0];
        (0..self.get(Cell::Traced)).map(one).collect()
    }

    fn words<const N: usize>(&self, at: u64) -> [u64; N] {
        std::array::from_fn(|index| self.word(at + index as u64).load(Ordering::Acquire))
    }

    fn set_words(&self, at: u64, words: &[u64]) {
        for (index, word) in words.iter().enumerate() {
            self.word(at + index as u64).store(*word, Ordering::Release);
        }
    }

    fn word(&self, at: u64) -> &AtomicU64 {
        assert!(at < WORDS);
        self.region.word(Offset::new(at * 8)).unwrap()
    }
}
