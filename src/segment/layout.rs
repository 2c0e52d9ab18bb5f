//! Where everything stands: the one description of the segment.
//!
//! All sizes follow from two numbers that the user gives, the maximum and what the logs may keep, so
//! that two processes that agree on them and on [`VERSION`] agree on every offset. Drawn in `docs/design.md`.
//!
//! ```text
//! header        1 page    magic, version, sizes, hash key; the latch of the pages
//! members       256 B     a slot each: who it is, its wake word, what it is building, its counters
//! shards        4 KiB     latch, sequence, intent; bounds of tables, heap and log; the last is the
//!                         cache's
//! pages         8 B       one word of fact for each page of the page area
//! spans         32 B      what a span's blocks are like, for each place where a span may stand
//! buckets       8 B       the heads of the chains: an array for each shard's values, one for its
//!                         locks, one for the cache
//! log rings     16 B      records of watched changes, a ring for each shard
//! page area     4 KiB     spans of blocks and runs of pages
//! ```

use crate::error::{Error, Result};
use crate::segment::region::Offset;

/// "csm-seg" and a zero byte: the first word of a segment.
pub const MAGIC: u64 = u64::from_le_bytes(*b"csm-seg\0");
/// Raised with every change of the layout or of the protocol on it.
pub const VERSION: u64 = 2;

/// Bytes of a page: the grain of the page area and of what the system is asked for.
pub const PAGE: u64 = 4096;
/// Smallest maximum that makes a useful segment.
pub const MINIMUM_BYTES: u64 = 16 << 20;
/// Largest maximum: page numbers have 32 bits.
pub const MAXIMUM_BYTES: u64 = 8 << 40;
/// Smallest share of the logs.
pub const MINIMUM_LOG: u64 = 64 << 10;
/// A log holds so many records at least.
const MINIMUM_RECORDS: u64 = 64;
/// How many members may be attached at a time.
pub const MEMBERS: u64 = 1024;

/// Offsets in the header page.
pub mod header {
    use super::Offset;

    /// [`super::MAGIC`]; written last when a segment is made.
    pub const MAGIC: Offset = Offset::new(0);
    /// [`super::VERSION`].
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

/// Number of block size classes: 64 bytes to 4096, four to each doubling.
pub const CLASSES: u64 = 25;

/// Locks of a shard that keep their entry while nobody holds them.
pub const LOCK_SEATS: u64 = 32;

/// Bytes of a log record: block and kind, version.
pub const LOG_RECORD: u64 = 16;

/// All offsets and counts of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The maximum that everything follows from.
    pub maximum: u64,
    /// What the logs of all shards may keep, in bytes.
    pub log: u64,
    /// Bytes of the file.
    pub length: u64,
    /// Shards of values and locks; a power of two up to 64.
    pub shards: u64,
    /// Pages of a span; a power of two.
    pub span_pages: u64,
    /// Pages of the page area; whole spans.
    pub pages: u64,
    /// Bucket words reserved for the values of each shard.
    pub buckets: u64,
    /// Bucket words reserved for the locks of each shard.
    pub lock_buckets: u64,
    /// Bucket words reserved for the cache.
    pub cache_buckets: u64,
    /// Log records of each shard.
    pub log_records: u64,
    /// Bytes of blocks that each shard keeps for its log.
    pub log_bytes: u64,
    members_at: u64,
    shards_at: u64,
    facts_at: u64,
    spans_at: u64,
    buckets_at: u64,
    locks_at: u64,
    cache_at: u64,
    logs_at: u64,
    area_at: u64,
}

/// Where a table stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TablePlace {
    /// Its counts; see [`table`].
    pub counts: Offset,
    /// Its first bucket.
    pub buckets: Offset,
    /// How many buckets it may have.
    pub reserved: u64,
}

impl Layout {
    /// The layout of a segment of at most `maximum` bytes, of which its logs keep a 64th.
    ///
    /// # Errors
    /// [`Error::BadSize`] outside [`MINIMUM_BYTES`] to [`MAXIMUM_BYTES`].
    pub fn new(maximum: u64) -> Result<Self> {
        Self::with_log(maximum, maximum / 64)
    }

