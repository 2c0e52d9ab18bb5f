//! Leaving as the last, with a snapshot: whoever is killed or stopped on its way out leaves a whole
//! file, its own or the one before; and of two that leave at once, one writes. A file that the memory
//! did not begin with is still there at each point, whoever has tidied up.
//!
//! Each point has a segment of its own, without bystanders. The runner has the slot of a hub in it,
//! which is nobody to wait for; its other members come and go.

use super::Tally;
use super::actor::Act;
use super::cast::gone;
use super::content::Content;
use super::control::{Cell, Control, GO, Target};
use super::hosts::{claim, come_and_go, host_word, pid_of};
use super::labels;
use super::point::Variant;
use super::processes::{Change, Process, variable};
use super::scene::Outcome;
use cluster_shared_memory::error::Result as Answer;
use cluster_shared_memory::fault;
use cluster_shared_memory::hub::will::{self, Will};
use cluster_shared_memory::os::process::ProcessId;
use cluster_shared_memory::repair;
use cluster_shared_memory::segment::Segment;
use cluster_shared_memory::segment::layout::{HUBS, MINIMUM_BYTES, PAGE, domain, header};
use cluster_shared_memory::segment::members::{self, HUB, MemberId, MemberInfo};
use cluster_shared_memory::snapshot::{self, Origin};
use cluster_shared_memory::store::{self, Scratch, Store};
use cluster_shared_memory::sync::Ordering;
use cluster_shared_memory::verify::verify;
use rustix::fd::AsRawFd as _;
use rustix::process::Signal;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// What happens beside the one that leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beside {
    Nothing,
    /// Another member leaves.
    Leaves,
    /// Somebody comes, changes something and leaves.
    Changes,
    /// Another file has come to the place of the one that the memory began with.
    File,
}

pub(crate) struct Row {
    pub(crate) name: &'static str,
    beside: Beside,
    /// The host of the hub was killed.
    is_orphaned: bool,
}

/// All rows.
pub(crate) const ROWS: &[Row] = &[
    Row { name: "leave as the last", beside: Beside::Nothing, is_orphaned: false },
    Row { name: "leave as the last, the host dead", beside: Beside::Nothing, is_orphaned: true },
    Row { name: "leave, another leaves", beside: Beside::Leaves, is_orphaned: false },
    Row { name: "leave as the last, a visitor", beside: Beside::Changes, is_orphaned: false },
    Row { name: "leave as the last, another file", beside: Beside::File, is_orphaned: false },
];

/// Keys: what is in the file before, what is changed since, what a guest and the last one of all add.
const KEYS: u64 = 40;
const GUEST: u64 = 100;
const LAST: u64 = 101;
const LIMIT: Duration = Duration::from_secs(8);

/// Says goodbye with nothing in hand, and looks whether somebody else is there.
pub(crate) fn leave(segment: &Arc<Segment>, me: MemberId) -> Answer<()> {
    members::leave(segment.region(), segment.layout(), me)?;
    will::execute(segment, None, None).map(drop)
}

/// What is in a file, or should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Contents {
    /// The seed of all common keys.
    seed: u64,
    has_guest: bool,
    has_last: bool,
}

const OLD: Contents = Contents { seed: 1, has_guest: false, has_last: false };
const NEW: Contents = Contents { seed: 2, ..OLD };
const NEWER: Contents = Contents { has_guest: true, ..NEW };
/// What another file has.
const OTHER: Contents = Contents { seed: 3, ..OLD };

/// A segment whose members leave, and the file.
struct Estate {
    store: Store,
    control: Control,
    folder: PathBuf,
    /// What stands there before it is written.
    before: Contents,
}

