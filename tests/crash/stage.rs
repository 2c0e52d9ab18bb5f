//! What happens before the operation under test: moves of the runner's members, of the process that
//! will run the operation, and of some that are dead when it begins.

use super::actor::Act;
use super::book;
use super::content::Content;
use super::control::{Cell, GO};
use super::judge::Plan;
use super::parts::{Part, Told};
use super::processes::{Change, Process};
use super::rows::Row;
use super::scene::{HOME, Outcome, Scene};
use super::victims::Victim;
use cluster_shared_memory::error::Result as Answer;
use cluster_shared_memory::heap::blocks::Blocks;
use cluster_shared_memory::latch::PATIENCE;
use cluster_shared_memory::locks::{self, waiter_word};
use cluster_shared_memory::repair;
use cluster_shared_memory::segment::layout::shard;
use cluster_shared_memory::segment::members;
use cluster_shared_memory::sync::Ordering;
use std::time::Duration;

/// Who makes a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    /// A member of the runner's process, which lives on.
    Player(usize),
    /// The process that runs the operation under test.
    Actor,
    /// A member whose process is dead; the last one has said goodbye instead, but left what it has.
    Ghost(usize),
    /// Who has the lock, if it is a player; else nobody.
    Holder,
}

/// What it does with one of the row's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Step {
    /// Asks for the lock.
    Ask = 1,
    /// Lets go of the lock.
    Release,
    /// Watches the key.
    Watch,
    /// Asks for the lock until no block is left for another waiter.
    Fill,
    /// Is made to look like one that still spins.
    Spin,
    /// Says goodbye.
    Leave,
    /// Says goodbye, and leaves what it has to others.
    Abandon,
    /// Changes the first target; in the end it is as it was.
    Put,
    /// Mends what the dead have left.
    Mend,
    /// Wants to host the hub.
    Host,
    /// Hosts it no more.
    Resign,
}

/// A move.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Move {
    who: Who,
    step: Step,
    /// Index of the name.
    of: usize,
    times: usize,
    /// The same with so many names from that one on.
    names: usize,
}

pub(crate) const A: Who = Who::Actor;
pub(crate) const P0: Who = Who::Player(0);
pub(crate) const P1: Who = Who::Player(1);
pub(crate) const P2: Who = Who::Player(2);
pub(crate) const G0: Who = Who::Ghost(0);
pub(crate) const G1: Who = Who::Ghost(1);
pub(crate) const HOLDER: Who = Who::Holder;
/// The one that has said goodbye.
pub(crate) const LEFT: Who = Who::Ghost(2);

impl Who {
    const fn does(self, step: Step, of: usize) -> Move {
        Move { who: self, step, of, times: 1, names: 1 }
    }

    pub(crate) const fn ask(self, of: usize) -> Move {
        self.does(Step::Ask, of)
    }

    pub(crate) const fn release(self, of: usize) -> Move {
        self.does(Step::Release, of)
    }

    pub(crate) const fn watch(self, of: usize) -> Move {
        self.does(Step::Watch, of)
    }

    pub(crate) const fn fill(self, of: usize) -> Move {
        self.does(Step::Fill, of)
    }

    pub(crate) const fn spin(self, of: usize) -> Move {
        self.does(Step::Spin, of)
    }

    pub(crate) const fn leave(self) -> Move {
        self.does(Step::Leave, 0)
    }

    pub(crate) const fn abandon(self) -> Move {
        self.does(Step::Abandon, 0)
    }

    pub(crate) const fn put(self) -> Move {
        self.does(Step::Put, 0)
    }

    pub(crate) const fn mend(self) -> Move {
        self.does(Step::Mend, 0)
    }

    pub(crate) const fn host(self) -> Move {
        self.does(Step::Host, 0)
    }

    pub(crate) const fn resign(self) -> Move {
        self.does(Step::Resign, 0)
    }
}

impl Move {
    pub(crate) const fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    /// Whether it changes the first target.
    pub(crate) fn is_change(&self) -> bool {
        self.step == Step::Put
    }

    pub(crate) const fn names(mut self, names: usize) -> Self {
        self.names = names;
        self
    }
}

impl Step {
    /// The step of an order to the actor.
    pub(crate) fn of_order(order: u64) -> Self {
        match order & 3 {
            1 => Self::Ask,
            2 => Self::Release,
            _ => Self::Watch,
        }
    }

