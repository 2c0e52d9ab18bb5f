//! Those who leave a group: at once, as others come, as its host leaves or dies. Nobody is stuck, the
//! name is free when all are out, and the file has what everybody left.
//!
//! A child joins and leaves when it is told, again and again. What two shall do at the same time they
//! are told before, with the moment by a clock that both have.

use crate::family::{Child, MIB, WATCHDOG, set, wait_until};
use crate::leaving_family::{AHEAD, Group, KEYS, ask, now, spread, wait_for};
use cluster_shared_memory::hub::GroupName;
use cluster_shared_memory::hub::group::{Door, Sought, seek};
use cluster_shared_memory::hub::message::{Reply, to_bytes};
use cluster_shared_memory::os::process::ProcessId;
use cluster_shared_memory::os::socket::Received;
use cluster_shared_memory::segment::members;
use cluster_shared_memory::store::{self, Settings, Store};
use rustix::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant};

/// All of them leave at about the same moment, round after round; the first one has begun the group.
fn leave_together(label: &str, count: usize, rounds: u64, has_file: bool) {
    let group = Group::new(label, has_file);
    let mut children = group.start_all(count);
    let keys = &KEYS[..count];
    for round in 1..=rounds {
        let first = usize::try_from(round).unwrap() % count;
        for index in (first..count).chain(0..first) {
            assert_eq!(ask(&mut children[index], "join 0"), "in");
        }
        let before = if has_file { round - 1 } else { 0 };
        for (child, key) in children.iter_mut().zip(keys) {
            for key in keys.iter().filter(|other| *other >= key) {
                assert_eq!(ask(child, &format!("get {key}")), before.to_string(), "round {round}");
            }
            assert_eq!(ask(child, &format!("set {key} {round}")), "set");
        }
        let moment = now() + AHEAD;
        for (index, child) in (0_u64..).zip(&mut children) {
            let moment = moment + spread(round * (index + 1), 300) * u64::from(round % 4 != 0);
            child.tell(&format!("leave {moment}"));
        }
        for child in &children {
            assert_eq!(child.hear(), "out", "round {round}");
        }
        group.must_be_free();
        if has_file {
            assert_eq!(group.values(keys), vec![round; count], "round {round}");
        }
    }
}

#[test]
fn when_two_leave_at_once_one_whole_file_has_what_both_have_set() {
    leave_together("two", 2, 220, true);
}

#[test]
fn when_three_leave_at_once_one_whole_file_has_what_all_have_set() {
    leave_together("three", 3, 100, true);
}

#[test]
fn when_all_leave_at_once_without_a_file_nothing_is_left() {
    leave_together("none", 2, 200, false);
}

#[test]
fn who_comes_as_the_last_one_leaves_finds_all_that_was_there() {
    let group = Group::new("swap", true);
    let mut children = group.start_all(2);
    assert_eq!(ask(&mut children[0], "join 0"), "in");
    for round in 1..=240 {
        assert_eq!(ask(&mut children[0], &format!("set a {round}")), "set");
        let moment = now() + AHEAD;
        let (leaves, comes) = (moment + 300, moment + spread(round, 1000));
        children[0].tell(&format!("leave {leaves}"));
        children[1].tell(&format!("join {comes}"));
        assert_eq!(children[0].hear(), "out", "round {round}");
        assert_eq!(children[1].hear(), "in", "round {round}");
        assert_eq!(ask(&mut children[1], "get a"), round.to_string());
        children.swap(0, 1);
    }
    assert_eq!(ask(&mut children[0], "leave 0"), "out");
    group.must_be_free();
    assert_eq!(group.values(&["a"]), [240]);
}

#[test]
fn who_comes_and_goes_as_the_last_one_leaves_leaves_what_it_has_set() {
    let group = Group::new("visit", true);
    let mut children = group.start_all(2);
    for round in 1..=220 {
        assert_eq!(ask(&mut children[0], "join 0"), "in");
        assert_eq!(ask(&mut children[0], &format!("set a {round}")), "set");
        let moment = now() + AHEAD;
        let (leaves, comes) = (moment + 600, moment + spread(round, 1200));
        children[0].tell(&format!("leave {leaves}"));
        children[1].tell(&format!("visit b {round} {comes}"));
        for child in &children {
            assert_eq!(child.hear(), "out", "round {round}");
        }
        group.must_be_free();
        assert_eq!(group.values(&["a", "b"]), [round, round]);
    }
}

