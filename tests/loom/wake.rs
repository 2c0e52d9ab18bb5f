//! Waking: no call is lost, and a burst is told once.
//!
//! Who calls has published something, which is read `Relaxed`, so that nothing but the order of the
//! calls lets it be seen. JavaScript ends when it has seen all of it: a run in which it waits for
//! more while the wake thread sleeps is a deadlock, which loom reports.
//!
//! Teeth. A deadlock: the `fetch_or` of `rouse` or one of the exchanges of `sleep` and `settle`
//! `Relaxed`, a `settle` that loads and stores or keeps TOLD, a `rouse` that calls for new reasons
//! only, a sleep that is not compared with what was seen, the bits of `tell` or of `note_all` or the
//! swap of `take_news` `Relaxed`, or the bit set after the call. Told twice: TOLD not set, not heeded,
//! or cleared by a `settle` that gives a reason.

use crate::support::{World, explore, look_to_the_end, sleep, spawn, with_fuel};
use cluster_shared_memory::sync::{AtomicU32, AtomicU64, Ordering};
use cluster_shared_memory::wake::{self, FOR_JAVASCRIPT, NEWS, OTHER, REPAIRED};
use loom::sync::{Condvar, Mutex};
use std::sync::Arc;

/// Two things that are published, each before a call of its own.
type Published = [AtomicU64; 2];

/// What passes from a wake thread to its JavaScript, and at the end back.
#[derive(Default)]
struct Bell {
    is_rung: Mutex<bool>,
    rung: Condvar,
    is_over: AtomicU64,
}

impl Bell {
    /// As `Waker::run`, with the way in which it sleeps.
    fn wake_thread(&self, sleep: impl Fn() -> u32) {
        // Acquire: pairs with the Release in `javascript`.
        while self.is_over.load(Ordering::Acquire) == 0 {
            if sleep() & FOR_JAVASCRIPT != 0 {
                self.ring();
            }
        }
    }

    fn ring(&self) {
        *self.is_rung.lock().unwrap() = true;
        self.rung.notify_one();
    }

    /// Looks to the end once by itself and then each time that it is told, until it has seen
    /// everything. `look` is given what to do with a set of news, a bit each.
    fn javascript(&self, published: &Published, look: impl Fn(&mut dyn FnMut(u64))) {
        let mut seen = 0;
        loop {
            look(&mut |news| {
                for (number, published) in published.iter().enumerate() {
                    if news >> number & 1 != 0 {
                        seen |= published.load(Ordering::Relaxed) << number;
                    }
                }
            });
            if seen == 0b11 {
                break;
            }
            self.wait();
        }
        // Release: pairs with the Acquire in `wake_thread`.
        self.is_over.store(1, Ordering::Release);
    }

    fn wait(&self) {
        let mut is_rung = self.is_rung.lock().unwrap();
        while !*is_rung {
            is_rung = self.rung.wait(is_rung).unwrap();
        }
        *is_rung = false;
    }
}

/// A member reduced to its half word.
#[derive(Default)]
struct Member {
    word: AtomicU32,
    published: Published,
    bell: Bell,
}

impl Member {
    fn publish(&self, number: usize, reason: u32) {
        self.published[number].store(1, Ordering::Relaxed);
        wake::rouse(&self.word, reason);
    }

    fn wake_thread(&self) {
        self.bell.wake_thread(|| wake::sleep(&self.word));
    }

    fn javascript(&self) {
        self.bell.javascript(&self.published, |look| {
            look(u64::MAX);
            while wake::settle(&self.word) != 0 {
                look(u64::MAX);
            }
        });
        wake::rouse(&self.word, OTHER);
    }
}

