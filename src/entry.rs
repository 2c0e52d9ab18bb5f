//! An entry: one block that holds key and value, immutable but for a few words.
//!
//! ```text
//!  0  link     next entry of the chain, or next free block     written by intents
//!  8  stamp    version << 1 | cell; 0: not in the table        by intents; by numbers in place
//! 16  expiry   when it ends, in us since boot; 0: never        filled out of sight; by intents
//! 24  meta     tag, whether the key is wide, namespace, key bytes          "
//! 32  length   value bytes; in the upper half 1 + its log record, or 0     upper half: by intents
//! 40  key      bytes, filled up to whole words                 once
//!     value    bytes filled up to whole words; or two cells of a number; or the page of a run
//! ```
//!
//! To overwrite is to put another block into its place in the chain. So a reader that finds the same
//! stamp before and after its copy has copied one value: stamps never come back in a shard.
//!
//! A number changes in place. It has two cells; the stamp's lowest bit names the valid one. A change
//! writes the other cell and then, by one store, the stamp with the next version and that bit: there
//! is no moment at which half of it could be seen or be left by a death.

use crate::clock;
use crate::error::{Error, Result};
use siphasher::sip::SipHasher13;
use std::num::NonZeroU64;

/// UTF-16 units that a key may have.
pub const MAX_KEY_UNITS: usize = 2000;
/// Bytes that a value may have.
pub const MAX_VALUE_BYTES: u64 = u32::MAX as u64;

/// Offsets in the block of an entry.
pub mod word {
    /// Next entry of the chain; of a free block, the next of those.
    pub const LINK: u64 = crate::heap::blocks::LINK;
    /// Version and cell.
    pub const STAMP: u64 = 8;
    /// When it ends, by [`crate::clock::since_boot_us`]; 0: never. Of entries of the store.
    pub const EXPIRY: u64 = 16;
    /// What it is; see [`super::Meta`].
    pub const META: u64 = 24;
    /// Bytes of the value, and the log's mark.
    pub const LENGTH: u64 = 32;
    /// The first byte of the key.
    pub const KEY: u64 = 40;
}

/// What a value is. The numbers are those that JavaScript's side of the package uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Tag {
    /// `undefined`.
    Undefined = 1,
    /// `null`.
    Null = 2,
    /// `false`.
    False = 3,
    /// `true`.
    True = 4,
    /// A double.
    Number = 5,
    /// A string of Latin-1 characters, a byte each.
    OneByteString = 6,
    /// A string of UTF-16 units, two bytes each.
    TwoByteString = 7,
    /// JSON text, a byte a character.
    OneByteJson = 8,
    /// JSON text, two bytes a unit.
    TwoByteJson = 9,
    /// What `v8.serialize` gives.
    Clone = 10,
    /// The bytes of a Buffer.
    Buffer = 11,
    /// The bytes of a `Uint8Array`.
    Bytes = 12,
}

impl Tag {
    /// The tag with that number.
    #[inline]
    #[must_use]
    pub const fn from_number(number: u64) -> Option<Self> {
        Some(match number {
            1 => Self::Undefined,
            2 => Self::Null,
            3 => Self::False,
            4 => Self::True,
            5 => Self::Number,
            6 => Self::OneByteString,
            7 => Self::TwoByteString,
            8 => Self::OneByteJson,
            9 => Self::TwoByteJson,
            10 => Self::Clone,
            11 => Self::Buffer,
            12 => Self::Bytes,
            _ => return None,
        })
    }

    /// The kind of value in words, for messages.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Undefined => "undefined",
            Self::Null => "null",
            Self::False | Self::True => "a boolean",
            Self::Number => "a number",
            Self::OneByteString | Self::TwoByteString => "a string",
            Self::OneByteJson | Self::TwoByteJson | Self::Clone => "an object",
            Self::Buffer | Self::Bytes => "bytes",
        }
    }
}

/// A set of keys apart from all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Namespace(u16);

impl Namespace {
    /// The keys of users.
    pub const USER: Self = Self(0);
    /// Keys of the package itself.
    pub const PACKAGE: Self = Self(1);
    const LOCKS: u16 = 1 << 15;

    /// The namespace with that number.
    #[must_use]
    pub const fn numbered(number: u16) -> Self {
        Self(number & !Self::LOCKS)
    }

    /// Its number; its locks have the same.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0 & !Self::LOCKS
    }

    /// The locks of these keys. They hash as the keys do, and so stand in the same shard; a reader
    /// that has been led astray must not take one for the other.
    #[must_use]
    pub const fn locks(self) -> Self {
        Self(self.0 | Self::LOCKS)
    }
}

/// What the bytes of an entry are: the word of that name.
///
/// ```text
/// 63     32 31      16 15  11  10      9     8      7   0
/// [ key    | namespace|  -   | cache | run | wide | tag ]
/// ```
///
/// (A word, and not a field for each: what is written in pieces and read as a whole stalls.)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meta(NonZeroU64);