#[test]
fn who_leaves_as_the_host_is_killed_leaves_a_whole_file() {
    let group = Group::new("killed", true);
    let mut guest = group.start();
    let (mut before, mut written) = (0, 0);
    for round in 1..=50 {
        let mut host = group.start();
        assert_eq!(ask(&mut host, "join 0"), "in");
        assert_eq!(ask(&mut host, "get a"), before.to_string());
        assert_eq!(ask(&mut guest, "join 0"), "in");
        assert_eq!(ask(&mut host, &format!("set a {round}")), "set");
        assert_eq!(ask(&mut guest, &format!("set b {round}")), "set");
        let moment = now() + AHEAD;
        guest.tell(&format!("leave {}", moment + 300));
        wait_for(moment + spread(round, 600));
        host.kill();
        assert_eq!(guest.hear(), "out", "round {round}");
        group.must_be_free();
        // Who is killed has not left: if it lived when the guest looked, nobody has written.
        if before > 0 || group.file().exists() {
            let values = group.values(&["a", "b"]);
            assert!(values == [round, round] || values == [before, before], "{values:?}");
            written += u64::from(values[0] == round);
            before = values[0];
        }
    }
    println!("{written} of 50 were written");
    assert!(written > 0);
}

/// Who hosts, as the children say; all are in.
fn host_of(children: &mut [Child]) -> usize {
    let mut host = None;
    wait_until("a host", || {
        let pid = ask(&mut children[0], "host");
        host = children.iter().position(|child| child.pid().to_string() == pid);
        host.is_some()
    });
    host.unwrap()
}

/// The host goes, and another while a third takes the hub over; both come again.
fn leave_in_takeover(label: &str, rounds: u64, is_killed: bool) {
    let group = Group::new(label, false);
    let mut children = group.start_all(3);
    for child in &mut children {
        assert_eq!(ask(child, "join 0"), "in");
    }
    for round in 1..=rounds {
        let host = host_of(&mut children);
        let mut host = children.swap_remove(host);
        let moment = now() + AHEAD;
        // A takeover takes a millisecond or two.
        let leaves = moment + spread(round, if round % 2 == 0 { 400 } else { 4000 });
        children[0].tell(&format!("leave {leaves}"));
        if is_killed {
            wait_for(moment);
            host.kill();
            host = group.start();
        } else {
            host.tell(&format!("leave {moment}"));
            assert_eq!(host.hear(), "out", "round {round}");
        }
        assert_eq!(children[0].hear(), "out", "round {round}");
        assert_eq!(ask(&mut children[1], &format!("set a {round}")), "set");
        children.push(host);
        for index in [0, 2] {
            assert_eq!(ask(&mut children[index], "join 0"), "in", "round {round}");
            assert_eq!(ask(&mut children[index], "get a"), round.to_string());
        }
    }
}

#[test]
fn who_leaves_while_the_hub_is_taken_over_is_not_stuck() {
    leave_in_takeover("takeover", 250, false);
}

#[test]
fn who_leaves_while_the_hub_of_the_dead_is_taken_over_is_not_stuck() {
    leave_in_takeover("takeover-killed", 60, true);
}

#[test]
fn who_comes_as_the_host_goes_takes_over_and_leaves_at_once() {
    let group = Group::new("attach", false);
    let mut children = group.start_all(3);
    for child in &mut children[..2] {
        assert_eq!(ask(child, "join 0"), "in");
    }
    for round in 1..=250 {
        // The host, one who stays, one who comes.
        let host = host_of(&mut children[..2]);
        children[..2].swap(0, host);
        let moment = now() + AHEAD;
        children[2].tell(&format!("visit b {round} {}", moment + spread(round, 600)));
        children[0].tell(&format!("leave {}", moment + 400));
        assert_eq!(children[2].hear(), "out", "round {round}");
        assert_eq!(children[0].hear(), "out", "round {round}");
        assert_eq!(ask(&mut children[1], "get b"), round.to_string());
        assert_eq!(ask(&mut children[0], "join 0"), "in");
    }
}

