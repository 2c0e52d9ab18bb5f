//! Watches: a member hears of each change of the keys that it watches, once, in the one true order of
//! the key's shard, each with its own value.
//!
//! The changes of watched keys stand in the shards' logs ([`crate::log`]); a watcher has nothing in
//! the segment but a bit for each shard that it watches and a filter of its keys, by which a writer
//! knows whom to tell. Where it has got to (its *cursor*) it keeps for itself, so a dead or stopped
//! watcher leaves nothing behind and holds up nobody: the log drops its oldest records, and who finds
//! its cursor behind the tail was *lapped*. It then takes the newest value of each of its keys, in
//! the order of their versions, and goes on from there (`reader.rs`).
//!
//! Records are read without the latch: a record and the block that it names stay as they are until
//! the tail has passed it, so a copy is good if the tail has not passed the cursor after it.

mod reader;

use crate::entry::Key;
use crate::error::Result;
use crate::latch::PATIENCE;
use crate::log;
use crate::segment::Segment;
use crate::segment::layout::{member, shard};
use crate::segment::members::{self, MemberId};
use crate::shard::{Read, Scratch, Shard};
use crate::store::Store;
use crate::sync::Ordering;
use reader::{Reader, Step};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// Names a watch of this member.
pub type WatchId = u32;

/// What a watcher hears next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum News {
    /// A key was set to a value, whose bytes are in the scratch.
    Set(WatchId, Read),
    /// A key was removed.
    Removed(WatchId),
    /// At most so many changes were skipped, for this member was too slow. The newest values of
    /// their keys have been told.
    Skipped(u64),
}

/// The watches of one member; for the thread of that member.
#[derive(Debug)]
pub struct Watches {
    store: Store,
    readers: BTreeMap<u64, Reader>,
    /// Shards that may have more news, a bit each.
    pending: u64,
    /// How many watches have each bit of the filter.
    bits: [u32; 64],
    /// Shard and hash of the key of each watch.
    ids: HashMap<WatchId, (u64, u64)>,
    next_id: WatchId,
}

impl Watches {
    /// The watches of `me`, which has none yet.
    #[must_use]
    pub fn new(segment: Arc<Segment>, me: MemberId) -> Self {
        Self {
            store: Store::new(segment, me),
            readers: BTreeMap::new(),
            pending: 0,
            bits: [0; 64],
            ids: HashMap::new(),
            next_id: 1,
        }
    }

    /// From now on, each change of this key is told. A key may have many watches; each is told.
    ///
    /// # Errors
    /// See [`Store::watch`]; it is not watched then.
    pub fn watch(&mut self, key: &Key<'_>) -> Result<WatchId> {
        let number = Shard::of(self.store.segment(), key).number();
        let bit = log::filter_bit(key.hash());
        let watches = self.own_word(member::WATCHES)? | 1 << number;
        let filter = self.own_word(member::WATCHED)? | bit;
        // First, for who leaves a record looks whom to tell.
        self.say(watches, filter)?;
        let since = self.store.watch(key)?;
        let id = self.next_id;
        self.next_id += 1;
        let reader = self.readers.entry(number).or_insert_with(|| Reader::new(number, since.head));
        reader.add(id, key, &since);
        self.ids.insert(id, (number, key.hash()));
        self.count(bit, |count| count + 1);
        Ok(id)
    }

    /// Ends a watch. What the log still keeps for it goes with time.
    ///
    /// # Errors
    /// [`crate::error::Error::Busy`]: the watch has ended, but changes of its key still leave
    /// records, until another watch of the shard ends.
    pub fn unwatch(&mut self, id: WatchId) -> Result<()> {
        let Some((number, hash)) = self.ids.remove(&id) else {
            return Ok(());
        };
        if let Some(reader) = self.readers.get_mut(&number) {
            reader.remove(id, hash);
            if reader.is_idle() {
                self.readers.remove(&number);
            }
        }
        let bit = log::filter_bit(hash);
        let is_bit_used = self.count(bit, |count| count.saturating_sub(1)) > 0;
        let is_shard_used = self.readers.contains_key(&number);
        if is_bit_used && is_shard_used {
            return Ok(());
        }
        let watches = self.own_word(member::WATCHES)?;
        let watches = if is_shard_used { watches } else { watches & !(1 << number) };
        let filter = self.own_word(member::WATCHED)?;
        let filter = if is_bit_used { filter } else { filter & !bit };
        self.say(watches, filter)?;
        refilter(self.store.segment(), self.store.member(), number, PATIENCE)
    }

    /// Notes which shards have news, a bit each.
    pub const fn note(&mut self, news: u64) {
        self.pending |= news;
    }

    /// What there is to be told next; `None`: nothing more.
    ///
    /// # Errors
    /// [`crate::error::Error::Corrupted`]; [`crate::error::Error::OutOfMemory`] if this process has
    /// no room for a value, and the change is passed over; [`crate::error::Error::Busy`] if a newest
    /// value could not be had, and is told when the shard has [news](Self::note) again.
    pub fn next(&mut self, scratch: &mut Scratch) -> Result<Option<News>> {
        while self.pending != 0 {
            let number = u64::from(self.pending.trailing_zeros());
            let Some(reader) = self.readers.get_mut(&number) else {
                self.pending &= !(1 << number);
                continue;
            };
            let cursor = reader.cursor();
            match reader.step(&self.store, scratch) {
                Ok(Step::Nothing) => {}
                Ok(Step::Told(news)) => return Ok(Some(news)),
                Ok(Step::End) => self.pending &= !(1 << number),
                Err(error) => {
                    if reader.cursor() == cursor {
                        self.pending &= !(1 << number);
                    }
                    return Err(error);
                }
            }
        }
        Ok(None)
    }