impl Meta {
    const WIDE: u64 = 1 << 8;
    const IN_RUN: u64 = 1 << 9;
    const IN_CACHE: u64 = 1 << 10;
    const NAMESPACE_SHIFT: u32 = 16;
    const KEY_SHIFT: u32 = 32;
    /// The bits that follow from the key.
    const OF_KEY: u64 = Self::WIDE | !0 << Self::NAMESPACE_SHIFT;
    /// Words of the cache between key and value.
    pub const CACHE_WORDS: u64 = 5;

    /// That of an entry with this key and a value of this kind. `in_run`: the value lies in a run of
    /// pages; `in_cache`: words of the cache stand between key and value.
    #[inline]
    #[must_use]
    pub fn new(key: &Key<'_>, tag: Tag, in_run: bool, in_cache: bool) -> Self {
        let run = if in_run { Self::IN_RUN } else { 0 };
        let cache = if in_cache { Self::IN_CACHE } else { 0 };
        // No tag is 0.
        Self(NonZeroU64::MIN.saturating_add(tag as u64 - 1) | Self::of_key(key) | run | cache)
    }

    /// The bits that follow from the key.
    #[inline]
    const fn of_key(key: &Key<'_>) -> u64 {
        let wide = if key.wide { Self::WIDE } else { 0 };
        let bytes = (key.bytes.len() as u64) << Self::KEY_SHIFT;
        wide | (key.namespace.0 as u64) << Self::NAMESPACE_SHIFT | bytes
    }

    /// Whether a word states that of an entry whose key has this length, width and namespace.
    #[inline]
    #[must_use]
    pub const fn may_have(word: u64, key: &Key<'_>) -> bool {
        word & Self::OF_KEY == Self::of_key(key)
    }

    /// The meta as a word.
    #[inline]
    #[must_use]
    pub const fn to_word(self) -> u64 {
        self.0.get()
    }

    /// The meta that a word states.
    ///
    /// # Errors
    /// [`Error::Corrupted`] if it states none.
    #[inline]
    pub const fn from_word(word: u64) -> Result<Self> {
        match (NonZeroU64::new(word), Tag::from_number(word & 0xff)) {
            (Some(meta), Some(_)) if word >> Self::KEY_SHIFT <= 2 * MAX_KEY_UNITS as u64 => {
                Ok(Self(meta))
            }
            _ => Err(Error::corrupted("the meta word of an entry", word)),
        }
    }

    /// What the value is.
    #[inline]
    #[must_use]
    pub fn tag(self) -> Tag {
        // There is no meta without one.
        Tag::from_number(self.to_word() & 0xff).unwrap_or(Tag::Undefined)
    }

    /// Whether the key has two bytes a unit.
    #[inline]
    #[must_use]
    pub const fn is_wide(self) -> bool {
        self.to_word() & Self::WIDE != 0
    }

    /// Whether the value lies in a run of pages.
    #[inline]
    #[must_use]
    pub const fn in_run(self) -> bool {
        self.to_word() & Self::IN_RUN != 0
    }

    /// Whether words of the cache stand between key and value.
    #[inline]
    #[must_use]
    pub const fn in_cache(self) -> bool {
        self.to_word() & Self::IN_CACHE != 0
    }

    /// Which keys it is one of.
    #[inline]
    #[must_use]
    pub const fn namespace(self) -> Namespace {
        Namespace((self.to_word() >> Self::NAMESPACE_SHIFT & 0xffff) as u16)
    }

    /// Bytes of the key.
    #[inline]
    #[must_use]
    pub const fn key_bytes(self) -> u64 {
        self.to_word() >> Self::KEY_SHIFT
    }

    /// Bytes of the entry's block up to the value.
    #[inline]
    #[must_use]
    pub const fn value_offset(self) -> u64 {
        let words = if self.in_cache() { Self::CACHE_WORDS * 8 } else { 0 };
        self.cache_offset() + words
    }

    /// Bytes of the entry's block up to the words of the cache.
    #[inline]
    #[must_use]
    pub const fn cache_offset(self) -> u64 {
        word::KEY + self.key_bytes().next_multiple_of(8)
    }
}

/// Whether an entry with this expiry has ended. The clock is read only if it can have.
#[inline]
#[must_use]
pub fn has_ended(expiry: u64) -> bool {
    expiry != 0 && expiry <= clock::since_boot_us()
}

/// Whether it has ended by then.
#[inline]
#[must_use]
pub const fn has_ended_by(expiry: u64, now: u64) -> bool {
    expiry != 0 && expiry <= now
}

/// A stamp: a version and which cell of a number is valid.
#[inline]
#[must_use]
pub const fn stamp(version: u64, cell: u64) -> u64 {
    version << 1 | cell
}

