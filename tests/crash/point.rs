//! One point: a process is killed or stopped before a chosen store, and everybody else goes on.

use super::actor::Act;
use super::content::Content;
use super::control::Cell;
use super::image::Image;
use super::judge::Plan;
use super::labels::classify;
use super::processes::{Change, Process};
use super::rows::{Dry, Row};
use super::scene::{ELSEWHERE, HOME, Outcome, Scene};
use cluster_shared_memory::error::{Error, Result as Answer};
use cluster_shared_memory::latch::{self, Patient};
use cluster_shared_memory::repair;
use cluster_shared_memory::segment::layout::{domain, header};
use cluster_shared_memory::segment::region::Offset;
use cluster_shared_memory::wake;
use rustix::process::Signal;
use std::time::{Duration, Instant};

/// What happens at the point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variant {
    Kill,
    StopThenContinue,
    StopThenKill,
}

impl Variant {
    pub(crate) const ALL: [Self; 3] = [Self::Kill, Self::StopThenContinue, Self::StopThenKill];
}

/// Where the process was caught.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Visit {
    /// Before the store that was meant.
    Hit,
    /// Before another, for a bystander made the operation take another way.
    Shifted,
    /// Not at all: the operation had come to its end.
    Finished,
}

/// The longest waits of all points.
#[derive(Debug, Default)]
pub(crate) struct Records {
    pub(crate) recoveries: Vec<Duration>,
    pub(crate) mending: Duration,
    pub(crate) full_waits: Vec<&'static str>,
}

/// Patience of a probe at a latch whose owner is stopped.
const PROBE: Duration = Duration::from_millis(2);
/// A probe's answer must come within this; and from a death on, writers of the same shard wait for no
/// longer. Both take a millisecond or two, but many processes share few processors. Who noticed no
/// death, or took no notice of its own patience, would wait for a whole second.
const PROBE_LIMIT: Duration = Duration::from_millis(500);
const RECOVERY_LIMIT: Duration = Duration::from_millis(500);
/// Points at which the whole patience of a writer is waited for, once in a run.
const FULL_WAITS: [&str; 3] = ["shard.seal", "shard.clear", "pages.clear"];

/// One point, under way.
pub(crate) struct Point<'s> {
    pub(crate) scene: &'s mut Scene,
    pub(crate) row: &'s Row,
    pub(crate) image: &'s Image,
    pub(crate) dry: &'s Dry,
    pub(crate) fuel: u64,
    pub(crate) records: &'s mut Records,
}

