//! The calls on values beyond the hot ones: conditions, ends, exchanges.

use super::buffers::{Buffers, read_key};
use super::calls::{Call, method};
use super::face::Face;
use super::hot::pass_on_news;
use super::payload::{from_js, to_js};
use crate::entry::Key;
use crate::error::{Error, Result};
use crate::segment::layout::MOST_SHARDS;
use crate::shard::{Glance, Read, Shard};
use crate::store::{Condition, Store, ms_until};
use napi::sys;
use std::ptr;

method!(get_new, 2, get_if_new);
method!(put, 6, put_value);
method!(incr_for, 3, add_for);
method!(exchange, 4, exchange_value);
method!(take, 1, take_value);
method!(touch, 2, set_end);
method!(ttl, 1, time_left);

/// In the status instead of a tag: the value is the one of the version that was given.
const UNCHANGED: u32 = 255;

/// `getNew(key, version)`: as `get`, but nothing if the value is still that of the version.
#[inline]
fn get_if_new(face: &Face, call: &Call<2>) -> Result<sys::napi_value> {
    let [key, version] = call.arguments;
    face.with_member(|member, buffers| {
        let store = member.store();
        let Buffers { key: key_buffer, scratch, .. } = buffers;
        let key = read_key(store.segment(), face.namespace, call, key, key_buffer)?;
        let known = known_version(&key, call.number(version)?, store);
        let mut read = Read::NOTHING;
        let read = match store.get_unless(&key, known, scratch, &mut read)? {
            Glance::Known => {
                face.set_status(UNCHANGED);
                return Ok(ptr::null_mut());
            }
            Glance::Value => Some((read, version_of(&key, read.version, store))),
            _ => None,
        };
        give(face, call, read, buffers)
    })
}

/// `put(key, payload, tag, ttlMs, condition, version)`: the version of the change, 0 if the condition
/// does not hold. Condition: 0 none, 1 absent, 2 present, 3 of that version. An infinite ttl is none.
fn put_value(face: &Face, call: &Call<6>) -> Result<sys::napi_value> {
    let [key, payload, tag, ttl, condition, version] = call.arguments;
    face.with_member(|member, buffers| {
        let store = member.store();
        let Buffers { key: key_buffer, value_units, value_bytes, .. } = buffers;
        let key = read_key(store.segment(), face.namespace, call, key, key_buffer)?;
        let value = from_js(call, payload, tag, value_units, value_bytes)?;
        let condition = match whole(call.number(condition)?) {
            0 => Condition::Always,
            1 => Condition::Absent,
            2 => Condition::Present,
            _ => Condition::Version(known_version(&key, call.number(version)?, store)),
        };
        let result = store.put(&key, &value, condition, ttl_of(call, ttl)?);
        pass_on_news(face, store);
        let version =
            result.map(|version| version.map_or(0.0, |each| version_of(&key, each, store)));
        let length = value_bytes.len();
        buffers.shrink(length);
        call.new_number(version?)
    })
}

/// `incrFor(key, by, ttlMs)`: the sum; if the number begins now, it ends then.
fn add_for(face: &Face, call: &Call<3>) -> Result<sys::napi_value> {
    let [key, by, ttl] = call.arguments;
    face.with_member(|member, buffers| {
        let store = member.store();
        let key = read_key(store.segment(), face.namespace, call, key, &mut buffers.key)?;
        let by = call.number(by)?;
        let sum = match ttl_of(call, ttl)? {
            Some(ttl_ms) => store.incr_for(&key, by, ttl_ms)?,
            None => store.incr(&key, by)?,
        };
        pass_on_news(face, store);
        call.new_number(sum)
    })
}

