//! What stands between head and end of the file: entries and namespaces, and how they get there.
//!
//! ```text
//! record:  0  kind: 1 entry, 2 namespace | tag | 1: name with two bytes a unit | 0
//!          4  number of the namespace; bytes of the name (2 bytes each)
//!          8  bytes of the value
//!         16  when it ends, in ms since 1970, 0: never; of a namespace its bound
//!         24  name: key of the entry, name of the namespace
//!             value; a number is its 8 bytes
//! ```
//!
//! The record of a namespace stands before those of its entries.

use super::Flaw;
use super::format::{to_bytes, to_words};
use crate::entry::{MAX_KEY_UNITS, MAX_VALUE_BYTES, Tag};
use crc32fast::Hasher;
use std::io::{self, Read, Write};

/// What a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Entry(Tag),
    Namespace,
}

/// An entry, or a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record<'b> {
    pub(super) kind: Kind,
    /// Number of its namespace.
    pub(super) namespace: u16,
    /// Whether its name has two bytes a unit.
    pub(super) wide: bool,
    /// Its key or name.
    pub(super) name: &'b [u8],
    /// The bytes of its value.
    pub(super) value: &'b [u8],
    /// When it ends, or the bound of a namespace.
    pub(super) end: u64,
}

/// Bytes of a record in front of its name.
const RECORD_HEAD: usize = 24;

impl Record<'_> {
    /// Bytes of it in the file.
    pub(super) const fn bytes(&self) -> u64 {
        (RECORD_HEAD + self.name.len() + self.value.len()) as u64
    }

    pub(super) fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let (kind, tag) = match self.kind {
            Kind::Entry(tag) => (1, tag as u64),
            Kind::Namespace => (2, 0),
        };
        let first = kind
            | tag << 8
            | u64::from(self.wide) << 16
            | u64::from(self.namespace) << 32
            | (self.name.len() as u64) << 48;
        let head = [first, self.value.len() as u64, self.end];
        to.write_all(&to_bytes::<3, RECORD_HEAD>(head))?;
        to.write_all(self.name)?;
        to.write_all(self.value)
    }
}

/// Where records are read to, one after the other.
#[derive(Debug, Default)]
pub(super) struct Room {
    name: Vec<u8>,
    value: Vec<u8>,
}

impl Room {
    /// The next record, which has `left` bytes at most.
    pub(super) fn read(&mut self, from: &mut impl Read, left: u64) -> Result<Record<'_>, Flaw> {
        let mut head = [0; RECORD_HEAD];
        from.read_exact(&mut head)?;
        let [first, value_bytes, end] = to_words::<3>(&head);
        let [kind, tag, wide, zero, low, high, ..] = first.to_le_bytes();
        let name_bytes = first >> 48;
        let namespace = u16::from_le_bytes([low, high]);
        let kind = match (kind, Tag::from_number(u64::from(tag)), value_bytes) {
            (1, Some(tag), bytes) if fits(tag, bytes) => Kind::Entry(tag),
            (2, None, 0) if tag == 0 => Kind::Namespace,
            _ => return Err(Flaw::damaged("a record is of no known kind")),
        };
        let is_name = match wide {
            0 => name_bytes <= MAX_KEY_UNITS as u64,
            1 => name_bytes <= 2 * MAX_KEY_UNITS as u64 && name_bytes % 2 == 0,
            _ => false,
        };
        if !is_name || zero != 0 {
            return Err(Flaw::damaged("a record has no possible name"));
        }
        // Before memory is asked for: a damaged length must not be believed.
        if (RECORD_HEAD as u64).saturating_add(name_bytes).saturating_add(value_bytes) > left {
            return Err(Flaw::damaged("a record ends too late"));
        }
        fill(&mut self.name, from, name_bytes)?;
        fill(&mut self.value, from, value_bytes)?;
        let (name, value) = (self.name.as_slice(), self.value.as_slice());
        Ok(Record { kind, namespace, wide: wide == 1, name, value, end })
    }
}

