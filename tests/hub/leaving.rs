//! Those who leave a group: at once, as others come, as its host leaves or dies. Nobody is stuck, the
//! name is free when all are out, and the file has what everybody left.
//!
//! A child joins and leaves when it is told, again and again. What two shall do at the same time they
//! are told before, with the moment by a clock that both have.

use crate::family::{Child, MIB, WATCHDOG, get, set, wait_until};
use cluster_shared_memory::entry::{Tag, Value};
use cluster_shared_memory::error::Error;
use cluster_shared_memory::hub::GroupName;
use cluster_shared_memory::hub::group::{Door, Sought, seek};
use cluster_shared_memory::hub::message::{Reply, to_bytes};
use cluster_shared_memory::member::{Beginnings, Member, Role};
use cluster_shared_memory::os::process::ProcessId;
use cluster_shared_memory::os::socket::Received;
use cluster_shared_memory::segment::{host, members};
use cluster_shared_memory::snapshot;
use cluster_shared_memory::store::{self, Settings, Store};
use cluster_shared_memory::verify::verify;
use rustix::fd::AsFd as _;
use rustix::time::{ClockId, clock_gettime};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant};

const ROLE: &str = "CSM_LEAVING_NAME";
/// Where the snapshot is; empty: nowhere.
const FILE: &str = "CSM_LEAVING_FILE";
/// From when they are told until they do it.
const AHEAD: u64 = 700;
/// Entries of a memory that takes a while to be written.
const MANY: u64 = 20_000;

/// The keys of the children.
const KEYS: [&str; 4] = ["a", "b", "c", "d"];

/// A group of its own, and the folder of its snapshot.
struct Group {
    name: String,
    folder: PathBuf,
    has_file: bool,
}

impl Group {
    fn new(label: &str, has_file: bool) -> Self {
        let name = format!("leaving:{}:{label}", std::process::id());
        let folder = std::env::temp_dir().join(format!("csm-{}", name.replace(':', "-")));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        Self { name, folder, has_file }
    }

    fn file(&self) -> PathBuf {
        self.folder.join("values")
    }

    fn start(&self) -> Child {
        let file = if self.has_file { self.file() } else { PathBuf::new() };
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "leaving::child", "--nocapture"])
            .env(ROLE, &self.name)
            .env(FILE, file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        Child::of(command.spawn().unwrap())
    }

    fn start_all(&self, count: usize) -> Vec<Child> {
        (0..count).map(|_| self.start()).collect()
    }

    /// Nobody has a socket of this name any more.
    fn must_be_free(&self) {
        let name = format!(".{}.", self.name);
        wait_until("a name that shall be free", || {
            !fs::read_to_string("/proc/net/unix").unwrap().contains(&name)
        });
    }

    /// Whether a file is being written.
    fn is_writing(&self) -> bool {
        let mut files = fs::read_dir(&self.folder).unwrap().flatten();
        files.any(|file| file.file_name().to_string_lossy().contains(".writing-"))
    }

    /// What the file says, which is there alone and whole.
    fn restored(&self) -> Store {
        let files: Vec<_> = fs::read_dir(&self.folder).unwrap().flatten().collect();
        assert_eq!(files.len(), 1, "{files:?}");
        // More room than it had: there are other shards in it for the same keys.
        let segment = store::create(32 * MIB).unwrap();
        let process = ProcessId::current();
        let me = members::join(segment.region(), segment.layout(), process, 0).unwrap();
        let store = Store::new(Arc::new(segment), me);
        snapshot::read(&store, &self.file(), &mut |_| {}).unwrap().unwrap();
        verify(store.segment()).unwrap();
        store
    }

    /// The values of keys in the file.
    fn values(&self, keys: &[&str]) -> Vec<u64> {
        let store = self.restored();
        keys.iter().map(|key| number(get(&store, key))).collect()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Microseconds by a clock that all processes have.
fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    u64::try_from(time.tv_sec * 1_000_000 + time.tv_nsec / 1000).unwrap()
}

/// Waits for a moment, and for the last of it busily.
fn wait_for(moment: u64) {
    while now() < moment {
        let left = moment - now().min(moment);
        if left > 300 {
            std::thread::sleep(Duration::from_micros(left - 200));
        }
        std::hint::spin_loop();
    }
}

/// So many microseconds of `most` apart are two moments of a round: in the course of all rounds every
/// distance has its turn.
fn spread(round: u64, most: u64) -> u64 {
    round * 7919 % most
}

fn number(value: Option<Vec<u8>>) -> u64 {
    value.map_or(0, |value| String::from_utf8(value).unwrap().parse().unwrap())
}

