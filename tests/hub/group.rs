//! Those who share by a name: who begins, who hosts, and what other users can do about it.
//!
//! A process of another user is this program again, under that user; only root can start one. What a
//! test says then is skipped elsewhere.

use crate::family::{Child, MIB, WATCHDOG, get, set, wait_until};
use crate::group_family::{
    PLACES, STRANGER, attach, descriptors, hosts, join, name, start, stranger,
};
use cluster_shared_memory::error::Error;
use cluster_shared_memory::hub::GroupName;
use cluster_shared_memory::hub::group::{Sought, seek};
use cluster_shared_memory::hub::message::Code;
use cluster_shared_memory::os::process::ProcessId;
use cluster_shared_memory::segment::{Segment, host, members};
use cluster_shared_memory::store::{self, Settings};
use rustix::process::Signal;
use std::collections::HashMap;
use std::process::Command;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

#[test]
fn of_many_threads_that_seek_at_once_one_begins() {
    for round in 0..30 {
        let name = name(&format!("threads-{round}"));
        let group = GroupName::of(&name).unwrap();
        let barrier = Barrier::new(8);
        let found: Vec<Sought> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        barrier.wait();
                        seek(&group, &AtomicU32::new(0), Instant::now() + WATCHDOG).unwrap()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let begun = found.iter().filter(|sought| matches!(sought, Sought::Begun(_))).count();
        let there = found.iter().filter(|sought| matches!(sought, Sought::There(..))).count();
        assert_eq!((begun, there), (1, 7));
    }
}

#[test]
fn of_many_who_claim_to_be_the_host_one_is() {
    let settings = Settings { maximum: 16 * MIB, log: None, mode: 0 };
    let segment = Arc::new(store::create_with(settings).unwrap());
    let (region, layout) = (segment.region(), segment.layout());
    let mut process = Command::new("true").spawn().unwrap();
    let gone = ProcessId::of(process.id()).unwrap();
    process.wait().unwrap();
    let all: Vec<_> = (0..8)
        .map(|thread| members::join(region, layout, ProcessId::current(), thread).unwrap())
        .collect();
    let is_gone = |host: &members::MemberInfo| host.is_dead();
    for round in 0..200 {
        // Nobody, one who is dead, or one whose slot is free again.
        if round % 3 > 0 {
            let dead = members::join(region, layout, gone, members::HUB).unwrap();
            assert!(host::claim(region, layout, dead, is_gone).unwrap());
            members::leave(region, layout, dead).unwrap();
            if round % 3 == 1 {
                assert!(host::current(region, layout).unwrap().is_none());
            }
        }
        let barrier = Barrier::new(all.len());
        let claimed = std::thread::scope(|scope| {
            let threads: Vec<_> = all
                .iter()
                .map(|me| {
                    scope.spawn(|| {
                        barrier.wait();
                        host::claim(region, layout, *me, is_gone).unwrap()
                    })
                })
                .collect();
            let claimed = threads.into_iter().map(|thread| thread.join().unwrap());
            claimed.collect::<Vec<bool>>()
        });
        let winners: Vec<_> = (0..all.len()).filter(|index| claimed[*index]).collect();
        assert_eq!(winners.len(), 1, "round {round}");
        let current = host::current(region, layout).unwrap().unwrap();
        assert_eq!(current.id, all[winners[0]]);
        // Who is not the host lets go of nothing.
        host::release(region, all[(winners[0] + 1) % all.len()]).unwrap();
        assert!(host::current(region, layout).unwrap().is_some());
        host::release(region, all[winners[0]]).unwrap();
        assert!(host::current(region, layout).unwrap().is_none());
    }
}

