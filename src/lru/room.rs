//! Making room for a set that finds no memory: the cache gives way, but nothing else does.
//!
//! First some of the oldest go, in order. But pages come back only when all blocks of a span are
//! free, and entries that were used in any order lie everywhere: nearly all of them would have to
//! go. So if that does not help, spans are cleared: that of the oldest entry, then that of the oldest
//! of the others, with all that lies in them. (memcached moves memory between its classes like that,
//! by pages.)
//!
//! What goes to an heir frees nothing before the heir has heard of it. So while something waits for it
//! no more is evicted, and the set rests; the heir itself cannot wait for itself.

use super::Lru;
use super::cache::{Cache, FREES};
use super::list::Item;
use crate::entry::{Meta, word};
use crate::error::Result;
use crate::heap::fact::Fact;
use crate::heap::pages;
use crate::segment::layout::{CLASSES, PAGE, cache, shard, span};
use crate::segment::region::Offset;
use crate::sync::{self, Ordering};
use crate::wake;
use std::time::Duration;

/// How often a set makes room and tries again.
const TRIES: u32 = 16;
/// Tries for which the oldest go in order, half of what is needed each; from then on spans are
/// cleared, twice as much each time.
const IN_ORDER: u32 = 6;
/// Blocks of a span that are looked at while the latch is held once.
const LOOKS: u64 = 64;
/// How long a set waits for the heir each time.
const REST: Duration = Duration::from_millis(1);

impl Lru {
    /// Makes room so that the next try of a set may find what it needs. `false`: there is nothing
    /// that would help.
    ///
    /// # Errors
    /// [`crate::error::Error::Busy`], [`crate::error::Error::Corrupted`].
    #[cold]
    pub(super) fn make_room(&self, need: u64, free: u64, tries: u32) -> Result<bool> {
        let layout = self.segment.layout();
        let own = self.shard().load(shard::BYTES_USED)? + CLASSES * layout.span_pages * PAGE;
        if tries >= TRIES || need > free.saturating_add(own) {
            return Ok(false);
        }
        if let Some(heir) = Cache::read(self.shard())?.rules.heir {
            self.look_after(heir)?;
        }
        let may_evict = self.word(cache::ESTATE)? == 0;
        let clears = tries >= IN_ORDER && Cache::read(self.shard())?.rules.heir.is_none();
        let mut left = need.div_ceil(2) << tries.saturating_sub(IN_ORDER).min(need.leading_zeros());
        let mut has_freed = false;
        while left > 0 {
            let bytes = match self.forget_some_bytes(left)? {
                0 if may_evict && clears => self.clear_oldest_span()?,
                0 if may_evict => self.evict_some(left)?,
                bytes => bytes,
            };
            if bytes == 0 {
                break;
            }
            has_freed = true;
            left -= bytes.min(left);
        }
        if self.word(cache::ESTATE)? != 0 {
            return self.rest();
        }
        Ok(has_freed || self.word(cache::OLDEST)? != 0)
    }

    /// A step of freeing the past; so for the steps below, each gives about how many bytes.
    fn forget_some_bytes(&self, enough: u64) -> Result<u64> {
        let (held, cache) = self.hold()?;
        let mut changes = held.changes();
        let bytes = cache.forget(&mut changes, FREES, enough)?;
        if bytes > 0 {
            held.commit(&mut changes)?;
        }
        Ok(bytes)
    }

    /// A step of evicting in order.
    fn evict_some(&self, enough: u64) -> Result<u64> {
        let (held, mut cache) = self.hold()?;
        let mut changes = held.changes();
        let bytes = cache.evict(&mut changes, enough)?;
        if bytes > 0 {
            held.commit(&mut changes)?;
        }
        drop(held);
        self.tell_heir(&cache);
        Ok(bytes)
    }

    /// Evicts all that lies in the span of the oldest entry.
    fn clear_oldest_span(&self) -> Result<u64> {
        let (held, cache) = self.hold()?;
        let Some(oldest) = cache.uses().last(&held.changes())? else {
            return Ok(0);
        };
        drop(held);
        let layout = self.segment.layout();
        let page = layout.page_of(oldest.entry())? & !(layout.span_pages - 1);
        let (mut bytes, mut index) = (0, 0);
        while let Some((evicted, next)) = self.clear_some(page, index)? {
            bytes += evicted;
            index = next;
        }
        Ok(bytes)
    }

    /// A step of it, from block number `index` on: the bytes and where to go on. `None`: at its end,
    /// or it is no span of the cache any more.
    fn clear_some(&self, page: u64, index: u64) -> Result<Option<(u64, u64)>> {
        let (held, mut cache) = self.hold()?;
        let segment = &self.segment;
        let load = |at: Offset| segment.region().load(at, Ordering::Relaxed);
        match pages::fact(segment, page)? {
            Fact::Span { shard, .. } if shard == cache.shard.number() => {}
            _ => return Ok(None),
        }
        let start = segment.layout().page(page);
        let block_bytes = cache.shard.blocks().bytes_of(start)?;
        let most = segment.layout().span_pages * PAGE / block_bytes;
        let cut = (load(segment.layout().span(page).add(span::COUNTS))? >> 32).min(most);
        if index >= cut {
            return Ok(None);
        }
        let end = cut.min(index + LOOKS);
        let mut changes = held.changes();
        let (mut bytes, mut next, mut frees) = (0, index, 0);
        while next < end && frees < FREES {
            let entry = start.add(next * block_bytes);
            next += 1;
            // 0 stands there in what is no entry; what is past is freed by others.
            if load(entry.add(word::STAMP))? >> 1 > cache.rules.since {
                let item = Item::new(entry, Meta::from_word(load(entry.add(word::META))?)?);
                bytes += cache.bytes_of(item)?;
                let found = cache.locate(&changes, item)?;
                cache.leave(&mut changes, &found)?;
                frees += 1;
            }
        }
        if frees > 0 {
            held.commit(&mut changes)?;
        }
        drop(held);
        self.tell_heir(&cache);
        Ok(Some((bytes, next)))
    }

    /// Waits a little for the heir; `false` if there is none, or it is this member.
    pub(super) fn rest(&self) -> Result<bool> {
        match Cache::read(self.shard())?.rules.heir {
            Some(heir) if heir != self.me => {
                wake::rouse_slot(&self.segment, heir.slot(), wake::NEWS)?;
                sync::sleep(REST);
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}
