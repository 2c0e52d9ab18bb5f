//! What must be true of locks and watches after each point.
//!
//! What stands in the segment once the process is dead must be the book before the operation or the
//! book after it; what stands there once the dead are mended follows from that one. Everybody
//! who lives hears of what it got, once; then the runner lets go of every lock, one ticket after the
//! other, so that all waiters have their turn, in the order in which they came.

use super::actor::Act;
use super::book::{Line, Request, observe};
use super::content::{Content, key, name};
use super::control::Cell;
use super::parts::{Heard, Told};
use super::rows::Row;
use super::scene::{Outcome, Scene};
use super::stage::Move;
use cluster_shared_memory::log::filter_bit;
use cluster_shared_memory::segment::layout::{member, shard};
use cluster_shared_memory::sync::Ordering;
use cluster_shared_memory::table::shard_of;
use cluster_shared_memory::verify::verify;
use cluster_shared_memory::wake;

/// What the runner sets the first target to in the end.
const LAST: Content = Content::Bytes { length: 64, seed: 9999 };

/// The books before and after the operation under test.
pub(crate) struct Plan {
    act: Act,
    actor: u64,
    before: Vec<Line>,
    after: Vec<Line>,
    told: Told,
    /// It finds no memory.
    fails: bool,
    /// What it became, once that is known.
    chosen: Vec<Line>,
}

impl Plan {
    /// The plan of an act whose stage is set; `fails`: it finds no memory, and does nothing.
    pub(crate) fn new(scene: &Scene, act: Act, fails: bool) -> Self {
        let mut plan = Self {
            act,
            actor: scene.control.get(Cell::Actor),
            before: scene.cast.book.clone(),
            after: Vec::new(),
            told: Told::Nothing,
            fails,
            chosen: Vec::new(),
        };
        plan.foresee(scene);
        plan
    }

    /// The book after the act.
    pub(crate) fn after(self) -> Vec<Line> {
        self.after
    }

    /// What the act will do.
    fn foresee(&mut self, scene: &Scene) {
        let mut after = self.before.clone();
        let mut bury = |dead: &[u64]| after.iter_mut().for_each(|line| line.bury(dead));
        match self.act {
            _ if self.fails => {}
            Act::Ask | Act::AskSpinning => {
                self.told = after[0].ask(Request { owner: self.actor, number: 0 });
            }
            Act::Release => self.told = after[0].release(),
            Act::Goodbye => bury(&[self.actor]),
            Act::Mend => bury(&scene.cast.dead()),
            _ => {}
        }
        self.after = after;
    }

    /// Moves that are made while the process is stopped, without a latch.
    pub(crate) fn meanwhile(&mut self, scene: &mut Scene, moves: &[Move]) -> Outcome {
        if moves.is_empty() {
            return Ok(());
        }
        self.choose(scene, false)?;
        let is_done = !self.is_gradual() && self.chosen == self.after;
        // Of what happens one by one, any part may have happened.
        let seen = if self.is_gradual() { see(scene)? } else { self.chosen.clone() };
        scene.cast.book = seen;
        scene.play(moves)?;
        self.before.clone_from(&scene.cast.book);
        self.foresee(scene);
        if is_done {
            self.after.clone_from(&self.before);
            self.told = Told::Granted;
        }
        Ok(())
    }

    /// Finds out whether the operation has happened, now that no intent is open.
    pub(crate) fn choose(&mut self, scene: &Scene, is_done: bool) -> Outcome {
        let seen = see(scene)?;
        let is = |book: &[Line]| book.iter().zip(&seen).all(|(line, seen)| line.is(seen));
        let dead = self.dead(scene);
        let living =
            |book: &[Line]| -> Vec<_> { book.iter().map(|line| line.living(&dead)).collect() };
        if is(&self.after) {
            self.chosen.clone_from(&self.after);
        } else if !is_done
            && (is(&self.before) || self.is_gradual() && living(&self.before) == living(&seen))
        {
            self.chosen.clone_from(&self.before);
        } else {
            let (before, after) = (&self.before, &self.after);
            return Err(format!("locks {seen:?}; before {before:?}; after {after:?}"));
        }
        if is_done && !self.fails && scene.told() != self.told {
            return Err(format!("the process was told {:?}, not {:?}", scene.told(), self.told));
        }
        Ok(())
    }

    /// Whether it does more than one thing, each for itself.
    const fn is_gradual(&self) -> bool {
        matches!(self.act, Act::Goodbye | Act::Mend | Act::Host | Act::Resign)
    }

    /// Those who will not let go of anything any more.
    fn dead(&self, scene: &Scene) -> Vec<u64> {
        let mut dead = scene.cast.dead();
        dead.push(self.actor);
        dead
    }

