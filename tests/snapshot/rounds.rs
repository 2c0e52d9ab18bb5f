//! What is written comes back.

use super::{Content, Folder, MIB, Name, all, new_store, put, read, restored, value, write};
use cluster_shared_memory::entry::{Key, Namespace, Tag};
use cluster_shared_memory::error::Error;
use cluster_shared_memory::lru::Lru;
use cluster_shared_memory::snapshot::{self, Progress, Step};
use cluster_shared_memory::store::{self, Condition, Scratch, ms_until};
use proptest::prelude::*;
use std::cell::Cell;
use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

const HOUR_MS: u64 = 3_600_000;

fn of_users(key: &[u8], wide: bool) -> Name {
    (None, key.to_vec(), wide)
}

#[test]
fn every_kind_of_value_comes_back() {
    let (folder, store) = (Folder::new("kinds"), new_store(64 * MIB));
    for tag in (1..=12).filter_map(Tag::from_number) {
        let bytes = match tag {
            Tag::Undefined | Tag::Null | Tag::False | Tag::True => Vec::new(),
            Tag::Number => f64::NAN.to_le_bytes().to_vec(),
            _ => format!("bytes of {tag:?}.").into_bytes(),
        };
        put(&store, &of_users(format!("{tag:?}").as_bytes(), false), &(tag, bytes), None);
    }
    for (name, number) in [(b"-0", -0.0), (b"oo", f64::INFINITY), (b"pi", 3.25)] {
        let content = (Tag::Number, f64::to_le_bytes(number).to_vec());
        put(&store, &of_users(name, false), &content, None);
    }
    let written = write(&store, &folder.file()).unwrap();
    assert_eq!((written.entries, written.namespaces), (15, 0));
    assert_eq!(written.bytes, fs::metadata(folder.file()).unwrap().len());
    assert_eq!(restored(&folder.file()), all(&store));
    assert_eq!(folder.names(), ["values"]);
    assert_eq!(fs::metadata(folder.file()).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn every_kind_of_key_comes_back() {
    let (folder, store) = (Folder::new("keys"), new_store(64 * MIB));
    let lone_surrogate = [0x00, 0xd8, b'a', 0];
    let keys: [(&[u8], bool); 8] = [
        (b"", false),
        (b"ascii", false),
        (b"\xe9t\xe9\0\xff", false),
        (&[0x3b, 0x04, b'x', 0], true),
        (&lone_surrogate, true),
        (&[0xff, 0xff], true),
        (&[b'k'; 2000], false),
        (&[0x3b, 0x04].repeat(2000), true),
    ];
    for (number, (key, wide)) in keys.iter().enumerate() {
        let content = (Tag::Bytes, vec![u8::try_from(number).unwrap(); number]);
        put(&store, &of_users(key, *wide), &content, None);
    }
    write(&store, &folder.file()).unwrap();
    let restored = restored(&folder.file());
    assert_eq!(restored.len(), keys.len());
    assert_eq!(restored, all(&store));
}

#[test]
fn long_values_come_back() {
    let (folder, store) = (Folder::new("long"), new_store(64 * MIB));
    for length in [4000, 4096, 70_000, 9 << 20] {
        let bytes = (0..251).cycle().take(length).collect();
        put(&store, &of_users(&length.to_le_bytes(), false), &(Tag::Buffer, bytes), None);
    }
    write(&store, &folder.file()).unwrap();
    assert_eq!(restored(&folder.file()), all(&store));
}

#[test]
fn namespaces_come_back_with_their_bounds() {
    let (folder, store) = (Folder::new("namespaces"), new_store(64 * MIB));
    let empty = store.namespace(b"empty", false).unwrap();
    let wide = store.namespace(&[0x3b, 0x04], true).unwrap();
    let full = store.namespace(b"full", false).unwrap();
    store.bound(empty, 12_345).unwrap();
    let content = (Tag::OneByteString, vec![b'v'; 1000]);
    for number in 0..20 {
        put(&store, &(Some(b"full".to_vec()), vec![number], false), &content, None);
        put(&store, &of_users(&[number], false), &(Tag::True, vec![]), None);
    }
    // It has more than that.
    store.bound(full, 4096).unwrap();
    let key = Key::within(wide, store.segment().hash_key(), b"k", false).unwrap();
    store.put(&key, &value(&content), Condition::Always, None).unwrap();
    assert_eq!(write(&store, &folder.file()).unwrap().namespaces, 3);

    let restored = new_store(32 * MIB);
    // They need not get the same numbers.
    restored.namespace(b"full", false).unwrap();
    let read = read(&restored, &folder.file()).unwrap().unwrap();
    assert_eq!((read.namespaces, read.entries), (3, 41));
    let usage = |store: &super::Store| {
        let named = store.stats().unwrap().namespaces;
        named.into_iter().map(|named| (named.name, named.usage)).collect::<Vec<_>>()
    };
    assert_eq!(usage(&restored), usage(&store));
    let wide = restored.namespace(&[0x3b, 0x04], true).unwrap();
    let key = Key::within(wide, restored.segment().hash_key(), b"k", false).unwrap();
    assert!(restored.has(&key).unwrap());
}

#[test]
fn ends_stay_and_what_has_ended_goes() {
    let (folder, store) = (Folder::new("ends"), new_store(64 * MIB));
    let content = (Tag::True, vec![]);
    for (key, ttl_ms) in [
        (b"ever", None),
        (b"hour", Some(HOUR_MS)),
        (b"soon", Some(300)),
        (b"gone", Some(0)),
        (b"long", Some(u64::MAX)),
    ] {
        put(&store, &of_users(key, false), &content, ttl_ms);
    }
    assert_eq!(write(&store, &folder.file()).unwrap().entries, 4);
    std::thread::sleep(Duration::from_millis(310));
    let restored = new_store(64 * MIB);
    let read = read(&restored, &folder.file()).unwrap().unwrap();
    assert_eq!((read.entries, read.ended), (3, 1));
    let end_of = |key: &[u8]| restored.end_of(&restored.key(key, false).unwrap()).unwrap();
    assert_eq!(end_of(b"ever"), Some(0));
    let left_ms = ms_until(end_of(b"hour").unwrap()).unwrap();
    assert!(left_ms <= HOUR_MS - 300 && left_ms > HOUR_MS - 60_000, "{left_ms}");
    assert!(ms_until(end_of(b"long").unwrap()).unwrap() > 1000 * HOUR_MS);
    assert_eq!((end_of(b"soon"), end_of(b"gone")), (None, None));
}

/// A file whose times are so many milliseconds later, and its checksums right.
fn delayed(bytes: &[u8], ms: u64) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    // When it was taken, and the end of the only entry.
    for at in [48, 80 + 16] {
        let later = u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) + ms;
        bytes[at..at + 8].copy_from_slice(&later.to_le_bytes());
    }
    let sum = crc32fast::hash(&bytes[80..]).to_le_bytes();
    bytes[72..76].copy_from_slice(&sum);
    bytes[76..80].fill(0);
    let sum = crc32fast::hash(&bytes[..80]).to_le_bytes();
    bytes[76..80].copy_from_slice(&sum);
    bytes
}