    /// The layout of a segment of at most `maximum` bytes whose logs keep `log` of them.
    ///
    /// More shards and longer spans for larger ones; at most an eighth is lost to spans that are
    /// only partly used (shards x classes x span). A sixteenth is kept for buckets of values, a
    /// 256th for those of locks, a 128th for those of the cache.
    ///
    /// # Errors
    /// [`Error::BadSize`] outside [`MINIMUM_BYTES`] to [`MAXIMUM_BYTES`]; for a log, outside
    /// [`MINIMUM_LOG`] to a quarter of the maximum.
    pub fn with_log(maximum: u64, log: u64) -> Result<Self> {
        if !(MINIMUM_BYTES..=MAXIMUM_BYTES).contains(&maximum) {
            let (minimum, most) = (MINIMUM_BYTES, MAXIMUM_BYTES);
            return Err(Error::BadSize { size: maximum, minimum, maximum: most });
        }
        if !(MINIMUM_LOG..=maximum / 4).contains(&log) {
            return Err(Error::BadSize { size: log, minimum: MINIMUM_LOG, maximum: maximum / 4 });
        }
        let (shards, span_pages) = match maximum >> 20 {
            0..64 => (4, 4),
            64..256 => (16, 4),
            256..1024 => (32, 8),
            _ => (64, 16),
        };
        let whole_pages = |bytes: u64| bytes / PAGE * (PAGE / 8);
        let buckets = whole_pages(maximum / 16 / shards);
        let lock_buckets = whole_pages(maximum / 256 / shards);
        let cache_buckets = whole_pages(maximum / 128);
        let log_bytes = log / shards;
        let log_records = (log_bytes / 256).max(MINIMUM_RECORDS);

        let members_at = PAGE;
        let shards_at = members_at + MEMBERS * member::BYTES;
        let facts_at = shards_at + (shards + 1) * shard::BYTES;
        let all_buckets = shards * (buckets + lock_buckets) + cache_buckets;
        let fixed = facts_at + all_buckets * 8 + shards * to_page(log_records * LOG_RECORD);
        // What is left holds whole spans, each with its facts and its record.
        let span = span_pages * (PAGE + 8) + span::BYTES;
        let spans = (maximum - fixed - 4 * PAGE - span_pages * PAGE) / span;
        let pages = spans * span_pages;

        let spans_at = to_page(facts_at + pages * 8);
        let buckets_at = to_page(spans_at + spans * span::BYTES);
        let locks_at = buckets_at + shards * buckets * 8;
        let cache_at = locks_at + shards * lock_buckets * 8;
        let logs_at = cache_at + cache_buckets * 8;
        let area_at = (logs_at + shards * to_page(log_records * LOG_RECORD))
            .next_multiple_of(span_pages * PAGE);
        let length = area_at + pages * PAGE;
        Ok(Self {
            maximum,
            log,
            length,
            shards,
            span_pages,
            pages,
            buckets,
            lock_buckets,
            cache_buckets,
            log_records,
            log_bytes,
            members_at,
            shards_at,
            facts_at,
            spans_at,
            buckets_at,
            locks_at,
            cache_at,
            logs_at,
            area_at,
        })
    }

    /// The slot of a member.
    #[must_use]
    pub const fn member(&self, slot: u64) -> Offset {
        Offset::new(self.members_at + slot * member::BYTES)
    }

    /// A shard.
    #[must_use]
    pub const fn shard(&self, shard: u64) -> Offset {
        Offset::new(self.shards_at + shard * shard::BYTES)
    }

    /// The fact of a page.
    #[must_use]
    pub const fn fact(&self, page: u64) -> Offset {
        Offset::new(self.facts_at).word(page)
    }

    /// The record of the span that page `page` would belong to.
    #[must_use]
    pub const fn span(&self, page: u64) -> Offset {
        Offset::new(self.spans_at + page / self.span_pages * span::BYTES)
    }

    /// Number of the cache's shard, the one behind those of values.
    #[must_use]
    pub const fn cache(&self) -> u64 {
        self.shards
    }

    /// The table of a shard's values, or of the cache.
    #[must_use]
    pub const fn table(&self, shard: u64) -> TablePlace {
        let (start, reserved) = if shard == self.cache() {
            (self.cache_at, self.cache_buckets)
        } else {
            (self.buckets_at + shard * self.buckets * 8, self.buckets)
        };
        let counts = self.shard(shard).add(shard::TABLE);
        TablePlace { counts, buckets: Offset::new(start), reserved }
    }

    /// The table of a shard's locks.
    #[must_use]
    pub const fn locks(&self, shard: u64) -> TablePlace {
        let buckets = Offset::new(self.locks_at + shard * self.lock_buckets * 8);
        let counts = self.shard(shard).add(shard::LOCK_TABLE);
        TablePlace { counts, buckets, reserved: self.lock_buckets }
    }

    /// The place of the log record with number `position`.
    #[must_use]
    pub const fn log_record(&self, shard: u64, position: u64) -> Offset {
        let ring = self.logs_at + shard * to_page(self.log_records * LOG_RECORD);
        Offset::new(ring + position % self.log_records * LOG_RECORD)
    }

    /// The first byte of a page.
    #[must_use]
    pub const fn page(&self, page: u64) -> Offset {
        Offset::new(self.area_at + page * PAGE)
    }

