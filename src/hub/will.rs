//! What the last member of a group leaves behind: a snapshot, if the group has a file for it.
//!
//! Whoever leaves first frees its slot and then looks for others. So of two that leave at once at
//! least one finds nobody; and of two that find nobody, the one that becomes the host writes. Who is
//! admitted while it writes, and goes again, may have changed something: then it is written again. So
//! may somebody have come and gone while a process had the hub and no member yet: it has begun the
//! group, and leaves it before it was told that the file is read. Then that one writes.
//!
//! What stands where the snapshot goes, and is neither what this memory began with nor what one of its
//! members has written before, is put aside: nobody has read it.

use super::group::Door;
use super::message::{Reply, to_bytes};
use super::replaced;
use crate::entry::{Namespace, Tag, Value};
use crate::error::Result;
use crate::os::poll::{self, Interest};
use crate::os::process::ProcessId;
use crate::segment::Segment;
use crate::segment::host;
use crate::segment::layout;
use crate::segment::members::{self, MemberId, MemberInfo};
use crate::snapshot::{self, Origin};
use crate::store::{self, Scratch, Store};
use crate::sync::{Ordering, fence};
use rustix::fd::AsFd as _;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::Builder;
use std::time::Duration;

/// A key of the package's own: the origin, and then the path.
const WILL: &[u8] = b"snapshot";
/// How often it is written again at most, because somebody has come, changed something and gone.
const MOST_ROUNDS: u32 = 100;
/// How often who answers the queue looks whether the snapshot is written.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Where a snapshot goes, and what stood there when the memory began with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Will {
    /// The file.
    pub path: PathBuf,
    /// `None`: the memory began with no file.
    pub origin: Option<Origin>,
}

impl Will {
    /// What the last member is to do, if anything.
    ///
    /// # Errors
    /// [`crate::error::Error::Corrupted`].
    pub fn read(store: &Store) -> Result<Option<Self>> {
        let mut scratch = Scratch::default();
        let key = store.key_in(Namespace::PACKAGE, WILL, false)?;
        let read = store.get(&key, &mut scratch)?;
        let bytes = read.map(|read| scratch.bytes(read.length));
        let parts = bytes.and_then(|bytes| bytes.split_first_chunk());
        Ok(parts.map(|(origin, path)| Self {
            path: PathBuf::from(OsStr::from_bytes(path)),
            origin: Origin::from_bytes(origin),
        }))
    }

    /// Whether another file than the one that the memory began with stands there, or none.
    fn has_lost_its_file(&self) -> bool {
        self.origin.is_some_and(|origin| Origin::of(&self.path) != Some(origin))
    }

    /// Notes it in the segment.
    ///
    /// # Errors
    /// Those of [`Store::set`].
    pub fn write(&self, store: &Store) -> Result<()> {
        let path = self.path.as_os_str().as_bytes();
        let bytes = [&Origin::to_bytes(self.origin)[..], path].concat();
        let key = store.key_in(Namespace::PACKAGE, WILL, false)?;
        store.set(&key, &Value::bytes(Tag::Buffer, &bytes))
    }
}

/// Writes the snapshot, if this process was the last one to have a member, or a hub. It has none any
/// more. `saved` is what [`store::changes`] was when the file that it began with had all, which may have
/// been taken away since; `None`: it may have nothing. Gives where it has put files that this memory did
/// not begin with.
///
/// # Errors
/// Those of [`snapshot::replace`].
pub fn execute(
    segment: &Arc<Segment>,
    door: Option<&Door>,
    saved: Option<Vec<u64>>,
) -> Result<Vec<PathBuf>> {
    let mut kept = Vec::new();
    match write_all(segment, door, saved, &mut kept) {
        Ok(()) => Ok(kept),
        Err(error) => Err(error.keeping(&kept)),
    }
}

