//! Values by key: what users know as get, set, remove, has, incr, and what is made of them.
//!
//! Readers take no latch and write nothing (`read.rs`, and for all keys `scan.rs`). Writers
//! (`write.rs`) work under the latch of the key's shard and make each change by one intent (`put.rs`),
//! numbers in place (`numbers.rs`). Entries may end (`expire.rs`) and stand in a namespace
//! (`namespaces.rs`).

mod expire;
mod namespaces;
mod numbers;
mod put;
mod read;
mod scan;
mod write;

pub use expire::{Sweep, Swept, ms_until};
pub use namespaces::{NamespaceStats, Usage};
pub use scan::{Keys, Place, Prefix};

pub use crate::shard::{Read, Scratch};

use crate::entry::{Key, Namespace, has_ended};
use crate::error::Result;
use crate::heap::{self, pages};
use crate::log;
use crate::segment::Segment;
use crate::segment::host;
use crate::segment::layout::{LOG_RECORD, Layout, domain, header, member, namespace, shard};
use crate::segment::members::{self, MemberId};
use crate::shard::Shard;
use crate::sync::Ordering;
use crate::table;
use serde::Serialize;
use std::cell::Cell;
use std::sync::Arc;
use std::time::Instant;

/// Reads are counted in the process and added to the member's slot this many at a time: a read by
/// itself writes nothing that is shared.
const READS_PER_COUNT: u64 = 64;

/// What a store is made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Bytes that the segment may take.
    pub maximum: u64,
    /// Bytes of them that the logs may keep for listeners; `None`: a 64th.
    pub log: Option<u64>,
    /// What objects are encoded as, for all members. It means something to JavaScript's side only:
    /// 0 not chosen, 1 JSON, 2 structured clone.
    pub mode: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Settings {
    /// 1 GiB, and nothing else chosen.
    pub const DEFAULT: Self = Self { maximum: 1 << 30, log: None, mode: 0 };

    /// Where everything would stand.
    ///
    /// # Errors
    /// [`crate::error::Error::BadSize`].
    pub fn layout(&self) -> Result<Layout> {
        match self.log {
            None => Layout::new(self.maximum),
            Some(log) => Layout::with_log(self.maximum, log),
        }
    }
}

/// Makes a segment of at most `maximum` bytes with an empty store in it.
///
/// # Errors
/// See [`Segment::create`].
pub fn create(maximum: u64) -> Result<Segment> {
    create_with(Settings { maximum, log: None, mode: 0 })
}

/// Makes a segment with an empty store in it.
///
/// # Errors
/// See [`Segment::create`].
pub fn create_with(settings: Settings) -> Result<Segment> {
    let segment = Segment::create(settings.layout()?)?;
    heap::format(&segment)?;
    table::format(&segment)?;
    segment.region().store(header::MODE, settings.mode, Ordering::Relaxed)?;
    segment.publish()?;
    Ok(segment)
}

/// Numbers one of which at least is another after any change of an entry or of a namespace's bound.
///
/// # Errors
/// [`crate::error::Error::Corrupted`] never, for the shards are there.
pub fn changes(segment: &Segment) -> Result<Vec<u64>> {
    let layout = segment.layout();
    // Numbers change in place by a version, all else by an intent.
    let of_shards = (0..layout.shards).flat_map(|number| {
        [shard::VERSION, domain::SEQUENCE].map(|field| layout.shard(number).add(field))
    });
    let bounds = Namespace::named().map(|it| layout.namespace_bound(it.number()));
    // Not their sum: a bound that falls by as much as others rise would leave it as it was.
    let words = of_shards.chain(bounds);
    words.map(|word| segment.region().load(word, Ordering::Acquire)).collect()
}

/// The store as one member sees it; for the thread of that member.
#[derive(Debug)]
pub struct Store {
    segment: Arc<Segment>,
    me: MemberId,
    reads: Cell<u64>,
    has_news: Cell<bool>,
    /// Where it goes on to look for what has ended.
    sweep: Cell<Sweep>,
    /// Until then it does not, for it has found nothing.
    barren_until: Cell<Option<Instant>>,
}

/// On what a change depends: the entry of its key, as it is when the change would happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Nothing.
    Always,
    /// There is none.
    Absent,
    /// There is one.
    Present,
    /// There is one, of this version.
    Version(u64),
}

