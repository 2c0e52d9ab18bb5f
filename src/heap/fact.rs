//! What a page is used for, in one word: the truth about the page area.
//!
//! The word of the first page of each piece says what the piece is and how long; the words of the
//! pages inside are 0. So the area can be walked from its start, a piece at a time, and every change
//! of hands is one store.
//!
//! ```text
//! 63     32 31    16 15    8 7      4   3      2  0
//! [ pages  | owner  | class |   -   | backed | kind ]
//! ```

/// What a piece of the page area is. `pages` is its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// Not the first page of its piece.
    Inside,
    /// Nobody's. `backed`: all its pages have memory.
    Free {
        /// Length.
        pages: u64,
        /// Whether it needs no backing before use.
        backed: bool,
    },
    /// A member is filling it, out of everybody's sight, and has a note of it in its slot.
    Building {
        /// Slot of the member.
        member: u64,
        /// Length.
        pages: u64,
    },
    /// Blocks of a size class of a shard.
    Span {
        /// The shard.
        shard: u64,
        /// The size class.
        class: u64,
        /// Length.
        pages: u64,
    },
    /// The value of an entry of a shard.
    Run {
        /// The shard.
        shard: u64,
        /// Length.
        pages: u64,
    },
    /// Was the value of an entry; free as soon as no reader has it in its hazard word.
    Leaving {
        /// The shard that it belonged to.
        shard: u64,
        /// Length.
        pages: u64,
    },
}

impl Fact {
    /// The fact as a word.
    #[must_use]
    pub const fn to_word(self) -> u64 {
        match self {
            Self::Inside => 0,
            Self::Free { pages, backed } => pack(1 | (backed as u64) << 3, 0, 0, pages),
            Self::Building { member, pages } => pack(2, 0, member, pages),
            Self::Span { shard, class, pages } => pack(3, class, shard, pages),
            Self::Run { shard, pages } => pack(4, 0, shard, pages),
            Self::Leaving { shard, pages } => pack(5, 0, shard, pages),
        }
    }

    /// The fact that a word states, if it states one.
    #[must_use]
    pub const fn from_word(word: u64) -> Option<Self> {
        let (class, owner, pages) = ((word >> 8) & 0xff, (word >> 16) & 0xffff, word >> 32);
        if word == 0 {
            return Some(Self::Inside);
        }
        if pages == 0 {
            return None;
        }
        Some(match word & 7 {
            1 => Self::Free { pages, backed: word & 8 != 0 },
            2 => Self::Building { member: owner, pages },
            3 => Self::Span { shard: owner, class, pages },
            4 => Self::Run { shard: owner, pages },
            5 => Self::Leaving { shard: owner, pages },
            _ => return None,
        })
    }

    /// Length of the piece; 0 inside one.
    #[must_use]
    pub const fn pages(self) -> u64 {
        match self {
            Self::Inside => 0,
            Self::Free { pages, .. }
            | Self::Building { pages, .. }
            | Self::Span { pages, .. }
            | Self::Run { pages, .. }
            | Self::Leaving { pages, .. } => pages,
        }
    }
}

const fn pack(kind: u64, class: u64, owner: u64, pages: u64) -> u64 {
    kind | class << 8 | owner << 16 | pages << 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fact_survives_its_word() {
        let facts = [
            Fact::Inside,
            Fact::Free { pages: 1, backed: true },
            Fact::Free { pages: u64::from(u32::MAX), backed: false },
            Fact::Building { member: 1023, pages: 7 },
            Fact::Span { shard: 63, class: 24, pages: 16 },
            Fact::Run { shard: 63, pages: 1 << 31 },
            Fact::Leaving { shard: 0, pages: 2 },
        ];
        for fact in facts {
            assert_eq!(Fact::from_word(fact.to_word()), Some(fact));
        }
    }

    #[test]
    fn a_word_that_states_nothing_is_noticed() {
        assert_eq!(Fact::from_word(6 | 1 << 32), None, "an unknown kind");
        assert_eq!(Fact::from_word(1), None, "a piece without pages");
    }
}