#[test]
fn nothing_has_more_time_left_where_the_clock_was_set_back() {
    let (folder, store) = (Folder::new("clock"), new_store(16 * MIB));
    put(&store, &of_users(b"k", false), &(Tag::True, vec![]), Some(60_000));
    write(&store, &folder.file()).unwrap();
    let bytes = fs::read(folder.file()).unwrap();
    fs::write(folder.file(), delayed(&bytes, HOUR_MS)).unwrap();
    let restored = new_store(16 * MIB);
    assert_eq!(read(&restored, &folder.file()).unwrap().unwrap().entries, 1);
    let end = restored.end_of(&restored.key(b"k", false).unwrap()).unwrap().unwrap();
    let left_ms = ms_until(end).unwrap();
    assert!(left_ms <= 60_000, "{left_ms}");
}

#[test]
fn no_version_comes_back() {
    let (folder, store) = (Folder::new("versions"), new_store(64 * MIB));
    let key = store.key(b"k", false).unwrap();
    let content = (Tag::True, vec![]);
    let mut last = 0;
    for _ in 0..1000 {
        last = store.put(&key, &value(&content), Condition::Always, None).unwrap().unwrap();
    }
    store.remove(&key).unwrap();
    put(&store, &of_users(b"other", false), &content, None);
    write(&store, &folder.file()).unwrap();
    let restored = new_store(16 * MIB);
    read(&restored, &folder.file()).unwrap();
    for number in 0..100_u8 {
        let key = [number];
        let key = restored.key(&key, false).unwrap();
        let version = restored.put(&key, &value(&content), Condition::Always, None).unwrap();
        assert!(version.unwrap() > last, "{version:?}");
    }
    let (version, is_there) = restored.version_of(&restored.key(b"other", false).unwrap()).unwrap();
    assert!(is_there && version > last);
}

