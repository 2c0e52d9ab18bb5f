//! Values on their way between JavaScript and the segment: a tag and a payload, as `lib/values.js`
//! makes and takes them.

use super::buffers::Buffers;
use super::calls::Call;
use crate::entry::{Tag, Value};
use crate::error::{Error, Result};
use crate::shard::Read;
use napi::sys;
use std::ptr;

/// A value that was read, for JavaScript: the value, or JSON text, or bytes; the tag says which.
#[inline(always)]
pub(super) fn to_js<const N: usize>(
    call: &Call<N>,
    read: &Read,
    buffers: &mut Buffers,
) -> Result<sys::napi_value> {
    let Buffers { value_units, scratch, .. } = buffers;
    let bytes = scratch.bytes(read.length);
    let value = match read.tag {
        Tag::OneByteString | Tag::OneByteJson => call.new_latin1(bytes),
        Tag::Number => call.new_number(read.number),
        Tag::TwoByteString | Tag::TwoByteJson => call.new_string(bytes, true, value_units),
        Tag::Undefined => Ok(ptr::null_mut()),
        Tag::Null => call.new_null(),
        Tag::False => call.new_boolean(false),
        Tag::True => call.new_boolean(true),
        Tag::Clone | Tag::Buffer | Tag::Bytes => call.new_buffer(bytes),
    };
    buffers.shrink(read.length);
    value
}

/// The value of a payload and its tag; long strings go through the buffers.
#[inline]
pub(super) fn from_js<'b, const N: usize>(
    call: &'b Call<N>,
    payload: sys::napi_value,
    tag: sys::napi_value,
    value_units: &mut Vec<u16>,
    value_bytes: &'b mut Vec<u8>,
) -> Result<Value<'b>> {
    let tag = read_tag(call.number(tag)?)?;
    Ok(match tag {
        Tag::Number => Value::number(call.number(payload)?),
        Tag::Undefined | Tag::Null | Tag::False | Tag::True => Value::bytes(tag, &[]),
        Tag::OneByteString | Tag::TwoByteString => {
            let wide = call.string(payload, value_units, value_bytes)?;
            let tag = if wide { Tag::TwoByteString } else { Tag::OneByteString };
            Value::bytes(tag, value_bytes)
        }
        Tag::OneByteJson | Tag::TwoByteJson => {
            let wide = call.string(payload, value_units, value_bytes)?;
            let tag = if wide { Tag::TwoByteJson } else { Tag::OneByteJson };
            Value::bytes(tag, value_bytes)
        }
        Tag::Clone | Tag::Buffer | Tag::Bytes => Value::bytes(tag, call.bytes(payload)?),
    })
}

#[inline]
fn read_tag(number: f64) -> Result<Tag> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    let number = number as u64;
    Tag::from_number(number).ok_or(Error::System { call: "set", errno: 0 })
}