    /// The page that `at` lies in.
    ///
    /// # Errors
    /// [`Error::Corrupted`] if it does not lie in the page area.
    pub const fn page_of(&self, at: Offset) -> Result<u64> {
        let bytes = at.bytes();
        if bytes < self.area_at || bytes >= self.length {
            return Err(Error::corrupted("an offset outside the page area", bytes));
        }
        Ok((bytes - self.area_at) / PAGE)
    }

    /// Bytes in front that are given memory when the segment is made.
    #[must_use]
    pub const fn fixed_bytes(&self) -> u64 {
        self.facts_at
    }

    /// Where the facts of the first `pages` pages and the records of their spans stand, as two
    /// ranges of start and length in whole pages.
    #[must_use]
    pub const fn facts_range(&self, pages: u64) -> [(u64, u64); 2] {
        let facts = to_page(self.facts_at + pages * 8) - self.facts_at;
        let spans = to_page(pages.div_ceil(self.span_pages) * span::BYTES);
        [(self.facts_at, facts), (self.spans_at, spans)]
    }

    /// Bytes that entries may take in all.
    #[must_use]
    pub const fn area_bytes(&self) -> u64 {
        self.pages * PAGE
    }
}

const fn to_page(bytes: u64) -> u64 {
    bytes.next_multiple_of(PAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: [u64; 9] = [
        MINIMUM_BYTES,
        (16 << 20) + 12345,
        63 << 20,
        64 << 20,
        300 << 20,
        1 << 30,
        6 << 30,
        1 << 40,
        MAXIMUM_BYTES,
    ];

    fn end_of(table: TablePlace) -> Offset {
        assert!(table.reserved > 0 && table.buckets.bytes().is_multiple_of(PAGE));
        table.buckets.word(table.reserved)
    }

    #[test]
    fn parts_do_not_overlap_and_fit_into_the_maximum() {
        let logs = |maximum| [MINIMUM_LOG, maximum / 64, maximum / 4];
        for (maximum, log) in SIZES.into_iter().flat_map(|size| logs(size).map(|log| (size, log))) {
            let layout = Layout::with_log(maximum, log).unwrap();
            let ring = to_page(layout.log_records * LOG_RECORD);
            let ends = [
                (layout.member(MEMBERS), layout.shards_at),
                (layout.shard(layout.cache() + 1), layout.facts_at),
                (layout.fact(layout.pages), layout.spans_at),
                (layout.span(layout.pages), layout.buckets_at),
                (end_of(layout.table(layout.shards - 1)), layout.locks_at),
                (end_of(layout.locks(layout.shards - 1)), layout.cache_at),
                (end_of(layout.table(layout.cache())), layout.logs_at),
                (Offset::new(layout.logs_at + layout.shards * ring), layout.area_at),
                (layout.page(layout.pages), layout.length),
            ];
            for (end, next) in ends {
                assert!(end.bytes() <= next, "{maximum}: {end:?} > {next}");
            }
            assert!(layout.length <= maximum, "{maximum}: {} bytes", layout.length);
            assert_eq!(layout.area_at % (layout.span_pages * PAGE), 0);
            assert!(layout.log_records >= 64);
        }
    }

    #[test]
    fn partly_used_spans_waste_at_most_an_eighth() {
        for maximum in SIZES {
            let layout = Layout::new(maximum).unwrap();
            let worst = layout.shards * CLASSES * layout.span_pages * PAGE;
            assert!(worst <= maximum / 8, "{maximum}: {worst}");
            assert!(layout.area_bytes() >= maximum / 16 * 14, "{maximum}: {layout:?}");
        }
    }

    #[test]
    fn a_size_out_of_bounds_is_refused() {
        for size in [0, MINIMUM_BYTES - 1, MAXIMUM_BYTES + 1, u64::MAX] {
            assert!(matches!(Layout::new(size), Err(Error::BadSize { .. })), "{size}");
        }
        for log in [0, MINIMUM_LOG - 1, (16 << 20) + 1] {
            assert!(matches!(Layout::with_log(64 << 20, log), Err(Error::BadSize { .. })), "{log}");
        }
    }

    #[test]
    fn the_parts_of_header_and_shard_fit() {
        const { assert!(domain::INTENT + domain::INTENT_PAIRS * 16 <= domain::BYTES) };
        assert!(header::PAGE_HINTS.word(32) <= header::MEND_DOMAIN);
        assert!(header::MEND_DOMAIN.add(domain::USER).bytes() <= PAGE);
        const { assert!(shard::CLASSES + CLASSES * 8 <= shard::LOCK_TABLE) };
        const { assert!(shard::NEXT_SEAT + 8 <= shard::SEATS) };
        const { assert!(shard::CACHE + cache::BYTES <= shard::BYTES) };
    }
}