/// A thread for each part, beside the first one, which is the first waker.
fn with_threads(member: &Arc<Member>, parts: &[fn(&Member)], first: impl FnOnce()) {
    let threads: Vec<_> = parts
        .iter()
        .map(|part| {
            let (member, part) = (Arc::clone(member), *part);
            spawn(move || part(&member))
        })
        .collect();
    first();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

/// Two wakers; one preemption.
#[test]
fn what_is_published_before_a_call_is_seen() {
    explore(1, || {
        let member = Arc::new(Member::default());
        let parts: [fn(&Member); 3] =
            [|member| member.publish(1, REPAIRED), Member::wake_thread, Member::javascript];
        with_threads(&member, &parts, || member.publish(0, NEWS));
    });
}

/// The first waker dies before its call to the kernel; who mends calls with another reason. Two
/// preemptions.
#[test]
fn a_call_after_a_repair_wakes_for_the_dead_too() {
    explore(2, || {
        let member = Arc::new(Member::default());
        with_threads(&member, &[Member::wake_thread, Member::javascript], || {
            with_fuel(0, || member.publish(0, NEWS));
            member.publish(1, REPAIRED);
        });
    });
}

/// Three calls before JavaScript has looked, and a fourth before it has looked to the end; two
/// preemptions.
#[test]
fn a_burst_is_told_once_until_javascript_has_looked() {
    explore(2, || {
        let member = Arc::new(Member::default());
        let other = spawn({
            let member = Arc::clone(&member);
            move || member.publish(1, REPAIRED)
        });
        let thread = spawn({
            let member = Arc::clone(&member);
            move || {
                let (mut told, mut reasons) = (0, 0);
                while reasons & OTHER == 0 {
                    let taken = wake::sleep(&member.word);
                    if taken & FOR_JAVASCRIPT != 0 {
                        told += 1;
                        member.bell.ring();
                    }
                    reasons |= taken;
                }
                (told, reasons)
            }
        });
        member.publish(0, NEWS);
        member.publish(0, NEWS);
        other.join().unwrap();
        member.bell.wait();
        let settled = wake::settle(&member.word);
        if settled != 0 {
            member.publish(0, NEWS);
            assert_eq!(wake::settle(&member.word), NEWS);
            assert_eq!(wake::settle(&member.word), 0);
        }
        wake::rouse(&member.word, OTHER);
        let (told, reasons) = thread.join().unwrap();
        assert_eq!(told, 1);
        assert_eq!(reasons | settled, NEWS | REPAIRED | OTHER);
    });
}

/// Stores of [`wake::tell`], its call to the kernel included.
const TELL_STORES: u64 = 3;

/// The whole way from two writers to JavaScript, by the words of a slot. The first writer dies before
/// each of its stores in turn, and is mended. One preemption.
#[test]
fn news_of_a_shard_are_looked_at_whoever_dies() {
    for stores in 0..=TELL_STORES {
        explore(1, move || {
            let world = World::new(3);
            let shared: Arc<(Published, Bell)> = Arc::default();
            let tell = {
                let (world, shared) = (world.clone(), Arc::clone(&shared));
                move |shard: usize| {
                    shared.0[shard].store(1, Ordering::Relaxed);
                    wake::tell(&world.segment, world.member(0).slot(), shard as u64).unwrap();
                }
            };
            let other = spawn({
                let tell = tell.clone();
                move || tell(1)
            });
            let wake_thread = spawn({
                let (world, shared) = (world.clone(), Arc::clone(&shared));
                move || shared.1.wake_thread(|| sleep(&world.segment, world.member(0)))
            });
            let javascript = spawn({
                let world = world.clone();
                move || {
                    let (segment, me) = (&world.segment, world.member(0));
                    let (published, bell) = &*shared;
                    bell.javascript(published, |look| _ = look_to_the_end(segment, me, look));
                    wake::rouse_slot(segment, me.slot(), OTHER).unwrap();
                }
            });
            if world.dying(1, stores, |_| tell(0)).is_none() {
                loom::thread::yield_now();
                wake::rouse_all(&world.segment, REPAIRED).unwrap();
            }
            [other, wake_thread, javascript].into_iter().for_each(|part| part.join().unwrap());
        });
    }
}
