//! The store against a plain map: whatever is done, in whatever order, both say the same.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::float_cmp,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a test ends by a panic, and its numbers are small"
)]

mod full;

use cluster_shared_memory::entry::{Key, Namespace, Tag, Value};
use cluster_shared_memory::error::Error;
use cluster_shared_memory::os::process::ProcessId;
use cluster_shared_memory::segment::members;
use cluster_shared_memory::store::{
    self, Condition, Keys, Place, Prefix, Read, Scratch, Store, Sweep, ms_until,
};
use cluster_shared_memory::verify::verify;
use proptest::prelude::*;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

#[derive(Debug, Clone)]
enum Operation {
    Set(u8, usize),
    SetNumber(u8, f64),
    Add(u8, i16),
    Remove(u8),
    Watch(u8),
    Put(u8, usize, If, Ttl),
    AddFor(u8, i16, Ttl),
    Touch(u8, Ttl),
    Exchange(u8, usize, Ttl),
    Take(u8),
    Sweep(u8),
}

/// On what a put depends.
#[derive(Debug, Clone, Copy)]
enum If {
    Always,
    Absent,
    Present,
    /// The version that stands there.
    Version,
    /// One before.
    OldVersion,
}

/// How long something stays; what stays for no time has ended at once.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Ttl {
    ForEver,
    Hour,
    NoTime,
}

impl Ttl {
    fn ms(self) -> Option<u64> {
        match self {
            Self::ForEver => None,
            Self::Hour => Some(3_600_000),
            Self::NoTime => Some(0),
        }
    }
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let length = prop_oneof![0..100_usize, 3900..4200_usize, 4000..60_000_usize];
    let key = 0..40_u8;
    let condition = prop::sample::select(vec![
        If::Always,
        If::Absent,
        If::Present,
        If::Version,
        If::OldVersion,
    ]);
    let ttl = prop::sample::select(vec![Ttl::ForEver, Ttl::Hour, Ttl::NoTime]);
    let operation = prop_oneof![
        4 => (key.clone(), length.clone())
            .prop_map(|(key, length)| Operation::Set(key, length)),
        2 => (key.clone(), any::<f64>()).prop_map(|(key, number)| Operation::SetNumber(key, number)),
        2 => (key.clone(), any::<i16>()).prop_map(|(key, by)| Operation::Add(key, by)),
        3 => key.clone().prop_map(Operation::Remove),
        1 => key.clone().prop_map(Operation::Watch),
        4 => (key.clone(), length.clone(), condition, ttl.clone())
            .prop_map(|(key, length, condition, ttl)| Operation::Put(key, length, condition, ttl)),
        2 => (key.clone(), any::<i16>(), ttl.clone())
            .prop_map(|(key, by, ttl)| Operation::AddFor(key, by, ttl)),
        2 => (key.clone(), ttl.clone()).prop_map(|(key, ttl)| Operation::Touch(key, ttl)),
        2 => (key.clone(), length, ttl)
            .prop_map(|(key, length, ttl)| Operation::Exchange(key, length, ttl)),
        1 => key.clone().prop_map(Operation::Take),
        1 => key.prop_map(Operation::Sweep),
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
    let store = Store::new(Arc::new(segment), me);
    assert_eq!(store.namespace(b"inside", false).unwrap(), INSIDE);
    store
}

/// Keys from here on are those of a namespace.
const FIRST_INSIDE: u8 = 30;
/// The first namespace that is named.
const INSIDE: Namespace = Namespace::numbered(2);
/// The keys of the package itself that make it one.
const OWN: u64 = 2;

fn key<'b>(store: &Store, id: u8, (bytes, wide): &'b (Vec<u8>, bool)) -> Key<'b> {
    let namespace = if id < FIRST_INSIDE { Namespace::USER } else { INSIDE };
    Key::within(namespace, store.segment().hash_key(), bytes, *wide).unwrap()
}

