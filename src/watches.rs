//! Watches: a member hears of each change of the keys that it watches, once, in the one true order of
//! the key's shard, each with its own value.
//!
//! The changes of watched keys stand in the shards' logs ([`crate::log`]); a watcher has nothing in
//! the segment but a bit for each shard that it watches and a filter of its keys, by which a writer
//! knows whom to tell. Where it has got to (its *cursor*) it keeps for itself, so a dead or stopped
//! watcher leaves nothing behind and holds up nobody: the log drops its oldest records, and who finds
//! its cursor behind the tail was *lapped*. It then takes the newest value of each of its keys, in
//! the order of their versions, and goes on from there.
//!
//! Records are read without the latch: a record and the block that it names stay as they are until
//! the tail has passed it, so a copy is good if the tail has not passed the cursor after it.

use crate::entry::{Key, Meta, Namespace, word};
use crate::error::Result;
use crate::latch;
use crate::log::{self, At, Record};
use crate::segment::Segment;
use crate::segment::layout::{member, shard};
use crate::segment::members::{self, MemberId};
use crate::shard::{Read, Scratch, Shard};
use crate::store::Store;
use crate::sync::Ordering;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

/// Names a watched key of this member; JavaScript finds its callbacks by it.
pub type WatchId = u32;

/// What a watcher hears next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum News {
    /// A key was set to a value, whose bytes are in the scratch.
    Set(WatchId, Read),
    /// A key was removed.
    Removed(WatchId),
    /// At most so many changes were skipped, for this member was too slow. What follows are the
    /// newest values.
    Skipped(u64),
}

/// The watches of one member; for the thread of that member.
#[derive(Debug)]
pub struct Watches {
    store: Store,
    shards: BTreeMap<u64, Watched>,
    /// Shards that may have more news, a bit each.
    pending: u64,
    /// Where each watched key is.
    ids: HashMap<WatchId, (u64, u64)>,
    next_id: WatchId,
    /// Where keys and values are copied to that are only looked at.
    bytes: Vec<u8>,
    scratch: Scratch,
}

/// The watched keys of a shard, by hash.
#[derive(Debug, Default)]
struct Watched {
    cursor: u64,
    keys: HashMap<u64, Vec<WatchedKey>>,
    /// Keys whose newest value is to be told, for records were lost.
    stale: VecDeque<WatchId>,
}

#[derive(Debug)]
struct WatchedKey {
    id: WatchId,
    namespace: Namespace,
    bytes: Box<[u8]>,
    wide: bool,
    /// Version of the change that was told last; older ones are known.
    version: u64,
    /// Whether the key was missing then.
    is_missing: bool,
}

/// What one look at a log showed.
enum Look {
    /// There is no more.
    End,
    /// A record of a key that nobody here watches, or that is known.
    Nothing,
    Told(News),
    /// The tail has passed the cursor.
    Lapped,
}

impl Watches {
    /// The watches of `me`, which has none yet.
    #[must_use]
    pub fn new(segment: Arc<Segment>, me: MemberId) -> Self {
        Self {
            store: Store::new(segment, me),
            shards: BTreeMap::new(),
            pending: 0,
            ids: HashMap::new(),
            next_id: 1,
            bytes: Vec::new(),
            scratch: Scratch::default(),
        }
    }

    /// From now on, each change of this key is told. A key is watched once at a time.
    ///
    /// # Errors
    /// See [`Store::watch`]; it is not watched then.
    pub fn watch(&mut self, key: &Key<'_>) -> Result<WatchId> {
        let number = Shard::of(self.store.segment(), key).number();
        let watches = self.own_word(member::WATCHES)? | 1 << number;
        let filter = self.own_word(member::WATCHED)? | log::filter_bit(key.hash());
        // First, for who leaves a record looks whom to tell.
        self.say(watches, filter)?;
        let since = self.store.watch(key)?;
        let id = self.next_id;
        self.next_id += 1;
        let start = Watched { cursor: since.head, ..Watched::default() };
        let keys_of_shard = self.shards.entry(number).or_insert(start);
        keys_of_shard.keys.entry(key.hash()).or_default().push(WatchedKey {
            id,
            namespace: key.namespace(),
            bytes: key.bytes().into(),
            wide: key.is_wide(),
            version: since.version,
            is_missing: since.is_missing,
        });
        self.ids.insert(id, (number, key.hash()));
        Ok(id)
    }

