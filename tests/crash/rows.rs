//! The operations on values, pages and members of the matrix: how each is prepared, and how to tell
//! that its path was taken.

use super::actor::Act;
use super::content::Content;
use super::image::Figures;
use super::prepare::{
    LARGER, LONG, LONGER, NONE, NUMBER, SAME, SMALL, SMALLER, insert_in_empty, insert_in_front,
    insert_that_splits, insert_with_span, last_of_a_span, long_over_small, neighbours, no_memory,
    only_room, overwrite, ring_full, run_reused, span_reused, table_grows, takeover, too_much_kept,
    watched,
};
use super::scene::Scene;
use super::stage::{Move, P0};
use super::victims::{Spot, Victim, leave};

/// An operation under test.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) act: Act,
    /// Log records that the change appends.
    pub(crate) records: u64,
    /// Entries that there may be beside those that anybody is given.
    pub(crate) hidden: u64,
    /// It finds no memory, and must leave everything as it was.
    pub(crate) fails: bool,
    /// The writer keeps away from the shard, and from pages, until the process is dead or stopped:
    /// else it would take this path itself.
    pub(crate) is_calm: bool,
    /// Who watches anything does so by moves.
    pub(crate) is_watching: bool,
    pub(crate) prepare: fn(&mut Scene),
    /// Moves before the operation.
    pub(crate) stage: &'static [Move],
    /// Who has died between those and the operation.
    pub(crate) victim: Option<Victim>,
    /// Moves while it is stopped.
    pub(crate) meanwhile: &'static [Move],
    pub(crate) took: fn(&Dry) -> bool,
}

/// What a run without a fault did.
pub(crate) struct Dry {
    pub(crate) before: Figures,
    pub(crate) after: Figures,
    pub(crate) trace: Vec<u64>,
    pub(crate) labels: Vec<String>,
}

impl Dry {
    pub(crate) fn count(&self, label: &str) -> usize {
        self.labels.iter().filter(|one| *one == label).count()
    }

    pub(crate) fn spans_differ_by(&self, difference: i64) -> bool {
        self.after.spans as i64 - self.before.spans as i64 == difference
    }

    pub(crate) fn runs_differ_by(&self, difference: i64) -> bool {
        self.after.run_pages as i64 - self.before.run_pages as i64 == difference
    }
}

impl Row {
    pub(crate) const fn new(
        name: &'static str,
        prepare: fn(&mut Scene),
        took: fn(&Dry) -> bool,
    ) -> Self {
        Self {
            name,
            act: Act::Put,
            records: 0,
            hidden: 0,
            fails: false,
            is_calm: false,
            is_watching: false,
            prepare,
            stage: &[],
            victim: None,
            meanwhile: &[],
            took,
        }
    }

    pub(crate) const fn stage(mut self, moves: &'static [Move]) -> Self {
        self.stage = moves;
        self
    }

    pub(crate) const fn meanwhile(mut self, moves: &'static [Move]) -> Self {
        self.meanwhile = moves;
        self
    }

    pub(crate) const fn after(mut self, act: Act, spot: Spot) -> Self {
        self.victim = Some(Victim { act, spot });
        self
    }

    pub(crate) const fn watching(mut self) -> Self {
        self.is_watching = true;
        self
    }

    pub(crate) const fn act(mut self, act: Act) -> Self {
        self.act = act;
        self
    }

    pub(crate) const fn calm(mut self) -> Self {
        self.is_calm = true;
        self
    }

    /// A player watches the target.
    pub(crate) const fn logged(mut self) -> Self {
        self.records = 1;
        self.stage = WATCHED;
        self
    }

    pub(crate) const fn hiding(mut self, entries: u64) -> Self {
        self.hidden = entries;
        self
    }

    pub(crate) const fn failing(mut self) -> Self {
        self.fails = true;
        self
    }

    /// Whether who watches the target may be lapped by the change, for moves have filled the log.
    pub(crate) fn may_lap(&self) -> bool {
        self.stage.iter().any(Move::is_change)
    }

