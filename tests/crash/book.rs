//! Who has and wants each lock: as it should be, and as it stands in the segment.

use super::content::{key, name};
use super::parts::Told;
use super::scene::Outcome;
use cluster_shared_memory::locks::{granted, lock_word, waiter_word};
use cluster_shared_memory::segment::region::Offset;
use cluster_shared_memory::shard::Shard;
use cluster_shared_memory::store::Store;
use cluster_shared_memory::sync::Ordering;

/// No line is longer.
const LONGEST: usize = 1000;

/// A request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Request {
    /// The word of the member whose it is.
    pub(crate) owner: u64,
    /// The ticket's number; 0 if it is not known, which only that of the operation under test is.
    pub(crate) number: u64,
}

/// The requests for one lock that were not given up, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Line {
    pub(crate) holder: Option<Request>,
    pub(crate) waiters: Vec<Request>,
    /// The holder before died: the one who has the lock, or is next to have it, is to be told.
    pub(crate) is_abandoned: bool,
}

impl Line {
    /// All requests.
    pub(crate) fn requests(&self) -> impl Iterator<Item = &Request> {
        self.holder.iter().chain(&self.waiters)
    }

    /// A request comes; what its owner is told.
    pub(crate) fn ask(&mut self, request: Request) -> Told {
        if self.holder.is_some() {
            self.waiters.push(request);
            return Told::Waiting;
        }
        self.holder = Some(request);
        if self.is_abandoned { Told::Abandoned } else { Told::Granted }
    }

    /// The holder lets go; what it is told.
    pub(crate) fn release(&mut self) -> Told {
        let former = self.holder.take().map(|request| request.owner);
        self.is_abandoned = false;
        self.grant();
        let is_mine = self.holder.is_some_and(|request| Some(request.owner) == former);
        if is_mine { Told::Mine } else { Told::Done }
    }

    /// All requests of those who are dead, or have said goodbye, go.
    pub(crate) fn bury(&mut self, dead: &[u64]) {
        self.waiters.retain(|request| !dead.contains(&request.owner));
        if self.holder.is_some_and(|request| dead.contains(&request.owner)) {
            self.holder = None;
            self.is_abandoned = true;
            self.grant();
        }
    }

    fn grant(&mut self) {
        if !self.waiters.is_empty() {
            self.holder = Some(self.waiters.remove(0));
        }
    }

    /// Whether a line that stands in the segment is this one. Who has a lock has been told whether
    /// it was abandoned, or looks; only of a free one it counts.
    pub(crate) fn is(&self, seen: &Self) -> bool {
        let same = |one: &Request, other: &Request| {
            one.owner == other.owner && (one.number == 0 || one.number == other.number)
        };
        self.holder.is_some() == seen.holder.is_some()
            && (self.holder.is_some() || self.is_abandoned == seen.is_abandoned)
            && self.requests().count() == seen.requests().count()
            && self.requests().zip(seen.requests()).all(|(one, other)| same(one, other))
    }

    /// The owners and tickets of those who live, in order.
    pub(crate) fn living(&self, dead: &[u64]) -> Vec<Request> {
        self.requests().filter(|request| !dead.contains(&request.owner)).copied().collect()
    }
}

/// The block of each waiter of a lock, given-up ones included.
pub(crate) fn waiters(store: &Store, id: u64) -> Outcome<Vec<Offset>> {
    let Some((_, words)) = find(store, id)? else {
        return Ok(Vec::new());
    };
    let mut blocks = Vec::new();
    let mut next = load(store, words.add(lock_word::NEXT))?;
    while next != 0 {
        blocks.push(Offset::new(next));
        next = load(store, Offset::new(next).add(waiter_word::LINK))?;
        if blocks.len() > LONGEST {
            return Err("a line without end".into());
        }
    }
    Ok(blocks)
}

/// The line of a lock as it stands in the segment, when nobody changes it.
pub(crate) fn observe(store: &Store, id: u64) -> Outcome<Line> {
    let Some((shard, words)) = find(store, id)? else {
        return Ok(Line::default());
    };
    // As in `Ticket::to_number`.
    let request = |owner, version| Request { owner, number: version << 6 | shard };
    let owner = load(store, words.add(lock_word::OWNER))?;
    let first = load(store, words.add(lock_word::FIRST))?;
    let flag = load(store, words.add(lock_word::GRANTED))? & granted(0, 1);
    let mut line = Line { is_abandoned: flag != 0, ..Line::default() };
    if first != 0 {
        line.holder = Some(request(owner, first));
    }
    for block in waiters(store, id)? {
        let owner = load(store, block.add(waiter_word::OWNER))?;
        let version = load(store, block.add(waiter_word::STAMP))? >> 1;
        if owner != 0 {
            line.waiters.push(request(owner, version));
        }
    }
    Ok(line)
}

/// The shard of a lock, and its words.
fn find(store: &Store, id: u64) -> Outcome<Option<(u64, Offset)>> {
    let name = name(id);
    let key = key(store, &name).of_lock();
    let shard = Shard::of(store.segment(), &key);
    let found = shard.locks().find(store.segment().region(), &key);
    let found = found.map_err(|error| format!("the lock {name:?}: {error}"))?;
    Ok(found.map(|found| (shard.number(), found.entry.add(found.meta.value_offset()))))
}

fn load(store: &Store, at: Offset) -> Outcome<u64> {
    store.segment().region().load(at, Ordering::Acquire).map_err(|error| error.to_string())
}
