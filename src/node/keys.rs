//! The calls on many keys: scanning, clearing, and namespaces.

use super::buffers::Buffers;
use super::calls::{Call, method};
use super::face::Face;
use super::values::whole;
use crate::error::{Error, Result};
use crate::store::{Place, Prefix};
use napi::{Env, sys};

method!(scan, 5, scan_keys);
method!(clear_some, 3, clear_keys);
method!(usage, 0, read_usage);
method!(bound, 1, set_bound);
method!(namespace, 1, open_namespace);

/// `scan(shard, low, high, prefix, wanted)`: an array of keys. The status says where to go on.
fn scan_keys(face: &Face, call: &Call<5>) -> Result<sys::napi_value> {
    let [shard, low, high, prefix, wanted] = call.arguments;
    face.with_member(|member, buffers| {
        let Buffers { value_units, value_bytes, keys, .. } = buffers;
        let wide = call.string(prefix, value_units, value_bytes)?;
        let prefix = Prefix { bytes: value_bytes, wide };
        let wanted = usize::try_from(whole(call.number(wanted)?)).unwrap_or(usize::MAX);
        let place = place_of(call, [shard, low, high])?;
        keys.clear();
        let next = member.store().scan(face.namespace, prefix, place, wanted, keys)?;
        face.set_place(next);
        let names: Result<Vec<_>> =
            keys.iter().map(|(bytes, wide)| call.new_string(bytes, wide, value_units)).collect();
        call.new_array(&names?)
    })
}

/// `clearSome(shard, low, high)`: how many keys were removed. The status says where to go on.
fn clear_keys(face: &Face, call: &Call<3>) -> Result<sys::napi_value> {
    let place = place_of(call, call.arguments)?;
    face.with_member(|member, buffers| {
        let cleared = member.store().clear_some(face.namespace, place, &mut buffers.keys);
        super::hot::pass_on_news(face, member.store());
        let (removed, next) = cleared?;
        face.set_place(next);
        #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
        call.new_number(removed as f64)
    })
}

/// `usage()`: JSON text of the namespace's entries, bytes and maximum.
fn read_usage(face: &Face, call: &Call<0>) -> Result<sys::napi_value> {
    let usage = face.with_member(|member, _| member.store().usage(face.namespace))?;
    call.new_latin1(super::cold::to_json(&usage)?.as_bytes())
}

/// `bound(bytes)`: how many the namespace may have; 0: no bound.
fn set_bound(face: &Face, call: &Call<1>) -> Result<sys::napi_value> {
    let maximum = whole(call.number(call.arguments[0])?);
    face.with_member(|member, _| member.store().bound(face.namespace, maximum))?;
    Ok(std::ptr::null_mut())
}

/// `namespace(name)`: an object with the same methods for the keys of that namespace.
fn open_namespace(face: &Face, call: &Call<1>) -> Result<sys::napi_value> {
    let namespace = face.with_member(|member, buffers| {
        let Buffers { value_units, value_bytes, .. } = buffers;
        let wide = call.string(call.arguments[0], value_units, value_bytes)?;
        member.store().namespace(value_bytes, wide)
    })?;
    let env = Env::from_raw(call.env);
    face.other(&env, namespace).map_err(|_| Error::System { call: "Node-API", errno: 0 })
}

fn place_of<const N: usize>(call: &Call<N>, place: [sys::napi_value; 3]) -> Result<Place> {
    let [shard, low, high] = place;
    let word = |argument| Ok::<_, Error>(whole(call.number(argument)?));
    Ok(Place { shard: word(shard)?, position: word(low)? | word(high)? << 32 })
}
