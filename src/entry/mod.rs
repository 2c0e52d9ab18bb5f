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

mod meta;

pub use meta::Meta;

use crate::clock;
use crate::error::{Error, Result};
use siphasher::sip::SipHasher13;

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