#[test]
fn the_cache_and_the_keys_of_the_package_stay_behind() {
    let (folder, store) = (Folder::new("cache"), new_store(64 * MIB));
    let lru = Lru::new(Arc::clone(store.segment()), store.member());
    let content = (Tag::True, vec![]);
    lru.set(&lru.key(b"cached", false).unwrap(), &value(&content), Some(1.0)).unwrap();
    let hash_key = store.segment().hash_key();
    let own = Key::within(Namespace::PACKAGE, hash_key, b"own", false).unwrap();
    store.set(&own, &value(&content)).unwrap();
    assert_eq!(write(&store, &folder.file()).unwrap().entries, 0);
    let restored = new_store(64 * MIB);
    assert_eq!(read(&restored, &folder.file()).unwrap().unwrap().entries, 0);
    let lru = Lru::new(Arc::clone(restored.segment()), restored.member());
    let cached = lru.get(&lru.key(b"cached", false).unwrap(), &mut Scratch::default()).unwrap();
    assert!(cached.is_none());
}

#[test]
fn without_a_file_there_is_nothing_to_read() {
    let (folder, store) = (Folder::new("none"), new_store(16 * MIB));
    assert_eq!(read(&store, &folder.file()).unwrap(), None);
    assert!(folder.names().is_empty());
}

#[test]
fn a_relative_path_is_one_from_the_folder_of_the_process() {
    let (store, path) = (new_store(16 * MIB), format!("target-snapshot-{}", std::process::id()));
    write(&store, path.as_ref()).unwrap();
    let read = read(&store, path.as_ref());
    fs::remove_file(&path).unwrap();
    assert_eq!(read.unwrap().unwrap().entries, 0);
}

#[test]
fn of_a_large_one_it_is_heard_how_far_it_is() {
    let (folder, store) = (Folder::new("progress"), new_store(128 * MIB));
    for number in 0..140_000_u64 {
        let name = number.to_le_bytes();
        store.set(&store.key(&name, false).unwrap(), &value(&(Tag::True, vec![]))).unwrap();
    }
    let mut told: Vec<Progress> = Vec::new();
    snapshot::write(&store, &folder.file(), &mut |news| told.push(news)).unwrap();
    let restored = new_store(128 * MIB);
    snapshot::read(&restored, &folder.file(), &mut |news| told.push(news)).unwrap();
    let steps: Vec<_> = told.iter().map(|news| (news.step, news.entries)).collect();
    let both = |step| [(step, 65_536), (step, 131_072)];
    assert_eq!(steps, [both(Step::Write), both(Step::Check), both(Step::Store)].concat());
    assert!(told.iter().all(|news| news.total == 140_000 && news.bytes == news.entries * 32));
}

