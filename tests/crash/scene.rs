//! The segment under test, who lives in it, and how it is set back to where a point begins.

use super::actor::Act;
use super::cast::Cast;
use super::content::{Content, key, name};
use super::control::{BYSTANDERS, Cell, Control, Kind, Target, WRITER, Written};
use super::parts::Told;
use super::processes::Process;
use cluster_shared_memory::error::Error;
use cluster_shared_memory::heap::pages;
use cluster_shared_memory::os::process::ProcessId;
use cluster_shared_memory::segment::layout::{PAGE, shard, table};
use cluster_shared_memory::segment::{members, region::Offset};
use cluster_shared_memory::store::{self, Scratch, Store};
use cluster_shared_memory::sync::Ordering;
use cluster_shared_memory::table::{bucket_of, shard_of};
use rustix::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What is wrong, in words.
pub(crate) type Outcome<T = ()> = Result<T, String>;

/// The shard that operations under test work in.
pub(crate) const HOME: u64 = 1;
/// The shard that holds what fills the segment, and what takes pages away from others.
pub(crate) const ELSEWHERE: u64 = 0;
/// Pages that are left when the segment is filled up; few, so that all can be taken in no time.
const FREE_PAGES: u64 = 400;
/// No wait for another process is longer.
const WATCHDOG: Duration = Duration::from_secs(5);

/// Everything that the runner holds.
pub(crate) struct Scene {
    pub(crate) store: Store,
    pub(crate) control: Control,
    pub(crate) cast: Cast,
    bystanders: Vec<Process>,
    segment_fd: OwnedFd,
    control_fd: OwnedFd,
    next_id: u64,
    /// Keys that nobody changes.
    pub(crate) statics: Vec<(u64, Content)>,
    /// Pages of long values that nobody changes and everybody leaves alone.
    pub(crate) ballast: Vec<std::ops::Range<u64>>,
    pub(crate) targets: Vec<Target>,
    pub(crate) written: Vec<Written>,
    /// Keys that the runner changes while others are stopped: shard, id, content.
    pub(crate) probes: [(u64, u64, Content); 2],
    /// How many keys the ballast belongs to.
    pub(crate) ballast_keys: u64,
    /// Long values that took all pages there were.
    pub(crate) thieves: Vec<(u64, Content)>,
    thief_ids: Vec<u64>,
    pub(crate) next_thief: usize,
    pub(crate) scratch: Scratch,
    /// How often everything was set back.
    pub(crate) rewinds: u32,
    /// Before which of its stores the victim of the row dies.
    pub(crate) victim_at: u64,
}

impl Scene {
    /// A segment with bystanders that stand still.
    pub(crate) fn new() -> Self {
        let segment = store::create(16 << 20).unwrap();
        let process = ProcessId::current();
        let me = members::join(segment.region(), segment.layout(), process, 0).unwrap();
        // Without close-on-exec: for the processes that are started from here.
        let segment_fd = rustix::io::dup(segment.file()).unwrap();
        let control = Control::create();
        let control_fd = rustix::io::dup(control.file()).unwrap();
        let segment = Arc::new(segment);
        let mut scene = Self {
            cast: Cast::new(&segment),
            store: Store::new(segment, me),
            control,
            bystanders: Vec::new(),
            segment_fd,
            control_fd,
            next_id: 0,
            statics: Vec::new(),
            ballast: Vec::new(),
            targets: Vec::new(),
            written: Vec::new(),
            probes: [HOME, 2].map(|shard| (shard, 0, Content::bytes(300, 0))),
            ballast_keys: 0,
            thieves: Vec::new(),
            thief_ids: Vec::new(),
            next_thief: 0,
            scratch: Scratch::default(),
            rewinds: 0,
            victim_at: 0,
        };
        scene.settle();
        scene.control.set(Cell::Pause, 1);
        for who in 0..BYSTANDERS {
            let role = if who == WRITER { "writer" } else { "reader" };
            let process = scene.start(role, &[("CRASH_WHO", who.to_string())]);
            scene.bystanders.push(process);
        }
        scene.pause().unwrap();
        scene
    }

    /// What is there in each row: keys of all kinds, buckets enough, and not too much free memory.
    fn settle(&mut self) {
        for shard in 0..4 {
            self.make_room(shard);
            for length in [100, 1000, 9000] {
                let id = self.name_in(shard);
                self.put_static(id, Content::bytes(length, id));
            }
            let id = self.name_in(shard);
            self.put_static(id, Content::Number(0.5));
        }
        for (shard, kind) in
            [HOME, 2, 3].into_iter().flat_map(|shard| Kind::ALL.map(|kind| (shard, kind)))
        {
            let id = self.name_in(shard);
            let is_home = shard == HOME;
            self.written.push(Written { id, kind, is_home });
            self.written.last().unwrap().content(0).put(&self.store, id).unwrap();
        }
        self.control.set_statics(&self.statics);
        self.control.set_written(&self.written);
        for index in 0..self.probes.len() {
            let (shard, _, content) = self.probes[index];
            let id = self.name_in(shard);
            self.probes[index].1 = id;
            content.put(&self.store, id).unwrap();
        }
        for probe in 0..self.probes.len() {
            self.probe_lock(probe).unwrap();
        }
        self.thief_ids = (0..700).map(|_| self.name_in(ELSEWHERE)).collect();
        self.fill_up();
    }