/// A key: a byte a unit if all units are below 256, else two. So equal keys have equal bytes.
#[derive(Debug, Clone, Copy)]
pub struct Key<'b> {
    bytes: &'b [u8],
    wide: bool,
    namespace: Namespace,
    hash: u64,
}

impl<'b> Key<'b> {
    /// A user's key of these bytes; `wide`: two bytes a unit, at least one of which is above 255.
    ///
    /// # Errors
    /// See [`Key::within`].
    #[inline(always)]
    pub fn new(hash_key: (u64, u64), bytes: &'b [u8], wide: bool) -> Result<Self> {
        Self::within(Namespace::USER, hash_key, bytes, wide)
    }

    /// A key of a namespace.
    ///
    /// Hashed by SipHash-1-3 (Aumasson and Bernstein, 2012) under the segment's random key, for keys
    /// come from users.
    ///
    /// # Errors
    /// [`Error::KeyTooLong`] if it has more than [`MAX_KEY_UNITS`] units.
    #[inline(always)]
    pub fn within(
        namespace: Namespace,
        hash_key: (u64, u64),
        bytes: &'b [u8],
        wide: bool,
    ) -> Result<Self> {
        let units = if wide { bytes.len() / 2 } else { bytes.len() };
        if units > MAX_KEY_UNITS {
            return Err(key_too_long(units));
        }
        let key1 = hash_key.1 ^ u64::from(wide) ^ u64::from(namespace.0 & !Namespace::LOCKS) << 1;
        let hash = SipHasher13::new_with_keys(hash_key.0, key1).hash(bytes);
        Ok(Self { bytes, wide, namespace, hash })
    }

    /// Its bytes.
    #[inline]
    #[must_use]
    pub const fn bytes(&self) -> &'b [u8] {
        self.bytes
    }

    /// Whether it has two bytes a unit.
    #[inline]
    #[must_use]
    pub const fn is_wide(&self) -> bool {
        self.wide
    }

    /// Which keys it is one of.
    #[inline]
    #[must_use]
    pub const fn namespace(&self) -> Namespace {
        self.namespace
    }

    /// The lock of this key.
    #[inline]
    #[must_use]
    pub const fn of_lock(self) -> Self {
        Self { namespace: self.namespace.locks(), ..self }
    }

    /// Its hash.
    #[inline]
    #[must_use]
    pub const fn hash(&self) -> u64 {
        self.hash
    }
}

#[cold]
const fn key_too_long(units: usize) -> Error {
    Error::KeyTooLong { length: units as u64, maximum: MAX_KEY_UNITS as u64 }
}

/// A value to be stored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Value<'b> {
    /// What it is.
    pub tag: Tag,
    /// The double, if it is a number.
    pub number: f64,
    /// Its bytes, if it has any.
    pub bytes: &'b [u8],
}

impl<'b> Value<'b> {
    /// A double.
    #[must_use]
    pub const fn number(number: f64) -> Self {
        Self { tag: Tag::Number, number, bytes: &[] }
    }

    /// Bytes of a kind.
    #[must_use]
    pub const fn bytes(tag: Tag, bytes: &'b [u8]) -> Self {
        Self { tag, number: 0.0, bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meta_survives_its_word() {
        for tag in (1..=12).map(|number| Tag::from_number(number).unwrap()) {
            for in_cache in [false, true] {
                let namespace = Namespace(u16::MAX);
                let key = Key::within(namespace, (1, 2), &[1; 4000], true).unwrap();
                let meta = Meta::new(&key, tag, false, in_cache);
                assert_eq!(
                    (meta.tag(), meta.namespace(), meta.key_bytes()),
                    (tag, namespace, 4000)
                );
                assert_eq!(
                    (meta.is_wide(), meta.in_run(), meta.in_cache()),
                    (true, false, in_cache)
                );
                assert_eq!(Meta::from_word(meta.to_word()), Ok(meta));
            }
        }
        assert!(Meta::from_word(0).is_err(), "zeros are no entry");
        assert!(Meta::from_word(13).is_err());
        assert!(Meta::from_word(1 | 4001 << 32).is_err());
    }

    #[test]
    fn a_key_is_another_in_another_namespace() {
        let within = |namespace| Key::within(namespace, (1, 2), b"a", false).unwrap();
        assert_ne!(within(Namespace::USER).hash(), within(Namespace::PACKAGE).hash());
        let lock = within(Namespace::USER).of_lock();
        assert_eq!(lock.hash(), within(Namespace::USER).hash());
        assert_ne!(lock.namespace(), Namespace::USER);
    }

    #[test]
    fn a_wide_key_never_hashes_as_a_narrow_one_of_the_same_bytes() {
        let narrow = Key::new((1, 2), b"a\x01", false).unwrap();
        let wide = Key::new((1, 2), b"a\x01", true).unwrap();
        assert_ne!(narrow.hash(), wide.hash());
    }
}
