//! A sound segment, of which some words are overwritten: whatever is called then gives a value or an
//! error. (The fuzzer notices panics, signals and hangs.)
#![no_main]
#![allow(clippy::unwrap_used, missing_docs, reason = "a fuzzer takes a panic for a find")]

mod common;

use arbitrary::{Arbitrary, Unstructured};
use cluster_shared_memory::entry::{Key, Namespace, Tag, Value};
use cluster_shared_memory::error::Error;
use cluster_shared_memory::locks::{self, Asked, Locks, Spinner};
use cluster_shared_memory::lru::{self, Lru};
use cluster_shared_memory::segment::Segment;
use cluster_shared_memory::segment::layout::{domain, header};
use cluster_shared_memory::segment::members::{self, MemberId};
use cluster_shared_memory::segment::region::Offset;
use cluster_shared_memory::store::{Condition, Keys, Place, Prefix, Read, Scratch, Store, Sweep};
use cluster_shared_memory::sync::Ordering;
use cluster_shared_memory::verify::verify;
use cluster_shared_memory::watches::{self, Watches};
use cluster_shared_memory::{heap, wake};
use libfuzzer_sys::fuzz_target;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[derive(Debug)]
struct Program {
    before: Vec<Step>,
    damages: [Damage; 3],
    after: Vec<Step>,
}

// Not derived: a list is as long as the bytes last, or as one of them says.
impl<'a> Arbitrary<'a> for Program {
    fn arbitrary(u: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let mut program = Self { before: Vec::new(), damages: u.arbitrary()?, after: Vec::new() };
        let count = u.arbitrary::<u8>()?;
        while !u.is_empty() && program.before.len() < usize::from(count) {
            program.before.push(u.arbitrary()?);
        }
        while !u.is_empty() && program.after.len() < 80 {
            program.after.push(u.arbitrary()?);
        }
        Ok(program)
    }
}