    /// Changes how many watches have a bit of the filter; gives how many there are now.
    fn count(&mut self, bit: u64, change: impl FnOnce(u32) -> u32) -> u32 {
        let count = self.bits.get_mut(bit.trailing_zeros() as usize);
        count.map_or(0, |count| {
            *count = change(*count);
            *count
        })
    }

    fn own_word(&self, field: u64) -> Result<u64> {
        let segment = self.store.segment();
        let at = segment.layout().member(self.store.member().slot()).add(field);
        segment.region().load(at, Ordering::Relaxed)
    }

    /// Says in the member's slot what it watches. Writers may see it late: only what is done under
    /// the latch afterwards counts.
    fn say(&self, watches: u64, filter: u64) -> Result<()> {
        let segment = self.store.segment();
        let at = segment.layout().member(self.store.member().slot());
        let region = segment.region();
        region.store(at.add(member::WATCHED), filter, Ordering::Relaxed)?;
        region.store(at.add(member::WATCHES), watches, Ordering::Relaxed)
    }
}

/// Ends all watches of a member that is gone.
///
/// # Errors
/// [`crate::error::Error::Busy`]: some are ended, and it can be called again.
pub fn end_all(segment: &Segment, me: MemberId, gone: MemberId, patience: Duration) -> Result<()> {
    let filter_at = segment.layout().member(gone.slot()).add(member::WATCHED);
    segment.region().store(filter_at, 0, Ordering::Relaxed)?;
    // All that are watched, for it may have died while it ended a watch.
    for number in 0..segment.layout().shards {
        if Shard::new(segment, number).load(shard::WATCHED)? != 0 {
            refilter(segment, me, number, patience)?;
        }
    }
    Ok(())
}

/// Makes the filter of a shard what its watchers need. A watcher that comes meanwhile adds what it
/// needs under the latch, after it has said so in its slot.
fn refilter(segment: &Segment, me: MemberId, number: u64, patience: Duration) -> Result<()> {
    let (region, layout) = (segment.region(), segment.layout());
    let shard = Shard::new(segment, number);
    let _held = shard.hold_for(me, patience)?;
    let mut filter = 0;
    for slot in 0..members::slots(region)? {
        let word = |field| region.load(layout.member(slot).add(field), Ordering::Relaxed);
        if word(member::WATCHES)? >> number & 1 != 0 {
            filter |= word(member::WATCHED)?;
        }
    }
    region.store(shard.at(shard::WATCHED), filter, Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Value;
    use crate::error::Error;
    use crate::os::process::ProcessId;
    use crate::store;

    /// A watcher that has been told of three changes, and where the ends of the log are.
    struct Scene {
        segment: Arc<Segment>,
        watches: Watches,
        number: u64,
    }

    impl Scene {
        fn new() -> Self {
            let segment = Arc::new(store::create(16 << 20).unwrap());
            let process = ProcessId::current();
            let id = members::join(segment.region(), segment.layout(), process, 0).unwrap();
            let mut watches = Watches::new(Arc::clone(&segment), id);
            let store = Store::new(Arc::clone(&segment), id);
            let key = store.key(b"key", false).unwrap();
            let number = Shard::of(&segment, &key).number();
            watches.watch(&key).unwrap();
            for number in [1.0, 2.0, 3.0] {
                store.set(&key, &Value::number(number)).unwrap();
            }
            Self { segment, watches, number }
        }

        fn add(&self, field: u64, by: u64) {
            let at = self.segment.layout().shard(self.number).add(field);
            let region = self.segment.region();
            let word = region.load(at, Ordering::Relaxed).unwrap();
            region.store(at, word.wrapping_add(by), Ordering::Relaxed).unwrap();
        }

        /// All that it is told.
        fn hear(&mut self) -> Result<usize> {
            self.watches.note(u64::MAX);
            let mut scratch = Scratch::default();
            let mut told = 0;
            while self.watches.next(&mut scratch)?.is_some() {
                told += 1;
            }
            Ok(told)
        }

        fn finds_damage(&mut self) -> bool {
            matches!(self.hear(), Err(Error::Corrupted { .. }))
        }
    }

    #[test]
    fn a_log_whose_tail_is_past_its_head_is_damage() {
        let mut scene = Scene::new();
        assert_eq!(scene.hear(), Ok(3));
        scene.add(shard::LOG_TAIL, 1000);
        assert!(scene.finds_damage());
        assert!(scene.finds_damage(), "each time");
    }

    #[test]
    fn a_log_whose_head_is_further_than_its_ring_is_long_is_damage() {
        let mut scene = Scene::new();
        scene.add(shard::LOG_HEAD, 1 << 60);
        assert!(scene.finds_damage());
        scene.add(shard::LOG_TAIL, 100);
        assert!(scene.finds_damage(), "to who was lapped, too");
    }
}
