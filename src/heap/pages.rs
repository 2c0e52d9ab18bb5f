//! The page area: finding, taking and giving back pieces of it.
//!
//! Each piece is a [`Fact`]. Who wants pages looks for them without a latch, then takes them under
//! the latch of the area's domain if the facts still stand as they were seen; neighbouring free
//! pieces become one on the way. A taken piece belongs to its builder alone until a shard's intent
//! makes it a span or a run, and giving it back is a store by whoever owns it. Only words of free
//! pieces ever change under the latch, so walkers and owners do not disturb each other.
//!
//! The search starts where a piece of about that length was last given back or cut off (a hint: it
//! saves time and proves nothing), so that a value that is overwritten again and again goes to and
//! fro between two places, and the rest of the file stays without memory.

use crate::error::{Error, Result};
use crate::heap::fact::Fact;
use crate::heap::hazard;
use crate::intent;
use crate::latch;
use crate::segment::Segment;
use crate::segment::layout::{PAGE, header, member};
use crate::segment::members::MemberId;
use crate::segment::region::Offset;
use crate::sync::Ordering;
use arrayvec::ArrayVec;

/// Backing for facts and span records grows by this many pages of the area.
const FACTS_STEP: u64 = 8192;
/// How many neighbours become one piece in one intent.
const MERGES: usize = 64;

/// Under which of its two notes a member keeps a piece that it is building.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    /// The run for a large value.
    Run = 0,
    /// Pages that become a span.
    Span = 1,
}

impl Note {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Run, Self::Span];

    /// Where a member keeps it.
    #[must_use]
    pub fn at(self, segment: &Segment, slot: u64) -> Offset {
        segment.layout().member(slot).add(member::BUILDING).word(self as u64)
    }
}

/// A piece that this member builds; given back when dropped, unless it was [`Building::publish`]ed.
#[derive(Debug)]
pub struct Building<'s> {
    segment: &'s Segment,
    me: MemberId,
    note: Note,
    page: u64,
    pages: u64,
    is_backed: bool,
    published: bool,
}

/// Makes the whole page area one free run.
///
/// # Errors
/// [`Error::OutOfMemory`] or [`Error::System`].
pub fn format(segment: &Segment) -> Result<()> {
    back_facts(segment, 1)?;
    let all = Fact::Free { pages: segment.layout().pages, backed: false };
    segment.region().store(segment.layout().fact(0), all.to_word(), Ordering::Relaxed)
}

/// The fact about the piece that starts at `page`.
///
/// # Errors
/// [`Error::Corrupted`] if the word states nothing, or a piece that leaves the area.
#[inline]
pub fn fact(segment: &Segment, page: u64) -> Result<Fact> {
    let layout = segment.layout();
    let at = layout.fact(page);
    if page >= layout.pages {
        return Err(Error::corrupted("a page outside the page area", at.bytes()));
    }
    // Acquire: pairs with the Release of whoever handed the piece over.
    let word = segment.region().load(at, Ordering::Acquire)?;
    let fact = Fact::from_word(word).filter(|fact| page + fact.pages() <= layout.pages);
    fact.ok_or_else(|| Error::corrupted("the fact of a page", at.bytes()))
}

/// Takes `pages` pages, backed with memory, that start at a multiple of `align`.
///
/// # Errors
/// [`Error::OutOfMemory`] if no piece is long enough; [`Error::Busy`]; [`Error::System`].
pub fn build(
    segment: &Segment,
    me: MemberId,
    note: Note,
    pages: u64,
    align: u64,
) -> Result<Building<'_>> {
    let from = segment.region().load(hint(pages), Ordering::Relaxed)?;
    let mut from = if from < segment.layout().pages { from } else { 0 };
    // Each round either succeeds, or somebody else's did, or two neighbours have become one.
    for _ in 0..=segment.layout().pages {
        let sequence = intent::sequence(segment.region(), header::PAGES_DOMAIN)?;
        let Some((start, end)) = search(segment, from, pages, align)? else {
            if is_still(segment, sequence)? {
                return Err(out_of_memory(segment, pages));
            }
            // Whoever takes the latch finishes what a dead member has left half written.
            drop(latch::hold(segment, header::PAGES_DOMAIN, me)?);
            continue;
        };
        back_facts(segment, end.min(segment.layout().pages))?;
        match take(segment, me, note, start, pages, align)? {
            Some((page, backed)) => {
                let mut building = Building {
                    segment,
                    me,
                    note,
                    page,
                    pages,
                    is_backed: backed,
                    published: false,
                };
                if !backed {
                    segment.back(segment.layout().page(page).bytes(), pages * PAGE)?;
                    building.is_backed = true;
                }
                return Ok(building);
            }
            None => from = start,
        }
    }
    Err(out_of_memory(segment, pages))
}

