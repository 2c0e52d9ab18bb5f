//! Rows of values that end, of exchanges, and of namespaces.

use super::actor::Act;
use super::content::{Content, name};
use super::prepare::{self, LONGER, NONE, NUMBER, SAME, SMALL, overwrite, watched_key};
use super::rows::{Row, is_in_place};
use super::scene::{HOME, Scene};
use cluster_shared_memory::entry::{Key, Namespace, Tag, Value};
use cluster_shared_memory::error::Result;
use cluster_shared_memory::store::{Store, Sweep};
use cluster_shared_memory::table::shard_of;
use std::time::Duration;

pub(crate) const HOUR_MS: u64 = 3_600_000;
/// Bytes of values in the namespace: in a block, and in a run.
pub(crate) const SHORT: usize = 100;
pub(crate) const LONG: usize = 10_000;

/// All rows.
pub(crate) const ROWS: &[Row] = &[
    Row::new(
        "set for a time",
        |scene| overwrite(scene, SMALL, SAME),
        |dry| is_in_place(dry) && dry.count("EXPIRING") == 1,
    )
    .act(Act::PutFor),
    Row::new(
        "set for a time, new",
        |scene| overwrite(scene, NONE, SMALL),
        |dry| dry.after.entries == dry.before.entries + 1 && dry.count("EXPIRING") == 1,
    )
    .act(Act::PutFor),
    Row::new(
        "set for ever what would end",
        |scene| ending(scene, SMALL, SAME),
        |dry| is_in_place(dry) && dry.count("EXPIRING") == 1,
    ),
    Row::new(
        "set what has ended",
        |scene| ended(scene, SMALL, SMALL),
        |dry| is_in_place(dry) && dry.count("EXPIRING") == 1,
    )
    .hiding(1),
    Row::new(
        "remove what has ended",
        |scene| ended(scene, SMALL, NONE),
        |dry| dry.after.entries + 1 == dry.before.entries && dry.count("EXPIRING") == 1,
    )
    .hiding(1),
    Row::new(
        "touch",
        |scene| overwrite(scene, SMALL, SMALL),
        |dry| dry.count("EXPIRING") == 1 && dry.count("block.expiry") == 1,
    )
    .act(Act::Touch),
    Row::new(
        "sweep",
        |scene| ended(scene, SMALL, NONE),
        |dry| dry.after.entries + 1 == dry.before.entries && dry.count("EXPIRING") == 1,
    )
    .act(Act::Sweep)
    .hiding(1),
    Row::new(
        "sweep, watched",
        |scene| ended_and_watched(scene, SMALL, NONE),
        |dry| {
            dry.after.log_head == dry.before.log_head + 1
                && dry.after.log_kept > dry.before.log_kept
        },
    )
    .act(Act::Sweep)
    .hiding(1)
    .logged(),
    Row::new("sweep, three in a bucket", three_have_ended, |dry| {
        dry.after.entries + 3 == dry.before.entries && dry.count("EXPIRING") == 3
    })
    .act(Act::Sweep)
    .hiding(3),
    Row::new(
        "sweep, long",
        |scene| ended(scene, prepare::LONG, NONE),
        |dry| dry.after.entries + 1 == dry.before.entries && dry.runs_differ_by(-10),
    )
    .act(Act::Sweep)
    .hiding(1),
    Row::new(
        "set what has ended, watched",
        |scene| ended_and_watched(scene, SMALL, SAME),
        |dry| is_in_place(dry) && dry.after.log_head == dry.before.log_head + 1,
    )
    .hiding(1)
    .logged(),
    Row::new(
        "remove what has ended, watched",
        |scene| ended_and_watched(scene, SMALL, NONE),
        |dry| dry.after.entries + 1 == dry.before.entries && dry.count("EXPIRING") == 1,
    )
    .hiding(1)
    .logged(),
    Row::new(
        "add to what has ended, watched",
        |scene| ended_and_watched(scene, NUMBER, Content::Number(1.0)),
        |dry| is_in_place(dry) && dry.after.log_head == dry.before.log_head + 1,
    )
    .act(Act::Add)
    .hiding(1)
    .logged(),
    Row::new("set, what has ended makes room", ended_in_full_memory, |dry| {
        dry.after.entries == dry.before.entries && dry.count("EXPIRING") == 1
    })
    .calm()
    .hiding(1),
    Row::new(
        "touch what would end",
        |scene| ending(scene, SMALL, SMALL),
        |dry| dry.count("block.expiry") == 1,
    )
    .act(Act::Touch),
    Row::new(
        "add to what has ended",
        |scene| ended(scene, NUMBER, Content::Number(1.0)),
        |dry| is_in_place(dry) && dry.count("EXPIRING") == 1,
    )
    .act(Act::Add)
    .hiding(1),
    Row::new(
        "add to a number that ends",
        |scene| ending(scene, NUMBER, Content::Number(6.0)),
        |dry| dry.count("shard.seal") == 0 && dry.after.version == dry.before.version + 1,
    )
    .act(Act::Add),
    Row::new(
        "number for a time",
        |scene| overwrite(scene, NONE, Content::Number(1.0)),
        |dry| dry.after.entries == dry.before.entries + 1 && dry.count("EXPIRING") == 1,
    )
    .act(Act::AddFor),
    Row::new("exchange", |scene| overwrite(scene, SMALL, SAME), is_in_place).act(Act::Exchange),
    Row::new(
        "exchange, long over small",
        |scene| overwrite(scene, SMALL, prepare::LONG),
        |dry| dry.runs_differ_by(10),
    )
    .act(Act::Exchange),
    Row::new(
        "exchange, longer over long",
        |scene| overwrite(scene, prepare::LONG, LONGER),
        |dry| dry.runs_differ_by(4),
    )
    .act(Act::Exchange),
    Row::new(
        "exchange, small over long",
        |scene| overwrite(scene, prepare::LONG, SMALL),
        |dry| dry.runs_differ_by(-10),
    )
    .act(Act::Exchange),
    Row::new(
        "take, long",
        |scene| overwrite(scene, prepare::LONG, NONE),
        |dry| dry.after.entries + 1 == dry.before.entries && dry.runs_differ_by(-10),
    )
    .act(Act::Take),
    Row::new(
        "add, refused with a long value",
        |scene| overwrite(scene, SMALL, SMALL),
        |dry| dry.runs_differ_by(0) && dry.count("run.bytes") == 3 && dry.count("shard.seal") == 0,
    )
    .act(Act::PutNew)
    .calm(),
    Row::new(
        "add, watched, refused with a long value",
        |scene| prepare::watched(scene, SMALL, SMALL),
        |dry| dry.after.log_head == dry.before.log_head && dry.count("run.bytes") == 3,
    )
    .act(Act::PutNew)
    .calm(),
    Row::new(
        "take",
        |scene| overwrite(scene, SMALL, NONE),
        |dry| dry.after.entries + 1 == dry.before.entries,
    )
    .act(Act::Take),
    Row::new(
        "set in a namespace, new",
        |scene| inside(scene, None),
        |dry| dry.count("namespace.ENTRIES") == 1 && dry.count("namespace.BYTES") == 1,
    )
    .act(Act::PutInside)
    .hiding(3),
    Row::new(
        "set in a namespace, long over short",
        |scene| inside(scene, Some(SHORT)),
        |dry| dry.count("namespace.BYTES") == 1 && dry.count("run.bytes") == 3,
    )
    .act(Act::PutInsideLong)
    .calm()
    .hiding(3),
    Row::new("set in a namespace, bounded, long", bounded, |dry| {
        dry.runs_differ_by(0) && dry.count("run.bytes") == 3 && dry.count("namespace.BYTES") == 0
    })
    .act(Act::PutInsideLong)
    .calm()
    .failing()
    .hiding(3),
    Row::new(
        "remove in a namespace, long",
        |scene| inside(scene, Some(LONG)),
        |dry| dry.count("namespace.ENTRIES") == 1 && dry.count("namespace.BYTES") == 1,
    )
    .act(Act::RemoveInside)
    .hiding(3),
    Row::new(
        "make a namespace",
        |scene| inside(scene, None),
        |dry| dry.count("package.ENTRIES") == 2,
    )
    .act(Act::Name)
    .hiding(4),
];

