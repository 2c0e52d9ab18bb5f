//! The calls that a program makes once or seldom: configure, attach, stats, close.

use super::calls::{Call, method};
use super::face::Face;
use crate::entry::Key;
use crate::error::{Error, Result};
use crate::store::Settings;
use crate::verify;
use napi::sys;
use serde::Serialize;
use std::ptr;
use std::time::Duration;

method!(configure, 3, set_settings);
method!(suggest, 1, suggest_maximum);
method!(share, 1, choose_scope);
method!(snapshot, 1, choose_snapshot);
method!(name, 0, read_name);
method!(attach, 1, attach_environment);
method!(mode, 0, read_mode);
method!(nonce, 0, read_nonce);
method!(stats, 0, read_stats);
method!(verify, 0, verify_segment);
method!(close, 0, leave);
method!(let_go, 0, let_go_of_hubs);
method!(nothing, 0, do_nothing);

/// `configure(maximumBytes, mode, logBytes)`; 0 leaves a setting as it is.
fn set_settings(face: &Face, call: &Call<3>) -> Result<sys::napi_value> {
    let [maximum, mode, log] = call.arguments;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    let chosen = |argument| {
        let number = call.number(argument)? as u64;
        Ok::<_, Error>(Some(number).filter(|number| *number != 0))
    };
    let (maximum, mode, log) = (chosen(maximum)?, chosen(mode)?, chosen(log)?);
    let choose = |settings: &mut Settings| {
        settings.maximum = maximum.unwrap_or(settings.maximum);
        settings.mode = mode.unwrap_or(settings.mode);
        settings.log = log.or(settings.log);
    };
    face.configure(choose, maximum.or(log).is_some())?;
    Ok(ptr::null_mut())
}

/// `share(name)`: with all processes that give the same name; with `''`, as a cluster does.
fn choose_scope(face: &Face, call: &Call<1>) -> Result<sys::napi_value> {
    let [name] = call.arguments;
    let name = text(call, name)?;
    face.choose_scope(Some(name.as_str()).filter(|name| !name.is_empty()))?;
    Ok(ptr::null_mut())
}

/// `snapshot(path)`: the file that the memory begins with and is left in.
fn choose_snapshot(face: &Face, call: &Call<1>) -> Result<sys::napi_value> {
    let [path] = call.arguments;
    face.choose_snapshot(text(call, path)?.into())?;
    Ok(ptr::null_mut())
}

fn text<const N: usize>(call: &Call<N>, argument: sys::napi_value) -> Result<String> {
    let mut units = vec![0; call.length(argument)? + 1];
    let length = call.units(argument, &mut units)?;
    Ok(String::from_utf16_lossy(units.get(..length).unwrap_or_default()))
}

/// `name()`: of those that this environment shares with, or will; `''` for a cluster.
fn read_name(face: &Face, call: &Call<0>) -> Result<sys::napi_value> {
    call.new_latin1(face.name().unwrap_or_default().as_bytes())
}

/// `mode()`: what all members encode objects as, once attached.
fn read_mode(face: &Face, call: &Call<0>) -> Result<sys::napi_value> {
    let mode = face.with_member(|member, _| member.store().mode())?;
    call.new_number(if mode == 2 { 2.0 } else { f64::from(u8::from(mode == 1)) })
}

/// `nonce()`: tells lock ids of this segment from those of another.
fn read_nonce(face: &Face, call: &Call<0>) -> Result<sys::napi_value> {
    face.with_member(|member, _| {
        // Says nothing of the key that it is hashed with.
        let nonce = Key::new(member.store().segment().hash_key(), b"nonce", false)?.hash() >> 32;
        call.new_latin1(format!("{nonce:08x}").as_bytes())
    })
}

/// `verify()`: checks the whole segment, which nobody else may use meanwhile; gives a census as JSON.
fn verify_segment(face: &Face, call: &Call<0>) -> Result<sys::napi_value> {
    let census = face.with_member(|member, _| verify::verify(member.store().segment()))?;
    call.new_latin1(to_json(&census)?.as_bytes())
}

/// `suggest(maximumBytes)`.
fn suggest_maximum(face: &Face, call: &Call<1>) -> Result<sys::napi_value> {
    let [maximum] = call.arguments;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    face.suggest(call.number(maximum)? as u64)?;
    Ok(ptr::null_mut())
}

/// `attach(timeoutMs)`: 1 if this environment is attached now, 2 if what the memory begins with is still
/// being read: so many entries of so many, say the second and third word of the status; else 0.
fn attach_environment(face: &Face, call: &Call<1>) -> Result<sys::napi_value> {
    let [timeout_ms] = call.arguments;
    let seconds = call.number(timeout_ms)?.clamp(0.0, 60_000.0) / 1000.0;
    match face.attach(Duration::from_secs_f64(seconds)) {
        Err(Error::Reading { entries, total }) => {
            let small = |count| u32::try_from(count).unwrap_or(u32::MAX);
            face.set_news(small(entries), small(total));
            call.new_number(2.0)
        }
        attached => call.new_number(f64::from(u8::from(attached?))),
    }
}

/// `letGo()`: this environment waits for no hub any more.
#[expect(clippy::unnecessary_wraps, reason = "a method like the others")]
fn let_go_of_hubs(face: &Face, _call: &Call<0>) -> Result<sys::napi_value> {
    face.let_go();
    Ok(ptr::null_mut())
}

/// `close()`: what people should know of it, if anything.
fn leave(face: &Face, call: &Call<0>) -> Result<sys::napi_value> {
    match face.close()? {
        None => Ok(ptr::null_mut()),
        Some(problem) => call.new_utf16(&problem.encode_utf16().collect::<Vec<_>>()),
    }
}

/// `stats()`: JSON text.
fn read_stats(face: &Face, call: &Call<0>) -> Result<sys::napi_value> {
    let stats = face.with_member(|member, _| member.store().stats())?;
    // The names of namespaces are any text.
    call.new_utf16(&to_json(&stats)?.encode_utf16().collect::<Vec<_>>())
}

pub(super) fn to_json(figures: &impl Serialize) -> Result<String> {
    serde_json::to_string(figures).map_err(|_| Error::System { call: "JSON", errno: 0 })
}

/// `nothing()`: the floor under every call, for the bench.
#[expect(clippy::unnecessary_wraps, reason = "a method like the others")]
const fn do_nothing(_face: &Face, _call: &Call<0>) -> Result<sys::napi_value> {
    Ok(ptr::null_mut())
}