    /// Takes a step that needs no more than a member and a key.
    pub(crate) fn take(self, part: &mut Part, id: u64) -> Answer<(Told, u64)> {
        match self {
            Self::Ask => part.ask(id),
            Self::Release => part.release(id),
            _ => part.watch(id).map(|()| (Told::Nothing, 0)),
        }
    }
}

impl Scene {
    /// Sets everything up for a row, as for [`begin`](Self::begin); somebody may have died before.
    pub(crate) fn set_up(&mut self, row: &Row, then: &str, fuel: u64) -> Outcome<Process> {
        let Some(victim) = &row.victim else {
            return self.begin(row.act, row.stage, then, fuel);
        };
        self.let_die(victim, row.stage)?;
        self.enter(row.act, then, fuel)
    }

    /// Starts the process of an operation and makes all moves before it; bystanders stand still.
    /// It begins when it is told to [go](Self::go).
    pub(crate) fn begin(
        &mut self,
        act: Act,
        stage: &[Move],
        then: &str,
        fuel: u64,
    ) -> Outcome<Process> {
        let actor = self.enter(act, then, fuel)?;
        self.play(stage)?;
        self.cast.set_out()?;
        self.cast.log_head = self.home(shard::LOG_HEAD);
        Ok(actor)
    }

    fn enter(&mut self, act: Act, then: &str, fuel: u64) -> Outcome<Process> {
        let actor = self.actor(act, then, fuel);
        if act != Act::Join {
            self.until("an actor", |scene| scene.control.get(Cell::Actor) != 0)?;
        }
        Ok(actor)
    }

    /// Somebody makes the moves of the actor, begins and dies; what it did has happened.
    fn let_die(&mut self, victim: &Victim, stage: &[Move]) -> Outcome {
        let mut process = self.begin(victim.act, stage, "kill", self.victim_at)?;
        let plan = Plan::new(self, victim.act, false);
        self.go();
        let change = process.wait(Duration::from_secs(8));
        if change != Some(Change::Killed) {
            return Err(format!("the victim has {change:?}"));
        }
        self.cast.book = plan.after();
        self.cast.victims.push(self.control.get(Cell::Actor));
        if victim.act == Act::Put {
            let target = &mut self.targets[0];
            target.old = target.new;
            self.cast.changes.push(target.new);
            self.cast.log_head += 1;
            self.control.set_targets(&self.targets);
        }
        Ok(())
    }

    pub(crate) fn go(&self) {
        self.control.set(Cell::Order, GO);
    }

    /// Makes moves.
    pub(crate) fn play(&mut self, moves: &[Move]) -> Outcome {
        for each in moves {
            for index in 0..each.times * each.names {
                let one = Move { of: each.of + index / each.times, ..*each };
                let is_last = index + 1 == each.times;
                self.make(&one, is_last).map_err(|what| format!("{one:?}: {what}"))?;
            }
        }
        Ok(())
    }

    fn make(&mut self, each: &Move, is_last: bool) -> Outcome {
        match each.step {
            Step::Release if each.who == Who::Holder => self.let_go(each.of),
            Step::Ask | Step::Release => self.take_or_give(each.who, each.step, each.of),
            Step::Watch => {
                if let Who::Player(player) = each.who {
                    self.cast.watches.push((player, self.cast.names[each.of]));
                }
                self.take(each.who, each.step, each.of).map(drop)
            }
            Step::Fill => {
                let head = Blocks::new(self.store.segment(), HOME).class_head(waiter_word::CLASS);
                while self.word(head) != 0 {
                    self.take_or_give(each.who, Step::Ask, each.of)?;
                }
                Ok(())
            }
            Step::Spin => self.unmark(each.of),
            Step::Leave | Step::Abandon => self.say_goodbye(each.who, each.step == Step::Abandon),
            Step::Mend => {
                let (segment, me) = (self.store.segment(), self.store.member());
                repair::mend_the_dead(segment, me).map_err(|error| error.to_string())?;
                self.cast.bury();
                Ok(())
            }
            Step::Host | Step::Resign => {
                let word = self.word_of(each.who);
                if each.step == Step::Host { self.host(word) } else { self.resign(word) }
            }
            Step::Put => {
                let old = self.targets[0].old;
                let seed = 1000 + self.cast.changes.len() as u64;
                let content = if is_last { old } else { Content::bytes(64, seed) };
                self.cast.changes.push(content);
                content.put(&self.store, self.targets[0].id).map_err(|error| error.to_string())
            }
        }
    }