/// The target ends in an hour.
fn ending(scene: &mut Scene, old: Content, new: Content) {
    overwrite(scene, old, new);
    old.put_for(&scene.store, scene.targets[0].id, HOUR_MS).unwrap();
}

/// The target stands there and has ended.
fn ended(scene: &mut Scene, old: Content, new: Content) {
    for room in [old, new] {
        if room.is_present() {
            let id = scene.name_in(HOME);
            scene.put_static(id, room);
        }
    }
    let id = scene.name_in(HOME);
    end(scene, id, old);
    scene.target(id, NONE, new);
}

fn ended_and_watched(scene: &mut Scene, old: Content, new: Content) {
    let id = scene.name_in(HOME);
    scene.put_static(id, SMALL);
    let id = watched_key(scene);
    end(scene, id, old);
    scene.target(id, NONE, new);
}

/// Three of one bucket, others between them, have ended.
fn three_have_ended(scene: &mut Scene) {
    let mut last = 0;
    for _ in 0..3 {
        last = scene.name_to_split();
        scene.put_static(last, SMALL);
        last = scene.name_to_split();
        end(scene, last, SMALL);
    }
    scene.target(last, NONE, NONE);
}

/// There is no room for the target but what a long value has that has ended.
fn ended_in_full_memory(scene: &mut Scene) {
    let id = scene.name_in(HOME);
    scene.put_static(id, SMALL);
    let ended = scene.name_in(HOME);
    prepare::LONG.put(&scene.store, ended).unwrap();
    scene.steal().unwrap();
    // Not before: who takes all pages would sweep it.
    let name = name(ended);
    assert!(scene.store.touch(&scene.store.key(name.as_bytes(), false).unwrap(), Some(0)).unwrap());
    let id = scene.name_in(HOME);
    scene.target(id, NONE, Content::bytes(10 * 4096 - 100, 9));
}

