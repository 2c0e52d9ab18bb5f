//! A member that asks for locks and watches keys, as a process of the matrix plays it: the runner
//! plays several, and the process that runs the operation under test is one.

use super::content::{Content, key, name};
use cluster_shared_memory::error::{Error, Result};
use cluster_shared_memory::latch::PATIENCE;
use cluster_shared_memory::locks::{Asked, Locks, Released, Spinner, Ticket};
use cluster_shared_memory::segment::Segment;
use cluster_shared_memory::segment::members::MemberId;
use cluster_shared_memory::store::{Scratch, Store};
use cluster_shared_memory::wake;
use cluster_shared_memory::watches::{News, WatchId, Watches};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// What the member was told by a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Told {
    Nothing,
    /// The lock is its own.
    Granted,
    /// The same, and the last holder died.
    Abandoned,
    Waiting,
    /// It has let go of the lock.
    Done,
    /// The same, and it is its own again.
    Mine,
    NotHeld,
}

impl Told {
    pub(crate) const ALL: [Self; 7] = [
        Self::Nothing,
        Self::Granted,
        Self::Abandoned,
        Self::Waiting,
        Self::Done,
        Self::Mine,
        Self::NotHeld,
    ];
}

/// What the member has heard of a key.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Heard {
    Set(Content),
    Removed,
    Skipped(u64),
}

impl Heard {
    pub(crate) fn skipped(self) -> Option<u64> {
        if let Self::Skipped(count) = self { Some(count) } else { None }
    }
}

/// A member.
pub(crate) struct Part {
    pub(crate) store: Store,
    locks: Locks,
    watches: Watches,
    /// Its requests by key, oldest first.
    tickets: HashMap<u64, VecDeque<Ticket>>,
    watched: HashMap<WatchId, u64>,
    scratch: Scratch,
    /// Tickets that it has heard of, and whether the lock was abandoned.
    pub(crate) granted: Vec<(u64, bool)>,
    /// Changes that it has heard of, with the id of the key; what was skipped has none.
    pub(crate) news: Vec<(u64, Heard)>,
}

impl Part {
    /// The member `me`; it spins for locks only if it may use more than one processor.
    pub(crate) fn new(segment: &Arc<Segment>, me: MemberId, processors: usize) -> Self {
        Self {
            store: Store::new(Arc::clone(segment), me),
            locks: Locks::new(Arc::clone(segment), me, Spinner::new(processors)),
            watches: Watches::new(Arc::clone(segment), me),
            tickets: HashMap::new(),
            watched: HashMap::new(),
            scratch: Scratch::default(),
            granted: Vec::new(),
            news: Vec::new(),
        }
    }

    pub(crate) fn me(&self) -> MemberId {
        self.store.member()
    }

    /// Asks for the lock of a key; gives the ticket's number too.
    pub(crate) fn ask(&mut self, id: u64) -> Result<(Told, u64)> {
        let name = name(id);
        let (told, ticket) = match self.locks.ask(&key(&self.store, &name))? {
            Asked::Granted { ticket, abandoned: false, .. } => (Told::Granted, ticket),
            Asked::Granted { ticket, abandoned: true, .. } => (Told::Abandoned, ticket),
            Asked::Waiting { ticket, .. } => (Told::Waiting, ticket),
        };
        self.tickets.entry(id).or_default().push_back(ticket);
        Ok((told, ticket.to_number()))
    }

    /// Lets go of the lock of a key by the oldest of its own tickets.
    pub(crate) fn release(&mut self, id: u64) -> Result<(Told, u64)> {
        let ticket = self.tickets.get_mut(&id).and_then(VecDeque::pop_front);
        self.release_by(id, ticket.unwrap().to_number())
    }

    /// Lets go of the lock of a key by a ticket; gives the next one's number if it is its own.
    pub(crate) fn release_by(&mut self, id: u64, number: u64) -> Result<(Told, u64)> {
        let name = name(id);
        let key = key(&self.store, &name);
        Ok(match self.locks.release(&key, Ticket::from_number(number), PATIENCE)? {
            Released::NotHeld => (Told::NotHeld, 0),
            Released::Done => (Told::Done, 0),
            Released::Mine(next) => (Told::Mine, next.to_number()),
        })
    }

    pub(crate) fn watch(&mut self, id: u64) -> Result<()> {
        let name = name(id);
        let watch = self.watches.watch(&key(&self.store, &name))?;
        self.watched.insert(watch, id);
        Ok(())
    }

    pub(crate) fn unwatch(&mut self, id: u64) -> Result<()> {
        let watch = self.watched.iter().find(|(_, watched)| **watched == id);
        let watch = *watch.unwrap().0;
        self.watched.remove(&watch);
        self.watches.unwatch(watch)
    }

    /// Looks at the shards of a set for locks that were granted, whether it was told or not.
    pub(crate) fn look_at_locks(&mut self, shards: u64) -> std::result::Result<(), String> {
        for (ticket, abandoned) in self.locks.granted(shards).map_err(|error| said(&error))? {
            self.granted.push((ticket.to_number(), abandoned));
        }
        Ok(())
    }

    /// Looks at the shards of a set for all that there is to hear.
    pub(crate) fn look(&mut self, shards: u64) -> std::result::Result<(), String> {
        self.look_at_locks(shards)?;
        self.watches.note(shards);
        while let Some(news) = self.watches.next(&mut self.scratch).map_err(|error| said(&error))? {
            let (watch, heard) = match news {
                News::Set(watch, read) => {
                    (watch, Heard::Set(Content::copied(&read, &self.scratch)?))
                }
                News::Removed(watch) => (watch, Heard::Removed),
                News::Skipped(count) => (WatchId::MAX, Heard::Skipped(count)),
            };
            self.news.push((self.watched.get(&watch).copied().unwrap_or(0), heard));
        }
        Ok(())
    }

    /// Looks at what it was told of, as an attached member does until it has settled.
    pub(crate) fn hear(&mut self) -> std::result::Result<(), String> {
        let (segment, me) = (Arc::clone(self.store.segment()), self.me());
        loop {
            let news = wake::take_news(&segment, me).unwrap();
            if news != 0 {
                self.look(news)?;
                continue;
            }
            match wake::settle_member(&segment, me).unwrap() {
                0 => return Ok(()),
                reasons if reasons & wake::REPAIRED != 0 => wake::note_all(&segment, me).unwrap(),
                _ => {}
            }
        }
    }

    /// Forgets what it has heard.
    pub(crate) fn forget(&mut self) {
        self.granted.clear();
        self.news.clear();
    }
}

fn said(error: &Error) -> String {
    format!("news: {error}")
}
