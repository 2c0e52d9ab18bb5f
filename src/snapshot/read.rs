//! From the file to the store.

use super::files::{Found, TRIES, Target};
use super::format::{END, Head};
use super::origin::Origin;
use super::record::{Kind, Record, Room, Summing};
use super::{Flaw, News, Progress, Step, wall_ms};
use crate::entry::{Key, Namespace, Tag, Value};
use crate::error::{Error, Result};
use crate::store::{Condition, Store};
use std::io::{BufReader, Read as _, Seek as _, SeekFrom};
use std::path::Path;

const BUFFER: usize = 1 << 18;

/// What was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReadIn {
    /// Entries that were stored.
    pub entries: u64,
    /// Entries that had ended, and were not.
    pub ended: u64,
    /// Namespaces, with entries or without.
    pub namespaces: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// When the file was written, in ms since 1970.
    pub taken_ms: u64,
    /// What tells the file from others.
    pub origin: Origin,
}

/// Stores all entries of the file `path` that have not ended in a segment that is new and that nobody
/// else sees yet; `None` if there is no such file. The file stays as it is. Takes memory for one value.
///
/// # Errors
/// [`Error::Snapshot`]: if the file is damaged, it has another name then, and nothing was stored; if it
/// is no snapshot, of a newer format, of another user or too large for the segment, it is left as it
/// is; and so if no other could take its place, for its folder is not to be written to. Those of
/// [`Store::set`]. If something was stored before (the segment is too small), it is part of the whole:
/// the segment is to be thrown away.
pub fn read(
    store: &Store,
    path: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<Option<ReadIn>> {
    read_for(store, path, &|| true, progress)
}

/// As [`read()`], as long as somebody wants it: whenever progress is told it is asked whether to go on,
/// and a damaged file is left as it is if nobody could hear of that.
///
/// # Errors
/// As for [`read()`]; [`Error::Closed`] if nobody wants it any more.
pub fn read_for(
    store: &Store,
    path: &Path,
    is_wanted: &dyn Fn() -> bool,
    progress: &mut dyn FnMut(Progress),
) -> Result<Option<ReadIn>> {
    let target = Target::of(path)?;
    target.sweep();
    for _ in 0..TRIES {
        let Some(found) = target.open_to_replace()? else {
            return Ok(None);
        };
        match check(&found, is_wanted, progress) {
            Ok(head) => {
                let read = store_all(store, &found, &head, is_wanted, progress);
                return read.map(Some).map_err(|flaw| target.unread(flaw));
            }
            Err(Flaw::Damaged(why)) if is_wanted() => {
                if let Some(error) = target.keep_aside(&found, &why) {
                    return Err(error);
                }
            }
            Err(flaw) => return Err(target.unread(flaw)),
        }
    }
    Err(target.refuse("cannot be read: others write it all the time"))
}

/// The bytes that the segment could take that the snapshot `path` was written from; `None` if there is
/// none that could be read.
#[must_use]
pub fn maximum_of(path: &Path) -> Option<u64> {
    Some(Target::at(path).open().ok()??.head().ok()?.maximum)
}

/// What [`read()`] fails with where the store has failed so: if it is full, a larger one may do.
#[must_use]
pub fn unread(path: &Path, error: Error) -> Error {
    Target::at(path).unread(Flaw::Store(error))
}

fn store_all(
    store: &Store,
    found: &Found,
    head: &Head,
    is_wanted: &dyn Fn() -> bool,
    progress: &mut dyn FnMut(Progress),
) -> Result<ReadIn, Flaw> {
    let Head { entries, namespaces, length, taken_ms, .. } = *head;
    let mut reader = Reader {
        store,
        namespaces: vec![Namespace::USER, Namespace::PACKAGE],
        bounds: Vec::new(),
        taken_ms,
        ended: 0,
    };
    store.raise_versions(head.versions)?;
    let news = News::new(progress, Step::Store, entries);
    walk(found, head, is_wanted, news, |record| reader.store(record))?;
    reader.bound()?;
    let (ended, origin) = (reader.ended, Origin::from_head(head));
    Ok(ReadIn { entries: entries - ended, ended, namespaces, bytes: length, taken_ms, origin })
}

/// Reads the file to its end, and stores nothing.
fn check(
    found: &Found,
    is_wanted: &dyn Fn() -> bool,
    progress: &mut dyn FnMut(Progress),
) -> Result<Head, Flaw> {
    let head = found.head()?;
    let news = News::new(progress, Step::Check, head.entries);
    walk(found, &head, is_wanted, news, |_| Ok(()))?;
    Ok(head)
}

/// Gives all records, one after the other. Only at the end it is known whether they were right.
fn walk(
    found: &Found,
    head: &Head,
    is_wanted: &dyn Fn() -> bool,
    mut news: News<'_>,
    mut each: impl FnMut(&Record<'_>) -> Result<()>,
) -> Result<(), Flaw> {
    let mut file = &found.file;
    file.seek(SeekFrom::Start(Head::BYTES as u64))?;
    let mut input = BufReader::with_capacity(BUFFER, Summing::new(file));
    let (head_bytes, end_bytes) = (Head::BYTES as u64, END.len() as u64);
    let mut left = head.length.saturating_sub(head_bytes);
    let mut room = Room::default();
    let (mut names, mut last, mut namespaces) = (Namespace::named(), Namespace::USER.number(), 0);
    while left > end_bytes {
        let record = room.read(&mut input, left - end_bytes)?;
        left -= record.bytes();
        let is_entry = record.kind != Kind::Namespace;
        if !is_entry {
            namespaces += 1;
            last = names.next().map_or(last, Namespace::number);
        }
        let is_known = record.namespace != Namespace::PACKAGE.number();
        if !is_known || record.namespace > last || !is_entry && record.namespace != last {
            return Err(Flaw::damaged("a record is of no known namespace"));
        }
        each(&record)?;
        if news.add(u64::from(is_entry), record.bytes()) && !is_wanted() {
            return Err(Error::Closed.into());
        }
    }
    let mut end = Vec::with_capacity(END.len());
    input.by_ref().take(end_bytes).read_to_end(&mut end)?;
    let is_counted = news.now.entries == head.entries && namespaces == head.namespaces;
    let (_, _, sum) = input.into_inner().into_parts();
    if end != END || !is_counted || sum != head.sum {
        return Err(Flaw::damaged("its checksum does not match"));
    }
    Ok(())
}

struct Reader<'s> {
    store: &'s Store,
    /// Which namespace it is that has a number in the file.
    namespaces: Vec<Namespace>,
    bounds: Vec<(Namespace, u64)>,
    taken_ms: u64,
    ended: u64,
}

impl Reader<'_> {
    fn store(&mut self, record: &Record<'_>) -> Result<()> {
        let Kind::Entry(tag) = record.kind else {
            let namespace = self.store.namespace(record.name, record.wide)?;
            self.namespaces.push(namespace);
            self.bounds.push((namespace, record.end));
            return Ok(());
        };
        let ttl_ms = match record.end {
            0 => None,
            // Nothing has more time left than when it was written, whatever the clock says since.
            end => match end.saturating_sub(wall_ms().max(self.taken_ms)) {
                0 => {
                    self.ended += 1;
                    return Ok(());
                }
                left_ms => Some(left_ms),
            },
        };
        let namespace = self.namespaces.get(usize::from(record.namespace));
        let namespace = namespace.copied().unwrap_or(Namespace::USER);
        let hash_key = self.store.segment().hash_key();
        let key = Key::within(namespace, hash_key, record.name, record.wide)?;
        let value = match (tag, record.value.first_chunk()) {
            (Tag::Number, Some(bytes)) => Value::number(f64::from_le_bytes(*bytes)),
            _ => Value::bytes(tag, record.value),
        };
        self.store.put(&key, &value, Condition::Always, ttl_ms).map(drop)
    }

    /// Bounds the namespaces. Not before: one may have had more than its bound, which was lowered.
    fn bound(&self) -> Result<(), Error> {
        self.bounds.iter().try_for_each(|(namespace, bound)| self.store.bound(*namespace, *bound))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::Step::Check;
    use rustix::fs::{MemfdFlags, memfd_create};
    use std::fs::File;
    use std::io::Write as _;

    /// A file of these records whose checksums are right, though its counts may be wrong.
    fn made_of(records: &[(Kind, u16)], entries: u64, namespaces: u64) -> Found {
        let mut summing = Summing::new(Vec::new());
        for (kind, namespace) in records {
            let (name, value): (&[u8], &[u8]) = (b"name", &[]);
            let record =
                Record { kind: *kind, namespace: *namespace, wide: false, name, value, end: 0 };
            record.write(&mut summing).unwrap();
        }
        summing.write_all(&END).unwrap();
        let (body, bytes, sum) = summing.into_parts();
        let length = bytes + Head::BYTES as u64;
        let (versions, taken_ms, memory, maximum) = (1, 1, 1, 1);
        let head = Head { length, entries, namespaces, versions, taken_ms, memory, maximum, sum };
        let mut file = File::from(memfd_create("snapshot", MemfdFlags::CLOEXEC).unwrap());
        file.write_all(&head.to_bytes()).unwrap();
        file.write_all(&body).unwrap();
        Found { file, length }
    }

    #[test]
    fn what_no_writer_writes_is_refused_even_with_the_right_checksum() {
        let entry = |namespace| (Kind::Entry(Tag::True), namespace);
        let named = |namespace| (Kind::Namespace, namespace);
        let outcome = |records: &[_], entries, namespaces| {
            check(&made_of(records, entries, namespaces), &|| true, &mut |news| {
                assert_eq!(news.step, Check);
            })
        };
        let sound = [named(2), entry(2), entry(0), named(3), entry(2), entry(3)];
        assert!(outcome(&sound, 4, 2).is_ok());
        assert!(outcome(&sound, 5, 2).is_err() && outcome(&sound, 4, 3).is_err());
        for records in [
            [entry(2), named(2)],
            [named(2), entry(3)],
            [named(2), entry(1)],
            [named(3), entry(0)],
            [named(0), entry(0)],
            [named(1), entry(0)],
        ] {
            assert!(matches!(outcome(&records, 1, 1), Err(Flaw::Damaged(_))), "{records:?}");
        }
    }
}
