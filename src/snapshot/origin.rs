//! What tells the file that a memory began with from what may stand in its place later.

use std::fs::symlink_metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Device, inode, and when it was written, in seconds and nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin([u64; 4]);

impl Origin {
    /// Bytes of it.
    pub const BYTES: usize = 32;

    /// That of the file which stands there now, if one does.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        let stat = symlink_metadata(path).ok()?;
        let (seconds, nanoseconds) = (stat.mtime(), stat.mtime_nsec());
        Some(Self([stat.dev(), stat.ino(), seconds.cast_unsigned(), nanoseconds.cast_unsigned()]))
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
        Some(Self(words)).filter(|origin| origin.0 != [0; 4])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_survives_its_bytes_and_none_is_none() {
        let origin = Origin::of(Path::new("Cargo.toml"));
        assert!(origin.is_some());
        assert_eq!(Origin::from_bytes(&Origin::to_bytes(origin)), origin);
        assert_eq!(Origin::from_bytes(&Origin::to_bytes(None)), None);
        assert_eq!(Origin::of(Path::new("no such file")), None);
    }
}
