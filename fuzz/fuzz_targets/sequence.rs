//! Operations of two members beside a plain map: both say the same, whatever the order, and at the
//! end the checker finds nothing wrong.
#![no_main]
#![allow(clippy::unwrap_used, missing_docs, reason = "a fuzzer takes a panic for a find")]

mod common;

use arbitrary::{Arbitrary, Unstructured};
use cluster_shared_memory::entry::{Key, Namespace, Tag, Value};
use cluster_shared_memory::error::Error;
use cluster_shared_memory::shard::Glance;
use cluster_shared_memory::store::{
    Condition, Keys, Place, Prefix, Read, Scratch, Store, Sweep, ms_until,
};
use cluster_shared_memory::verify::verify;
use cluster_shared_memory::watches::{News, WatchId, Watches};
use libfuzzer_sys::fuzz_target;
use std::collections::HashMap;
use std::sync::Arc;

/// Keys; those from the second number on are in a namespace.
const KEYS: u8 = 48;
const FIRST_INSIDE: u8 = 36;
const INSIDE: Namespace = Namespace::numbered(2);
const HOUR_MS: u64 = 3_600_000;

#[derive(Debug)]
struct Program {
    bound: Option<u16>,
    steps: Vec<Step>,
}

// Not derived: the list is as long as the bytes last.
impl<'a> Arbitrary<'a> for Program {
    fn arbitrary(u: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let mut program = Self { bound: u.arbitrary()?, steps: Vec::new() };
        while !u.is_empty() && program.steps.len() < 600 {
            program.steps.push(u.arbitrary()?);
        }
        Ok(program)
    }
}