    /// Whoever got a lock by the operation was told by it, and so were the watchers; nobody else was,
    /// unless others have told somebody too.
    pub(crate) fn check_told(&self, scene: &Scene, row: &Row) -> Outcome {
        let mut expected = vec![0; scene.cast.players.len()];
        for (index, line) in self.after.iter().enumerate() {
            let Some(holder) = line.holder else { continue };
            let is_new = self.before[index].holder != line.holder;
            if is_new
                && let Some(player) = scene.cast.player_of(holder.owner)
                && !scene.cast.untold.contains(&holder.number)
            {
                expected[player] |= 1 << shard_of_id(scene, scene.cast.names[index]);
            }
        }
        for (player, id) in &scene.cast.watches {
            if *id == scene.targets[0].id && records(scene) > 0 {
                expected[*player] |= 1 << shard_of_id(scene, *id);
            }
        }
        for (player, expected) in scene.cast.players.iter().zip(expected) {
            let (segment, slot) = (scene.store.segment(), player.me().slot());
            let news = scene.word(segment.layout().member(slot).add(member::NEWS));
            let half = segment.region().half(wake::word_of(segment, slot)).unwrap();
            let is_roused = half.load(Ordering::Acquire) & wake::NEWS != 0;
            let is_told = news & expected == expected && (expected == 0 || is_roused);
            let is_more = news != expected || is_roused != (expected != 0);
            let by_others = row.victim.is_some() || !row.meanwhile.is_empty();
            if !is_told || is_more && !by_others {
                return Err(format!("player {slot}: news {news:#x}, not {expected:#x}"));
            }
        }
        Ok(())
    }

    /// All of it, when the dead are mended and nobody changes the segment.
    pub(crate) fn judge(&self, scene: &mut Scene, row: &Row, is_done: bool) -> Outcome {
        let dead = self.dead(scene);
        let mut book = self.chosen.clone();
        for line in &mut book {
            line.bury(&dead);
        }
        for (line, id) in book.iter().zip(&scene.cast.names) {
            let seen = observe(&scene.store, *id)?;
            if !line.is(&seen) {
                return Err(format!("mended: {seen:?}, not {line:?}"));
            }
        }
        for player in &mut scene.cast.players {
            player.hear()?;
        }
        check_granted(scene, &book)?;
        check_news(scene, row)?;
        check_filters(scene, row, is_done)?;
        // Nobody has anything in hand any more but what the book says.
        drain(scene, &book)?;
        let census = verify(scene.store.segment()).map_err(|error| format!("later: {error}"))?;
        if (census.locks_held, census.lock_requests) == (0, 0) {
            return Ok(());
        }
        Err(format!("locks that nobody should have: {census:?}"))
    }
}

/// The lines as they stand in the segment.
fn see(scene: &Scene) -> Outcome<Vec<Line>> {
    scene.cast.names.iter().map(|id| observe(&scene.store, *id)).collect()
}

/// A waiter that was granted has heard of it once, and no other has.
fn check_granted(scene: &Scene, book: &[Line]) -> Outcome {
    let mut expected = vec![Vec::new(); scene.cast.players.len()];
    for (before, line) in scene.cast.known.iter().zip(book) {
        if let Some(holder) = line.holder
            && before.holder != line.holder
            && scene.cast.asked.contains(&holder.number)
            && let Some(player) = scene.cast.player_of(holder.owner)
        {
            expected[player].push((holder.number, line.is_abandoned));
        }
    }
    for (index, expected) in expected.iter_mut().enumerate() {
        let mut heard = scene.cast.players[index].granted.clone();
        heard.sort_unstable();
        expected.sort_unstable();
        if heard != *expected {
            return Err(format!("player {index} heard of {heard:?}, not {expected:?}"));
        }
    }
    Ok(())
}

/// Records that the operation has left, all of them of the first target.
fn records(scene: &Scene) -> u64 {
    scene.home(shard::LOG_HEAD) - scene.cast.log_head
}

fn shard_of_id(scene: &Scene, id: u64) -> u64 {
    shard_of(scene.store.segment(), scene.hash_of(id))
}

/// Each watcher of the first target has heard of all its changes, once and in order; only where it
/// was lapped of the newest one instead.
fn check_news(scene: &Scene, row: &Row) -> Outcome {
    let target = scene.targets[0];
    let name = name(target.id);
    let is_there = scene.store.has(&key(&scene.store, &name)).map_err(|error| error.to_string())?;
    // What had ended, and has no successor, was swept by somebody who found no memory.
    let last = if row.hidden > 0 && !is_there { Content::Absent } else { target.new };
    for (player, id) in &scene.cast.watches {
        let mut changes: Vec<Heard> = Vec::new();
        if *id == target.id {
            changes.extend(scene.cast.changes.iter().map(|content| heard(*content)));
            changes.extend((0..records(scene)).map(|_| heard(last)));
        }
        let news = &scene.cast.players[*player].news;
        let told: Vec<Heard> =
            news.iter().filter(|(of, _)| of == id).map(|(_, heard)| *heard).collect();
        let skips: Vec<u64> = news.iter().filter_map(|(_, heard)| heard.skipped()).collect();
        let is_right = match skips.as_slice() {
            [] => told == changes,
            // What is sealed, but not written, is told and not counted.
            [skipped] if row.may_lap() => {
                let known = told.len() as u64 + skipped;
                [0, 1].map(|uncounted| known + uncounted).contains(&(changes.len() as u64))
                    && told.split_last().is_some_and(|(last, rest)| {
                        changes.last() == Some(last) && changes.starts_with(rest)
                    })
            }
            _ => false,
        };
        if !is_right {
            let (told, changes) = (tail(&told), tail(&changes));
            return Err(format!("player {player} heard {told:?}, not {changes:?}; {skips:?}"));
        }
    }
    Ok(())
}

