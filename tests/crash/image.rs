//! A segment as it was at a moment when nobody changed it.

use super::content::Content;
use super::control::{Cell, Target};
use super::scene::{HOME, Scene};
use cluster_shared_memory::heap::{fact::Fact, pages};
use cluster_shared_memory::segment::Segment;
use cluster_shared_memory::segment::layout::{PAGE, shard};
use cluster_shared_memory::sync::Ordering;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// All bytes of the segment, and what the runner knows about them.
pub(crate) struct Image {
    bytes: Vec<u8>,
    pub(crate) changes: Vec<u64>,
    pub(crate) targets: Vec<Target>,
    pub(crate) statics: usize,
    pub(crate) thieves: usize,
    pub(crate) next_thief: usize,
    /// Whether there may be no room for the writer.
    pub(crate) is_tight: u64,
    pub(crate) probes: [(u64, u64, Content); 2],
}

/// The figures that tell which path an operation took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Figures {
    pub(crate) entries: u64,
    pub(crate) version: u64,
    pub(crate) buckets: u64,
    pub(crate) buckets_backed: u64,
    pub(crate) log_head: u64,
    pub(crate) log_tail: u64,
    pub(crate) log_kept: u64,
    /// Spans of the shard under test.
    pub(crate) spans: u64,
    /// Pages in its runs.
    pub(crate) run_pages: u64,
    /// Pieces of free pages.
    pub(crate) free_pieces: u64,
    pub(crate) repairs: u64,
    pub(crate) members: u64,
}

impl Image {
    pub(crate) fn take(scene: &Scene) -> Self {
        let segment = scene.store.segment();
        let mut bytes = vec![0; segment.layout().length as usize];
        file(segment).read_exact_at(&mut bytes, 0).unwrap();
        let change = |index| scene.control.done(index).load(Ordering::Acquire);
        Self {
            bytes,
            changes: (0..scene.written.len()).map(change).collect(),
            targets: scene.targets.clone(),
            statics: scene.statics.len(),
            thieves: scene.thieves.len(),
            next_thief: scene.next_thief,
            is_tight: scene.control.get(Cell::Tight),
            probes: scene.probes,
        }
    }

    /// Writes back what has changed; gives the offsets of the pages that had.
    pub(crate) fn restore(&self, segment: &Segment) -> Vec<u64> {
        let file = file(segment);
        let mut changed = Vec::new();
        let mut buffer = vec![0; 1 << 18];
        for (part, old) in self.bytes.chunks(buffer.len()).enumerate() {
            let start = (part * buffer.len()) as u64;
            let now = &mut buffer[..old.len()];
            file.read_exact_at(now, start).unwrap();
            if now == old {
                continue;
            }
            let pages = now.chunks(PAGE as usize).zip(old.chunks(PAGE as usize));
            for (at, (now, old)) in (start..).step_by(PAGE as usize).zip(pages) {
                if now != old {
                    file.write_all_at(old, at).unwrap();
                    changed.push(at);
                }
            }
        }
        changed
    }

    /// The fact of a page as it was.
    pub(crate) fn fact(&self, segment: &Segment, page: u64) -> Option<Fact> {
        let at = segment.layout().fact(page).bytes() as usize;
        let word = self.bytes.get(at..at + 8)?.first_chunk::<8>()?;
        Fact::from_word(u64::from_le_bytes(*word))
    }

    /// A word as it was.
    pub(crate) fn word(&self, at: u64) -> u64 {
        let word = self.bytes.get(at as usize..).and_then(<[u8]>::first_chunk);
        u64::from_le_bytes(*word.unwrap())
    }
}

impl Figures {
    pub(crate) fn of(scene: &Scene) -> Self {
        let segment = scene.store.segment();
        let mut figures = Self {
            entries: scene.home(shard::ENTRIES),
            version: scene.home(shard::VERSION),
            buckets: scene.home(shard::BUCKETS),
            buckets_backed: scene.home(shard::BUCKETS_BACKED),
            log_head: scene.home(shard::LOG_HEAD),
            log_tail: scene.home(shard::LOG_TAIL),
            log_kept: scene.home(shard::LOG_KEPT),
            spans: 0,
            run_pages: 0,
            free_pieces: 0,
            repairs: scene.store.stats().unwrap().repairs,
            members: scene.store.stats().unwrap().members.len() as u64,
        };
        for (_, fact) in pieces(segment) {
            match fact {
                Fact::Span { shard: HOME, .. } => figures.spans += 1,
                Fact::Run { shard: HOME, pages } => figures.run_pages += pages,
                Fact::Free { .. } => figures.free_pieces += 1,
                _ => {}
            }
        }
        figures
    }
}

/// The pages of all long values.
pub(crate) fn runs(segment: &Segment) -> Vec<Range<u64>> {
    let run = |(page, fact)| match fact {
        Fact::Run { pages, .. } => Some(page..page + pages),
        _ => None,
    };
    pieces(segment).into_iter().filter_map(run).collect()
}

fn pieces(segment: &Segment) -> Vec<(u64, Fact)> {
    let (mut found, mut page) = (Vec::new(), 0);
    while page < segment.layout().pages {
        let fact = pages::fact(segment, page).unwrap();
        found.push((page, fact));
        page += fact.pages().max(1);
    }
    found
}

fn file(segment: &Segment) -> File {
    File::from(segment.file().try_clone_to_owned().unwrap())
}
