//! Reading the log of one shard for the watches of one member.

use super::{News, WatchId};
use crate::entry::{Key, Meta, Namespace, word};
use crate::error::{Error, Result};
use crate::log::{At, Record};
use crate::shard::{Read, Scratch, Shard};
use crate::store::{Store, Watched};
use crate::sync::Ordering;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};

/// Where a member has got to in the log of a shard, and for whom it reads.
#[derive(Debug)]
pub(super) struct Reader {
    number: u64,
    cursor: u64,
    /// By the hash of their key.
    watches: HashMap<u64, Vec<Watch>>,
    /// Watches that are to be told their key's newest value, for records were lost; with its hash.
    stale: VecDeque<(u64, WatchId)>,
    /// Since then it has not caught up.
    behind: Option<Behind>,
    key: Vec<u8>,
}

/// A watch of a key.
#[derive(Debug)]
struct Watch {
    id: WatchId,
    namespace: Namespace,
    key: Box<[u8]>,
    wide: bool,
    /// Version of the change that was told last; older ones are known.
    version: u64,
    /// Whether the key was missing then.
    is_missing: bool,
}

/// A reader that was lapped.
#[derive(Debug, Clone, Copy, Default)]
struct Behind {
    /// Changes that were passed over.
    skipped: u64,
    /// The newest version that was told instead of them.
    version: u64,
}

/// What one step has led to.
pub(super) enum Step {
    /// There is no more.
    End,
    /// On to the next.
    Nothing,
    Told(News),
}

/// Whom a record concerns.
enum Concerned {
    Nobody,
    /// Who watches its key knows something newer.
    Known,
    /// A watch, by hash and index, and the value that the record tells.
    Watch(u64, usize, Read),
}

impl Reader {
    /// A reader that begins there.
    pub(super) fn new(number: u64, cursor: u64) -> Self {
        Self {
            number,
            cursor,
            watches: HashMap::new(),
            stale: VecDeque::new(),
            behind: None,
            key: Vec::new(),
        }
    }

    /// The next record that it will look at.
    pub(super) const fn cursor(&self) -> u64 {
        self.cursor
    }

    /// Whether nobody wants it to read.
    pub(super) fn is_idle(&self) -> bool {
        self.watches.is_empty()
    }

    /// Reads for one more watch from now on.
    pub(super) fn add(&mut self, id: WatchId, key: &Key<'_>, since: &Watched) {
        self.watches.entry(key.hash()).or_default().push(Watch {
            id,
            namespace: key.namespace(),
            key: key.bytes().into(),
            wide: key.is_wide(),
            version: since.version,
            is_missing: since.is_missing,
        });
    }

    /// Reads no more for a watch.
    pub(super) fn remove(&mut self, id: WatchId, hash: u64) {
        if let Entry::Occupied(mut watches) = self.watches.entry(hash) {
            watches.get_mut().retain(|watch| watch.id != id);
            if watches.get().is_empty() {
                watches.remove();
            }
        }
    }

    /// Looks at the next thing. A record stays the next one until all who watch its key were told.
    ///
    /// # Errors
    /// [`Error::Busy`] if a newest value could not be had: it is still to be told.
    /// [`Error::Corrupted`]; [`Error::OutOfMemory`] if this process has
    /// no room for a value: the record is passed over.
    pub(super) fn step(&mut self, store: &Store, scratch: &mut Scratch) -> Result<Step> {
        if let Some(&(hash, id)) = self.stale.front() {
            let step = self.tell_newest(hash, id, store, scratch);
            if !matches!(step, Err(Error::Busy { .. })) {
                self.stale.pop_front();
            }
            return step;
        }
        let shard = Shard::new(store.segment(), self.number);
        let record = match shard.log().look(self.cursor)? {
            At::End => return Ok(self.caught_up().unwrap_or(Step::End)),
            At::Lapped => return self.resynchronise(store),
            At::Record(record) => record,
        };
        if self.behind.is_some_and(|behind| record.version > behind.version)
            && let Some(step) = self.caught_up()
        {
            return Ok(step);
        }
        let concerned = self.concerned(&shard, &record, scratch);
        if shard.log().is_lapped(self.cursor)? {
            return self.resynchronise(store);
        }
        let (hash, index, read) = match concerned {
            Ok(Concerned::Watch(hash, index, read)) => (hash, index, read),
            other => {
                self.cursor += 1;
                if let (Concerned::Known, Some(behind)) = (other?, &mut self.behind) {
                    behind.skipped += 1;
                }
                return Ok(Step::Nothing);
            }
        };
        let watches = self.watches.get_mut(&hash);
        let Some(watch) = watches.and_then(|watches| watches.get_mut(index)) else {
            return Ok(Step::Nothing);
        };
        (watch.version, watch.is_missing) = (record.version, record.is_removal);
        Ok(Step::Told(if record.is_removal {
            News::Removed(watch.id)
        } else {
            News::Set(watch.id, Read { version: record.version, ..read })
        }))
    }

