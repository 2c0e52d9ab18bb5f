//! The hub's hands: a thread that mends what the dead have left and gives memory back.
//!
//! Mending may have to wait for a latch, so it has a thread of its own, and admission waits for
//! none of it. Only this thread uses the hub's own member slot.

use super::io::Guest;
use super::message::{Reply, to_bytes};
use super::shared::{Opened, Shared};
use super::trim::Trim;
use crate::error::Result;
use crate::lru::Lru;
use crate::os::process::ProcessId;
use crate::repair;
use crate::segment::Segment;
use crate::segment::members::{self, MemberId, MemberInfo};
use crate::store::{Store, Sweep};
use crate::wake;
use crossbeam_channel::{Receiver, Sender};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

/// Looking for memory to give back takes at most this part of the time, however large the segment.
const TRIM_REST: u32 = 50;
/// Expired entries of the cache that are removed in a tick.
const EXPIRED_PER_TICK: u32 = 10_000;
/// Buckets of values that are looked at in a tick for what has ended, and how many at a time. As long
/// as every fourth one had something, it goes on.
const BUCKETS_PER_TICK: u64 = 1 << 16;
const BUCKETS_AT_A_TIME: u64 = 1 << 10;

/// Something to do.
#[derive(Debug)]
pub(super) enum Job {
    /// Mend what this process left, whose death is proven.
    Death(ProcessId),
    /// Look for other dead members than the processes in the set, which are watched.
    Sweep(HashSet<ProcessId>),
    /// Mend after all who are dead, for somebody who found no free slot.
    MakeRoom(Asker),
    /// Free what the cache has no use for any more, and give back memory that has not been used for
    /// a while.
    Tidy,
}

/// Who asked for room, and is told when there may be some.
#[derive(Debug)]
pub(super) enum Asker {
    /// Another process.
    Guest(Arc<Guest>),
    /// This one.
    Local(Sender<u64>),
}

/// What has become of a job that may have to be done again.
#[derive(Debug)]
pub(super) struct Done {
    /// Whose death it was about.
    pub(super) process: ProcessId,
    /// Whether all that it left is mended.
    pub(super) is_mended: bool,
}

/// Does jobs until nobody gives any more.
pub(super) fn run(shared: &Shared, jobs: &Receiver<Job>, done: &Sender<Done>) {
    let mut trim = Trim::default();
    let mut ends = Sweep::default();
    let mut next_trim = Instant::now();
    for job in jobs {
        // Without a segment there is nothing to mend; whoever asks for room has one.
        let Some(opened) = shared.opened() else {
            continue;
        };
        let Opened { segment, me, .. } = opened;
        match job {
            Job::Death(process) => {
                let is_mended = mend(segment, *me, |info| is_of(info, process)).is_ok();
                let _ = done.send(Done { process, is_mended });
            }
            Job::Sweep(watched) => {
                let result =
                    mend(segment, *me, |info| info.has_left || !watched.contains(&info.process));
                if let Err(Some(process)) = result {
                    let _ = done.send(Done { process, is_mended: false });
                }
            }
            Job::MakeRoom(asker) => asker.tell(mend(segment, *me, |_| true).unwrap_or(0)),
            Job::Tidy => {
                // What is not freed now is found again at the next tick.
                let is_idle = || jobs.is_empty();
                let _ = sweep(&Lru::new(Arc::clone(segment), *me), is_idle);
                let _ = sweep_ended(&Store::new(Arc::clone(segment), *me), &mut ends, is_idle);
                if Instant::now() < next_trim {
                    continue;
                }
                let start = Instant::now();
                // Memory that is not given back now is found again at the next tick.
                let _ = trim.tick(segment, *me, || jobs.is_empty());
                next_trim = Instant::now() + start.elapsed() * TRIM_REST;
            }
        }
    }
    shared.resign();
}

/// Removes what has expired from the cache, and frees what former caches have left, in small steps
/// for as long as nothing else is to be done.
fn sweep(lru: &Lru, is_idle: impl Fn() -> bool) -> Result<()> {
    lru.sweep_expired(EXPIRED_PER_TICK)?;
    while is_idle() && lru.sweep_old()? {}
    Ok(())
}

/// Removes values that have ended.
fn sweep_ended(store: &Store, sweep: &mut Sweep, is_idle: impl Fn() -> bool) -> Result<()> {
    let mut looked = 0;
    while is_idle() {
        let swept = store.sweep_ended(sweep, BUCKETS_AT_A_TIME)?;
        looked += BUCKETS_AT_A_TIME;
        let is_rich = swept.removed * 4 >= BUCKETS_AT_A_TIME;
        if swept.is_around || looked >= BUCKETS_PER_TICK && !is_rich {
            break;
        }
    }
    Ok(())
}

impl Asker {
    fn tell(self, freed: u64) {
        // Who has gone away in the meantime wants no answer.
        match self {
            Self::Guest(guest) => {
                let reply = to_bytes(&Reply::Mended { freed });
                let _ = guest.connection.send(&reply, &[]);
            }
            Self::Local(sender) => {
                let _ = sender.send(freed);
            }
        }
    }
}

/// Mends after the dead among the chosen members, and tells everybody if there were any: some may
/// have waited for one of them. Gives how many there were, or else the process at which it stopped.
fn mend(
    segment: &Segment,
    me: MemberId,
    choose: impl Fn(&MemberInfo) -> bool,
) -> Result<u64, Option<ProcessId>> {
    let mut freed = 0;
    let mut stopped_at = None;
    for info in members::all(segment.region(), segment.layout()).map_err(|_| None)? {
        if info.id == me || !choose(&info) || !info.is_dead() {
            continue;
        }
        if repair::mend(segment, me, info.id).is_err() {
            // The next one would meet the same stopped member.
            stopped_at = Some(info.process);
            break;
        }
        freed += 1;
    }
    // Who could not be mended wholly may have had its changes finished, which nobody was told of.
    if freed > 0 || stopped_at.is_some() {
        wake::rouse_all(segment, wake::REPAIRED).map_err(|_| None)?;
    }
    match stopped_at {
        None => Ok(freed),
        process => Err(process),
    }
}

/// Whether a member is, or may be, of this process: one that died while it joined had not yet said
/// when it started.
pub(super) fn is_of(info: &MemberInfo, process: ProcessId) -> bool {
    info.process.pid == process.pid && [0, process.start_time].contains(&info.process.start_time)
}
