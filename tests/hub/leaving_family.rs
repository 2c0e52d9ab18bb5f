//! What tests of leaving share: a group with the folder of its file, and children that join and leave
//! when they are told.

use crate::family::{Child, MIB, WATCHDOG, get, set, wait_until};
use cluster_shared_memory::entry::{Tag, Value};
use cluster_shared_memory::error::Error;
use cluster_shared_memory::hub::GroupName;
use cluster_shared_memory::member::{Beginnings, Member, Role, let_go};
use cluster_shared_memory::os::process::ProcessId;
use cluster_shared_memory::segment::{host, members};
use cluster_shared_memory::snapshot;
use cluster_shared_memory::store::{self, Settings, Store};
use cluster_shared_memory::verify::verify;
use rustix::time::{ClockId, clock_gettime};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

const ROLE: &str = "CSM_LEAVING_NAME";
/// Where the snapshot is; empty: nowhere.
const FILE: &str = "CSM_LEAVING_FILE";
/// From when they are told until they do it.
pub(crate) const AHEAD: u64 = 700;
/// Entries of a memory that takes a while to be written.
const MANY: u64 = 20_000;

/// The keys of the children.
pub(crate) const KEYS: [&str; 4] = ["a", "b", "c", "d"];

/// A group of its own, and the folder of its snapshot.
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    pub(crate) has_file: bool,
}

impl Group {
    pub(crate) fn new(label: &str, has_file: bool) -> Self {
        let name = format!("leaving:{}:{label}", std::process::id());
        let folder = std::env::temp_dir().join(format!("csm-{}", name.replace(':', "-")));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        Self { name, folder, has_file }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.join("values")
    }

    pub(crate) fn start(&self) -> Child {
        let file = if self.has_file { self.file() } else { PathBuf::new() };
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "leaving_family::child", "--nocapture"])
            .env(ROLE, &self.name)
            .env(FILE, file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        Child::of(command.spawn().unwrap())
    }

    pub(crate) fn start_all(&self, count: usize) -> Vec<Child> {
        (0..count).map(|_| self.start()).collect()
    }

    /// Nobody has a socket of this name any more.
    pub(crate) fn must_be_free(&self) {
        let name = format!(".{}.", self.name);
        wait_until("a name that shall be free", || {
            !fs::read_to_string("/proc/net/unix").unwrap().contains(&name)
        });
    }

    /// Whether a file is being written.
    pub(crate) fn is_writing(&self) -> bool {
        is_writing(&self.folder)
    }

    /// Removes what was kept of a writer that was killed in the moment in which its file took its place.
    pub(crate) fn clear(&self) {
        for file in fs::read_dir(&self.folder).unwrap().flatten() {
            if file.file_name().to_string_lossy().contains(".replaced-") {
                fs::remove_file(file.path()).unwrap();
            }
        }
    }

    /// What the file says, which is there alone and whole.
    pub(crate) fn restored(&self) -> Store {
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
    pub(crate) fn values(&self, keys: &[&str]) -> Vec<u64> {
        let store = self.restored();
        keys.iter().map(|key| number(get(&store, key))).collect()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn is_writing(folder: &Path) -> bool {
    let mut files = fs::read_dir(folder).unwrap().flatten();
    files.any(|file| file.file_name().to_string_lossy().contains(".writing-"))
}

/// Microseconds by a clock that all processes have.
pub(crate) fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    u64::try_from(time.tv_sec * 1_000_000 + time.tv_nsec / 1000).unwrap()
}

/// Waits for a moment, and for the last of it busily.
pub(crate) fn wait_for(moment: u64) {
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
pub(crate) fn spread(round: u64, most: u64) -> u64 {
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
        // Has the file read, and is no member yet, unless that has taken no time.
        "begin" => match attach(name, snapshot, Duration::ZERO) {
            Err(Error::Reading { .. }) => "begun".into(),
            Err(error) => error.to_string(),
            Ok(joined) => {
                *member = joined;
                "in".into()
            }
        },
        "let" => left(let_go()),
        "leave" => {
            wait_for(argument.parse().unwrap());
            left(member.take().unwrap().leave())
        }
        // Comes back while it still writes the file, and asks as often as it takes; gives how often
        // nobody answered.
        "return" => {
            let folder = snapshot.unwrap().parent().unwrap();
            let leaving = member.take().unwrap();
            std::thread::scope(|scope| {
                scope.spawn(|| leaving.leave().unwrap());
                wait_until("the writing", || is_writing(folder));
                let mut silent = 0;
                *member = loop {
                    match attach(name, snapshot, Duration::from_millis(1)) {
                        Err(Error::Reading { .. }) => {}
                        Ok(None) => silent += 1,
                        joined => break joined.unwrap(),
                    }
                };
                silent.to_string()
            })
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
        "size" => member.as_ref().unwrap().store().stats().unwrap().entries.to_string(),
        "maximum" => member.as_ref().unwrap().store().segment().layout().maximum.to_string(),
        // Whether a hub says anything within a moment, and what it is.
        "knock" => match attach(name, snapshot, Duration::from_millis(20)) {
            Ok(None) => "silence".into(),
            Err(Error::Reading { .. }) => "reading".into(),
            outcome => left(outcome),
        },
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

pub(crate) fn left<T>(outcome: Result<T, Error>) -> String {
    outcome.map_or_else(|error| error.to_string(), |_| "out".into())
}

pub(crate) fn attach(
    name: &str,
    snapshot: Option<&PathBuf>,
    timeout: Duration,
) -> Result<Option<Member>, Error> {
    let settings = Settings { maximum: 16 * MIB, log: None, mode: 0 };
    let beginnings = Beginnings { settings, snapshot: snapshot.cloned() };
    let role = Role::Group(GroupName::of(name).unwrap(), beginnings);
    Member::attach(&role, 0, timeout)
}

/// Joins, and waits for a snapshot to be read.
pub(crate) fn join(name: &str, snapshot: Option<&PathBuf>) -> Member {
    let deadline = Instant::now() + WATCHDOG;
    loop {
        match attach(name, snapshot, WATCHDOG) {
            Err(Error::Reading { .. }) => {}
            member => return member.unwrap().unwrap(),
        }
        assert!(Instant::now() < deadline, "a snapshot that is read for ever");
    }
}

pub(crate) fn fill(store: &Store, number: f64) {
    for name in 0..MANY {
        let name = name.to_le_bytes();
        store.set(&store.key(&name, false).unwrap(), &Value::number(number)).unwrap();
    }
}

/// Sets keys of ever smaller values until not even the smallest has room; gives how many there are.
pub(crate) fn stuff(store: &Store) -> u64 {
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

pub(crate) fn all(store: &Store) -> f64 {
    let of = |name: u64| store.incr(&store.key(&name.to_le_bytes(), false).unwrap(), 0.0).unwrap();
    let first = of(0);
    assert!((1..MANY).all(|name| of(name).to_bits() == first.to_bits()), "not of one writing");
    first
}

pub(crate) fn ask(child: &mut Child, what: &str) -> String {
    child.tell(what);
    child.hear()
}
