//! Numbers, which change in place: a value belongs to its version, whoever dies where.
//!
//! Teeth: without the fence in `latch::acquire` or that of `store::read`, a reader saw 3 as
//! version 1; with the stamp written `Relaxed`, 0 as version 2.

use crate::support::{World, add, explore, get_number, spawn};
use loom::thread::JoinHandle;

/// Two writers, one reader, three preemptions.
#[test]
fn a_number_is_read_with_the_version_that_it_has() {
    explore(3, || {
        let world = World::new(3);
        add(&world.store(0), "n", 1.0);
        let other = spawn({
            let world = world.clone();
            move || add(&world.store(1), "n", 1.0)
        });
        let reader = reads(&world, 2);
        add(&world.store(0), "n", 1.0);
        other.join().unwrap();
        let reads = reader.join().unwrap();
        assert!(reads.iter().all(|(number, version)| *number == *version as f64), "{reads:?}");
        assert!(reads.is_sorted(), "{reads:?}");
        assert_eq!(get_number(&world.store(0), "n"), Some((3.0, 3)));
    });
}

/// One writer that changes the number three times, so that both cells are written while a reader is
/// at it; three preemptions.
#[test]
fn a_cell_that_is_written_again_is_not_read_for_the_other() {
    explore(3, || {
        let world = World::new(2);
        let store = world.store(0);
        add(&store, "n", 1.0);
        let reader = reads(&world, 1);
        (0..3).for_each(|_| assert!(add(&store, "n", 1.0) > 1.0));
        let reads = reader.join().unwrap();
        assert!(reads.iter().all(|(number, version)| *number == *version as f64), "{reads:?}");
        assert!(reads.is_sorted(), "{reads:?}");
    });
}

/// A writer dies before each of its stores in turn, beside a reader and the next writer.
/// Two preemptions.
#[test]
fn a_death_leaves_the_old_number_or_the_new_one() {
    for stores in 0..=6 {
        explore(2, move || {
            let world = World::new(3);
            add(&world.store(0), "n", 1.0);
            let next = spawn({
                let world = world.clone();
                move || add(&world.store(1), "n", 100.0)
            });
            let reader = reads(&world, 2);
            let done = world.dying(0, stores, |store| add(store, "n", 10.0)).is_some();
            next.join().unwrap();
            let reads = reader.join().unwrap();
            assert!(reads[0].1 < reads[1].1 || reads[0] == reads[1], "{reads:?}");
            assert!(reads.iter().all(|(number, _)| [1.0, 11.0, 101.0, 111.0].contains(number)));
            let (last, _) = get_number(&world.store(2), "n").unwrap();
            assert!(last == 111.0 || !done && last == 101.0, "{last}");
        });
    }
}

/// A member that reads the number twice.
fn reads(world: &World, number: usize) -> JoinHandle<[(f64, u64); 2]> {
    let world = world.clone();
    spawn(move || [(); 2].map(|()| get_number(&world.store(number), "n").unwrap()))
}
