//! The calls that a program makes once or seldom: configure, attach, stats, close.

use super::calls::{Call, method};
use super::engine::Engine;
use crate::error::{Error, Result};
use napi::sys;
use std::ptr;

method!(configure, 1, set_maximum);
method!(attach, 1, attach_environment);
method!(stats, 0, read_stats);
method!(nothing, 0, do_nothing);

fn set_maximum(_engine: &Engine, call: &Call<1>) -> Result<sys::napi_value> {
    let [_maximum] = call.arguments;
    Ok(ptr::null_mut())
}

fn attach_environment(engine: &Engine, call: &Call<1>) -> Result<sys::napi_value> {
    call.new_boolean(engine.attach()?)
}

/// `stats()`: JSON text.
fn read_stats(engine: &Engine, call: &Call<0>) -> Result<sys::napi_value> {
    let stats = engine.with_store(|store, _| store.stats())?;
    let text =
        serde_json::to_string(&stats).map_err(|_| Error::System { call: "JSON", errno: 0 })?;
    call.new_latin1(text.as_bytes())
}

/// `nothing()`: the floor under every call, for the bench.
#[expect(clippy::unnecessary_wraps, reason = "a method like the others")]
const fn do_nothing(_engine: &Engine, _call: &Call<0>) -> Result<sys::napi_value> {
    Ok(ptr::null_mut())
}
