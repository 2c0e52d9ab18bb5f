//! The calls that a program makes once or seldom: configure, attach, stats, close.

use super::calls::{Call, method};
use super::engine::Engine;
use crate::error::{Error, Result};
use napi::sys;
use std::ptr;
use std::time::Duration;

method!(configure, 2, set_settings);
method!(suggest, 1, suggest_maximum);
method!(attach, 1, attach_environment);
method!(mode, 0, read_mode);
method!(stats, 0, read_stats);
method!(close, 0, leave);
method!(nothing, 0, do_nothing);

/// `configure(maximumBytes, mode)`; 0 leaves a setting as it is.
fn set_settings(engine: &Engine, call: &Call<2>) -> Result<sys::napi_value> {
    let [maximum, mode] = call.arguments;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    let chosen = |number: f64| Some(number as u64).filter(|number| *number != 0);
    engine.configure(chosen(call.number(maximum)?), chosen(call.number(mode)?))?;
    Ok(ptr::null_mut())
}

/// `mode()`: what all members encode objects as, once attached.
fn read_mode(engine: &Engine, call: &Call<0>) -> Result<sys::napi_value> {
    let mode = engine.with_store(|store, _| store.mode())?;
    call.new_number(if mode == 2 { 2.0 } else { f64::from(u8::from(mode == 1)) })
}

/// `suggest(maximumBytes)`.
fn suggest_maximum(engine: &Engine, call: &Call<1>) -> Result<sys::napi_value> {
    let [maximum] = call.arguments;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    engine.suggest(call.number(maximum)? as u64)?;
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
