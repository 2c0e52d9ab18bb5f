//! Who begins a group with a snapshot has the hub before it is a member: what others find there
//! meanwhile, and what is left of them.

use crate::family::{Child, MIB, wait_until};
use crate::leaving_family::{Group, ask};
use cluster_shared_memory::entry::{Tag, Value};
use cluster_shared_memory::error::Error;
use cluster_shared_memory::os::process::ProcessId;
use cluster_shared_memory::segment::members;
use cluster_shared_memory::snapshot;
use cluster_shared_memory::store::{self, Store};
use std::sync::Arc;

/// Has a child have a file read that takes a moment, and be no member yet.
fn begin(child: &mut Child) {
    loop {
        match ask(child, "begin").as_str() {
            "begun" => return,
            "in" => assert_eq!(ask(child, "leave 0"), "out"),
            other => panic!("{other}"),
        }
    }
}

/// Leaves the file with a number in all of many keys.
fn leave_behind(group: &Group, child: &mut Child, number: u64) {
    assert_eq!(ask(child, "join 0"), "in");
    assert_eq!(ask(child, &format!("fill {number}")), "full");
    assert_eq!(ask(child, "leave 0"), "out");
    group.must_be_free();
}

#[test]
fn who_goes_before_it_is_a_member_writes_what_others_have_left() {
    let group = Group::new("founder", true);
    let (mut founder, mut guest) = (group.start(), group.start());
    leave_behind(&group, &mut guest, 7);
    for round in 1..=5_u64 {
        begin(&mut founder);
        assert_eq!(ask(&mut guest, "join 0"), "in");
        assert_eq!(ask(&mut guest, "all"), "7");
        assert_eq!(ask(&mut guest, "get a"), (round - 1).to_string());
        assert_eq!(ask(&mut guest, &format!("set a {round}")), "set");
        assert_eq!(ask(&mut guest, "leave 0"), "out");
        assert_eq!(ask(&mut founder, "let"), "out");
        group.must_be_free();
        assert_eq!(group.values(&["a"]), [round]);
    }
}

#[test]
fn who_goes_before_it_is_a_member_leaves_a_file_that_has_all_as_it_is() {
    let group = Group::new("nothing", true);
    let (mut founder, mut guest) = (group.start(), group.start());
    leave_behind(&group, &mut guest, 7);
    let written = || std::fs::metadata(group.file()).unwrap().modified().unwrap();
    begin(&mut founder);
    let before = written();
    // Once it is in, the file is read.
    assert_eq!(ask(&mut guest, "join 0"), "in");
    guest.kill();
    assert_eq!(ask(&mut founder, "let"), "out");
    group.must_be_free();
    assert_eq!(written(), before);
}

#[test]
fn who_goes_before_it_is_a_member_writes_the_file_if_that_is_gone() {
    let group = Group::new("moved", true);
    let (mut founder, mut guest) = (group.start(), group.start());
    leave_behind(&group, &mut guest, 7);
    let entries = group.restored().stats().unwrap().entries;
    begin(&mut founder);
    assert_eq!(ask(&mut guest, "join 0"), "in");
    guest.kill();
    std::fs::remove_file(group.file()).unwrap();
    assert_eq!(ask(&mut founder, "let"), "out");
    group.must_be_free();
    assert_eq!(group.restored().stats().unwrap().entries, entries);
}

#[test]
fn who_comes_after_the_reading_has_failed_hears_nothing_until_its_founder_has() {
    let group = Group::new("failed", true);
    let (mut founder, mut guest) = (group.start(), group.start());
    leave_behind(&group, &mut guest, 7);
    let mut bytes = std::fs::read(group.file()).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(group.file(), bytes).unwrap();
    assert_eq!(ask(&mut founder, "begin"), "begun");
    // As long as it is read, it is told so.
    wait_until("silence", || (0..10).all(|_| ask(&mut guest, "knock") == "silence"));
    let told = ask(&mut founder, "begin");
    assert!(told.contains("values.damaged-1"), "{told}");
    assert_eq!(ask(&mut guest, "join 0"), "in");
    assert_eq!(ask(&mut guest, "size"), "0");
}

#[test]
fn a_memory_that_is_always_full_comes_back_a_little_larger_each_time() {
    let group = Group::new("lives", true);
    let (mut child, mut entries, mut maximum) = (group.start(), 0.to_string(), 16 * MIB);
    for life in 0..8 {
        assert_eq!(ask(&mut child, "join 0"), "in", "life {life}");
        assert_eq!(ask(&mut child, "size"), entries, "life {life}");
        let next = ask(&mut child, "maximum").parse().unwrap();
        // A step, or two of which the second is twice as long.
        assert!((maximum..=maximum + 3 * maximum / 32).contains(&next), "{maximum}, then {next}");
        maximum = next;
        entries = ask(&mut child, "stuff");
        assert_eq!(ask(&mut child, "leave 0"), "out", "life {life}");
        group.must_be_free();
    }
    assert!(maximum > 16 * MIB && maximum <= 32 * MIB, "{maximum}");
}

#[test]
fn a_memory_in_which_only_the_note_of_its_file_finds_no_room_comes_back() {
    let group = Group::new("note", true);
    let segment = Arc::new(store::create(16 * MIB).unwrap());
    let me = members::join(segment.region(), segment.layout(), ProcessId::current(), 0).unwrap();
    let store = Store::new(segment, me);
    // Each takes two pages, and the note needs a span.
    let mut count = 0_u64;
    loop {
        let name = count.to_le_bytes();
        let key = store.key(&name, false).unwrap();
        match store.set(&key, &Value::bytes(Tag::Buffer, &[7; 5000])) {
            Ok(()) => count += 1,
            Err(Error::OutOfMemory { .. }) => break,
            Err(error) => panic!("{error}"),
        }
    }
    snapshot::write(&store, &group.file(), &mut |_| {}).unwrap();
    let mut child = group.start();
    assert_eq!(ask(&mut child, "join 0"), "in");
    assert_eq!(ask(&mut child, "size"), count.to_string());
}
