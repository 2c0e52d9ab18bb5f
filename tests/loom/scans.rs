//! Scans, ends, and looks at versions, beside the changes that could mislead them.
//!
//! Teeth: a scan that does not validate its bucket, or that reads past the sealed words of a stopped
//! writer, met two of three keys. A look at what is known, without the stamp, took a version for the
//! newest that others had been told was not. Without the fence in `intent::is_unchanged`, a key that
//! was touched was missing. An expiry stored by itself came apart from the count of those that end. A
//! sweep that does not look again under the latch took what was set anew. A condition that is asked
//! of an entry that has ended let none of two add the key.
//!
//! None notices a look at what is known without its validation: in one shard stamps do not come
//! back. It guards against a block that has become another shard's.

use crate::support::{World, add, explore, get, key_of, keys_of_shard, remove, set, spawn, touch};
use cluster_shared_memory::entry::{Namespace, Tag, Value};
use cluster_shared_memory::shard::Glance;
use cluster_shared_memory::store::{Condition, Keys, Place, Prefix, Read, Scratch, Store, Sweep};
use cluster_shared_memory::table::shard_of;
use loom::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

const HOUR_MS: u64 = 3_600_000;
/// Stores of a `set` that splits a bucket, and some more.
const INSERT_STORES: u64 = 90;
/// Stores of a `touch`, and some more.
const TOUCH_STORES: u64 = 14;
/// Stores of the removal of what has ended, and some more.
const SWEEP_STORES: u64 = 40;

/// Two keys stand there; a third comes, and with it a third bucket. Two preemptions.
#[test]
fn a_scan_meets_each_key_once_while_a_bucket_is_split() {
    explore(2, || {
        let world = World::new(2);
        let store = world.store(0);
        let shard = shard_of(&world.segment, key_of(&store, "k").hash());
        let names: Vec<String> = keys_of_shard(&world.segment, shard).take(3).collect();
        names[..2].iter().for_each(|name| set(&store, name, b'a'));
        let reader = spawn({
            let (world, names) = (world.clone(), names.clone());
            move || judge_scan(&scan(&world.store(1), shard), &names)
        });
        set(&store, &names[2], b'b');
        reader.join().unwrap();
        assert!(judge_scan(&scan(&store, shard), &names));
    });
}

/// The writer of the third key is stopped before every third of its stores, beside a scan. One
/// preemption.
#[test]
fn a_scan_reads_through_a_stopped_writer() {
    for stores in (0..=INSERT_STORES).step_by(3) {
        explore(1, move || {
            let world = World::new(3);
            let store = world.store(0);
            let shard = shard_of(&world.segment, key_of(&store, "k").hash());
            let names: Vec<String> = keys_of_shard(&world.segment, shard).take(3).collect();
            names[..2].iter().for_each(|name| set(&store, name, b'a'));
            let reader = spawn({
                let (world, names) = (world.clone(), names.clone());
                move || judge_scan(&scan(&world.store(1), shard), &names)
            });
            let done = world.stopping(0, stores, |store| set(store, &names[2], b'b')).is_some();
            let is_there = get(&world.store(2), &names[2]).is_some();
            assert_eq!(judge_scan(&scan(&world.store(2), shard), &names), is_there);
            assert!(is_there || !done);
            assert!(is_there || !reader.join().unwrap(), "met by one and not by the next");
        });
    }
}

/// Who has been told of a change does not take the value before it for the newest one, nor the
/// block for it that another key has by then. One preemption.
#[test]
fn what_was_read_is_current_until_it_is_changed() {
    for removes in [false, true] {
        explore(1, move || {
            let world = World::new(2);
            let store = world.store(0);
            set(&store, "k", b'a');
            let told = Arc::new(AtomicU64::new(0));
            let reader = spawn({
                let (world, told) = (world.clone(), Arc::clone(&told));
                move || {
                    let store = world.store(1);
                    let is_told = told.load(Ordering::Acquire) == 1;
                    let is_current = is_known(&store, "k", 1);
                    assert!(!(is_told && is_current), "it was told of the change");
                }
            });
            if removes {
                remove(&store, "k");
                set(&store, "l", b'y');
            } else {
                set(&store, "k", b'b');
            }
            told.store(1, Ordering::Release);
            reader.join().unwrap();
            let is_current = |version| is_known(&store, "k", version);
            assert_eq!([1, 2, 3].map(is_current), [false, !removes, false]);
        });
    }
}