impl Condition {
    /// What was read still stands there.
    #[must_use]
    pub fn is_still(read: Option<&Read>) -> Self {
        read.map_or(Self::Absent, |read| Self::Version(read.version))
    }
}

/// Since when each change of a key leaves a record.
#[derive(Debug, Clone, Copy)]
pub struct Watched {
    /// Changes up to this version do not.
    pub version: u64,
    /// The position of the next record in the log.
    pub head: u64,
    /// Whether there is no such entry.
    pub is_missing: bool,
}

/// What `stats` tells.
#[derive(Debug, Clone, Serialize)]
pub struct Stats {
    /// Entries of users, in all namespaces.
    pub entries: u64,
    /// Bytes of the page area.
    pub bytes: Bytes,
    /// Shards.
    pub shards: u64,
    /// Namespaces that have a name.
    pub namespaces: Vec<NamespaceStats>,
    /// Attached members, but for the hub.
    pub members: Vec<MemberStats>,
    /// The process that hosts the hub; `None` while nobody does.
    pub host: Option<u32>,
    /// Operations of all attached members so far; of reads, up to 63 of each may not be in yet.
    pub operations: Operations,
    /// How often an attached member found a latch taken.
    #[serde(rename = "latchWaits")]
    pub latch_waits: u64,
    /// How many latches of the dead were taken over.
    pub repairs: u64,
}

/// Bytes of the page area.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Bytes {
    /// In spans and runs, whether their blocks are in use or not.
    pub used: u64,
    /// In free pages.
    pub free: u64,
    /// In all.
    pub maximum: u64,
    /// In blocks and runs that hold entries.
    pub entries: u64,
}

/// Operations of the attached members.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Operations {
    /// get, has.
    pub reads: u64,
    /// set, remove, incr.
    pub writes: u64,
}

/// An attached member.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct MemberStats {
    /// Number of its slot.
    pub id: u64,
    /// Its process.
    pub pid: u32,
    /// Its thread in that process, 0 for the main one.
    pub thread: u64,
    /// Whether it is the one that asks.
    #[serde(rename = "self")]
    pub is_self: bool,
}

impl Store {
    /// The store in `segment`, for the member `me`.
    #[must_use]
    pub const fn new(segment: Arc<Segment>, me: MemberId) -> Self {
        let (reads, has_news) = (Cell::new(0), Cell::new(false));
        Self {
            segment,
            me,
            reads,
            has_news,
            sweep: Cell::new(Sweep::START),
            barren_until: Cell::new(None),
        }
    }

