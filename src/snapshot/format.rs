//! What stands in the file. Numbers are little-endian.
//!
//! ```text
//!  0  "csm-snap"
//!  8  format      1
//! 16  length      bytes of the whole file
//! 24  entries     how many records are entries
//! 32  namespaces  how many are namespaces
//! 40  versions    no shard has given a higher one
//! 48  taken       when it was written, in ms since 1970
//! 56  memory      the number of the segment that it was written from
//! 64  maximum     bytes that this one could take
//! 72  sums        CRC-32 of all that follows; of these 80 bytes, were this half 0
//! 80  records     one behind the other
//!     "csm-ends"
//! ```
//!
//! The head is written last: a file without it was never finished. Both ends say what the file is,
//! so that one with damage to either is still told from what was never a snapshot.

use super::Flaw;

const MAGIC: [u8; 8] = *b"csm-snap";
/// The last bytes.
pub(super) const END: [u8; 8] = *b"csm-ends";
const FORMAT: u64 = 1;
/// JavaScript sees versions as numbers, in which they stand above six bits for the shard.
const MOST_VERSIONS: u64 = 1 << 47;

/// The front of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) length: u64,
    pub(super) entries: u64,
    pub(super) namespaces: u64,
    pub(super) versions: u64,
    pub(super) taken_ms: u64,
    pub(super) memory: u64,
    pub(super) maximum: u64,
    /// Checksum of what follows.
    pub(super) sum: u32,
}

impl Head {
    pub(super) const BYTES: usize = 80;

    pub(super) fn to_bytes(self) -> [u8; Self::BYTES] {
        let (magic, sum) = (u64::from_le_bytes(MAGIC), u64::from(self.sum));
        let Self { length, entries, namespaces, versions, taken_ms, memory, maximum, .. } = self;
        let words = |sums| {
            to_bytes::<10, { Head::BYTES }>([
                magic, FORMAT, length, entries, namespaces, versions, taken_ms, memory, maximum,
                sums,
            ])
        };
        words(sum | u64::from(crc32fast::hash(&words(sum))) << 32)
    }

    /// What the front of a file of that length says.
    pub(super) fn read(front: &[u8], length: u64) -> Result<Self, Flaw> {
        let cut_off = |of: &str| Flaw::Damaged(format!("is cut off: it has {length} bytes{of}"));
        if front.len() < Self::BYTES {
            return Err(cut_off(""));
        }
        if !front.starts_with(&MAGIC) {
            return Err(Flaw::damaged("it does not begin as a snapshot does"));
        }
        let head = Self::from_words(to_words(front));
        if head.to_bytes() != front || head.versions > MOST_VERSIONS {
            return Err(Flaw::damaged("the checksum of its head does not match"));
        }
        if head.length != length {
            return Err(cut_off(&format!(" of {}", head.length)));
        }
        Ok(head)
    }

    const fn from_words(words: [u64; 10]) -> Self {
        let [_, _, length, entries, namespaces, versions, taken_ms, memory, maximum, sums] = words;
        #[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
        let sum = sums as u32;
        Self { length, entries, namespaces, versions, taken_ms, memory, maximum, sum }
    }
}

/// Why a file is not for this build to judge, if so, by its first bytes, up to a head's, and its last
/// ones. (One without any is: its disk may have been full.)
pub(super) fn foreign(front: &[u8], end: &[u8]) -> Option<String> {
    if !MAGIC.starts_with(front.get(..MAGIC.len()).unwrap_or(front)) && end != END {
        return Some("is something else, no snapshot".into());
    }
    let words = to_words(front);
    // A head that is right but for the format has one that is damaged.
    let rest = Head::from_words(words).to_bytes().into_iter().skip(16);
    let is_newer =
        front.starts_with(&MAGIC) && words[1] > FORMAT && !rest.eq(front.iter().copied().skip(16));
    is_newer
        .then(|| format!("has format {}, and this build of the package reads {FORMAT}", words[1]))
}

/// Bytes as words; those that are not there are 0.
pub(super) fn to_words<const WORDS: usize>(bytes: &[u8]) -> [u64; WORDS] {
    let mut words = [0; WORDS];
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    words
}

/// Words as bytes.
pub(super) fn to_bytes<const WORDS: usize, const BYTES: usize>(words: [u64; WORDS]) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    for (bytes, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(words) {
        *bytes = word.to_le_bytes();
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: Head = Head {
        length: 1 << 33,
        entries: 5,
        namespaces: 1,
        versions: MOST_VERSIONS,
        taken_ms: 4,
        memory: 3,
        maximum: 2,
        sum: u32::MAX,
    };

    #[test]
    fn the_head_survives_the_file() {
        let bytes = HEAD.to_bytes();
        assert_eq!(Head::read(&bytes, HEAD.length).unwrap(), HEAD);
        assert!(Head::read(&bytes, HEAD.length - 1).is_err());
        assert!(Head::read(&bytes[..79], 79).is_err());
        let beyond = Head { versions: MOST_VERSIONS + 1, ..HEAD };
        assert!(Head::read(&beyond.to_bytes(), HEAD.length).is_err());
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Head::read(&flipped, HEAD.length).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn what_was_a_snapshot_is_told_from_what_never_was() {
        let is_snapshot = |front: &[u8], end: &[u8]| foreign(front, end).is_none();
        for (front, end) in [(&b"csm-snap"[..], &b"whatever"[..]), (b"XXXXXXXX", b"csm-ends")] {
            assert!(is_snapshot(front, end));
        }
        assert!(is_snapshot(b"", b"") && is_snapshot(b"csm-", b"csm-"));
        assert!(!is_snapshot(b"{\"a\":1}\n", b"{\"a\":1}\n") && !is_snapshot(b"x", b"x"));
        assert!(!is_snapshot(&[0; 8], &[0; 8]));
    }

    #[test]
    fn a_newer_format_is_told_from_a_damaged_one() {
        let mut bytes = HEAD.to_bytes();
        for damaged in [0, 2, 129] {
            bytes[8] = damaged;
            assert_eq!(foreign(&bytes, &END), None, "{damaged}");
            assert!(Head::read(&bytes, HEAD.length).is_err());
        }
        bytes[16] ^= 1;
        let why = foreign(&bytes, &END).unwrap();
        assert_eq!(why, "has format 129, and this build of the package reads 1");
        // Its head may be of another length, and its end may be another.
        assert_eq!(foreign(&bytes[..16], b"whatever"), Some(why));
        bytes[8] = 0;
        assert_eq!(foreign(&bytes, &END), None);
    }
}
