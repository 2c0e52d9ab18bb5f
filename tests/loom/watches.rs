//! Watches: each change of a key once, in order, with its own value, or the newest after some were
//! skipped; whoever is stopped or dies, and whoever else begins or ends to watch.
//!
//! The logs of a model have two records and keep one of the smallest blocks, so that one change laps
//! a reader.
//!
//! Teeth. "Another's value": a look at the tail alone for `is_lapped`, or none. "Not all": the seal,
//! its end or the look at it `Relaxed`, the fence of `intent::apply` or of `log::settled` left out,
//! the head read after the sequence, or a stopped writer's words not through its intent. A change
//! missed: a watch that is said in the slot after it began, that sets the filter without the latch,
//! or a filter made anew without it; a writer that tells nobody. Told twice: a newest value whose
//! version is not noted. A deadlock: no call after a repair.

use crate::support::{
    World, explore, get, key_of, look_to_the_end, remove, set, sleep, spawn, text,
};
use cluster_shared_memory::repair;
use cluster_shared_memory::shard::Scratch;
use cluster_shared_memory::wake::{self, REPAIRED};
use cluster_shared_memory::watches::{News, WatchId, Watches};
use std::sync::Arc;

/// What one hears of a key: its version and the letter of its value, that it was removed, or how
/// many changes were skipped.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Heard {
    Set(u64, u8),
    Removed,
    Skipped(u64),
}

/// A member that watches the key "k", and what it has heard so far.
struct Listener {
    world: World,
    number: usize,
    watches: Watches,
    id: WatchId,
    heard: Vec<Heard>,
}

impl Listener {
    fn new(world: &World, number: usize) -> Self {
        let mut watches = Watches::new(Arc::clone(&world.segment), world.member(number));
        let id = watches.watch(&key_of(&world.store(number), "k")).unwrap();
        Self { world: world.clone(), number, watches, id, heard: Vec::new() }
    }

    /// Looks at what it was told of.
    fn look(&mut self) -> u32 {
        let (world, me) = (self.world.clone(), self.world.member(self.number));
        look_to_the_end(&world.segment, me, |news| self.hear(news))
    }

    /// The letter that it has heard last.
    fn last(&self) -> Option<u8> {
        match self.heard.last() {
            Some(Heard::Set(_, letter)) => Some(*letter),
            _ => None,
        }
    }

    /// Hears all that there is in a set of shards, a bit each.
    fn hear(&mut self, news: u64) {
        self.watches.note(news);
        let mut scratch = Scratch::default();
        while let Some(news) = self.watches.next(&mut scratch).unwrap() {
            self.heard.push(match news {
                News::Removed(_) => Heard::Removed,
                News::Skipped(changes) => Heard::Skipped(changes),
                News::Set(_, read) => {
                    let bytes = scratch.bytes(read.length);
                    assert_eq!(bytes, text(bytes[0]), "half of one value and half of another");
                    Heard::Set(read.version, bytes[0])
                }
            });
        }
    }

    /// Has heard of each change after version `since`, of which these are the letters, once and in
    /// order, to the last one; or that some were skipped.
    fn check(&self, since: u64, letters: &[u8]) {
        let (mut version, mut missed, mut skipped) = (since, 0, 0);
        for heard in &self.heard {
            match *heard {
                Heard::Removed => panic!("nothing was removed: {:?}", self.heard),
                Heard::Skipped(changes) => skipped += changes,
                Heard::Set(next, letter) => {
                    assert!(next > version, "{next} after {version}: {:?}", self.heard);
                    let own = letters[usize::try_from(next - since - 1).unwrap()];
                    assert_eq!(letter, own, "another's value: {:?}", self.heard);
                    missed += next - version - 1;
                    version = next;
                }
            }
        }
        assert_eq!(version - since, letters.len() as u64, "not all: {:?}", self.heard);
        assert!(missed <= skipped, "{missed} are missing: {:?}", self.heard);
    }
}

/// A world in which a key was set to "a" and then, watched by the last member, to these letters.
fn watched(members: u32, letters: &[u8]) -> (World, Listener) {
    let world = World::new(members);
    set(&world.store(0), "k", b'a');
    let listener = Listener::new(&world, members as usize - 1);
    letters.iter().for_each(|letter| set(&world.store(0), "k", *letter));
    (world, listener)
}

/// The reader is at the first record when the next change drops it, or it was lapped before. Two
/// preemptions.
#[test]
fn each_change_is_heard_with_its_own_value_or_skipped() {
    for letters in [b"bcd" as &[u8], b"bcde"] {
        explore(2, move || {
            let (last, before) = letters.split_last().unwrap();
            let (world, mut listener) = watched(2, before);
            let reader = spawn(move || {
                listener.hear(u64::MAX);
                listener
            });
            set(&world.store(0), "k", *last);
            let mut listener = reader.join().unwrap();
            listener.look();
            listener.check(1, letters);
            world.verify(&[]);
        });
    }
}

/// The reader was lapped by changes of another key, and this one changes while it catches up. Two
/// preemptions.
#[test]
fn a_change_while_the_reader_catches_up_is_heard() {
    explore(2, || {
        let (world, mut listener) = watched(2, b"");
        let store = world.store(0);
        store.watch(&key_of(&store, "l")).unwrap();
        b"xyz".iter().for_each(|letter| set(&store, "l", *letter));
        let reader = spawn(move || {
            listener.hear(u64::MAX);
            listener
        });
        set(&store, "k", b'b');
        let mut listener = reader.join().unwrap();
        listener.look();
        listener.heard.retain(|heard| !matches!(heard, Heard::Skipped(_)));
        assert_eq!(listener.heard, [Heard::Set(5, b'b')]);
    });
}

