//! Pages that change hands: to readers in the middle of a copy, and to others before a replay.
//!
//! Teeth: without the fence in `hazard::protect`, with `AcqRel` for `SeqCst`, without the look at
//! the hazards, and with `unprotect` or the hand-over `Relaxed`: "concurrent read and write
//! accesses" to the run. With a replay that writes all words again: the other shard's entry had
//! version 0.

use crate::support::{
    Plain, World, explore, get, key_of, keys_of_shard, remove, set, spawn, touch,
};
use cluster_shared_memory::entry::word;
use cluster_shared_memory::heap::blocks::Blocks;
use cluster_shared_memory::heap::fact::Fact;
use cluster_shared_memory::heap::hazard;
use cluster_shared_memory::heap::pages::{self, Note};
use cluster_shared_memory::latch;
use cluster_shared_memory::segment::region::Offset;
use cluster_shared_memory::shard::Shard;
use cluster_shared_memory::sync::{Ordering, fence};
use std::sync::Arc;

/// A run that an entry of shard 0 owns, reduced to the word that says so.
struct Run {
    world: World,
    owner_at: Offset,
    page: u64,
    content: Plain,
}

impl Run {
    const OWNED: Fact = Fact::Run { shard: 0, pages: 1 };
    const LEAVING: Fact = Fact::Leaving { shard: 0, pages: 1 };

    fn new(world: World) -> Self {
        let (segment, me) = (&world.segment, world.member(0));
        let layout = segment.layout();
        let owner_at = layout.log_record(0, 0);
        let run = pages::build(segment, me, Note::Run, 1, 1).unwrap();
        let page = run.page();
        let held = latch::hold(segment, layout.shard(0), me).unwrap();
        let mut changes = held.changes();
        changes.set(layout.fact(page), Self::OWNED.to_word()).unwrap();
        changes.set(run.note_at(), 0).unwrap();
        changes.set(owner_at, 1).unwrap();
        held.commit(&mut changes).unwrap();
        run.publish();
        drop(held);
        Self { world, owner_at, page, content: Plain::new(1) }
    }

    /// Reads as `Store::read_protected` does.
    fn read(&self, number: usize) -> Option<u64> {
        let (segment, me) = (&self.world.segment, self.world.member(number));
        let is_owned = |order| segment.region().load(self.owner_at, order).unwrap() == 1;
        if !is_owned(Ordering::Acquire) {
            return None;
        }
        hazard::protect(segment, me, self.page).unwrap();
        fence(Ordering::Acquire);
        let read = is_owned(Ordering::Relaxed).then(|| self.content.get());
        hazard::unprotect(segment, me).unwrap();
        read
    }

    fn free(&self, number: usize) {
        let (segment, me) = (&self.world.segment, self.world.member(number));
        let layout = segment.layout();
        pages::suggest(segment, self.page, 1).unwrap();
        let held = latch::hold(segment, layout.shard(0), me).unwrap();
        let mut changes = held.changes();
        changes.set(self.owner_at, 0).unwrap();
        let (owned, leaving) = (Self::OWNED.to_word(), Self::LEAVING.to_word());
        changes.hand_over(layout.fact(self.page), owned, leaving).unwrap();
        held.commit(&mut changes).unwrap();
    }

    /// Builds a run of its own, in the same place if it may.
    fn reuse(&self, number: usize) -> bool {
        let (segment, me) = (&self.world.segment, self.world.member(number));
        let run = pages::build(segment, me, Note::Run, 1, 1).unwrap();
        let is_same = run.page() == self.page;
        if is_same {
            self.content.set(2);
        }
        run.publish();
        is_same
    }
}

/// One frees the run and builds another, one reads twice; three preemptions.
#[test]
fn a_protected_run_is_not_written_by_the_next_builder() {
    explore(3, || {
        let run = Arc::new(Run::new(World::new(2)));
        let reader = spawn({
            let run = Arc::clone(&run);
            move || [(); 2].map(|()| run.read(1))
        });
        run.free(0);
        run.reuse(0);
        let reads = reader.join().unwrap();
        assert!(reads.iter().all(|read| matches!(read, None | Some(1))), "{reads:?}");
    });
}

