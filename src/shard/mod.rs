//! A shard: a latch, and the tables, blocks and log that change under it.
//!
//! `entries.rs` is what all who write entries share, `values.rs` what all who copy values out share.
//! The operations on shards are the next floor: the store, the locks, the cache.

mod entries;
mod values;

pub use entries::{Draft, build_run};
pub use values::{Glance, Read, Run, Scratch};

use crate::entry::Key;
use crate::error::Result;
use crate::heap::blocks::Blocks;
use crate::intent::Changes;
use crate::latch::{self, Held};
use crate::log::{self, Log};
use crate::segment::Segment;
use crate::segment::layout::shard;
use crate::segment::members::MemberId;
use crate::segment::region::Offset;
use crate::sync::Ordering;
use crate::table::{self, Table};
use std::time::Duration;

/// How far an operation got under the latch.
#[derive(Debug)]
pub enum Attempt<T> {
    /// To its end.
    Done(T),
    /// The size class has no free block; nothing was changed.
    NeedsSpan(u64),
}

/// A shard, and its parts.
#[derive(Debug, Clone, Copy)]
pub struct Shard<'s> {
    pub(crate) segment: &'s Segment,
    number: u64,
}

impl<'s> Shard<'s> {
    /// Shard number `number`.
    #[inline]
    #[must_use]
    pub const fn new(segment: &'s Segment, number: u64) -> Self {
        Self { segment, number }
    }

    /// The shard of a key.
    #[inline(always)]
    #[must_use]
    pub const fn of(segment: &'s Segment, key: &Key<'_>) -> Self {
        Self { segment, number: table::shard_of(segment, key.hash()) }
    }

    /// Its number.
    #[inline]
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// Its domain.
    #[inline]
    #[must_use]
    pub const fn base(&self) -> Offset {
        self.segment.layout().shard(self.number)
    }

    /// One of its words.
    #[inline]
    #[must_use]
    pub const fn at(&self, field: u64) -> Offset {
        self.base().add(field)
    }

    /// The table of its values; of the cache, the table of its entries.
    #[inline]
    #[must_use]
    pub const fn table(&self) -> Table<'s> {
        Table::new(self.segment, self.segment.layout().table(self.number))
    }

    /// The table of its locks.
    #[inline]
    #[must_use]
    pub const fn locks(&self) -> Table<'s> {
        Table::new(self.segment, self.segment.layout().locks(self.number))
    }

    /// Its blocks.
    #[inline]
    #[must_use]
    pub const fn blocks(&self) -> Blocks<'s> {
        Blocks::new(self.segment, self.number)
    }

    /// Its log.
    #[inline]
    #[must_use]
    pub const fn log(&self) -> Log<'s> {
        Log::new(self.segment, self.number)
    }

    /// Takes its latch.
    ///
    /// # Errors
    /// See [`latch::acquire`].
    #[inline]
    pub fn hold(&self, me: MemberId) -> Result<Held<'s>> {
        latch::hold(self.segment, self.base(), me)
    }

    /// Takes its latch, or gives up after some time.
    ///
    /// # Errors
    /// See [`latch::acquire`].
    pub fn hold_for(&self, me: MemberId, patience: Duration) -> Result<Held<'s>> {
        latch::hold_for(self.segment, self.base(), me, patience)
    }

    /// Runs an operation under the latch; again, with a new span in hand, if it lacked one.
    ///
    /// # Errors
    /// See [`latch::acquire`]; [`crate::error::Error::OutOfMemory`]; what the operation fails with.
    #[inline(always)]
    pub fn change<T>(
        &self,
        me: MemberId,
        mut operation: impl FnMut(&Held<'s>) -> Result<Attempt<T>>,
    ) -> Result<T> {
        let mut span = None;
        loop {
            let held = self.hold(me)?;
            if let Some((class, building)) = span.take() {
                self.install(&held, class, building)?;
            }
            match operation(&held)? {
                Attempt::Done(done) => return Ok(done),
                Attempt::NeedsSpan(class) => {
                    drop(held);
                    span = Some((class, entries::build_span(self.segment, me)?));
                }
            }
        }
    }

    /// The version of the change that is being made: one more than the last.
    ///
    /// # Errors
    /// [`crate::error::Error::Corrupted`] if the shard lies outside the segment; so below.
    #[inline]
    pub fn next_version(&self, changes: &mut Changes<'_>) -> Result<u64> {
        let version = changes.get(self.at(shard::VERSION))?.wrapping_add(1);
        changes.set(self.at(shard::VERSION), version)?;
        Ok(version)
    }

    /// Whether somebody may watch the keys of a hash.
    ///
    /// # Errors
    /// As above.
    #[inline]
    pub fn is_watched(&self, hash: u64) -> Result<bool> {
        Ok(self.load(shard::WATCHED)? & log::filter_bit(hash) != 0)
    }

    /// Reads one of its words, which the latch orders.
    ///
    /// # Errors
    /// As above.
    #[inline]
    pub fn load(&self, field: u64) -> Result<u64> {
        self.segment.region().load(self.at(field), Ordering::Relaxed)
    }
}
