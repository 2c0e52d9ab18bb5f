//! The operations on locks of the matrix.

use super::actor::Act;
use super::content::Content;
use super::prepare::{SMALL, overwrite};
use super::rows::{Dry, Row};
use super::scene::{HOME, Scene};
use super::stage::{A, G0, Move, P0, P1, P2};
use super::victims::Spot;
use cluster_shared_memory::heap::blocks::{Blocks, class_of};
use cluster_shared_memory::locks::lock_word;
use cluster_shared_memory::segment::layout::{LOCK_SEATS, shard, table};
use cluster_shared_memory::table::bucket_of;

/// Tickets that one intent drops, and then some.
const MANY: usize = 10;

/// All rows.
pub(crate) const ROWS: &[Row] = &[
    Row::new("lock, new", furnished, |dry| is_sealed(dry, 1) && dry.count("LOCK_ENTRIES") == 1)
        .act(Act::Ask),
    Row::new("lock, splits a bucket of locks", splits, |dry| {
        dry.count("LOCK_BUCKETS") == 1 && dry.count("block.link") >= 2
    })
    .act(Act::Ask),
    Row::new("lock, table of locks grows", grows, |dry| dry.count("LOCK_BUCKETS_BACKED") == 1)
        .act(Act::Ask),
    Row::new("lock, idle", idle_lock, |dry| is_sealed(dry, 0)).act(Act::Ask),
    Row::new("lock, idle and abandoned", idle_lock, |dry| is_sealed(dry, 0))
        .stage(&[G0.ask(0), P0.mend()])
        .act(Act::Ask),
    Row::new("get in line, first", new_lock, is_appended).stage(&[P0.ask(0)]).act(Act::Ask),
    Row::new("get in line, behind others", new_lock, is_appended)
        .stage(&[P0.ask(0), P1.ask(0), P2.ask(0)])
        .act(Act::Ask),
    Row::new("get in line, behind itself", new_lock, is_appended)
        .stage(&[A.ask(0), P0.ask(0)])
        .act(Act::Ask),
    Row::new("get in line, spins in vain", new_lock, spins_in_vain)
        .stage(&[P0.ask(0)])
        .act(Act::AskSpinning),
    Row::new("get in line, granted meanwhile", new_lock, spins_in_vain)
        .stage(&[P0.ask(0)])
        .act(Act::AskSpinning)
        .meanwhile(&[P0.release(0)]),
    Row::new("get in line, needs a span", new_lock, |dry| dry.spans_differ_by(1))
        .stage(&[P0.ask(0), P1.fill(0)])
        .act(Act::Ask)
        .calm(),
    Row::new("get in line, no memory", without_memory, |dry| is_sealed(dry, 0))
        .stage(&[P0.ask(0), P1.fill(0)])
        .act(Act::Ask)
        .calm()
        .failing(),
    Row::new("get in line, behind a grant in mid change", new_lock, |dry| {
        dry.after.repairs == dry.before.repairs + 1
    })
    .stage(&[A.ask(0), P0.ask(0), P1.ask(0)])
    .after(RELEASE, Spot::MidApply)
    .act(Act::Ask)
    .calm(),
    Row::new("release, seated", idle_lock, |dry| is_sealed(dry, 0)).stage(&[A.ask(0)]).act(RELEASE),
    Row::new("release, seated, of the dead", idle_lock, |dry| is_sealed(dry, 0))
        .stage(&[G0.ask(0), A.ask(0), P0.mend()])
        .act(RELEASE),
    Row::new("release, takes a seat", new_lock, |dry| sits(dry, 0)).stage(&[A.ask(0)]).act(RELEASE),
    Row::new("release, idle lock pushed out", furnished, |dry| sits(dry, 1))
        .stage(&[A.ask(0)])
        .act(RELEASE),
    Row::new("release, pushed out with its span", alone_in_a_span, |dry| {
        sits(dry, 1) && dry.count("SPANS_GIVEN_BACK") == 1
    })
    .stage(&[A.ask(0)])
    .act(RELEASE),
    Row::new("release, held lock pushed out", beside_next_seat, |dry| sits(dry, 0))
        .stage(&[P0.ask(1), P1.ask(1), A.ask(0)])
        .act(RELEASE),
    Row::new("release, grants another", new_lock, |dry| grants(dry, 1))
        .stage(&[A.ask(0), P0.ask(0), P1.ask(0)])
        .act(RELEASE),
    Row::new("release, grants another, seated", idle_lock, |dry| grants(dry, 1))
        .stage(&[A.ask(0), P0.ask(0)])
        .act(RELEASE),
    Row::new("release, grants one that spins", new_lock, |dry| grants(dry, 0))
        .stage(&[A.ask(0), P0.ask(0), P0.spin(0)])
        .act(RELEASE),
    Row::new("release, grants itself", new_lock, |dry| grants(dry, 0))
        .stage(&[A.ask(0).times(2), P0.ask(0)])
        .act(RELEASE),
    Row::new("release, given-up tickets", new_lock, |dry| {
        is_sealed(dry, 3) && dry.count("member.news") == 1
    })
    .stage(GIVEN_UP)
    .act(RELEASE),
    Row::new("release, all given up", new_lock, |dry| is_sealed(dry, 3) && dry.count("seat") == 1)
        .stage(&[A.ask(0), G0.ask(0).times(MANY), G0.leave()])
        .act(RELEASE),
    Row::new(
        "release, waiter's span given back",
        |scene| names(scene, 2),
        |dry| dry.spans_differ_by(-1) && dry.count("SPANS_GIVEN_BACK") == 1,
    )
    .stage(&[P0.ask(1), P1.fill(1), A.ask(0), P2.ask(0), P0.release(1)])
    .act(RELEASE)
    .calm(),
];

