//! Readers of the real store: never half a value, never back in time, and never another's block.
//!
//! Teeth: without the fence in `intent::is_unchanged`, "half of one value and half of another";
//! with the seal `Relaxed`, an entry that was there was not found; with the end of a replay
//! `Relaxed`, the value before a sealed change.

use crate::support::{World, explore, get, remove, set, spawn, touch};
use loom::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

/// Two changes, one read; one preemption.
#[test]
fn a_reader_never_sees_a_mixture() {
    explore(1, || {
        let world = World::new(2);
        let store = world.store(0);
        set(&store, "k", b'a');
        let reader = spawn({
            let world = world.clone();
            move || get(&world.store(1), "k").unwrap()
        });
        set(&store, "k", b'b');
        set(&store, "k", b'c');
        let (letter, version) = reader.join().unwrap();
        assert_eq!(version, u64::from(letter - b'`'));
        assert_eq!(get(&store, "k"), Some((b'c', 3)));
    });
}

/// One change, two reads; two preemptions.
#[test]
fn a_reader_never_goes_back_in_time() {
    explore(2, || {
        let world = World::new(2);
        let store = world.store(0);
        set(&store, "k", b'a');
        let reader = spawn({
            let world = world.clone();
            move || [(); 2].map(|()| get(&world.store(1), "k").unwrap())
        });
        set(&store, "k", b'b');
        let reads = reader.join().unwrap();
        assert!(reads.is_sorted(), "{reads:?}");
        assert!(reads.iter().all(|read| [(b'a', 1), (b'b', 2)].contains(read)));
    });
}

/// One writer, two readers of which the second begins after the first has ended; one preemption.
#[test]
fn who_reads_after_another_has_read_sees_no_older_value() {
    explore(1, || {
        let world = World::new(3);
        set(&world.store(0), "k", b'a');
        let told = Arc::new(AtomicU64::new(0));
        let readers = [1, 2].map(|number| {
            let (world, told) = (world.clone(), Arc::clone(&told));
            spawn(move || {
                let earlier = told.load(Ordering::Acquire);
                let letter = u64::from(get(&world.store(number), "k").unwrap().0);
                told.store(letter, Ordering::Release);
                assert!(letter >= earlier, "{letter} after {earlier}");
            })
        });
        set(&world.store(0), "k", b'b');
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
}

/// An entry is removed and its block filled for another key, which gets as far as before each store
/// in turn, while the entry is read with care. One preemption.
#[test]
fn a_block_that_is_filled_anew_is_never_taken_for_the_entry_that_it_was() {
    for stores in 1..=10 {
        explore(1, move || {
            let world = World::new(2);
            let store = world.store(0);
            set(&store, "k", b'a');
            let reader = spawn({
                let world = world.clone();
                move || get(&world.store(1), "k")
            });
            touch(&store, "k");
            remove(&store, "k");
            world.stopping(0, stores, |store| set(store, "l", b'y'));
            assert!(matches!(reader.join().unwrap(), None | Some((b'a', 1))));
        });
    }
}

/// Stores of an overwriting `set`, and some more.
const SET_STORES: u64 = 56;

/// A writer is stopped before each of its stores in turn while another reads; two preemptions.
#[test]
fn a_stopped_writers_change_is_seen_wholly_or_not_at_all_and_for_good() {
    for stores in 0..=SET_STORES {
        explore(2, move || {
            let world = World::new(3);
            set(&world.store(0), "k", b'a');
            let reader = spawn({
                let world = world.clone();
                move || [(); 2].map(|()| get(&world.store(1), "k").unwrap())
            });
            let done = world.stopping(0, stores, |store| set(store, "k", b'b')).is_some();
            let left = get(&world.store(2), "k").unwrap();
            assert!(left == (b'b', 2) || !done && left == (b'a', 1));
            let reads = reader.join().unwrap();
            assert!(reads.is_sorted(), "{reads:?}");
            assert!(reads.iter().all(|read| *read == (b'a', 1) || *read == left), "{reads:?}");
        });
    }
}

/// A writer is dead, having died before each of its stores in turn; another takes its latch over
/// for a change of its own while a third reads. One preemption.
#[test]
fn a_takeover_changes_nothing_that_a_reader_has_seen() {
    for stores in 0..=SET_STORES {
        explore(1, move || {
            let world = World::new(3);
            set(&world.store(0), "k", b'a');
            world.dying(0, stores, |store| set(store, "k", b'b'));
            let left = get(&world.store(1), "k");
            let reader = spawn({
                let world = world.clone();
                move || get(&world.store(1), "k")
            });
            set(&world.store(2), "l", b'x');
            assert_eq!(reader.join().unwrap(), left);
            world.verify(&[0]);
            assert_eq!(get(&world.store(1), "k"), left);
        });
    }
}
