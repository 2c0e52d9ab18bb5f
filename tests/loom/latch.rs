//! The latch and its intent: one holder at a time, and a dead one's change is made whole.
//!
//! Teeth, tried by weakening a line: the latch let go with `Relaxed` ("concurrent read and write
//! accesses", "a part of a change: [1, 1, 2]"), taken with `Relaxed` (the same), the seal or its
//! end `Relaxed`, the fence of `intent::apply` or of `is_unchanged` left out ("a mixture: [1, 1,
//! 3]").

use crate::support::{Plain, explore, spawn, with_fuel};
use cluster_shared_memory::error::Result;
use cluster_shared_memory::intent::{self, Overlay, Words};
use cluster_shared_memory::latch::{self, Held, Waiter};
use cluster_shared_memory::segment::region::{Offset, Region};
use loom::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

const BASE: Offset = Offset::new(0);
/// Three words that only ever change together.
const WORDS: [Offset; 3] = [Offset::new(4096), Offset::new(4104), Offset::new(4112)];
/// Stores of [`change`]: the latch, six of the intent, its length, the seal, three words, the end
/// of the seal, the latch.
const STORES: u64 = 14;
/// From so many stores on it has happened.
const SEALED: u64 = 9;

/// A domain, and what the kernel knows of its users.
#[derive(Clone)]
struct World {
    region: Arc<Region>,
    /// A bit for each dead owner.
    dead: Arc<AtomicU64>,
}

struct Member<'w> {
    world: &'w World,
    number: u64,
}

impl World {
    fn new() -> Self {
        Self { region: Arc::new(Region::modelled(8192, 48)), dead: Arc::default() }
    }

    fn acquire(&self, number: u64) -> Held<'_> {
        latch::acquire(&self.region, BASE, &mut Member { world: self, number }).unwrap()
    }

    /// Sets all words to `value` under the latch.
    fn change(&self, number: u64, value: u64) {
        commit(&self.acquire(number), value);
    }

    /// As [`World::change`], but dies before the store after the first `stores`; `false`: it died.
    fn change_dying(&self, number: u64, value: u64, stores: u64) -> bool {
        let survived = with_fuel(stores, || self.change(number, value)).is_some();
        if !survived {
            // Release: stands for the kernel, which reports a death after the last instruction.
            self.dead.fetch_or(1 << number, Ordering::Release);
        }
        survived
    }

    /// What the words are, under the latch; they must be one change's.
    fn words(&self, number: u64) -> u64 {
        let held = self.acquire(number);
        let words = WORDS.map(|word| self.region.load(word, Ordering::Relaxed).unwrap());
        drop(held);
        assert!(words.iter().all(|word| *word == words[0]), "a part of a change: {words:?}");
        words[0]
    }
}

fn commit(held: &Held<'_>, value: u64) {
    let mut changes = held.changes();
    for word in WORDS {
        changes.set(word, value).unwrap();
    }
    held.commit(&mut changes).unwrap();
}

impl Waiter for Member<'_> {
    fn word(&self) -> u64 {
        self.number
    }

    fn pause(&mut self, owner: u64) -> Result<bool> {
        // Acquire: pairs with the Release in `change_dying`.
        let is_dead = self.world.dead.load(Ordering::Acquire) >> owner & 1 != 0;
        if !is_dead {
            loom::thread::yield_now();
        }
        Ok(is_dead)
    }
}

/// Three members, one preemption; two, three preemptions.
#[test]
fn a_latch_has_one_holder_at_a_time() {
    for (members, preemptions) in [(2, 3), (3, 1)] {
        explore(preemptions, move || {
            let world = World::new();
            let counter = Arc::new(Plain::new(0));
            let add = |number| {
                let (world, counter) = (world.clone(), Arc::clone(&counter));
                move || {
                    let held = world.acquire(number);
                    counter.set(counter.get() + 1);
                    drop(held);
                }
            };
            let others: Vec<_> = (2..=members).map(|number| spawn(add(number))).collect();
            add(1)();
            others.into_iter().for_each(|other| other.join().unwrap());
            assert_eq!(counter.get(), members);
        });
    }
}

