//! Namespaces: sets of keys apart from each other, each with its own counts and, if it is given one,
//! a bound.
//!
//! The name of a namespace is a key of the package's own, its number the value. Before, the number is
//! claimed for the name, by a key of the number whose value is the name. Who names a namespace tries
//! the numbers from the first one on, and claims are never given back: so all who give the same name
//! at the same time, and whoever comes after one that was killed in between, meet the same claim.

use super::scan::{Keys, Place, Prefix, Wish};
use super::{Condition, Store};
use crate::entry::{Key, Namespace, Tag, Value};
use crate::error::{Error, Result};
use crate::segment::layout::{NAMESPACES, namespace, shard};
use crate::shard::{Scratch, Shard};
use crate::sync::Ordering;
use serde::Serialize;

/// In front of each name.
const NAME: &[u8] = b"namespace:";
/// In front of each number that is claimed.
const CLAIM: &str = "claim of namespace ";
/// Numbers below are the users' common namespace and the package's own.
const FIRST: u16 = 2;
/// How many may have a name.
const MOST: u16 = NAMESPACES - FIRST;
/// Keys that are removed by one call.
const CLEARS: usize = 256;

/// What a namespace holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Entries.
    pub entries: u64,
    /// Bytes of their blocks and runs.
    pub bytes: u64,
    /// How many bytes it may have; 0: as many as there are.
    pub maximum: u64,
}

/// A namespace of users, for `stats`.
#[derive(Debug, Clone, Serialize)]
pub struct NamespaceStats {
    /// What it is called.
    pub name: String,
    /// What it holds.
    #[serde(flatten)]
    pub usage: Usage,
}

impl Namespace {
    /// Those that may have a name, in the order in which they get one.
    pub fn named() -> impl Iterator<Item = Self> {
        (FIRST..FIRST + MOST).map(Self::numbered)
    }
}

impl Store {
    /// The namespace of a name, a byte a unit or, if it is wide, two. It is made if there is none.
    ///
    /// # Errors
    /// [`Error::TooManyNamespaces`]; [`Error::KeyTooLong`]; those of [`Store::set`].
    pub fn namespace(&self, name: &[u8], wide: bool) -> Result<Namespace> {
        let bytes = name_key(name, wide);
        let key = self.package_key(&bytes, wide)?;
        if let Some(number) = self.number_at(&key)? {
            return numbered(number);
        }
        let (start, length) = self.segment.layout().namespaces_range();
        self.segment.back(start, length)?;
        for number in FIRST..FIRST + MOST {
            if self.claim(number, name, wide)? {
                let value = Value::number(f64::from(number));
                self.put(&key, &value, Condition::Absent, None)?;
                return numbered(number);
            }
        }
        Err(too_many())
    }

    /// Bounds what a namespace may have, in bytes; 0: as much as there is. What it has already stays.
    ///
    /// # Errors
    /// [`Error::Corrupted`] never, for the namespace is there.
    pub fn bound(&self, namespace: Namespace, maximum: u64) -> Result<()> {
        let bound = self.segment.layout().namespace_bound(namespace.number());
        self.segment.region().store(bound, maximum, Ordering::Relaxed)
    }

    /// What a namespace holds. What others change meanwhile may be in it or not.
    ///
    /// # Errors
    /// [`Error::Corrupted`] if the segment is damaged.
    pub fn usage(&self, namespace: Namespace) -> Result<Usage> {
        let (region, layout) = (self.segment.region(), self.segment.layout());
        let number = namespace.number();
        if namespace == Namespace::USER {
            return self.common_usage();
        }
        let mut usage = Usage::default();
        for shard in 0..layout.shards {
            let Some(counts) = layout.namespace(shard, number) else {
                continue;
            };
            let count = |field| region.load(counts.add(field), Ordering::Relaxed);
            usage.entries = usage.entries.wrapping_add(count(namespace::ENTRIES)?);
            usage.bytes = usage.bytes.wrapping_add(count(namespace::BYTES_USED)?);
        }
        if number >= FIRST {
            usage.maximum = self.bound_of(namespace)?;
        }
        Ok(usage)
    }

    /// All namespaces that have a name.
    ///
    /// # Errors
    /// Those of [`Store::get`].
    pub fn namespaces(&self) -> Result<Vec<NamespaceStats>> {
        let mut stats = Vec::new();
        let mut scratch = Scratch::default();
        for namespace in Namespace::named() {
            let Some((name, wide)) = self.name_of(namespace, &mut scratch)? else {
                break;
            };
            stats.push(NamespaceStats { name: text(name, wide), usage: self.usage(namespace)? });
        }
        stats.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(stats)
    }

