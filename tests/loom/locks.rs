//! Locks: one holder at a time, first come first served, and a turn for everybody whoever dies.
//!
//! The holder writes a word that is no atomic: loom fails a run in which one holder's accesses are
//! not ordered after the last one's. A run in which a waiter is neither granted nor told is a
//! deadlock, which loom reports.
//!
//! Teeth. "Concurrent read and write accesses": the latch taken or let go `Relaxed`, or the look at
//! GRANTED in `queue.rs`. A deadlock: a ticket that is never marked as a sleeper's or not told, the
//! owner of a free lock written after FIRST, no claim in the slot, waiters or holders not given up,
//! nobody told of a repair. With a spin of one look: both looks at GRANTED after it `Relaxed`, and a
//! sleeper marked without the latch, without a look at GRANTED, or not at all.

use crate::support::{Plain, World, explore, key_of, look_to_the_end, set, sleep, spawn};
use cluster_shared_memory::latch::PATIENCE;
use cluster_shared_memory::locks::{Asked, Locks, Released, Spinner, Ticket};
use cluster_shared_memory::repair;
use cluster_shared_memory::wake;
use std::sync::Arc;

/// How a member waits for its turn.
#[derive(Clone, Copy, PartialEq)]
enum Wait {
    /// By looking at its tickets again and again.
    Looks,
    /// By sleeping until it is told.
    Sleeps,
}

/// A key whose lock has been had and let go of before.
const KEY: &str = "k";

/// What the lock of a key protects.
struct Guarded {
    world: World,
    key: &'static str,
    turns: Plain,
    last_ticket: Plain,
}

impl Guarded {
    /// There is room for a waiter and for another lock.
    fn new(members: usize, key: &'static str) -> Arc<Self> {
        let world = World::new(u32::try_from(members).unwrap());
        set(&world.store(0), "k", b'a');
        let (turns, last_ticket) = (Plain::new(0), Plain::new(0));
        let mut guarded = Self { world, key: KEY, turns, last_ticket };
        let ticket = guarded.ask(members - 1);
        guarded.release(members - 1, ticket);
        guarded.key = key;
        Arc::new(guarded)
    }

    fn locks(&self, number: usize, processors: usize) -> Locks {
        let segment = Arc::clone(&self.world.segment);
        Locks::new(segment, self.world.member(number), Spinner::new(processors))
    }

    /// Has the lock once; gives whether its last holder died.
    fn take_turn(&self, number: usize, locks: &mut Locks, wait: Wait) -> bool {
        let store = self.world.store(number);
        let key = key_of(&store, self.key);
        let (ticket, abandoned) = match locks.ask(&key).unwrap() {
            Asked::Granted { ticket, abandoned, .. } => (ticket, abandoned),
            Asked::Waiting { ticket, .. } => self.wait(number, locks, wait, ticket),
        };
        assert!(ticket.to_number() > self.last_ticket.get(), "not first come first served");
        self.last_ticket.set(ticket.to_number());
        self.turns.set(self.turns.get() + 1);
        loom::thread::yield_now();
        assert_eq!(locks.release(&key, ticket, PATIENCE).unwrap(), Released::Done);
        abandoned
    }

    fn wait(&self, number: usize, locks: &mut Locks, wait: Wait, ticket: Ticket) -> (Ticket, bool) {
        let (segment, me) = (&self.world.segment, self.world.member(number));
        let mut granted = Vec::new();
        while granted.is_empty() {
            if wait == Wait::Looks {
                granted.extend(locks.granted(u64::MAX).unwrap());
                loom::thread::yield_now();
            } else {
                sleep(segment, me);
                look_to_the_end(segment, me, |news| granted.extend(locks.granted(news).unwrap()));
            }
        }
        assert!(matches!(granted[..], [(granted, _)] if granted == ticket), "{granted:?}");
        granted[0]
    }

    /// Takes the lock, which is free.
    fn ask(&self, number: usize) -> Ticket {
        let asked =
            self.locks(number, 1).ask(&key_of(&self.world.store(number), self.key)).unwrap();
        let Asked::Granted { ticket, .. } = asked else { panic!("{asked:?}") };
        ticket
    }

    fn release(&self, number: usize, ticket: Ticket) {
        let key = key_of(&self.world.store(number), self.key);
        let released = self.locks(number, 1).release(&key, ticket, PATIENCE).unwrap();
        assert_eq!(released, Released::Done);
    }

    /// As the hub does once a death is proven.
    fn mend(&self, mender: usize, dead: usize) {
        let (segment, world) = (&self.world.segment, &self.world);
        repair::mend(segment, world.member(mender), world.member(dead)).unwrap();
        wake::rouse_all(segment, wake::REPAIRED).unwrap();
    }

    /// Everything is sound, and a living member finds the lock free.
    fn finish(&self, number: usize) {
        self.world.verify(&[]);
        self.ask(number);
    }
}

fn explore_turns(members: usize, processors: usize, preemptions: usize, wait: Wait) {
    explore(preemptions, move || {
        let guarded = Guarded::new(members, KEY);
        let turn = |number| {
            let guarded = Arc::clone(&guarded);
            move || guarded.take_turn(number, &mut guarded.locks(number, processors), wait)
        };
        let others: Vec<_> = (1..members).map(|number| spawn(turn(number))).collect();
        turn(0)();
        others.into_iter().for_each(|other| _ = other.join().unwrap());
        assert_eq!(guarded.turns.get(), members as u64);
        guarded.finish(0);
    });
}