/// Says where to look first for a piece of about `pages` pages.
///
/// # Errors
/// [`Error::Corrupted`] if the header lies outside the segment.
pub fn suggest(segment: &Segment, page: u64, pages: u64) -> Result<()> {
    // Relaxed: a hint that comes late or not at all costs a longer search.
    segment.region().store(hint(pages), page, Ordering::Relaxed)
}

/// Gives back what a dead member was building.
///
/// # Errors
/// [`Error::Corrupted`] if its notes are damaged.
pub fn mend(segment: &Segment, dead: MemberId) -> Result<()> {
    for note in Note::ALL {
        let at = note.at(segment, dead.slot());
        let Some(page) = segment.region().load(at, Ordering::Relaxed)?.checked_sub(1) else {
            continue;
        };
        if let Fact::Building { member, pages } = fact(segment, page)?
            && member == dead.slot()
        {
            give_back(segment, page, Fact::Free { pages, backed: false })?;
        }
        // Release: not before the fact is written, for a mender may be killed in between.
        segment.region().store(at, 0, Ordering::Release)?;
    }
    Ok(())
}

/// Pages that are free, and how many pieces they are in. Counts without a latch: the sum may be off
/// by what changes meanwhile.
///
/// # Errors
/// [`Error::Corrupted`] if a fact is damaged.
pub fn free_pages(segment: &Segment) -> Result<u64> {
    let mut free = 0;
    let mut page = 0;
    while page < segment.layout().pages {
        let fact = fact(segment, page)?;
        if matches!(fact, Fact::Free { .. } | Fact::Leaving { .. }) {
            free += fact.pages();
        }
        page += fact.pages().max(1);
    }
    Ok(free)
}

/// Gives the memory of free pages back to the system; `false` if they are not free any more, or are
/// in too many pieces and became fewer. They are this member's while it does: killed in the middle,
/// it leaves a piece that it was building, and [`mend`] need know nothing else of it.
///
/// # Errors
/// [`Error::Busy`], [`Error::Corrupted`], [`Error::System`].
pub fn give_back_memory(segment: &Segment, me: MemberId, page: u64, pages: u64) -> Result<bool> {
    // Nobody shall look first in a place without memory, so the hint stays as it was.
    let hinted = segment.region().load(hint(pages), Ordering::Relaxed)?;
    let Some((page, _)) = take(segment, me, Note::Run, page, pages, 1)? else {
        return Ok(false);
    };
    // Dropped as free pages without memory, which is what they are after this.
    let note = Note::Run;
    let building = Building { segment, me, note, page, pages, is_backed: false, published: false };
    let punched = segment.punch(segment.layout().page(page).bytes(), pages * PAGE);
    drop(building);
    suggest(segment, hinted, pages)?;
    punched.map(|()| true)
}

impl Building<'_> {
    /// Its first page.
    #[must_use]
    pub const fn page(&self) -> u64 {
        self.page
    }

    /// Its length.
    #[must_use]
    pub const fn pages(&self) -> u64 {
        self.pages
    }

    /// Its length in bytes.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.pages * PAGE
    }

    /// Where this member's note of it stands; the intent that publishes the piece sets it to 0.
    #[must_use]
    pub fn note_at(&self) -> Offset {
        self.note.at(self.segment, self.me.slot())
    }

    /// It belongs to a shard now.
    pub fn publish(mut self) {
        self.published = true;
    }
}

impl Drop for Building<'_> {
    fn drop(&mut self) {
        if self.published || crate::fault::is_dead() {
            return;
        }
        // Killed between the two stores: the note names a piece that is not being built by this
        // member any more, and `mend` leaves it alone. The offsets were good when it was taken.
        let free = Fact::Free { pages: self.pages, backed: self.is_backed };
        let _ = give_back(self.segment, self.page, free);
        // Release: so that it is never the other way round.
        let _ = self.segment.region().store(self.note_at(), 0, Ordering::Release);
        let _ = suggest(self.segment, self.page, self.pages);
    }
}

fn give_back(segment: &Segment, page: u64, free: Fact) -> Result<()> {
    // Release: pairs with the Acquire in `fact`, so that what was done to the pages is done.
    segment.region().store(segment.layout().fact(page), free.to_word(), Ordering::Release)
}

/// Whether the sequence was even and nothing has changed since, so that a miss is a miss.
fn is_still(segment: &Segment, sequence: u64) -> Result<bool> {
    let is_even = sequence & 1 == 0;
    Ok(is_even && intent::is_unchanged(segment.region(), header::PAGES_DOMAIN, sequence)?)
}

/// Looks for free neighbours that hold `pages` aligned pages; gives their first page and the end of
/// what is needed. From `from` to the end of the area, then from its start.
fn search(segment: &Segment, from: u64, pages: u64, align: u64) -> Result<Option<(u64, u64)>> {
    let from = if fact(segment, from)? == Fact::Inside { 0 } else { from };
    for start in [from, 0] {
        if let Some(found) = search_from(segment, start, pages, align)? {
            return Ok(Some(found));
        }
        if start == 0 {
            break;
        }
    }
    Ok(None)
}

