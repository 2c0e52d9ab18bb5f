//! The processes that go on while another is killed or stopped: two that read and one that writes.
//! Each judges for itself all that it sees, and ends with a message if something is wrong.

use super::content::{Content, key, name};
use super::control::{Cell, Control, Kind, Target, WRITER, Written};
use super::processes::{follow_the_runner, inherited, variable};
use cluster_shared_memory::error::Error;
use cluster_shared_memory::os::process::ProcessId;
use cluster_shared_memory::segment::{Segment, members};
use cluster_shared_memory::store::{Scratch, Store};
use cluster_shared_memory::sync::Ordering;
use rustix::time::{ClockId, clock_gettime};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longest time that a call may take while nobody has what it needs. A process that gets no
/// processor is late without being stuck: hence so much time of its own as well.
const LONGEST_CALL: Duration = Duration::from_millis(100);
const LONGEST_WORK: Duration = Duration::from_millis(30);
/// No call takes longer than this, however noisy the machine.
const LONGEST_AT_ALL: Duration = Duration::from_secs(2);
/// A writer is told after one second that an owner does not let go.
const SHORTEST_BUSY: Duration = Duration::from_millis(900);
const LONGEST_BUSY: Duration = Duration::from_millis(1500);
/// Operations between two naps: there are fewer processors than processes.
const BURST: u32 = 12;
const NAP: Duration = Duration::from_micros(60);

/// Attaches to the segment that the runner has made.
pub(crate) fn attach() -> Segment {
    Segment::attach(inherited("CRASH_SEGMENT").into()).unwrap()
}

/// Becomes a member.
pub(crate) fn join(segment: Segment) -> Store {
    let process = ProcessId::current();
    let me = members::join(segment.region(), segment.layout(), process, 0).unwrap();
    Store::new(Arc::new(segment), me)
}

pub(crate) fn control() -> Control {
    Control::map(inherited("CRASH_CONTROL").into())
}

/// A process that goes on for ever.
struct Bystander {
    store: Store,
    control: Control,
    who: u64,
    random: u64,
    scratch: Scratch,
}

impl Bystander {
    fn start() -> Self {
        follow_the_runner();
        let who = variable("CRASH_WHO").parse().unwrap();
        Self {
            store: join(attach()),
            control: control(),
            who,
            random: 0x9e37_79b9 + who,
            scratch: Scratch::default(),
        }
    }

    /// Stands still for as long as the runner wants it; `true` if it did.
    fn pause(&self) -> bool {
        if self.control.get(Cell::Pause) == 0 {
            return false;
        }
        self.control.set_of(Cell::Paused, self.who, 1);
        while self.control.get(Cell::Pause) != 0 {
            std::thread::sleep(NAP);
        }
        self.control.set_of(Cell::Paused, self.who, 0);
        true
    }

    fn nap(&self) {
        self.control.count(Cell::Done, self.who);
        std::thread::sleep(NAP);
    }

    /// `xorshift64` (Marsaglia, 2003).
    fn any_of(&mut self, count: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random % count as u64) as usize
    }

    fn read(&mut self, id: u64) -> Content {
        let watch = Watch::start();
        let content = Content::get(&self.store, id, &mut self.scratch);
        watch.stop(&self.control, self.who);
        content.unwrap_or_else(|message| panic!("reader {}: {message}", self.who))
    }
}

/// Times one call, by the clock and by the processor.
struct Watch {
    since: Instant,
    worked: Duration,
}

impl Watch {
    fn start() -> Self {
        Self { since: Instant::now(), worked: worked() }
    }

    fn stop(self, control: &Control, who: u64) {
        let (took, worked) = (self.since.elapsed(), worked().saturating_sub(self.worked));
        control.at_least(Cell::Slowest, who, took.as_micros() as u64);
        let is_stuck = took > LONGEST_CALL && worked > LONGEST_WORK || took > LONGEST_AT_ALL;
        assert!(!is_stuck, "{who}: a call took {took:?}, {worked:?} of it work");
    }
}