/// Plays a host that lets in so many and is gone at once; gives each the segment, in which `a` is the
/// round.
fn let_in_and_go(door: &Door, round: u64, guests: usize) {
    let settings = Settings { maximum: 16 * MIB, log: None, mode: 0 };
    let segment = Arc::new(store::create_with(settings).unwrap());
    let (region, layout) = (segment.region(), segment.layout());
    let me = members::join(region, layout, ProcessId::current(), members::HUB).unwrap();
    set(&Store::new(Arc::clone(&segment), me), "a", round.to_string().as_bytes());
    members::leave(region, layout, me).unwrap();
    let mut connections = Vec::new();
    wait_until("guests of a host that goes", || {
        connections.extend(door.listener.accept().unwrap());
        connections.len() == guests
    });
    for connection in &connections {
        // What is not read is an error at the other end.
        let hello = connection.receive(Some(Instant::now() + WATCHDOG)).unwrap();
        assert!(matches!(hello, Received::Message(..)), "{hello:?}");
    }
    for connection in connections {
        let files = [segment.file(), door.listener.as_fd()];
        connection.send(&to_bytes(&Reply::welcome()), &files).unwrap();
    }
}

#[test]
fn who_is_let_in_by_a_host_that_is_gone_at_once_hosts() {
    let group = Group::new("gone", false);
    let name = GroupName::of(&group.name).unwrap();
    let (mut children, mut newcomer) = (group.start_all(2), group.start());
    for round in 1..=300 {
        let guests = 1 + usize::from(round % 2 == 0);
        let door = match seek(&name, &AtomicU32::new(0), Instant::now() + WATCHDOG).unwrap() {
            Sought::Begun(door) => door,
            other => panic!("{other:?}"),
        };
        // Every third time they are gone at once as well.
        let is_brief = round % 3 == 0;
        for child in &mut children[..guests] {
            child.tell(&if is_brief { format!("visit b {round} 0") } else { "join 0".to_owned() });
        }
        let_in_and_go(&door, round, guests);
        drop(door);
        for child in &children[..guests] {
            assert_eq!(child.hear(), if is_brief { "out" } else { "in" }, "round {round}");
        }
        if !is_brief {
            assert_eq!(ask(&mut newcomer, "join 0"), "in", "round {round}");
            assert_eq!(ask(&mut newcomer, "get a"), round.to_string());
            for child in children[..guests].iter_mut().chain([&mut newcomer]) {
                assert_eq!(ask(child, "leave 0"), "out", "round {round}");
            }
        }
        group.must_be_free();
    }
}

#[test]
fn a_memory_without_any_room_is_written_as_well() {
    let group = Group::new("full", true);
    let mut child = group.start();
    assert_eq!(ask(&mut child, "join 0"), "in");
    let entries = ask(&mut child, "stuff");
    assert_eq!(ask(&mut child, "leave 0"), "out");
    group.must_be_free();
    assert_eq!(group.restored().stats().unwrap().entries.to_string(), entries);
}

#[test]
fn a_writer_that_is_killed_leaves_the_file_before_to_whoever_waits() {
    let group = Group::new("writer", true);
    let mut children = group.start_all(2);
    let (mut before, mut lost) = (0, 0);
    for round in 1..=14_u64 {
        assert_eq!(ask(&mut children[0], "join 0"), "in");
        assert_eq!(ask(&mut children[0], "all"), before.to_string());
        assert_eq!(ask(&mut children[0], &format!("fill {round}")), "full");
        children[0].tell("leave 0");
        wait_until("one that writes", || group.is_writing());
        let is_killed = round % 2 == 0;
        if round % 4 < 2 {
            // It has the name as long as it writes.
            children[1].tell("join 0");
        }
        if is_killed {
            std::thread::sleep(Duration::from_micros(spread(round, 3000)));
            children[0].kill();
            children[0] = group.start();
        } else {
            assert_eq!(children[0].hear(), "out", "round {round}");
        }
        if round % 4 < 2 {
            assert_eq!(children[1].hear(), "in", "round {round}");
        } else {
            assert_eq!(ask(&mut children[1], "join 0"), "in");
        }
        let found: u64 = ask(&mut children[1], "all").parse().unwrap();
        let is_right = found == round || is_killed && found == before;
        assert!(is_right, "round {round}: {found}, before {before}");
        lost += u64::from(found == before);
        before = found;
        assert_eq!(ask(&mut children[1], "leave 0"), "out");
        group.must_be_free();
        if is_killed {
            group.clear();
        }
        group.restored();
    }
    println!("{lost} of 7 writers were killed before they had done");
    assert!(lost > 0);
}

#[test]
fn who_comes_back_while_its_process_still_writes_is_told_to_wait() {
    let group = Group::new("return", true);
    let mut child = group.start();
    assert_eq!(ask(&mut child, "join 0"), "in");
    for number in 1..=3 {
        assert_eq!(ask(&mut child, &format!("fill {number}")), "full");
        assert_eq!(ask(&mut child, "return"), "0");
        assert_eq!(ask(&mut child, "all"), number.to_string());
    }
}