fn heard(content: Content) -> Heard {
    if content.is_present() { Heard::Set(content) } else { Heard::Removed }
}

fn tail(list: &[Heard]) -> (usize, &[Heard]) {
    (list.len(), &list[list.len().saturating_sub(3)..])
}

/// Each shard lets through what the living watch, and nothing that only the dead did.
fn check_filters(scene: &Scene, row: &Row, is_done: bool) -> Outcome {
    let layout = scene.store.segment().layout();
    for number in 0..layout.shards {
        let mut needed = 0;
        for (_, id) in scene.cast.watches.iter().filter(|it| shard_of_id(scene, it.1) == number) {
            needed |= filter_bit(scene.hash_of(*id));
        }
        let filter = scene.word(layout.shard(number).add(shard::WATCHED));
        // Who dies between saying that it watches no more and the new filter leaves the old one.
        let is_exact = row.is_watching && (is_done || row.act != Act::Unlisten);
        if filter & needed != needed || is_exact && filter != needed {
            return Err(format!("the filter of shard {number} is {filter:#x}, not {needed:#x}"));
        }
    }
    Ok(())
}

/// Lets go of all locks, and takes and lets go of each once more; then changes the first target once
/// more, for those who watch it.
fn drain(scene: &mut Scene, book: &[Line]) -> Outcome {
    for (line, id) in book.iter().zip(scene.cast.names.clone()) {
        drain_one(scene, line.clone(), id).map_err(|what| format!("the lock {id}: {what}"))?;
    }
    let target = scene.targets[0].id;
    let watchers: Vec<usize> =
        scene.cast.watches.iter().filter(|(_, id)| *id == target).map(|it| it.0).collect();
    if watchers.is_empty() {
        return Ok(());
    }
    // Whoever took all pages gives some back.
    if !scene.thieves.is_empty() {
        let (thief, _) = scene.thieves.remove(0);
        Content::Absent.put(&scene.store, thief).map_err(|error| error.to_string())?;
    }
    LAST.put(&scene.store, target).map_err(|error| error.to_string())?;
    for player in watchers {
        let part = &mut scene.cast.players[player];
        part.forget();
        part.hear()?;
        if part.news != [(target, Heard::Set(LAST))] {
            return Err(format!("player {player} heard {:?} in the end", part.news));
        }
    }
    Ok(())
}

fn drain_one(scene: &mut Scene, mut line: Line, id: u64) -> Outcome {
    while let Some(holder) = line.holder {
        let player = scene.cast.player_of(holder.owner).ok_or("held by the dead")?;
        let expected = line.release();
        let part = &mut scene.cast.players[player];
        let (told, _) = part.release_by(id, holder.number).map_err(|error| error.to_string())?;
        if told != expected {
            return Err(format!("letting go: {told:?}, not {expected:?}"));
        }
        let Some(next) = line.holder.filter(|_| told == Told::Done) else { continue };
        let player = scene.cast.player_of(next.owner).ok_or("granted to the dead")?;
        let is_untold = scene.cast.untold.contains(&next.number);
        let part = &mut scene.cast.players[player];
        part.forget();
        if is_untold {
            part.look(u64::MAX)?;
        } else {
            part.hear()?;
        }
        let is_told = part.granted == [(next.number, false)];
        if !is_told && scene.cast.asked.contains(&next.number) {
            return Err(format!("the next one heard {:?}, not {next:?}", part.granted));
        }
    }
    let mut expected = if line.is_abandoned { Told::Abandoned } else { Told::Granted };
    for player in [0, 1] {
        let part = &mut scene.cast.players[player];
        let (told, number) = part.ask(id).map_err(|error| error.to_string())?;
        if told != expected {
            return Err(format!("in the end told {told:?}, not {expected:?}"));
        }
        let (told, _) = part.release_by(id, number).map_err(|error| error.to_string())?;
        if told != Told::Done {
            return Err(format!("in the end told {told:?}"));
        }
        expected = Told::Granted;
    }
    Ok(())
}
