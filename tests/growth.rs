//! A store that grows from nothing to millions of entries, and back: no call takes long, and the
//! memory comes back.
//!
//! `GROWTH=10000000 cargo test --release --test growth -- --nocapture` for the full size.
#![allow(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::float_cmp,
    clippy::indexing_slicing,
    reason = "a test ends by a panic, and its numbers are small"
)]

use cluster_shared_memory::entry::Value;
use cluster_shared_memory::heap::pages;
use cluster_shared_memory::os::process::ProcessId;
use cluster_shared_memory::segment::members;
use cluster_shared_memory::store::{self, Scratch, Store};
use cluster_shared_memory::verify::verify;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn entries() -> u64 {
    std::env::var("GROWTH").map_or(1_000_000, |entries| entries.parse().unwrap())
}

/// How long the calls took: the longest, and that of one in ten thousand.
fn report(what: &str, mut took: Vec<Duration>) -> Duration {
    took.sort_unstable();
    let (longest, calls) = (took[took.len() - 1], took.len());
    let rare = took[calls - 1 - calls / 10_000];
    let total: Duration = took.iter().sum();
    let each = total.as_nanos() as f64 / calls as f64;
    println!("{what}: {calls} calls of {each:.0} ns, p99.99 {rare:?}, longest {longest:?}");
    rare
}

#[test]
fn growing_and_shrinking_pause_nobody() {
    let entries = entries();
    let segment = store::create((entries * 160).max(64 << 20)).unwrap();
    let me = members::join(segment.region(), segment.layout(), ProcessId::current(), 0).unwrap();
    let store = Store::new(Arc::new(segment), me);
    let free = pages::free_pages(store.segment()).unwrap();

    let mut took = Vec::with_capacity(usize::try_from(entries).unwrap());
    for number in 0..entries {
        let name = number.to_le_bytes();
        let key = store.key(&name, false).unwrap();
        let before = Instant::now();
        store.set(&key, &Value::number(number as f64)).unwrap();
        took.push(before.elapsed());
    }
    // The machine may take the processor away at any time; a rebuilt table would take seconds.
    assert!(report("set", took) < Duration::from_millis(50));
    let stats = store.stats().unwrap();
    assert_eq!(stats.entries, entries);
    println!("{} bytes in use for each entry", stats.bytes.used / entries);

    let mut scratch = Scratch::default();
    for number in (0..entries).step_by(97) {
        let name = number.to_le_bytes();
        let read = store.get(&store.key(&name, false).unwrap(), &mut scratch).unwrap().unwrap();
        assert_eq!(read.number, number as f64);
    }

    let mut took = Vec::with_capacity(usize::try_from(entries).unwrap());
    for number in 0..entries {
        let name = number.to_le_bytes();
        let key = store.key(&name, false).unwrap();
        let before = Instant::now();
        assert!(store.remove(&key).unwrap());
        took.push(before.elapsed());
    }
    assert!(report("remove", took) < Duration::from_millis(50));
    // One span stays with each shard, ready for the next entry.
    let layout = store.segment().layout();
    let kept = layout.shards * layout.span_pages;
    assert!(pages::free_pages(store.segment()).unwrap() >= free - kept);
    assert_eq!(verify(store.segment()).unwrap().entries, 0);
}
