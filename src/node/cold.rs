//! The calls that a program makes once or seldom: configure, attach, stats, close.

use super::calls::{Call, method};
use super::engine::Engine;
use crate::error::{Error, Result};
use napi::sys;
use std::ptr;
use std::time::Duration;

method!(configure, 1, set_maximum);
method!(attach, 1, attach_environment);
method!(stats, 0, read_stats);
method!(close, 0, leave);
method!(nothing, 0, do_nothing);

/// `configure(maximumBytes)`.
fn set_maximum(engine: &Engine, call: &Call<1>) -> Result<sys::napi_value> {
    let [maximum] = call.arguments;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    engine.configure(call.number(maximum)? as u64)?;
    Ok(ptr::null_mut())
}

/// `attach(timeoutMs)`: whether this environment is attached now.
fn attach_environment(engine: &Engine, call: &Call<1>) -> Result<sys::napi_value> {
    let [timeout_ms] = call.arguments;
    let seconds = call.number(timeout_ms)?.clamp(0.0, 60_000.0) / 1000.0;
    call.new_boolean(engine.attach(Duration::from_secs_f64(seconds))?)
}

/// `close()`.
#[expect(clippy::unnecessary_wraps, reason = "a method like the others")]
fn leave(engine: &Engine, _call: &Call<0>) -> Result<sys::napi_value> {
    engine.close();
    Ok(ptr::null_mut())
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
