//! Whoever dies while writing, or finds no room, leaves the file that was there.
//!
//! A child is this test program again, told by a variable where to write.

use super::{Folder, MIB, all, new_store, put, refusal, restored, write};
use cluster_shared_memory::entry::{Tag, Value};
use cluster_shared_memory::store::Store;
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Resource, Rlimit, setrlimit};
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const FILE: &str = "CSM_TEST_SNAPSHOT";
/// Entries of what the writer writes.
const ENTRIES: u64 = 20_000;

/// A store whose entries all have the same number.
fn filled(number: u64) -> Store {
    let store = new_store(32 * MIB);
    fill(&store, number);
    store
}

fn fill(store: &Store, number: u64) {
    for name in 0..ENTRIES {
        let name = name.to_le_bytes();
        store.set(&store.key(&name, false).unwrap(), &Value::number(number as f64)).unwrap();
    }
}

/// Not a test: what the children below do.
#[test]
fn child_writes_for_ever() {
    let Some(file) = std::env::var_os(FILE).map(PathBuf::from) else {
        return;
    };
    let store = filled(1);
    println!("\ncsm: ready");
    for number in 1.. {
        fill(&store, number);
        for _ in 0..8 {
            write(&store, &file).unwrap();
        }
    }
}

/// Not a test: what the child without room does.
#[test]
fn child_writes_once() {
    let Some(file) = std::env::var_os(FILE).map(PathBuf::from) else {
        return;
    };
    let store = filled(2);
    // Not before: the segment is a file as well.
    let limit = Rlimit { current: Some(100_000), maximum: Some(100_000) };
    setrlimit(Resource::Fsize, limit).unwrap();
    let outcome = write(&store, &file);
    println!("\ncsm: {}", refusal(outcome).0);
}

fn child(role: &str, file: &PathBuf, shell: &str) -> Child {
    // The shell says which signals are nothing to what it becomes.
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("{shell} exec \"$0\" \"$@\""));
    command.arg(std::env::current_exe().unwrap());
    command.args(["--exact", role, "--nocapture"]);
    command.env(FILE, file).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn a_writer_that_is_killed_leaves_the_old_file_whole() {
    let folder = Folder::new("killed");
    write(&filled(0), &folder.file()).unwrap();
    let mut halves = 0;
    for round in 0..20_u64 {
        let mut writer = child("disk::child_writes_for_ever", &folder.file(), "");
        let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap() == "csm: ready"));
        std::thread::sleep(Duration::from_millis(7 * round % 40));
        writer.kill().unwrap();
        writer.wait().unwrap();
        halves += u32::from(folder.names().iter().any(|name| name.contains(".writing-")));
        let all = restored(&folder.file());
        assert_eq!(all.len() as u64, ENTRIES);
        // Of one writing, all of them.
        let mut contents: Vec<_> = all.into_values().collect();
        contents.dedup();
        assert_eq!(contents.len(), 1);
        // Reading has removed what the writer had begun, but not what was whole.
        for kept in folder.names().iter().filter(|name| *name != "values") {
            assert!(kept.starts_with("values.replaced-"), "{kept}");
            let kept = folder.path().join(kept);
            assert_eq!(restored(&kept).len() as u64, ENTRIES);
            fs::remove_file(kept).unwrap();
        }
    }
    println!("{halves} of 20 writers left a file that was not finished");
    assert!(halves > 0);
}

#[test]
fn where_there_is_no_room_the_old_file_stays() {
    let folder = Folder::new("room");
    let store = new_store(16 * MIB);
    put(&store, &(None, b"k".to_vec(), false), &(Tag::True, vec![]), None);
    write(&store, &folder.file()).unwrap();
    // As on a full disk, a write fails in the middle.
    let mut writer = child("disk::child_writes_once", &folder.file(), "trap '' XFSZ;");
    let mut said = String::new();
    writer.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(writer.wait().unwrap().success());
    assert!(said.contains("csm: cannot be written: File too large"), "{said}");
    assert_eq!(folder.names(), ["values"]);
    assert_eq!(restored(&folder.file()), all(&store));
}

#[test]
fn a_folder_that_is_gone_is_an_error() {
    let (folder, store) = (Folder::new("gone"), new_store(16 * MIB));
    write(&store, &folder.file()).unwrap();
    fs::remove_dir_all(folder.path()).unwrap();
    assert_eq!(refusal(write(&store, &folder.file())).0, "has no folder to be in");
}

#[test]
fn what_dead_writers_left_goes_and_what_living_ones_write_stays() {
    let (folder, store) = (Folder::new("left"), new_store(16 * MIB));
    let pid = std::process::id();
    let name = |name: String| folder.path().join(name);
    let (dead, mine) = (name("values.writing-1-0".into()), name(format!("values.writing-{pid}-0")));
    let alive = name("values.writing-2-0".into());
    let others =
        ["values.writing-", "values.writing-1", "values.writing-1-2-3", "values.writing-1-x"];
    for path in
        [&dead, &mine, &alive].into_iter().chain(&others.map(|name| folder.path().join(name)))
    {
        fs::write(path, b"half").unwrap();
    }
    let writing = File::open(&alive).unwrap();
    flock(&writing, FlockOperation::LockExclusive).unwrap();
    write(&store, &folder.file()).unwrap();
    assert!(!dead.exists() && !mine.exists() && alive.exists());
    drop(writing);
    super::read(&store, &folder.file()).unwrap();
    let mut left: Vec<_> = folder.names();
    left.retain(|name| name != "values");
    assert_eq!(left, others);
}

#[test]
fn two_who_write_at_the_same_time_leave_one_whole_file() {
    let folder = Folder::new("two");
    let stores = || {
        (0..2).map(|_| {
            let file = folder.file();
            std::thread::spawn(move || {
                let store = filled(3);
                for _ in 0..10 {
                    write(&store, &file).unwrap();
                }
            })
        })
    };
    for thread in stores().collect::<Vec<_>>() {
        thread.join().unwrap();
    }
    assert_eq!(restored(&folder.file()).len() as u64, ENTRIES);
    assert_eq!(folder.names(), ["values"]);
}
