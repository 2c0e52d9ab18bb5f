//! Who takes whose place: what is not of the memory that is written is kept, whatever comes and goes
//! there meanwhile; and what cannot be written is told of as early as can be.

use super::{Folder, MIB, all, new_store, put, read, refusal, restored, write};
use cluster_shared_memory::entry::{Tag, Value};
use cluster_shared_memory::error::Error;
use cluster_shared_memory::snapshot::{self, Origin, Progress, Written};
use cluster_shared_memory::store::Store;
use rustix::fs::Uid;
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities, set_thread_res_uid};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::ScopedJoinHandle;

/// More entries than are written before it is heard how far it is.
const MANY: u64 = 70_000;

/// A store of its own with one entry.
fn store_of(name: &[u8]) -> Store {
    let store = new_store(16 * MIB);
    put(&store, &(None, name.to_vec(), false), &(Tag::True, vec![]), None);
    store
}

/// One that takes so long to write that something can happen meanwhile.
fn large() -> Store {
    let store = new_store(64 * MIB);
    for name in 0..MANY {
        let name = name.to_le_bytes();
        store.set(&store.key(&name, false).unwrap(), &Value::bytes(Tag::True, &[])).unwrap();
    }
    store
}

/// Writes it; ours is what it has written itself, and that origin.
fn replace(
    store: &Store,
    path: &Path,
    origin: Option<Origin>,
    progress: &mut dyn FnMut(Progress),
) -> Result<(Written, Option<PathBuf>), Error> {
    let memory = store.segment().identity().unwrap();
    let is_ours = |found: Origin| Some(found) == origin || found.memory() == memory;
    snapshot::replace(store, path, &is_ours, progress)
}

/// Runs in a thread that has no more rights than its user has by the modes of files.
fn without_power<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    let empty = CapabilitySet::empty();
    let none = CapabilitySets { effective: empty, permitted: empty, inheritable: empty };
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            set_capabilities(None, none).unwrap();
            run()
        });
        thread.join().unwrap()
    })
}

/// Runs in a thread of a user that is not root.
fn as_another<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let nobody = Uid::from_raw(65_534);
            // Of this thread alone; with the user it loses the power.
            set_thread_res_uid(nobody, nobody, nobody).unwrap();
            run()
        });
        thread.join().unwrap()
    })
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_file_that_comes_while_another_is_written_is_kept_whoever_tidies_up() {
    let (folder, store, other) = (Folder::new("comes"), large(), store_of(b"other"));
    write(&store_of(b"before"), &folder.file()).unwrap();
    let origin = Origin::of(&folder.file());
    let is_ours = |found: Origin| {
        // It has been exchanged, and nobody has looked for what: as if the writer were dead now.
        write(&store_of(b"third"), &folder.file()).unwrap();
        assert_eq!(restored(&folder.file()).len(), 1);
        Some(found) == origin
    };
    let mut came = false;
    let outcome = snapshot::replace(&store, &folder.file(), &is_ours, &mut |_| {
        // As if it were copied.
        let path = folder.path().join("elsewhere");
        write(&other, &path).unwrap();
        fs::rename(path, folder.file()).unwrap();
        came = true;
    });
    assert!(came);
    let kept = outcome.unwrap().1.unwrap();
    assert_eq!(restored(&kept), all(&other));
}

#[test]
fn of_all_who_write_at_the_same_time_nobody_loses_anything() {
    let folder = Folder::new("all");
    let mut stores: Vec<_> = [b"a", b"b", b"c", b"d"].map(|name| store_of(name)).into();
    let everything: Vec<_> = stores.iter().map(all).collect();
    let mut most = 0;
    for _ in 0..40 {
        write(&store_of(b"before"), &folder.file()).unwrap();
        let (file, is_over) = (&folder.file(), AtomicBool::new(false));
        let origin = Origin::of(file);
        std::thread::scope(|scope| {
            let write = |store: &mut Store| replace(store, file, origin, &mut |_| {}).map(drop);
            let writers = stores.iter_mut().map(|store| scope.spawn(move || write(store).unwrap()));
            let writers: Vec<_> = writers.collect();
            let reader = scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    assert_eq!(restored(file).len(), 1, "it is never away");
                }
            });
            let written: Vec<_> = writers.into_iter().map(ScopedJoinHandle::join).collect();
            is_over.store(true, Ordering::Relaxed);
            assert!(reader.join().is_ok() && written.iter().all(Result::is_ok));
        });
        let names = folder.names();
        let found: Vec<_> = names.iter().map(|name| restored(&folder.path().join(name))).collect();
        assert!(everything.iter().all(|one| found.contains(one)), "{names:?}");
        most = most.max(names.len());
        for name in names {
            fs::remove_file(folder.path().join(name)).unwrap();
        }
    }
    assert_eq!(most, stores.len(), "what they began with is gone");
}

#[test]
fn where_the_new_file_is_gone_nothing_is_moved() {
    let (folder, other) = (Folder::new("gone-draft"), store_of(b"other"));
    write(&other, &folder.file()).unwrap();
    let outcome = replace(&large(), &folder.file(), None, &mut |_| {
        let names = folder.names();
        if let Some(name) = names.iter().find(|name| name.contains(".writing-")) {
            fs::remove_file(folder.path().join(name)).unwrap();
        }
    });
    let (why, kept) = refusal(outcome);
    assert!(why.starts_with("cannot be written: ") && why.ends_with(" is gone"), "{why}");
    assert_eq!((kept, folder.names()), (None, vec!["values".to_owned()]));
    assert_eq!(restored(&folder.file()), all(&other));
}