#[derive(Debug, Arbitrary)]
struct Step {
    who: bool,
    key: u8,
    call: Call,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Call {
    Set(u16),
    SetNumber(i32),
    Put(u16, If, Ttl),
    Add(i16, Ttl),
    Remove,
    RemoveIf(bool),
    Exchange(u16, Ttl),
    Take,
    Touch(Ttl),
    Read,
    IsCurrent,
    Watch,
    Hear,
    Scan(u8),
    Sweep(u8),
    Clear,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum If {
    Always,
    Absent,
    Present,
    Version,
    OldVersion,
}

/// What stays for no time has ended at once.
#[derive(Debug, Clone, Copy, PartialEq, Arbitrary)]
enum Ttl {
    ForEver,
    Hour,
    NoTime,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Model {
    /// Length, and the round that it was set in.
    Bytes(usize, usize),
    Number(u64),
}

struct World {
    stores: [Store; 2],
    sweeps: [Sweep; 2],
    watches: Watches,
    watched: HashMap<WatchId, (u8, Option<Option<Model>>)>,
    model: HashMap<u8, (Model, Ttl)>,
    scratch: Scratch,
}

fuzz_target!(|program: Program| run(&program));

fn run(program: &Program) {
    let (segment, ids) = common::segment(3);
    let store = |who: usize| Store::new(Arc::clone(&segment), ids[who]);
    let mut world = World {
        stores: [store(0), store(1)],
        sweeps: [Sweep::default(); 2],
        watches: Watches::new(Arc::clone(&segment), ids[2]),
        watched: HashMap::new(),
        model: HashMap::new(),
        scratch: Scratch::default(),
    };
    assert_eq!(world.stores[0].namespace(b"inside", false), Ok(INSIDE));
    if let Some(bound) = program.bound {
        world.stores[0].bound(INSIDE, u64::from(bound)).unwrap();
    }
    for (round, step) in program.steps.iter().enumerate() {
        if common::shows() {
            eprintln!("{round}: {step:?}");
        }
        world.take(step, round);
    }
    world.finish();
}

impl World {
    fn take(&mut self, step: &Step, round: usize) {
        let who = usize::from(step.who);
        let id = step.key % KEYS;
        let (bytes, wide) = common::key_bytes(id);
        let hash_key = self.stores[0].segment().hash_key();
        let key = Key::within(namespace_of(id), hash_key, &bytes, wide).unwrap();
        let is_there = self.model.contains_key(&id);
        match step.call {
            Call::Set(length) => {
                self.put(who, id, &key, bytes_of(length, round), If::Always, Ttl::ForEver);
            }
            Call::SetNumber(number) => {
                let number = Model::Number(f64::from(number).to_bits());
                self.put(who, id, &key, number, If::Always, Ttl::ForEver);
            }
            Call::Put(length, condition, ttl) => {
                self.put(who, id, &key, bytes_of(length, round), condition, ttl);
            }
            Call::Add(by, ttl) => self.add(who, id, &key, f64::from(by), ttl),
            Call::Remove => {
                assert_eq!(self.stores[who].remove(&key), Ok(is_there));
                self.model.remove(&id);
            }
            Call::RemoveIf(is_right) => {
                let version = self.version(&key).unwrap_or(7) - u64::from(!is_right);
                let removed = self.stores[who].remove_if(&key, Condition::Version(version));
                assert_eq!(removed, Ok(is_there && is_right));
                if removed == Ok(true) {
                    self.model.remove(&id);
                }
            }
            Call::Exchange(length, ttl) => {
                self.exchange(who, id, &key, bytes_of(length, round), ttl)
            }
            Call::Take => {
                let old = self.stores[who].take(&key, &mut self.scratch).unwrap();
                let expected = self.model.remove(&id).map(|old| old.0);
                assert!(is_as(old.as_ref(), &self.scratch, expected));
            }
            Call::Touch(ttl) => {
                assert_eq!(self.stores[who].touch(&key, ms(ttl)), Ok(is_there));
                if let Some((value, _)) = self.model.remove(&id) {
                    self.note(id, value, ttl);
                }
            }
            Call::Read => self.check(who, id, &key),
            Call::IsCurrent => {
                let version = self.version(&key).unwrap_or(7);
                for (known, is_known) in [(version, is_there), (version - 1, false)] {
                    let (store, scratch) = (&self.stores[who], &mut self.scratch);
                    let mut read = Read::NOTHING;
                    let glance = store.get_unless(&key, known, scratch, &mut read);
                    assert_eq!(matches!(glance, Ok(Glance::Known)), is_known);
                    assert_eq!(matches!(glance, Ok(Glance::Missing)), !is_there);
                }
            }
            Call::Watch => {
                let watch = self.watches.watch(&key).unwrap();
                self.watched.insert(watch, (id, None));
            }
            Call::Hear => self.hear(),
            Call::Scan(wanted) => self.scan(who, id, usize::from(wanted)),
            Call::Sweep(buckets) => {
                let (store, sweep) = (&self.stores[who], &mut self.sweeps[who]);
                store.sweep_ended(sweep, u64::from(buckets)).unwrap();
            }
            Call::Clear => self.clear(who, id),
        }
    }

    fn put(&mut self, who: usize, id: u8, key: &Key<'_>, new: Model, condition: If, ttl: Ttl) {
        let is_there = self.model.contains_key(&id);
        let version = self.version(key).unwrap_or(7);
        let (condition, holds) = match condition {
            If::Always => (Condition::Always, true),
            If::Absent => (Condition::Absent, !is_there),
            If::Present => (Condition::Present, is_there),
            If::Version => (Condition::Version(version), is_there),
            If::OldVersion => (Condition::Version(version - 1), false),
        };
        let store = &self.stores[who];
        let done = with_value(new, |value| match (condition, ttl) {
            (Condition::Always, Ttl::ForEver) => store.set(key, value).map(|()| true),
            _ => store.put(key, value, condition, ms(ttl)).map(|version| version.is_some()),
        });
        if self.may_refuse(id, done.as_ref().err()) {
            return;
        }
        assert_eq!(done, Ok(holds));
        if holds {
            self.note(id, new, ttl);
        }
    }

    fn add(&mut self, who: usize, id: u8, key: &Key<'_>, by: f64, ttl: Ttl) {
        let done = match ms(ttl) {
            None => self.stores[who].incr(key, by),
            Some(ttl_ms) => self.stores[who].incr_for(key, by, ttl_ms),
        };
        if self.may_refuse(id, done.as_ref().err()) {
            return;
        }
        match self.model.get(&id).copied() {
            Some((Model::Bytes(..), _)) => {
                assert!(matches!(done, Err(Error::NotANumber { .. })), "{done:?}");
            }
            Some((Model::Number(bits), old)) => {
                let sum = f64::from_bits(bits) + by;
                assert_eq!(done, Ok(sum));
                self.note(id, Model::Number(sum.to_bits()), old);
            }
            None => {
                assert_eq!(done, Ok(by));
                self.note(id, Model::Number(by.to_bits()), ttl);
            }
        }
    }

    fn exchange(&mut self, who: usize, id: u8, key: &Key<'_>, new: Model, ttl: Ttl) {
        let (store, scratch) = (&self.stores[who], &mut self.scratch);
        let old = with_value(new, |value| store.exchange(key, value, ms(ttl), scratch));
        if self.may_refuse(id, old.as_ref().err()) {
            return;
        }
        let expected = self.model.get(&id).map(|old| old.0);
        assert!(is_as(old.unwrap().as_ref(), &self.scratch, expected));
        self.note(id, new, ttl);
    }

    /// Whether it was refused for want of room, which the namespace alone may not have.
    fn may_refuse(&self, id: u8, error: Option<&Error>) -> bool {
        let is_full = matches!(error, Some(Error::OutOfMemory { .. }));
        assert!(!is_full || id >= FIRST_INSIDE, "there is room");
        is_full
    }

    fn note(&mut self, id: u8, value: Model, ttl: Ttl) {
        if ttl == Ttl::NoTime {
            self.model.remove(&id);
        } else {
            self.model.insert(id, (value, ttl));
        }
    }

    fn check(&mut self, who: usize, id: u8, key: &Key<'_>) {
        let expected = self.model.get(&id).copied();
        let read = self.stores[who].get(key, &mut self.scratch).unwrap();
        assert!(is_as(read.as_ref(), &self.scratch, expected.map(|it| it.0)), "{id}: {expected:?}");
        let end = self.stores[who].end_of(key).unwrap();
        assert_eq!(end, read.map(|read| read.expiry));
        let has_end = end.map(|end| ms_until(end).is_some());
        assert_eq!(has_end, expected.map(|(_, ttl)| ttl == Ttl::Hour));
        let (version, is_there) = self.stores[who].version_of(key).unwrap();
        assert_eq!(is_there, read.is_some());
        assert!(read.is_none_or(|read| read.version == version));
    }

    fn version(&mut self, key: &Key<'_>) -> Option<u64> {
        self.stores[0].get(key, &mut self.scratch).unwrap().map(|read| read.version)
    }

    /// Goes through the namespace of a key, for those that begin as it does.
    fn scan(&mut self, who: usize, id: u8, wanted: usize) {
        let namespace = namespace_of(id);
        let (bytes, wide) = common::key_bytes(id);
        let prefix = Prefix { bytes: &bytes[..bytes.len().min(4 * (wanted % 2))], wide };
        let (mut keys, mut place) = (Keys::default(), Some(Place::default()));
        while let Some(at) = place {
            place = self.stores[who].scan(namespace, prefix, at, wanted, &mut keys).unwrap();
        }
        let mut found: Vec<_> = keys.iter().map(|(key, wide)| (key.to_vec(), wide)).collect();
        found.sort_unstable();
        let ids = self.model.keys().filter(|id| namespace_of(**id) == namespace);
        let names = ids.map(|id| common::key_bytes(*id));
        // Narrow prefixes that are not empty begin no wide key here, nor the other way round.
        let mut names: Vec<_> = names
            .filter(|name| name.0.starts_with(prefix.bytes))
            .filter(|name| prefix.bytes.is_empty() && !prefix.wide || name.1 == prefix.wide)
            .collect();
        names.sort_unstable();
        if !(prefix.bytes.is_empty() && prefix.wide) {
            assert_eq!(found, names);
        }
    }

    fn clear(&mut self, who: usize, id: u8) {
        let namespace = namespace_of(id);
        let (mut keys, mut place, mut removed) = (Keys::default(), Some(Place::default()), 0);
        while let Some(at) = place {
            let (count, next) = self.stores[who].clear_some(namespace, at, &mut keys).unwrap();
            (removed, place) = (removed + count, next);
        }
        let before = self.model.len();
        self.model.retain(|id, _| namespace_of(*id) != namespace);
        assert_eq!(removed, (before - self.model.len()) as u64);
    }

    fn hear(&mut self) {
        self.watches.note(u64::MAX);
        while let Some(news) = self.watches.next(&mut self.scratch).unwrap() {
            match news {
                News::Set(id, read) => {
                    let heard = model_of(&read, &self.scratch);
                    self.watched.get_mut(&id).unwrap().1 = Some(Some(heard));
                }
                News::Removed(id) => self.watched.get_mut(&id).unwrap().1 = Some(None),
                News::Skipped(_) => {}
            }
        }
    }

    fn finish(&mut self) {
        for id in 0..KEYS {
            let (bytes, wide) = common::key_bytes(id);
            let hash_key = self.stores[0].segment().hash_key();
            let key = Key::within(namespace_of(id), hash_key, &bytes, wide).unwrap();
            self.check(usize::from(id % 2), id, &key);
        }
        let segment = Arc::clone(self.stores[0].segment());
        verify(&segment).unwrap();
        let mut sweep = Sweep::default();
        while !self.stores[0].sweep_ended(&mut sweep, 1 << 16).unwrap().is_around {}
        // The name of the namespace, and the number that was taken last.
        let own = 2;
        assert_eq!(verify(&segment).unwrap().entries, self.model.len() as u64 + own);
        for (id, namespace) in [(0, Namespace::USER), (FIRST_INSIDE, INSIDE)] {
            let count = self.model.keys().filter(|id| namespace_of(**id) == namespace).count();
            assert_eq!(self.stores[0].usage(namespace).unwrap().entries, count as u64);
            self.scan(0, id, 0);
        }
        // What was heard last of a key is what it is now.
        self.hear();
        for (id, heard) in self.watched.values() {
            if let Some(heard) = heard {
                assert_eq!(*heard, self.model.get(id).map(|it| it.0), "what was heard of {id}");
            }
        }
    }
}

fn namespace_of(id: u8) -> Namespace {
    if id < FIRST_INSIDE { Namespace::USER } else { INSIDE }
}

fn ms(ttl: Ttl) -> Option<u64> {
    match ttl {
        Ttl::ForEver => None,
        Ttl::Hour => Some(HOUR_MS),
        Ttl::NoTime => Some(0),
    }
}

/// Lengths from 8 on, half of them short.
fn bytes_of(length: u16, round: usize) -> Model {
    let length = usize::from(length);
    Model::Bytes(8 + if length.is_multiple_of(2) { length % 200 } else { length }, round)
}

fn content(length: usize, round: usize) -> Vec<u8> {
    let mut bytes = vec![(length ^ round) as u8; length];
    for (to, from) in bytes.iter_mut().zip((round as u64).to_le_bytes()) {
        *to = from;
    }
    bytes
}

fn with_value<T>(model: Model, use_it: impl FnOnce(&Value<'_>) -> T) -> T {
    match model {
        Model::Number(bits) => use_it(&Value::number(f64::from_bits(bits))),
        Model::Bytes(length, round) => use_it(&Value::bytes(Tag::Buffer, &content(length, round))),
    }
}

fn is_as(read: Option<&Read>, scratch: &Scratch, expected: Option<Model>) -> bool {
    match (read, expected) {
        (None, None) => true,
        (Some(read), Some(Model::Number(bits))) => {
            read.tag == Tag::Number && read.number.to_bits() == bits
        }
        (Some(read), Some(Model::Bytes(length, round))) => {
            read.tag == Tag::Buffer && scratch.bytes(read.length) == content(length, round)
        }
        _ => false,
    }
}

/// What was heard; of bytes their length and the round that they begin with.
fn model_of(read: &Read, scratch: &Scratch) -> Model {
    if read.tag == Tag::Number {
        return Model::Number(read.number.to_bits());
    }
    let bytes = scratch.bytes(read.length);
    let mut round = [0; 8];
    let known = bytes.len().min(8);
    round[..known].copy_from_slice(&bytes[..known]);
    Model::Bytes(read.length, u64::from_le_bytes(round) as usize)
}