/// The reader is at a removal's record when another removal makes the log keep too much. Two
/// preemptions.
#[test]
fn a_removal_is_heard_once_even_if_its_record_is_dropped() {
    explore(2, || {
        let (world, mut listener) = watched(2, b"");
        let store = world.store(0);
        store.watch(&key_of(&store, "l")).unwrap();
        ["k", "l"].into_iter().for_each(|key| set(&store, key, b'b'));
        listener.look();
        assert!(remove(&store, "k"));
        assert_ne!(wake::take_news(&world.segment, world.member(1)).unwrap(), 0, "not told");
        let reader = spawn(move || {
            listener.hear(u64::MAX);
            listener
        });
        assert!(remove(&store, "l"));
        let mut listener = reader.join().unwrap();
        listener.look();
        listener.heard.retain(|heard| !matches!(heard, Heard::Skipped(_)));
        assert_eq!(listener.heard, [Heard::Set(2, b'b'), Heard::Removed]);
        world.verify(&[]);
    });
}

/// Stores of a `set` that drops a record, its call of the watcher included, and some more.
const SET_STORES: u64 = 80;

/// A writer is stopped before each of its stores in turn while the reader looks twice, at the last
/// record of a full log. No preemption.
#[test]
fn a_stopped_writers_change_is_heard_wholly_or_not_at_all() {
    for stores in 0..=SET_STORES {
        explore(0, move || {
            let (world, mut listener) = watched(3, b"b");
            listener.look();
            set(&world.store(0), "k", b'c');
            let reader = spawn(move || {
                (0..2).for_each(|_| listener.hear(u64::MAX));
                listener
            });
            world.stopping(0, stores, |store| set(store, "k", b'd'));
            let (left, version) = get(&world.store(1), "k").unwrap();
            let mut listener = reader.join().unwrap();
            listener.hear(u64::MAX);
            listener.check(1, &b"bcd"[..usize::try_from(version).unwrap() - 1]);
            assert_eq!(listener.last(), Some(left));
        });
    }
}

/// A writer is dead, having died before each of its stores in turn; another takes its latch over for
/// a change of its own while the reader looks. No preemption.
#[test]
fn a_takeover_changes_nothing_that_was_heard() {
    for stores in 0..=SET_STORES {
        explore(0, move || {
            let (world, mut listener) = watched(3, b"");
            world.dying(0, stores, |store| set(store, "k", b'b'));
            let (left, _) = get(&world.store(1), "k").unwrap();
            let reader = spawn(move || {
                (0..2).for_each(|_| listener.hear(u64::MAX));
                listener
            });
            set(&world.store(1), "k", b'c');
            let mut listener = reader.join().unwrap();
            listener.look();
            listener.check(1, if left == b'b' { b"bc" } else { b"c" });
        });
    }
}

/// A writer dies before each of its stores in turn, and is mended; the watcher sleeps until it is
/// told. One preemption.
#[test]
fn a_dead_writers_change_is_heard_if_it_has_happened() {
    for stores in 0..=SET_STORES {
        explore(1, move || {
            let (world, mut listener) = watched(3, b"b");
            let reader = spawn(move || {
                let mut reasons = 0;
                while reasons & REPAIRED == 0 && listener.last() != Some(b'c') {
                    reasons |= sleep(&listener.world.segment, listener.world.member(2));
                    reasons |= listener.look();
                }
                listener
            });
            if world.dying(0, stores, |store| set(store, "k", b'c')).is_none() {
                repair::mend(&world.segment, world.member(1), world.member(0)).unwrap();
                wake::rouse_all(&world.segment, REPAIRED).unwrap();
            }
            let mut listener = reader.join().unwrap();
            let (left, _) = get(&world.store(1), "k").unwrap();
            assert_eq!(listener.last(), Some(left));
            set(&world.store(1), "k", b'd');
            listener.look();
            listener.check(1, if left == b'c' { b"bcd" } else { b"bd" });
            world.verify(&[]);
        });
    }
}

/// A key is set while somebody begins to watch it; four preemptions.
#[test]
fn a_change_after_the_watch_began_is_heard() {
    explore(4, || {
        let world = World::new(2);
        set(&world.store(0), "k", b'a');
        let watcher = spawn({
            let world = world.clone();
            move || {
                let listener = Listener::new(&world, 1);
                (get(&world.store(1), "k").unwrap().1, listener)
            }
        });
        set(&world.store(0), "k", b'b');
        let (version, mut listener) = watcher.join().unwrap();
        listener.look();
        let is_heard = listener.heard == [Heard::Set(2, b'b')];
        assert!(is_heard || version == 2 && listener.heard.is_empty(), "{version}");
        world.verify(&[]);
    });
}

/// One ends its watch, or is mended after its death, while another begins to watch the same key, which
/// is then set. Three preemptions.
#[test]
fn the_end_of_a_watch_takes_nothing_from_others() {
    for dies in [false, true] {
        explore(3, move || {
            let (world, mut ending) = watched(4, b"");
            let watcher = spawn({
                let world = world.clone();
                move || {
                    let mut listener = Listener::new(&world, 0);
                    set(&world.store(2), "k", b'b');
                    listener.look();
                    listener.check(1, b"b");
                }
            });
            if dies {
                world.report_death(3);
                repair::mend(&world.segment, world.member(1), world.member(3)).unwrap();
            } else {
                ending.watches.unwatch(ending.id).unwrap();
            }
            watcher.join().unwrap();
            world.verify(&[]);
        });
    }
}
