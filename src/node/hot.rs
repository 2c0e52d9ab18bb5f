//! The calls that programs make all the time: get, has, set, remove, incr.
//!
//! Raw Node-API; what each costs is measured by `npm run bench`. A key is read as UTF-16 into a
//! buffer that the engine keeps, and narrowed to a byte a unit if it can be.

use super::calls::{Call, method};
use super::engine::Engine;
use crate::entry::{Key, MAX_KEY_UNITS, Tag, Value};
use crate::error::{Error, Result};
use crate::store::{Scratch, Store};
use napi::sys;
use std::ptr;

method!(get, 1, get_value);
method!(has, 1, has_key);
method!(set, 3, set_value);
method!(remove, 1, remove_key);
method!(incr, 2, add_to_number);

/// Memory that calls use again and again instead of asking for it anew.
#[derive(Debug)]
pub(super) struct Buffers {
    key: KeyBuffer,
    value_units: Vec<u16>,
    value_bytes: Vec<u8>,
    scratch: Scratch,
}

/// The key of a call: as JavaScript gives it, and as the store wants it.
#[derive(Debug)]
struct KeyBuffer {
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
        }
    }
}

/// `get(key)`: the value, or JSON text, or bytes; the tag says which.
#[inline(always)]
fn get_value(engine: &Engine, call: &Call<1>) -> Result<sys::napi_value> {
    let [key] = call.arguments;
    engine.with_store(|store, buffers| {
        let Buffers { key: key_buffer, value_units, scratch, .. } = buffers;
        let key = read_key(store, call, key, key_buffer)?;
        let Some(read) = store.get(&key, scratch)? else {
            engine.set_status(0);
            return Ok(ptr::null_mut());
        };
        engine.set_status(read.tag as u32);
        let bytes = scratch.bytes(read.length);
        let value = match read.tag {
            Tag::OneByteString | Tag::OneByteJson => call.new_latin1(bytes),
            Tag::Number => call.new_number(read.number),
            Tag::TwoByteString | Tag::TwoByteJson => {
                value_units.clear();
                value_units
                    .extend(bytes.as_chunks().0.iter().map(|unit| u16::from_le_bytes(*unit)));
                call.new_utf16(value_units)
            }
            Tag::Undefined => Ok(ptr::null_mut()),
            Tag::Null => call.new_null(),
            Tag::False => call.new_boolean(false),
            Tag::True => call.new_boolean(true),
            Tag::Clone | Tag::Buffer | Tag::Bytes => call.new_buffer(bytes),
        };
        buffers.shrink(read.length);
        value
    })
}

/// `has(key)`: whether there is such an entry.
fn has_key(engine: &Engine, call: &Call<1>) -> Result<sys::napi_value> {
    let [key] = call.arguments;
    engine.with_store(|store, buffers| {
        let key = read_key(store, call, key, &mut buffers.key)?;
        call.new_boolean(store.has(&key)?)
    })
}

/// `set(key, payload, tag)`.
#[inline]
fn set_value(engine: &Engine, call: &Call<3>) -> Result<sys::napi_value> {
    let [key, payload, tag] = call.arguments;
    engine.with_store(|store, buffers| {
        let Buffers { key: key_buffer, value_units, value_bytes, .. } = buffers;
        let key = read_key(store, call, key, key_buffer)?;
        let tag = read_tag(call.number(tag)?)?;
        let value = match tag {
            Tag::Number => Value::number(call.number(payload)?),
            Tag::Undefined | Tag::Null | Tag::False | Tag::True => Value::bytes(tag, &[]),
            Tag::OneByteString | Tag::TwoByteString => {
                let wide = read_string(call, payload, value_units, value_bytes)?;
                let tag = if wide { Tag::TwoByteString } else { Tag::OneByteString };
                Value::bytes(tag, value_bytes)
            }
            Tag::OneByteJson | Tag::TwoByteJson => {
                let wide = read_string(call, payload, value_units, value_bytes)?;
                let tag = if wide { Tag::TwoByteJson } else { Tag::OneByteJson };
                Value::bytes(tag, value_bytes)
            }
            Tag::Clone | Tag::Buffer | Tag::Bytes => Value::bytes(tag, call.bytes(payload)?),
        };
        let result = store.set(&key, &value);
        let length = value_bytes.len();
        buffers.shrink(length);
        result.map(|()| ptr::null_mut())
    })
}

/// `remove(key)`: whether there was such an entry.
fn remove_key(engine: &Engine, call: &Call<1>) -> Result<sys::napi_value> {
    let [key] = call.arguments;
    engine.with_store(|store, buffers| {
        let key = read_key(store, call, key, &mut buffers.key)?;
        call.new_boolean(store.remove(&key)?)
    })
}

/// `incr(key, by)`: the sum.
#[inline]
fn add_to_number(engine: &Engine, call: &Call<2>) -> Result<sys::napi_value> {
    let [key, by] = call.arguments;
    engine.with_store(|store, buffers| {
        let key = read_key(store, call, key, &mut buffers.key)?;
        call.new_number(store.incr(&key, call.number(by)?)?)
    })
}

#[inline(always)]
fn read_key<'b, const N: usize>(
    store: &Store,
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
    store.key(bytes, wide)
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

/// Reads a string into `bytes`; whether it takes two bytes a unit.
#[inline]
fn read_string<const N: usize>(
    call: &Call<N>,
    argument: sys::napi_value,
    units: &mut Vec<u16>,
    bytes: &mut Vec<u8>,
) -> Result<bool> {
    const SHORT: usize = 1024;
    if units.len() < SHORT {
        units.resize(SHORT, 0);
    }
    let mut length = call.units(argument, units)?;
    if length + 1 == units.len() {
        // There may be more than was copied.
        units.resize(call.length(argument)? + 2, 0);
        length = call.units(argument, units)?;
    }
    Ok(narrow(units.get(..length).unwrap_or_default(), bytes))
}

/// Fills `bytes` with a byte a unit; or, if one unit needs two, with two each: then `true`.
#[inline]
fn narrow(units: &[u16], bytes: &mut Vec<u8>) -> bool {
    bytes.clear();
    let wide = units.iter().fold(0, |all, unit| all | unit) > 0xff;
    if wide {
        bytes.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
    } else {
        #[expect(clippy::cast_possible_truncation, reason = "no unit is above 255")]
        bytes.extend(units.iter().map(|unit| *unit as u8));
    }
    wide
}

#[inline]
fn read_tag(number: f64) -> Result<Tag> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    let number = number as u64;
    Tag::from_number(number).ok_or(Error::System { call: "set", errno: 0 })
}

impl Buffers {
    /// Gives memory back after a value of so many bytes.
    #[inline]
    fn shrink(&mut self, length: usize) {
        if length > 1 << 20 {
            self.scratch.shrink();
            self.value_units = Vec::new();
            self.value_bytes = Vec::new();
        }
    }
}
