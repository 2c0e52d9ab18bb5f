//! The words of each part of the segment, by their offsets in it.

use super::{LOCK_SEATS, PAGE};
use crate::segment::region::Offset;

/// Offsets in the header page.
pub mod header {
    use super::Offset;

    /// [`super::super::MAGIC`]; written last when a segment is made.
    pub const MAGIC: Offset = Offset::new(0);
    /// [`super::super::VERSION`].
    pub const VERSION: Offset = MAGIC.word(1);
    /// Bytes of the whole file.
    pub const LENGTH: Offset = MAGIC.word(2);
    /// The maximum from which the layout follows.
    pub const MAXIMUM: Offset = MAGIC.word(3);
    /// Two words: the random key of the hash.
    pub const HASH_KEY: Offset = MAGIC.word(4);
    /// What objects are encoded as; see `store::Settings`.
    pub const MODE: Offset = MAGIC.word(6);
    /// How many dead owners' latches were taken over.
    pub const REPAIRS: Offset = MAGIC.word(7);
    /// One more than the highest member slot ever taken.
    pub const MEMBERS_END: Offset = MAGIC.word(8);
    /// Pages whose facts and spans have been given memory.
    pub const FACTS_BACKED: Offset = MAGIC.word(9);
    /// What the logs may keep, from which the layout follows as well.
    pub const LOG: Offset = MAGIC.word(10);
    /// The member that hosts the hub, or 0; see `segment::host`.
    pub const HOST: Offset = MAGIC.word(11);
    /// A random number that no other segment has.
    pub const IDENTITY: Offset = MAGIC.word(12);
    /// The domain (latch, sequence, intent) of the page area; see [`super::domain`].
    pub const PAGES_DOMAIN: Offset = Offset::new(256);
    /// 32 words: for each power of two of pages, where to look for such a run first.
    pub const PAGE_HINTS: Offset = PAGES_DOMAIN.add(super::domain::BYTES);
    /// A domain of which only the latch is used: one member at a time mends what the dead left.
    pub const MEND_DOMAIN: Offset = PAGE_HINTS.add(256 + 64);
}

/// Offsets in a domain: what one latch protects, and how its changes are made whole.
pub mod domain {
    /// Owner of the latch, 0 if it is free; in a line of its own, for waiters read it all the time.
    pub const LATCH: u64 = 0;
    /// Sequence: odd from when an intent is sealed until it is applied.
    pub const SEQUENCE: u64 = 64;
    /// Seven words that belong to the domain's user; they share the line of the sequence.
    pub const USER: u64 = 72;
    /// Number of words that the intent will write.
    pub const INTENT_COUNT: u64 = 128;
    /// The intent: pairs of offset and value.
    pub const INTENT: u64 = 136;
    /// How many pairs an intent holds at most.
    pub const INTENT_PAIRS: u64 = 96;
    /// Bytes of a domain.
    pub const BYTES: u64 = 1728;
}

/// Offsets in a shard.
pub mod shard {
    use super::domain;

    /// The latch, sequence and intent of the shard.
    pub const DOMAIN: u64 = 0;
    /// Last version given to a change of this shard.
    pub const VERSION: u64 = domain::USER;
    /// The counts of the table of values, or of the cache's entries; see [`super::table`].
    pub const TABLE: u64 = domain::USER + 8;
    /// Buckets in use (linear hashing).
    pub const BUCKETS: u64 = TABLE + super::table::BUCKETS;
    /// Buckets that have memory.
    pub const BUCKETS_BACKED: u64 = TABLE + super::table::BACKED;
    /// Entries in the table.
    pub const ENTRIES: u64 = TABLE + super::table::ENTRIES;
    /// Bytes of blocks and runs that hold entries, or that the log keeps.
    pub const BYTES_USED: u64 = domain::USER + 32;
    /// A Bloom filter of one word: which keys somebody watches.
    pub const WATCHED: u64 = domain::USER + 40;
    /// How many spans the shard has given back: a block that a walk met before and after a time in
    /// which this did not rise was a block of this shard all the time.
    pub const SPANS_GIVEN_BACK: u64 = domain::USER + 48;
    /// Records ever appended to the log.
    pub const LOG_HEAD: u64 = domain::BYTES;
    /// The oldest record that is still kept.
    pub const LOG_TAIL: u64 = LOG_HEAD + 8;
    /// Bytes of blocks that left the table and are kept for the log alone.
    pub const LOG_KEPT: u64 = LOG_HEAD + 16;
    /// 1 once the ring has memory.
    pub const LOG_BACKED: u64 = LOG_HEAD + 24;
    /// Entries that have an expiry.
    pub const EXPIRING: u64 = LOG_HEAD + 32;
    /// The counts of the package's own keys; see [`super::namespace`].
    pub const PACKAGE: u64 = LOG_HEAD + 40;
    /// One word for each size class: the first span with a free block.
    pub const CLASSES: u64 = LOG_HEAD + 64;
    /// The counts of the table of locks; see [`super::table`].
    pub const LOCK_TABLE: u64 = 2048;
    /// Which of the seats is given next.
    pub const NEXT_SEAT: u64 = LOCK_TABLE + super::table::BYTES;
    /// Seats: locks that keep their entry while nobody holds them.
    pub const SEATS: u64 = 2112;
    /// What the cache's shard has in addition; see [`super::cache`].
    pub const CACHE: u64 = SEATS + super::LOCK_SEATS * 8;
    /// Bytes of a shard.
    pub const BYTES: u64 = super::PAGE;
}

