//! What is damaged is refused and kept aside; what is no snapshot is refused and left where it is.

use super::{Folder, MIB, all, new_store, put, read, refusal, write};
use cluster_shared_memory::entry::Tag;
use cluster_shared_memory::store::Store;
use rustix::fs::{CWD, FileType, Mode};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

/// A store, and the bytes of its snapshot.
fn small(folder: &Folder) -> (Store, Vec<u8>) {
    let store = new_store(16 * MIB);
    put(&store, &(None, b"text".to_vec(), false), &(Tag::OneByteString, b"value".to_vec()), None);
    put(&store, &(None, b"true".to_vec(), false), &(Tag::True, vec![]), Some(1 << 40));
    let number = (Tag::Number, 1.5_f64.to_le_bytes().to_vec());
    put(&store, &(Some(b"space".to_vec()), b"n".to_vec(), false), &number, None);
    write(&store, &folder.file()).unwrap();
    let bytes = fs::read(folder.file()).unwrap();
    (store, bytes)
}

/// A file with these bytes is refused and kept, and an empty store is as empty as before.
fn is_kept_aside(folder: &Folder, store: &Store, bytes: &[u8], what: &str) -> String {
    fs::write(folder.file(), bytes).unwrap();
    let (why, kept) = refusal(read(store, &folder.file()));
    let kept = kept.unwrap_or_else(|| panic!("{what}: {why}"));
    assert_eq!(fs::read(&kept).unwrap(), bytes, "{what}");
    assert!(!folder.file().exists(), "{what}");
    assert!(all(store).is_empty() && store.stats().unwrap().namespaces.is_empty(), "{what}");
    fs::remove_file(kept).unwrap();
    why
}

#[test]
fn every_half_file_is_refused() {
    let folder = Folder::new("half");
    let (bytes, empty) = (small(&folder).1, new_store(16 * MIB));
    for length in 0..bytes.len() {
        let why = is_kept_aside(&folder, &empty, &bytes[..length], &format!("{length} bytes"));
        assert!(why.starts_with("is cut off"), "{length} bytes: {why}");
    }
    let longer = [&bytes[..], b"more"].concat();
    is_kept_aside(&folder, &empty, &longer, "one that is longer");
}

#[test]
fn every_flipped_byte_is_noticed() {
    let folder = Folder::new("flipped");
    let (bytes, empty) = (small(&folder).1, new_store(16 * MIB));
    for at in 0..bytes.len() {
        for mask in [0x01, 0x80, 0xff] {
            let mut flipped = bytes.clone();
            flipped[at] ^= mask;
            is_kept_aside(&folder, &empty, &flipped, &format!("byte {at} ^ {mask:#x}"));
        }
    }
}

#[test]
fn zeros_in_the_place_of_any_part_are_noticed() {
    let folder = Folder::new("zeros");
    let (bytes, empty) = (small(&folder).1, new_store(16 * MIB));
    // As a file system leaves it that has lost a part. (Where both ends are lost, it is no snapshot.)
    for start in (0..bytes.len() - 8).step_by(8) {
        let mut holed = bytes.clone();
        holed[start..start + 8].fill(0);
        if holed != bytes {
            is_kept_aside(&folder, &empty, &holed, &format!("zeros at {start}"));
        }
    }
}

#[test]
fn what_is_damaged_never_takes_the_place_of_what_was_damaged_before() {
    let folder = Folder::new("aside");
    let (store, bytes) = small(&folder);
    for number in 1..4 {
        fs::write(folder.file(), &bytes[..bytes.len() - number]).unwrap();
        let error = read(&new_store(16 * MIB), &folder.file()).unwrap_err().to_string();
        let kept = format!("; it is kept as {}.damaged-{number}", folder.file().display());
        assert!(error.ends_with(&kept), "{error}");
    }
    assert_eq!(folder.names(), ["values.damaged-1", "values.damaged-2", "values.damaged-3"]);
    assert_eq!(fs::read(folder.path().join("values.damaged-1")).unwrap(), bytes[..bytes.len() - 1]);
    write(&store, &folder.file()).unwrap();
    assert_eq!(super::restored(&folder.file()), all(&store));
}

/// Neither read nor written over, and still there.
fn is_left_alone(folder: &Folder, why: &str) {
    let store = new_store(16 * MIB);
    let names = folder.names();
    let before = fs::symlink_metadata(folder.file()).unwrap();
    for outcome in [read(&store, &folder.file()).map(drop), write(&store, &folder.file()).map(drop)]
    {
        let (said, kept) = refusal(outcome);
        assert!(said.contains(why) && kept.is_none(), "{said}");
    }
    assert_eq!(folder.names(), names);
    let after = fs::symlink_metadata(folder.file()).unwrap();
    assert_eq!((after.len(), after.file_type()), (before.len(), before.file_type()));
}

