//! The calls that programs make all the time: get, has, set, remove, incr, lock, unlock.
//!
//! Raw Node-API; what each costs is measured by `npm run bench`.

use super::buffers::{Buffers, read_key};
use super::calls::{Call, method};
use super::face::Face;
use super::payload::from_js;
use super::values::{give, version_of};
use crate::error::{Error, Result};
use crate::locks::{Asked, Place, Released, Ticket};
use crate::store::Store;
use napi::sys;
use std::ptr;
use std::time::Duration;

method!(get, 1, get_value);
method!(has, 1, has_key);
method!(set, 3, set_value);
method!(remove, 1, remove_key);
method!(incr, 2, add_to_number);
method!(lock, 1, ask_for_lock);
method!(unlock, 3, release_lock);
method!(is_last, 3, is_last_ticket);

/// `get(key)`: the value, or JSON text, or bytes; the tag says which.
#[inline(always)]
fn get_value(face: &Face, call: &Call<1>) -> Result<sys::napi_value> {
    let [key] = call.arguments;
    face.with_member(|member, buffers| {
        let store = member.store();
        let Buffers { key: key_buffer, scratch, .. } = buffers;
        let key = read_key(store.segment(), face.namespace, call, key, key_buffer)?;
        let read = store.get(&key, scratch)?;
        let read = read.map(|read| (read, version_of(&key, read.version, store)));
        give(face, call, read, buffers)
    })
}

/// `has(key)`: whether there is such an entry.
fn has_key(face: &Face, call: &Call<1>) -> Result<sys::napi_value> {
    let [key] = call.arguments;
    face.with_member(|member, buffers| {
        let store = member.store();
        let key = read_key(store.segment(), face.namespace, call, key, &mut buffers.key)?;
        call.new_boolean(store.has(&key)?)
    })
}

/// `set(key, payload, tag)`.
#[inline]
fn set_value(face: &Face, call: &Call<3>) -> Result<sys::napi_value> {
    let [key, payload, tag] = call.arguments;
    face.with_member(|member, buffers| {
        let store = member.store();
        let Buffers { key: key_buffer, value_units, value_bytes, .. } = buffers;
        let key = read_key(store.segment(), face.namespace, call, key, key_buffer)?;
        let value = from_js(call, payload, tag, value_units, value_bytes)?;
        let result = store.set(&key, &value);
        pass_on_news(face, store);
        let length = value_bytes.len();
        buffers.shrink(length);
        result.map(|()| ptr::null_mut())
    })
}

/// `remove(key)`: whether there was such an entry.
fn remove_key(face: &Face, call: &Call<1>) -> Result<sys::napi_value> {
    let [key] = call.arguments;
    face.with_member(|member, buffers| {
        let store = member.store();
        let key = read_key(store.segment(), face.namespace, call, key, &mut buffers.key)?;
        let was_there = store.remove(&key)?;
        pass_on_news(face, store);
        call.new_boolean(was_there)
    })
}

/// `incr(key, by)`: the sum.
#[inline]
fn add_to_number(face: &Face, call: &Call<2>) -> Result<sys::napi_value> {
    let [key, by] = call.arguments;
    face.with_member(|member, buffers| {
        let store = member.store();
        let key = read_key(store.segment(), face.namespace, call, key, &mut buffers.key)?;
        let sum = store.incr(&key, call.number(by)?)?;
        pass_on_news(face, store);
        call.new_number(sum)
    })
}

/// Nobody rouses a member for what it has done itself.
#[inline(always)]
pub(super) fn pass_on_news(face: &Face, store: &Store) {
    if store.take_news() {
        face.set_own_news();
    }
}

/// `lock(key)`: the number of the ticket; negative if it has to wait. The second and third element of
/// the status say where the lock stands.
#[inline]
fn ask_for_lock(face: &Face, call: &Call<1>) -> Result<sys::napi_value> {
    let [key] = call.arguments;
    face.with_member(|member, buffers| {
        let segment = member.store().segment();
        let key = read_key(segment, face.namespace, call, key, &mut buffers.key)?;
        let (place, number) = match member.locks().ask(&key)? {
            Asked::Granted { ticket, place, .. } => (place, number_of(ticket)),
            Asked::Waiting { ticket, place } => (place, -number_of(ticket)),
        };
        let place = place.to_number();
        #[expect(clippy::cast_possible_truncation, reason = "two halves")]
        face.set_news(place as u32, (place >> 32) as u32);
        call.new_number(number)
    })
}

/// `unlock(key, ticket, patienceMs)`: 0; -1 if the ticket does not hold the lock; or the ticket of
/// this environment that holds it now.
#[inline]
fn release_lock(face: &Face, call: &Call<3>) -> Result<sys::napi_value> {
    let [key, ticket, patience_ms] = call.arguments;
    face.with_member(|member, buffers| {
        let segment = member.store().segment();
        let key = read_key(segment, face.namespace, call, key, &mut buffers.key)?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        let ticket = Ticket::from_number(call.number(ticket)? as u64);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        let patience = Duration::from_millis(call.number(patience_ms)? as u64);
        call.new_number(match member.locks().release(&key, ticket, patience)? {
            Released::Done => 0.0,
            Released::NotHeld => -1.0,
            Released::Mine(next) => number_of(next),
        })
    })
}

/// `isLast(ticket, low, high)`: whether nobody has asked after it for the lock that stands there.
#[inline]
fn is_last_ticket(face: &Face, call: &Call<3>) -> Result<sys::napi_value> {
    let [ticket, low, high] = call.arguments;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    let number = |argument| Ok::<_, Error>(call.number(argument)? as u64);
    let place = Place::from_number(number(low)? | number(high)? << 32);
    let ticket = Ticket::from_number(number(ticket)?);
    call.new_boolean(face.with_member(|member, _| member.locks().is_last(place, ticket))?)
}

/// A ticket's number is exact for the first 2^53 / 64 changes of a shard, which take a year at four
/// million a second.
#[expect(clippy::cast_precision_loss, reason = "as it says")]
pub(super) const fn number_of(ticket: Ticket) -> f64 {
    ticket.to_number() as f64
}