    /// The segment that the store is in.
    #[inline]
    #[must_use]
    pub const fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }

    /// The member whose view this is.
    #[must_use]
    pub const fn member(&self) -> MemberId {
        self.me
    }

    /// Whether this member watches what it has changed itself since the last call: nobody else tells
    /// it.
    #[inline]
    pub fn take_news(&self) -> bool {
        self.has_news.replace(false)
    }

    /// The key of these bytes; see [`Key::new`].
    ///
    /// # Errors
    /// [`crate::error::Error::KeyTooLong`].
    #[inline(always)]
    pub fn key<'b>(&self, bytes: &'b [u8], wide: bool) -> Result<Key<'b>> {
        Key::new(self.segment.hash_key(), bytes, wide)
    }

    /// A key in a namespace.
    ///
    /// # Errors
    /// [`crate::error::Error::KeyTooLong`].
    pub fn key_in<'b>(&self, namespace: Namespace, bytes: &'b [u8], wide: bool) -> Result<Key<'b>> {
        Key::within(namespace, self.segment.hash_key(), bytes, wide)
    }

    /// From now on, each change of this key appends a record to the log of its shard.
    ///
    /// # Errors
    /// [`crate::error::Error::OutOfMemory`] if the log's ring finds no memory;
    /// [`crate::error::Error::Busy`].
    pub fn watch(&self, key: &Key<'_>) -> Result<Watched> {
        let shard = Shard::of(&self.segment, key);
        let region = self.segment.region();
        // Acquire: pairs with the Release below.
        if region.load(shard.at(shard::LOG_BACKED), Ordering::Acquire)? == 0 {
            let ring = self.segment.layout().log_record(shard.number(), 0).bytes();
            self.segment.back(ring, self.segment.layout().log_records * LOG_RECORD)?;
            region.store(shard.at(shard::LOG_BACKED), 1, Ordering::Release)?;
        }
        let _held = shard.hold(self.me)?;
        let filter = shard.load(shard::WATCHED)? | log::filter_bit(key.hash());
        region.store(shard.at(shard::WATCHED), filter, Ordering::Relaxed)?;
        Ok(Watched {
            version: shard.load(shard::VERSION)?,
            head: shard.load(shard::LOG_HEAD)?,
            is_missing: {
                let found = shard.table().find(region, key)?;
                let expiry = shard.expiry_of(found.as_ref())?;
                found.is_none() || has_ended(expiry)
            },
        })
    }

    /// The highest version that any shard has given, to an entry, a removal or a ticket.
    ///
    /// # Errors
    /// [`crate::error::Error::Corrupted`] never, for the shards are there; so below.
    pub fn highest_version(&self) -> Result<u64> {
        self.all_shards().try_fold(0, |highest, shard| Ok(shard.load(shard::VERSION)?.max(highest)))
    }

    /// Lets all shards give only versions above this one: none comes back that somebody may know from
    /// the segment whose entries this one takes over.
    ///
    /// # Errors
    /// [`crate::error::Error::Busy`].
    pub fn raise_versions(&self, version: u64) -> Result<()> {
        for shard in self.all_shards() {
            let _held = shard.hold(self.me)?;
            let raised = shard.load(shard::VERSION)?.max(version);
            self.segment.region().store(shard.at(shard::VERSION), raised, Ordering::Relaxed)?;
        }
        Ok(())
    }

    /// The mode that the store was made with.
    ///
    /// # Errors
    /// [`crate::error::Error::Corrupted`] never, for the header is there.
    pub fn mode(&self) -> Result<u64> {
        self.segment.region().load(header::MODE, Ordering::Relaxed)
    }

    /// What there is and who is there.
    ///
    /// # Errors
    /// [`crate::error::Error::Corrupted`].
    pub fn stats(&self) -> Result<Stats> {
        let (region, layout) = (self.segment.region(), self.segment.layout());
        self.count_reads()?;
        let mut stats = Stats {
            entries: 0,
            bytes: Bytes { used: 0, free: 0, maximum: layout.area_bytes(), entries: 0 },
            shards: layout.shards,
            namespaces: self.namespaces()?,
            members: Vec::new(),
            host: host::current(region, layout)?.map(|host| host.process.pid),
            operations: Operations::default(),
            latch_waits: 0,
            repairs: region.load(header::REPAIRS, Ordering::Relaxed)?,
        };
        for number in 0..layout.shards {
            let base = layout.shard(number);
            let field = |field| region.load(base.add(field), Ordering::Relaxed);
            let package = field(shard::PACKAGE + namespace::ENTRIES)?;
            stats.entries =
                stats.entries.wrapping_add(field(shard::ENTRIES)?.wrapping_sub(package));
            stats.bytes.entries = stats.bytes.entries.wrapping_add(field(shard::BYTES_USED)?);
        }
        stats.bytes.free = pages::free_pages(&self.segment)? * crate::segment::layout::PAGE;
        stats.bytes.used = stats.bytes.maximum.saturating_sub(stats.bytes.free);
        let all = members::all(region, layout)?;
        for info in all.into_iter().filter(|info| info.thread != members::HUB) {
            let at = layout.member(info.id.slot());
            let counter = |field| region.load(at.add(field), Ordering::Relaxed);
            stats.operations.reads += counter(member::READS)?;
            stats.operations.writes += counter(member::WRITES)?;
            stats.latch_waits += counter(member::LATCH_WAITS)?;
            stats.members.push(MemberStats {
                id: info.id.slot(),
                pid: info.process.pid,
                thread: info.thread,
                is_self: info.id == self.me,
            });
        }
        Ok(stats)
    }

    /// All shards, that of the cache included.
    fn all_shards(&self) -> impl Iterator<Item = Shard<'_>> {
        (0..=self.segment.layout().cache()).map(|number| Shard::new(&self.segment, number))
    }

    #[inline(always)]
    fn count_read(&self) -> Result<()> {
        self.reads.set(self.reads.get() + 1);
        if self.reads.get() >= READS_PER_COUNT { self.count_reads() } else { Ok(()) }
    }

    #[cold]
    fn count_reads(&self) -> Result<()> {
        let reads = self.reads.replace(0);
        self.count(member::READS, reads)
    }

    #[inline]
    fn count(&self, counter: u64, by: u64) -> Result<()> {
        members::count(self.segment.region(), self.segment.layout(), self.me, counter, by)
    }
}
