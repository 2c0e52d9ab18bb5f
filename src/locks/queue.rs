//! The tickets of one member that wait, by shard and lock, in this process only.
//!
//! Of the tickets of one lock only the oldest can be the next, so news of a shard costs one look at
//! each lock of it that this member waits for, however many tickets there are.

use super::{ABANDONED, Ticket, lock_word};
use crate::error::Result;
use crate::segment::members::MemberId;
use crate::segment::region::{Offset, Region};
use crate::sync::Ordering;
use rustc_hash::FxHashMap;
use std::collections::VecDeque;

/// Tickets in line, by lock: the word that says which of its tickets are granted. The entry stays
/// where it is for as long as a ticket of it waits.
type Lines = FxHashMap<Offset, VecDeque<Ticket>>;

/// All tickets that wait.
#[derive(Debug, Default)]
pub(super) struct Queues {
    shards: FxHashMap<u64, Lines>,
    tickets: usize,
}

impl Queues {
    /// A ticket waits.
    pub(super) fn push(&mut self, ticket: Ticket, granted_at: Offset) {
        let lines = self.shards.entry(ticket.shard).or_default();
        lines.entry(granted_at).or_default().push_back(ticket);
        self.tickets += 1;
    }

    /// A ticket has been granted by this member itself.
    pub(super) fn take(&mut self, ticket: Ticket, granted_at: Offset) {
        let Some(lines) = self.shards.get_mut(&ticket.shard) else {
            return;
        };
        let Some(line) = lines.get_mut(&granted_at) else {
            return;
        };
        if line.front() == Some(&ticket) {
            line.pop_front();
            self.tickets -= 1;
        }
        if line.is_empty() {
            lines.remove(&granted_at);
        }
    }

    /// Whether none waits.
    pub(super) const fn is_empty(&self) -> bool {
        self.tickets == 0
    }

    /// Takes those out that have been granted, in the shards of a set of bits; with each, whether
    /// the lock was abandoned.
    pub(super) fn granted(&mut self, region: &Region, shards: u64) -> Result<Vec<(Ticket, bool)>> {
        let mut granted = Vec::new();
        if self.is_empty() {
            return Ok(granted);
        }
        for (_, lines) in self.shards.iter_mut().filter(|(shard, _)| shards >> **shard & 1 != 0) {
            for (at, line) in lines.iter_mut() {
                // Acquire: pairs with the Release fence before the words of the granter's intent.
                let up_to = region.load(*at, Ordering::Acquire)?;
                while let Some(ticket) = line.front()
                    && ticket.version <= up_to >> 1
                {
                    granted.push((*ticket, up_to & ABANDONED != 0));
                    line.pop_front();
                }
            }
            lines.retain(|_, line| !line.is_empty());
        }
        self.tickets -= granted.len();
        granted.sort_unstable();
        Ok(granted)
    }

    /// The holders of all locks that are waited for.
    pub(super) fn holders(&self, region: &Region) -> Result<Vec<MemberId>> {
        let mut holders = Vec::new();
        for at in self.shards.values().flat_map(|lines| lines.keys()) {
            let owner_at = at.add(lock_word::OWNER - lock_word::GRANTED);
            holders.extend(MemberId::from_word(region.load(owner_at, Ordering::Relaxed)?));
        }
        Ok(holders)
    }
}
