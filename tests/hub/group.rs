//! Those who share by a name: who begins, who hosts, and what other users can do about it.
//!
//! A process of another user is this program again, under that user; only root can start one. What a
//! test says then is skipped elsewhere.

use crate::family::{Child, MIB, WATCHDOG, get, hello, set, wait_until};
use cluster_shared_memory::error::Error;
use cluster_shared_memory::hub::GroupName;
use cluster_shared_memory::hub::group::{Sought, seek};
use cluster_shared_memory::hub::message::{Code, Reply, parse};
use cluster_shared_memory::member::{Beginnings, Member, Role};
use cluster_shared_memory::os::process::{ProcessId, pid_namespace};
use cluster_shared_memory::os::socket::{Connection, Listener, Received};
use cluster_shared_memory::segment::{Segment, host, members};
use cluster_shared_memory::store::{self, Settings};
use rustix::fd::OwnedFd;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with,
};
use rustix::process::{Signal, geteuid};
use std::collections::HashMap;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

const ROLE: &str = "CSM_GROUP_ROLE";
/// The name of the group.
const NAME: &str = "CSM_GROUP_NAME";
/// The user whose group it is.
const OWNER: &str = "CSM_GROUP_OWNER";
/// Somebody else.
const STRANGER: u32 = 1001;
const PLACES: u32 = 64;

/// A name of this test alone.
fn name(label: &str) -> String {
    format!("rust:{}:{label}", std::process::id())
}

/// Where a group of the user meets.
fn address(name: &str, uid: u32, place: u32) -> String {
    let namespace = pid_namespace().unwrap();
    format!("cluster-shared-memory.group.{uid}.{namespace:x}.{name}.{place}")
}

fn me() -> u32 {
    geteuid().as_raw()
}

fn attach(name: &str, timeout: Duration) -> Result<Option<Member>, Error> {
    let settings = Settings { maximum: 16 * MIB, log: None, mode: 0 };
    let beginnings = Beginnings { settings, snapshot: None };
    Member::attach(&Role::Group(GroupName::of(name)?, beginnings), 0, timeout)
}

fn join(name: &str) -> Member {
    attach(name, WATCHDOG).unwrap().unwrap()
}

fn start(role: &str, name: &str) -> Child {
    Child::of(command(role, name).spawn().unwrap())
}

fn command(role: &str, name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "group::child", "--nocapture"])
        .env(ROLE, role)
        .env(NAME, name)
        .env(OWNER, me().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

/// A child under another user; `None` where there can be none, or that user may not even read this
/// program.
fn stranger(role: &str, name: &str) -> Option<Child> {
    if !geteuid().is_root() {
        return None;
    }
    let mut command = command(role, name);
    command.uid(STRANGER).gid(STRANGER).current_dir("/").spawn().ok().map(Child::of)
}

/// Not a test: where a child begins.
#[test]
fn child() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let name = std::env::var(NAME).unwrap();
    let owner: u32 = std::env::var(OWNER).unwrap().parse().unwrap();
    let (role, what) = role.split_once(' ').unwrap_or((&role, ""));
    match role {
        "member" => be_member(&name),
        "rounds" => take_part(&name),
        "squat" => squat(&name, owner, what),
        "flicker" => flicker(&name, owner),
        "knock" => knock(&name, owner),
        "flood" => flood(&name, owner),
        role => panic!("no role {role}"),
    }
}

fn report(line: &str) {
    println!("csm: {line}");
}

fn next_line() -> Option<String> {
    let mut line = String::new();
    let length = std::io::stdin().read_line(&mut line).unwrap();
    (length > 0).then(|| line.trim().to_owned())
}

/// A member that does what it is told.
fn be_member(name: &str) {
    let member = join(name);
    report("attached");
    while let Some(line) = next_line() {
        match line.split_once(' ').unwrap_or((&line, "")) {
            ("get", key) => {
                let value = get(member.store(), key).unwrap_or_default();
                report(&String::from_utf8_lossy(&value));
            }
            ("set", key) => {
                set(member.store(), key, b"by a child");
                report("set");
            }
            ("exec", _) => {
                let mut again = command("member", name);
                let error = again.stdin(Stdio::inherit()).stdout(Stdio::inherit()).exec();
                panic!("{error}");
            }
            _ => return,
        }
    }
}

