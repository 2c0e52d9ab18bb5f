//! Who begins a group with a snapshot has the hub before it is a member: what others find there
//! meanwhile, and what is left of them.

use crate::family::{Child, wait_until};
use crate::leaving_family::{Group, ask};

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