    /// Ends a watch. What the log still keeps for it goes with time.
    ///
    /// # Errors
    /// [`crate::error::Error::Busy`]: the watch has ended, but changes of its key still leave records, until
    /// another watch of the shard ends.
    pub fn unwatch(&mut self, id: WatchId) -> Result<()> {
        let Some((number, hash)) = self.ids.remove(&id) else {
            return Ok(());
        };
        if let Some(watched) = self.shards.get_mut(&number) {
            if let Some(keys) = watched.keys.get_mut(&hash) {
                keys.retain(|key| key.id != id);
            }
            watched.keys.retain(|_, keys| !keys.is_empty());
            if watched.keys.is_empty() {
                self.shards.remove(&number);
            }
        }
        let watches = self.shards.keys().fold(0, |bits, shard| bits | 1 << shard);
        let hashes = self.shards.values().flat_map(|watched| watched.keys.keys());
        let filter = hashes.fold(0, |bits, hash| bits | log::filter_bit(*hash));
        self.say(watches, filter)?;
        refilter(self.store.segment(), self.store.member(), number)
    }

    /// Notes which shards have news, a bit each.
    pub const fn note(&mut self, news: u64) {
        self.pending |= news;
    }

    /// What there is to be told next; `None`: nothing more.
    ///
    /// # Errors
    /// [`crate::error::Error::Corrupted`]; [`crate::error::Error::OutOfMemory`] if this process has no
    /// room for a value. What could not be read is passed over.
    pub fn next(&mut self, scratch: &mut Scratch) -> Result<Option<News>> {
        while self.pending != 0 {
            let number = u64::from(self.pending.trailing_zeros());
            match self.look(number, scratch) {
                Ok(Look::End) => self.pending &= !(1 << number),
                Ok(Look::Nothing) => {}
                Ok(Look::Told(news)) => return Ok(Some(news)),
                Ok(Look::Lapped) => return self.resynchronise(number).map(Some),
                Err(error) => {
                    // The next change of this shard is another chance.
                    self.pending &= !(1 << number);
                    return Err(error);
                }
            }
        }
        Ok(None)
    }

    fn look(&mut self, number: u64, scratch: &mut Scratch) -> Result<Look> {
        let Some(watched) = self.shards.get_mut(&number) else {
            return Ok(Look::End);
        };
        if let Some(id) = watched.stale.pop_front() {
            return watched.tell_newest(&self.store, id, scratch);
        }
        let shard = Shard::new(self.store.segment(), number);
        let cursor = watched.cursor;
        let record = match shard.log().look(cursor)? {
            At::End => return Ok(Look::End),
            At::Lapped => return Ok(Look::Lapped),
            At::Record(record) => record,
        };
        let told = watched.read(&shard, &record, &mut self.bytes, scratch);
        if shard.log().is_lapped(cursor)? {
            return Ok(Look::Lapped);
        }
        watched.cursor = cursor + 1;
        let Some((hash, index, read)) = told? else {
            return Ok(Look::Nothing);
        };
        let key = watched.keys.get_mut(&hash).and_then(|keys| keys.get_mut(index));
        let Some(key) = key.filter(|key| record.version > key.version) else {
            return Ok(Look::Nothing);
        };
        (key.version, key.is_missing) = (record.version, record.is_removal);
        Ok(Look::Told(if record.is_removal {
            News::Removed(key.id)
        } else {
            News::Set(key.id, Read { version: record.version, ..read })
        }))
    }

