//! The cache against a plain model of lru-cache 6: whatever is done, in whatever order, by whichever
//! member, both say the same.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a test ends by a panic, and its numbers are small"
)]

mod costs;
#[cfg(feature = "faults")]
mod deaths;
mod members;
mod memory;
mod reference;
mod support;

use cluster_shared_memory::lru::{Lru, Options, Outcome};
use cluster_shared_memory::segment::Segment;
use cluster_shared_memory::verify::verify;
use proptest::prelude::*;
use reference::{Reference, Settings};
use std::sync::Arc;
use support::{forget_all, get, inherit_all, join, new_segment, remove, set};

#[derive(Debug, Clone)]
enum Operation {
    Set(u8, usize, f64),
    Get(u8),
    Remove(u8),
    Wait(u16),
    Choose(Settings),
    SweepOld,
    SweepExpired,
    Inherit,
}

fn settings() -> impl Strategy<Value = Settings> {
    let max = prop_oneof![
        8 => (1..12_u8).prop_map(f64::from),
        1 => prop_oneof![Just(0.0), Just(f64::NAN), Just(f64::INFINITY), Just(2.5)],
    ];
    let max_age = prop_oneof![
        3 => Just(0.0),
        3 => (1..100_u8).prop_map(f64::from),
        1 => prop_oneof![Just(-5.0), Just(f64::NAN), Just(f64::INFINITY), Just(0.5)],
    ];
    (max, max_age, any::<[bool; 4]>()).prop_map(|(max, max_age, flags)| {
        let [stale, no_dispose_on_set, update_age_on_get, disposes] = flags;
        Settings { max, max_age, stale, no_dispose_on_set, update_age_on_get, disposes }
    })
}

fn operations() -> impl Strategy<Value = Vec<(bool, Operation)>> {
    let key = 0..20_u8;
    let size = prop_oneof![4 => 0..100_usize, 1 => 3900..4200_usize, 1 => 4000..40_000_usize];
    let odd = [0.5, 0.1, -1.0, -3.0, 0.0, f64::NAN, f64::INFINITY, 1e300, 1e17];
    let length = prop_oneof![
        20 => Just(1.0),
        20 => (0..14_u8).prop_map(f64::from),
        1 => prop::sample::select(odd.to_vec()),
    ];
    let operation = prop_oneof![
        30 => (key.clone(), size, length).prop_map(|(key, size, length)| Operation::Set(key, size, length)),
        20 => key.clone().prop_map(Operation::Get),
        5 => key.prop_map(Operation::Remove),
        5 => (0..40_u16).prop_map(Operation::Wait),
        1 => settings().prop_map(Operation::Choose),
        2 => Just(Operation::SweepOld),
        2 => Just(Operation::SweepExpired),
        2 => Just(Operation::Inherit),
    ];
    prop::collection::vec((any::<bool>(), operation), 1..300)
}

fn options(settings: Settings) -> Options {
    let Settings { max, max_age, stale, no_dispose_on_set, update_age_on_get, disposes } = settings;
    let measures = false;
    Options { max, max_age, stale, no_dispose_on_set, update_age_on_get, disposes, measures }
}

struct Both {
    segment: Arc<Segment>,
    /// Two members; the first is the heir.
    members: [Lru; 2],
    reference: Reference,
    now: f64,
    round: u8,
}

impl Both {
    fn new(settings: Settings) -> Self {
        let segment = new_segment(16 << 20);
        let members = [join(&segment).0, join(&segment).0];
        members[0].set_options(&options(settings)).unwrap();
        Self { segment, members, reference: Reference::new(settings), now: 1e12, round: 0 }
    }

    fn apply(&mut self, by: bool, operation: &Operation) {
        let lru = &self.members[usize::from(by)];
        self.round = self.round.wrapping_add(1);
        match *operation {
            Operation::Set(key, size, length) => {
                let value = vec![self.round; size];
                let stored = self.reference.set(key, &value, length, self.now);
                let expected = if stored { Outcome::Stored } else { Outcome::TooLong };
                assert_eq!(set(lru, key, &value, Some(length), self.now), expected);
            }
            Operation::Get(key) => {
                assert_eq!(get(lru, key, self.now), self.reference.get(key, self.now));
            }
            Operation::Remove(key) => assert_eq!(remove(lru, key), self.reference.remove(key)),
            Operation::Wait(ms) => self.now += f64::from(ms),
            Operation::Choose(settings) => {
                self.inherit();
                self.members[0].set_options(&options(settings)).unwrap();
                self.reference = Reference::new(settings);
            }
            Operation::SweepOld => drop(lru.sweep_old().unwrap()),
            Operation::SweepExpired => {
                assert!(!lru.sweep_expired_at(u32::MAX, self.now).unwrap());
                self.reference.prune(self.now);
            }
            Operation::Inherit => self.inherit(),
        }
        self.compare();
    }

    fn inherit(&mut self) {
        assert_eq!(inherit_all(&self.members[1]), [], "not the heir");
        assert_eq!(inherit_all(&self.members[0]), std::mem::take(&mut self.reference.disposed));
    }

