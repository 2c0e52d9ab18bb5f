//! A log's records: what is copied of one that has been dropped is never taken for its value.
//!
//! The logs of a model have two records.
//!
//! Teeth, "assertion failed": without the fence in `log::settled`, without a look at the tail; for
//! blocks also without the fence in `latch::acquire`.

use crate::support::{World, explore, key_of, set, spawn, text};
use cluster_shared_memory::entry::{Meta, word};
use cluster_shared_memory::heap::fact::Fact;
use cluster_shared_memory::heap::pages::{self, Note};
use cluster_shared_memory::latch;
use cluster_shared_memory::log::{At, Record};
use cluster_shared_memory::segment::layout::shard;
use cluster_shared_memory::shard::{Read, Scratch, Shard};
use cluster_shared_memory::sync::{AtomicU64, Ordering};
use std::sync::Arc;

/// The bytes of a record's value, unless it is lapped.
fn copy(world: &World, number: u64, record: &Record) -> Option<Vec<u8>> {
    let shard = Shard::new(&world.segment, number);
    let (mut scratch, mut read) = (Scratch::default(), Read::NOTHING);
    let meta = world.segment.region().load(record.entry.add(word::META), Ordering::Relaxed);
    let copied = Meta::from_word(meta.unwrap())
        .and_then(|meta| shard.read_logged(record.entry, meta, &mut scratch, &mut read));
    let is_lapped = shard.log().is_lapped(0).unwrap();
    (!is_lapped).then(|| {
        copied.unwrap();
        scratch.bytes(read.length).to_vec()
    })
}

/// The first record is copied while the next change drops it, and another member's takes its block.
/// One preemption.
#[test]
fn a_block_that_the_log_has_let_go_of_is_not_taken_for_the_value() {
    explore(1, || {
        let world = World::new(3);
        let store = world.store(0);
        store.watch(&key_of(&store, "k")).unwrap();
        b"ab".iter().for_each(|letter| set(&store, "k", *letter));
        let number = Shard::of(&world.segment, &key_of(&store, "k")).number();
        let At::Record(record) = Shard::new(&world.segment, number).log().look(0).unwrap() else {
            panic!("the log has no first record");
        };
        let reader = spawn({
            let world = world.clone();
            move || copy(&world, number, &record)
        });
        set(&store, "k", b'c');
        let next = spawn(move || set(&world.store(2), "l", b'x'));
        next.join().unwrap();
        let copied = reader.join().unwrap();
        assert!(copied.is_none_or(|bytes| bytes == text(b'a')));
    });
}

/// The same with a run of pages, reduced to one word, which somebody else builds a run of. Three
/// preemptions.
#[test]
fn a_run_that_the_log_has_let_go_of_is_not_taken_for_the_value() {
    explore(3, || {
        let world = World::new(3);
        let segment = &world.segment;
        let run = pages::build(segment, world.member(0), Note::Run, 1, 1).unwrap();
        let page = run.page();
        let owned = Fact::Run { shard: 0, pages: 1 }.to_word();
        let leaving = Fact::Leaving { shard: 0, pages: 1 }.to_word();
        segment.region().store(segment.layout().fact(page), owned, Ordering::Relaxed).unwrap();
        run.publish();
        pages::suggest(segment, page, 1).unwrap();
        let content = Arc::new(AtomicU64::new(1));
        let builder = spawn({
            let (world, content) = (world.clone(), Arc::clone(&content));
            move || {
                let run = pages::build(&world.segment, world.member(1), Note::Run, 1, 1).unwrap();
                if run.page() == page {
                    content.store(2, Ordering::Relaxed);
                }
                run.publish();
            }
        });
        let reader = spawn({
            let (world, content) = (world.clone(), Arc::clone(&content));
            move || {
                let read = content.load(Ordering::Relaxed);
                let is_lapped = Shard::new(&world.segment, 0).log().is_lapped(0).unwrap();
                assert!(is_lapped || read == 1);
            }
        });
        let held = latch::hold(segment, segment.layout().shard(0), world.member(0)).unwrap();
        let mut changes = held.changes();
        changes.set(segment.layout().shard(0).add(shard::LOG_TAIL), 1).unwrap();
        changes.hand_over(segment.layout().fact(page), owned, leaving).unwrap();
        held.commit(&mut changes).unwrap();
        drop(held);
        [builder, reader].into_iter().for_each(|thread| thread.join().unwrap());
    });
}
