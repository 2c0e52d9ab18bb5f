//! Rows of values that end, of exchanges, and of namespaces.

use super::actor::Act;
use super::content::{Content, name};
use super::prepare::{NONE, NUMBER, SAME, SMALL, overwrite, watched_key};
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
        |scene| ended(scene, SMALL),
        |dry| is_in_place(dry) && dry.count("EXPIRING") == 1,
    )
    .hiding(1),
    Row::new(
        "remove what has ended",
        |scene| ended(scene, NONE),
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
        |scene| ended(scene, NONE),
        |dry| dry.after.entries + 1 == dry.before.entries && dry.count("EXPIRING") == 1,
    )
    .act(Act::Sweep)
    .hiding(1),
    Row::new("sweep, watched", ended_and_watched, |dry| {
        dry.after.log_head == dry.before.log_head + 1 && dry.after.log_kept > dry.before.log_kept
    })
    .act(Act::Sweep)
    .hiding(1)
    .logged(),
    Row::new(
        "add to what has ended",
        |scene| ended(scene, Content::Number(1.0)),
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
        |dry| dry.count("package.ENTRIES") == 1,
    )
    .act(Act::Name)
    .hiding(3),
];

/// The target ends in an hour.
fn ending(scene: &mut Scene, old: Content, new: Content) {
    overwrite(scene, old, new);
    old.put_for(&scene.store, scene.targets[0].id, HOUR_MS).unwrap();
}

/// The target stands there and has ended.
fn ended(scene: &mut Scene, new: Content) {
    let room = if new.is_present() { new } else { SMALL };
    let id = scene.name_in(HOME);
    scene.put_static(id, room);
    let id = scene.name_in(HOME);
    end(scene, id, room);
    scene.target(id, NONE, new);
}

fn ended_and_watched(scene: &mut Scene) {
    let id = scene.name_in(HOME);
    scene.put_static(id, SMALL);
    let id = watched_key(scene);
    end(scene, id, SMALL);
    scene.target(id, NONE, NONE);
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
