//! What tests of groups share: their names and addresses, and children in their roles, strangers among
//! them.

use crate::family::{Child, MIB, WATCHDOG, get, hello, set};
use cluster_shared_memory::error::Error;
use cluster_shared_memory::hub::GroupName;
use cluster_shared_memory::hub::message::{Reply, parse};
use cluster_shared_memory::member::{Beginnings, Member, Role};
use cluster_shared_memory::os::process::pid_namespace;
use cluster_shared_memory::os::socket::{Connection, Listener, Received};
use cluster_shared_memory::store::Settings;
use rustix::fd::OwnedFd;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with,
};
use rustix::process::geteuid;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const ROLE: &str = "CSM_GROUP_ROLE";
/// The name of the group.
const NAME: &str = "CSM_GROUP_NAME";
/// The user whose group it is.
const OWNER: &str = "CSM_GROUP_OWNER";
/// Somebody else.
pub(crate) const STRANGER: u32 = 1001;
pub(crate) const PLACES: u32 = 64;

/// A name of this test alone.
pub(crate) fn name(label: &str) -> String {
    format!("rust:{}:{label}", std::process::id())
}

/// Where a group of the user meets.
pub(crate) fn address(name: &str, uid: u32, place: u32) -> String {
    let namespace = pid_namespace().unwrap();
    format!("cluster-shared-memory.group.{uid}.{namespace:x}.{name}.{place}")
}

pub(crate) fn me() -> u32 {
    geteuid().as_raw()
}

pub(crate) fn attach(name: &str, timeout: Duration) -> Result<Option<Member>, Error> {
    let settings = Settings { maximum: 16 * MIB, log: None, mode: 0 };
    let beginnings = Beginnings { settings, snapshot: None };
    Member::attach(&Role::Group(GroupName::of(name)?, beginnings), 0, timeout)
}

pub(crate) fn join(name: &str) -> Member {
    attach(name, WATCHDOG).unwrap().unwrap()
}

pub(crate) fn start(role: &str, name: &str) -> Child {
    Child::of(command(role, name).spawn().unwrap())
}

fn command(role: &str, name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "group_family::child", "--nocapture"])
        .env(ROLE, role)
        .env(NAME, name)
        .env(OWNER, me().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

/// A child under another user; `None` where there can be none, or that user may not even read this
/// program.
pub(crate) fn stranger(role: &str, name: &str) -> Option<Child> {
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
pub(crate) fn squat(name: &str, owner: u32, what: &str) {
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
pub(crate) fn flicker(name: &str, owner: u32) {
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
pub(crate) fn knock(name: &str, owner: u32) {
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
pub(crate) fn flood(name: &str, owner: u32) {
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
pub(crate) fn hosts(children: &[&Child]) -> usize {
    let is_host = |pid: u32| {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
        tasks.flatten().any(|task| {
            let comm = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
            comm.trim() == "csm-io"
        })
    };
    children.iter().filter(|child| is_host(child.pid())).count()
}

pub(crate) fn descriptors(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}