/// Joins and leaves when it is told.
fn take_part(name: &str) {
    let mut member = None;
    while let Some(line) = next_line() {
        match line.as_str() {
            "join" => {
                let joined = join(name);
                let key = joined.store().key(b"sum", false).unwrap();
                joined.store().incr(&key, 1.0).unwrap();
                member = Some(joined);
                report("in");
            }
            "look" => {
                let store = member.as_ref().unwrap().store();
                let key = store.key(b"sum", false).unwrap();
                report(&store.incr(&key, 0.0).unwrap().to_string());
            }
            _ => {
                member = None;
                report("out");
            }
        }
    }
}

/// Takes addresses of a group of somebody else: `from to how`.
fn squat(name: &str, owner: u32, what: &str) {
    let words: Vec<_> = what.split(' ').collect();
    let (from, to) = (words[0].parse().unwrap(), words[1].parse().unwrap());
    let (mut held, mut connected) = (Vec::new(), Vec::new());
    for place in from..to {
        let address = address(name, owner, place);
        let socket = bound(&address);
        match words[2] {
            "listens" => listen(&socket, 64).unwrap(),
            "full" => {
                listen(&socket, 0).unwrap();
                while let Ok(Some(connection)) = Connection::open(&address, Instant::now()) {
                    connected.push(connection);
                }
            }
            _ => {}
        }
        held.push(socket);
    }
    report("ready");
    next_line();
}

/// A socket that has an address, at which nobody listens.
fn bound(address: &str) -> OwnedFd {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap();
    bind(&socket, &SocketAddrUnix::new_abstract_name(address.as_bytes()).unwrap()).unwrap();
    socket
}

/// Takes the first address and lets go of it, all the time.
fn flicker(name: &str, owner: u32) {
    report("ready");
    let address = address(name, owner, 0);
    for round in 0_u64.. {
        if let Ok(listener) = Listener::bind(&address) {
            std::thread::sleep(Duration::from_micros(round * 37 % 400));
            drop(listener);
        }
        std::thread::sleep(Duration::from_micros(round * 53 % 300));
    }
}

/// Says hello at the first address, and tells what comes of it.
fn knock(name: &str, owner: u32) {
    let deadline = Instant::now() + WATCHDOG;
    let connection = Connection::open(&address(name, owner, 0), deadline).unwrap().unwrap();
    let _ = connection.send(&hello(), &[]);
    loop {
        match connection.receive(Some(deadline)).unwrap() {
            Received::Message(text, files) => {
                let code = match parse(&text).unwrap() {
                    Reply::Refused(refusal) => format!("{:?}: {}", refusal.code, refusal.reason),
                    reply => format!("{reply:?}"),
                };
                report(&format!("{} files, {code}", files.len()));
            }
            Received::Closed => break,
            other => panic!("{other:?}"),
        }
    }
    report("closed");
}

/// Connects without end, and keeps what it can.
fn flood(name: &str, owner: u32) {
    let address = address(name, owner, 0);
    let mut held = std::collections::VecDeque::new();
    let mut count = 0_u64;
    loop {
        match Connection::open(&address, Instant::now()) {
            Ok(Some(connection)) => held.push_back(connection),
            Ok(None) => panic!("nobody listens"),
            Err(_) => {}
        }
        if held.len() > 900 {
            held.pop_front();
        }
        count += 1;
        if count == 20_000 {
            report("has flooded");
        }
    }
}

/// How many processes have a hub.
fn hosts(children: &[&Child]) -> usize {
    let is_host = |pid: u32| {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
        tasks.flatten().any(|task| {
            let comm = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
            comm.trim() == "csm-io"
        })
    };
    children.iter().filter(|child| is_host(child.pid())).count()
}

fn descriptors(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

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
