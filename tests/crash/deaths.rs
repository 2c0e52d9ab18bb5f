//! What becomes of the locks and watches of members that die or say goodbye.
//!
//! The process of these rows mends, and is killed and stopped in that as well; then another mends
//! after both.

use super::actor::Act;
use super::locks::{furnished, idle_lock, names, new_lock};
use super::prepare::{SAME, SMALL, overwrite, watched};
use super::rows::{Dry, Row};
use super::scene::{HOME, Scene};
use super::stage::{A, G0, G1, HOLDER, LEFT, Move, P0, P1, P2};
use super::victims::Spot;

/// Locks of one chain, more than are looked at under one latch.
const CHAIN: usize = 20;

/// All rows.
pub(crate) const ROWS: &[Row] = &[
    Row::new("mend a holder, others wait", new_lock, |dry| passes(dry, 1, 1))
        .stage(&[G0.ask(0), P0.ask(0), P1.ask(0)])
        .act(Act::Mend),
    Row::new("mend a holder, seated", idle_lock, |dry| passes(dry, 0, 0))
        .stage(&[G0.ask(0)])
        .act(Act::Mend),
    Row::new("mend a holder, takes a seat", new_lock, |dry| {
        passes(dry, 1, 0) && dry.count("seat") == 1
    })
    .stage(&[G0.ask(0)])
    .act(Act::Mend),
    Row::new("mend a holder, idle lock pushed out", furnished, |dry| {
        passes(dry, 1, 0) && dry.count("LOCK_ENTRIES") == 1
    })
    .stage(&[G0.ask(0)])
    .act(Act::Mend),
    Row::new("mend who waits: first, amidst, last", new_lock, |dry| passes(dry, 0, 0))
        .stage(&[P0.ask(0), G0.ask(0), P1.ask(0), G0.ask(0), P2.ask(0), G0.ask(0)])
        .act(Act::Mend),
    Row::new("mend locks of several shards", in_several_shards, |dry| passes(dry, 4, 3))
        .stage(&[
            G0.ask(0),
            G0.ask(1),
            G0.ask(2),
            G0.ask(3),
            P0.ask(0),
            P1.ask(1),
            G0.ask(3),
            P2.ask(3),
            P2.ask(0),
        ])
        .act(Act::Mend),
    Row::new("mend a long line", new_lock, |dry| passes(dry, 0, 0)).stage(LONG_LINE).act(Act::Mend),
    Row::new("mend a holder with a line", new_lock, |dry| passes(dry, 3, 1))
        .stage(&[G0.ask(0).times(11), P0.ask(0), P1.ask(0)])
        .act(Act::Mend),
    Row::new("mend two, one behind the other", new_lock, |dry| passes(dry, 2, 2))
        .stage(&[G0.ask(0), G1.ask(0), P0.ask(0), G0.ask(0), P1.ask(0)])
        .act(Act::Mend),
    Row::new("mend locks of a long chain", chain, |dry| passes(dry, 2, 2))
        .stage(IN_CHAIN)
        .act(Act::Mend),
    Row::new("mend who left in haste", |scene| names(scene, 2), |dry| passes(dry, 1, 1))
        .stage(&[LEFT.ask(0), P0.ask(0), P1.ask(1), LEFT.ask(1), P2.ask(1), LEFT.abandon()])
        .act(Act::Mend),
    Row::new("mend a watcher", |scene| watched_names(scene, 0, 2), |dry| dry.count("WATCHED") == 1)
        .stage(&[G0.watch(0), P0.watch(1)])
        .act(Act::Mend)
        .watching(),
    Row::new("mend a long line, others go on", |scene| names(scene, 2), |dry| passes(dry, 0, 0))
        .stage(LONG_LINE)
        .act(Act::Mend)
        .meanwhile(&[HOLDER.release(0).times(3), P0.ask(0).times(70), P1.ask(1), P2.ask(1)]),
    Row::new("mend a grant in mid change", new_lock, took_over)
        .stage(&[A.ask(0), P0.ask(0), P1.ask(0)])
        .after(Act::Release, Spot::MidApply)
        .act(Act::Mend)
        .calm(),
    Row::new("mend a grant that was not told", new_lock, |dry| passes(dry, 0, 0))
        .stage(&[A.ask(0), P0.ask(0), P1.ask(0)])
        .after(Act::Release, Spot::Untold)
        .act(Act::Mend),
    Row::new("mend a ticket in mid change", new_lock, took_over)
        .stage(&[P0.ask(0), P1.ask(0)])
        .after(Act::Ask, Spot::MidApply)
        .act(Act::Mend)
        .calm(),
    Row::new("mend a new lock in mid change", new_lock, took_over)
        .after(Act::Ask, Spot::MidApply)
        .act(Act::Mend)
        .calm(),
    Row::new("mend a lock pushed out in mid change", furnished, took_over)
        .stage(&[A.ask(0)])
        .after(Act::Release, Spot::Clear)
        .act(Act::Mend)
        .calm(),
    Row::new("mend a set in mid change", |scene| watched(scene, SMALL, SAME), took_over)
        .stage(&[P0.watch(0), P1.watch(0)])
        .after(Act::Put, Spot::MidApply)
        .act(Act::Mend)
        .calm(),
    Row::new(
        "mend a set that was not told",
        |scene| watched(scene, SMALL, SAME),
        |dry| passes(dry, 0, 0),
    )
    .stage(&[P0.watch(0), P1.watch(0)])
    .after(Act::Put, Spot::Untold)
    .act(Act::Mend),
    Row::new(
        "mend a set that one was told",
        |scene| watched(scene, SMALL, SAME),
        |dry| passes(dry, 0, 0),
    )
    .stage(&[P0.watch(0), P1.watch(0)])
    .after(Act::Put, Spot::HalfTold)
    .act(Act::Mend),
    Row::new(
        "goodbye",
        |scene| watched_names(scene, 2, 2),
        |dry| passes(dry, 1, 1) && dry.count("WATCHED") == 1 && dry.count("member.identity") == 1,
    )
    .stage(HANDS_FULL)
    .act(Act::Goodbye)
    .watching(),
    Row::new(
        "goodbye, others go on",
        |scene| watched_names(scene, 2, 2),
        |dry| passes(dry, 1, 1) && dry.count("WATCHED") == 1 && dry.count("member.identity") == 1,
    )
    .stage(HANDS_FULL)
    .act(Act::Goodbye)
    .meanwhile(&[P1.release(1), P1.ask(1)])
    .watching(),
    Row::new(
        "goodbye in haste",
        |scene| watched_names(scene, 2, 2),
        |dry| dry.trace.len() == 1 && dry.count("member.identity") == 1,
    )
    .stage(HANDS_FULL)
    .act(Act::Abandon),
];