/// Not a test: where a child begins.
#[test]
fn child() {
    let Ok(name) = std::env::var(ROLE) else {
        return;
    };
    let file = PathBuf::from(std::env::var_os(FILE).unwrap());
    let snapshot = Some(file).filter(|file| !file.as_os_str().is_empty());
    let mut member = None;
    let mut line = String::new();
    while std::io::stdin().read_line(&mut line).unwrap() > 0 {
        let words: Vec<_> = line.split_whitespace().collect();
        let answer = obey(&words, &mut member, &name, snapshot.as_ref());
        println!("csm: {answer}");
        line.clear();
    }
}

/// Does what it is told.
fn obey(
    words: &[&str],
    member: &mut Option<Member>,
    name: &str,
    snapshot: Option<&PathBuf>,
) -> String {
    let argument = words.get(1).copied().unwrap_or_default();
    match words[0] {
        "join" => {
            wait_for(argument.parse().unwrap());
            *member = Some(join(name, snapshot));
            "in".into()
        }
        "leave" => {
            wait_for(argument.parse().unwrap());
            left(member.take().unwrap().leave())
        }
        // Comes, sets a key and goes.
        "visit" => {
            wait_for(words[3].parse().unwrap());
            let visitor = join(name, snapshot);
            set(visitor.store(), argument, words[2].as_bytes());
            left(visitor.leave())
        }
        "set" => {
            set(member.as_ref().unwrap().store(), argument, words[2].as_bytes());
            "set".into()
        }
        "get" => number(get(member.as_ref().unwrap().store(), argument)).to_string(),
        // Gives many keys the same number.
        "fill" => {
            fill(member.as_ref().unwrap().store(), argument.parse().unwrap());
            "full".into()
        }
        // Leaves no room for anything.
        "stuff" => stuff(member.as_ref().unwrap().store()).to_string(),
        // The number that all of them have.
        "all" => all(member.as_ref().unwrap().store()).to_string(),
        "host" => {
            let segment = member.as_ref().unwrap().store().segment();
            let host = host::current(segment.region(), segment.layout()).unwrap();
            host.filter(|host| !host.is_dead()).map_or(0, |host| host.process.pid).to_string()
        }
        what => panic!("what is {what}"),
    }
}

fn left<T>(outcome: Result<T, Error>) -> String {
    outcome.map_or_else(|error| error.to_string(), |_| "out".into())
}

/// Joins, and waits for a snapshot to be read.
fn join(name: &str, snapshot: Option<&PathBuf>) -> Member {
    let settings = Settings { maximum: 16 * MIB, log: None, mode: 0 };
    let beginnings = Beginnings { settings, snapshot: snapshot.cloned() };
    let role = Role::Group(GroupName::of(name).unwrap(), beginnings);
    let deadline = Instant::now() + WATCHDOG;
    loop {
        match Member::attach(&role, 0, WATCHDOG) {
            Err(Error::Reading { .. }) => {}
            member => return member.unwrap().unwrap(),
        }
        assert!(Instant::now() < deadline, "a snapshot that is read for ever");
    }
}

fn fill(store: &Store, number: f64) {
    for name in 0..MANY {
        let name = name.to_le_bytes();
        store.set(&store.key(&name, false).unwrap(), &Value::number(number)).unwrap();
    }
}

/// Sets keys of ever smaller values until not even the smallest has room; gives how many there are.
fn stuff(store: &Store) -> u64 {
    let mut count = 0_u64;
    let small = (0..=40).rev().map(|words| words * 8);
    for length in [100_000, 10_000, 4000, 2000, 1000, 600].into_iter().chain(small) {
        // A shard that has no room for one key has some for others.
        let mut failed = 0;
        while failed < 100 {
            let name = count.to_le_bytes();
            count += 1;
            let value = vec![7; length];
            let key = store.key(&name, false).unwrap();
            match store.set(&key, &Value::bytes(Tag::Buffer, &value)) {
                Ok(()) => {}
                Err(Error::OutOfMemory { .. }) => failed += 1,
                Err(error) => panic!("{error}"),
            }
        }
    }
    store.stats().unwrap().entries
}

fn all(store: &Store) -> f64 {
    let of = |name: u64| store.incr(&store.key(&name.to_le_bytes(), false).unwrap(), 0.0).unwrap();
    let first = of(0);
    assert!((1..MANY).all(|name| of(name).to_bits() == first.to_bits()), "not of one writing");
    first
}

fn ask(child: &mut Child, what: &str) -> String {
    child.tell(what);
    child.hear()
}

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
        group.restored();
    }
    println!("{lost} of 7 writers were killed before they had done");
    assert!(lost > 0);
}
