//! A segment as it was at a moment when nobody changed it.

use super::book::Line;
use super::content::Content;
use super::control::{Cell, Target};
use super::scene::{HOME, Outcome, Scene};
use cluster_shared_memory::heap::{fact::Fact, pages};
use cluster_shared_memory::segment::Segment;
use cluster_shared_memory::segment::layout::{PAGE, shard};
use cluster_shared_memory::segment::region::Offset;
use cluster_shared_memory::sync::Ordering;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// Rewinds for one look at the memory that nobody may touch.
const REWINDS_PER_LOOK: u32 = 32;

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
    pub(crate) names: Vec<u64>,
    pub(crate) book: Vec<Line>,
    pub(crate) victims: Vec<u64>,
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
            names: scene.cast.names.clone(),
            book: scene.cast.book.clone(),
            victims: scene.cast.victims.clone(),
        }
    }

    /// Writes back what has changed, but for some ranges of bytes that are left alone; gives the
    /// offsets of the pages that had.
    pub(crate) fn restore(&self, segment: &Segment, but: &[Range<u64>]) -> Vec<u64> {
        let file = file(segment);
        let mut changed = Vec::new();
        let mut buffer = vec![0; 1 << 18];
        let mut start = 0;
        let end = self.bytes.len() as u64;
        for left_alone in but.iter().cloned().chain(std::iter::once(end..end)) {
            while start < left_alone.start {
                let length = (buffer.len() as u64).min(left_alone.start - start);
                let now = &mut buffer[..length as usize];
                self.restore_part(&file, start, now, &mut changed);
                start += length;
            }
            start = start.max(left_alone.end);
        }
        changed
    }

    fn restore_part(&self, file: &File, start: u64, now: &mut [u8], changed: &mut Vec<u64>) {
        file.read_exact_at(now, start).unwrap();
        let old = &self.bytes[start as usize..][..now.len()];
        if now == old {
            return;
        }
        let pages = now.chunks(PAGE as usize).zip(old.chunks(PAGE as usize));
        for (at, (now, old)) in (start..).step_by(PAGE as usize).zip(pages) {
            if now != old {
                file.write_all_at(old, at).unwrap();
                changed.push(at);
            }
        }
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

impl Scene {
    /// Sets everything back to an image; bystanders must stand still. Memory that nobody may touch
    /// is looked at only now and then, for it is long.
    pub(crate) fn rewind(&mut self, image: &Image) -> Outcome {
        self.rewinds += 1;
        if self.rewinds.is_multiple_of(REWINDS_PER_LOOK) {
            return self.rewind_all(image);
        }
        let layout = self.store.segment().layout();
        let bytes = |page| layout.page(page).bytes();
        let ballast = self.ballast.iter().map(|run| bytes(run.start)..bytes(run.end));
        let ballast: Vec<_> = ballast.collect();
        image.restore(self.store.segment(), &ballast);
        self.remember(image);
        Ok(())
    }

    /// The same. Fails if memory that nobody may touch has changed since the last look.
    pub(crate) fn rewind_all(&mut self, image: &Image) -> Outcome {
        let pages = image.restore(self.store.segment(), &[]);
        self.remember(image);
        let layout = self.store.segment().layout();
        let is_ballast = |at: &u64| {
            layout
                .page_of(Offset::new(*at))
                .is_ok_and(|page| self.ballast.iter().any(|run| run.contains(&page)))
        };
        let touched = pages.into_iter().find(is_ballast);
        touched.map_or(Ok(()), |at| Err(format!("foreign memory changed at {at:#x}")))
    }

    /// What the runner knew when an image was taken.
    fn remember(&mut self, image: &Image) {
        self.thieves.truncate(image.thieves);
        self.next_thief = image.next_thief;
        self.statics.truncate(image.statics);
        self.targets.clone_from(&image.targets);
        self.control.set_targets(&self.targets);
        for (index, changes) in image.changes.iter().enumerate() {
            self.control.done(index).store(*changes, Ordering::Release);
            let attempted = self.control.attempted(index);
            attempted.store(*changes, Ordering::Release);
        }
        self.probes = image.probes;
        self.cast.rewind(self.store.segment(), image);
        self.control.set_names(&image.names);
        self.control.set(Cell::Tight, image.is_tight);
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
