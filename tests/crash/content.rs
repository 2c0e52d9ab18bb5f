//! Values that say what they are: whoever reads one knows whether it is whole and who wrote it.

use cluster_shared_memory::entry::{Key, Tag, Value};
use cluster_shared_memory::error::Result;
use cluster_shared_memory::store::{Condition, Read, Scratch, Store};

/// What a key holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Content {
    Absent,
    Number(f64),
    /// The seed in the first word, then words that follow from it; at least two words.
    Bytes {
        length: usize,
        seed: u64,
    },
}

impl Content {
    pub(crate) fn bytes(length: usize, seed: u64) -> Self {
        assert!(length >= 16);
        Self::Bytes { length, seed }
    }

    pub(crate) fn is_present(self) -> bool {
        self != Self::Absent
    }

    pub(crate) fn to_words(self) -> [u64; 3] {
        match self {
            Self::Absent => [0, 0, 0],
            Self::Number(number) => [1, number.to_bits(), 0],
            Self::Bytes { length, seed } => [2, length as u64, seed],
        }
    }

    pub(crate) fn from_words(words: [u64; 3]) -> Self {
        match words {
            [1, bits, _] => Self::Number(f64::from_bits(bits)),
            [2, length, seed] => Self::bytes(length as usize, seed),
            _ => Self::Absent,
        }
    }

    /// Sets or removes the key of that id.
    pub(crate) fn put(self, store: &Store, id: u64) -> Result<()> {
        let name = name(id);
        let key = key(store, &name);
        match self {
            Self::Absent => store.remove(&key).map(drop),
            _ => self.with_value(|value| store.set(&key, value)),
        }
    }

    /// Sets the key of that id for so many ms.
    pub(crate) fn put_for(self, store: &Store, id: u64, ttl_ms: u64) -> Result<()> {
        let name = name(id);
        let key = key(store, &name);
        let put = |value: &Value<'_>| store.put(&key, value, Condition::Always, Some(ttl_ms));
        self.with_value(put).map(drop)
    }

    /// What is stored for it, unless it is absent.
    pub(crate) fn with_value<T>(self, use_it: impl FnOnce(&Value<'_>) -> T) -> T {
        match self {
            Self::Absent => panic!("nothing has no value"),
            Self::Number(number) => use_it(&Value::number(number)),
            Self::Bytes { length, seed } => {
                let mut bytes = Vec::with_capacity(length + 8);
                for index in 0..length.div_ceil(8) as u64 {
                    bytes.extend(word(seed, index).to_le_bytes());
                }
                bytes.truncate(length);
                use_it(&Value::bytes(tag(length), &bytes))
            }
        }
    }

    /// What the key of that id holds now; the message says how it is damaged.
    pub(crate) fn get(
        store: &Store,
        id: u64,
        scratch: &mut Scratch,
    ) -> std::result::Result<Self, String> {
        let name = name(id);
        let read = store.get(&key(store, &name), scratch);
        match read.map_err(|error| format!("{name:?}: {error}"))? {
            None => Ok(Self::Absent),
            Some(read) => Self::copied(&read, scratch).map_err(|what| format!("{name:?}: {what}")),
        }
    }

    /// What was copied to the scratch.
    pub(crate) fn copied(read: &Read, scratch: &Scratch) -> std::result::Result<Self, String> {
        if read.tag == Tag::Number {
            return Ok(Self::Number(read.number));
        }
        let bytes = scratch.bytes(read.length);
        let first = bytes.first_chunk::<8>().copied();
        let seed = u64::from_le_bytes(first.ok_or("a value without a seed")?);
        let is_whole = read.tag == tag(bytes.len())
            && bytes.chunks(8).enumerate().all(|(index, chunk)| {
                chunk == &word(seed, index as u64).to_le_bytes()[..chunk.len()]
            });
        if !is_whole {
            return Err(format!("torn, of {} bytes", bytes.len()));
        }
        Ok(Self::bytes(bytes.len(), seed))
    }
}

pub(crate) fn name(id: u64) -> String {
    // One length for all, so that the class of a block follows from the length of its value.
    format!("key {id:>8}")
}

pub(crate) fn key<'b>(store: &Store, name: &'b str) -> Key<'b> {
    store.key(name.as_bytes(), false).unwrap()
}

fn tag(length: usize) -> Tag {
    if length < 1000 { Tag::OneByteString } else { Tag::Buffer }
}

/// The seed itself, then what `splitmix64` (Steele et al., 2014) makes of it.
fn word(seed: u64, index: u64) -> u64 {
    if index == 0 {
        return seed;
    }
    let mut word = seed.wrapping_add(index.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}