#[test]
fn where_all_names_are_taken_nothing_is_moved() {
    let (folder, other) = (Folder::new("names"), store_of(b"other"));
    write(&other, &folder.file()).unwrap();
    for number in 1..10_000 {
        fs::write(folder.path().join(format!("values.replaced-{number}")), b"").unwrap();
    }
    let (why, kept) = refusal(replace(&store_of(b"k"), &folder.file(), None, &mut |_| {}));
    assert_eq!((why.as_str(), kept), ("cannot be written: 10000 others are kept already", None));
    assert_eq!(folder.names().len(), 10_000);
    assert_eq!(restored(&folder.file()), all(&other));
}

#[test]
fn a_copy_of_what_it_began_with_is_as_good_as_the_file() {
    let (folder, store) = (Folder::new("copy"), store_of(b"k"));
    let copy = folder.path().join("copy");
    write(&store_of(b"before"), &folder.file()).unwrap();
    let read = read(&new_store(16 * MIB), &folder.file()).unwrap().unwrap();
    assert_eq!(Some(read.origin), Origin::of(&folder.file()));
    fs::copy(folder.file(), &copy).unwrap();
    fs::rename(copy, folder.file()).unwrap();
    let (_, kept) = replace(&store, &folder.file(), Some(read.origin), &mut |_| {}).unwrap();
    assert_eq!((kept, folder.names()), (None, vec!["values".to_owned()]));
    assert_eq!(restored(&folder.file()), all(&store));
}

#[test]
fn a_name_of_the_greatest_length_is_as_good_as_others() {
    let (folder, store) = (Folder::new("length"), store_of(b"k"));
    let file = folder.path().join("v".repeat(220));
    for _ in 0..2 {
        assert_eq!(replace(&store, &file, None, &mut |_| {}).unwrap().1, None);
    }
    let kept = replace(&store_of(b"other"), &file, None, &mut |_| {}).unwrap().1.unwrap();
    assert_eq!(Origin::of(&kept).unwrap().memory(), store.segment().identity().unwrap());
}

#[test]
fn a_good_file_in_the_place_of_a_damaged_one_is_read() {
    let (folder, store) = (Folder::new("good"), store_of(b"k"));
    write(&store, &folder.file()).unwrap();
    let good = fs::read(folder.file()).unwrap();
    fs::write(folder.file(), &good[..good.len() - 1]).unwrap();
    let comes = || {
        // When the damage is known, and nothing is done about it.
        let path = folder.path().join("elsewhere");
        fs::write(&path, &good).unwrap();
        fs::rename(path, folder.file()).unwrap();
        true
    };
    let found = new_store(16 * MIB);
    let read = snapshot::read_for(&found, &folder.file(), &comes, &mut |_| {}).unwrap().unwrap();
    assert_eq!((read.entries, all(&found)), (1, all(&store)));
    assert_eq!(folder.names(), ["values"]);
}

#[test]
fn a_folder_that_nobody_may_write_to_is_refused_when_it_is_read() {
    let (folder, store) = (Folder::new("closed"), store_of(b"k"));
    let why = "cannot be written when it is time: Permission denied";
    for _ in 0..2 {
        set_mode(folder.path(), 0o555);
        let outcome = without_power(|| read(&new_store(16 * MIB), &folder.file()));
        set_mode(folder.path(), 0o755);
        let (said, kept) = refusal(outcome);
        assert!(said.starts_with(why) && kept.is_none(), "{said}");
        // And where there is a file.
        write(&store, &folder.file()).unwrap();
    }
}

#[test]
fn what_was_kept_is_told_even_if_that_may_not_outlast_a_loss_of_power() {
    let (folder, other) = (Folder::new("blind"), store_of(b"other"));
    write(&other, &folder.file()).unwrap();
    // Files can be made and renamed in there, but it cannot be opened.
    set_mode(folder.path(), 0o300);
    let outcome = without_power(|| replace(&store_of(b"k"), &folder.file(), None, &mut |_| {}));
    set_mode(folder.path(), 0o700);
    let (why, kept) = refusal(outcome);
    assert!(why.starts_with("was written, but may not outlast a loss of power"), "{why}");
    assert_eq!(restored(&kept.unwrap()), all(&other));
}

#[test]
fn what_cannot_take_the_place_of_a_file_of_another_user_stays_beside_it() {
    if !rustix::process::geteuid().is_root() {
        println!("not run: only root can make files of another user");
        return;
    }
    let (folder, before) = (Folder::new("sticky"), store_of(b"before"));
    write(&before, &folder.file()).unwrap();
    set_mode(&folder.file(), 0o644);
    set_mode(folder.path(), 0o1777);
    // It is told when it is read.
    let outcome = as_another(|| read(&new_store(16 * MIB), &folder.file()));
    let (why, kept) = refusal(outcome);
    let told = "cannot be written when it is time: Operation not permitted";
    assert!(why.starts_with(told) && kept.is_none(), "{why}");
    // And if it was put there later, nothing is lost.
    for number in 1..=2 {
        let (outcome, everything) = as_another(|| {
            let store = store_of(format!("after {number}").as_bytes());
            (replace(&store, &folder.file(), None, &mut |_| {}), all(&store))
        });
        let (why, kept) = refusal(outcome);
        assert!(why.starts_with("cannot be written: Operation not permitted"), "{why}");
        let kept = kept.unwrap();
        assert_eq!(kept, folder.path().join(format!("values.replaced-{number}")));
        // Only its user may read it.
        assert_eq!(as_another(|| restored(&kept)), everything);
        assert_eq!(restored(&folder.file()), all(&before));
        assert_eq!(folder.names().len(), 1 + number);
    }
}