/// Two members, five preemptions.
#[test]
fn a_lock_has_one_holder_at_a_time() {
    explore_turns(2, 1, 5, Wait::Looks);
}

/// Two members, five preemptions; three, one.
#[test]
fn a_waiter_that_sleeps_is_granted_or_told() {
    explore_turns(2, 1, 5, Wait::Sleeps);
    explore_turns(3, 1, 1, Wait::Sleeps);
}

/// Two members, four preemptions.
#[test]
fn a_waiter_that_has_spun_is_granted_or_told() {
    explore_turns(2, 2, 4, Wait::Sleeps);
}

/// Stores of a turn that needs no waiting, and some more.
const FREE_STORES: u64 = 56;

/// One dies before each of its stores while it takes a lock that is free, or new, and lets go of it;
/// another wants it too. One preemption.
#[test]
fn whoever_dies_taking_a_free_lock_the_next_one_gets_it() {
    for key in [KEY, "l"] {
        for stores in 0..=FREE_STORES {
            explore(1, move || {
                let guarded = Guarded::new(3, key);
                let next = spawn({
                    let guarded = Arc::clone(&guarded);
                    move || guarded.take_turn(1, &mut guarded.locks(1, 1), Wait::Sleeps)
                });
                let turn = || guarded.take_turn(0, &mut guarded.locks(0, 1), Wait::Looks);
                if guarded.world.dying(0, stores, |_| turn()).is_none() {
                    guarded.mend(2, 0);
                }
                next.join().unwrap();
                guarded.finish(2);
            });
        }
    }
}

/// Stores of a `release` that passes the lock on, and some more.
const RELEASE_STORES: u64 = 40;

/// The holder dies before each store of its `release` while another asks and waits; two preemptions.
#[test]
fn a_lock_of_a_dead_holder_passes_on() {
    for stores in 0..=RELEASE_STORES {
        explore(2, move || {
            let guarded = Guarded::new(3, KEY);
            let ticket = guarded.ask(0);
            let next = spawn({
                let guarded = Arc::clone(&guarded);
                move || guarded.take_turn(1, &mut guarded.locks(1, 1), Wait::Sleeps)
            });
            let done = guarded.world.dying(0, stores, |_| guarded.release(0, ticket));
            if done.is_none() {
                guarded.mend(2, 0);
            }
            let abandoned = next.join().unwrap();
            assert!(!(abandoned && done.is_some()) && (abandoned || stores > 0));
            guarded.finish(2);
        });
    }
}

/// Stores of a turn for which one has to wait, and some more.
const TURN_STORES: u64 = 80;

/// One asks and waits for a lock whose holder lets go of it and asks again; it dies before each of
/// its stores. One preemption.
#[test]
fn a_dead_waiter_is_passed_over() {
    for stores in 0..=TURN_STORES {
        explore(1, move || {
            let guarded = Guarded::new(3, KEY);
            let ticket = guarded.ask(1);
            let holder = spawn({
                let guarded = Arc::clone(&guarded);
                move || {
                    guarded.release(1, ticket);
                    guarded.take_turn(1, &mut guarded.locks(1, 1), Wait::Sleeps);
                }
            });
            let turn = || guarded.take_turn(0, &mut guarded.locks(0, 1), Wait::Looks);
            if guarded.world.dying(0, stores, |_| turn()).is_none() {
                guarded.mend(2, 0);
            }
            holder.join().unwrap();
            guarded.finish(2);
        });
    }
}

/// A holder lets go, the waiter behind it is dead and being mended, and one behind that sleeps. One
/// preemption.
#[test]
fn who_waits_behind_a_dead_waiter_gets_its_turn() {
    explore(1, || {
        let guarded = Guarded::new(4, KEY);
        let ticket = guarded.ask(1);
        let asked = guarded.locks(0, 1).ask(&key_of(&guarded.world.store(0), KEY)).unwrap();
        assert!(matches!(asked, Asked::Waiting { .. }));
        guarded.world.report_death(0);
        let next = spawn({
            let guarded = Arc::clone(&guarded);
            move || guarded.take_turn(2, &mut guarded.locks(2, 1), Wait::Sleeps)
        });
        let hub = spawn({
            let guarded = Arc::clone(&guarded);
            move || guarded.mend(3, 0)
        });
        guarded.release(1, ticket);
        next.join().unwrap();
        hub.join().unwrap();
        guarded.finish(3);
    });
}

/// The holder is dead; the hub passes its lock on while a waiter looks by itself. Two preemptions.
#[test]
fn who_looks_by_itself_learns_that_the_last_holder_died() {
    explore(2, || {
        let guarded = Guarded::new(3, KEY);
        guarded.ask(0);
        guarded.world.report_death(0);
        let next = spawn({
            let guarded = Arc::clone(&guarded);
            move || guarded.take_turn(1, &mut guarded.locks(1, 1), Wait::Looks)
        });
        guarded.mend(2, 0);
        assert!(next.join().unwrap());
    });
}
