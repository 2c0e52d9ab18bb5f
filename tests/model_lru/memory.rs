//! Full segments: the cache gives way, the store does not.

use crate::support::{get, inherit_all, join, new_segment, set, uses};
use cluster_shared_memory::entry::{Tag, Value};
use cluster_shared_memory::error::Error;
use cluster_shared_memory::heap::pages::free_pages;
use cluster_shared_memory::lru::{Lru, Options, Outcome};
use cluster_shared_memory::store::Store;
use cluster_shared_memory::verify::verify;
use std::thread;

fn try_set(lru: &Lru, name: &[u8], bytes: &[u8]) -> Result<Outcome, Error> {
    let key = lru.key(name, false).unwrap();
    lru.set_at(&key, &Value::bytes(Tag::Buffer, bytes), None, 0.0)
}

#[test]
fn a_cache_without_a_bound_is_bounded_by_memory() {
    for (size, least) in [(20, 90_000), (1000, 10_000), (100_000, 100), (5 << 20, 1)] {
        let segment = new_segment(16 << 20);
        let (lru, _) = join(&segment);
        lru.set_options(&Options { max: 0.0, ..Options::default() }).unwrap();
        let value = vec![7; size];
        let count = (40 << 20) / (size + 100) as u64;
        for number in 0..count {
            assert_eq!(try_set(&lru, &number.to_le_bytes(), &value).unwrap(), Outcome::Stored);
        }
        let census = verify(&segment).unwrap();
        assert!(census.entries >= least && census.entries < count, "{size}: {census:?}");
        let last = lru.key(&(count - 1).to_le_bytes(), false).unwrap().bytes().to_vec();
        let key = lru.key(&last, false).unwrap();
        let mut scratch = crate::support::scratch();
        let read = lru.get_at(&key, &mut scratch, 0.0).unwrap().unwrap();
        assert_eq!(scratch.bytes(read.length), value);
    }
}

#[test]
fn entries_of_another_size_find_room_however_the_old_ones_were_used() {
    for (others, size) in [(8, 1000), (1000, 8), (8, 5000), (8, 3 << 20)] {
        let segment = new_segment(16 << 20);
        let (lru, _) = join(&segment);
        lru.set_options(&Options { max: 0.0, ..Options::default() }).unwrap();
        let mut stored = 0_u64;
        while free_pages(&segment).unwrap() > 0 {
            try_set(&lru, &stored.to_le_bytes(), &vec![1; others]).unwrap();
            stored += 1;
        }
        for number in 0..stored {
            let name = (number * 7919 % stored).to_le_bytes();
            let key = lru.key(&name, false).unwrap();
            lru.get_at(&key, &mut crate::support::scratch(), 0.0).unwrap();
        }
        for number in 0..20_u8 {
            try_set(&lru, &[number], &vec![2; size]).unwrap();
        }
        let census = verify(&segment).unwrap();
        let least = if size < 1 << 20 { stored / 10 * 9 } else { 3 };
        assert!(census.entries >= least && census.entries < stored, "{size}: {census:?}");
    }
}

#[test]
fn a_long_value_drives_short_ones_out_but_not_in_vain() {
    let segment = new_segment(16 << 20);
    let (lru, _) = join(&segment);
    lru.set_options(&Options { max: 0.0, ..Options::default() }).unwrap();
    let mut stored = 0_u64;
    while free_pages(&segment).unwrap() > 64 {
        for _ in 0..100 {
            try_set(&lru, &stored.to_le_bytes(), &[1; 500]).unwrap();
            stored += 1;
        }
    }
    let before = verify(&segment).unwrap().entries;
    let error = try_set(&lru, b"never", &vec![1; 30 << 20]).unwrap_err();
    assert!(matches!(error, Error::OutOfMemory { .. }), "{error}");
    assert_eq!(verify(&segment).unwrap().entries, before, "nothing was evicted for it");
    try_set(&lru, b"long", &vec![1; 6 << 20]).unwrap();
    let census = verify(&segment).unwrap();
    assert!(census.entries > before / 10 && census.entries < before, "{census:?}");
}

#[test]
fn nothing_is_evicted_for_the_store_and_nothing_of_the_store_for_the_cache() {
    let segment = new_segment(16 << 20);
    let (lru, me) = join(&segment);
    let store = Store::new(segment.clone(), me);
    for key in 4..8 {
        set(&lru, key, &vec![key; 1 << 20], None, 0.0);
    }
    let mut stored = 0_u64;
    let name = |number: u64| number.to_le_bytes();
    while store
        .set(
            &store.key(&name(stored), false).unwrap(),
            &Value::bytes(Tag::Buffer, &vec![1; 30_000]),
        )
        .is_ok()
    {
        stored += 1;
    }
    assert_eq!(uses(&segment).len(), 4);
    set(&lru, 9, &vec![9; 2 << 20], None, 0.0);
    assert_eq!(uses(&segment).iter().map(|item| item.0).collect::<Vec<_>>(), [9, 7]);
    assert!(try_set(&lru, b"more", &vec![1; 5 << 20]).is_err());
    let mut scratch = crate::support::scratch();
    for number in 0..stored {
        assert!(
            store.get(&store.key(&name(number), false).unwrap(), &mut scratch).unwrap().is_some()
        );
    }
    verify(&segment).unwrap();
}

#[test]
fn a_full_cache_waits_for_its_heir() {
    let segment = new_segment(16 << 20);
    let ((heir, _), (other, _)) = (join(&segment), join(&segment));
    heir.set_options(&Options { max: 0.0, disposes: true, ..Options::default() }).unwrap();
    let value = vec![1; 1 << 20];
    let mut stored = 0;
    while try_set(&heir, &[stored], &value).is_ok() {
        stored += 1;
    }
    assert!(stored > 10 && heir.has_estate().unwrap(), "the heir cannot wait for itself");
    assert!(try_set(&other, b"other", &value).is_err(), "who waits for it does not wait for ever");
    thread::scope(|scope| {
        let setter = scope.spawn(|| {
            let (third, _) = join(&segment);
            (0..30_u8).all(|number| try_set(&third, &[200, number], &value).is_ok())
        });
        let (mut scratch, mut key, mut heard) = (crate::support::scratch(), Vec::new(), 0);
        while !setter.is_finished() {
            while heir.inherit(&mut scratch, &mut key).unwrap().is_some() {
                heard += 1;
            }
        }
        assert!(setter.join().unwrap() && heard >= 20, "{heard}");
    });
    verify(&segment).unwrap();
}

#[test]
fn what_is_too_long_evicts_nothing() {
    let segment = new_segment(16 << 20);
    let (lru, _) = join(&segment);
    lru.set_options(&Options { max: 20.0, ..Options::default() }).unwrap();
    for key in 4..14 {
        set(&lru, key, &vec![key; 1 << 20], None, 0.0);
    }
    assert_eq!(set(&lru, 4, &vec![0; 10 << 20], Some(21.0), 0.0), Outcome::TooLong);
    assert_eq!(get(&lru, 4, 0.0), None);
    assert_eq!(uses(&segment).len(), 9);
    assert_eq!(inherit_all(&lru), []);
    verify(&segment).unwrap();
}