/// Some keys are one byte a unit, some two, and one is as long as a key may be.
fn key_bytes(key: u8) -> (Vec<u8>, bool) {
    match key {
        0 => (vec![b'k'; 2000], false),
        1..10 => (vec![key, 1, 2, 3], true),
        _ => (format!("key:{key}").into_bytes(), false),
    }
}

fn read(store: &Store, id: u8) -> Option<Model> {
    let bytes = key_bytes(id);
    let mut scratch = Scratch::default();
    let read = store.get(&key(store, id, &bytes), &mut scratch).unwrap();
    assert_eq!(store.has(&key(store, id, &bytes)).unwrap(), read.is_some());
    read.map(|read| to_model(&read, &scratch))
}

fn to_model(read: &Read, scratch: &Scratch) -> Model {
    match read.tag {
        Tag::Number => Model::Number(read.number.to_bits()),
        _ => Model::Bytes(scratch.bytes(read.length).to_vec()),
    }
}

/// What the key is to become, and what it then is: nothing, if it stays for no time.
fn put(model: &mut HashMap<u8, Model>, key: u8, value: Model, ttl: Ttl) {
    model.remove(&key);
    if ttl != Ttl::NoTime {
        model.insert(key, value);
    }
}

fn bytes_of(length: usize, round: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 7 + round) as u8).collect()
}

fn add(model: &mut HashMap<u8, Model>, key: u8, by: f64, ttl: Ttl, outcome: Result<f64, Error>) {
    let old = match model.get(&key) {
        None => Some(0.0),
        Some(Model::Number(bits)) => Some(f64::from_bits(*bits)),
        Some(Model::Bytes(_)) => None,
    };
    match (outcome, old) {
        (Ok(sum), Some(old)) => {
            assert_eq!(sum.to_bits(), (old + by).to_bits());
            let ttl = if model.contains_key(&key) { Ttl::ForEver } else { ttl };
            put(model, key, Model::Number(sum.to_bits()), ttl);
        }
        (Err(Error::NotANumber { .. }), None) => {}
        (Err(Error::OutOfRange(_)), Some(old)) => {
            let sum = old + by;
            assert!(!sum.is_finite() || sum.abs() > 2f64.powi(53) - 1.0);
        }
        other => panic!("{other:?}"),
    }
}

