//! Caches of several members in one segment, and what stands in them.

use cluster_shared_memory::entry::{Meta, Tag, Value, word};
use cluster_shared_memory::lru::{Lru, Outcome};
use cluster_shared_memory::os::process::ProcessId;
use cluster_shared_memory::segment::layout::{cache, shard};
use cluster_shared_memory::segment::members::{self, MemberId};
use cluster_shared_memory::segment::{Segment, region::Offset};
use cluster_shared_memory::shard::Scratch;
use cluster_shared_memory::store;
use cluster_shared_memory::sync::Ordering;
use std::sync::Arc;

pub(crate) fn new_segment(maximum: u64) -> Arc<Segment> {
    Arc::new(store::create(maximum).unwrap())
}

pub(crate) fn join(segment: &Arc<Segment>) -> (Lru, MemberId) {
    let me = members::join(segment.region(), segment.layout(), ProcessId::current(), 0).unwrap();
    (Lru::new(Arc::clone(segment), me), me)
}

/// Some keys are one byte a unit, some two, and one is as long as a key may be.
pub(crate) fn key_bytes(key: u8) -> (Vec<u8>, bool) {
    match key {
        0 => (vec![b'k'; 2000], false),
        1..4 => (vec![key, 1, 2, 3], true),
        _ => (format!("key:{key}").into_bytes(), false),
    }
}

pub(crate) fn key_of(bytes: &[u8]) -> u8 {
    (0..=255).find(|key| key_bytes(*key).0 == bytes).unwrap()
}

pub(crate) fn set(lru: &Lru, key: u8, value: &[u8], length: Option<f64>, now: f64) -> Outcome {
    let (bytes, wide) = key_bytes(key);
    let key = lru.key(&bytes, wide).unwrap();
    lru.set_at(&key, &Value::bytes(Tag::Buffer, value), length, now).unwrap()
}

pub(crate) fn get(lru: &Lru, key: u8, now: f64) -> Option<Vec<u8>> {
    let (bytes, wide) = key_bytes(key);
    let mut scratch = Scratch::default();
    let read = lru.get_at(&lru.key(&bytes, wide).unwrap(), &mut scratch, now).unwrap()?;
    Some(scratch.bytes(read.length).to_vec())
}

pub(crate) fn remove(lru: &Lru, key: u8) -> bool {
    let (bytes, wide) = key_bytes(key);
    lru.remove(&lru.key(&bytes, wide).unwrap()).unwrap()
}

pub(crate) fn scratch() -> Scratch {
    Scratch::default()
}

/// All that waits for the heir.
pub(crate) fn inherit_all(lru: &Lru) -> Vec<(u8, Vec<u8>)> {
    let (mut scratch, mut key) = (Scratch::default(), Vec::new());
    let mut all = Vec::new();
    while let Some(inherited) = lru.inherit(&mut scratch, &mut key).unwrap() {
        let expected = key_of(&key);
        assert_eq!(inherited.wide, key_bytes(expected).1);
        all.push((expected, scratch.bytes(inherited.read.length).to_vec()));
    }
    all
}

pub(crate) fn forget_all(lru: &Lru) {
    while lru.sweep_old().unwrap() {}
}

/// Keys and lengths of values of the uses, the newest first.
pub(crate) fn uses(segment: &Segment) -> Vec<(u8, u64)> {
    walk(segment, cache::NEWEST)
}

/// The same of the estate, the first that left first.
pub(crate) fn estate(segment: &Segment) -> Vec<(u8, u64)> {
    walk(segment, cache::ESTATE)
}

fn walk(segment: &Segment, first: u64) -> Vec<(u8, u64)> {
    let load = |at: Offset| segment.region().load(at, Ordering::Relaxed).unwrap();
    let shard_at = segment.layout().shard(segment.layout().cache());
    let mut link = load(shard_at.add(shard::CACHE + first));
    let mut found = Vec::new();
    while link != 0 {
        let entry = Offset::new(link & ((1 << 48) - 1));
        let meta = Meta::from_word(load(entry.add(word::META))).unwrap();
        let mut key = vec![0; meta.key_bytes() as usize];
        segment.region().read_bytes(entry.add(word::KEY), &mut key).unwrap();
        found.push((key_of(&key), load(entry.add(word::LENGTH))));
        link = load(entry.add(meta.cache_offset() + 8));
    }
    found
}