/// One dies before each of its stores in turn while another waits; three preemptions.
#[test]
fn of_a_dead_holders_change_all_words_or_none_are_found() {
    for stores in 0..=STORES {
        explore(3, move || {
            let world = World::new();
            world.change(1, 1);
            let next = spawn({
                let world = world.clone();
                move || world.words(1)
            });
            let survived = world.change_dying(2, 2, stores);
            let found = next.join().unwrap();
            let last = world.words(1);
            assert!(found == last || (found, last) == (1, 2), "{found}, then {last}");
            assert!(last == 2 || !survived && last == 1, "{last}, survived: {survived}");
            assert!(last == 1 || stores >= SEALED, "{last} after {stores} stores");
        });
    }
}

/// One is dead already, having sealed; a second dies before each store of its replay and of a
/// change of its own; a third waits meanwhile. Two preemptions.
#[test]
fn a_death_during_the_replay_is_mended_by_the_next() {
    for first in SEALED..STORES {
        for second in 0..=STORES + 4 {
            explore(2, move || {
                let world = World::new();
                world.change(1, 1);
                assert!(!world.change_dying(2, 2, first));
                let next = spawn({
                    let world = world.clone();
                    move || world.words(1)
                });
                let survived = world.change_dying(3, 3, second);
                let found = next.join().unwrap();
                let last = world.words(1);
                assert!(found == 2 || found == 3, "{found}");
                assert!(last == 3 || !survived && last == 2, "{last}, survived: {survived}");
                assert!(last >= found, "{found}, then {last}");
            });
        }
    }
}

/// A holder is stopped before each of its stores in turn. While its death is not known, a reader
/// sees its sealed change; another takes over and makes a change; the reader never sees a mixture,
/// nor an older change again. No preemption.
#[test]
fn a_reader_sees_the_sealed_change_before_during_and_after_its_replay() {
    for stores in 0..=STORES {
        explore(0, move || {
            let world = World::new();
            world.change(1, 1);
            let reader = spawn({
                let world = world.clone();
                move || [(); 2].map(|()| read(&world.region))
            });
            world.change_dying(2, 2, stores);
            let left = read(&world.region);
            assert_eq!(left, if stores < SEALED { 1 } else { 2 });
            world.change(3, 3);
            let reads = reader.join().unwrap();
            assert!(reads.is_sorted() && reads.iter().all(|read| (1..=3).contains(read)));
            assert!(stores >= SEALED || !reads.contains(&2), "{reads:?} after {stores} stores");
        });
    }
}

/// Two changes under one hold, one read; two preemptions. Without the fence at the start of
/// `intent::commit`: "a mixture: [2, 2, 3]", read through an overlay of both intents.
#[test]
fn a_reader_never_mixes_two_intents_of_one_holder() {
    explore(2, || {
        let world = World::new();
        world.change(1, 1);
        let reader = spawn({
            let world = world.clone();
            move || read(&world.region)
        });
        let held = world.acquire(1);
        commit(&held, 2);
        commit(&held, 3);
        drop(held);
        assert!((1..=3).contains(&reader.join().unwrap()));
    });
}

/// Reads the words as `store::read` does: by the sequence, or through the sealed intent.
fn read(region: &Region) -> u64 {
    loop {
        let sequence = intent::sequence(region, BASE).unwrap();
        let words = if sequence & 1 == 0 {
            Some(WORDS.map(|word| region.word_at(word).unwrap()))
        } else {
            let overlay = Overlay::read(region, BASE, sequence).unwrap();
            overlay.map(|overlay| WORDS.map(|word| overlay.word_at(word).unwrap()))
        };
        if let Some(words) = words
            && intent::is_unchanged(region, BASE, sequence).unwrap()
        {
            assert!(words.iter().all(|word| *word == words[0]), "a mixture: {words:?}");
            return words[0];
        }
        loom::thread::yield_now();
    }
}