/// Offsets in what a shard counts for a namespace.
pub mod namespace {
    /// Its entries.
    pub const ENTRIES: u64 = 0;
    /// Bytes of their blocks and runs.
    pub const BYTES_USED: u64 = 8;
    /// Bytes of the counts.
    pub const BYTES: u64 = 16;
}

/// Offsets in the counts of a table.
pub mod table {
    /// Buckets in use.
    pub const BUCKETS: u64 = 0;
    /// Buckets that have memory.
    pub const BACKED: u64 = 8;
    /// Entries in the table.
    pub const ENTRIES: u64 = 16;
    /// Bytes of the counts.
    pub const BYTES: u64 = 24;
}

/// Offsets in what the cache's shard has in addition to a shard; see [`crate::lru`].
pub mod cache {
    /// The entry that was used last.
    pub const NEWEST: u64 = 0;
    /// The entry that goes first.
    pub const OLDEST: u64 = 8;
    /// Sum of the lengths of all entries from [`NEWEST`] to [`OLDEST`], a double.
    pub const LENGTH: u64 = 16;
    /// Entries up to this version belong to a cache that there is no more.
    pub const SINCE: u64 = 24;
    /// Bound of the length, a double; infinite: none.
    pub const MAX: u64 = 32;
    /// How long an entry is good, in ms, a double; 0: for ever.
    pub const MAX_AGE: u64 = 40;
    /// Options that are on or off, and what is still to be done.
    pub const FLAGS: u64 = 48;
    /// The member that hears what left the cache, if its options ask for that.
    pub const HEIR: u64 = 56;
    /// The entries that have left the cache and wait for the heir, oldest first.
    pub const ESTATE: u64 = 64;
    /// The last of them.
    pub const ESTATE_END: u64 = 72;
    /// What is only to be freed: the entries of former caches and estates.
    pub const PAST: u64 = 80;
    /// The last of them.
    pub const PAST_END: u64 = 88;
    /// The member that measures what comes into the cache, if its options ask for that.
    pub const MEASURER: u64 = 96;
    /// Bytes of what waits for the heir.
    pub const ESTATE_BYTES: u64 = 104;
    /// How many have left the estate unheard, for it had become too large.
    pub const ESTATE_LOST: u64 = 112;
    /// Bytes.
    pub const BYTES: u64 = 120;
}

/// Offsets in a member slot.
pub mod member {
    /// State, generation and pid; see [`crate::segment::members`].
    pub const IDENTITY: u64 = 0;
    /// When its process started.
    pub const START_TIME: u64 = 8;
    /// Number of its thread in its process, 0 for the main one.
    pub const THREAD: u64 = 16;
    /// A bit for each shard of which it watches keys.
    pub const WATCHES: u64 = 24;
    /// A Bloom filter of one word: which keys it watches.
    pub const WATCHED: u64 = 32;
    /// A bit for each shard in which it may have lock requests.
    pub const CLAIMS: u64 = 40;
    /// The word its wake thread sleeps on (a half word).
    pub const WAKE: u64 = 64;
    /// Two words: one more than the page at which a run it is building starts (see
    /// [`crate::heap::pages::Note`]).
    pub const BUILDING: u64 = 72;
    /// A bit for each shard in which something has happened that concerns it.
    pub const NEWS: u64 = 88;
    /// One more than the page of the run it is reading: nobody may reuse that one.
    pub const HAZARD: u64 = 128;
    /// Operations that read.
    pub const READS: u64 = 192;
    /// Operations that wrote.
    pub const WRITES: u64 = 200;
    /// How often it found a latch taken.
    pub const LATCH_WAITS: u64 = 208;
    /// Bytes of a slot.
    pub const BYTES: u64 = 256;
}

/// Offsets in the record of a span.
pub mod span {
    /// The first free block, 0 if there is none.
    pub const FREE: u64 = 0;
    /// Blocks in use, and in the upper half those ever cut off the span.
    pub const COUNTS: u64 = 8;
    /// Next span of the class that has free blocks: its page + 1, 0 at the end.
    pub const NEXT: u64 = 16;
    /// The one before.
    pub const PREVIOUS: u64 = 24;
    /// Bytes of a record.
    pub const BYTES: u64 = 32;
}
