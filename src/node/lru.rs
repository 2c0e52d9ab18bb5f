//! The calls of the exact LRU.

use super::buffers::{Buffers, read_key};
use super::calls::{Call, method};
use super::face::Face;
use super::payload::{from_js, to_js};
use crate::error::Result;
use crate::lru::{Options, Outcome, Standing};
use napi::sys;
use std::ptr;

method!(get, 1, get_value);
method!(set, 5, set_value);
method!(remove, 1, remove_key);
method!(options, 3, set_options);
method!(adopt, 3, adopt_options);
method!(standing, 3, read_standing);
method!(inherit, 0, inherit_next);
method!(sweep, 0, sweep_old);
method!(measured, 0, is_measured);
method!(lost, 0, count_lost);
method!(give_way, 1, make_room);

/// `lruGet(key)`: as `get`.
fn get_value(face: &Face, call: &Call<1>) -> Result<sys::napi_value> {
    let [key] = call.arguments;
    face.with_member(|member, buffers| {
        let Buffers { key: key_buffer, scratch, .. } = buffers;
        let segment = member.store().segment();
        let key = read_key(segment, face.namespace, call, key, key_buffer)?;
        let Some(read) = member.lru().get(&key, scratch)? else {
            face.set_status(0);
            return Ok(ptr::null_mut());
        };
        face.set_status(read.tag as u32);
        to_js(call, &read, buffers)
    })
}

/// `lruSet(key, payload, tag, isMeasured, length)`: 0 if it is in the cache now, 1 if it is too long
/// for it, 2 if it is to be measured first.
fn set_value(face: &Face, call: &Call<5>) -> Result<sys::napi_value> {
    let [key, payload, tag, is_measured, length] = call.arguments;
    face.with_member(|member, buffers| {
        let Buffers { key: key_buffer, value_units, value_bytes, .. } = buffers;
        let segment = member.store().segment();
        let key = read_key(segment, face.namespace, call, key, key_buffer)?;
        let value = from_js(call, payload, tag, value_units, value_bytes)?;
        let is_measured = call.number(is_measured)? != 0.0;
        let length = if is_measured { Some(call.number(length)?) } else { None };
        let outcome = member.lru().set(&key, &value, length);
        let length = value_bytes.len();
        buffers.shrink(length);
        call.new_number(match outcome? {
            Outcome::Stored => 0.0,
            Outcome::TooLong => 1.0,
            Outcome::Unmeasured => 2.0,
        })
    })
}

/// `lruRemove(key)`: whether it was in the cache.
fn remove_key(face: &Face, call: &Call<1>) -> Result<sys::napi_value> {
    let [key] = call.arguments;
    face.with_member(|member, buffers| {
        let segment = member.store().segment();
        let key = read_key(segment, face.namespace, call, key, &mut buffers.key)?;
        call.new_boolean(member.lru().remove(&key)?)
    })
}

/// `lruOptions(max, maxAge, flags)`: a new, empty cache. Flags: 1 stale, 2 noDisposeOnSet,
/// 4 updateAgeOnGet, 8 dispose, 16 length.
fn set_options(face: &Face, call: &Call<3>) -> Result<sys::napi_value> {
    let options = read_options(call)?;
    face.with_member(|member, _| member.lru().set_options(&options))?;
    Ok(ptr::null_mut())
}

/// `lruAdopt(max, maxAge, flags)`: whether the cache has these options; then it stays, and this
/// environment is its heir and measures, if it has functions for that.
fn adopt_options(face: &Face, call: &Call<3>) -> Result<sys::napi_value> {
    let options = read_options(call)?;
    call.new_boolean(face.with_member(|member, _| member.lru().adopt_options(&options))?)
}

/// `lruStanding(max, maxAge, flags)`: the sum of 1 if the cache has these options, 2 if there is an heir,
/// 4 if somebody measures.
fn read_standing(face: &Face, call: &Call<3>) -> Result<sys::napi_value> {
    let options = read_options(call)?;
    let standing = face.with_member(|member, _| member.lru().standing(&options))?;
    let Standing { is_same, has_heir, has_measurer } = standing;
    call.new_number(f64::from(
        u8::from(is_same) + 2 * u8::from(has_heir) + 4 * u8::from(has_measurer),
    ))
}

fn read_options(call: &Call<3>) -> Result<Options> {
    let [max, max_age, flags] = call.arguments;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    let flags = call.number(flags)? as u32;
    let has = |bit| flags & bit != 0;
    Ok(Options {
        max: call.number(max)?,
        max_age: call.number(max_age)?,
        stale: has(1),
        no_dispose_on_set: has(2),
        update_age_on_get: has(4),
        disposes: has(8),
        measures: has(16),
    })
}

/// `lruInherit()`: the key of what left the cache next and waits for this environment, and its value
/// as from `get`, in an array; or nothing.
fn inherit_next(face: &Face, call: &Call<0>) -> Result<sys::napi_value> {
    face.with_member(|member, buffers| {
        if !member.lru().has_estate()? {
            return Ok(ptr::null_mut());
        }
        let Buffers { scratch, value_bytes, value_units, .. } = buffers;
        let Some(inherited) = member.lru().inherit(scratch, value_bytes)? else {
            return Ok(ptr::null_mut());
        };
        let key = call.new_string(value_bytes, inherited.wide, value_units)?;
        face.set_status(inherited.read.tag as u32);
        let value = to_js(call, &inherited.read, buffers)?;
        call.new_array(&[key, value])
    })
}

/// `lruSweep()`: frees a little of former caches; whether there is more.
fn sweep_old(face: &Face, call: &Call<0>) -> Result<sys::napi_value> {
    let has_more = face.with_member(|member, _| member.lru().sweep_old())?;
    call.new_boolean(has_more)
}

/// `lruMeasured()`: 0 if nobody measures what is set, 1 if another environment does, 2 if this one.
fn is_measured(face: &Face, call: &Call<0>) -> Result<sys::napi_value> {
    call.new_number(face.with_member(|member, _| {
        let is_mine = member.lru().measurer()? == Some(member.id());
        Ok(match member.is_cache_measured()? {
            false => 0.0,
            true if is_mine => 2.0,
            true => 1.0,
        })
    })?)
}

/// `lruLost()`: how many entries `lruInherit` will never give.
fn count_lost(face: &Face, call: &Call<0>) -> Result<sys::napi_value> {
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    call.new_number(face.with_member(|member, _| member.lru().lost())? as f64)
}

/// `lruGiveWay(bytes)`: whether the cache may have made room for so many bytes.
fn make_room(face: &Face, call: &Call<1>) -> Result<sys::napi_value> {
    let [bytes] = call.arguments;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    let bytes = call.number(bytes)? as u64;
    let has_helped = face.with_member(|member, _| member.lru().give_way(bytes))?;
    call.new_boolean(has_helped)
}