/// Whether a value of that kind can have so many bytes.
const fn fits(tag: Tag, bytes: u64) -> bool {
    match tag {
        Tag::Undefined | Tag::Null | Tag::False | Tag::True => bytes == 0,
        Tag::Number => bytes == 8,
        _ => bytes <= MAX_VALUE_BYTES,
    }
}

fn fill(room: &mut Vec<u8>, from: &mut impl Read, bytes: u64) -> io::Result<()> {
    let bytes = usize::try_from(bytes).map_err(|_| io::ErrorKind::OutOfMemory)?;
    room.clear();
    room.try_reserve(bytes).map_err(|_| io::ErrorKind::OutOfMemory)?;
    room.resize(bytes, 0);
    from.read_exact(room)
}

/// What passes through to the file or from it, and its checksum.
pub(super) struct Summing<T> {
    file: T,
    sum: Hasher,
    bytes: u64,
}

impl<T> Summing<T> {
    pub(super) fn new(file: T) -> Self {
        Self { file, sum: Hasher::new(), bytes: 0 }
    }

    /// Where they went or came from, how many bytes have passed, and their checksum.
    pub(super) fn into_parts(self) -> (T, u64, u32) {
        (self.file, self.bytes, self.sum.finalize())
    }

    fn passed(&mut self, bytes: &[u8]) -> usize {
        self.sum.update(bytes);
        self.bytes += bytes.len() as u64;
        bytes.len()
    }
}

impl<T: Write> Write for Summing<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        Ok(self.passed(bytes.get(..written).unwrap_or_default()))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl<T: Read> Read for Summing<T> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(bytes)?;
        Ok(self.passed(bytes.get(..read).unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: Record<'_> = Record {
        kind: Kind::Entry(Tag::Bytes),
        namespace: 3,
        wide: true,
        name: b"k\x04",
        value: b"value",
        end: 77,
    };

    fn bytes_of(record: &Record<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        record.write(&mut bytes).unwrap();
        assert_eq!(bytes.len() as u64, record.bytes());
        bytes
    }

    fn is_refused(bytes: &[u8], left: u64) -> bool {
        matches!(Room::default().read(&mut &bytes[..], left), Err(Flaw::Damaged(_)))
    }

    #[test]
    fn a_record_survives_the_file() {
        let namespace = Record { kind: Kind::Namespace, name: &[1; 4000], value: &[], ..ENTRY };
        let mut room = Room::default();
        for record in [ENTRY, namespace, ENTRY] {
            let bytes = bytes_of(&record);
            assert_eq!(room.read(&mut &bytes[..], record.bytes()).unwrap(), record);
            assert!(is_refused(&bytes, record.bytes() - 1), "it ends too late");
            assert!(is_refused(&bytes[..bytes.len() - 1], record.bytes()), "it is cut off");
        }
    }

    #[test]
    fn a_record_that_no_writer_writes_is_refused() {
        let narrow = Record { wide: false, ..ENTRY };
        for record in [
            Record { name: b"odd", ..ENTRY },
            Record { name: &[b'k'; 2001], ..narrow },
            Record { name: &[1; 4002], ..ENTRY },
            Record { kind: Kind::Entry(Tag::Number), ..ENTRY },
            Record { kind: Kind::Entry(Tag::True), ..ENTRY },
            Record { kind: Kind::Namespace, ..ENTRY },
        ] {
            assert!(is_refused(&bytes_of(&record), record.bytes()), "{record:?}");
        }
        for (at, byte) in [(0, 0), (0, 3), (1, 0), (1, 13), (2, 2), (2, 255), (3, 1), (15, 255)] {
            let mut bytes = bytes_of(&ENTRY);
            bytes[at] = byte;
            assert!(is_refused(&bytes, ENTRY.bytes()), "{byte} at {at}");
        }
    }

    #[test]
    fn a_length_without_end_asks_for_no_memory() {
        let mut bytes = bytes_of(&ENTRY);
        bytes[8..12].fill(0xff);
        assert!(is_refused(&bytes, ENTRY.bytes()));
    }
}
