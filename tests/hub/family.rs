//! What the tests share: a hub with a name of its own, and children.
//!
//! A child is this test program again, told by a variable to take one of the roles below. What it
//! has to say are lines that begin with `csm: `; it goes on when it is sent a line.

use cluster_shared_memory::entry::{Tag, Value};
use cluster_shared_memory::error::Error;
use cluster_shared_memory::heap::pages::{self, Note};
use cluster_shared_memory::hub::message::{Hello, Reply, Request, parse, to_bytes};
use cluster_shared_memory::hub::name::VARIABLE;
use cluster_shared_memory::hub::{Hub, HubName};
use cluster_shared_memory::latch;
use cluster_shared_memory::member::{Member, Role};
use cluster_shared_memory::os::process::{ProcessId, parent};
use cluster_shared_memory::os::socket::{Connection, Received};
use cluster_shared_memory::segment::Segment;
use cluster_shared_memory::segment::layout::header;
use cluster_shared_memory::segment::members::{self, MemberInfo};
use cluster_shared_memory::store::{Scratch, Settings, Store};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

pub(crate) const MIB: u64 = 1 << 20;
/// How long anything may take before it counts as stuck.
pub(crate) const WATCHDOG: Duration = Duration::from_secs(30);

const ROLE: &str = "CSM_TEST_ROLE";

pub(crate) fn name(label: &str) -> HubName {
    HubName::labelled(ProcessId::current(), label)
}

pub(crate) fn hub(label: &str, maximum: u64) -> Hub {
    open(label, maximum, None)
}

/// A hub for a segment that is there already.
pub(crate) fn next_hub(label: &str, of: &Member) -> Hub {
    open(label, 64 * MIB, Some(of.store().segment()))
}

fn open(label: &str, maximum: u64, segment: Option<&Arc<Segment>>) -> Hub {
    let mut hub = None;
    // A child that another test has just forked has the listener of the last hub until it execs.
    wait_until("a name that shall be free", || {
        let opened =
            Hub::open(name(label), Settings { maximum, log: None, mode: 0 }, segment.cloned());
        let in_use = Errno::ADDRINUSE.raw_os_error();
        match opened {
            Err(Error::System { errno, .. }) if errno == in_use => {}
            opened => hub = Some(opened.unwrap()),
        }
        hub.is_some()
    });
    hub.unwrap()
}

pub(crate) fn attach(role: &Role<'_>) -> Member {
    Member::attach(role, 0, WATCHDOG).unwrap().unwrap()
}

pub(crate) fn set(store: &Store, key: &str, bytes: &[u8]) {
    let key = store.key(key.as_bytes(), false).unwrap();
    store.set(&key, &Value::bytes(Tag::Buffer, bytes)).unwrap();
}

pub(crate) fn get(store: &Store, key: &str) -> Option<Vec<u8>> {
    let mut scratch = Scratch::default();
    let key = store.key(key.as_bytes(), false).unwrap();
    let read = store.get(&key, &mut scratch).unwrap()?;
    Some(scratch.bytes(read.length).to_vec())
}

/// The members of a process.
pub(crate) fn members_of(store: &Store, pid: u32) -> Vec<MemberInfo> {
    let segment = store.segment();
    let all = members::all(segment.region(), segment.layout()).unwrap();
    all.into_iter().filter(|info| info.process.pid == pid).collect()
}

