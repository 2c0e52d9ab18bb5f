//! Snapshots: what is written comes back; what is damaged does not, and is kept aside; whoever dies
//! while writing leaves the file that was there.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a test ends by a panic, and its numbers are small"
)]

mod damage;
mod disk;
mod places;
mod rounds;
mod speed;

use cluster_shared_memory::entry::{Key, Namespace, Tag, Value};
use cluster_shared_memory::error::{Error, Result};
use cluster_shared_memory::os::process::ProcessId;
use cluster_shared_memory::segment::members;
use cluster_shared_memory::snapshot::{self, ReadIn, Written};
use cluster_shared_memory::store::{self, Condition, Keys, Place, Prefix, Scratch, Store};
use cluster_shared_memory::verify::verify;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) const MIB: u64 = 1 << 20;

pub(crate) fn new_store(maximum: u64) -> Store {
    let segment = store::create(maximum).unwrap();
    let me = members::join(segment.region(), segment.layout(), ProcessId::current(), 0).unwrap();
    Store::new(Arc::new(segment), me)
}

pub(crate) fn write(store: &Store, path: &Path) -> Result<Written> {
    snapshot::write(store, path, &mut |_| {})
}

pub(crate) fn read(store: &Store, path: &Path) -> Result<Option<ReadIn>> {
    snapshot::read(store, path, &mut |_| {})
}

/// The name of a namespace, or nothing for the users' common one; a key; whether it is wide.
pub(crate) type Name = (Option<Vec<u8>>, Vec<u8>, bool);

/// A value: what it is, and its bytes.
pub(crate) type Content = (Tag, Vec<u8>);

pub(crate) fn value((tag, bytes): &Content) -> Value<'_> {
    match tag {
        Tag::Number => Value::number(f64::from_le_bytes(bytes[..].try_into().unwrap())),
        _ => Value::bytes(*tag, bytes),
    }
}

pub(crate) fn put(store: &Store, name: &Name, content: &Content, ttl_ms: Option<u64>) {
    let namespace = name.0.as_ref().map(|name| store.namespace(name, false).unwrap());
    let hash_key = store.segment().hash_key();
    let key = Key::within(namespace.unwrap_or_default(), hash_key, &name.1, name.2).unwrap();
    store.put(&key, &value(content), Condition::Always, ttl_ms).unwrap();
}

/// All that users have in a store.
pub(crate) fn all(store: &Store) -> HashMap<Name, Content> {
    let mut found = HashMap::new();
    let spaces = store.stats().unwrap().namespaces;
    let names = spaces.into_iter().map(|space| Some(space.name.into_bytes()));
    for name in std::iter::once(None).chain(names) {
        let namespace = name.as_ref().map(|name| store.namespace(name, false).unwrap());
        all_in(store, namespace.unwrap_or_default(), |key, wide, content| {
            found.insert((name.clone(), key.to_vec(), wide), content);
        });
    }
    found
}

fn all_in(store: &Store, namespace: Namespace, mut each: impl FnMut(&[u8], bool, Content)) {
    let (mut keys, mut place, mut scratch) =
        (Keys::default(), Some(Place::default()), Scratch::default());
    let everything = Prefix { bytes: &[], wide: false };
    while let Some(from) = place {
        place = store.scan(namespace, everything, from, 1000, &mut keys).unwrap();
    }
    for (bytes, wide) in keys.iter() {
        let key = Key::within(namespace, store.segment().hash_key(), bytes, wide).unwrap();
        let read = store.get(&key, &mut scratch).unwrap().unwrap();
        let content = match read.tag {
            Tag::Number => read.number.to_le_bytes().to_vec(),
            _ => scratch.bytes(read.length).to_vec(),
        };
        each(bytes, wide, (read.tag, content));
    }
}

/// What came of a file in a new store: all that is in it then.
pub(crate) fn restored(path: &Path) -> HashMap<Name, Content> {
    let store = new_store(64 * MIB);
    read(&store, path).unwrap().unwrap();
    verify(store.segment()).unwrap();
    all(&store)
}

/// The parts of an error about a snapshot.
pub(crate) fn refusal<T: std::fmt::Debug>(outcome: Result<T>) -> (String, Option<PathBuf>) {
    match outcome {
        Err(Error::Snapshot { why, kept, .. }) => (why, kept.map(PathBuf::from)),
        other => panic!("it was not refused: {other:?}"),
    }
}

/// A folder that is gone at the end of its test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(label: &str) -> Self {
        let name = format!("csm-snapshot-{label}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.join("values")
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The names in it, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        let files = fs::read_dir(&self.0).unwrap().map(|file| file.unwrap().file_name());
        let mut names: Vec<_> = files.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
