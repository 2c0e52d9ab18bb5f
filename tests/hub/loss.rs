//! The hub goes away, and another one comes.

use crate::family::{Child, MIB, attach, get, hub, members_of, name, next_hub, set, wait_until};
use cluster_shared_memory::member::Role;

#[test]
fn members_go_on_without_a_hub_and_find_the_next_one() {
    let first = hub("loss", 64 * MIB);
    let me = attach(&Role::Primary(&first));
    let mut child = Child::start("listener", first.name());
    child.expect("attached");
    drop(first);
    child.expect("HubLost");
    child.tell("alone");
    child.expect("set");
    assert_eq!(get(me.store(), "alone").unwrap(), b"from the listener");

    let second = next_hub("loss", &me);
    child.expect("HubFound");
    // The next hub learns of deaths as the first one did, and admits to the same segment.
    let mut newcomer = Child::start("echo", second.name());
    newcomer.expect("attached");
    newcomer.tell("alone");
    newcomer.expect("copied");
    assert_eq!(get(me.store(), "child:alone").unwrap(), b"from the listener");
    child.kill();
    wait_until("a death", || members_of(me.store(), child.pid()).is_empty());
}

#[test]
fn who_died_while_there_was_no_hub_is_mended_by_the_next() {
    let first = hub("gap", 64 * MIB);
    let me = attach(&Role::Primary(&first));
    let child = Child::start("builder", first.name());
    child.hear();
    drop(first);
    child.kill();
    assert_eq!(members_of(me.store(), child.pid()).len(), 1);
    let _second = next_hub("gap", &me);
    wait_until("a death of before", || members_of(me.store(), child.pid()).is_empty());
}

#[test]
fn another_segment_under_the_same_name_is_not_taken_for_the_old_one() {
    let first = hub("replaced", 64 * MIB);
    let mut child = Child::start("listener", first.name());
    child.expect("attached");
    drop(first);
    child.expect("HubLost");
    let second = hub("replaced", 64 * MIB);
    let me = attach(&Role::Primary(&second));
    // The child is asked for something after it has had the time to look for the hub.
    std::thread::sleep(std::time::Duration::from_millis(500));
    child.tell("apart");
    child.expect("set");
    assert_eq!(get(me.store(), "apart"), None);
    set(me.store(), "key", b"value");
}

#[test]
fn hubs_that_are_dropped_leave_nothing_behind() {
    // Its name is for nothing: it makes hubs of its own.
    Child::start("host", &name("parent")).expect("nothing is left");
}