    /// Buckets and blocks of a shard that no operation needs to make.
    fn make_room(&mut self, shard: u64) {
        // Keys that were there leave their buckets behind: no split by accident.
        let ids: Vec<u64> = (0..80).map(|_| self.name_in(shard)).collect();
        for content in [Content::Number(1.0), Content::Absent] {
            for id in &ids {
                content.put(&self.store, *id).unwrap();
            }
        }
        // And free blocks for long values, so that the writer's leave the way to one as it is.
        let ids: Vec<u64> = (0..6).map(|_| self.name_in(shard)).collect();
        for content in [Content::bytes(5000, 1), Content::Absent] {
            for id in &ids {
                content.put(&self.store, *id).unwrap();
            }
        }
    }

    fn fill_up(&mut self) {
        loop {
            let free = self.store.stats().unwrap().bytes.free / PAGE;
            let Some(pages) = free.checked_sub(FREE_PAGES).map(|pages| pages.min(700)) else {
                break;
            };
            if pages < 50 {
                break;
            }
            let id = self.name_in(ELSEWHERE);
            let content = Content::bytes((pages * PAGE) as usize, id);
            content.put(&self.store, id).unwrap();
            self.ballast_keys += 1;
            let runs = super::image::runs(self.store.segment());
            self.ballast.extend(runs.into_iter().filter(|run| run.end - run.start == pages));
        }
        assert!(!self.ballast.is_empty());
        self.ballast.sort_unstable_by_key(|run| run.start);
        self.ballast.dedup();
        self.divide();
    }

    /// Divides the free pages in two: the writer's long values come and go in the front half, and
    /// operations under test find the other one as it was.
    fn divide(&mut self) {
        let front = self.name_in(ELSEWHERE);
        let half = Content::bytes((FREE_PAGES / 2 * PAGE) as usize, front);
        half.put(&self.store, front).unwrap();
        let segment = self.store.segment().clone();
        let known = super::image::runs(&segment);
        let id = self.name_in(ELSEWHERE);
        pages::suggest(&segment, known.last().unwrap().end, 3).unwrap();
        self.put_static(id, Content::bytes(9000, id));
        let runs = super::image::runs(&segment);
        let divider = runs.iter().find(|run| !known.contains(run)).unwrap();
        assert!(divider.start >= known.last().unwrap().end);
        Content::Absent.put(&self.store, front).unwrap();
        for power in 0..8 {
            let at = if power < 2 { known.last().unwrap().start } else { divider.end };
            pages::suggest(&segment, at, 1 << power).unwrap();
        }
    }

    /// A key that nobody changes.
    pub(crate) fn put_static(&mut self, id: u64, content: Content) {
        content.put(&self.store, id).unwrap();
        self.statics.push((id, content));
    }

    /// The id of a key in that shard that nobody watches.
    pub(crate) fn name_in(&mut self, shard: u64) -> u64 {
        self.name_where(shard, |_, hash| hash >> 48 & 32 == 0)
    }

    /// The id of a key in the shard under test that may be watched without anybody else's being so,
    /// nor those that were found before.
    pub(crate) fn name_watched(&mut self, before: &[u64]) -> u64 {
        self.name_where(HOME, |scene, hash| {
            let is_as = |id: &u64| scene.hash_of(*id) >> 48 & 63 == hash >> 48 & 63;
            hash >> 48 & 32 != 0 && !before.iter().any(is_as)
        })
    }

    /// The id of a key whose chain is empty, or is not.
    pub(crate) fn name_in_chain(&mut self, is_empty: bool) -> u64 {
        self.name_where(HOME, |scene, hash| {
            let bucket = bucket_of(hash, scene.home(shard::BUCKETS));
            let at = scene.store.segment().layout().table(HOME).buckets.word(bucket);
            hash >> 48 & 32 == 0 && (scene.word(at) == 0) == is_empty
        })
    }

    /// The id of a key in the bucket whose turn it is to be split.
    pub(crate) fn name_to_split(&mut self) -> u64 {
        self.name_where(HOME, |scene, hash| {
            let buckets = scene.home(shard::BUCKETS);
            let turn = buckets - (1 << buckets.ilog2());
            hash >> 48 & 32 == 0 && bucket_of(hash, buckets) == turn
        })
    }

    /// The id of a lock among others, as `fits` says of its hash and the number of buckets.
    pub(crate) fn name_of_lock(&mut self, fits: impl Fn(u64, u64) -> bool) -> u64 {
        self.name_where(HOME, |scene, hash| {
            let buckets = scene.home(shard::LOCK_TABLE + table::BUCKETS);
            hash >> 48 & 32 == 0 && fits(hash, buckets)
        })
    }