    /// What a namespace is called: the bytes of its name in `scratch`, and whether they are two a
    /// unit; `None` if nobody has named it yet, nor any after it.
    ///
    /// # Errors
    /// Those of [`Store::get`].
    pub fn name_of<'s>(
        &self,
        namespace: Namespace,
        scratch: &'s mut Scratch,
    ) -> Result<Option<(&'s [u8], bool)>> {
        let bytes = claim_key(namespace.number());
        let read = self.get(&self.package_key(&bytes, false)?, scratch)?;
        Ok(read.map(|read| (scratch.bytes(read.length), read.tag == Tag::TwoByteString)))
    }

    /// How many bytes a namespace may have; 0: as many as there are.
    ///
    /// # Errors
    /// [`Error::Corrupted`] never, for the namespace is there.
    pub fn bound_of(&self, namespace: Namespace) -> Result<u64> {
        let bound = self.segment.layout().namespace_bound(namespace.number());
        self.segment.region().load(bound, Ordering::Relaxed)
    }

    /// Removes some keys of a namespace, from `place` on; gives how many, and where to go on.
    ///
    /// # Errors
    /// Those of [`Store::scan`] and [`Store::remove`]: some are removed.
    pub fn clear_some(
        &self,
        namespace: Namespace,
        place: Place,
        keys: &mut Keys,
    ) -> Result<(u64, Option<Place>)> {
        keys.clear();
        // What has ended goes too.
        let all =
            Wish { namespace: Some(namespace), prefix: Prefix { bytes: &[], wide: false }, now: 0 };
        let next = self.scan_for(&all, place, CLEARS, keys)?;
        let mut removed = 0;
        for (bytes, wide) in keys.iter() {
            let key = Key::within(namespace, self.segment.hash_key(), bytes, wide)?;
            removed += u64::from(self.remove(&key)?);
        }
        Ok((removed, next))
    }

    /// How many bytes more a namespace may have.
    #[inline]
    pub(super) fn room_of(&self, namespace: Namespace) -> Result<u64> {
        if namespace.number() < FIRST { Ok(u64::MAX) } else { self.room_left(namespace) }
    }

    fn room_left(&self, namespace: Namespace) -> Result<u64> {
        match self.bound_of(namespace)? {
            0 => Ok(u64::MAX),
            maximum => Ok(maximum.saturating_sub(self.usage(namespace)?.bytes)),
        }
    }

    /// What is left to the users' common namespace, of all and without those that have a name.
    fn common_usage(&self) -> Result<Usage> {
        let mut usage = Usage::default();
        for number in 0..self.segment.layout().shards {
            let shard = Shard::new(&self.segment, number);
            usage.entries = usage.entries.wrapping_add(shard.load(shard::ENTRIES)?);
            usage.bytes = usage.bytes.wrapping_add(shard.load(shard::BYTES_USED)?);
        }
        for number in 1..FIRST + MOST {
            if number >= FIRST && !self.has(&self.package_key(&claim_key(number), false)?)? {
                break;
            }
            let other = self.usage(Namespace::numbered(number))?;
            usage.entries = usage.entries.saturating_sub(other.entries);
            usage.bytes = usage.bytes.saturating_sub(other.bytes);
        }
        Ok(usage)
    }

    /// Whether a number is that of a name, now or already.
    fn claim(&self, number: u16, name: &[u8], wide: bool) -> Result<bool> {
        let bytes = claim_key(number);
        let key = self.package_key(&bytes, false)?;
        let tag = if wide { Tag::TwoByteString } else { Tag::OneByteString };
        let mut scratch = Scratch::default();
        if self.get(&key, &mut scratch)?.is_none()
            && self.put(&key, &Value::bytes(tag, name), Condition::Absent, None)?.is_some()
        {
            return Ok(true);
        }
        let read = self.get(&key, &mut scratch)?;
        Ok(read.is_some_and(|read| read.tag == tag && scratch.bytes(read.length) == name))
    }

    fn package_key<'b>(&self, bytes: &'b [u8], wide: bool) -> Result<Key<'b>> {
        self.key_in(Namespace::PACKAGE, bytes, wide)
    }

    fn number_at(&self, key: &Key<'_>) -> Result<Option<u16>> {
        let read = self.get(key, &mut Scratch::default())?;
        Ok(read.filter(|read| read.tag == Tag::Number).map(|read| to_number(read.number)))
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
const fn to_number(number: f64) -> u16 {
    number as u16
}

fn numbered(number: u16) -> Result<Namespace> {
    if number < FIRST + MOST { Ok(Namespace::numbered(number)) } else { Err(too_many()) }
}

#[cold]
fn too_many() -> Error {
    Error::TooManyNamespaces { maximum: u64::from(MOST) }
}

/// The key by which a number is claimed.
fn claim_key(number: u16) -> Vec<u8> {
    format!("{CLAIM}{number}").into_bytes()
}

/// The key under which the number of a namespace stands.
fn name_key(name: &[u8], wide: bool) -> Vec<u8> {
    let prefix = NAME.iter().flat_map(|byte| [*byte, 0].into_iter().take(1 + usize::from(wide)));
    prefix.chain(name.iter().copied()).collect()
}

fn text(bytes: &[u8], wide: bool) -> String {
    let step = 1 + usize::from(wide);
    let units = bytes.chunks(step).map(|unit| match unit {
        [low, high] => u16::from_le_bytes([*low, *high]),
        [low] => u16::from(*low),
        _ => 0,
    });
    char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}
