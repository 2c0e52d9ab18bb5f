//! Going through all keys while they change, holding up nobody.
//!
//! The order is that of the hashes with their bits reversed. In it, the hashes of a bucket stand
//! together, and when a bucket is split its hashes fall into two halves one behind the other (as in
//! Redis's `dictScan`, by Pieter Noordhuis, 2012; our tables only grow). So a place between two
//! buckets stays one, whatever the table becomes: a key that is there all the while is met exactly
//! once, and no key is met twice.

use super::Store;
use crate::clock;
use crate::entry::{Namespace, has_ended_by, word};
use crate::error::Result;
use crate::intent::{self, Overlay, Words};
use crate::shard::Shard;

/// Tries before the latch is taken to read a bucket.
const TRIES: u32 = 64;
/// Buckets that one call looks at.
const MOST_BUCKETS: u32 = 4096;
/// Bytes of keys after which a call ends.
const MOST_BYTES: usize = 1 << 18;

/// Where a scan goes on; the default is the beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    /// The shard.
    pub shard: u64,
    /// The lowest reversed hash that was not looked at.
    pub position: u64,
}

/// Keys that a scan has met.
#[derive(Debug, Default)]
pub struct Keys {
    bytes: Vec<u8>,
    /// Where each ends, whether it has two bytes a unit, and whose it is.
    ends: Vec<(usize, bool, Namespace)>,
}

/// What the keys that are wanted begin with: a byte a unit, or two if a unit needs them.
#[derive(Debug, Clone, Copy)]
pub struct Prefix<'b> {
    /// Its bytes.
    pub bytes: &'b [u8],
    /// Whether it has two bytes a unit.
    pub wide: bool,
}

impl Keys {
    /// Their bytes, and whether they are two a unit.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], bool)> {
        self.everywhere().map(|(_, bytes, wide)| (bytes, wide))
    }

    /// The same, and in front which namespace each is one of.
    pub fn everywhere(&self) -> impl Iterator<Item = (Namespace, &[u8], bool)> {
        let starts = std::iter::once(0).chain(self.ends.iter().map(|(end, ..)| *end));
        let ranges = starts.zip(&self.ends);
        ranges.map(|(start, (end, wide, namespace))| {
            (*namespace, self.bytes.get(start..*end).unwrap_or_default(), *wide)
        })
    }

    /// How many.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Forgets all of them.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    fn truncate(&mut self, length: usize) {
        self.ends.truncate(length);
        self.bytes.truncate(self.ends.last().map_or(0, |(end, ..)| *end));
    }
}

impl Prefix<'_> {
    fn matches(self, key: &[u8], wide: bool) -> bool {
        match (self.wide, wide) {
            // Of a wide prefix one unit at least is above what a narrow key has.
            (true, false) => false,
            (false, true) => {
                let units = key.as_chunks::<2>().0;
                units.len() >= self.bytes.len()
                    && self.bytes.iter().zip(units).all(|(byte, unit)| [*byte, 0] == *unit)
            }
            _ => key.starts_with(self.bytes),
        }
    }
}

impl Store {
    /// Appends keys of a namespace to `keys`, from `place` on: about as many as are wanted, for whole
    /// buckets are read. Gives where to go on, or `None` at the end. There may be more keys even if
    /// it has met none.
    ///
    /// # Errors
    /// [`crate::error::Error::Busy`], [`crate::error::Error::Corrupted`].
    pub fn scan(
        &self,
        namespace: Namespace,
        prefix: Prefix<'_>,
        place: Place,
        wanted: usize,
        keys: &mut Keys,
    ) -> Result<Option<Place>> {
        let namespace = Some(namespace);
        let wish = Wish { namespace, prefix, now: clock::since_boot_us() };
        self.scan_for(&wish, place, wanted, keys)
    }

