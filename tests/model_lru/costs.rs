//! What an operation costs in a loop: `cargo test --release --no-default-features --test model_lru
//! -- --ignored --nocapture costs`.

use crate::support::{join, new_segment, scratch};
use cluster_shared_memory::clock;
use cluster_shared_memory::entry::Value;
use cluster_shared_memory::lru::Options;
use std::hint::black_box;

/// Of the processor's time, so that it does not matter what else the machine does.
fn cost(what: &str, count: u32, mut operation: impl FnMut(u32)) {
    let start = cpu_seconds();
    for number in 0..count {
        operation(number);
    }
    println!("{what:44} {:6.1} ns", (cpu_seconds() - start) * 1e9 / f64::from(count));
}

fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

#[test]
#[ignore = "measures"]
fn costs() {
    const COUNT: u32 = 2_000_000;
    let sizes = std::env::var("SIZES").map_or(3, |sizes| sizes.parse().unwrap());
    cost("the clock", COUNT, |_| {
        black_box(clock::now_ms());
    });
    for size in [1_000_u32, 100_000, 1_000_000].into_iter().take(sizes) {
        let segment = new_segment(1 << 30);
        let (lru, _) = join(&segment);
        lru.set_options(&Options { max: f64::from(size), ..Options::default() }).unwrap();
        let mut scratch = scratch();
        let set = |number: u32| {
            let bytes = u64::from(number).to_le_bytes();
            let key = lru.key(&bytes, false).unwrap();
            lru.set(&key, &Value::number(f64::from(number)), None).unwrap();
        };
        // A step that meets all of them in an order that no prefetcher knows.
        let other = |number: u32| (u64::from(number) * 7919 % u64::from(size)) as u32;
        println!("{size} entries");
        cost("  set, new", size, set);
        cost("  set over another", COUNT, |number| set(other(number)));
        let mut get = |number: u32| {
            let bytes = u64::from(number).to_le_bytes();
            let key = lru.key(&bytes, false).unwrap();
            black_box(lru.get(&key, &mut scratch).unwrap()).is_some()
        };
        cost("  get, hit", COUNT, |number| assert!(get(other(number))));
        cost("  get, hit, the newest", COUNT, |_| assert!(get(5)));
        cost("  get, miss", COUNT, |number| assert!(!get(size + number)));
        cost("  set with eviction", COUNT, |number| set(size + number));
        lru.set_options(&Options { max: f64::from(size), disposes: true, ..Options::default() })
            .unwrap();
        let mut left = 1;
        cost("  sweep_old, each", size.div_ceil(4), |_| {
            left += u32::from(lru.sweep_old().unwrap());
        });
        assert!(!lru.sweep_old().unwrap() && left > 1);
        (0..size).for_each(set);
        cost("  set with eviction to the heir", size, |number| set(size + number));
        let mut key = Vec::new();
        let mut heard = 0;
        cost("  inherit", size, |_| {
            heard += u32::from(lru.inherit(&mut scratch, &mut key).unwrap().is_some());
        });
        assert_eq!(heard, size);
        let now = clock::now_ms();
        cost("  sweep_expired, of which none has", 1, |_| {
            assert!(!lru.sweep_expired_at(u32::MAX, now).unwrap());
        });
        cost("  sweep_expired, of which all have", 1, |_| {
            assert!(!lru.sweep_expired_at(u32::MAX, now + 1e9).unwrap());
        });
    }
}
