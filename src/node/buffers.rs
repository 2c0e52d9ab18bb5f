//! Memory that the calls of an environment use again and again, and how keys get into it.
//!
//! A key is read as UTF-16 into a buffer that the engine keeps, and narrowed to a byte a unit if it
//! can be.

use super::calls::Call;
use crate::entry::{Key, MAX_KEY_UNITS, Namespace};
use crate::error::{Error, Result};
use crate::segment::Segment;
use crate::shard::Scratch;
use crate::store::Keys;
use napi::sys;

/// Memory that calls use again and again instead of asking for it anew.
#[derive(Debug)]
pub(super) struct Buffers {
    pub(super) key: KeyBuffer,
    pub(super) value_units: Vec<u16>,
    pub(super) value_bytes: Vec<u8>,
    pub(super) scratch: Scratch,
    pub(super) keys: Keys,
}

/// The key of a call: as JavaScript gives it, and as the store wants it.
#[derive(Debug)]
pub(super) struct KeyBuffer {
    units: Box<[u16; KEY_ROOM]>,
    bytes: Box<[u8; 2 * KEY_ROOM]>,
}

/// How many units are narrowed at a time.
const LANES: usize = 8;
/// Room for the longest key, one unit more to notice a longer one, the zero that Node-API puts at
/// the end, and what is narrowed together with the last unit.
const KEY_ROOM: usize = (MAX_KEY_UNITS + 2).next_multiple_of(LANES) + LANES;

impl Default for Buffers {
    fn default() -> Self {
        Self {
            key: KeyBuffer { units: Box::new([0; KEY_ROOM]), bytes: Box::new([0; 2 * KEY_ROOM]) },
            value_units: Vec::new(),
            value_bytes: Vec::new(),
            scratch: Scratch::default(),
            keys: Keys::default(),
        }
    }
}

/// Reads the key of a call.
#[inline(always)]
pub(super) fn read_key<'b, const N: usize>(
    segment: &Segment,
    namespace: Namespace,
    call: &Call<N>,
    argument: sys::napi_value,
    buffer: &'b mut KeyBuffer,
) -> Result<Key<'b>> {
    let length = call.units(argument, buffer.units.as_mut_slice())?;
    if length > MAX_KEY_UNITS {
        let (length, maximum) = (call.length(argument)? as u64, MAX_KEY_UNITS as u64);
        return Err(Error::KeyTooLong { length, maximum });
    }
    let (bytes, wide) = buffer.narrow(length);
    Key::within(namespace, segment.hash_key(), bytes, wide)
}

impl KeyBuffer {
    /// The first units as bytes: one each, or two each (and `true`) if a unit needs them.
    #[inline(always)]
    fn narrow(&mut self, length: usize) -> (&[u8], bool) {
        if let Some(behind) = self.units.get_mut(length..length + LANES) {
            behind.fill(0);
        }
        let lanes = self.units.as_chunks::<LANES>().0.iter().take(length.div_ceil(LANES));
        let mut all = [0; LANES];
        for (units, bytes) in lanes.zip(self.bytes.as_chunks_mut::<LANES>().0) {
            for ((unit, byte), all) in units.iter().zip(bytes).zip(&mut all) {
                #[expect(clippy::cast_possible_truncation, reason = "wide units are noticed below")]
                let narrow = *unit as u8;
                *byte = narrow;
                *all |= *unit;
            }
        }
        let wide = all.iter().fold(0, |all, unit| all | unit) > 0xff;
        let length = if wide { self.widen(length) } else { length };
        (self.bytes.get(..length).unwrap_or_default(), wide)
    }

    #[cold]
    fn widen(&mut self, length: usize) -> usize {
        let pairs = self.bytes.as_chunks_mut::<2>().0;
        for (unit, pair) in self.units.iter().take(length).zip(pairs) {
            *pair = unit.to_le_bytes();
        }
        2 * length
    }
}

impl Buffers {
    /// Gives memory back after a value of so many bytes.
    #[inline]
    pub(super) fn shrink(&mut self, length: usize) {
        if length > 1 << 20 {
            self.scratch.shrink();
            self.value_units = Vec::new();
            self.value_bytes = Vec::new();
        }
    }
}