/// `exchange(key, payload, tag, ttlMs)`: what stood there before, as `get`.
fn exchange_value(face: &Face, call: &Call<4>) -> Result<sys::napi_value> {
    let [key, payload, tag, ttl] = call.arguments;
    face.with_member(|member, buffers| {
        let store = member.store();
        let Buffers { key: key_buffer, scratch, value_units, value_bytes, .. } = buffers;
        let key = read_key(store.segment(), face.namespace, call, key, key_buffer)?;
        let value = from_js(call, payload, tag, value_units, value_bytes)?;
        let old = store.exchange(&key, &value, ttl_of(call, ttl)?, scratch)?;
        pass_on_news(face, store);
        let old = old.map(|old| (old, version_of(&key, old.version, store)));
        give(face, call, old, buffers)
    })
}

/// `take(key)`: what stood there and is removed, as `get`.
fn take_value(face: &Face, call: &Call<1>) -> Result<sys::napi_value> {
    let [key] = call.arguments;
    face.with_member(|member, buffers| {
        let store = member.store();
        let Buffers { key: key_buffer, scratch, .. } = buffers;
        let key = read_key(store.segment(), face.namespace, call, key, key_buffer)?;
        let old = store.take(&key, scratch)?;
        pass_on_news(face, store);
        let old = old.map(|old| (old, version_of(&key, old.version, store)));
        give(face, call, old, buffers)
    })
}

/// `touch(key, ttlMs)`: whether there is such an entry.
fn set_end(face: &Face, call: &Call<2>) -> Result<sys::napi_value> {
    let [key, ttl] = call.arguments;
    face.with_member(|member, buffers| {
        let store = member.store();
        let key = read_key(store.segment(), face.namespace, call, key, &mut buffers.key)?;
        call.new_boolean(store.touch(&key, ttl_of(call, ttl)?)?)
    })
}

/// `ttl(key)`: how many ms are left, infinite if it is there for ever, 0 if there is none.
fn time_left(face: &Face, call: &Call<1>) -> Result<sys::napi_value> {
    let [key] = call.arguments;
    face.with_member(|member, buffers| {
        let store = member.store();
        let key = read_key(store.segment(), face.namespace, call, key, &mut buffers.key)?;
        #[expect(clippy::cast_precision_loss, reason = "exact for 285 000 years")]
        call.new_number(match store.end_of(&key)? {
            None => 0.0,
            Some(end) => ms_until(end).map_or(f64::INFINITY, |left| left as f64),
        })
    })
}

/// What was read, if there was anything, and its version.
#[inline(always)]
pub(super) fn give<const N: usize>(
    face: &Face,
    call: &Call<N>,
    read: Option<(Read, f64)>,
    buffers: &mut Buffers,
) -> Result<sys::napi_value> {
    let Some((read, version)) = read else {
        face.set_status(0);
        return Ok(ptr::null_mut());
    };
    face.set_read(read.tag as u32, version);
    to_js(call, &read, buffers)
}

/// The version of a change as JavaScript knows it: with the shard in its lowest bits, as of tickets,
/// so that no two changes have the same. Exact for a year at four million changes of a shard a
/// second.
#[inline]
#[expect(clippy::cast_precision_loss, reason = "as it says")]
pub(super) fn version_of(key: &Key<'_>, version: u64, store: &Store) -> f64 {
    (version.wrapping_mul(MOST_SHARDS) | Shard::of(store.segment(), key).number()) as f64
}

/// The version of a change of this key that JavaScript knows; 0, which none has, if it is of another
/// shard.
#[inline]
fn known_version(key: &Key<'_>, version: f64, store: &Store) -> u64 {
    let version = whole(version);
    let is_of_shard = version % MOST_SHARDS == Shard::of(store.segment(), key).number();
    if is_of_shard { version / MOST_SHARDS } else { 0 }
}

fn ttl_of<const N: usize>(call: &Call<N>, ttl: sys::napi_value) -> Result<Option<u64>> {
    let ttl_ms = call.number(ttl)?;
    Ok::<_, Error>(ttl_ms.is_finite().then(|| whole(ttl_ms.ceil())))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
pub(super) const fn whole(number: f64) -> u64 {
    number as u64
}
