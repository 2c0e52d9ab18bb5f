//! What the last member of a group leaves behind: a snapshot, if the group has a file for it.
//!
//! Whoever leaves first frees its slot and then looks for others. So of two that leave at once at
//! least one finds nobody; and of two that find nobody, the one that becomes the host writes. Who is
//! admitted while it writes, and goes again, may have changed something: then it is written again.

use super::replaced;
use crate::entry::{Namespace, Tag, Value};
use crate::error::Result;
use crate::os::process::ProcessId;
use crate::segment::Segment;
use crate::segment::host;
use crate::segment::members::{self, MemberId};
use crate::snapshot;
use crate::store::{self, Scratch, Store};
use crate::sync::{Ordering, fence};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A key of the package's own.
const PATH: &[u8] = b"snapshot";

/// Notes where the last member is to write a snapshot, if that is not known yet.
///
/// # Errors
/// Those of [`Store::set`].
pub fn note_path(store: &Store, path: &Path) -> Result<()> {
    let value = Value::bytes(Tag::Buffer, path.as_os_str().as_bytes());
    if noted_path(store)?.is_none() {
        store.set(&store.key_in(Namespace::PACKAGE, PATH, false)?, &value)?;
    }
    Ok(())
}

/// Where the last member is to write a snapshot, if anywhere.
///
/// # Errors
/// [`crate::error::Error::Corrupted`].
pub fn noted_path(store: &Store) -> Result<Option<PathBuf>> {
    let mut scratch = Scratch::default();
    let key = store.key_in(Namespace::PACKAGE, PATH, false)?;
    let read = store.get(&key, &mut scratch)?;
    Ok(read.map(|read| PathBuf::from(OsStr::from_bytes(scratch.bytes(read.length)))))
}

/// Writes the snapshot, if this process was the last one to have a member. It has none any more, and
/// no hub.
///
/// # Errors
/// Those of [`snapshot::write`].
pub fn execute(segment: &Arc<Segment>) -> Result<()> {
    let (region, layout) = (segment.region(), segment.layout());
    while !has_members(segment)? {
        let me = members::join(region, layout, ProcessId::current(), members::HUB)?;
        let written = write_as(segment, me);
        members::leave(region, layout, me)?;
        match written? {
            Some(changes) if changes != store::changes(segment)? => {}
            _ => break,
        }
    }
    Ok(())
}

/// As the host: gives what [`store::changes`] was when it began. `None`: another is the host, or there
/// is nothing to do.
fn write_as(segment: &Arc<Segment>, me: MemberId) -> Result<Option<u64>> {
    let (region, layout) = (segment.region(), segment.layout());
    if !host::claim(region, layout, me, |host| replaced::is_gone(segment, host))? {
        return Ok(None);
    }
    let store = Store::new(Arc::clone(segment), me);
    let changes = store::changes(segment)?;
    let written = noted_path(&store)
        .and_then(|path| path.map(|path| snapshot::write(&store, &path, &mut |_| {})).transpose());
    host::release(region, me)?;
    Ok(written?.map(|_| changes))
}

/// Whether anybody lives who may still change something.
fn has_members(segment: &Segment) -> Result<bool> {
    // SeqCst: of two that free their slots and then look, one at least sees the other's free.
    fence(Ordering::SeqCst);
    let all = members::all(segment.region(), segment.layout())?;
    Ok(all.iter().any(|info| info.thread != members::HUB && !info.is_dead()))
}