fn apply(store: &Store, model: &mut HashMap<u8, Model>, operation: &Operation, round: usize) {
    let (Operation::Set(id, _)
    | Operation::SetNumber(id, _)
    | Operation::Add(id, _)
    | Operation::Remove(id)
    | Operation::Watch(id)
    | Operation::Put(id, ..)
    | Operation::AddFor(id, ..)
    | Operation::Touch(id, _)
    | Operation::Exchange(id, ..)
    | Operation::Take(id)
    | Operation::Sweep(id)) = *operation;
    let bytes = key_bytes(id);
    let named = key(store, id, &bytes);
    match *operation {
        Operation::Set(_, length) => {
            let value = bytes_of(length, round);
            store.set(&named, &Value::bytes(Tag::Buffer, &value)).unwrap();
            model.insert(id, Model::Bytes(value));
        }
        Operation::SetNumber(_, number) => {
            store.set(&named, &Value::number(number)).unwrap();
            model.insert(id, Model::Number(number.to_bits()));
        }
        Operation::Add(_, by) => {
            let by = f64::from(by);
            add(model, id, by, Ttl::ForEver, store.incr(&named, by));
        }
        Operation::AddFor(_, by, ttl) => {
            let by = f64::from(by);
            let outcome = match ttl.ms() {
                None => store.incr(&named, by),
                Some(ttl_ms) => store.incr_for(&named, by, ttl_ms),
            };
            add(model, id, by, ttl, outcome);
        }
        Operation::Remove(_) => {
            assert_eq!(store.remove(&named).unwrap(), model.remove(&id).is_some());
        }
        Operation::Watch(_) => drop(store.watch(&named).unwrap()),
        Operation::Put(_, length, condition, ttl) => {
            let value = bytes_of(length, round);
            let put_value = Value::bytes(Tag::Buffer, &value);
            let (condition, holds) = condition_of(store, model, id, &named, condition);
            let done = store.put(&named, &put_value, condition, ttl.ms()).unwrap();
            assert_eq!(done.is_some(), holds);
            if holds {
                put(model, id, Model::Bytes(value), ttl);
            }
        }
        Operation::Touch(_, ttl) => {
            assert_eq!(store.touch(&named, ttl.ms()).unwrap(), model.contains_key(&id));
            if ttl == Ttl::NoTime {
                model.remove(&id);
            } else if model.contains_key(&id) {
                let left = ms_until(store.end_of(&named).unwrap().unwrap());
                assert_eq!(left.is_some(), ttl == Ttl::Hour);
            }
        }
        Operation::Exchange(_, length, ttl) => {
            let value = bytes_of(length, round);
            let mut scratch = Scratch::default();
            let new = Value::bytes(Tag::Buffer, &value);
            let old = store.exchange(&named, &new, ttl.ms(), &mut scratch).unwrap();
            assert_eq!(old.map(|old| to_model(&old, &scratch)), model.get(&id).cloned());
            put(model, id, Model::Bytes(value), ttl);
        }
        Operation::Take(_) => {
            let mut scratch = Scratch::default();
            let old = store.take(&named, &mut scratch).unwrap();
            assert_eq!(old.map(|old| to_model(&old, &scratch)), model.remove(&id));
        }
        Operation::Sweep(_) => {
            while !store.sweep_ended(&mut Sweep::default(), 1 << 16).unwrap().is_around {}
        }
    }
}

/// The condition for the store, and whether it holds.
fn condition_of(
    store: &Store,
    model: &HashMap<u8, Model>,
    id: u8,
    key: &Key<'_>,
    condition: If,
) -> (Condition, bool) {
    let is_there = model.contains_key(&id);
    let version = store.get(key, &mut Scratch::default()).unwrap().map_or(7, |read| read.version);
    match condition {
        If::Always => (Condition::Always, true),
        If::Absent => (Condition::Absent, !is_there),
        If::Present => (Condition::Present, is_there),
        If::Version => (Condition::Version(version), is_there),
        If::OldVersion => (Condition::Version(version - 1), false),
    }
}

/// All keys of a namespace, a few at a time.
fn scan(store: &Store, namespace: Namespace) -> Vec<(Vec<u8>, bool)> {
    let (mut keys, mut place, mut found) = (Keys::default(), Some(Place::default()), Vec::new());
    let all = Prefix { bytes: &[], wide: false };
    while let Some(at) = place {
        keys.clear();
        place = store.scan(namespace, all, at, 3, &mut keys).unwrap();
        found.extend(keys.iter().map(|(bytes, wide)| (bytes.to_vec(), wide)));
    }
    found.sort_unstable();
    found
}

fn check_scan(store: &Store, model: &HashMap<u8, Model>, namespace: Namespace, ids: Range<u8>) {
    let there = ids.filter(|id| model.contains_key(id));
    let mut names: Vec<_> = there.map(key_bytes).collect();
    names.sort_unstable();
    assert_eq!(scan(store, namespace), names);
    // What has ended counts until it is swept, which it was.
    assert_eq!(store.usage(namespace).unwrap().entries, names.len() as u64);
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
        verify(store.segment()).unwrap();
        apply(&store, &mut model, &Operation::Sweep(0), 0);
        let census = verify(store.segment()).unwrap();
        prop_assert_eq!(census.entries, model.len() as u64 + OWN);
        check_scan(&store, &model, Namespace::USER, 0..FIRST_INSIDE);
        check_scan(&store, &model, INSIDE, FIRST_INSIDE..40);
    }
}