    /// Goes to the head of a log, with all keys to be told anew, in the order of their versions.
    #[cold]
    fn resynchronise(&mut self, number: u64) -> Result<News> {
        let log = Shard::new(self.store.segment(), number).log();
        let Some(watched) = self.shards.get_mut(&number) else {
            return Ok(News::Skipped(0));
        };
        // Before the values: none of them is older.
        let head = log.head()?;
        let skipped = head.saturating_sub(watched.cursor);
        watched.cursor = head;
        let mut newest = Vec::new();
        for key in watched.keys.values().flatten() {
            let (_, version) = self.store.get_as_of(&key.name(&self.store)?, &mut self.scratch)?;
            newest.push((version, key.id));
        }
        newest.sort_unstable();
        watched.stale = newest.into_iter().map(|(_, id)| id).collect();
        Ok(News::Skipped(skipped))
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

impl Watched {
    /// Finds the key that a record is of, by hash and index, and copies the value; all of it is
    /// still to be validated.
    fn read(
        &self,
        shard: &Shard<'_>,
        record: &Record,
        bytes: &mut Vec<u8>,
        scratch: &mut Scratch,
    ) -> Result<Option<(u64, usize, Read)>> {
        let region = shard.segment.region();
        let entry = record.entry;
        let meta = Meta::from_word(region.load(entry.add(word::META), Ordering::Relaxed)?)?;
        bytes.resize(usize::try_from(meta.key_bytes).unwrap_or(0), 0);
        region.read_bytes(entry.add(word::KEY), bytes)?;
        let key = Key::within(meta.namespace, shard.segment.hash_key(), bytes, meta.wide)?;
        let keys = self.keys.get(&key.hash());
        let Some(index) = keys.and_then(|keys| keys.iter().position(|each| each.is(&key))) else {
            return Ok(None);
        };
        let mut read = Read::NOTHING;
        if !record.is_removal {
            shard.read_logged(entry, meta, scratch, &mut read)?;
        }
        Ok(Some((key.hash(), index, read)))
    }

    /// Tells the newest value of a key, if it is not known.
    fn tell_newest(&mut self, store: &Store, id: WatchId, scratch: &mut Scratch) -> Result<Look> {
        let Some(key) = self.keys.values_mut().flatten().find(|key| key.id == id) else {
            return Ok(Look::Nothing);
        };
        let (read, version) = store.get_as_of(&key.name(store)?, scratch)?;
        let news = match read {
            Some(read) if version > key.version => News::Set(id, read),
            None if !key.is_missing => News::Removed(id),
            _ => return Ok(Look::Nothing),
        };
        (key.version, key.is_missing) = (version, read.is_none());
        Ok(Look::Told(news))
    }
}

impl WatchedKey {
    fn name(&self, store: &Store) -> Result<Key<'_>> {
        Key::within(self.namespace, store.segment().hash_key(), &self.bytes, self.wide)
    }

    fn is(&self, key: &Key<'_>) -> bool {
        self.namespace == key.namespace()
            && self.wide == key.is_wide()
            && *self.bytes == *key.bytes()
    }
}

/// Ends all watches of a member that is gone.
///
/// # Errors
/// [`crate::error::Error::Busy`]: some are ended, and it can be called again.
pub fn end_all(segment: &Segment, me: MemberId, gone: MemberId) -> Result<()> {
    let at = segment.layout().member(gone.slot());
    let watches = segment.region().load(at.add(member::WATCHES), Ordering::Relaxed)?;
    segment.region().store(at.add(member::WATCHED), 0, Ordering::Relaxed)?;
    let mut shards = (0..segment.layout().shards).filter(|shard| watches >> shard & 1 != 0);
    shards.try_for_each(|shard| refilter(segment, me, shard))
}

/// Makes the filter of a shard what its watchers need. A watcher that comes meanwhile adds what it
/// needs under the latch, after it has said so in its slot.
fn refilter(segment: &Segment, me: MemberId, number: u64) -> Result<()> {
    let (region, layout) = (segment.region(), segment.layout());
    let shard = Shard::new(segment, number);
    let _held = latch::hold(segment, shard.base(), me)?;
    let mut filter = 0;
    for slot in 0..members::slots(region)? {
        let word = |field| region.load(layout.member(slot).add(field), Ordering::Relaxed);
        if word(member::WATCHES)? >> number & 1 != 0 {
            filter |= word(member::WATCHED)?;
        }
    }
    region.store(shard.at(shard::WATCHED), filter, Ordering::Relaxed)
}