    fn name_where(&mut self, shard: u64, fits: impl Fn(&Self, u64) -> bool) -> u64 {
        loop {
            self.next_id += 1;
            let hash = self.hash_of(self.next_id);
            if shard_of(self.store.segment(), hash) == shard && fits(self, hash) {
                return self.next_id;
            }
        }
    }

    pub(crate) fn hash_of(&self, id: u64) -> u64 {
        key(&self.store, &name(id)).hash()
    }

    /// A key under test, with its old value in place.
    pub(crate) fn target(&mut self, id: u64, old: Content, new: Content) {
        if old.is_present() {
            old.put(&self.store, id).unwrap();
        }
        self.targets.push(Target { id, old, new });
        self.control.set_targets(&self.targets);
    }

    /// Takes a lock that nobody has, and lets go of it.
    pub(crate) fn probe_lock(&mut self, probe: usize) -> Outcome {
        let id = self.probes[probe].1;
        let prober = self.cast.prober();
        let told = prober.ask(id).and_then(|(told, _)| Ok((told, prober.release(id)?.0)));
        if told == Ok((Told::Granted, Told::Done)) {
            return Ok(());
        }
        Err(format!("a lock that is free: {told:?}"))
    }

    pub(crate) fn word(&self, at: Offset) -> u64 {
        let region = self.store.segment().region();
        region.load(at, Ordering::Acquire).unwrap()
    }

    /// A word of the shard under test.
    pub(crate) fn home(&self, field: u64) -> u64 {
        self.word(self.store.segment().layout().shard(HOME).add(field))
    }

    pub(crate) fn read(&mut self, id: u64) -> Outcome<Content> {
        Content::get(&self.store, id, &mut self.scratch)
    }

    fn start(&self, role: &str, variables: &[(&str, String)]) -> Process {
        let mut all = vec![
            ("CRASH_SEGMENT", self.segment_fd.as_raw_fd().to_string()),
            ("CRASH_CONTROL", self.control_fd.as_raw_fd().to_string()),
        ];
        all.extend_from_slice(variables);
        Process::start(role, &all)
    }

    /// Starts a process that runs an operation, and ends as `then` says before store `fuel`.
    pub(crate) fn actor(&self, act: Act, then: &str, fuel: u64) -> Process {
        for cell in [Cell::Actor, Cell::Returned, Cell::Traced, Cell::Order, Cell::Obeyed] {
            self.control.set(cell, 0);
        }
        let variables = [
            ("CRASH_ACT", act.to_number().to_string()),
            ("CRASH_THEN", then.to_owned()),
            ("CRASH_FUEL", fuel.to_string()),
        ];
        self.start("actor", &variables)
    }

    /// Waits for something that must come, while no bystander may end.
    pub(crate) fn until(
        &mut self,
        what: &str,
        mut is_so: impl FnMut(&Self) -> bool,
    ) -> Outcome<Duration> {
        let since = Instant::now();
        while !is_so(self) {
            self.check_bystanders()?;
            if since.elapsed() > WATCHDOG {
                return Err(format!("stuck: {what}"));
            }
            std::thread::sleep(Duration::from_micros(30));
        }
        Ok(since.elapsed())
    }

    pub(crate) fn check_bystanders(&mut self) -> Outcome {
        for (who, process) in self.bystanders.iter_mut().enumerate() {
            if let Some(change) = process.look() {
                return Err(format!("bystander {who} has ended: {change:?}"));
            }
        }
        Ok(())
    }

    pub(crate) fn bystander_pids(&self) -> Vec<u32> {
        self.bystanders.iter().map(Process::pid).collect()
    }

    pub(crate) fn pause(&mut self) -> Outcome {
        self.control.set(Cell::Pause, 1);
        self.all_paused(1)
    }

    pub(crate) fn resume(&mut self) -> Outcome {
        self.control.set(Cell::Pause, 0);
        self.all_paused(0)
    }

    fn all_paused(&mut self, paused: u64) -> Outcome {
        let is_so = |scene: &Self| {
            (0..BYSTANDERS).all(|who| scene.control.get_of(Cell::Paused, who) == paused)
        };
        self.until("a bystander that pauses or goes on", is_so).map(drop)
    }

    /// Takes all free pages there are, for values of another shard.
    pub(crate) fn steal(&mut self) -> Outcome {
        self.control.set(Cell::Tight, 1);
        for pages in [64, 8, 1] {
            loop {
                let id = self.thief_ids[self.next_thief];
                let content = Content::bytes((pages * PAGE - 6) as usize, id);
                match content.put(&self.store, id) {
                    Ok(()) => {
                        self.thieves.push((id, content));
                        self.next_thief += 1;
                    }
                    Err(Error::OutOfMemory { .. }) => break,
                    Err(error) => return Err(format!("taking pages: {error}")),
                }
            }
        }
        Ok(())
    }
}