impl Estate {
    fn new(beside: Beside) -> Self {
        let folder = std::env::temp_dir().join(format!("csm-crash-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        let before = if beside == Beside::File { OTHER } else { OLD };
        let estate = Self { store: new_store(), control: Control::create(), folder, before };
        // Which the process has no use for.
        let target = Target { id: 0, old: content(0, OLD.seed), new: content(0, NEW.seed) };
        estate.control.set_targets(&[target]);
        estate.write(OLD);
        // As whoever begins a group does.
        snapshot::read(&estate.store, &estate.file(), &mut |_| {}).unwrap().unwrap();
        let path = estate.file();
        Will { origin: Origin::of(&path), path }.write(&estate.store).unwrap();
        fill(&estate.store, NEW.seed);
        if before != OLD {
            estate.write(before);
        }
        estate
    }

    /// Writes a file of another memory.
    fn write(&self, contents: Contents) {
        let store = new_store();
        fill(&store, contents.seed);
        snapshot::write(&store, &self.file(), &mut |_| {}).unwrap();
    }

    fn file(&self) -> PathBuf {
        self.folder.join("values")
    }

    fn segment(&self) -> &Arc<Segment> {
        self.store.segment()
    }

    /// A member of the runner, with JavaScript so to speak.
    fn join(&self) -> MemberId {
        let (region, layout) = (self.segment().region(), self.segment().layout());
        members::join(region, layout, ProcessId::current(), 0).unwrap()
    }

    fn start(&self, then: &str, fuel: u64) -> Process {
        // Without close-on-exec.
        let segment = rustix::io::dup(self.segment().file()).unwrap();
        let control = rustix::io::dup(self.control.file()).unwrap();
        let variables = [
            ("CRASH_SEGMENT", segment.as_raw_fd().to_string()),
            ("CRASH_CONTROL", control.as_raw_fd().to_string()),
            ("CRASH_ACT", Act::LeaveLast.to_number().to_string()),
            ("CRASH_THEN", then.to_owned()),
            ("CRASH_FUEL", fuel.to_string()),
        ];
        let actor = Process::start("actor", &variables);
        let since = std::time::Instant::now();
        while self.control.get(Cell::Actor) == 0 {
            assert!(since.elapsed() < LIMIT, "stuck: one that shall leave");
            std::thread::sleep(Duration::from_micros(30));
        }
        actor
    }

    /// What the file says, read into a new segment.
    fn read(&self) -> Outcome<Contents> {
        read(&self.file())
    }

    fn must_be(&self, when: &str, possible: &[Contents]) -> Outcome {
        let contents = self.read().map_err(|error| format!("{when}: {error}"))?;
        if !possible.contains(&contents) {
            return Err(format!("{when}: the file has {contents:?}, not {possible:?}"));
        }
        // What is kept is whole, too. (Whoever has read the file has tidied up.)
        let kept = self.names().into_iter().filter(|name| name.contains(".replaced-"));
        let kept = kept.map(|name| read(&self.folder.join(name))).collect::<Outcome<Vec<_>>>()?;
        if self.before == OTHER && contents != OTHER && !kept.contains(&OTHER) {
            return Err(format!("{when}: the other file is gone, {kept:?} is kept"));
        }
        Ok(())
    }

    fn names(&self) -> Vec<String> {
        let files = fs::read_dir(&self.folder).unwrap().map(|file| file.unwrap().file_name());
        files.map(|name| name.into_string().unwrap()).collect()
    }

    /// Whether the process is left to write, for all who look; and whether it is the host.
    fn stands(&self, actor: &Process) -> (bool, bool) {
        let all = members::all(self.segment().region(), self.segment().layout()).unwrap();
        let is_its = |info: &MemberInfo| info.process.pid == actor.pid();
        let is_host = pid_of(self.segment(), host_word(self.segment())) == u64::from(actor.pid());
        (is_host || all.iter().any(|info| is_its(info) && info.id.slot() >= HUBS), is_host)
    }

    /// Whether the process holds a latch: who is stopped with one keeps others from some keys.
    fn is_latched(&self, actor: &Process) -> bool {
        let (segment, pid) = (self.segment(), u64::from(actor.pid()));
        let domains = (0..segment.layout().shards).map(|shard| segment.layout().shard(shard));
        domains.chain([header::PAGES_DOMAIN]).any(|base| {
            let latch = segment.region().load(base.add(domain::LATCH), Ordering::Acquire);
            pid_of(segment, latch.unwrap()) == pid
        })
    }

    fn leave(&self, me: MemberId) -> Outcome {
        leave(self.segment(), me).map_err(|error| format!("leaving: {error}"))
    }

    fn change(&self) -> Outcome {
        let me = self.join();
        let store = Store::new(Arc::clone(self.segment()), me);
        Content::bytes(300, GUEST).put(&store, GUEST).map_err(|error| error.to_string())?;
        self.leave(me)
    }

    fn has_guest(&self) -> Outcome<bool> {
        Ok(Content::get(&self.store, GUEST, &mut Scratch::default())?.is_present())
    }

    /// Everybody is gone: nothing is left of them, and the next last one writes.
    fn afterwards(&self, is_killed: bool) -> Outcome {
        let said = |error: cluster_shared_memory::error::Error| error.to_string();
        let (segment, me) = (self.segment(), self.store.member());
        repair::mend_the_dead(segment, me).map_err(said)?;
        verify(segment).map_err(|error| format!("verify: {error}"))?;
        let all = members::all(segment.region(), segment.layout()).map_err(said)?;
        if all.len() != 1 {
            return Err(format!("members {all:?}"));
        }
        if !come_and_go(segment, &[])? {
            return Err("nobody can be the host".into());
        }
        let has_guest = self.has_guest()?;
        let me = self.join();
        let store = Store::new(Arc::clone(segment), me);
        Content::bytes(300, LAST).put(&store, LAST).map_err(said)?;
        self.leave(me)?;
        self.must_be("in the end", &[Contents { has_guest, has_last: true, ..NEW }])?;
        let (names, files) = (self.names(), 1 + usize::from(self.before == OTHER));
        // Who is killed as its file takes its place may leave one more, which nobody misses.
        let is_tidy = (files..=files + usize::from(is_killed)).contains(&names.len());
        if is_tidy && host_word(segment) == 0 {
            return Ok(());
        }
        Err(format!("in the end: {names:?}, the host {:#x}", host_word(segment)))
    }
}

impl Drop for Estate {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn new_store() -> Store {
    let segment = store::create(MINIMUM_BYTES).unwrap();
    let process = ProcessId::current();
    let me = members::join(segment.region(), segment.layout(), process, HUB).unwrap();
    Store::new(Arc::new(segment), me)
}

/// The common keys: short values and long ones.
fn content(id: u64, seed: u64) -> Content {
    let length = if id.is_multiple_of(8) { 3 * PAGE } else { 100 };
    Content::bytes(length as usize, id << 8 | seed)
}

fn fill(store: &Store, seed: u64) {
    for id in 0..KEYS {
        content(id, seed).put(store, id).unwrap();
    }
}

fn read(file: &Path) -> Outcome<Contents> {
    let store = new_store();
    let read = snapshot::read(&store, file, &mut |_| {}).map_err(|error| error.to_string())?;
    let read = read.ok_or("there is no file")?;
    verify(store.segment()).map_err(|error| format!("what was read: {error}"))?;
    let mut scratch = Scratch::default();
    let mut get = |id| Content::get(&store, id, &mut scratch);
    let first = get(0)?;
    let seeds = [OLD, NEW, OTHER].map(|contents| contents.seed);
    let seed = seeds.into_iter().find(|seed| first == content(0, *seed)).ok_or("other keys")?;
    for id in 0..KEYS {
        let found = get(id)?;
        if found != content(id, seed) {
            return Err(format!("key {id} has {found:?}, key 0 of {seed}"));
        }
    }
    let mut has = |id| Ok::<_, String>(get(id)? == Content::bytes(300, id));
    let contents = Contents { seed, has_guest: has(GUEST)?, has_last: has(LAST)? };
    let entries = KEYS + u64::from(contents.has_guest) + u64::from(contents.has_last);
    if read.entries == entries {
        return Ok(contents);
    }
    Err(format!("{} entries of {contents:?}", read.entries))
}

impl Row {
    /// Visits all points; gives how many stores there are.
    pub(crate) fn run(&self, strides: [usize; 2], tally: &mut Tally) -> usize {
        let (stores, labels) = self.rehearse();
        if !variable("CRASH_LABELS").is_empty() {
            println!("    {}", labels::line(&labels));
        }
        // Beside one that stays, nothing is written.
        let writes = usize::from(self.beside != Beside::Leaves);
        if labels.iter().filter(|label| *label == "HOST").count() != 2 * writes {
            println!("    FAILED {}: it took another path", self.name);
            tally.failed += 1;
        }
        for variant in Variant::ALL {
            let stride = strides[usize::from(variant != Variant::Kill)];
            for fuel in (0..=stores).step_by(stride) {
                tally.points += 1;
                if let Err(message) = self.visit(variant, fuel as u64) {
                    let before = labels.get(fuel).map_or("the end", String::as_str);
                    println!("    FAILED {} {variant:?} {fuel} ({before}): {message}", self.name);
                    tally.failed += 1;
                }
            }
        }
        stores
    }

    /// The members of a point, all but the process.
    fn set_up(&self) -> (Estate, Option<MemberId>) {
        let estate = Estate::new(self.beside);
        let segment = estate.segment();
        if self.is_orphaned {
            let dead = members::join(segment.region(), segment.layout(), gone(), HUB).unwrap();
            assert!(claim(segment, dead).unwrap());
        }
        let other = (self.beside == Beside::Leaves).then(|| estate.join());
        (estate, other)
    }

    fn rehearse(&self) -> (usize, Vec<String>) {
        let (estate, _other) = self.set_up();
        let mut actor = estate.start("", 0);
        estate.control.set(Cell::Order, GO);
        assert_eq!(actor.wait(LIMIT), Some(Change::Exited(0)), "a rehearsal");
        let trace = estate.control.trace();
        let label = |offset: &u64| match *offset {
            fault::FILE => "a file".into(),
            at => labels::in_front(estate.segment(), at).unwrap_or_else(|| "a key".into()),
        };
        (trace.len(), trace.iter().map(label).collect())
    }

    fn visit(&self, variant: Variant, fuel: u64) -> Outcome {
        let (estate, other) = self.set_up();
        let then = if variant == Variant::Kill { "kill" } else { "stop" };
        let mut actor = estate.start(then, fuel);
        estate.control.set(Cell::Order, GO);
        let change = actor.wait(LIMIT).ok_or("it is stuck")?;
        let mut possible = match change {
            Change::Exited(0) if other.is_some() => vec![estate.before],
            Change::Exited(0) => vec![NEW],
            Change::Killed | Change::Stopped => vec![estate.before, NEW],
            Change::Exited(_) => return Err(format!("it has {change:?}")),
        };
        estate.must_be("at the point", &possible)?;
        let mut is_killed = change == Change::Killed;
        if change == Change::Stopped {
            possible = self.beside_stopped(&estate, &actor, other, possible)?;
            is_killed = variant == Variant::StopThenKill;
            actor.signal(if is_killed { Signal::KILL } else { Signal::CONT });
            let expected = if is_killed { Change::Killed } else { Change::Exited(0) };
            let change = actor.wait(LIMIT);
            if change != Some(expected) {
                return Err(format!("it has {change:?}, not {expected:?}"));
            }
            if !is_killed {
                // One of all has written what there is.
                possible = vec![if estate.has_guest()? { NEWER } else { NEW }];
            }
        } else if let Some(other) = other {
            // After one that is dead, or has left, nobody else is there.
            estate.leave(other)?;
            possible = vec![NEW];
        } else if self.beside == Beside::Changes {
            estate.change()?;
            possible = vec![NEWER];
        }
        estate.must_be("after it", &possible)?;
        estate.afterwards(is_killed)
    }

    /// Beside the stopped process; gives what the file may have then, and if it is killed.
    fn beside_stopped(
        &self,
        estate: &Estate,
        actor: &Process,
        other: Option<MemberId>,
        before: Vec<Contents>,
    ) -> Outcome<Vec<Contents>> {
        let (is_awaited, is_host) = estate.stands(actor);
        let claimed = come_and_go(estate.segment(), &[actor.pid()])?;
        if claimed == is_host {
            return Err(format!("claimed: {claimed}, beside the host: {is_host}"));
        }
        let possible = match (self.beside, is_awaited) {
            // It leaves that to the one that is stopped.
            (Beside::Nothing | Beside::File, _) | (_, true) => before,
            (Beside::Leaves, false) => vec![NEW],
            (Beside::Changes, false) => vec![NEWER],
        };
        match other {
            Some(other) => estate.leave(other)?,
            None if self.beside == Beside::Changes && !estate.is_latched(actor) => {
                estate.change()?;
            }
            None => {}
        }
        estate.must_be("beside it", &possible)?;
        Ok(possible)
    }
}