/// A number that changes in place leaves the sequence as it is. Three preemptions.
#[test]
fn a_number_is_current_as_long_as_its_stamp_says_so() {
    explore(3, || {
        let world = World::new(2);
        let store = world.store(0);
        add(&store, "n", 1.0);
        let told = Arc::new(AtomicU64::new(1));
        let reader = spawn({
            let (world, told) = (world.clone(), Arc::clone(&told));
            move || {
                let store = world.store(1);
                let version = told.load(Ordering::Acquire);
                let is_current = |version| is_known(&store, "n", version);
                assert!(!is_current(version - 1), "before {version}");
                let read = store.get(&key_of(&store, "n"), &mut Scratch::default()).unwrap();
                let read = read.unwrap();
                assert!(read.version >= version);
                assert!(!is_current(read.version - 1), "it has read a newer one");
            }
        });
        for version in 2..=3 {
            add(&store, "n", 1.0);
            told.store(version, Ordering::Release);
        }
        reader.join().unwrap();
        assert!(is_known(&store, "n", 3));
    });
}

/// A touch that is stopped before each of its stores in turn, beside a reader. The value and its
/// version stay, and who has seen the new end does not see the old one again. Two preemptions.
#[test]
fn a_touch_changes_nothing_but_the_end_and_that_for_good() {
    for stores in 0..=TOUCH_STORES {
        explore(2, move || {
            let world = World::new(3);
            set(&world.store(0), "k", b'a');
            let reader = spawn({
                let world = world.clone();
                move || [(); 2].map(|()| end_in_value(&world.store(1)))
            });
            let done = world.stopping(0, stores, touch_for_an_hour).is_some();
            let left = end_in_value(&world.store(2));
            assert!(left || !done);
            let reads = reader.join().unwrap();
            assert!(reads.is_sorted(), "{reads:?}");
            assert!(left || !reads[1], "seen by one and not by the next");
            let store = world.store(2);
            assert_eq!(store.end_of(&key_of(&store, "k")).unwrap() != Some(0), left);
        });
    }
}

/// As above, but the shard changes in the middle of the read as well, so that the second way is
/// taken; two preemptions.
#[test]
fn a_touch_is_seen_by_a_careful_reader_too() {
    explore(2, || {
        let world = World::new(2);
        let store = world.store(0);
        set(&store, "k", b'a');
        let told = Arc::new(AtomicU64::new(0));
        let reader = spawn({
            let (world, told) = (world.clone(), Arc::clone(&told));
            move || {
                let is_told = told.load(Ordering::Acquire) == 1;
                let has_end = end_in_value(&world.store(1));
                assert!(has_end || !is_told, "it was told of the end");
            }
        });
        touch(&store, "k");
        touch_for_an_hour(&store);
        told.store(1, Ordering::Release);
        touch(&store, "k");
        reader.join().unwrap();
    });
}

/// Who touches dies before each of its stores in turn; another sets the key anew beside a reader.
#[test]
fn a_touch_of_the_dead_does_not_come_over_a_new_value() {
    for stores in 0..=TOUCH_STORES {
        explore(1, move || {
            let world = World::new(3);
            set(&world.store(0), "k", b'a');
            world.dying(0, stores, touch_for_an_hour);
            let reader = spawn({
                let world = world.clone();
                move || [(); 2].map(|()| get(&world.store(1), "k").unwrap())
            });
            set(&world.store(2), "k", b'b');
            let reads = reader.join().unwrap();
            assert!(reads.is_sorted(), "{reads:?}");
            let store = world.store(1);
            assert_eq!(store.end_of(&key_of(&store, "k")), Ok(Some(0)));
            world.verify(&[0]);
        });
    }
}

/// The sweep beside a `set` of the same key and a reader; three preemptions.
#[test]
fn a_sweep_never_takes_what_was_set_anew() {
    explore(3, || {
        let world = World::new(3);
        end(&world.store(0));
        let sweeper = spawn({
            let world = world.clone();
            move || sweep(&world.store(1))
        });
        set(&world.store(0), "k", b'b');
        assert!(get(&world.store(2), "k").is_some());
        let swept = sweeper.join().unwrap();
        let (letter, version) = get(&world.store(2), "k").unwrap();
        assert_eq!((letter, version), (b'b', 2 + swept));
        world.verify(&[]);
    });
}