fn worked() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Reads the keys under test again and again, and all others in between.
pub(crate) fn read() {
    let mut me = Bystander::start();
    loop {
        me.pause();
        let targets = me.control.targets();
        let mut has_changed = vec![false; targets.len()];
        let statics = me.control.statics();
        let written = me.control.written();
        while !me.pause() {
            for round in 0..BURST {
                if round % 2 == 0 && !targets.is_empty() {
                    let index = me.any_of(targets.len());
                    let content = me.read(targets[index].id);
                    judge_target(&targets[index], content, &mut has_changed[index]);
                    me.control.count(Cell::TargetReads, me.who);
                } else if round % 4 == 1 {
                    let (id, content) = statics[me.any_of(statics.len())];
                    assert_eq!(me.read(id), content, "a key that nobody changes");
                } else {
                    let index = me.any_of(written.len());
                    me.read_written(index, written[index]);
                }
            }
            me.nap();
        }
    }
}

/// The old value or the new one, and never the old one again.
fn judge_target(target: &Target, content: Content, has_changed: &mut bool) {
    if content == target.new {
        *has_changed = true;
        return;
    }
    assert_eq!(content, target.old, "neither the old value nor the new one");
    assert!(!*has_changed, "the old value came back: {content:?}");
}

impl Bystander {
    fn read_written(&mut self, index: usize, written: Written) {
        let done = self.control.done(index).load(Ordering::Acquire);
        let content = self.read(written.id);
        let attempted = self.control.attempted(index).load(Ordering::Acquire);
        assert!(
            written.may_hold(content, done, attempted),
            "{written:?} held {content:?} at change {done} to {attempted}"
        );
    }

    /// Makes the next change of a key; a change that fails is made again the next time.
    fn change(&mut self, index: usize, written: Written) {
        let attempted = self.control.done(index).load(Ordering::Acquire) + 1;
        self.control.attempted(index).store(attempted, Ordering::Release);
        let watch = Watch::start();
        let result = match written.kind {
            // By turns added to and set.
            Kind::Number if attempted % 2 == 1 => {
                let name = name(written.id);
                let sum = self.store.incr(&key(&self.store, &name), 1.0);
                sum.map(|sum| assert_eq!(Content::Number(sum), written.content(attempted)))
            }
            _ => written.content(attempted).put(&self.store, written.id),
        };
        match result {
            Ok(()) => {
                self.control.done(index).store(attempted, Ordering::Release);
                if written.is_home {
                    self.control.count(Cell::HomeWrites, 0);
                }
            }
            Err(Error::Busy { .. }) => self.judge_busy(&watch),
            Err(Error::OutOfMemory { .. }) if self.control.get(Cell::Tight) != 0 => {}
            Err(error) => panic!("writer: {written:?}: {error}"),
        }
    }

    fn judge_busy(&self, watch: &Watch) {
        let took = watch.since.elapsed();
        self.control.count(Cell::Busies, 0);
        self.control.at_least(Cell::SlowestBusy, 0, took.as_micros() as u64);
        assert!((SHORTEST_BUSY..LONGEST_BUSY).contains(&took), "busy after {took:?}");
    }
}

/// Changes its keys one after the other.
pub(crate) fn write() {
    let mut me = Bystander::start();
    assert_eq!(me.who, WRITER);
    loop {
        me.pause();
        let written = me.control.written();
        while !me.pause() {
            for _ in 0..BURST {
                let index = me.any_of(written.len());
                let is_calm = me.control.get(Cell::Calm) != 0;
                let stirs = written[index].is_home || written[index].kind == Kind::Long;
                if !(is_calm && stirs) {
                    me.change(index, written[index]);
                }
                if me.control.get(Cell::Pause) != 0 {
                    break;
                }
            }
            me.nap();
        }
    }
}