    /// What the process notes when the operation has returned.
    pub(crate) fn returns(&self) -> u64 {
        1 + u64::from(self.fails)
    }
}

/// A player watches the target.
const WATCHED: &[Move] = &[P0.watch(0)];

/// All rows.
pub(crate) const ROWS: &[Row] = &[
    Row::new("insert in an empty chain", insert_in_empty, |dry| {
        dry.after.entries == dry.before.entries + 1 && dry.after.buckets == dry.before.buckets
    }),
    Row::new("insert in front of a chain", insert_in_front, |dry| {
        dry.after.entries == dry.before.entries + 1 && dry.count("bucket") == 1
    }),
    Row::new("insert that splits a bucket", insert_that_splits, |dry| {
        dry.after.buckets == dry.before.buckets + 1 && dry.count("block.link") >= 2
    })
    .calm(),
    Row::new("insert that needs a span", insert_with_span, |dry| {
        dry.spans_differ_by(1) && dry.count("pages.seal") == 1
    }),
    Row::new("overwrite, same class", |scene| overwrite(scene, SMALL, SAME), is_in_place),
    Row::new("overwrite, smaller class", |scene| overwrite(scene, SMALL, SMALLER), is_in_place),
    Row::new("overwrite, larger class", |scene| overwrite(scene, SMALL, LARGER), is_in_place),
    Row::new(
        "long over small",
        |scene| overwrite(scene, SMALL, LONG),
        |dry| dry.runs_differ_by(10) && dry.count("run.bytes") == 3,
    ),
    Row::new(
        "small over long",
        |scene| overwrite(scene, LONG, SMALL),
        |dry| dry.runs_differ_by(-10),
    ),
    Row::new(
        "longer over long",
        |scene| overwrite(scene, LONG, LONGER),
        |dry| dry.runs_differ_by(4),
    ),
    Row::new(
        "remove, small",
        |scene| overwrite(scene, SMALL, NONE),
        |dry| dry.after.entries + 1 == dry.before.entries && dry.spans_differ_by(0),
    ),
    Row::new(
        "remove, long",
        |scene| overwrite(scene, LONG, NONE),
        |dry| dry.after.entries + 1 == dry.before.entries && dry.runs_differ_by(-10),
    ),
    Row::new("remove, span given back", last_of_a_span, |dry| dry.spans_differ_by(-1)),
    Row::new(
        "remove, watched",
        |scene| watched(scene, SMALL, NONE),
        |dry| {
            dry.after.log_head == dry.before.log_head + 1
                && dry.after.log_kept > dry.before.log_kept
        },
    )
    .logged(),
    Row::new(
        "remove, watched and long",
        |scene| watched(scene, LONG, NONE),
        |dry| dry.after.log_kept >= dry.before.log_kept + 40960 && dry.runs_differ_by(0),
    )
    .logged(),
    Row::new(
        "add to a number",
        |scene| overwrite(scene, NUMBER, Content::Number(6.0)),
        |dry| dry.trace.len() <= 6 && dry.after.version == dry.before.version + 1,
    )
    .act(Act::Add),
    Row::new(
        "add to nothing",
        |scene| overwrite(scene, NONE, Content::Number(1.0)),
        |dry| dry.after.entries == dry.before.entries + 1,
    )
    .act(Act::Add),
    Row::new(
        "number over number",
        |scene| overwrite(scene, NUMBER, Content::Number(7.5)),
        |dry| dry.count("shard.seal") == 0,
    ),
    Row::new("string over number", |scene| overwrite(scene, NUMBER, SMALL), is_in_place),
    Row::new("number over string", |scene| overwrite(scene, SMALL, NUMBER), is_in_place),
    Row::new(
        "set, watched",
        |scene| watched(scene, SMALL, SAME),
        |dry| dry.after.log_head == dry.before.log_head + 1,
    )
    .logged(),
    Row::new(
        "set, watched, new",
        |scene| watched(scene, NONE, SAME),
        |dry| dry.after.log_head == dry.before.log_head + 1,
    )
    .logged(),
    Row::new(
        "add, watched",
        |scene| watched(scene, NUMBER, Content::Number(6.0)),
        |dry| dry.count("shard.seal") == 1,
    )
    .act(Act::Add)
    .logged(),
    Row::new("set, watched, ring full", ring_full, |dry| {
        dry.after.log_tail == dry.before.log_tail + 1 && dry.after.log_kept <= dry.before.log_kept
    })
    .logged(),
    Row::new("set, watched, too much kept", too_much_kept, |dry| {
        dry.after.log_tail == dry.before.log_tail + 2 && dry.count("fact") == 5
    })
    .logged(),
    Row::new(
        "watch",
        |scene| overwrite(scene, SMALL, SMALL),
        |dry| dry.count("WATCHED") == 1 && dry.count("LOG_BACKED") == 1,
    )
    .act(Act::Watch),
    Row::new(
        "long from merged neighbours",
        |scene| neighbours(scene, 8, 3, 20),
        |dry| dry.count("fact") >= 8 && dry.count("pages.seal") == 1,
    )
    .calm(),
    Row::new(
        "long from very many neighbours",
        |scene| neighbours(scene, 80, 1, 75),
        |dry| dry.count("pages.seal") == 2,
    )
    .calm(),
    Row::new("no memory, run given back", no_memory, |dry| {
        dry.runs_differ_by(0) && dry.count("run.bytes") == 3 && dry.count("shard.seal") == 0
    })
    .calm()
    .failing(),
    Row::new("table grows", table_grows, |dry| {
        dry.after.buckets_backed > dry.before.buckets_backed
    })
    .calm(),
    Row::new(
        "join",
        |scene| overwrite(scene, SMALL, SMALL),
        |dry| dry.count("member.identity") == 1,
    )
    .act(Act::Join),
    Row::new(
        "leave",
        |scene| overwrite(scene, SMALL, SMALL),
        |dry| dry.count("member.identity") == 1,
    )
    .act(Act::Leave),
    Row::new(
        "protect a run",
        |scene| overwrite(scene, LONG, LONG),
        |dry| dry.count("member.hazard") == 2,
    )
    .act(Act::Protect),
    Row::new(
        "takeover in mid change",
        |scene| takeover(scene, last_of_a_span, Spot::MidApply),
        took_over,
    )
    .calm(),
    Row::new(
        "takeover, all applied",
        |scene| takeover(scene, last_of_a_span, Spot::Clear),
        took_over,
    )
    .calm(),
    Row::new("takeover, span reused", span_reused, took_over).calm(),
    Row::new("takeover, run reused", run_reused, took_over).calm(),
    Row::new(
        "takeover in mid split",
        |scene| takeover(scene, insert_that_splits, Spot::MidApply),
        took_over,
    )
    .calm(),
    Row::new("mend a change", |scene| leave(scene, last_of_a_span, Spot::MidApply), took_over)
        .act(Act::Mend)
        .calm(),
    Row::new(
        "mend a built run",
        |scene| leave(scene, long_over_small, Spot::Built),
        |dry| dry.count("member.note(run)") == 1,
    )
    .act(Act::Mend)
    .calm(),
    Row::new(
        "mend a built span",
        |scene| leave(scene, insert_with_span, Spot::Built),
        |dry| dry.count("member.note(span)") == 1,
    )
    .act(Act::Mend)
    .calm(),
    Row::new("mend a change of pages, no other room", only_room, took_over).act(Act::Mend).calm(),
    Row::new(
        "mend a change of pages",
        |scene| leave(scene, long_over_small, Spot::MidPages),
        |dry| took_over(dry) && dry.count("member.note(run)") == 2,
    )
    .act(Act::Mend)
    .calm(),
];

pub(crate) fn is_in_place(dry: &Dry) -> bool {
    dry.after.entries == dry.before.entries && dry.count("shard.seal") == 1
}

fn took_over(dry: &Dry) -> bool {
    dry.after.repairs == dry.before.repairs + 1
}