/// The sweep dies before each of its stores in turn, beside a `set` of the same key. Three
/// preemptions.
#[test]
fn a_sweep_that_dies_leaves_the_entry_or_takes_it() {
    for stores in 0..=SWEEP_STORES {
        explore(3, move || {
            let world = World::new(3);
            end(&world.store(0));
            let setter = spawn({
                let world = world.clone();
                move || set(&world.store(1), "k", b'b')
            });
            world.dying(0, stores, sweep);
            setter.join().unwrap();
            assert!(matches!(get(&world.store(2), "k"), Some((b'b', 2 | 3))));
            world.verify(&[0]);
        });
    }
}

/// Two that add the key where one has ended: one of them has added it. Three preemptions.
#[test]
fn of_two_that_add_where_something_has_ended_one_succeeds() {
    explore(3, || {
        let world = World::new(2);
        end(&world.store(0));
        let other = spawn({
            let world = world.clone();
            move || put_new(&world.store(1), b'b')
        });
        let mine = put_new(&world.store(0), b'c');
        assert_ne!(mine, other.join().unwrap());
        assert_eq!(get(&world.store(0), "k").unwrap().0, if mine { b'c' } else { b'b' });
    });
}

/// All keys of a shard, a bucket at a time.
fn scan(store: &Store, shard: u64) -> Vec<String> {
    let (mut keys, mut place) = (Keys::default(), Place { shard, position: 0 });
    let all = Prefix { bytes: &[], wide: false };
    while place.shard == shard {
        place = match store.scan(Namespace::USER, all, place, 0, &mut keys).unwrap() {
            Some(place) => place,
            None => break,
        };
    }
    keys.iter().map(|(bytes, _)| String::from_utf8(bytes.to_vec()).unwrap()).collect()
}

/// The first two keys are met once, the third one once or not at all: which of both.
fn judge_scan(found: &[String], names: &[String]) -> bool {
    let times = |name: &String| found.iter().filter(|one| *one == name).count();
    assert!(times(&names[0]) == 1 && times(&names[1]) == 1, "{found:?}");
    assert_eq!(found.len(), 2 + times(&names[2]), "{found:?}");
    times(&names[2]) == 1
}

/// Whether the value of a key is known to be that of the version, so that it is not copied.
fn is_known(store: &Store, key: &str, version: u64) -> bool {
    let (mut scratch, mut read) = (Scratch::default(), Read::NOTHING);
    let glance = store.get_unless(&key_of(store, key), version, &mut scratch, &mut read);
    matches!(glance.unwrap(), Glance::Known)
}

/// Whether the value of the key, which is there, has an end.
fn end_in_value(store: &Store) -> bool {
    let mut scratch = Scratch::default();
    let read = store.get(&key_of(store, "k"), &mut scratch).unwrap().unwrap();
    assert_eq!((scratch.bytes(1), read.version), (&b"a"[..], 1));
    read.expiry != 0
}

fn touch_for_an_hour(store: &Store) {
    assert!(store.touch(&key_of(store, "k"), Some(HOUR_MS)).unwrap());
}

/// There is an entry, which has ended.
fn end(store: &Store) {
    let value = Value::bytes(Tag::OneByteString, b"ended");
    let done = store.put(&key_of(store, "k"), &value, Condition::Always, Some(0));
    assert_eq!(done, Ok(Some(1)));
}

/// Sweeps once around; gives how many it has removed.
fn sweep(store: &Store) -> u64 {
    let (mut sweep, mut removed) = (Sweep::default(), 0);
    loop {
        let swept = store.sweep_ended(&mut sweep, 64).unwrap();
        removed += swept.removed;
        if swept.is_around {
            return removed;
        }
    }
}

fn put_new(store: &Store, letter: u8) -> bool {
    let text = crate::support::text(letter);
    let value = Value::bytes(Tag::OneByteString, &text);
    store.put(&key_of(store, "k"), &value, Condition::Absent, None).unwrap().is_some()
}