    /// The same for all namespaces at once, the package's own included: one walk, however many they
    /// are. See [`Keys::everywhere`].
    ///
    /// # Errors
    /// As above.
    pub fn scan_everywhere(
        &self,
        place: Place,
        wanted: usize,
        keys: &mut Keys,
    ) -> Result<Option<Place>> {
        let prefix = Prefix { bytes: &[], wide: false };
        let wish = Wish { namespace: None, prefix, now: clock::since_boot_us() };
        self.scan_for(&wish, place, wanted, keys)
    }

    pub(super) fn scan_for(
        &self,
        wish: &Wish<'_>,
        place: Place,
        wanted: usize,
        keys: &mut Keys,
    ) -> Result<Option<Place>> {
        self.count_read()?;
        let wanted = wanted.saturating_add(keys.len());
        let mut place = place;
        for _ in 0..MOST_BUCKETS {
            if place.shard >= self.segment.layout().shards {
                return Ok(None);
            }
            let shard = Shard::new(&self.segment, place.shard);
            place = match self.scan_bucket(shard, place.position, wish, keys)? {
                Some(position) => Place { position, ..place },
                None => Place { shard: place.shard + 1, position: 0 },
            };
            if keys.len() >= wanted || keys.bytes.len() >= MOST_BYTES {
                break;
            }
        }
        Ok(Some(place))
    }

    /// Reads one bucket as it is at one moment; gives where the next one begins.
    fn scan_bucket(
        &self,
        shard: Shard<'_>,
        position: u64,
        wish: &Wish<'_>,
        keys: &mut Keys,
    ) -> Result<Option<u64>> {
        let region = self.segment.region();
        let length = keys.len();
        for _ in 0..TRIES {
            let sequence = shard.settled_sequence()?;
            let next = if sequence & 1 == 0 {
                shard.collect(region, position, wish, keys)
            } else {
                match Overlay::read(region, shard.base(), sequence)? {
                    Some(overlay) => shard.collect(&overlay, position, wish, keys),
                    None => continue,
                }
            };
            if intent::is_unchanged(region, shard.base(), sequence)? {
                return next;
            }
            keys.truncate(length);
        }
        let _held = shard.hold(self.me)?;
        shard.collect(region, position, wish, keys)
    }
}

/// Which keys are wanted.
pub(super) struct Wish<'w> {
    /// Those of this one; `None`: of all.
    pub(super) namespace: Option<Namespace>,
    pub(super) prefix: Prefix<'w>,
    /// What has ended by then is not.
    pub(super) now: u64,
}

impl Shard<'_> {
    /// Appends the keys of a bucket. Without the latch, they count only once validated.
    fn collect(
        &self,
        words: &impl Words,
        position: u64,
        wish: &Wish<'_>,
        keys: &mut Keys,
    ) -> Result<Option<u64>> {
        let region = self.segment.region();
        let (bucket, bits) = self.table().bucket_and_bits(words, position.reverse_bits())?;
        self.table().walk(words, bucket, |found| {
            let expiry = words.word_at(found.entry.add(word::EXPIRY))?;
            let is_other = |wanted| wanted != found.meta.namespace();
            if wish.namespace.is_some_and(is_other) || has_ended_by(expiry, wish.now) {
                return Ok(true);
            }
            let start = keys.bytes.len();
            let length = usize::try_from(found.meta.key_bytes()).unwrap_or(0);
            keys.bytes.resize(start + length, 0);
            let bytes = keys.bytes.get_mut(start..).unwrap_or_default();
            region.read_bytes(found.entry.add(word::KEY), bytes)?;
            if wish.prefix.matches(bytes, found.meta.is_wide()) {
                keys.ends.push((start + length, found.meta.is_wide(), found.meta.namespace()));
            } else {
                keys.bytes.truncate(start);
            }
            Ok(true)
        })?;
        // A shard's first bits say which shard it is, not which bucket: 64 bits are never all used.
        let size = 1_u64.checked_shl(64 - bits);
        Ok(size.and_then(|size| position.checked_add(size)))
    }
}
