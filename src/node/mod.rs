//! The addon: convert, call, convert back; no logic.
//!
//! `open` and `initialEnv` are exported by napi-derive. The methods of the engine that `open` gives
//! are raw Node-API functions (`hot.rs`, `cold.rs`): a string in and out costs a third of what the
//! derived conversions cost. The JavaScript beside it is `lib/join.js`, `lib/operations.js` and
//! `lib/values.js`.
#![allow(unsafe_code, reason = "Node-API is a C interface")]
#![cfg_attr(test, allow(dead_code, reason = "napi-derive exports nothing from a test program"))]

mod buffers;
mod calls;
mod cold;
mod engine;
mod errors;
mod face;
mod hot;
mod keys;
mod lru;
mod news;
mod payload;
mod scope;
mod values;

use engine::Engine;
use napi::bindgen_prelude::{Either3, Null, Object, Undefined};
use napi::{Env, Result};
use napi_derive::napi;

/// Gives this JavaScript environment its engine.
///
/// `host` holds `role` (`'primary'` or `'worker'`), `name` (of those that the process shares with
/// unless it is configured otherwise, or `undefined`), `status` (a `Uint32Array` of eight words, by which
/// the engine tells what a value is, and more; see `lib/status.js`), `makeError(code, message,
/// details)`, `warn(message)`, `news()`, which is called when there is something for `next()` to
/// give, and `processors`, of which the process may use so many.
///
/// # Errors
/// Whatever the JavaScript engine fails with.
#[napi(ts_args_type = "host: object", ts_return_type = "any")]
pub(crate) fn open<'e>(env: &'e Env, host: Object<'e>) -> Result<Object<'e>> {
    Engine::open(env, &host)?.object(env)
}

/// A variable of the environment that this process was started with; `process.env` may have lost it.
/// `null`: it cannot be read.
#[napi]
#[allow(clippy::needless_pass_by_value, reason = "what napi-derive gives")]
pub(crate) fn initial_env(name: String) -> Either3<String, Undefined, Null> {
    match crate::os::process::initial_env(&name) {
        Some(Some(value)) => Either3::A(value),
        Some(None) => Either3::B(()),
        None => Either3::C(Null),
    }
}
