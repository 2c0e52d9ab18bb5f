//! What both share: a small segment whose hash has a fixed key, and keys.

use cluster_shared_memory::os::process::ProcessId;
use cluster_shared_memory::segment::Segment;
use cluster_shared_memory::segment::layout::header;
use cluster_shared_memory::segment::members::{self, MemberId};
use cluster_shared_memory::store;
use cluster_shared_memory::sync::Ordering;
use std::os::fd::AsFd;
use std::sync::Arc;

/// A new segment with an empty store, and its members.
pub(crate) fn segment(members: u64) -> (Arc<Segment>, Vec<MemberId>) {
    let made = store::create(16 << 20).unwrap();
    for word in 0..2 {
        let at = header::HASH_KEY.word(word);
        made.region().store(at, 1 + word, Ordering::Relaxed).unwrap();
    }
    // Attached to anew, for it has read its key.
    let file = made.file().as_fd().try_clone_to_owned().unwrap();
    let segment = Segment::attach(file).unwrap();
    let join = |thread| {
        members::join(segment.region(), segment.layout(), ProcessId::current(), thread).unwrap()
    };
    let members = (0..members).map(join).collect();
    (Arc::new(segment), members)
}

/// Some are of two bytes a unit, one is as long as a key may be, one is empty.
pub(crate) fn key_bytes(id: u8) -> (Vec<u8>, bool) {
    match id {
        0 => (vec![b'k'; 2000], false),
        1 => (Vec::new(), false),
        2..8 => (vec![id, 1, 2, 3], true),
        _ => (format!("key:{id}").into_bytes(), false),
    }
}

/// Whether each step is to be printed.
pub(crate) fn shows() -> bool {
    std::env::var_os("FUZZ_SHOW").is_some()
}