const HANDS_FULL: &[Move] =
    &[A.ask(0), P0.ask(0), P1.ask(1), A.ask(1).times(2), P2.ask(1), A.watch(2), P2.watch(3)];

const IN_CHAIN: &[Move] =
    &[G0.ask(0), P0.ask(1).names(CHAIN - 2), G0.ask(CHAIN - 1), P1.ask(0), P2.ask(CHAIN - 1)];

const LONG_LINE: &[Move] = &[
    P0.ask(0),
    G0.ask(0).times(40),
    P1.ask(0),
    G0.ask(0).times(40),
    P2.ask(0),
    G0.ask(0).times(3),
];

/// So many intents, and so many who are told.
fn passes(dry: &Dry, seals: usize, told: usize) -> bool {
    // Of a slot that becomes free the word of news is cleared.
    let news = told + dry.count("member.identity");
    dry.count("shard.seal") == seals && dry.count("member.news") == news
}

fn took_over(dry: &Dry) -> bool {
    dry.after.repairs == dry.before.repairs + 1
}

fn in_several_shards(scene: &mut Scene) {
    overwrite(scene, SMALL, SMALL);
    let names = [HOME, 2, 3, HOME].map(|shard| scene.name_in(shard));
    scene.cast.set_names(names.to_vec());
}

/// Names of locks, and behind them names of keys that nobody watches yet.
pub(crate) fn watched_names(scene: &mut Scene, locks: usize, keys: usize) {
    overwrite(scene, SMALL, SMALL);
    let mut names: Vec<u64> = (0..locks).map(|_| scene.name_in(HOME)).collect();
    for _ in 0..keys {
        names.push(scene.name_watched(&names[locks..]));
    }
    scene.cast.set_names(names);
}

/// Locks that stay in one chain however many buckets there will be.
fn chain(scene: &mut Scene) {
    overwrite(scene, SMALL, SMALL);
    let names = (0..CHAIN).map(|_| scene.name_of_lock(|hash, _| hash & 127 == 5)).collect();
    scene.cast.set_names(names);
}