fn write_all(
    segment: &Arc<Segment>,
    door: Option<&Door>,
    mut saved: Option<Vec<u64>>,
    kept: &mut Vec<PathBuf>,
) -> Result<()> {
    let (region, layout) = (segment.region(), segment.layout());
    for round in 0..MOST_ROUNDS {
        // In this order: who leaves has changed what it wanted, fences, and then looks for a host; this
        // has let go of that, fences (in `has_members`), and then looks for changes. One sees the other.
        if has_members(segment)? {
            break;
        }
        let is_saved = saved == Some(store::changes(segment)?);
        if is_saved && round > 0 {
            break;
        }
        let me = members::join(region, layout, ProcessId::current(), members::HUB)?;
        let written = write_as(segment, me, door, saved.filter(|_| is_saved), kept);
        members::leave(region, layout, me)?;
        saved = written?;
        if saved.is_none() {
            break;
        }
    }
    Ok(())
}

/// As the host: gives what [`store::changes`] was before it wrote; it need not if the file has all, and
/// still stands there. `None`: another is the host, or there is nothing to do.
fn write_as(
    segment: &Arc<Segment>,
    me: MemberId,
    door: Option<&Door>,
    saved: Option<Vec<u64>>,
    kept: &mut Vec<PathBuf>,
) -> Result<Option<Vec<u64>>> {
    let (region, layout) = (segment.region(), segment.layout());
    if !host::claim(region, layout, me, |host| replaced::is_gone(segment, host))? {
        return Ok(None);
    }
    let store = Store::new(Arc::clone(segment), me);
    let written = Will::read(&store).and_then(|will| {
        let Some(will) = will else {
            return Ok(None);
        };
        match saved.filter(|_| !will.has_lost_its_file()) {
            Some(saved) => Ok(Some(saved)),
            None => answering(door, || write_once(&store, &will, kept)).map(Some),
        }
    });
    host::release(region, me)?;
    written
}

fn write_once(store: &Store, will: &Will, kept: &mut Vec<PathBuf>) -> Result<Vec<u64>> {
    let changes = store::changes(store.segment())?;
    let memory = store.segment().identity()?;
    let is_ours = |origin: Origin| Some(origin) == will.origin || origin.memory() == memory;
    let (_, replaced) = snapshot::replace(store, &will.path, &is_ours, &mut |_| {})?;
    kept.extend(replaced);
    Ok(changes)
}

/// Tells whoever comes meanwhile to ask again: it has not long to wait, but longer than for a host
/// that lives.
fn answering<T>(door: Option<&Door>, write: impl FnOnce() -> T) -> T {
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        if let Some(door) = door {
            let answer = || {
                while !is_done.load(Ordering::Relaxed) {
                    answer_one(door);
                }
            };
            // Without it, who comes waits in the queue.
            let _ = Builder::new().name("csm-answer".into()).spawn_scoped(scope, answer);
        }
        let result = write();
        // Relaxed: the scope waits for the thread.
        is_done.store(true, Ordering::Relaxed);
        result
    })
}

fn answer_one(door: &Door) {
    let came = poll::wait(&[(door.listener.as_fd(), Interest::Read)], Some(LOOK_EVERY));
    let accepted =
        came.and_then(|came| if came.is_empty() { Ok(None) } else { door.listener.accept() });
    match accepted {
        Ok(None) => {}
        // Whoever it is: it says nothing of the memory.
        Ok(Some(connection)) => {
            let _ = connection.send(&to_bytes(&Reply::Reading { entries: 0, total: 0 }), &[]);
        }
        // Out of descriptors or of memory: who has come is still there, and there would be no pause.
        Err(_) => std::thread::sleep(LOOK_EVERY),
    }
}

/// Whether anybody lives who may still change something.
fn has_members(segment: &Segment) -> Result<bool> {
    // SeqCst: of two that free their slots and then look, one at least sees the other's free.
    fence(Ordering::SeqCst);
    let all = members::all(segment.region(), segment.layout())?;
    // A hub that takes its slot just now has not said yet that it is one.
    let is_hub = |info: &MemberInfo| info.thread == members::HUB || info.id.slot() < layout::HUBS;
    Ok(all.iter().any(|info| !is_hub(info) && !info.is_dead()))
}
