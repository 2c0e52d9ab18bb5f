//! Who is let in, and what it takes to disturb the hub.

use crate::family::{
    Child, MIB, WATCHDOG, attach, get, hello, hub as new_hub, name, say, set, wait_until,
};
use cluster_shared_memory::error::Error;
use cluster_shared_memory::hub::message::{
    Code, Hello, PACKAGE, Refusal, Reply, Request, to_bytes,
};
use cluster_shared_memory::hub::{self, Hub, HubName};
use cluster_shared_memory::member::{Member, Role};
use cluster_shared_memory::os::process::ProcessId;
use cluster_shared_memory::os::socket::{Connection, Listener, MAX_MESSAGE};
use cluster_shared_memory::segment::layout::VERSION;
use cluster_shared_memory::store::Settings;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

#[test]
fn a_child_is_admitted_and_both_see_each_others_values() {
    let hub = new_hub("values", 64 * MIB);
    let me = attach(&Role::Primary(&hub));
    let mut child = Child::start("echo", hub.name());
    child.expect("attached");
    for (key, value) in [("small", vec![7; 10]), ("large", vec![9; 300_000])] {
        set(me.store(), key, &value);
        child.tell(key);
        child.expect("copied");
        assert_eq!(get(me.store(), &format!("child:{key}")), Some(value));
    }
}

#[test]
fn a_child_may_come_first_and_leaves_its_slot_when_it_says_goodbye() {
    let hub = new_hub("first", 64 * MIB);
    let mut child = Child::start("echo", hub.name());
    child.expect("attached");
    assert_eq!(hub.configure(|settings| settings.maximum = 32 * MIB), Err(Error::AlreadyOpen));
    let me = attach(&Role::Primary(&hub));
    assert_eq!(crate::family::members_of(me.store(), child.pid()).len(), 1);
    child.tell("");
    wait_until("a member that leaves", || {
        crate::family::members_of(me.store(), child.pid()).is_empty()
    });
}

#[test]
fn the_maximum_is_chosen_until_the_segment_exists() {
    let hub = new_hub("configure", 64 * MIB);
    hub.configure(|settings| settings.maximum = 32 * MIB).unwrap();
    assert!(matches!(hub.configure(|settings| settings.maximum = 1), Err(Error::BadSize { .. })));
    let me = attach(&Role::Primary(&hub));
    assert_eq!(me.store().segment().layout().maximum, 32 * MIB);
    assert_eq!(hub.configure(|settings| settings.maximum = 48 * MIB), Err(Error::AlreadyOpen));
}

#[test]
fn where_nobody_listens_there_is_no_hub_yet() {
    let role = Role::Worker(name("nobody"));
    let start = Instant::now();
    assert!(Member::attach(&role, 0, WATCHDOG).unwrap().is_none());
    assert!(start.elapsed() < WATCHDOG, "it does not wait for one");

    let late = new_hub("nobody", 64 * MIB);
    let me = attach(&Role::Primary(&late));
    set(me.store(), "key", b"value");
    assert_eq!(get(attach(&role).store(), "key").unwrap(), b"value");
}

#[test]
fn who_does_not_answer_is_no_hub_yet_either() {
    let name = name("silent");
    let _silent = Listener::bind(&name.to_string()).unwrap();
    let brief = Duration::from_millis(50);
    let start = Instant::now();
    assert!(Member::attach(&Role::Worker(name), 0, brief).unwrap().is_none());
    assert!(start.elapsed() >= brief);
}

