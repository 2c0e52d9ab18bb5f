//! The one mapping from [`Error`] to what JavaScript sees: a stable code, a message and figures.

use super::engine::Engine;
use crate::error::Error;
use napi::sys;
use serde_json::{Value, json};

/// The code that programs tell errors by.
const fn code(error: &Error) -> &'static str {
    match error {
        Error::OutOfMemory { .. } => "ERR_OUT_OF_MEMORY",
        Error::Busy { .. } => "ERR_BUSY",
        Error::Corrupted { .. } => "ERR_CORRUPTED",
        Error::KeyTooLong { .. } => "ERR_KEY_TOO_LONG",
        Error::ValueTooLarge { .. } => "ERR_VALUE_TOO_LARGE",
        Error::NotANumber { .. } => "ERR_NOT_A_NUMBER",
        Error::OutOfRange(_) | Error::BadSize { .. } => "ERR_OUT_OF_RANGE",
        Error::TooManyMembers { .. } => "ERR_TOO_MANY_MEMBERS",
        Error::TooManyNamespaces { .. } => "ERR_TOO_MANY_NAMESPACES",
        Error::BadName(_) => "ERR_INVALID_ARG_VALUE",
        Error::NoHub(_) => "ERR_NO_PRIMARY",
        Error::Refused(_) => "ERR_REFUSED",
        Error::LayoutMismatch { .. } => "ERR_LAYOUT_MISMATCH",
        Error::AlreadyOpen => "ERR_ALREADY_OPEN",
        Error::Closed => "ERR_CLOSED",
        Error::Reading { .. } => "ERR_NO_HOST",
        Error::Snapshot { .. } => "ERR_SNAPSHOT",
        Error::System { .. } => "ERR_SYSTEM",
    }
}

/// The figures of an error, as properties of the exception.
fn details(error: &Error) -> Value {
    match error {
        Error::OutOfMemory { need, free, maximum } => {
            json!({ "need": need, "free": free, "maximum": maximum })
        }
        Error::Busy { pid, state } => json!({ "pid": pid, "state": state }),
        Error::Corrupted { what, at } => json!({ "what": what, "at": at }),
        Error::KeyTooLong { length, maximum } | Error::ValueTooLarge { length, maximum } => {
            json!({ "length": length, "maximum": maximum })
        }
        Error::NotANumber { kind } => json!({ "type": kind }),
        Error::TooManyMembers { maximum } | Error::TooManyNamespaces { maximum } => {
            json!({ "maximum": maximum })
        }
        Error::LayoutMismatch { ours, theirs } => json!({ "ours": ours, "theirs": theirs }),
        Error::BadSize { size, minimum, maximum } => {
            json!({ "size": size, "minimum": minimum, "maximum": maximum })
        }
        Error::Snapshot { file, kept, .. } => json!({ "file": file, "kept": kept }),
        Error::System { call, errno } => json!({ "syscall": call, "errno": errno }),
        Error::OutOfRange(_)
        | Error::BadName(_)
        | Error::NoHub(_)
        | Error::Refused(_)
        | Error::Reading { .. }
        | Error::AlreadyOpen
        | Error::Closed => Value::Null,
    }
}

/// Throws the error into JavaScript, as what the host's `makeError` makes of it.
#[cold]
pub(super) fn throw(env: sys::napi_env, engine: &Engine, error: &Error) {
    let message = error.to_string();
    engine.throw(env, code(error), &message, details(error));
}