const RELEASE: Act = Act::Release;
const GIVEN_UP: &[Move] = &[A.ask(0), G0.ask(0).times(MANY), P0.ask(0), P1.ask(0), G0.leave()];

fn is_sealed(dry: &Dry, times: usize) -> bool {
    dry.count("shard.seal") == times
}

fn is_appended(dry: &Dry) -> bool {
    is_sealed(dry, 1) && dry.count("LOCK_ENTRIES") == 0
}

fn spins_in_vain(dry: &Dry) -> bool {
    is_appended(dry) && dry.count("shard.latch") == 2
}

/// A lock takes a seat, and so many leave the table.
fn sits(dry: &Dry, leave: usize) -> bool {
    is_sealed(dry, 1) && dry.count("seat") == 1 && dry.count("LOCK_ENTRIES") == leave
}

fn grants(dry: &Dry, told: usize) -> bool {
    is_sealed(dry, 1) && dry.count("member.news") == told && dry.count("seat") == 0
}

/// Names of locks that are not there yet.
pub(crate) fn names(scene: &mut Scene, count: usize) {
    overwrite(scene, SMALL, SMALL);
    let names = (0..count).map(|_| scene.name_in(HOME)).collect();
    scene.cast.set_names(names);
}

pub(crate) fn new_lock(scene: &mut Scene) {
    names(scene, 1);
}

/// A lock that nobody has, in a seat.
pub(crate) fn idle_lock(scene: &mut Scene) {
    new_lock(scene);
    let name = scene.cast.names[0];
    let prober = scene.cast.prober();
    prober.ask(name).unwrap();
    prober.release(name).unwrap();
}

/// A lock that is not there yet, where all seats are taken and there are more buckets than locks;
/// gives the lock whose seat will be given next.
fn furnish(scene: &mut Scene) -> u64 {
    let seats = LOCK_SEATS as usize;
    new_lock(scene);
    let locks: Vec<u64> = (0..seats + 8).map(|_| scene.name_in(HOME)).collect();
    let prober = scene.cast.prober();
    for lock in &locks {
        prober.ask(*lock).unwrap();
    }
    for lock in &locks {
        prober.release(*lock).unwrap();
    }
    // The runner's own has lost its seat, the first one, and gets the tenth.
    scene.probe_lock(0).unwrap();
    assert_eq!(scene.home(shard::NEXT_SEAT), 10);
    locks[9]
}

pub(crate) fn furnished(scene: &mut Scene) {
    furnish(scene);
}

/// Nobody has a page for a span.
fn without_memory(scene: &mut Scene) {
    new_lock(scene);
    scene.steal().unwrap();
}

/// A new lock, and the one whose seat will be given next.
fn beside_next_seat(scene: &mut Scene) {
    let next = furnish(scene);
    let name = scene.cast.names[0];
    scene.cast.set_names(vec![name, next]);
}

/// A new lock; the one whose seat will be given next is alone in its span, and another span has
/// room for locks.
fn alone_in_a_span(scene: &mut Scene) {
    new_lock(scene);
    let class = class_of(40 + 16 + lock_word::BYTES as u64).unwrap();
    let head = Blocks::new(scene.store.segment(), HOME).class_head(class);
    let before = scene.statics.len();
    while scene.statics.len() == before || scene.word(head) != 0 {
        let id = scene.name_in(HOME);
        scene.put_static(id, Content::bytes(lock_word::BYTES, id));
    }
    let alone = scene.name_in(HOME);
    scene.cast.prober().ask(alone).unwrap();
    for (id, _) in scene.statics.split_off(before + 60) {
        Content::Absent.put(&scene.store, id).unwrap();
    }
    // The second seat, then that one, then all others; the last one is the runner's own again.
    let seats = LOCK_SEATS as usize;
    let mut locks: Vec<u64> = (1..seats).map(|_| scene.name_in(HOME)).collect();
    locks.insert(1, alone);
    let prober = scene.cast.prober();
    for lock in locks {
        if lock != alone {
            prober.ask(lock).unwrap();
        }
        prober.release(lock).unwrap();
    }
    scene.probe_lock(0).unwrap();
    assert_eq!(scene.home(shard::NEXT_SEAT), 2);
}

/// As many locks as buckets, many of them in the chain whose turn it is.
fn splits(scene: &mut Scene) {
    furnish(scene);
    let turn = |hash, buckets: u64| bucket_of(hash, buckets) == buckets - (1 << buckets.ilog2());
    let load = |scene: &Scene, field| scene.home(shard::LOCK_TABLE + field);
    let missing = load(scene, table::BUCKETS) - load(scene, table::ENTRIES);
    let names = (0..=missing).map(|_| scene.name_of_lock(turn)).collect();
    scene.cast.set_names(names);
    hold_all_but_the_first(scene);
}

/// Half of the buckets that have memory are in use.
fn grows(scene: &mut Scene) {
    furnish(scene);
    names(scene, 1 + 256 - LOCK_SEATS as usize);
    hold_all_but_the_first(scene);
}

fn hold_all_but_the_first(scene: &mut Scene) {
    let moves: Vec<Move> = (1..scene.cast.names.len()).map(|of| P0.ask(of)).collect();
    scene.play(&moves).unwrap();
}