impl Point<'_> {
    pub(crate) fn run(&mut self, variant: Variant) -> Outcome<Visit> {
        self.scene.rewind(self.image)?;
        let is_calm = u64::from(self.row.is_calm);
        self.scene.control.set(Cell::Calm, is_calm);
        let then = if variant == Variant::Kill { "kill" } else { "stop" };
        let mut actor = self.scene.set_up(self.row, then, self.fuel)?;
        let mut plan = Plan::new(self.scene, self.row.act, self.row.fails);
        self.scene.resume()?;
        self.scene.go();
        let change = self.wait(&mut actor)?;
        let visit = self.visit(change);
        let mut seen = vec![false; self.scene.targets.len()];
        match (change, variant) {
            (Change::Exited(0), _) | (Change::Killed, Variant::Kill) => {}
            (Change::Stopped, Variant::StopThenContinue) => {
                self.while_stopped(&actor, &mut seen, &mut plan)?;
                self.scene.contend_beside(self.row, false)?;
                actor.signal(Signal::CONT);
                self.expect(&mut actor, Change::Exited(0))?;
            }
            (Change::Stopped, Variant::StopThenKill) => {
                self.while_stopped(&actor, &mut seen, &mut plan)?;
                self.scene.contend_beside(self.row, true)?;
                if !self.holds(header::PAGES_DOMAIN) && !self.holds_shard(ELSEWHERE) {
                    self.scene.steal()?;
                }
                actor.signal(Signal::KILL);
                self.expect(&mut actor, Change::Killed)?;
            }
            _ => return Err(format!("the process has {change:?}")),
        }
        let is_done = matches!(change, Change::Exited(_)) || variant == Variant::StopThenContinue;
        if is_done && self.scene.control.get(Cell::Returned) != self.row.returns() {
            return Err("the operation returned something else".into());
        }
        if variant == Variant::Kill {
            self.scene.contend_after(self.row, is_done)?;
        }
        self.aftermath(&mut plan, is_done)?;
        if variant != Variant::Kill {
            self.scene.contend_after(self.row, is_done)?;
        }
        super::check::check(self.scene, self.row, &seen, is_done)?;
        plan.judge(self.scene, self.row, is_done)?;
        Ok(visit)
    }

    fn wait(&mut self, actor: &mut Process) -> Outcome<Change> {
        let change = actor.wait(Duration::from_secs(8));
        self.scene.check_bystanders()?;
        change.ok_or_else(|| "the operation is stuck".into())
    }

    fn expect(&mut self, actor: &mut Process, expected: Change) -> Outcome {
        let change = self.wait(actor)?;
        if change == expected {
            return Ok(());
        }
        Err(format!("the process has {change:?}, not {expected:?}"))
    }

    fn visit(&self, change: Change) -> Visit {
        if matches!(change, Change::Exited(_)) {
            return Visit::Finished;
        }
        let segment = self.scene.store.segment();
        let meant = self.dry.trace.get(self.fuel as usize);
        let trace = self.scene.control.trace();
        let kind = |offset: &u64| classify(segment, self.image, *offset);
        if trace.last().map(kind) == meant.map(kind) { Visit::Hit } else { Visit::Shifted }
    }

    /// What must be possible beside a stopped process.
    fn while_stopped(&mut self, actor: &Process, seen: &mut [bool], plan: &mut Plan) -> Outcome {
        self.readers_go_on(10)?;
        // Whoever was lapped needs the latch, and would wait for it here as writers do.
        if !(self.row.may_lap() && self.holds_shard(HOME)) {
            for player in &mut self.scene.cast.players {
                player.look(u64::MAX)?;
            }
        }
        for (index, seen) in seen.iter_mut().enumerate() {
            let target = self.scene.targets[index];
            let content = self.scene.read(target.id)?;
            *seen = content == target.new;
            if !*seen && content != target.old {
                return Err(format!("beside the stopped one: {content:?}"));
            }
        }
        if self.row.act == Act::Join {
            return Ok(());
        }
        for probe in 0..self.scene.probes.len() {
            let shard = self.scene.probes[probe].0;
            if self.holds_shard(shard) {
                let base = self.scene.store.segment().layout().shard(shard);
                self.must_be_busy(base, actor)?;
            } else {
                self.must_be_free(probe)?;
            }
        }
        if self.holds(header::PAGES_DOMAIN) {
            self.must_be_busy(header::PAGES_DOMAIN, actor)?;
        }
        if !self.holds_shard(HOME) {
            plan.meanwhile(self.scene, self.row.meanwhile)?;
        }
        self.wait_in_full(actor)
    }

    /// A latch of the stopped process: who wants it is told whose it is, and in time.
    fn must_be_busy(&self, base: Offset, actor: &Process) -> Outcome {
        let (segment, me) = (self.scene.store.segment(), self.scene.store.member());
        let since = Instant::now();
        let mut patient = Patient::new(segment, me, PROBE);
        let result = latch::acquire(segment.region(), base, &mut patient).map(drop);
        judge_busy(&result, actor.pid(), since.elapsed(), PROBE..PROBE_LIMIT)
    }

    /// A shard whose latch the stopped process does not have: everything goes on.
    fn must_be_free(&mut self, probe: usize) -> Outcome {
        let since = Instant::now();
        self.probe(probe)?;
        if since.elapsed() > PROBE_LIMIT {
            return Err(format!("a free shard took {:?}", since.elapsed()));
        }
        Ok(())
    }

    /// Changes a key of the runner's own, and takes a lock of its own.
    fn probe(&mut self, probe: usize) -> Outcome {
        let (_, id, old) = self.scene.probes[probe];
        self.scene.probe_lock(probe)?;
        let Content::Bytes { length, seed } = old else {
            return Err("no probe".into());
        };
        let new = Content::bytes(length, seed + 1);
        new.put(&self.scene.store, id).map_err(|error| format!("a probe: {error}"))?;
        self.scene.probes[probe].2 = new;
        Ok(())
    }

    /// Once in a run for each kind of place: a writer waits a second and is then told why.
    fn wait_in_full(&mut self, actor: &Process) -> Outcome {
        let label = self.dry.labels.get(self.fuel as usize);
        let Some(label) = FULL_WAITS.into_iter().find(|one| label.is_some_and(|it| it == one))
        else {
            return Ok(());
        };
        let base = if label.starts_with("pages") {
            header::PAGES_DOMAIN
        } else {
            self.scene.store.segment().layout().shard(HOME)
        };
        // In a calm row the writer would not come there, or there is no memory to be had.
        let is_due = !self.row.is_calm && !self.records.full_waits.contains(&label);
        if !is_due || !self.holds(base) {
            return Ok(());
        }
        self.records.full_waits.push(label);
        let busies = self.scene.control.get(Cell::Busies);
        let since = Instant::now();
        // Long: it needs pages before it needs the shard.
        let result = Content::bytes(9000, 0).put(&self.scene.store, self.scene.probes[0].1);
        let (least, most) = (latch::PATIENCE, latch::PATIENCE + Duration::from_millis(500));
        judge_busy(&result, actor.pid(), since.elapsed(), least..most)?;
        // The writer has come there too, and judges its own wait.
        let is_so = |scene: &Scene| scene.control.get(Cell::Busies) > busies;
        self.scene.until("a writer at a stopped one's latch", is_so).map(drop)
    }

    fn holds_shard(&self, shard: u64) -> bool {
        self.holds(self.scene.store.segment().layout().shard(shard))
    }

    fn holds(&self, base: Offset) -> bool {
        let owner = self.scene.word(base.add(domain::LATCH));
        owner != 0 && owner == self.scene.control.get(Cell::Actor)
    }

    fn readers_go_on(&mut self, reads: u64) -> Outcome {
        let count = |scene: &Scene, who| scene.control.get_of(Cell::TargetReads, who);
        let before = [0, 1].map(|who| count(self.scene, who));
        let is_so = |scene: &Scene| {
            [0, 1].iter().all(|who| count(scene, *who) >= before[*who as usize] + reads)
        };
        self.scene.until("a reader", is_so).map(drop)
    }

    /// After the end of the process: everybody goes on at once, and what is left is mended.
    fn aftermath(&mut self, plan: &mut Plan, is_done: bool) -> Outcome {
        let since = Instant::now();
        self.scene.control.set(Cell::Calm, 0);
        self.probe(0)?;
        let recovery = since.elapsed();
        self.records.recoveries.push(recovery);
        if recovery > RECOVERY_LIMIT {
            return Err(format!("the shard was free only after {recovery:?}"));
        }
        self.look_at_locks(plan, is_done)?;
        self.readers_go_on(4)?;
        let writes = self.scene.control.get(Cell::HomeWrites) + 2;
        let is_so = |scene: &Scene| scene.control.get(Cell::HomeWrites) >= writes;
        self.scene.until("the writer", is_so)?;
        self.mend()?;
        self.scene.pause()
    }

    /// Whether the operation on locks has happened; nobody mends meanwhile.
    fn look_at_locks(&mut self, plan: &mut Plan, is_done: bool) -> Outcome {
        let (segment, me) = (self.scene.store.segment(), self.scene.store.member());
        if !self.scene.cast.names.is_empty() {
            for shard in 0..segment.layout().shards {
                drop(latch::hold(segment, segment.layout().shard(shard), me));
            }
        }
        plan.choose(self.scene, is_done)?;
        if is_done { plan.check_told(self.scene, self.row) } else { Ok(()) }
    }

    fn mend(&mut self) -> Outcome {
        let (segment, me) = (self.scene.store.segment().clone(), self.scene.store.member());
        let since = Instant::now();
        repair::mend_the_dead(&segment, me).map_err(|error| said(&error))?;
        wake::rouse_all(&segment, wake::REPAIRED).map_err(|error| said(&error))?;
        self.records.mending = self.records.mending.max(since.elapsed());
        Ok(())
    }
}

fn said(error: &Error) -> String {
    format!("mending: {error}")
}

fn judge_busy(
    result: &Answer<()>,
    owner: u32,
    took: Duration,
    range: std::ops::Range<Duration>,
) -> Outcome {
    let is_told = matches!(result, Err(Error::Busy { pid, state: "stopped" }) if *pid == owner);
    if is_told && range.contains(&took) {
        return Ok(());
    }
    Err(format!("at the latch of a stopped one: {result:?} after {took:?}"))
}