fn search_from(segment: &Segment, from: u64, pages: u64, align: u64) -> Result<Option<(u64, u64)>> {
    let mut page = from;
    let mut start = None;
    while page < segment.layout().pages {
        let fact = fact(segment, page)?;
        let is_usable = match fact {
            Fact::Free { .. } => true,
            Fact::Leaving { .. } => !is_read(segment, page)?,
            _ => false,
        };
        if is_usable {
            let first = *start.get_or_insert(page);
            let end = first.next_multiple_of(align) + pages;
            if page + fact.pages() >= end {
                return Ok(Some((first, end + 1)));
            }
        } else {
            start = None;
        }
        // A piece that has become the inside of another under our feet: go on to its end.
        page += fact.pages().max(1);
    }
    Ok(None)
}

/// Takes the pages at `start` if they are still free; gives the first of them and whether they have
/// memory. `None`: look again.
fn take(
    segment: &Segment,
    me: MemberId,
    note: Note,
    start: u64,
    pages: u64,
    align: u64,
) -> Result<Option<(u64, bool)>> {
    let held = latch::hold(segment, header::PAGES_DOMAIN, me)?;
    let mut changes = held.changes();
    let layout = segment.layout();
    let first = start.next_multiple_of(align);
    let (mut end, mut all_backed) = (start, true);
    for (page, fact) in usable_from(segment, start, first + pages)? {
        changes.set(layout.fact(page), Fact::Inside.to_word())?;
        all_backed &= !matches!(fact, Fact::Free { backed: false, .. });
        end = page + fact.pages();
    }
    if end == start {
        return Ok(None);
    }
    let free = |pages| Fact::Free { pages, backed: all_backed }.to_word();
    if end < first + pages {
        // Long enough only with more neighbours than fit one intent, or not any more.
        changes.set(layout.fact(start), free(end - start))?;
        held.commit(&mut changes)?;
        return Ok(None);
    }
    if first > start {
        changes.set(layout.fact(start), free(first - start))?;
    }
    let building = Fact::Building { member: me.slot(), pages };
    changes.set(layout.fact(first), building.to_word())?;
    if end > first + pages {
        changes.set(layout.fact(first + pages), free(end - first - pages))?;
    }
    changes.set(note.at(segment, me.slot()), first + 1)?;
    held.commit(&mut changes)?;
    drop(held);
    suggest(segment, first + pages, pages)?;
    Ok(Some((first, all_backed)))
}

/// The neighbours from `start` to `end` that can be taken; under the latch that stays true until
/// they are.
fn usable_from(segment: &Segment, start: u64, end: u64) -> Result<ArrayVec<(u64, Fact), MERGES>> {
    let mut pieces = ArrayVec::new();
    let (mut page, mut has_leaving) = (start, false);
    while page < end.min(segment.layout().pages) && !pieces.is_full() {
        let fact = fact(segment, page)?;
        if !matches!(fact, Fact::Free { .. } | Fact::Leaving { .. }) {
            break;
        }
        has_leaving |= matches!(fact, Fact::Leaving { .. });
        pieces.push((page, fact));
        page += fact.pages();
    }
    if has_leaving {
        for hazard in hazard::protected(segment)? {
            let read = hazard?;
            let usable = pieces.iter().position(|piece| piece.0 == read);
            pieces.truncate(usable.unwrap_or(pieces.len()));
        }
    }
    Ok(pieces)
}

/// Whether somebody may still read the run that has left and started at `page`.
fn is_read(segment: &Segment, page: u64) -> Result<bool> {
    for hazard in hazard::protected(segment)? {
        if hazard? == page {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Gives memory to the facts and span records of the first `pages` pages.
fn back_facts(segment: &Segment, pages: u64) -> Result<()> {
    let mark = segment.region().word(header::FACTS_BACKED)?;
    // Acquire: pairs with the Release below.
    if mark.load(Ordering::Acquire) >= pages {
        return Ok(());
    }
    let pages = pages.next_multiple_of(FACTS_STEP).min(segment.layout().pages);
    for (start, length) in segment.layout().facts_range(pages) {
        segment.back(start, length)?;
    }
    crate::fault::point(header::FACTS_BACKED.bytes());
    mark.fetch_max(pages, Ordering::Release);
    Ok(())
}

/// Where the hint for pieces of about `pages` pages stands: one for each power of two.
fn hint(pages: u64) -> Offset {
    header::PAGE_HINTS.word(u64::from(pages.max(1).ilog2().min(31)))
}

#[cold]
fn out_of_memory(segment: &Segment, pages: u64) -> Error {
    let maximum = segment.layout().area_bytes();
    let free = free_pages(segment).unwrap_or(0) * PAGE;
    Error::OutOfMemory { need: pages * PAGE, free, maximum }
}