    /// Asks for a lock or lets go of it, and notes that in the book.
    fn take_or_give(&mut self, who: Who, step: Step, of: usize) -> Outcome {
        let owner = self.word_of(who);
        let (told, number) = self.take(who, step, of)?;
        let line = &mut self.cast.book[of];
        let expected = if step == Step::Ask {
            if told == Told::Waiting {
                self.cast.asked.push(number);
            }
            line.ask(book::Request { owner, number })
        } else {
            line.release()
        };
        if told == expected {
            return Ok(());
        }
        Err(format!("told {told:?}, not {expected:?}"))
    }

    /// The player that holds a lock lets go of it.
    fn let_go(&mut self, of: usize) -> Outcome {
        let Some(holder) = self.cast.book[of].holder else { return Ok(()) };
        let Some(player) = self.cast.player_of(holder.owner) else { return Ok(()) };
        let expected = self.cast.book[of].release();
        let id = self.cast.names[of];
        // It hears of the lock first, of which it is not to hear again.
        let part = &mut self.cast.players[player];
        part.look_at_locks(u64::MAX)?;
        let heard = part.granted.len();
        part.granted.retain(|granted| granted.0 != holder.number);
        let was_known = self.cast.known.get(of).is_some_and(|line| line.holder == Some(holder));
        if self.cast.asked.contains(&holder.number) && !was_known && heard == part.granted.len() {
            return Err("the holder has not heard of it".into());
        }
        let told = part.release_by(id, holder.number);
        match told.map_err(|error| error.to_string())?.0 {
            told if told == expected => Ok(()),
            told => Err(format!("told {told:?}, not {expected:?}")),
        }
    }

    fn take(&mut self, who: Who, step: Step, of: usize) -> Outcome<(Told, u64)> {
        let id = self.cast.names[of];
        let part = match who {
            Who::Player(player) => &mut self.cast.players[player],
            Who::Ghost(ghost) => self.cast.ghost(self.store.segment(), ghost),
            Who::Actor => return self.order(step, of),
            Who::Holder => return Err("nobody".into()),
        };
        step.take(part, id).map_err(|error| error.to_string())
    }

    /// Has the actor take a step.
    fn order(&mut self, step: Step, of: usize) -> Outcome<(Told, u64)> {
        let order = ((self.control.get(Cell::Obeyed) & !3) + 4) | step as u64;
        self.control.set(Cell::OrderOf, of as u64);
        self.control.set(Cell::Order, order);
        self.until("an actor's move", |scene| scene.control.get(Cell::Obeyed) == order)?;
        Ok((self.told(), self.control.get(Cell::Ticket)))
    }

    /// What the actor was told last.
    pub(crate) fn told(&self) -> Told {
        Told::ALL[self.control.get(Cell::Told) as usize]
    }

    /// The word that names a member.
    fn word_of(&mut self, who: Who) -> u64 {
        match who {
            Who::Player(player) => self.cast.players[player].me().to_word(),
            Who::Ghost(ghost) => self.cast.ghost(self.store.segment(), ghost).me().to_word(),
            Who::Actor => self.control.get(Cell::Actor),
            Who::Holder => 0,
        }
    }

    /// The last waiter is none that is to be told.
    fn unmark(&mut self, of: usize) -> Outcome {
        let blocks = book::waiters(&self.store, self.cast.names[of])?;
        let flags = blocks.last().ok_or("nobody waits")?.add(waiter_word::FLAGS);
        self.store.segment().region().store(flags, 0, Ordering::Relaxed).unwrap();
        self.cast.untold.extend(self.cast.book[of].waiters.last().map(|request| request.number));
        Ok(())
    }

    fn say_goodbye(&mut self, who: Who, in_haste: bool) -> Outcome {
        let segment = self.store.segment().clone();
        let word = self.word_of(who);
        let me = members::MemberId::from_word(word).unwrap();
        if in_haste {
            return members::abandon(segment.region(), segment.layout(), me)
                .map_err(|error| error.to_string());
        }
        locks::give_up_all(&segment, me, me, PATIENCE)
            .and_then(|()| members::leave(segment.region(), segment.layout(), me))
            .map_err(|error| error.to_string())?;
        self.cast.book.iter_mut().for_each(|line| line.bury(&[word]));
        Ok(())
    }
}
