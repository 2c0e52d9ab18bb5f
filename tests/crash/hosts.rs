//! Who hosts the hub: becoming the host, as `src/hub/shared.rs` does, and resigning.
//!
//! The process is a member, and takes one more slot for its hub. While it is stopped others try to
//! become the host, and once it is dead somebody new does: before all is mended, and after.

use super::actor::Act;
use super::control::Cell;
use super::locks::new_lock;
use super::prepare::{SMALL, overwrite};
use super::rows::{Dry, Row};
use super::scene::{Outcome, Scene};
use super::stage::{G0, G1, P0, P1};
use cluster_shared_memory::error::Result;
use cluster_shared_memory::os::process::ProcessId;
use cluster_shared_memory::segment::layout::{HUBS, header, member};
use cluster_shared_memory::segment::members::{self, HUB, MemberId, MemberInfo};
use cluster_shared_memory::segment::{Segment, host};
use cluster_shared_memory::sync::Ordering;

/// All rows.
pub(crate) const ROWS: &[Row] = &[
    Row::new("host", furnished, becomes).act(Act::Host),
    Row::new("host, after a dead one", furnished, becomes).stage(&[G0.host()]).act(Act::Host),
    Row::new("host, after one that is mended", furnished, becomes)
        .stage(&[G0.host(), P0.mend()])
        .act(Act::Host),
    Row::new("host, the former slot reused", new_lock, becomes)
        .stage(&[G0.host(), P0.mend(), G1.ask(0)])
        .act(Act::Host),
    Row::new("host, another is", furnished, |dry| swaps(dry, 0, 2))
        .stage(&[P0.host()])
        .act(Act::Host),
    Row::new("host, another is faster", furnished, becomes).act(Act::Host).meanwhile(&[P1.host()]),
    Row::new("host, another comes and goes", furnished, becomes)
        .stage(&[G0.host()])
        .act(Act::Host)
        .meanwhile(&[P1.host(), P1.resign()]),
    Row::new("resign as the host", furnished, becomes).act(Act::Resign),
    Row::new("resign as the host, another next", furnished, becomes)
        .act(Act::Resign)
        .meanwhile(&[P1.host()]),
];

fn furnished(scene: &mut Scene) {
    overwrite(scene, SMALL, SMALL);
}

fn becomes(dry: &Dry) -> bool {
    swaps(dry, 1, 1)
}

fn swaps(dry: &Dry, hosts: usize, identities: usize) -> bool {
    dry.count("HOST") == hosts && dry.count("member.identity") == identities
}

/// Makes `me` the host, unless one who lives is.
pub(crate) fn claim(segment: &Segment, me: MemberId) -> Result<bool> {
    host::claim(segment.region(), segment.layout(), me, MemberInfo::is_dead)
}

/// Takes a slot for a hub and makes it the host, or else gives it back. Without the look before, so
/// that another may be the host already.
pub(crate) fn take(segment: &Segment) -> Result<Option<MemberId>> {
    let (region, layout) = (segment.region(), segment.layout());
    let me = members::join(region, layout, ProcessId::current(), HUB)?;
    if claim(segment, me)? {
        return Ok(Some(me));
    }
    members::leave(region, layout, me)?;
    Ok(None)
}

pub(crate) fn resign(segment: &Segment, me: MemberId) -> Result<()> {
    host::release(segment.region(), me)?;
    members::leave(segment.region(), segment.layout(), me)
}

/// The process of the member that a word names, by the words of its slot alone; 0 if it has left.
pub(crate) fn pid_of(segment: &Segment, word: u64) -> u64 {
    let Some(id) = MemberId::from_word(word) else { return 0 };
    let at = segment.layout().member(id.slot()).add(member::IDENTITY);
    let identity = segment.region().load(at, Ordering::Acquire).unwrap();
    let is_same = identity >> 2 & ((1 << 30) - 1) == word & u64::from(u32::MAX);
    if is_same && identity & 3 == 1 { identity >> 32 } else { 0 }
}

