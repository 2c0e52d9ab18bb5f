//! What happens when members die, or only seem to.

use crate::family::{Child, MIB, WATCHDOG, attach, get, hub, members_of, set, wait_until};
use cluster_shared_memory::error::Error;
use cluster_shared_memory::heap::fact::Fact;
use cluster_shared_memory::heap::pages;
use cluster_shared_memory::latch;
use cluster_shared_memory::member::{Member, Notice, Role};
use cluster_shared_memory::segment::layout::{HUBS, MEMBERS, header};
use cluster_shared_memory::verify::verify;

use rustix::process::Signal;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

#[test]
fn what_a_killed_child_was_building_is_given_back_and_its_slot_freed_at_once() {
    let hub = hub("killed", 64 * MIB);
    let me = attach(&Role::Primary(&hub));
    let segment = me.store().segment();
    let free = pages::free_pages(segment).unwrap();
    let mut times = Vec::new();
    for _ in 0..11 {
        let child = Child::start("builder", hub.name());
        let page: u64 = child.hear().parse().unwrap();
        let slot = members_of(me.store(), child.pid())[0].id.slot();
        let building = Fact::Building { member: slot, pages: 100 };
        assert_eq!(pages::fact(segment, page).unwrap(), building);
        let death = child.kill();
        wait_until("the slot of a dead member", || members_of(me.store(), child.pid()).is_empty());
        times.push(death.elapsed());
        assert_eq!(pages::free_pages(segment).unwrap(), free);
    }
    // The usual time: one child or another may have to wait for a processor.
    times.sort_unstable();
    assert!(times[5] < Duration::from_millis(20), "{times:?}");
    verify(segment).unwrap();
}

#[test]
fn everybody_learns_that_something_was_repaired() {
    let hub = hub("repaired", 64 * MIB);
    let me = attach(&Role::Primary(&hub));
    let (send, notices) = channel();
    me.listen(Box::new(move |notices| drop(send.send(notices.to_vec())))).unwrap();
    let child = Child::start("builder", hub.name());
    child.hear();
    child.kill();
    assert_eq!(notices.recv_timeout(WATCHDOG).unwrap(), [Notice::News]);
}

#[test]
fn a_stopped_child_keeps_what_it_has() {
    let hub = hub("stopped", 64 * MIB);
    let me = attach(&Role::Primary(&hub));
    let child = Child::start("builder", hub.name());
    let page: u64 = child.hear().parse().unwrap();
    child.signal(Signal::STOP);
    // Long enough for the hub to look around twice.
    std::thread::sleep(Duration::from_millis(2500));
    assert_eq!(hub.make_room(WATCHDOG), 0);
    assert_eq!(members_of(me.store(), child.pid()).len(), 1);
    let fact = pages::fact(me.store().segment(), page).unwrap();
    assert!(matches!(fact, Fact::Building { pages: 100, .. }), "{fact:?}");
    child.signal(Signal::CONT);
}

#[test]
fn a_latch_of_a_stopped_child_delays_neither_admission_nor_the_mending_of_others() {
    let hub = hub("held", 64 * MIB);
    let me = attach(&Role::Primary(&hub));
    // In this order: who builds needs the latch, too.
    let dying = Child::start("builder", hub.name());
    dying.hear();
    let mut holder = Child::start("holder", hub.name());
    holder.expect("held");
    holder.signal(Signal::STOP);
    dying.kill();
    std::thread::sleep(Duration::from_millis(100));
    for _ in 0..3 {
        let asked = Instant::now();
        Child::start("echo", hub.name()).expect("attached");
        assert!(asked.elapsed() < Duration::from_millis(900), "{:?}", asked.elapsed());
    }
    wait_until("mending", || members_of(me.store(), dying.pid()).is_empty());

    holder.signal(Signal::CONT);
    holder.tell("go on");
    holder.expect("released");
}

#[test]
fn what_a_program_leaves_that_is_replaced_by_another_in_the_same_process_is_mended() {
    let hub = hub("replacing", 64 * MIB);
    let me = attach(&Role::Primary(&hub));
    let mut child = Child::start("changeling", hub.name());
    child.expect("held");
    // It has only lost connections, and still has what it had.
    assert_eq!(hub.make_room(WATCHDOG), 0);
    let former = members_of(me.store(), child.pid())[0];
    assert!(!former.has_left);
    let segment = me.store().segment();
    let take = || latch::hold_for(segment, header::PAGES_DOMAIN, me.id(), Duration::ZERO).is_ok();
    assert!(!take());

    child.tell("become another");
    child.expect("attached");
    wait_until("a latch of a former program", take);
    wait_until("the slot of a former program", || {
        !members_of(me.store(), child.pid()).iter().any(|info| info.id == former.id)
    });
    let [next] = members_of(me.store(), child.pid())[..] else { panic!("one member") };
    assert_eq!((next.process, next.is_dead()), (former.process, false));
    set(me.store(), "key", b"value");
    child.tell("key");
    child.expect("copied");
    assert_eq!(get(me.store(), "child:key").unwrap(), b"value");
    verify(segment).unwrap();
}

#[test]
fn the_dead_make_room_when_all_slots_are_taken() {
    let hub = hub("crowd", 64 * MIB);
    let me = attach(&Role::Primary(&hub));
    set(me.store(), "key", b"value");
    let crowd = Child::start("crowd", hub.name());
    let full = Error::TooManyMembers { maximum: MEMBERS - HUBS };
    // The hub and this test have a slot each.
    crowd.expect(&format!("{}: {full}", MEMBERS - HUBS - 1));
    let role = Role::Worker(hub.name().clone());
    for role in [&role, &Role::Primary(&hub)] {
        assert_eq!(Member::attach(role, 1, WATCHDOG).unwrap_err(), full);
    }
    crowd.kill();
    attach(&role).leave().unwrap();
    attach(&Role::Primary(&hub)).leave().unwrap();
    wait_until("a crowd that died", || members_of(me.store(), crowd.pid()).is_empty());
}
