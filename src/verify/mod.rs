//! The full checker: every word of the segment must mean something, and nothing twice.
//!
//! For tests and for the fallback of a damaged segment, never for a normal repair. It wants the
//! segment to itself: no operation may be under way, and the dead must have been mended. Then each
//! page belongs to one piece, each block of a span is exactly one of free, not yet cut off, in a
//! table, a waiting lock request, left by the cache, or kept by the log, and all counters are what
//! they count.

mod cache;
mod counts;
mod locks;

use crate::entry::{Meta, word};
use crate::error::{Error, Result};
use crate::heap::blocks::Blocks;
use crate::heap::{fact::Fact, pages};
use crate::log::REMOVED;
use crate::segment::Segment;
use crate::segment::layout::{CLASSES, PAGE, TablePlace, domain, header, shard, span, table};
use crate::segment::members::{self, MemberId};
use crate::segment::region::Offset;
use crate::sync::Ordering;
use crate::table::{Table, bucket_of, shard_of, target};
use serde::Serialize;
use std::collections::{HashMap, HashSet};

/// What a sound segment holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Census {
    /// Entries in all tables.
    pub entries: u64,
    /// Locks that somebody has.
    pub locks_held: u64,
    /// Requests for locks that wait.
    pub lock_requests: u64,
    /// Blocks that only logs keep.
    pub kept: u64,
    /// Pages in spans.
    pub span_pages: u64,
    /// Pages in runs.
    pub run_pages: u64,
    /// Pages that nobody has, in runs that somebody may still read included.
    pub free_pages: u64,
}

/// Checks everything.
///
/// # Errors
/// [`Error::Corrupted`] with the first rule that is broken.
pub fn verify(segment: &Segment) -> Result<Census> {
    let mut census = Census::default();
    let mut spans: HashMap<u64, Vec<(u64, u64)>> = HashMap::new();
    let mut runs: HashMap<u64, (u64, u64)> = HashMap::new();
    check_domain(segment, header::PAGES_DOMAIN)?;
    for (page, fact) in pieces(segment)? {
        match fact {
            Fact::Inside => {}
            Fact::Free { pages, .. } | Fact::Leaving { pages, .. } => census.free_pages += pages,
            Fact::Span { shard, class, pages } => {
                rule(pages == segment.layout().span_pages, "the length of a span", page)?;
                rule(class < CLASSES, "the class of a span", page)?;
                census.span_pages += pages;
                spans.entry(shard).or_default().push((page, class));
            }
            Fact::Run { shard, pages } => {
                census.run_pages += pages;
                runs.insert(page, (shard, pages));
            }
            Fact::Building { member, .. } => check_note(segment, page, member)?,
        }
    }
    for number in 0..=segment.layout().cache() {
        let spans = spans.remove(&number).unwrap_or_default();
        check_shard(segment, number, &spans, &mut runs, &mut census)?;
    }
    rule(spans.is_empty(), "a span of no shard", 0)?;
    rule(runs.is_empty(), "a run of no entry", runs.keys().next().copied().unwrap_or(0))?;
    Ok(census)
}

fn rule(holds: bool, what: &'static str, at: u64) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::corrupted(what, at)) }
}

/// All pieces of the page area, which they must fill without a gap.
fn pieces(segment: &Segment) -> Result<Vec<(u64, Fact)>> {
    let mut found = Vec::new();
    let mut page = 0;
    while page < segment.layout().pages {
        let fact = pages::fact(segment, page)?;
        rule(fact != Fact::Inside, "a gap between pieces", page)?;
        // The insides of free pieces may lie where facts have no memory yet: all zeros there.
        if !matches!(fact, Fact::Free { backed: false, .. }) {
            for inside in page + 1..page + fact.pages() {
                rule(pages::fact(segment, inside)? == Fact::Inside, "an inside page", inside)?;
            }
        }
        found.push((page, fact));
        page += fact.pages();
    }
    Ok(found)
}

/// A piece that is being built must be noted by a living member.
fn check_note(segment: &Segment, page: u64, slot: u64) -> Result<()> {
    let notes = pages::Note::ALL.map(|note| note.at(segment, slot));
    let is_noted =
        notes.into_iter().any(|at| segment.region().load(at, Ordering::Relaxed) == Ok(page + 1));
    rule(is_noted, "a piece that nobody builds", page)?;
    let builder = members::all(segment.region(), segment.layout())?;
    let lives = builder.iter().any(|info| info.id.slot() == slot && !info.is_dead());
    rule(lives, "a piece that a dead member builds", page)
}

