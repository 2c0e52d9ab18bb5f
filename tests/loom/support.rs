//! What the models share: how they are explored, members that can die, a small store.
#![allow(unsafe_code, reason = "lets loom see every race on a plain word")]

use cluster_shared_memory::entry::{Key, Tag, Value};
use cluster_shared_memory::fault::{self, Then};
use cluster_shared_memory::os::process::ProcessId;
use cluster_shared_memory::segment::Segment;
use cluster_shared_memory::segment::layout::MINIMUM_BYTES;
use cluster_shared_memory::segment::members::{self, MemberId};
use cluster_shared_memory::store::{self, Scratch, Store};
use cluster_shared_memory::table::shard_of;
use cluster_shared_memory::{latch, repair, verify::verify, wake};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Keys that the readers' models use.
const KEYS: [&str; 2] = ["k", "l"];
/// Threads of a model need room for an intent or two.
const STACK_WORDS: usize = 0x8000;

/// Explores all runs of `model` with at most so many preemptions (`LOOM_MAX_PREEMPTIONS` overrides
/// it, for a longer run by hand), and tells how many there were.
pub(crate) fn explore(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(preemptions));
    builder.max_branches = 1_000_000;
    let runs = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&runs);
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        model();
    });
    eprintln!("{} runs", runs.load(Ordering::Relaxed));
}

/// A thread of the model.
pub(crate) fn spawn<R: Send + 'static>(
    body: impl FnOnce() -> R + Send + 'static,
) -> loom::thread::JoinHandle<R> {
    loom::thread::Builder::new().stack_size(STACK_WORDS).spawn(body).unwrap()
}

/// Does `body`, but dies before the store after the first `stores` ones: then `None`.
pub(crate) fn with_fuel<R>(stores: u64, body: impl FnOnce() -> R) -> Option<R> {
    fault::set_fuel(stores, Then::Unwind);
    let done = catch_unwind(AssertUnwindSafe(body));
    fault::disarm();
    match done {
        Ok(done) => Some(done),
        Err(payload) if payload.is::<fault::Died>() => None,
        Err(payload) => std::panic::resume_unwind(payload),
    }
}

/// A word that is no atomic: loom fails a run in which two accesses to it are not ordered.
pub(crate) struct Plain(loom::cell::Cell<u64>);

// SAFETY: loom's cell checks every access; an unordered one panics before it happens.
unsafe impl Send for Plain {}
// SAFETY: as above.
unsafe impl Sync for Plain {}

impl Plain {
    pub(crate) fn new(value: u64) -> Self {
        Self(loom::cell::Cell::new(value))
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.get()
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.set(value);
    }
}

/// A segment with members, each of a process of its own.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) segment: Arc<Segment>,
    members: Vec<MemberId>,
}

impl World {
    pub(crate) fn new(members: u32) -> Self {
        let segment = Arc::new(store::create(MINIMUM_BYTES).unwrap());
        let join = |pid| {
            let process = ProcessId { pid, start_time: 1 };
            members::join(segment.region(), segment.layout(), process, 0).unwrap()
        };
        let members = (0..members).map(join).collect();
        let shards = KEYS.map(|key| shard_of(&segment, hash(&segment, key)));
        assert_eq!(shards[0], shards[1], "the models of readers need keys of one shard");
        Self { segment, members }
    }

    pub(crate) fn member(&self, number: usize) -> MemberId {
        self.members[number]
    }

    pub(crate) fn store(&self, number: usize) -> Store {
        Store::new(Arc::clone(&self.segment), self.members[number])
    }

    /// Runs `body` as a member that dies after so many stores; the kernel reports the death.
    pub(crate) fn dying<R>(
        &self,
        number: usize,
        stores: u64,
        body: impl FnOnce(&Store) -> R,
    ) -> Option<R> {
        let done = with_fuel(stores, || body(&self.store(number)));
        if done.is_none() {
            self.report_death(number);
        }
        done
    }

    /// Runs `body` as a member that is stopped before the store after the first `stores` ones.
    pub(crate) fn stopping<R>(
        &self,
        number: usize,
        stores: u64,
        body: impl FnOnce(&Store) -> R,
    ) -> Option<R> {
        with_fuel(stores, || body(&self.store(number)))
    }

