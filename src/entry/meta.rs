//! What an entry's bytes are, in one of its words.

use super::{Key, MAX_KEY_UNITS, Namespace, Tag, word};
use crate::error::{Error, Result};
use std::num::NonZeroU64;

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
}