pub(crate) fn wait_until(what: &str, mut is_true: impl FnMut() -> bool) {
    let deadline = Instant::now() + WATCHDOG;
    while !is_true() {
        assert!(Instant::now() < deadline, "stuck: {what}");
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// Says a message to a hub, without any of the checks that a worker makes; gives the answer.
pub(crate) fn say(name: &HubName, message: &[u8]) -> Option<Reply> {
    let deadline = Instant::now() + WATCHDOG;
    let connection = Connection::open(&name.to_string(), deadline).unwrap().unwrap();
    // Who is not known is told so before it has said anything.
    let _ = connection.send(message, &[]);
    match connection.receive(Some(deadline)).unwrap() {
        Received::Message(text, _) => Some(parse(&text).unwrap()),
        _ => None,
    }
}

pub(crate) fn hello() -> Vec<u8> {
    to_bytes(&Request::Hello(Hello::of(ProcessId::current())))
}

/// A child in its role.
pub(crate) struct Child {
    process: std::process::Child,
    lines: Receiver<String>,
}

impl Child {
    pub(crate) fn command(role: &str, hub: &HubName) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "family::child", "--nocapture"])
            .env(ROLE, role)
            .env(VARIABLE, hub.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        command
    }

    pub(crate) fn start(role: &str, hub: &HubName) -> Self {
        Self::of(Self::command(role, hub).spawn().unwrap())
    }

    pub(crate) fn of(mut process: std::process::Child) -> Self {
        let output = BufReader::new(process.stdout.take().unwrap());
        let (send, lines) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                // The test harness writes the name of the test in front of the first line.
                if let Some((_, said)) = line.split_once("csm: ") {
                    let _ = send.send(said.to_owned());
                }
            }
        });
        Self { process, lines }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// What it says next.
    pub(crate) fn hear(&self) -> String {
        self.lines.recv_timeout(WATCHDOG).unwrap_or_else(|_| panic!("the child is silent"))
    }

    pub(crate) fn expect(&self, line: &str) {
        assert_eq!(self.hear(), line);
    }

    pub(crate) fn tell(&mut self, line: &str) {
        writeln!(self.process.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.pid()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Kills it; gives when the kernel reported its death.
    pub(crate) fn kill(&self) -> Instant {
        let id = ProcessId::of(self.pid()).unwrap();
        self.signal(Signal::KILL);
        wait_until("a child that was killed", || id.is_dead());
        Instant::now()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn report(line: &str) {
    println!("csm: {line}");
}

fn next_line() -> String {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    line.trim().to_owned()
}

fn join(thread: u64) -> Member {
    let name = HubName::expected().unwrap();
    Member::attach(&Role::Worker(name), thread, WATCHDOG).unwrap().unwrap()
}

/// Not a test: where a child begins.
#[test]
fn child() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    match role.as_str() {
        "echo" => echo(),
        "builder" => builder(),
        "holder" => holder(),
        "changeling" => changeling(),
        "crowd" => crowd(),
        "listener" => listener(),
        "stranger" => stranger(),
        "host" => host(),
        role => panic!("no role {role}"),
    }
}

/// Copies the value of each key that it is told to the key with "child:" before it.
fn echo() {
    let member = join(0);
    report("attached");
    loop {
        let key = next_line();
        if key.is_empty() {
            return;
        }
        let value = get(member.store(), &key).unwrap_or_default();
        set(member.store(), &format!("child:{key}"), &value);
        report("copied");
    }
}

/// Begins to build something and never ends it.
fn builder() {
    let member = join(0);
    let segment = Arc::clone(member.store().segment());
    let building = pages::build(&segment, member.id(), Note::Run, 100, 1).unwrap();
    report(&building.page().to_string());
    next_line();
}

/// Holds a latch until it is told otherwise.
fn holder() {
    let member = join(0);
    let segment = Arc::clone(member.store().segment());
    let held = latch::hold(&segment, header::PAGES_DOMAIN, member.id()).unwrap();
    report("held");
    next_line();
    drop(held);
    report("released");
    next_line();
}

/// Holds a latch while it loses a connection, and while it becomes another program.
fn changeling() {
    let member = join(0);
    let segment = Arc::clone(member.store().segment());
    let _held = latch::hold(&segment, header::PAGES_DOMAIN, member.id()).unwrap();
    let name = HubName::expected().unwrap();
    // When the second one is answered, the hub has dealt with the end of the first.
    for _ in 0..2 {
        assert!(matches!(say(&name, &hello()), Some(Reply::Welcome { .. })));
    }
    report("held");
    next_line();
    let mut command = Child::command("echo", &name);
    let error = command.stdin(Stdio::inherit()).stdout(Stdio::inherit()).exec();
    panic!("{error}");
}

/// Attaches as often as it can.
fn crowd() {
    let mut members = Vec::new();
    let name = HubName::expected().unwrap();
    let error = loop {
        let thread = members.len() as u64;
        match Member::attach(&Role::Worker(name.clone()), thread, WATCHDOG) {
            Ok(member) => members.push(member.unwrap()),
            Err(error) => break error,
        }
    };
    report(&format!("{}: {error}", members.len()));
    next_line();
}

/// Says what it is told of the hub; answers a line by setting a value.
fn listener() {
    let member = join(0);
    member
        .listen(Box::new(|notices| {
            for notice in notices {
                report(&format!("{notice:?}"));
            }
        }))
        .unwrap();
    report("attached");
    loop {
        let key = next_line();
        if key.is_empty() {
            return;
        }
        set(member.store(), &key, b"from the listener");
        report("set");
    }
}

/// Waits until it is no descendant of the hub's process any more, and then wants in.
fn stranger() {
    let name = HubName::expected().unwrap();
    let is_stranger = || {
        let ancestors = std::iter::successors(Some(std::process::id()), |pid| parent(*pid));
        !ancestors.take(64).any(|pid| pid == name.process().pid)
    };
    wait_until("a child that shall be a stranger", is_stranger);
    report(&format!("{:?}", say(&name, &hello())));
    let error = Member::attach(&Role::Worker(name), 0, WATCHDOG).unwrap_err();
    report(&format!("{error:?}"));
}

/// Starts and ends hubs, all alone in its process, and says what is left of them.
fn host() {
    let mut before = None;
    for _ in 0..20 {
        let hub = hub("again", 16 * MIB);
        attach(&Role::Primary(&hub)).leave().unwrap();
        attach(&Role::Worker(hub.name().clone())).leave().unwrap();
        drop(hub);
        // The link to a hub that is gone looks for the next one: the same each time.
        before.get_or_insert_with(threads_and_descriptors);
    }
    wait_until("what hubs leave behind", || {
        let after = threads_and_descriptors();
        before.is_some_and(|before| after.0 <= before.0 && after.1 <= before.1)
    });
    report("nothing is left");
}

fn threads_and_descriptors() -> (usize, usize) {
    let count = |path| std::fs::read_dir(path).unwrap().count();
    (count("/proc/self/task"), count("/proc/self/fd"))
}
