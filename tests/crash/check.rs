//! What must be true after each point, when nobody changes the segment.

use super::actor::Act;
use super::cast::PLAYERS;
use super::content::Content;
use super::control::Cell;
use super::rows::Row;
use super::scene::{Outcome, Scene};
use cluster_shared_memory::heap::pages::Note;
use cluster_shared_memory::latch::{self, Patient};
use cluster_shared_memory::segment::layout::{domain, header, member, shard};
use cluster_shared_memory::segment::members;
use cluster_shared_memory::sync::Ordering;
use cluster_shared_memory::verify::verify;
use std::time::Duration;

/// Structure, owners, the targets wholly old or wholly new, and all other keys.
pub(crate) fn check(scene: &mut Scene, row: &Row, seen: &[bool], is_done: bool) -> Outcome {
    let census = verify(scene.store.segment()).map_err(|error| format!("verify: {error}"))?;
    check_members(scene)?;
    let mut entries = 0;
    let mut has_changed = false;
    for (index, target) in scene.targets.clone().into_iter().enumerate() {
        let content = scene.read(target.id)?;
        let is_new = content == target.new;
        if !is_new && content != target.old {
            return Err(format!("neither old nor new: {content:?}, {target:?}"));
        }
        if seen[index] && !is_new {
            return Err(format!("seen as new, and old again: {target:?}"));
        }
        let must_be = if row.fails { target.old } else { target.new };
        if is_done && content != must_be {
            return Err(format!("done, but {content:?}: {target:?}"));
        }
        has_changed |= is_new && target.new != target.old;
        entries += u64::from(content.is_present());
    }
    check_log(scene, row, has_changed, is_done)?;
    entries += check_others(scene)? + scene.ballast_keys;
    if (entries..=entries + row.hidden).contains(&census.entries) {
        return Ok(());
    }
    Err(format!("{} entries, not {entries}", census.entries))
}

/// Only those who live are members, and they have nothing in hand.
fn check_members(scene: &Scene) -> Outcome {
    let segment = scene.store.segment();
    let (region, layout) = (segment.region(), segment.layout());
    let mut pids = vec![std::process::id(); 1 + PLAYERS];
    pids.extend(scene.bystander_pids());
    let all = members::all(region, layout).map_err(|error| error.to_string())?;
    let mut found: Vec<u32> = all.iter().map(|info| info.process.pid).collect();
    pids.sort_unstable();
    found.sort_unstable();
    let taken = (0..16).filter(|slot| {
        let at = layout.member(*slot);
        scene.word(at.add(member::IDENTITY)) & 3 != 0
    });
    if found != pids || taken.count() != pids.len() {
        return Err(format!("members {found:?}, not {pids:?}"));
    }
    for slot in 0..16 {
        let own = [member::WATCHES, member::WATCHED, member::CLAIMS];
        let word = |field| scene.word(layout.member(slot).add(field));
        let is_free = word(member::IDENTITY).is_multiple_of(4);
        if is_free && own.into_iter().any(|field| word(field) != 0) {
            return Err(format!("slot {slot} is free, and has locks or watches"));
        }
        let hazard = layout.member(slot).add(member::HAZARD);
        let notes = Note::ALL.map(|note| note.at(segment, slot));
        if scene.word(hazard) != 0 || notes.into_iter().any(|at| scene.word(at) != 0) {
            return Err(format!("slot {slot} has something in hand"));
        }
    }
    // Who says goodbye frees its slot first: its latch is then that of nobody, for anybody to take.
    let mut patient = Patient::new(segment, scene.store.member(), Duration::ZERO);
    let mending = latch::acquire(region, header::MEND_DOMAIN, &mut patient);
    drop(mending.map_err(|error| format!("the latch for mending: {error}"))?);
    let mut domains = vec![header::PAGES_DOMAIN];
    domains.extend((0..layout.shards).map(|shard| layout.shard(shard)));
    match domains.into_iter().find(|base| scene.word(base.add(domain::LATCH)) != 0) {
        Some(base) => Err(format!("the latch at {:#x} is taken", base.bytes())),
        None => Ok(()),
    }
}

/// A record exists if, and only if, the watched change happened.
fn check_log(scene: &Scene, row: &Row, has_changed: bool, is_done: bool) -> Outcome {
    let records = scene.home(shard::LOG_HEAD) - scene.cast.log_head;
    let target = scene.targets[0];
    // Of a removal of what was not there only the record tells.
    let is_seen = target.old != target.new;
    let expected = if has_changed || is_done && !is_seen { row.records } else { 0 };
    // The filter that a watch sets may let the writer's other keys through as well.
    if records == expected
        || row.act == Act::Watch
        || !is_done && !is_seen && records <= row.records
        // What has ended may have been swept by somebody else, who found no memory.
        || !is_done && row.hidden > 0 && records <= row.records
    {
        return Ok(());
    }
    Err(format!("{records} log records, not {expected}"))
}

/// All other keys hold what was last written to them; gives how many there are.
fn check_others(scene: &mut Scene) -> Outcome<u64> {
    let mut keys = scene.statics.clone();
    keys.extend_from_slice(&scene.thieves);
    keys.extend(scene.probes.iter().map(|(_, id, content)| (*id, *content)));
    for (index, written) in scene.written.iter().enumerate() {
        let done = scene.control.done(index).load(Ordering::Acquire);
        keys.push((written.id, written.content(done)));
    }
    let mut present = 0;
    for (id, content) in keys {
        let found = scene.read(id)?;
        if found != content {
            return Err(format!("key {id} holds {found:?}, not {content:?}"));
        }
        present += u64::from(content != Content::Absent);
    }
    debug_assert!(scene.control.get(Cell::Pause) == 1);
    Ok(present)
}
