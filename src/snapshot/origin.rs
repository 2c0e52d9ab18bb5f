//! What tells the file that a memory began with from what may stand in its place later.

use super::files::Target;
use super::format::Head;
use std::path::Path;

/// What the head says of it: the memory that it was written from, when, its length, and the checksum of
/// its content. So a copy is as good as the file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Origin([u64; 4]);

impl Origin {
    /// Bytes of it.
    pub const BYTES: usize = 32;

    /// That of the file which stands there now, if one does that may be read.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        Target::at(path).open().ok()??.origin()
    }

    pub(super) const fn from_head(head: &Head) -> Self {
        Self([head.memory, head.taken_ms, head.length, head.sum as u64])
    }

    /// The [identity](crate::segment::Segment::identity) of the segment that it was written from.
    #[must_use]
    pub const fn memory(self) -> u64 {
        self.0[0]
    }

    /// As bytes; all zero for none.
    #[must_use]
    pub fn to_bytes(origin: Option<Self>) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        for (to, word) in bytes.as_chunks_mut().0.iter_mut().zip(origin.map_or([0; 4], |it| it.0)) {
            *to = word.to_le_bytes();
        }
        bytes
    }

    /// What was made bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; Self::BYTES]) -> Option<Self> {
        let mut words = [0; 4];
        for (word, from) in words.iter_mut().zip(bytes.as_chunks().0) {
            *word = u64::from_le_bytes(*from);
        }
        // No file has a length of 0.
        Some(Self(words)).filter(|origin| origin.0 != [0; 4])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_survives_its_bytes_and_none_is_none() {
        let origin = Some(Origin([1, 2, 3, u64::MAX]));
        assert_eq!(Origin::from_bytes(&Origin::to_bytes(origin)), origin);
        assert_eq!(Origin::from_bytes(&Origin::to_bytes(None)), None);
        assert_eq!(Origin::of(Path::new("no such file")), None);
        assert_eq!(Origin::of(Path::new("Cargo.toml")), None);
    }
}