#[test]
fn what_nobody_wants_any_more_is_not_read_to_its_end() {
    let (folder, store) = (Folder::new("unwanted"), new_store(128 * MIB));
    for number in 0..140_000_u64 {
        let name = number.to_le_bytes();
        store.set(&store.key(&name, false).unwrap(), &value(&(Tag::True, vec![]))).unwrap();
    }
    write(&store, &folder.file()).unwrap();
    // It is wanted so many times, that is asked.
    for wanted in 0..3 {
        let (asked, mut told) = (Cell::new(0), 0);
        let is_wanted = || asked.replace(asked.get() + 1) < wanted;
        let restored = new_store(128 * MIB);
        let read = snapshot::read_for(&restored, &folder.file(), &is_wanted, &mut |_| told += 1);
        assert!(matches!(read, Err(Error::Closed)), "{read:?}");
        assert_eq!(told, wanted + 1);
        let entries = restored.stats().unwrap().entries;
        assert_eq!(entries, if wanted < 2 { 0 } else { 65_536 });
    }
    assert_eq!(folder.names(), ["values"]);
}

#[test]
fn a_bound_that_falls_as_others_rise_is_a_change_as_well() {
    let store = new_store(16 * MIB);
    let namespace = store.namespace(b"bound", false).unwrap();
    store.bound(namespace, 1000).unwrap();
    let before = store::changes(store.segment()).unwrap();
    put(&store, &of_users(b"k", false), &(Tag::True, vec![]), None);
    for fall in 0..100 {
        store.bound(namespace, 1000 - fall).unwrap();
        assert_ne!(store::changes(store.segment()).unwrap(), before, "{fall}");
    }
}

fn names() -> impl Strategy<Value = Name> {
    let namespace = prop_oneof![Just(None), "[a-c]".prop_map(|name| Some(name.into_bytes()))];
    let narrow = prop::collection::vec(any::<u8>(), 0..20).prop_map(|key| (key, false));
    // One unit at least is above what a narrow key has.
    let wide = prop::collection::vec(any::<u16>(), 0..20).prop_map(|mut units| {
        units.push(0xd83d);
        (units.iter().flat_map(|unit| unit.to_le_bytes()).collect(), true)
    });
    (namespace, prop_oneof![narrow, wide]).prop_map(|(name, (key, wide))| (name, key, wide))
}

fn contents() -> impl Strategy<Value = Content> {
    let length = prop_oneof![4 => 0..100_usize, 1 => 3900..4200_usize, 1 => 4000..60_000_usize];
    prop_oneof![
        (1..=4_u64).prop_map(|tag| (Tag::from_number(tag).unwrap(), Vec::new())),
        any::<u64>().prop_map(|bits| (Tag::Number, bits.to_le_bytes().to_vec())),
        (6..=12_u64, length, any::<u8>())
            .prop_map(|(tag, length, byte)| (Tag::from_number(tag).unwrap(), vec![byte; length])),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_snapshot_is_what_a_map_is(
        changes in prop::collection::vec((names(), prop::option::weighted(0.8, contents())), 0..200)
    ) {
        let (folder, store) = (Folder::new("map"), new_store(32 * MIB));
        let mut map: HashMap<Name, Content> = HashMap::new();
        for (name, content) in changes {
            let Some(content) = content else {
                let namespace = name.0.as_ref().map(|name| store.namespace(name, false).unwrap());
                let hash_key = store.segment().hash_key();
                let namespace = namespace.unwrap_or_default();
                let key = Key::within(namespace, hash_key, &name.1, name.2).unwrap();
                prop_assert_eq!(store.remove(&key).unwrap(), map.remove(&name).is_some());
                continue;
            };
            put(&store, &name, &content, None);
            map.insert(name, content);
        }
        prop_assert_eq!(write(&store, &folder.file()).unwrap().entries, map.len() as u64);
        prop_assert_eq!(&restored(&folder.file()), &map);
        // And over the one that is there.
        prop_assert_eq!(write(&store, &folder.file()).unwrap().entries, map.len() as u64);
        prop_assert_eq!(restored(&folder.file()), map);
    }
}