#[test]
fn when_the_host_is_killed_one_other_hosts_and_lets_in_who_comes() {
    let name = name("killed");
    let mut children: Vec<Child> = (0..5).map(|_| start("member", &name)).collect();
    for child in &children {
        child.expect("attached");
    }
    children[0].tell("set key");
    children[0].expect("set");
    for _ in 0..10 {
        let all: Vec<_> = children.iter().collect();
        wait_until("a host", || hosts(&all) == 1);
        let host = children.iter().position(|child| hosts(&[child]) == 1).unwrap();
        children[host].kill();
        children.remove(host);
        let all: Vec<_> = children.iter().collect();
        wait_until("the next host", || hosts(&all) == 1);
        let mut newcomer = start("member", &name);
        newcomer.expect("attached");
        newcomer.tell("get key");
        newcomer.expect("by a child");
        children.push(newcomer);
    }
    let all: Vec<_> = children.iter().collect();
    assert_eq!(hosts(&all), 1);
}

#[test]
fn a_host_that_becomes_another_program_hosts_no_more() {
    let name = name("exec");
    let mut host = start("member", &name);
    host.expect("attached");
    let me = join(&name);
    let segment = me.store().segment();
    let current = || host::current(segment.region(), segment.layout()).unwrap();
    assert_eq!(current().unwrap().process.pid, host.pid());
    set(me.store(), "key", b"value");
    let before = current().unwrap();
    host.tell("exec");
    // It comes again, under the same pid, as somebody new.
    host.expect("attached");
    host.tell("get key");
    host.expect("value");
    wait_until("another host", || current().is_some_and(|now| now.id != before.id));
    assert_eq!(current().unwrap().process.pid, std::process::id());
    let of_host = || crate::family::members_of(me.store(), host.pid()).len();
    wait_until("the members of the old program to be gone", || of_host() == 1);
}

#[test]
fn processes_that_start_at_once_meet_though_a_stranger_comes_and_goes() {
    let name = name("flicker");
    let _stranger = stranger("flicker", &name).inspect(|child| child.expect("ready"));
    let mut children: Vec<Child> = (0..4).map(|_| start("rounds", &name)).collect();
    for round in 0..100 {
        for (order, answer) in [("join", "in"), ("look", "4"), ("leave", "out")] {
            for child in &mut children {
                child.tell(order);
            }
            for child in &children {
                assert_eq!(child.hear(), answer, "round {round}");
            }
        }
    }
}

#[test]
fn some_addresses_may_be_taken_by_others() {
    for how in ["listens", "sits"] {
        let name = name(how);
        let Some(squatter) = stranger(&format!("squat 0 5 {how}"), &name) else {
            return;
        };
        squatter.expect("ready");
        let mut child = start("member", &name);
        child.expect("attached");
        let me = join(&name);
        set(me.store(), "key", b"value");
        child.tell("get key");
        child.expect("value");
        // When they are free again, they are nobody's place to meet: one is there already.
        drop(squatter);
        let mut late = start("member", &name);
        late.expect("attached");
        late.tell("get key");
        late.expect("value");
    }
}

#[test]
fn addresses_taken_between_two_that_join_do_not_part_them() {
    let name = name("between");
    let me = join(&name);
    set(me.store(), "key", b"value");
    let Some(squatter) = stranger("squat 1 64 listens", &name) else {
        return;
    };
    squatter.expect("ready");
    let mut child = start("member", &name);
    child.expect("attached");
    child.tell("get key");
    child.expect("value");
}