    /// Finds a watch that a record is news for, and copies the value; all of it is still to be
    /// validated.
    fn concerned(
        &mut self,
        shard: &Shard<'_>,
        record: &Record,
        scratch: &mut Scratch,
    ) -> Result<Concerned> {
        let region = shard.segment.region();
        let entry = record.entry;
        let meta = Meta::from_word(region.load(entry.add(word::META), Ordering::Relaxed)?)?;
        self.key.resize(usize::try_from(meta.key_bytes()).unwrap_or(0), 0);
        region.read_bytes(entry.add(word::KEY), &mut self.key)?;
        let hash_key = shard.segment.hash_key();
        let key = Key::within(meta.namespace(), hash_key, &self.key, meta.is_wide())?;
        let watches = self.watches.get(&key.hash()).map(Vec::as_slice).unwrap_or_default();
        let mut concerned = Concerned::Nobody;
        for (index, watch) in watches.iter().enumerate().filter(|(_, watch)| watch.is_of(&key)) {
            if watch.version < record.version {
                let mut read = Read::NOTHING;
                if !record.is_removal {
                    // A long copy starts only from what is true up to here.
                    if meta.in_run() && shard.log().is_lapped(self.cursor)? {
                        return Ok(Concerned::Nobody);
                    }
                    shard.read_logged(entry, meta, scratch, &mut read)?;
                }
                return Ok(Concerned::Watch(key.hash(), index, read));
            }
            // Told with this very version: perhaps as the newest value, in this record's stead.
            if watch.version >= record.version {
                concerned = Concerned::Known;
            }
        }
        Ok(concerned)
    }

    /// Goes to the head of the log, with all keys to be told anew, in the order of their versions.
    #[cold]
    fn resynchronise(&mut self, store: &Store) -> Result<Step> {
        // Before the values: none of them is older.
        let head = Shard::new(store.segment(), self.number).log().head()?;
        let mut newest = Vec::new();
        let mut keys = HashSet::new();
        for (hash, watches) in &self.watches {
            for watch in watches {
                let (version, is_there) = store.version_of(&watch.name(store)?)?;
                if watch.is_news(is_there, version) {
                    newest.push((version, (*hash, watch.id)));
                    keys.insert(hash);
                }
            }
        }
        newest.sort_unstable();
        let passed_over = head.saturating_sub(self.cursor).saturating_sub(keys.len() as u64);
        self.behind.get_or_insert_default().skipped += passed_over;
        self.stale = newest.into_iter().map(|(_, watch)| watch).collect();
        self.cursor = head;
        Ok(Step::Nothing)
    }

    /// Tells the newest value of a key, if it is not known.
    fn tell_newest(
        &mut self,
        hash: u64,
        id: WatchId,
        store: &Store,
        scratch: &mut Scratch,
    ) -> Result<Step> {
        let mut watches = self.watches.get_mut(&hash).into_iter().flatten();
        let Some(watch) = watches.find(|watch| watch.id == id) else {
            return Ok(Step::Nothing);
        };
        let (read, version) = store.get_as_of(&watch.name(store)?, scratch)?;
        let is_news = watch.is_news(read.is_some(), version);
        (watch.version, watch.is_missing) = (version.max(watch.version), read.is_none());
        let behind = self.behind.get_or_insert_default();
        behind.version = behind.version.max(version);
        Ok(match read {
            _ if !is_news => Step::Nothing,
            Some(read) => Step::Told(News::Set(id, read)),
            None => Step::Told(News::Removed(id)),
        })
    }

    /// All that was passed over is known by now.
    fn caught_up(&mut self) -> Option<Step> {
        let behind = self.behind.take()?;
        (behind.skipped > 0).then_some(Step::Told(News::Skipped(behind.skipped)))
    }
}

impl Watch {
    fn name(&self, store: &Store) -> Result<Key<'_>> {
        Key::within(self.namespace, store.segment().hash_key(), &self.key, self.wide)
    }

    /// Whether what the key is now is not what was told last.
    const fn is_news(&self, is_there: bool, version: u64) -> bool {
        if is_there { version > self.version } else { !self.is_missing }
    }

    fn is_of(&self, key: &Key<'_>) -> bool {
        self.namespace == key.namespace() && self.wide == key.is_wide() && *self.key == *key.bytes()
    }
}
