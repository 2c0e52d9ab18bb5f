//! The store against a plain map: whatever is done, in whatever order, both say the same.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::float_cmp,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a test ends by a panic, and its numbers are small"
)]

use cluster_shared_memory::entry::{Tag, Value};
use cluster_shared_memory::error::Error;
use cluster_shared_memory::os::process::ProcessId;
use cluster_shared_memory::segment::members;
use cluster_shared_memory::store::{self, Scratch, Store};
use cluster_shared_memory::verify::verify;
use proptest::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;

#[derive(Debug, Clone)]
enum Operation {
    Set(u8, usize),
    SetNumber(u8, f64),
    Add(u8, i16),
    Remove(u8),
    Watch(u8),
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let length = prop_oneof![0..100_usize, 3900..4200_usize, 4000..60_000_usize];
    let key = 0..40_u8;
    let operation = prop_oneof![
        4 => (key.clone(), length).prop_map(|(key, length)| Operation::Set(key, length)),
        2 => (key.clone(), any::<f64>()).prop_map(|(key, number)| Operation::SetNumber(key, number)),
        2 => (key.clone(), any::<i16>()).prop_map(|(key, by)| Operation::Add(key, by)),
        3 => key.clone().prop_map(Operation::Remove),
        1 => key.prop_map(Operation::Watch),
    ];
    prop::collection::vec(operation, 1..400)
}

#[derive(Debug, Clone, PartialEq)]
enum Model {
    Bytes(Vec<u8>),
    Number(u64),
}

fn new_store() -> Store {
    let segment = store::create(16 << 20).unwrap();
    let me = members::join(segment.region(), segment.layout(), ProcessId::current(), 0).unwrap();
    Store::new(Arc::new(segment), me)
}

/// Some keys are one byte a unit, some two, and one is as long as a key may be.
fn key_bytes(key: u8) -> (Vec<u8>, bool) {
    match key {
        0 => (vec![b'k'; 2000], false),
        1..10 => (vec![key, 1, 2, 3], true),
        _ => (format!("key:{key}").into_bytes(), false),
    }
}

fn read(store: &Store, key: u8) -> Option<Model> {
    let (bytes, wide) = key_bytes(key);
    let mut scratch = Scratch::default();
    let read = store.get(&store.key(&bytes, wide).unwrap(), &mut scratch).unwrap()?;
    Some(match read.tag {
        Tag::Number => Model::Number(read.number.to_bits()),
        _ => Model::Bytes(scratch.bytes(read.length).to_vec()),
    })
}

fn apply(store: &Store, model: &mut HashMap<u8, Model>, operation: &Operation, round: usize) {
    let (Operation::Set(key, _)
    | Operation::SetNumber(key, _)
    | Operation::Add(key, _)
    | Operation::Remove(key)
    | Operation::Watch(key)) = operation;
    let (bytes, wide) = key_bytes(*key);
    let named = store.key(&bytes, wide).unwrap();
    match operation {
        Operation::Set(key, length) => {
            let value: Vec<u8> = (0..*length).map(|at| (at * 7 + round) as u8).collect();
            store.set(&named, &Value::bytes(Tag::Buffer, &value)).unwrap();
            model.insert(*key, Model::Bytes(value));
        }
        Operation::SetNumber(key, number) => {
            store.set(&named, &Value::number(*number)).unwrap();
            model.insert(*key, Model::Number(number.to_bits()));
        }
        Operation::Add(key, by) => {
            let old = match model.get(key) {
                None => Some(0.0),
                Some(Model::Number(bits)) => Some(f64::from_bits(*bits)),
                Some(Model::Bytes(_)) => None,
            };
            match (store.incr(&named, f64::from(*by)), old) {
                (Ok(sum), Some(old)) => {
                    assert_eq!(sum.to_bits(), (old + f64::from(*by)).to_bits());
                    model.insert(*key, Model::Number(sum.to_bits()));
                }
                (Err(Error::NotANumber { .. }), None) => {}
                (Err(Error::OutOfRange(_)), Some(old)) => {
                    let sum = old + f64::from(*by);
                    assert!(!sum.is_finite() || sum.abs() > 2f64.powi(53) - 1.0);
                }
                other => panic!("{other:?}"),
            }
        }
        Operation::Remove(key) => {
            assert_eq!(store.remove(&named).unwrap(), model.remove(key).is_some());
        }
        Operation::Watch(_) => drop(store.watch(&named).unwrap()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_store_is_a_map(operations in operations()) {
        let store = new_store();
        let mut model = HashMap::new();
        for (round, operation) in operations.iter().enumerate() {
            apply(&store, &mut model, operation, round);
        }
        for key in 0..40 {
            prop_assert_eq!(read(&store, key), model.get(&key).cloned());
        }
        let census = verify(store.segment()).unwrap();
        prop_assert_eq!(census.entries, model.len() as u64);
    }
}

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
    assert_eq!(verify(store.segment()).unwrap().entries, stored);
    for number in 0..stored {
        let name = number.to_le_bytes();
        assert!(store.remove(&store.key(&name, false).unwrap()).unwrap());
    }
    let census = verify(store.segment()).unwrap();
    assert_eq!(census.entries, 0);
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