fn end(scene: &Scene, id: u64, content: Content) {
    content.put_for(&scene.store, id, 1).unwrap();
    std::thread::sleep(Duration::from_millis(5));
}

/// There is a namespace, and perhaps a key in it.
fn inside(scene: &mut Scene, length: Option<usize>) {
    overwrite(scene, SMALL, SMALL);
    scene.store.namespace(b"inside", false).unwrap();
    for length in [LONG, SHORT] {
        put_inside(&scene.store, length).unwrap();
    }
    match length {
        Some(length) => put_inside(&scene.store, length).unwrap(),
        None => remove_inside(&scene.store).unwrap(),
    }
}

/// There is no room in the namespace for anything longer than what is there.
fn bounded(scene: &mut Scene) {
    inside(scene, Some(SHORT));
    scene.store.bound(Namespace::numbered(2), SHORT as u64).unwrap();
}

/// Removes everything that has ended, once around.
pub(crate) fn sweep(store: &Store) -> Result<()> {
    let mut sweep = Sweep::default();
    while !store.sweep_ended(&mut sweep, 1000)?.is_around {}
    Ok(())
}

/// Sets a key of the namespace, in the shard under test.
pub(crate) fn put_inside(store: &Store, length: usize) -> Result<()> {
    with_key_inside(store, |key| store.set(key, &Value::bytes(Tag::Buffer, &vec![7; length])))
}

pub(crate) fn remove_inside(store: &Store) -> Result<()> {
    with_key_inside(store, |key| store.remove(key).map(drop))
}

fn with_key_inside<T>(store: &Store, use_it: impl FnOnce(&Key<'_>) -> Result<T>) -> Result<T> {
    // The first that was named.
    let namespace = Namespace::numbered(2);
    for id in 0.. {
        let name = name(id);
        let key = Key::within(namespace, store.segment().hash_key(), name.as_bytes(), false)?;
        // As of `Scene::name_in`: of another bit of the filter than what is watched.
        if shard_of(store.segment(), key.hash()) == HOME && key.hash() >> 48 & 32 == 0 {
            return use_it(&key);
        }
    }
    unreachable!()
}
