//! Memory that is not used any more goes back to the system.

use crate::family::{MIB, attach, get, hub, set, wait_until};
use cluster_shared_memory::member::Role;
use cluster_shared_memory::segment::Segment;
use cluster_shared_memory::verify::verify;
use std::time::Duration;

/// Bytes of memory behind the segment.
fn backed(segment: &Segment) -> u64 {
    let stat = rustix::fs::fstat(segment.file()).unwrap();
    u64::try_from(stat.st_blocks).unwrap() * 512
}

fn remove(store: &cluster_shared_memory::store::Store, key: &str) {
    assert!(store.remove(&store.key(key.as_bytes(), false).unwrap()).unwrap());
}

#[test]
fn the_memory_of_large_values_goes_back_after_a_while() {
    let hub = hub("memory", 256 * MIB);
    let me = attach(&Role::Primary(&hub));
    let segment = me.store().segment();
    set(me.store(), "small", b"stays");
    let before = backed(segment);
    let value = vec![5; 5 << 20];
    for number in 0..20 {
        set(me.store(), &format!("large {number}"), &value);
    }
    assert!(backed(segment) >= before + 100 * MIB);
    for number in 0..20 {
        if number != 7 {
            remove(me.store(), &format!("large {number}"));
        }
    }
    wait_until("memory that is given back", || backed(segment) < before + 7 * MIB);
    assert_eq!(get(me.store(), "large 7").unwrap(), value);
    assert_eq!(get(me.store(), "small").unwrap(), b"stays");
    verify(segment).unwrap();

    // And it can be had again.
    for number in 0..20 {
        set(me.store(), &format!("large {number}"), &value);
    }
    assert_eq!(get(me.store(), "large 19").unwrap(), value);
}

#[test]
fn memory_that_is_used_again_and_again_stays() {
    let hub = hub("alternating", 128 * MIB);
    let me = attach(&Role::Primary(&hub));
    let segment = me.store().segment();
    let value = vec![5; 4 << 20];
    let mut least = u64::MAX;
    for round in 0..400 {
        set(me.store(), "large", &value);
        if round > 10 {
            least = least.min(backed(segment));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(least >= 8 * MIB, "{least} bytes");
}