#[test]
fn what_is_no_snapshot_is_left_alone() {
    let folder = Folder::new("other");
    fs::write(folder.file(), b"{ \"name\": \"a package\", \"version\": \"1.0.0\" }").unwrap();
    is_left_alone(&folder, "no snapshot");
    fs::write(folder.file(), b"x").unwrap();
    is_left_alone(&folder, "no snapshot");
}

#[test]
fn a_newer_format_is_left_to_who_knows_it() {
    let folder = Folder::new("format");
    let (_, mut bytes) = small(&folder);
    // What follows the format may be anything.
    (bytes[8], bytes[20]) = (7, 1);
    fs::write(folder.file(), &bytes).unwrap();
    is_left_alone(&folder, "has format 7, and this build of the package reads 1");
    fs::write(folder.file(), &bytes[..20]).unwrap();
    is_left_alone(&folder, "has format 7, and this build of the package reads 1");
    // That of one whose checksum says 1 is only damaged.
    (bytes[8], bytes[20]) = (7, 0);
    is_kept_aside(&folder, &new_store(16 * MIB), &bytes, "a damaged format");
}

#[test]
fn what_is_no_regular_file_is_left_alone() {
    let folder = Folder::new("irregular");
    let again = || fs::remove_file(folder.file()).unwrap();
    fs::create_dir(folder.file()).unwrap();
    is_left_alone(&folder, "is no regular file");
    fs::remove_dir(folder.file()).unwrap();

    let mode = Mode::RUSR | Mode::WUSR;
    rustix::fs::mknodat(CWD, folder.file(), FileType::Fifo, mode, 0).unwrap();
    is_left_alone(&folder, "is no regular file");
    again();

    let _listener = std::os::unix::net::UnixListener::bind(folder.file()).unwrap();
    is_left_alone(&folder, "is no regular file");
    again();

    small(&folder);
    let elsewhere = folder.path().join("elsewhere");
    fs::rename(folder.file(), &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, folder.file()).unwrap();
    is_left_alone(&folder, "is a symbolic link");
    fs::remove_file(elsewhere).unwrap();
    is_left_alone(&folder, "is a symbolic link");
}

#[test]
fn a_folder_may_be_a_symbolic_link() {
    let folder = Folder::new("link");
    let (store, _) = small(&folder);
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(folder.path(), &link).unwrap();
    write(&store, &link.join("values")).unwrap();
    assert_eq!(super::restored(&link.join("values")), all(&store));
}

#[test]
fn what_others_could_have_written_is_left_alone() {
    let folder = Folder::new("others");
    small(&folder);
    let set_mode = |mode| fs::set_permissions(folder.file(), fs::Permissions::from_mode(mode));
    set_mode(0o646).unwrap();
    is_left_alone(&folder, "could have been written by anybody");
    // That of a volume whose files belong to a group.
    set_mode(0o660).unwrap();
    super::restored(&folder.file());
    // Only who may give files away can see the rest.
    if std::os::unix::fs::chown(folder.file(), Some(12_345), None).is_ok() {
        is_left_alone(&folder, "belongs to user 12345");
    }
}

#[test]
fn too_small_a_segment_leaves_the_file() {
    let (folder, store) = (Folder::new("small"), new_store(64 * MIB));
    for number in 0..20 {
        put(&store, &(None, vec![number], false), &(Tag::Bytes, vec![number; 1 << 20]), None);
    }
    write(&store, &folder.file()).unwrap();
    let (why, kept) = refusal(read(&new_store(16 * MIB), &folder.file()));
    assert!(why.starts_with("does not fit: out of shared memory") && kept.is_none(), "{why}");
    assert_eq!(super::restored(&folder.file()), all(&store));
}

#[test]
fn a_path_that_cannot_be_is_refused() {
    let store = new_store(16 * MIB);
    let folder = Folder::new("path");
    let gone: PathBuf = folder.path().join("gone").join("values");
    for (path, why) in [
        (PathBuf::new(), "is no name of a file"),
        (folder.path().join(".."), "is no name of a file"),
        (gone, "has no folder to be in"),
        (folder.path().join("v".repeat(300)), "has a name of more than 220 bytes"),
        (folder.path().join("v".repeat(221)), "has a name of more than 220 bytes"),
    ] {
        let (said, _) = refusal(write(&store, &path));
        assert!(said.starts_with(why), "{}: {said}", path.display());
    }
    assert!(folder.names().is_empty());
}