    fn compare(&self) {
        let sizes = |values: &[(u8, Vec<u8>)]| -> Vec<(u8, u64)> {
            values.iter().map(|(key, value)| (*key, value.len() as u64)).collect()
        };
        let hits = self.reference.list.iter().map(|hit| (hit.key, hit.value.len() as u64));
        assert_eq!(support::uses(&self.segment), hits.collect::<Vec<_>>());
        assert_eq!(support::estate(&self.segment), sizes(&self.reference.disposed));
        let (ours, theirs) = (self.members[0].length().unwrap(), self.reference.length);
        assert!(ours.to_bits() == theirs.to_bits() || ours.is_nan() && theirs.is_nan());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_cache_does_as_lru_cache(settings in settings(), operations in operations()) {
        let mut both = Both::new(settings);
        for (by, operation) in &operations {
            both.apply(*by, operation);
        }
        verify(&both.segment).unwrap();
        both.inherit();
        forget_all(&both.members[1]);
        let census = verify(&both.segment).unwrap();
        prop_assert_eq!(census.entries, both.reference.list.len() as u64);
    }
}

#[test]
fn the_options_of_1_1_5_hold_until_others_are_chosen() {
    let segment = new_segment(16 << 20);
    let (lru, _) = join(&segment);
    for number in 0..10_002_u32 {
        let bytes = number.to_le_bytes();
        let key = lru.key(&bytes, false).unwrap();
        let value = cluster_shared_memory::entry::Value::number(f64::from(number));
        assert_eq!(lru.set_at(&key, &value, None, 0.0).unwrap(), Outcome::Stored);
    }
    assert_eq!(verify(&segment).unwrap().entries, 10_000);
    let mut scratch = support::scratch();
    let bytes = 2_u32.to_le_bytes();
    let key = lru.key(&bytes, false).unwrap();
    assert_eq!(
        lru.get_at(&key, &mut scratch, 300_000.0).unwrap().unwrap().number.to_bits(),
        2_f64.to_bits()
    );
    assert_eq!(lru.get_at(&key, &mut scratch, 300_001.0).unwrap(), None);
}

#[test]
fn a_set_without_a_length_says_so_where_lengths_are_measured() {
    let segment = new_segment(16 << 20);
    let (lru, _) = join(&segment);
    assert_eq!(lru.measurer().unwrap(), None);
    lru.set_options(&Options { measures: true, ..Options::default() }).unwrap();
    assert!(lru.measurer().unwrap().is_some());
    assert_eq!(set(&lru, 5, b"value", None, 0.0), Outcome::Unmeasured);
    assert_eq!(get(&lru, 5, 0.0), None);
    assert_eq!(set(&lru, 5, b"value", Some(3.0), 0.0), Outcome::Stored);
    assert_eq!(get(&lru, 5, 0.0), Some(b"value".to_vec()));
}

#[test]
fn new_options_make_a_new_cache_at_once_and_the_old_one_goes_bit_by_bit() {
    let segment = new_segment(16 << 20);
    let (lru, _) = join(&segment);
    for key in 0..100 {
        set(&lru, key, &[key; 5000], None, 0.0);
    }
    lru.set_options(&Options::default()).unwrap();
    verify(&segment).unwrap();
    assert!((0..100).all(|key| get(&lru, key, 0.0).is_none()));
    assert!(!remove(&lru, 7), "of a former cache");
    set(&lru, 8, b"new", None, 0.0);
    lru.set_options(&Options { max: 3.0, ..Options::default() }).unwrap();
    for key in 0..10 {
        set(&lru, key, &[key; 5000], None, 0.0);
        verify(&segment).unwrap();
    }
    assert_eq!(support::uses(&segment).iter().map(|item| item.0).collect::<Vec<_>>(), [9, 8, 7]);
    let entries = verify(&segment).unwrap().entries;
    assert!((60..90).contains(&entries), "each set has freed two of the past: {entries}");
    forget_all(&lru);
    let census = verify(&segment).unwrap();
    assert_eq!((census.entries, census.run_pages), (3, 6));
}

#[test]
fn expired_entries_go_from_the_old_end_until_one_has_not_expired() {
    let segment = new_segment(16 << 20);
    let (lru, _) = join(&segment);
    lru.set_options(&Options { max: 0.0, max_age: 100.0, ..Options::default() }).unwrap();
    for key in 0..200 {
        let used_at = if key == 150 { 1000.0 } else { 0.0 };
        set(&lru, key, &[key], None, used_at);
    }
    let mut calls = 0;
    while lru.sweep_expired_at(10, 1050.0).unwrap() {
        calls += 1;
        verify(&segment).unwrap();
    }
    assert_eq!(calls, 15);
    let keys: Vec<u8> = support::uses(&segment).iter().map(|item| item.0).collect();
    assert_eq!(keys, (150..200).rev().collect::<Vec<u8>>());
}