/// One frees the run, another builds, a third reads; three preemptions.
#[test]
fn a_protected_run_is_safe_from_a_builder_that_did_not_free_it() {
    explore(3, || {
        let run = Arc::new(Run::new(World::new(3)));
        let builder = spawn({
            let run = Arc::clone(&run);
            move || run.reuse(1)
        });
        let reader = spawn({
            let run = Arc::clone(&run);
            move || run.read(2)
        });
        run.free(0);
        builder.join().unwrap();
        let read = reader.join().unwrap();
        assert!(matches!(read, None | Some(1)), "{read:?}");
    });
}

/// A world with an entry that is alone in its span, and another span of the class, so that the
/// entry's span leaves the shard with it. Gives the entry's key and block.
fn lonely_entry(world: &World) -> (String, Offset) {
    let (segment, store) = (&world.segment, world.store(0));
    let key = keys_of_shard(segment, 0).next().unwrap();
    set(&store, &key, b'a');
    let table = Shard::new(segment, 0).table();
    let found = table.find(segment.region(), &key_of(&store, &key)).unwrap().unwrap();
    let page = segment.layout().page_of(found.entry).unwrap();
    let Fact::Span { class, pages, .. } = pages::fact(segment, page).unwrap() else {
        panic!("an entry outside the spans");
    };
    let other = pages::build(segment, world.member(0), Note::Span, pages, pages).unwrap();
    let held = latch::hold(segment, segment.layout().shard(0), world.member(0)).unwrap();
    let mut changes = held.changes();
    Blocks::new(segment, 0).install(&mut changes, class, &other).unwrap();
    held.commit(&mut changes).unwrap();
    other.publish();
    drop(held);
    pages::suggest(segment, page, pages).unwrap();
    (key, found.entry)
}

/// Stores of the `remove` below, and some more.
const REMOVE_STORES: u64 = 48;

/// A member dies before each store of a `remove` that hands a span over; another shard takes the
/// span and uses it, while a third member takes the latch of the dead. Two preemptions.
#[test]
fn a_replay_leaves_alone_what_others_have_gone_on_from() {
    for stores in 0..=REMOVE_STORES {
        explore(2, move || {
            let world = World::new(3);
            let (key, _) = lonely_entry(&world);
            let other = keys_of_shard(&world.segment, 1).next().unwrap();
            world.dying(0, stores, |store| remove(store, &key));
            let left = get(&world.store(1), &key);
            let next = spawn({
                let (world, key) = (world.clone(), key.clone());
                move || remove(&world.store(2), &key)
            });
            set(&world.store(1), &other, b'x');
            assert_eq!(next.join().unwrap(), left.is_some());
            assert_eq!(get(&world.store(1), &other), Some((b'x', 1)));
            world.verify(&[0]);
        });
    }
}

/// An entry's span leaves the shard while the entry is read with care, and becomes a run into which
/// somebody writes just the bytes that make the stamp. Two preemptions. If the spans given back are
/// not counted, or counted by the reader after its sequence: half of one value and half of another.
#[test]
fn a_value_that_looks_like_a_stamp_is_not_taken_for_one() {
    explore(2, || {
        let world = World::new(2);
        let (key, entry) = lonely_entry(&world);
        let region = world.segment.region();
        let stamp = region.load(entry.add(word::STAMP), Ordering::Relaxed).unwrap();
        let reader = spawn({
            let (world, key) = (world.clone(), key.clone());
            move || get(&world.store(1), &key)
        });
        touch(&world.store(0), &key);
        assert!(remove(&world.store(0), &key));
        let pages = world.segment.layout().span_pages;
        let run = pages::build(&world.segment, world.member(0), Note::Run, pages, 1).unwrap();
        assert_eq!(world.segment.layout().page(run.page()), entry);
        let second_half = entry.add(word::KEY).word(2);
        for (at, word) in [(second_half, u64::MAX), (entry.add(word::STAMP), stamp)] {
            region.store(at, word, Ordering::Relaxed).unwrap();
        }
        let read = reader.join().unwrap();
        assert!(matches!(read, None | Some((b'a', 1))), "{read:?}");
    });
}