fn check_domain(segment: &Segment, base: Offset) -> Result<()> {
    // Acquire: pairs with the Release at the end of `intent::commit` and in the latch's `drop`.
    let word = |field| segment.region().load(base.add(field), Ordering::Acquire);
    rule(word(domain::SEQUENCE)? & 1 == 0, "a sealed intent", base.bytes())?;
    match MemberId::from_word(word(domain::LATCH)?) {
        None => Ok(()),
        Some(owner) => {
            let dead = members::is_dead(segment.region(), segment.layout(), owner)?;
            rule(!dead, "a latch of a dead member", base.bytes())
        }
    }
}

/// The state of one shard's check.
struct ShardCheck<'s> {
    segment: &'s Segment,
    number: u64,
    /// What each block was found to be.
    blocks: HashSet<u64>,
    bytes: u64,
}

fn check_shard(
    segment: &Segment,
    number: u64,
    spans: &[(u64, u64)],
    runs: &mut HashMap<u64, (u64, u64)>,
    census: &mut Census,
) -> Result<()> {
    let base = segment.layout().shard(number);
    check_domain(segment, base)?;
    let mut check = ShardCheck { segment, number, blocks: HashSet::new(), bytes: 0 };
    let entries = check.table(segment.layout().table(number))?;
    for entry in &entries {
        check.own(*entry, runs)?;
    }
    if number < segment.layout().shards {
        let locks = check.table(segment.layout().locks(number))?;
        check.locks(&locks, census)?;
        check.counts(&entries)?;
    } else {
        check.cache(&entries, runs)?;
    }
    let in_table = check.bytes;
    let kept = check.log(runs)?;
    let kept_bytes = check.bytes - in_table;
    rule(kept_bytes == check.field(shard::LOG_KEPT)?, "the bytes kept for a log", base.bytes())?;
    rule(check.bytes == check.field(shard::BYTES_USED)?, "the bytes in use", base.bytes())?;
    let used = check.blocks.len() as u64;
    check.spans(spans)?;
    let counted = check.used_blocks(spans)?;
    rule(counted == used, "the blocks in use", base.bytes())?;
    census.entries += entries.len() as u64;
    census.kept += kept;
    Ok(())
}