    /// Mends what the dead have left; then everything must be sound.
    pub(crate) fn verify(&self, dead: &[usize]) {
        let mender = self.members.len() - 1;
        for number in dead {
            repair::mend(&self.segment, self.members[mender], self.members[*number]).unwrap();
        }
        verify(&self.segment).unwrap();
    }

    pub(crate) fn report_death(&self, number: usize) {
        ProcessId { pid: u32::try_from(number).unwrap(), start_time: 1 }.report_death();
    }
}

/// Two words of text that tell which write they are of.
pub(crate) fn text(letter: u8) -> [u8; 16] {
    [letter; 16]
}

pub(crate) fn set(store: &Store, key: &str, letter: u8) {
    store.set(&key_of(store, key), &Value::bytes(Tag::OneByteString, &text(letter))).unwrap();
}

pub(crate) fn remove(store: &Store, key: &str) -> bool {
    store.remove(&key_of(store, key)).unwrap()
}

/// A change in the shard of a key that concerns no entry: a reader in the middle of the first,
/// quick try has to take the second, careful one.
pub(crate) fn touch(store: &Store, key: &str) {
    let layout = store.segment().layout();
    let shard = shard_of(store.segment(), key_of(store, key).hash());
    let held = latch::hold(store.segment(), layout.shard(shard), store.member()).unwrap();
    let mut changes = held.changes();
    changes.set(layout.log_record(shard, 0), 1).unwrap();
    held.commit(&mut changes).unwrap();
}

/// The letter of a text and its version; `None` if there is no entry. Panics if it is of two
/// writes.
pub(crate) fn get(store: &Store, key: &str) -> Option<(u8, u64)> {
    let mut scratch = Scratch::default();
    let read = store.get(&key_of(store, key), &mut scratch).unwrap()?;
    let bytes = scratch.bytes(read.length);
    assert_eq!(bytes, text(bytes[0]), "half of one value and half of another");
    Some((bytes[0], read.version))
}

/// A number and its version.
pub(crate) fn get_number(store: &Store, key: &str) -> Option<(f64, u64)> {
    let read = store.get(&key_of(store, key), &mut Scratch::default()).unwrap()?;
    Some((read.number, read.version))
}

pub(crate) fn add(store: &Store, key: &str, by: f64) -> f64 {
    store.incr(&key_of(store, key), by).unwrap()
}

/// Keys of one shard.
pub(crate) fn keys_of_shard(segment: &Segment, shard: u64) -> impl Iterator<Item = String> + '_ {
    (0..)
        .map(|number| format!("k{number}"))
        .filter(move |key| shard_of(segment, hash(segment, key)) == shard)
}

/// Sleeps as the wake thread of a member does.
pub(crate) fn sleep(segment: &Segment, me: MemberId) -> u32 {
    let word = segment.region().half(wake::word_of(segment, me.slot())).unwrap();
    let reasons = wake::sleep(word);
    if reasons & wake::REPAIRED != 0 {
        wake::note_all(segment, me).unwrap();
    }
    reasons
}

/// Gives all news to `look`, as `Member::next_news` does; gives the reasons that came meanwhile.
pub(crate) fn look_to_the_end(segment: &Segment, me: MemberId, mut look: impl FnMut(u64)) -> u32 {
    let mut reasons = 0;
    loop {
        let news = wake::take_news(segment, me).unwrap();
        if news != 0 {
            look(news);
            continue;
        }
        let more = wake::settle_member(segment, me).unwrap();
        if more == 0 {
            return reasons;
        }
        if more & wake::REPAIRED != 0 {
            wake::note_all(segment, me).unwrap();
        }
        reasons |= more;
    }
}

fn hash(segment: &Segment, key: &str) -> u64 {
    Key::new(segment.hash_key(), key.as_bytes(), false).unwrap().hash()
}

pub(crate) fn key_of<'b>(store: &Store, key: &'b str) -> Key<'b> {
    store.key(key.as_bytes(), false).unwrap()
}
