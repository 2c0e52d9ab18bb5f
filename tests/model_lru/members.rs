//! Several members at once, each in a thread of its own.

use crate::support::{get, inherit_all, join, new_segment, remove, set, uses};
use cluster_shared_memory::lru::Options;
use cluster_shared_memory::segment::members;
use cluster_shared_memory::verify::verify;
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

/// Numbers that look random enough (xorshift, Marsaglia, 2003).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

#[test]
fn members_share_one_cache_and_no_value_is_torn() {
    let segment = new_segment(64 << 20);
    join(&segment).0.set_options(&Options { max: 60.0, ..Options::default() }).unwrap();
    thread::scope(|scope| {
        for seed in 1..=4 {
            let segment = &segment;
            scope.spawn(move || {
                let (lru, _) = join(segment);
                let mut random = Random(seed * 0x9e37_79b9);
                for round in 0..20_000_u64 {
                    let key = 4 + random.below(100) as u8;
                    match random.below(10) {
                        0..4 => {
                            let size = [10, 3000, 10_000][random.below(3) as usize];
                            let length = 1.0 + random.below(4) as f64;
                            set(&lru, key, &vec![round as u8; size], Some(length), 0.0);
                        }
                        4..9 => {
                            if let Some(value) = get(&lru, key, 0.0) {
                                assert!(value.iter().all(|byte| *byte == value[0]));
                            }
                        }
                        _ => drop(remove(&lru, key)),
                    }
                }
            });
        }
    });
    let census = verify(&segment).unwrap();
    assert!((15..=60).contains(&census.entries), "{census:?}");
}

#[test]
fn the_heir_hears_of_each_entry_once_and_in_order() {
    const EACH: u64 = 20_000;
    let segment = new_segment(64 << 20);
    let (heir, _) = join(&segment);
    heir.set_options(&Options { max: 10.0, disposes: true, ..Options::default() }).unwrap();
    let (left, done) = (AtomicU64::new(3), AtomicBool::new(false));
    let mut heard = Vec::new();
    thread::scope(|scope| {
        for member in 0..3_u8 {
            let (segment, left, done) = (&segment, &left, &done);
            scope.spawn(move || {
                let (lru, _) = join(segment);
                for round in 0..EACH {
                    let size = if round % 100 == 0 { 5000 } else { 8 };
                    let mut value = vec![member; size];
                    value[..8].copy_from_slice(&round.to_le_bytes());
                    value.push(member);
                    set(&lru, 4 + member * 20 + (round % 20) as u8, &value, None, 0.0);
                }
                if left.fetch_sub(1, Ordering::AcqRel) == 1 {
                    done.store(true, Ordering::Release);
                }
            });
        }
        loop {
            let is_last = done.load(Ordering::Acquire);
            heard.extend(inherit_all(&heir));
            if is_last {
                break;
            }
        }
    });
    assert_eq!(heard.len() as u64, 3 * EACH - 10);
    for member in 0..3_u8 {
        let rounds: Vec<u64> = heard
            .iter()
            .filter(|(_, value)| value.last() == Some(&member))
            .map(|(_, value)| u64::from_le_bytes(value[..8].try_into().unwrap()))
            .collect();
        assert!(rounds.windows(2).all(|pair| pair[0] < pair[1]), "in order");
    }
    let distinct: HashSet<&(u8, Vec<u8>)> = heard.iter().collect();
    assert_eq!(distinct.len(), heard.len());
    assert_eq!(verify(&segment).unwrap().entries, 10);
}

#[test]
fn an_heir_that_has_left_inherits_nothing_more() {
    let segment = new_segment(16 << 20);
    let ((heir, id), (other, _)) = (join(&segment), join(&segment));
    heir.set_options(&Options { max: 2.0, disposes: true, ..Options::default() }).unwrap();
    for key in 4..10 {
        set(&other, key, &[key; 9000], None, 0.0);
    }
    assert!(heir.has_estate().unwrap() && !other.has_estate().unwrap());
    members::leave(segment.region(), segment.layout(), id).unwrap();
    set(&other, 10, b"", None, 0.0);
    verify(&segment).unwrap();
    assert_eq!(inherit_all(&heir), []);
    crate::support::forget_all(&other);
    let census = verify(&segment).unwrap();
    assert_eq!((census.entries, census.run_pages), (2, 3));
    assert_eq!(uses(&segment), [(10, 0), (9, 9000)]);
}

#[test]
fn an_heir_that_died_unnoticed_is_noticed() {
    let segment = new_segment(16 << 20);
    let (other, _) = join(&segment);
    let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    let process = cluster_shared_memory::os::process::ProcessId::of(child.id()).unwrap();
    let id = members::join(segment.region(), segment.layout(), process, 0).unwrap();
    let heir = cluster_shared_memory::lru::Lru::new(segment.clone(), id);
    heir.set_options(&Options { max: 2.0, disposes: true, ..Options::default() }).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    for round in 0..5000_u32 {
        set(&other, 4 + (round % 100) as u8, b"value", None, 0.0);
    }
    crate::support::forget_all(&other);
    assert_eq!(crate::support::estate(&segment), []);
    verify(&segment).unwrap();
}
