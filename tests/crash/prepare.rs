//! How the segment is brought to where each operation takes the path that is meant.

use super::content::{Content, key, name};
use super::control::Cell;
use super::scene::{HOME, Scene};
use super::victims::{self, Spot};
use cluster_shared_memory::heap::pages;
use cluster_shared_memory::segment::layout::shard;

/// Values: a block of 128 bytes, another of the same class, a smaller and a larger one; a block of
/// which four fill a span; runs of 10 and of 14 pages.
pub(crate) const SMALL: Content = bytes(64, 1);
pub(crate) const SAME: Content = bytes(70, 2);
pub(crate) const SMALLER: Content = bytes(20, 3);
pub(crate) const LARGER: Content = bytes(180, 4);
pub(crate) const BIG: Content = bytes(3900, 5);
pub(crate) const LONG: Content = bytes(10 * 4096 - 60, 6);
pub(crate) const LONGER: Content = bytes(14 * 4096 - 344, 7);
pub(crate) const NUMBER: Content = Content::Number(5.0);
pub(crate) const NONE: Content = Content::Absent;

const fn bytes(length: usize, seed: u64) -> Content {
    Content::Bytes { length, seed }
}

pub(crate) fn overwrite(scene: &mut Scene, old: Content, new: Content) {
    for room in [old, new] {
        if room.is_present() {
            let id = scene.name_in(HOME);
            scene.put_static(id, room);
        }
    }
    let id = scene.name_in(HOME);
    scene.target(id, old, new);
}

pub(crate) fn long_over_small(scene: &mut Scene) {
    overwrite(scene, SMALL, LONG);
}

pub(crate) fn insert_in_empty(scene: &mut Scene) {
    let room = scene.name_in(HOME);
    scene.put_static(room, SMALL);
    let id = scene.name_in_chain(true);
    scene.target(id, NONE, SMALL);
}

pub(crate) fn insert_in_front(scene: &mut Scene) {
    let room = scene.name_in(HOME);
    scene.put_static(room, SMALL);
    let id = scene.name_in_chain(false);
    scene.target(id, NONE, SMALL);
}

/// As many entries as buckets, five of them in the chain whose turn it is.
pub(crate) fn insert_that_splits(scene: &mut Scene) {
    let room = scene.name_in(HOME);
    scene.put_static(room, SMALL);
    let buckets = scene.home(shard::BUCKETS);
    for index in scene.home(shard::ENTRIES)..buckets {
        let id = if index + 5 < buckets { scene.name_in(HOME) } else { scene.name_to_split() };
        scene.put_static(id, NUMBER);
    }
    let id = scene.name_in(HOME);
    scene.target(id, NONE, SMALL);
}

/// One span of the class, without room.
pub(crate) fn insert_with_span(scene: &mut Scene) {
    for _ in 0..4 {
        let id = scene.name_in(HOME);
        scene.put_static(id, BIG);
    }
    let id = scene.name_in(HOME);
    scene.target(id, NONE, BIG);
}

/// Two spans of the class with room, in one of which the target is alone.
pub(crate) fn last_of_a_span(scene: &mut Scene) {
    let mut first = Vec::new();
    for _ in 0..4 {
        let id = scene.name_in(HOME);
        BIG.put(&scene.store, id).unwrap();
        first.push(id);
    }
    let id = scene.name_in(HOME);
    scene.target(id, BIG, NONE);
    NONE.put(&scene.store, first.pop().unwrap()).unwrap();
    scene.statics.extend(first.into_iter().map(|id| (id, BIG)));
}

pub(crate) fn watched(scene: &mut Scene, old: Content, new: Content) {
    for room in [old, new] {
        if room.is_present() {
            let id = scene.name_in(HOME);
            scene.put_static(id, room);
        }
    }
    let id = watched_key(scene);
    scene.target(id, old, new);
}

/// A key of which each change leaves a record, for moves to watch.
pub(crate) fn watched_key(scene: &mut Scene) -> u64 {
    let id = scene.name_watched(&[]);
    let name = name(id);
    scene.store.watch(&key(&scene.store, &name)).unwrap();
    scene.cast.set_names(vec![id]);
    id
}