#[derive(Debug, Arbitrary)]
struct Step {
    who: u8,
    key: u8,
    call: Call,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Call {
    Set(Length),
    SetNumber,
    Put(Length, If, Ttl),
    Incr,
    IncrFor,
    Remove,
    Exchange(Length),
    Take,
    Touch(Ttl),
    Get,
    Has,
    Version,
    AsOf,
    Scan,
    Sweep,
    Name,
    Bound,
    Clear,
    Usage,
    Stats,
    Ask,
    Release,
    Granted,
    Watch,
    Unwatch,
    News,
    LruSet(Length),
    LruGet,
    LruRemove,
    LruSweep,
    LruInherit,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Length {
    Short,
    Block,
    Most,
    Run,
    Long,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum If {
    Always,
    Absent,
    Present,
    Version(u8),
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Ttl {
    ForEver,
    Hour,
    NoTime,
}

/// A word that becomes another.
#[derive(Debug, Clone, Copy, Arbitrary)]
struct Damage {
    part: Part,
    at: u16,
    word: u16,
    becomes: Becomes,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Part {
    Header,
    Member,
    Shard,
    Namespace,
    Fact,
    Span,
    Bucket,
    LockBucket,
    CacheBucket,
    Log,
    Page,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Becomes {
    Zero,
    Word(u64),
    Flipped(u8),
    More(u8),
    Less(u8),
    Page(u16, u16),
    Itself,
}

struct Member {
    store: Store,
    locks: Locks,
    watches: Watches,
    lru: Lru,
    tickets: Vec<(u8, locks::Ticket)>,
    watched: Vec<watches::WatchId>,
    sweep: Sweep,
}

fuzz_target!(|program: Program| run(&program));

fn run(program: &Program) {
    let (segment, ids) = common::segment(3);
    let mut members: Vec<Member> = ids.iter().map(|id| Member::new(&segment, *id)).collect();
    let options = lru::Options { max: 20.0, disposes: true, ..lru::Options::default() };
    members[0].lru.set_options(&options).unwrap();
    let mut scratch = Scratch::default();
    for step in &program.before {
        let _ = take(&mut members, step, &mut scratch);
    }
    verify(&segment).unwrap();
    program.damages.iter().for_each(|damage| damage.make(&segment));
    let since = Instant::now();
    for step in &program.after {
        let result = take(&mut members, step, &mut scratch);
        // Who waits for a latch that a word says is another's does so for its whole patience.
        if since.elapsed() > Duration::from_millis(500) && matches!(result, Err(Error::Busy { .. }))
        {
            return;
        }
    }
    all_else(&segment, &ids, &members);
}

/// What is done to the segment as a whole.
fn all_else(segment: &Arc<Segment>, ids: &[MemberId], members: &[Member]) {
    show(&"the end");
    let (region, layout) = (segment.region(), segment.layout());
    let _ = members[0].store.stats();
    let _ = locks::give_up_all(segment, ids[0], ids[1], Duration::ZERO);
    let _ = watches::end_all(segment, ids[0], ids[1], Duration::ZERO);
    let _ = heap::pages::mend(segment, ids[1]);
    let _ = heap::stretches::find(segment, 4);
    let _ = wake::take_news(segment, ids[0]);
    let _ = members::all(region, layout);
    let _ = members::leave(region, layout, ids[1]);
    let mut sweep = Sweep::default();
    for _ in 0..100 {
        if members[0].store.sweep_ended(&mut sweep, 1 << 12).map_or(true, |swept| swept.is_around) {
            break;
        }
    }
    let _ = verify(segment);
    let _ = Segment::attach(segment.file().try_clone_to_owned().unwrap()).map(drop);
}

impl Member {
    fn new(segment: &Arc<Segment>, id: MemberId) -> Self {
        Self {
            store: Store::new(Arc::clone(segment), id),
            locks: Locks::new(Arc::clone(segment), id, Spinner::new(1)),
            watches: Watches::new(Arc::clone(segment), id),
            lru: Lru::new(Arc::clone(segment), id),
            tickets: Vec::new(),
            watched: Vec::new(),
            sweep: Sweep::default(),
        }
    }
}

fn take(members: &mut [Member], step: &Step, scratch: &mut Scratch) -> Result<(), Error> {
    show(step);
    let count = members.len();
    let member = &mut members[usize::from(step.who) % count];
    let id = step.key % 40;
    let (bytes, wide) = common::key_bytes(id);
    let namespace = if id < 30 { Namespace::USER } else { Namespace::numbered(2) };
    let hash_key = member.store.segment().hash_key();
    let key = Key::within(namespace, hash_key, &bytes, wide)?;
    if id >= 30 {
        // It has memory only once somebody has named it.
        member.store.namespace(b"inside", false)?;
    }
    match step.call {
        Call::Ask | Call::Release | Call::Granted => lock(member, id, &key, step.call),
        Call::Watch | Call::Unwatch | Call::News => watch(member, &key, step.call, scratch),
        Call::LruSet(_) | Call::LruGet | Call::LruRemove | Call::LruSweep | Call::LruInherit => {
            cache(member, &bytes, wide, step.call, scratch)
        }
        Call::Scan
        | Call::Sweep
        | Call::Name
        | Call::Bound
        | Call::Clear
        | Call::Usage
        | Call::Stats => many(member, namespace, &bytes, wide, step.call),
        call => one(member, &key, call, scratch),
    }
}

/// Calls that concern one key.
fn one(member: &Member, key: &Key<'_>, call: Call, scratch: &mut Scratch) -> Result<(), Error> {
    let store = &member.store;
    match call {
        Call::Set(length) => length.with(|value| store.set(key, value)),
        Call::SetNumber => store.set(key, &Value::number(0.5)),
        Call::Put(length, condition, ttl) => {
            length.with(|value| store.put(key, value, condition.of(), ttl.ms()).map(drop))
        }
        Call::Incr => store.incr(key, 1.0).map(drop),
        Call::IncrFor => store.incr_for(key, 1.0, 0).map(drop),
        Call::Remove => store.remove(key).map(drop),
        Call::Exchange(length) => {
            length.with(|value| store.exchange(key, value, None, scratch).map(drop))
        }
        Call::Take => store.take(key, scratch).map(drop),
        Call::Touch(ttl) => store.touch(key, ttl.ms()).map(drop),
        Call::Has => store.has(key).map(drop),
        Call::Version => store.version_of(key).map(drop),
        Call::AsOf => store.get_as_of(key, scratch).map(drop),
        _ => {
            let version = store.get(key, scratch)?.map_or(1, |read| read.version);
            let mut read = Read::NOTHING;
            store.get_unless(key, version, scratch, &mut read).map(drop)
        }
    }
}

/// Calls that concern many keys.
fn many(
    member: &mut Member,
    namespace: Namespace,
    bytes: &[u8],
    wide: bool,
    call: Call,
) -> Result<(), Error> {
    let store = &member.store;
    let (mut keys, mut place) = (Keys::default(), Some(Place::default()));
    match call {
        Call::Scan => {
            let prefix = Prefix { bytes: &bytes[..bytes.len().min(2)], wide };
            while let Some(at) = place.filter(|_| keys.len() < 10_000) {
                place = store.scan(namespace, prefix, at, 16, &mut keys)?;
            }
        }
        Call::Clear => {
            for _ in 0..100 {
                let Some(at) = place else { break };
                place = store.clear_some(namespace, at, &mut keys)?.1;
            }
        }
        Call::Sweep => drop(store.sweep_ended(&mut member.sweep, 64)?),
        Call::Name => drop(store.namespace(bytes, wide)?),
        Call::Bound => store.bound(Namespace::numbered(2), bytes.len() as u64 * 1000)?,
        Call::Usage => drop((store.usage(namespace)?, store.namespaces()?)),
        _ => drop(store.stats()?),
    }
    Ok(())
}

fn lock(member: &mut Member, id: u8, key: &Key<'_>, call: Call) -> Result<(), Error> {
    match call {
        Call::Ask => {
            if let Asked::Granted { ticket, .. } = member.locks.ask(key)? {
                member.tickets.push((id, ticket));
            }
        }
        Call::Release => {
            let of_key = member.tickets.iter().position(|(of, _)| *of == id);
            if let Some((_, ticket)) = of_key.map(|index| member.tickets.remove(index)) {
                member.locks.release(key, ticket, Duration::ZERO)?;
            }
        }
        _ => drop((member.locks.granted(u64::MAX)?, member.locks.holders()?)),
    }
    Ok(())
}

fn watch(
    member: &mut Member,
    key: &Key<'_>,
    call: Call,
    scratch: &mut Scratch,
) -> Result<(), Error> {
    match call {
        Call::Watch => member.watched.push(member.watches.watch(key)?),
        Call::Unwatch => {
            if let Some(id) = member.watched.pop() {
                member.watches.unwatch(id)?;
            }
        }
        _ => {
            member.watches.note(u64::MAX);
            for _ in 0..50 {
                if member.watches.next(scratch)?.is_none() {
                    break;
                }
            }
        }
    }
    Ok(())
}

fn cache(
    member: &Member,
    bytes: &[u8],
    wide: bool,
    call: Call,
    scratch: &mut Scratch,
) -> Result<(), Error> {
    let lru = &member.lru;
    let key = lru.key(bytes, wide)?;
    match call {
        Call::LruSet(length) => length.with(|value| lru.set(&key, value, None).map(drop)),
        Call::LruGet => lru.get(&key, scratch).map(drop),
        Call::LruRemove => lru.remove(&key).map(drop),
        Call::LruSweep => {
            lru.sweep_old()?;
            lru.sweep_expired(100).map(drop)
        }
        _ => lru.inherit(scratch, &mut Vec::new()).map(drop),
    }
}

impl Damage {
    fn make(&self, segment: &Segment) {
        let (region, layout) = (segment.region(), segment.layout());
        let (at, word) = (u64::from(self.at), u64::from(self.word));
        let shard = at % (layout.shards + 1);
        let table = |place: cluster_shared_memory::segment::layout::TablePlace| {
            place.buckets.word(word % place.reserved.min(64))
        };
        let at = match self.part {
            Part::Header => header::VERSION.word(word % 300),
            Part::Member => layout.member(at % 4).word(word % 32),
            Part::Shard => layout.shard(shard).word(word % 512),
            Part::Namespace => layout.namespace_bound(0).word(word % 8),
            Part::Fact => layout.fact(at % 400),
            Part::Span => layout.span(at % 400).word(word % 4),
            Part::Bucket => table(layout.table(shard)),
            Part::LockBucket => table(layout.locks(at % layout.shards)),
            Part::CacheBucket => table(layout.table(layout.cache())),
            Part::Log => layout.log_record(at % layout.shards, word / 2).word(word % 2),
            Part::Page => layout.page(at % 400).word(word % 512),
        };
        let latches = (0..=layout.shards).map(|shard| layout.shard(shard));
        let mut latches = latches.chain([header::PAGES_DOMAIN, header::MEND_DOMAIN]);
        if latches.any(|base| base.add(domain::LATCH) == at) {
            return;
        }
        let old = region.load(at, Ordering::Relaxed).unwrap();
        let new = self.becomes.of(old, at, segment);
        show(&(at, old, new));
        region.store(at, new, Ordering::Relaxed).unwrap();
    }
}

impl Becomes {
    fn of(self, old: u64, at: Offset, segment: &Segment) -> u64 {
        match self {
            Self::Zero => 0,
            Self::Word(word) => word,
            Self::Flipped(bit) => old ^ 1 << (bit % 64),
            Self::More(by) => old.wrapping_add(u64::from(by)),
            Self::Less(by) => old.wrapping_sub(u64::from(by)),
            Self::Page(page, word) => {
                let page = segment.layout().page(u64::from(page) % 400);
                page.word(u64::from(word) % 512).bytes()
            }
            Self::Itself => at.bytes() & !15,
        }
    }
}

impl Length {
    fn with<T>(self, use_it: impl FnOnce(&Value<'_>) -> T) -> T {
        let length = match self {
            Self::Short => 5,
            Self::Block => 1000,
            Self::Most => 3900,
            Self::Run => 9000,
            Self::Long => 70_000,
        };
        use_it(&Value::bytes(Tag::Buffer, &vec![1; length]))
    }
}

impl If {
    fn of(self) -> Condition {
        match self {
            Self::Always => Condition::Always,
            Self::Absent => Condition::Absent,
            Self::Present => Condition::Present,
            Self::Version(version) => Condition::Version(u64::from(version)),
        }
    }
}

impl Ttl {
    fn ms(self) -> Option<u64> {
        match self {
            Self::ForEver => None,
            Self::Hour => Some(3_600_000),
            Self::NoTime => Some(0),
        }
    }
}

fn show(what: &dyn std::fmt::Debug) {
    if common::shows() {
        eprintln!("{what:?}");
    }
}