pub(crate) fn host_word(segment: &Segment) -> u64 {
    segment.region().load(header::HOST, Ordering::Acquire).unwrap()
}

/// Somebody wants to be the host: it becomes it if none of the living is, and only then.
pub(crate) fn contend(segment: &Segment, me: MemberId, living: &[u32]) -> Outcome<bool> {
    let before = host_word(segment);
    let pid = pid_of(segment, before);
    let is_kept = living.iter().any(|one| u64::from(*one) == pid);
    let claimed = claim(segment, me).map_err(|error| error.to_string())?;
    let after = host_word(segment);
    let expected = if is_kept { before } else { me.to_word() };
    if claimed == is_kept || after != expected {
        return Err(format!(
            "the host was {before:#x} of {pid}; claimed: {claimed}, now {after:#x}"
        ));
    }
    Ok(claimed)
}

/// A hub of this process takes a slot, wants to be the host, and goes again.
pub(crate) fn come_and_go(segment: &Segment, living: &[u32]) -> Outcome<bool> {
    let (region, layout) = (segment.region(), segment.layout());
    let process = ProcessId::current();
    let me = members::join(region, layout, process, HUB).map_err(|error| error.to_string())?;
    let claimed = contend(segment, me, living);
    resign(segment, me).map_err(|error| error.to_string())?;
    claimed
}

impl Scene {
    /// A player, or a ghost, wants to be the host.
    pub(crate) fn host(&mut self, word: u64) -> Outcome {
        let living = [std::process::id(), self.actor_pid()];
        let me = MemberId::from_word(word).unwrap();
        let claimed = contend(self.store.segment(), me, &living)?;
        if claimed && self.cast.player_of(word).is_some() {
            self.cast.host = Some(word);
        }
        Ok(())
    }

    /// A player hosts no more.
    pub(crate) fn resign(&mut self, word: u64) -> Outcome {
        let me = MemberId::from_word(word).unwrap();
        host::release(self.store.segment().region(), me).map_err(|error| error.to_string())?;
        self.cast.host = self.cast.host.filter(|host| *host != word);
        Ok(())
    }

    fn actor_pid(&self) -> u32 {
        pid_of(self.store.segment(), self.control.get(Cell::Actor)) as u32
    }

    /// Beside the stopped process: it stays the host if it is; else somebody can be it, who is tried
    /// if that `may` come between two stores of the process.
    pub(crate) fn contend_beside(&mut self, row: &Row, may: bool) -> Outcome {
        let segment = self.store.segment().clone();
        let is_host = pid_of(&segment, host_word(&segment)) == u64::from(self.actor_pid());
        if !row.is_of_host() || !(is_host || may) {
            return Ok(());
        }
        let living = [std::process::id(), self.actor_pid()];
        come_and_go(&segment, &living).map(drop)
    }

    /// Once the process is dead: what it has done, and that somebody new can be the host.
    pub(crate) fn contend_after(&mut self, row: &Row, is_done: bool) -> Outcome {
        if !row.is_of_host() {
            return Ok(());
        }
        let segment = self.store.segment().clone();
        let word = host_word(&segment);
        let slot = MemberId::from_word(word).map(MemberId::slot);
        let is_right = match (self.cast.host, row.act) {
            (Some(player), _) => word == player,
            (None, Act::Host) if is_done => slot.is_some_and(|slot| slot < HUBS),
            (None, _) => !is_done || word == 0,
        };
        if !is_right {
            return Err(format!("the host is {word:#x}, a player: {:x?}", self.cast.host));
        }
        // None of the living but this process.
        let claimed = come_and_go(&segment, &[std::process::id()])?;
        if claimed == self.cast.host.is_some() {
            return Err(format!("claimed: {claimed}, from {word:#x}"));
        }
        if let Some(player) = self.cast.host {
            self.resign(player)?;
            come_and_go(&segment, &[])?;
        }
        Ok(())
    }
}

impl Row {
    fn is_of_host(&self) -> bool {
        matches!(self.act, Act::Host | Act::Resign)
    }
}