pub(crate) fn ring_full(scene: &mut Scene) {
    let id = watched_key(scene);
    for round in 0..scene.store.segment().layout().log_records + 20 {
        bytes(64, 100 + round).put(&scene.store, id).unwrap();
    }
    scene.target(id, SMALL, SAME);
}

/// More than the log's share of 64 KiB with the old value: that one must go as well as the one
/// before it.
pub(crate) fn too_much_kept(scene: &mut Scene) {
    let id = watched_key(scene);
    bytes(10 * 4096 - 60, 100).put(&scene.store, id).unwrap();
    scene.target(id, bytes(30 * 4096 - 60, 101), LONGER);
}

/// Free pieces side by side, where the search for a run will begin.
pub(crate) fn neighbours(scene: &mut Scene, pieces: usize, pages: usize, run: usize) {
    let room = scene.name_in(HOME);
    scene.put_static(room, LONG);
    let ids: Vec<u64> = (0..pieces).map(|_| scene.name_in(HOME)).collect();
    let known = super::image::runs(scene.store.segment());
    for id in &ids {
        bytes(pages * 4096 - 6, *id).put(&scene.store, *id).unwrap();
    }
    let runs = super::image::runs(scene.store.segment());
    let first = runs.iter().find(|run| !known.contains(run)).unwrap().start;
    for id in ids {
        NONE.put(&scene.store, id).unwrap();
    }
    pages::suggest(scene.store.segment(), first, run as u64).unwrap();
    let id = scene.name_in(HOME);
    scene.target(id, NONE, bytes(run * 4096 - 6, 8));
}

/// Room for the run, but no block for the entry and no pages for a span.
pub(crate) fn no_memory(scene: &mut Scene) {
    let head = cluster_shared_memory::heap::blocks::Blocks::new(scene.store.segment(), HOME);
    let head = head.class_head(0);
    while scene.word(head) != 0 {
        let id = scene.name_in(HOME);
        scene.put_static(id, bytes(4090, id));
    }
    scene.steal().unwrap();
    let is_of_eight = |thief: &(u64, Content)| thief.1 == bytes(8 * 4096 - 6, thief.0);
    let index = scene.thieves.iter().position(is_of_eight).unwrap();
    let (id, _) = scene.thieves.remove(index);
    NONE.put(&scene.store, id).unwrap();
    let id = scene.name_in(HOME);
    scene.target(id, NONE, bytes(8 * 4096 - 100, 9));
}

/// Half of the buckets that have memory are in use.
pub(crate) fn table_grows(scene: &mut Scene) {
    let room = scene.name_in(HOME);
    scene.put_static(room, SMALL);
    while scene.home(shard::BUCKETS) < 256 || scene.home(shard::ENTRIES) < 256 {
        let id = scene.name_in(HOME);
        scene.put_static(id, NUMBER);
    }
    let id = scene.name_in(HOME);
    scene.target(id, NONE, SMALL);
}

/// Somebody has died under the latch that the process needs.
pub(crate) fn takeover(scene: &mut Scene, prepare: fn(&mut Scene), spot: Spot) {
    overwrite(scene, SMALL, SAME);
    victims::leave(scene, prepare, spot);
}

/// What the dead had given away is already another's.
pub(crate) fn span_reused(scene: &mut Scene) {
    takeover(scene, last_of_a_span, Spot::Clear);
    scene.steal().unwrap();
}

pub(crate) fn run_reused(scene: &mut Scene) {
    takeover(scene, |scene| overwrite(scene, LONG, SMALL), Spot::Clear);
    scene.steal().unwrap();
}

/// Somebody has died while taking a part of the only free piece: the rest of it is still there for
/// all who look.
pub(crate) fn only_room(scene: &mut Scene) {
    let prepare: fn(&mut Scene) = |scene| {
        long_over_small(scene);
        scene.steal().unwrap();
        let (id, _) = scene.thieves.remove(0);
        NONE.put(&scene.store, id).unwrap();
        scene.control.set(Cell::Tight, 0);
    };
    victims::leave(scene, prepare, Spot::MidPages);
}