impl ShardCheck<'_> {
    fn load(&self, at: Offset) -> Result<u64> {
        self.segment.region().load(at, Ordering::Relaxed)
    }

    fn field(&self, field: u64) -> Result<u64> {
        self.load(self.segment.layout().shard(self.number).add(field))
    }

    /// Walks all chains of a table; gives its entries.
    fn table(&mut self, place: TablePlace) -> Result<Vec<Offset>> {
        let table = Table::new(self.segment, place);
        let buckets = self.load(place.counts.add(table::BUCKETS))?;
        let backed = self.load(place.counts.add(table::BACKED))?;
        rule(buckets >= 1 && buckets <= backed, "buckets", buckets)?;
        let (mut entries, mut stamps) = (Vec::new(), HashSet::new());
        for bucket in 0..buckets {
            let mut link = self.load(place.buckets.word(bucket))?;
            while let Some(entry) = target(link) {
                self.claim(entry)?;
                let hash = table.hash_of(entry)?;
                let is_here = self.number == self.segment.layout().cache()
                    || self.number == shard_of(self.segment, hash);
                rule(is_here, "the shard of an entry", link)?;
                rule(bucket_of(hash, buckets) == bucket, "the bucket of an entry", link)?;
                rule(link >> 48 == (hash >> 32) & 0xffff, "the tag of a link", link)?;
                let stamp = self.load(entry.add(word::STAMP))?;
                rule(stamp != 0 && stamps.insert(stamp >> 1), "a stamp", entry.bytes())?;
                rule(stamp >> 1 <= self.field(shard::VERSION)?, "a version", entry.bytes())?;
                entries.push(entry);
                link = self.load(entry.add(word::LINK))?;
            }
        }
        let counted = self.load(place.counts.add(table::ENTRIES))?;
        rule(counted == entries.len() as u64, "the count of entries", place.counts.bytes())?;
        Ok(entries)
    }

    /// Walks the log; gives the number of blocks that only it keeps.
    fn log(&mut self, runs: &mut HashMap<u64, (u64, u64)>) -> Result<u64> {
        let (head, tail) = (self.field(shard::LOG_HEAD)?, self.field(shard::LOG_TAIL)?);
        let layout = self.segment.layout();
        rule(tail <= head && head - tail <= layout.log_records, "the ends of a log", tail)?;
        let (mut kept, mut version) = (0, 0);
        for position in tail..head {
            let record = layout.log_record(self.number, position);
            let block = Offset::new(self.load(record)? & !REMOVED);
            let recorded = self.load(record.word(1))?;
            rule(recorded > version, "the order of a log", position)?;
            version = recorded;
            let mark = self.load(block.add(word::LENGTH))? >> 32;
            rule(mark != 0, "the mark of a logged block", block.bytes())?;
            let is_last = mark == position % layout.log_records + 1;
            if is_last && self.load(block.add(word::STAMP))? == 0 {
                self.claim(block)?;
                self.own(block, runs)?;
                kept += 1;
            }
        }
        Ok(kept)
    }

    /// Counts the bytes of an entry's block and run; a run may belong to one entry only.
    fn own(&mut self, entry: Offset, runs: &mut HashMap<u64, (u64, u64)>) -> Result<()> {
        self.bytes += Blocks::new(self.segment, self.number).bytes_of(entry)?;
        let meta = Meta::from_word(self.load(entry.add(word::META))?)?;
        if !meta.in_run() {
            return Ok(());
        }
        let page = self.load(entry.add(meta.value_offset()))?;
        let Some((owner, pages)) = runs.remove(&page) else {
            return Err(Error::corrupted("a run that is not there, or has two owners", page));
        };
        rule(owner == self.number, "the shard of a run", page)?;
        let length = self.load(entry.add(word::LENGTH))? & u64::from(u32::MAX);
        rule(length.div_ceil(PAGE) <= pages, "the length of a run", page)?;
        self.bytes += pages * PAGE;
        Ok(())
    }

    /// Walks the free lists: no free block may be in use, and each span with one is in its list.
    fn spans(&mut self, spans: &[(u64, u64)]) -> Result<()> {
        let layout = self.segment.layout();
        let blocks = Blocks::new(self.segment, self.number);
        let mut listed = HashSet::new();
        for class in 0..CLASSES {
            let (mut next, mut previous) = (self.load(blocks.class_head(class))?, 0);
            while let Some(page) = next.checked_sub(1) {
                rule(listed.insert(page), "a span listed twice", page)?;
                rule(spans.contains(&(page, class)), "a listed span", page)?;
                let record = layout.span(page);
                rule(self.load(record.add(span::PREVIOUS))? == previous, "a span's link", page)?;
                previous = next;
                next = self.load(record.add(span::NEXT))?;
            }
        }
        for &(page, class) in spans {
            let record = layout.span(page);
            let counts = self.load(record.add(span::COUNTS))?;
            let (used, cut) = (counts & u64::from(u32::MAX), counts >> 32);
            rule(cut <= blocks.blocks_per_span(class) && used <= cut, "a span's counts", page)?;
            let has_room = used < blocks.blocks_per_span(class);
            rule(listed.contains(&page) == has_room, "whether a span is listed", page)?;
            let mut block = self.load(record.add(span::FREE))?;
            let mut free = 0;
            while block != 0 {
                self.claim(Offset::new(block))?;
                free += 1;
                block = self.load(Offset::new(block))?;
            }
            rule(used + free == cut, "a leaked block", page)?;
        }
        Ok(())
    }

    fn used_blocks(&self, spans: &[(u64, u64)]) -> Result<u64> {
        let mut used = 0;
        for &(page, _) in spans {
            let counts = self.load(self.segment.layout().span(page).add(span::COUNTS))?;
            used += counts & u64::from(u32::MAX);
        }
        Ok(used)
    }

    /// A block is one thing only.
    fn claim(&mut self, block: Offset) -> Result<()> {
        rule(self.blocks.insert(block.bytes()), "a block owned twice", block.bytes())
    }
}
