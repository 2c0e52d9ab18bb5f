//! Where everything stands: the one description of the segment.
//!
//! All sizes follow from two numbers that the user gives, the maximum and what the logs may keep, so
//! that two processes that agree on them and on [`VERSION`] agree on every offset. Drawn in
//! `docs/design.md`.
//!
//! ```text
//! header        1 page    magic, version, sizes, hash key; the latch of the pages
//! members       256 B     a slot each: who it is, its wake word, what it is building, its counters
//! shards        4 KiB     latch, sequence, intent; bounds of tables, heap and log; the last is the
//!                         cache's
//! namespaces    16 B      what each shard counts for each namespace; in the row of the cache's shard,
//!                         their bounds
//! pages         8 B       one word of fact for each page of the page area
//! spans         32 B      what a span's blocks are like, for each place where a span may stand
//! buckets       8 B       the heads of the chains: an array for each shard's values, one for its
//!                         locks, one for the cache
//! log rings     16 B      records of watched changes, a ring for each shard
//! page area     4 KiB     spans of blocks and runs of pages
//! ```

mod words;

pub use words::{cache, domain, header, member, namespace, shard, span, table};

use crate::error::{Error, Result};
use crate::segment::region::Offset;

/// "csm-seg" and a zero byte: the first word of a segment.
pub const MAGIC: u64 = u64::from_le_bytes(*b"csm-seg\0");
/// Raised with every change of the layout or of the protocol on it.
pub const VERSION: u64 = 4;

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
/// Most shards of values that a segment has.
pub const MOST_SHARDS: u64 = 64;
/// How many members may be attached at a time.
pub const MEMBERS: u64 = 1024;
/// The first slots are for hubs alone, so that there can be one where all others are taken: a host that
/// has died keeps its own until the next one has mended it, and several may want to be that.
pub const HUBS: u64 = 8;

/// Number of block size classes: 64 bytes to 4096, four to each doubling.
pub const CLASSES: u64 = 25;

/// Sets of keys apart from each other, the users' common one and the package's own included.
pub const NAMESPACES: u16 = 256;

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
    /// Shards of values and locks; a power of two up to [`MOST_SHARDS`].
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
    namespaces_at: u64,
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
            _ => (MOST_SHARDS, 16),
        };
        let whole_pages = |bytes: u64| bytes / PAGE * (PAGE / 8);
        let buckets = whole_pages(maximum / 16 / shards);
        let lock_buckets = whole_pages(maximum / 256 / shards);
        let cache_buckets = whole_pages(maximum / 128);
        let log_bytes = log / shards;
        let log_records = (log_bytes / 256).max(MINIMUM_RECORDS);

        let members_at = PAGE;
        let shards_at = members_at + MEMBERS * member::BYTES;
        let namespaces_at = shards_at + (shards + 1) * shard::BYTES;
        let facts_at = namespaces_at + (shards + 1) * u64::from(NAMESPACES) * namespace::BYTES;
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
            namespaces_at,
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

    /// What a shard counts for a namespace; see [`namespace`]. Nothing for the users' common one,
    /// number 0: it has what is left. Those from number 2 on have memory once one of them is used.
    #[inline]
    #[must_use]
    pub const fn namespace(&self, shard: u64, number: u16) -> Option<Offset> {
        match number {
            0 => None,
            1 => Some(self.shard(shard).add(shard::PACKAGE)),
            _ => Some(self.namespace_row(shard, number)),
        }
    }

    /// How many bytes a namespace from number 2 on may have in all shards; 0: no bound.
    #[must_use]
    pub const fn namespace_bound(&self, number: u16) -> Offset {
        self.namespace_row(self.cache(), number)
    }

    const fn namespace_row(&self, shard: u64, number: u16) -> Offset {
        let place = shard * NAMESPACES as u64 + (number % NAMESPACES) as u64;
        Offset::new(self.namespaces_at + place * namespace::BYTES)
    }

    /// Where all those stand, as start and length in whole pages.
    #[must_use]
    pub const fn namespaces_range(&self) -> (u64, u64) {
        (self.namespaces_at, self.facts_at - self.namespaces_at)
    }

    /// The fact of a page.
    #[must_use]
    pub const fn fact(&self, page: u64) -> Offset {
        Offset::new(self.facts_at).word(page)
    }

    /// The record of the span that page `page` would belong to.
    #[must_use]
    pub const fn span(&self, page: u64) -> Offset {
        Offset::new(self.spans_at + (page >> self.span_pages.trailing_zeros()) * span::BYTES)
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
        self.namespaces_at
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
                (layout.shard(layout.cache() + 1), layout.namespaces_at),
                (layout.namespace_bound(255).add(namespace::BYTES), layout.facts_at),
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
        const { assert!(shard::PACKAGE + namespace::BYTES <= shard::CLASSES) };
        const { assert!(shard::CLASSES + CLASSES * 8 <= shard::LOCK_TABLE) };
        const { assert!(shard::NEXT_SEAT + 8 <= shard::SEATS) };
        const { assert!(shard::CACHE + cache::BYTES <= shard::BYTES) };
    }
}