#[test]
fn environments_that_attach_at_once_share_a_connection_and_a_mapping() {
    let hub = new_hub("threads", 64 * MIB);
    let role = &Role::Worker(hub.name().clone());
    let attached: Vec<Member> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|thread| {
                scope.spawn(move || Member::attach(role, thread, WATCHDOG).unwrap().unwrap())
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut slots: Vec<_> = attached.iter().map(|member| member.id().slot()).collect();
    slots.sort_unstable();
    slots.dedup();
    assert_eq!(slots.len(), 8);
    let first = attached[0].store().segment();
    assert!(attached.iter().all(|member| Arc::ptr_eq(member.store().segment(), first)));
    for member in attached {
        member.leave().unwrap();
    }
    attach(role).leave().unwrap();
}

#[test]
fn a_second_copy_of_the_package_is_a_guest_of_the_first() {
    let name = HubName::of(ProcessId::current());
    let first = Hub::open(name, Settings { maximum: 64 * MIB, log: None, mode: 0 }, None).unwrap();
    let settings = Settings { maximum: 32 * MIB, log: None, mode: 0 };
    let second = hub::start(settings).unwrap();
    assert!(std::ptr::eq(second, hub::start(settings).unwrap()), "one hub for each copy");
    assert!(!second.is_here());
    assert_eq!(second.configure(|settings| settings.maximum = 32 * MIB), Err(Error::AlreadyOpen));
    let (one, other) = (attach(&Role::Primary(&first)), attach(&Role::Primary(second)));
    set(one.store(), "key", b"value");
    assert_eq!(get(other.store(), "key").unwrap(), b"value");
}

#[test]
fn a_stranger_is_refused_by_the_hub_and_takes_nothing_from_it() {
    let hub = new_hub("stranger", 64 * MIB);
    let command = Child::command("stranger", hub.name());
    // The shell starts the child in a session of its own and ends: somebody else is its parent.
    let exe = std::env::current_exe().unwrap();
    let script = "setsid \"$0\" --exact family::child --nocapture &";
    let mut shell = Command::new("sh");
    shell.args(["-c".as_ref(), script.as_ref(), exe.as_os_str()]);
    for (key, value) in command.get_envs() {
        shell.env(key, value.unwrap());
    }
    shell.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut shell = shell.spawn().unwrap();
    let output = shell.stdout.take();
    shell.wait().unwrap();
    shell.stdout = output;
    let child = Child::of(shell);
    let answer = child.hear();
    assert!(answer.contains("Stranger"), "{answer}");
    let error = child.hear();
    assert!(error.starts_with("Refused") && error.contains("not the ancestor"), "{error}");
}

#[test]
fn a_child_under_another_user_is_admitted() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let hub = new_hub("setuid", 64 * MIB);
    let mut command = Child::command("echo", hub.name());
    // Where that user may not even read this program there is nothing to be tested.
    let Ok(child) = command.uid(65534).gid(65534).spawn() else {
        return;
    };
    let mut child = Child::of(child);
    child.expect("attached");
    let me = attach(&Role::Primary(&hub));
    set(me.store(), "key", b"value");
    child.tell("key");
    child.expect("copied");
    assert_eq!(get(me.store(), "child:key").unwrap(), b"value");
    child.kill();
    wait_until("a death under another user", || {
        crate::family::members_of(me.store(), child.pid()).is_empty()
    });
}

#[test]
fn another_layout_is_refused_with_both_named() {
    let hub = new_hub("layout", 64 * MIB);
    let mut other = Hello::of(ProcessId::current());
    other.layout = 77;
    other.package = "9.9.9".into();
    let Some(Reply::Refused(refusal)) = say(hub.name(), &to_bytes(&Request::Hello(other))) else {
        panic!("not refused");
    };
    assert_eq!(refusal.code, Code::LayoutMismatch);
    let ours = format!("layout {VERSION}");
    for side in ["9.9.9", "layout 77", PACKAGE, &ours] {
        assert!(refusal.reason.contains(side), "{}", refusal.reason);
    }
}

#[test]
fn a_refusal_for_another_layout_becomes_an_error_that_names_both() {
    let name = name("other-layout");
    let listener = Listener::bind(&name.to_string()).unwrap();
    let hub = std::thread::spawn(move || {
        let guest = loop {
            if let Some(guest) = listener.accept().unwrap() {
                break guest;
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        let refusal = Refusal { layout: 77, ..Refusal::new(Code::LayoutMismatch, String::new()) };
        guest.send(&to_bytes(&Reply::Refused(refusal)), &[]).unwrap();
        guest
    });
    let error = Member::attach(&Role::Worker(name), 0, WATCHDOG).unwrap_err();
    assert_eq!(error, Error::LayoutMismatch { ours: VERSION, theirs: 77 });
    drop(hub.join().unwrap());
}

#[test]
fn messages_cut_at_every_byte_and_garbage_do_not_disturb_the_hub() {
    let hub = new_hub("garbage", 64 * MIB);
    let whole = hello();
    let mut messages: Vec<Vec<u8>> = (1..whole.len()).map(|end| whole[..end].to_vec()).collect();
    messages.push(vec![b'x'; MAX_MESSAGE + 1]);
    messages.push(to_bytes(&Request::Mend));
    let mut noise = 0x2545_f491_4f6c_dd1d_u64;
    for length in 1..200 {
        let bytes = (0..length).map(|_| {
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            noise.to_le_bytes()[0]
        });
        messages.push(bytes.collect());
    }
    for message in messages {
        match say(hub.name(), &message) {
            Some(Reply::Refused(refusal)) => assert_eq!(refusal.code, Code::BadMessage),
            answer => panic!("{answer:?}"),
        }
    }
    // Who connects and says nothing, and who goes away at once.
    let deadline = Instant::now() + WATCHDOG;
    let silent: Vec<_> = (0..50)
        .map(|_| Connection::open(&hub.name().to_string(), deadline).unwrap().unwrap())
        .collect();
    Child::start("echo", hub.name()).expect("attached");
    drop(silent);
    Child::start("echo", hub.name()).expect("attached");
}
