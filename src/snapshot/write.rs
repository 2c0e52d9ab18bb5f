//! From the store to the file.

use super::files::Target;
use super::format::{END, Head};
use super::origin::Origin;
use super::record::{Kind, Record, Summing};
use super::{Flaw, News, Progress, Step, wall_ms};
use crate::clock;
use crate::entry::{Key, Namespace, Tag};
use crate::error::{Error, Result};
use crate::store::{Keys, Place, Read, Scratch, Store};
use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// Keys that are looked for at a time.
const KEYS: usize = 1024;
const BUFFER: usize = 1 << 18;

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Entries.
    pub entries: u64,
    /// Namespaces, with entries or without.
    pub namespaces: u64,
    /// Bytes of the file.
    pub bytes: u64,
}

/// Writes all entries that have not ended to the file `path`, in place of the snapshot that is there, if
/// one is. Blocks until the disk has it all; takes memory for one value.
///
/// # Errors
/// [`crate::error::Error::Snapshot`] if it cannot be written, or if what stands there is no snapshot, of
/// a newer format or of another user; [`crate::error::Error::Busy`], [`crate::error::Error::Corrupted`]. What stands
/// there is then what stood there before.
pub fn write(store: &Store, path: &Path, progress: &mut dyn FnMut(Progress)) -> Result<Written> {
    replace(store, path, &|_| true, progress).map(|(written, _)| written)
}

/// Whether a file stands there.
///
/// # Errors
/// Those that [`write()`] would have now, as far as that can be known.
pub fn stands(path: &Path) -> Result<bool> {
    Ok(Target::of(path)?.open_to_replace()?.is_some())
}

/// As [`write()`], but what stands there and is not `is_ours`, by its origin, is kept as
/// `FILE.replaced-N`: gives that name.
///
/// # Errors
/// As for [`write()`].
pub fn replace(
    store: &Store,
    path: &Path,
    is_ours: &dyn Fn(Origin) -> bool,
    progress: &mut dyn FnMut(Progress),
) -> Result<(Written, Option<PathBuf>)> {
    let target = Target::of(path)?;
    // What is not for this build to judge is not written over.
    target.open()?;
    target.sweep();
    let draft = target.draft()?;
    let total = store.stats()?.entries;
    let news = News::new(progress, Step::Write, total);
    let written = write_all(store, draft.file(), news).map_err(|flaw| target.unwritten(flaw))?;
    let kept = draft.publish(is_ours)?;
    Ok((written, kept))
}

fn write_all(store: &Store, mut file: &File, news: News<'_>) -> Result<Written, Flaw> {
    file.seek(SeekFrom::Start(Head::BYTES as u64))?;
    let out = BufWriter::with_capacity(BUFFER, Summing::new(file));
    let (wall_ms, boot_us) = (wall_ms(), clock::since_boot_us());
    let written = Written::default();
    let mut writer = Writer { store, out, news, wall_ms, boot_us, written, named: 0 };
    writer.namespaces(None)?;
    let (mut keys, mut scratch) = (Keys::default(), Scratch::default());
    let mut place = Some(Place::default());
    while let Some(from) = place {
        keys.clear();
        place = store.scan_everywhere(from, KEYS, &mut keys)?;
        for (namespace, key, wide) in keys.everywhere() {
            if namespace != Namespace::PACKAGE {
                writer.entry(namespace, key, wide, &mut scratch)?;
            }
        }
    }
    writer.out.write_all(&END)?;
    let summing = writer.out.into_inner().map_err(std::io::IntoInnerError::into_error)?;
    let ((_, bytes, sum), written) = (summing.into_parts(), writer.written);
    let length = Head::BYTES as u64 + bytes;
    let Written { entries, namespaces, .. } = written;
    // After the last entry: no version that is known to anybody by now is higher.
    let versions = store.highest_version()?;
    let (memory, maximum) = (store.segment().identity()?, store.segment().layout().maximum);
    let taken_ms = wall_ms;
    let head = Head { length, entries, namespaces, versions, taken_ms, memory, maximum, sum };
    file.write_all_at(&head.to_bytes(), 0)?;
    Ok(Written { bytes: length, ..written })
}

struct Writer<'w, 'n> {
    store: &'w Store,
    out: BufWriter<Summing<&'w File>>,
    news: News<'n>,
    /// The same moment by both clocks.
    wall_ms: u64,
    boot_us: u64,
    written: Written,
    /// The number of the last namespace that was written.
    named: u16,
}

impl Writer<'_, '_> {
    /// Writes an entry, if it is still there.
    fn entry(
        &mut self,
        namespace: Namespace,
        name: &[u8],
        wide: bool,
        scratch: &mut Scratch,
    ) -> Result<(), Flaw> {
        let key = Key::within(namespace, self.store.segment().hash_key(), name, wide)?;
        let Some(read) = self.store.get(&key, scratch)? else {
            return Ok(());
        };
        if namespace != Namespace::USER && namespace.number() > self.named {
            // It was named since the writing began.
            self.namespaces(Some(namespace))?;
        }
        let number = u64::from(namespace.number());
        if number > u64::from(self.named) {
            return Err(Error::corrupted("the namespace of an entry", number).into());
        }
        let number = read.number.to_bits().to_le_bytes();
        let value = match read.tag {
            Tag::Number => &number,
            Tag::Undefined | Tag::Null | Tag::False | Tag::True => &[][..],
            _ => scratch.bytes(read.length),
        };
        let (kind, end) = (Kind::Entry(read.tag), self.end_of(&read));
        self.record(&Record { kind, namespace: namespace.number(), wide, name, value, end })?;
        self.written.entries += 1;
        Ok(())
    }

    /// Writes the namespaces that are still to be written, up to one or all that have a name.
    fn namespaces(&mut self, last: Option<Namespace>) -> Result<(), Flaw> {
        let mut scratch = Scratch::default();
        let last = last.map_or(u16::MAX, Namespace::number);
        let is_next = |namespace: &Namespace| namespace.number() > self.named;
        let next: Vec<_> = Namespace::named().filter(is_next).collect();
        for namespace in next.into_iter().take_while(|namespace| namespace.number() <= last) {
            let Some((name, wide)) = self.store.name_of(namespace, &mut scratch)? else {
                break;
            };
            let (kind, number) = (Kind::Namespace, namespace.number());
            let end = self.store.bound_of(namespace)?;
            self.record(&Record { kind, namespace: number, wide, name, value: &[], end })?;
            self.named = number;
            self.written.namespaces += 1;
        }
        Ok(())
    }

    fn record(&mut self, record: &Record<'_>) -> Result<(), Flaw> {
        record.write(&mut self.out)?;
        self.news.add(u64::from(record.kind != Kind::Namespace), record.bytes());
        Ok(())
    }

    /// When an entry ends by the wall clock, 0: never.
    const fn end_of(&self, read: &Read) -> u64 {
        if read.expiry == 0 {
            return 0;
        }
        self.wall_ms.saturating_add(read.expiry.saturating_sub(self.boot_us).div_ceil(1000))
    }
}
