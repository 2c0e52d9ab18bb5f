//! The check of a shard's locks: lists in order, owners that live, seats on both sides.

use super::{Census, ShardCheck, rule};
use crate::entry::{Meta, word};
use crate::error::Result;
use crate::heap::blocks::class_bytes;
use crate::locks::{lock_word, waiter_word};
use crate::segment::layout::{LOCK_SEATS, shard};
use crate::segment::members::{self, MemberId};
use crate::segment::region::Offset;
use std::collections::HashMap;

impl ShardCheck<'_> {
    /// Checks all entries of the table of locks, which have been claimed.
    pub(super) fn locks(&mut self, entries: &[Offset], census: &mut Census) -> Result<()> {
        let mut seats = HashMap::new();
        let layout = self.segment.layout();
        for seat in 0..LOCK_SEATS {
            let at = layout.shard(self.number).add(shard::SEATS).word(seat);
            seats.insert(seat + 1, self.load(at)?);
        }
        for entry in entries {
            self.own(*entry, &mut HashMap::new())?;
            let meta = Meta::from_word(self.load(entry.add(word::META))?)?;
            let words = entry.add(meta.value_offset());
            let lock_word_at = |field| self.load(words.add(field));
            let (first, seat) = (lock_word_at(lock_word::FIRST)?, lock_word_at(lock_word::SEAT)?);
            rule(first != 0 || seat != 0, "a lock that nobody has or keeps", entry.bytes())?;
            if seat != 0 {
                let sits = seats.remove(&seat) == Some(entry.bytes());
                rule(sits, "the seat of a lock", entry.bytes())?;
            }
            self.lock_list(words, census)?;
        }
        let left = seats.values().find(|entry| **entry != 0);
        rule(left.is_none(), "a seat of no lock", left.copied().unwrap_or(0))
    }

    /// Checks the tickets of a lock.
    fn lock_list(&mut self, words: Offset, census: &mut Census) -> Result<()> {
        let at = words.bytes();
        let first = self.load(words.add(lock_word::FIRST))?;
        let owner = self.load(words.add(lock_word::OWNER))?;
        let mut next = self.load(words.add(lock_word::NEXT))?;
        let mut last = 0;
        if first == 0 {
            rule(next == 0, "a request for a lock that nobody has", at)?;
        } else {
            census.locks_held += 1;
            let granted = self.load(words.add(lock_word::GRANTED))?;
            rule(granted >> 1 == first, "who holds a lock", at)?;
            self.living(owner, at)?;
        }
        let mut version = first;
        while next != 0 {
            let block = Offset::new(next);
            self.claim(block)?;
            self.bytes += class_bytes(waiter_word::CLASS);
            let stamp = self.load(block.add(waiter_word::STAMP))?;
            rule(stamp >> 1 > version, "the order of lock requests", next)?;
            version = stamp >> 1;
            let owner = self.load(block.add(waiter_word::OWNER))?;
            if owner != 0 {
                self.living(owner, next)?;
                census.lock_requests += 1;
            }
            last = next;
            next = self.load(block.add(waiter_word::LINK))?;
        }
        rule(version <= self.field(shard::VERSION)?, "the version of a lock request", at)?;
        rule(last == self.load(words.add(lock_word::LAST))?, "the last lock request", at)
    }

    fn living(&self, owner: u64, at: u64) -> Result<()> {
        let lives = MemberId::from_word(owner).is_some_and(|id| {
            let (region, layout) = (self.segment.region(), self.segment.layout());
            members::is_dead(region, layout, id) == Ok(false)
        });
        rule(lives, "a lock of a member that is gone", at)
    }
}
