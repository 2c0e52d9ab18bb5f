//! How fast it is: `ENTRIES=10000000 cargo test --release --test snapshot speed -- --nocapture`.

use super::{Folder, new_store, read, write};
use cluster_shared_memory::entry::{Tag, Value};
use cluster_shared_memory::verify::verify;
use std::time::Instant;

#[test]
fn speed_of_many_entries() {
    let entries: u64 = std::env::var("ENTRIES").map_or(100_000, |entries| entries.parse().unwrap());
    let (folder, maximum) = (Folder::new("speed"), (entries * 400).max(64 << 20));
    let store = new_store(maximum);
    let start = Instant::now();
    for number in 0..entries {
        let name = format!("user:{number}");
        let value = Value::bytes(Tag::OneByteJson, &[b'j'; 100]);
        store.set(&store.key(name.as_bytes(), false).unwrap(), &value).unwrap();
    }
    report("set one by one", start, entries, entries * 100);
    let start = Instant::now();
    let written = write(&store, &folder.file()).unwrap();
    report("written", start, written.entries, written.bytes);
    drop(store);
    let store = new_store(maximum);
    let start = Instant::now();
    let read = read(&store, &folder.file()).unwrap().unwrap();
    report("read", start, read.entries, read.bytes);
    assert_eq!((written.entries, read.entries), (entries, entries));
    assert_eq!(verify(store.segment()).unwrap().entries, entries);
}

fn report(what: &str, start: Instant, entries: u64, bytes: u64) {
    let seconds = start.elapsed().as_secs_f64();
    let (rate, mb) = (entries as f64 / seconds, bytes as f64 / 1e6);
    println!("{what}: {entries} entries, {mb:.1} MB in {:.0} ms", seconds * 1e3);
    println!("{what}: {:.2} million entries/s, {:.0} MB/s", rate / 1e6, mb / seconds);
}
