//! The lists of the cache, linked through words that its entries have between key and value.
//!
//! ```text
//!  0  previous   the neighbour towards the first of the list    by intents
//!  8  next       the one towards the last                       "
//! 16  used at    wall clock in ms, a double                     by intents once it is linked
//! 24  length     a double                                       once, before it is linked
//! 32  hash       of the key                                     "
//! ```
//!
//! A link to an entry is its offset and, in the upper 16 bits, where in it these words begin. So an
//! entry can be linked and unlinked without a look at the keys of its neighbours.

use crate::entry::{Meta, word};
use crate::error::{Error, Result};
use crate::intent::Changes;
use crate::segment::region::{Offset, Region};
use crate::sync::Ordering;

/// Offsets in the cache's words of an entry.
pub(crate) mod item {
    pub(crate) const PREVIOUS: u64 = 0;
    pub(crate) const NEXT: u64 = 8;
    pub(crate) const USED_AT: u64 = 16;
    pub(crate) const LENGTH: u64 = 24;
    pub(crate) const HASH: u64 = 32;
}

const WORDS_SHIFT: u32 = 48;
const OFFSET_MASK: u64 = (1 << WORDS_SHIFT) - 1;

/// An entry of the cache, as its neighbours name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Item(u64);

impl Item {
    /// The entry in a block.
    #[inline]
    pub(crate) const fn new(entry: Offset, meta: Meta) -> Self {
        Self(entry.bytes() | meta.cache_offset() << WORDS_SHIFT)
    }

    /// The entry that a link leads to; `None` at the end of a list.
    #[inline]
    pub(crate) const fn from_link(link: u64) -> Option<Self> {
        if link == 0 { None } else { Some(Self(link)) }
    }

    /// The word that links to it.
    #[inline]
    pub(crate) const fn to_link(self) -> u64 {
        self.0
    }

    /// Its block.
    #[inline]
    pub(crate) const fn entry(self) -> Offset {
        Offset::new(self.0 & OFFSET_MASK)
    }

    /// One of its words.
    #[inline]
    pub(crate) const fn at(self, field: u64) -> Offset {
        self.entry().add(self.0 >> WORDS_SHIFT).add(field)
    }

    /// What its bytes are.
    ///
    /// # Errors
    /// [`Error::Corrupted`] if it is no entry of the cache.
    #[inline]
    pub(crate) fn meta(self, region: &Region) -> Result<Meta> {
        let meta = Meta::from_word(region.load(self.entry().add(word::META), Ordering::Relaxed)?)?;
        if meta.in_cache() && Self::new(self.entry(), meta) == self {
            return Ok(meta);
        }
        Err(Error::corrupted("a link of the cache", self.entry().bytes()))
    }
}

/// A list: the words that name its first and its last entry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct List {
    first: Offset,
    last: Offset,
}

impl List {
    /// The list that these words name.
    #[inline]
    pub(crate) const fn new(first: Offset, last: Offset) -> Self {
        Self { first, last }
    }

    /// Its first entry.
    ///
    /// # Errors
    /// [`Error::Corrupted`] if a link leads out of the segment; so for all methods below.
    #[inline]
    pub(crate) fn first(self, changes: &Changes<'_>) -> Result<Option<Item>> {
        changes.get(self.first).map(Item::from_link)
    }

    /// Its last entry.
    ///
    /// # Errors
    /// As above.
    #[inline]
    pub(crate) fn last(self, changes: &Changes<'_>) -> Result<Option<Item>> {
        changes.get(self.last).map(Item::from_link)
    }

    /// Puts an entry in front.
    ///
    /// # Errors
    /// As above.
    #[inline]
    pub(crate) fn push_first(self, changes: &mut Changes<'_>, item: Item) -> Result<()> {
        let next = changes.get(self.first)?;
        changes.set(item.at(item::PREVIOUS), 0)?;
        changes.set(item.at(item::NEXT), next)?;
        changes.set(self.before(next), item.to_link())?;
        changes.set(self.first, item.to_link())
    }

    /// Puts an entry at the end.
    ///
    /// # Errors
    /// As above.
    #[inline]
    pub(crate) fn push_last(self, changes: &mut Changes<'_>, item: Item) -> Result<()> {
        let previous = changes.get(self.last)?;
        changes.set(item.at(item::PREVIOUS), previous)?;
        changes.set(item.at(item::NEXT), 0)?;
        changes.set(self.after(previous), item.to_link())?;
        changes.set(self.last, item.to_link())
    }

    /// Takes an entry out; its own links stay what they are.
    ///
    /// # Errors
    /// As above.
    #[inline]
    pub(crate) fn unlink(self, changes: &mut Changes<'_>, item: Item) -> Result<()> {
        let previous = changes.get(item.at(item::PREVIOUS))?;
        let next = changes.get(item.at(item::NEXT))?;
        changes.set(self.after(previous), next)?;
        changes.set(self.before(next), previous)
    }

    /// Puts the whole of another list, which is empty then, in front.
    ///
    /// # Errors
    /// As above.
    pub(crate) fn take_in(self, changes: &mut Changes<'_>, other: Self) -> Result<()> {
        let (first, last) = (changes.get(other.first)?, changes.get(other.last)?);
        if first == 0 {
            return Ok(());
        }
        let next = changes.get(self.first)?;
        changes.set(self.after(last), next)?;
        changes.set(self.before(next), last)?;
        changes.set(self.first, first)?;
        changes.set(other.first, 0)?;
        changes.set(other.last, 0)
    }

    /// The word that leads on from an entry, or from the front.
    #[inline]
    const fn after(self, link: u64) -> Offset {
        match Item::from_link(link) {
            Some(item) => item.at(item::NEXT),
            None => self.first,
        }
    }

    /// The word that leads back from an entry, or from the end.
    #[inline]
    const fn before(self, link: u64) -> Offset {
        match Item::from_link(link) {
            Some(item) => item.at(item::PREVIOUS),
            None => self.last,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_an_item_are_all_there_is_between_key_and_value() {
        assert_eq!(item::HASH + 8, Meta::CACHE_WORDS * 8);
    }
}
