//! The store when it is full, when its table grows, and when what it holds makes room.

use super::{INSIDE, OWN, new_store};
use cluster_shared_memory::entry::{Key, Namespace, Tag, Value};
use cluster_shared_memory::error::Error;
use cluster_shared_memory::os::process::ProcessId;
use cluster_shared_memory::segment::members;
use cluster_shared_memory::store::{self, Condition, Keys, Place, Prefix, Scratch, Store};
use cluster_shared_memory::verify::verify;
use std::sync::Arc;

#[test]
fn a_full_segment_says_so_and_goes_on() {
    let store = new_store();
    let value = vec![7; 1000];
    let mut stored = 0_u64;
    let error = loop {
        let name = stored.to_le_bytes();
        let key = store.key(&name, false).unwrap();
        match store.set(&key, &Value::bytes(Tag::Buffer, &value)) {
            Ok(()) => stored += 1,
            Err(error) => break error,
        }
    };
    let Error::OutOfMemory { need, free, maximum } = error else { panic!("{error}") };
    assert!(need > free && maximum > 13 << 20, "{need} {free} {maximum}");
    assert!(stored > 11_000, "only {stored} fit");
    assert_eq!(verify(store.segment()).unwrap().entries, stored + OWN);
    for number in 0..stored {
        let name = number.to_le_bytes();
        assert!(store.remove(&store.key(&name, false).unwrap()).unwrap());
    }
    let census = verify(store.segment()).unwrap();
    assert_eq!(census.entries, OWN);
    // What the entries had is one piece again, as far as it takes for a value of half the segment.
    let long = vec![1; 7 << 20];
    let key = store.key(b"long", false).unwrap();
    store.set(&key, &Value::bytes(Tag::Buffer, &long)).unwrap();
    verify(store.segment()).unwrap();
}

#[test]
fn a_table_grows_by_a_bucket_at_a_time() {
    let segment = store::create(256 << 20).unwrap();
    let me = members::join(segment.region(), segment.layout(), ProcessId::current(), 0).unwrap();
    let store = Store::new(Arc::new(segment), me);
    for number in 0..200_000_u64 {
        let name = number.to_le_bytes();
        store.set(&store.key(&name, false).unwrap(), &Value::number(number as f64)).unwrap();
    }
    let mut scratch = Scratch::default();
    for number in 0..200_000_u64 {
        let name = number.to_le_bytes();
        let read = store.get(&store.key(&name, false).unwrap(), &mut scratch).unwrap().unwrap();
        assert_eq!(read.number, number as f64);
    }
    assert_eq!(verify(store.segment()).unwrap().entries, 200_000);
}

#[test]
fn a_long_value_that_is_overwritten_stays_in_two_places() {
    let store = new_store();
    let key = store.key(b"key", false).unwrap();
    for round in 0..200 {
        store.set(&key, &Value::bytes(Tag::Buffer, &vec![round; 1 << 20])).unwrap();
    }
    let key = store.key(b"other", false).unwrap();
    store.set(&key, &Value::bytes(Tag::Buffer, &vec![1; 5 << 20])).unwrap();
    verify(store.segment()).unwrap();
}

#[test]
fn a_scan_meets_what_stays_once_while_the_table_grows() {
    let segment = store::create(64 << 20).unwrap();
    let me = members::join(segment.region(), segment.layout(), ProcessId::current(), 0).unwrap();
    let store = Store::new(Arc::new(segment), me);
    let set = |number: u64| {
        let name = number.to_le_bytes();
        store.set(&store.key(&name, false).unwrap(), &Value::number(1.0)).unwrap();
    };
    (0..1000).for_each(set);
    let (mut keys, mut place, mut next) = (Keys::default(), Some(Place::default()), 1000);
    let all = Prefix { bytes: &[], wide: false };
    while let Some(at) = place {
        place = store.scan(Namespace::USER, all, at, 10, &mut keys).unwrap();
        (next..next + 20).for_each(set);
        next += 20;
        let name = (next - 5).to_le_bytes();
        store.remove(&store.key(&name, false).unwrap()).unwrap();
    }
    let mut found: Vec<u64> =
        keys.iter().map(|(key, _)| u64::from_le_bytes(key.try_into().unwrap())).collect();
    let all = found.len();
    found.sort_unstable();
    found.dedup();
    assert_eq!(found.len(), all, "no key twice");
    assert!((0..1000).all(|number| found.binary_search(&number).is_ok()), "none left out");
    assert!(next > 2500, "it has grown by far: {next}");
}

#[test]
fn what_has_ended_makes_room() {
    let store = new_store();
    let value = vec![7; 1000];
    let put = |number: u64| {
        let name = number.to_le_bytes();
        let key = store.key(&name, false).unwrap();
        let value = Value::bytes(Tag::Buffer, &value);
        store.put(&key, &value, Condition::Always, Some(1)).map(drop)
    };
    // Three times what there is room for.
    for number in 0..40_000 {
        put(number).unwrap();
    }
    verify(store.segment()).unwrap();
}

#[test]
fn a_bounded_namespace_is_full_before_the_memory_is() {
    let store = new_store();
    store.bound(INSIDE, 1 << 20).unwrap();
    let value = vec![7; 1000];
    let set = |number: u64| {
        let name = number.to_le_bytes();
        let hash_key = store.segment().hash_key();
        let key = Key::within(INSIDE, hash_key, &name, false).unwrap();
        store.set(&key, &Value::bytes(Tag::Buffer, &value))
    };
    let mut stored = 0;
    let error = loop {
        match set(stored) {
            Ok(()) => stored += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::OutOfMemory { maximum: 0x10_0000, .. }), "{error:?}");
    assert!((800..1024).contains(&stored), "{stored}");
    set(0).unwrap();
    store.set(&store.key(b"elsewhere", false).unwrap(), &Value::number(1.0)).unwrap();
    let usage = store.usage(INSIDE).unwrap();
    assert_eq!(usage.entries, stored);
    assert!(usage.bytes <= 1 << 20);
    verify(store.segment()).unwrap();
}