#[test]
fn who_finds_all_addresses_taken_is_told_by_whom() {
    let name = name("all");
    let Some(squatter) = stranger(&format!("squat 0 {PLACES} listens"), &name) else {
        return;
    };
    squatter.expect("ready");
    match attach(&name, WATCHDOG) {
        Err(Error::Refused(reason)) => {
            assert!(reason.contains(&STRANGER.to_string()), "{reason}");
            assert!(reason.contains(&squatter.pid().to_string()), "{reason}");
            assert!(reason.contains(&name), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    drop(squatter);
    join(&name);
}

#[test]
fn where_all_addresses_are_taken_and_nobody_listens_there_is_an_end_to_waiting() {
    let name = name("mute");
    let Some(squatter) = stranger(&format!("squat 0 {PLACES} sits"), &name) else {
        return;
    };
    squatter.expect("ready");
    let brief = Duration::from_millis(100);
    let start = Instant::now();
    assert!(matches!(attach(&name, brief), Ok(None) | Err(Error::Refused(_))));
    assert!(start.elapsed() < WATCHDOG);
}

#[test]
fn a_stranger_whose_queue_is_full_does_not_keep_others_from_the_name() {
    let name = name("full");
    let Some(squatter) = stranger("squat 3 4 full", &name) else {
        return;
    };
    squatter.expect("ready");
    let me = attach(&name, Duration::from_secs(2)).unwrap();
    let me = me.expect("one address of 64 keeps all others from the name");
    set(me.store(), "key", b"value");
    let mut child = start("member", &name);
    child.expect("attached");
    child.tell("get key");
    child.expect("value");
}

#[test]
fn a_stranger_that_says_hello_is_refused_and_gets_nothing() {
    let name = name("knock");
    let _me = join(&name);
    let Some(stranger) = stranger("knock", &name) else {
        return;
    };
    let answer = stranger.hear();
    let expected = format!("0 files, {:?}", Code::Stranger);
    assert!(answer.starts_with(&expected), "{answer}");
    assert!(answer.contains(&format!("user {STRANGER}")), "{answer}");
    stranger.expect("closed");
}

#[test]
fn strangers_that_knock_without_end_keep_nobody_out_and_take_no_descriptors() {
    let name = name("flood");
    // Not this process: the other tests need theirs.
    let host = start("member", &name);
    host.expect("attached");
    let me = join(&name);
    set(me.store(), "key", b"value");
    let Some(stranger) = stranger("flood", &name) else {
        return;
    };
    stranger.expect("has flooded");
    let mut most = 0;
    for _ in 0..3 {
        let mut child = start("member", &name);
        child.expect("attached");
        child.tell("get key");
        child.expect("value");
        child.kill();
        let of_child = || crate::family::members_of(me.store(), child.pid()).len();
        wait_until("a death in a flood", || {
            most = most.max(descriptors(host.pid()));
            of_child() == 0
        });
    }
    assert!(most < 300, "{most} descriptors");
}

#[test]
fn a_flood_before_a_stopped_host_ends_with_it() {
    let name = name("dammed");
    let mut host = start("member", &name);
    host.expect("attached");
    host.tell("set key");
    host.expect("set");
    host.signal(Signal::STOP);
    let Some(stranger) = stranger("flood", &name) else {
        return;
    };
    stranger.expect("has flooded");
    // Its queue is full: there may be a group, so none is begun.
    assert!(attach(&name, Duration::from_millis(200)).unwrap().is_none());
    host.signal(Signal::CONT);
    let me = join(&name);
    assert_eq!(get(me.store(), "key").unwrap(), b"by a child");
}

#[test]
fn a_name_is_of_its_letters_alone() {
    let letters = "azAZ09._:@-";
    let longest = "a".repeat(48);
    for name in [letters, "a", &longest] {
        assert_eq!(GroupName::of(name).unwrap().to_string(), name);
    }
    let longer = "a".repeat(49);
    for name in ["", &longer, "a b", "a/b", "a\n", "a\0", "\u{e4}"] {
        assert_eq!(GroupName::of(name), Err(Error::BadName(name.to_owned())));
    }
}

#[test]
fn groups_of_different_names_are_apart_within_a_process() {
    let names = [name("one"), name("other")];
    let members: HashMap<_, _> = names.iter().map(|name| (name, join(name))).collect();
    set(members[&names[0]].store(), "key", b"value");
    assert_eq!(get(members[&names[1]].store(), "key"), None);
    let segment = |index: usize| -> &Arc<Segment> { members[&names[index]].store().segment() };
    assert!(!Arc::ptr_eq(segment(0), segment(1)));
}
