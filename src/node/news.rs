//! What JavaScript hears by itself: locks that were granted, changes of watched keys.

use super::buffers::{Buffers, read_key};
use super::calls::{Call, method};
use super::face::Face;
use super::hot::number_of;
use super::payload::to_js;
use crate::error::Result;
use crate::member::News;
use crate::watches;
use napi::sys;
use std::ptr;

method!(watch, 1, watch_key);
method!(unwatch, 1, end_watch);
method!(next, 0, next_news);
method!(look, 0, look_everywhere);

/// What `next` gives, in the second element of the status. `lib/news.js` has the same.
#[derive(Debug, Clone, Copy)]
#[repr(u32)]
enum Kind {
    /// Nothing; the host's `news` is called when there is something.
    Nothing = 0,
    /// The number of a ticket whose lock was granted.
    Granted = 1,
    /// The value that a watched key was set to.
    Set = 2,
    /// A watched key was removed.
    Removed = 3,
    /// How many changes were skipped.
    Skipped = 4,
}

/// `watch(key)`: the id under which `next` tells of its changes.
fn watch_key(face: &Face, call: &Call<1>) -> Result<sys::napi_value> {
    let [key] = call.arguments;
    face.with_member(|member, buffers| {
        let segment = member.store().segment();
        let key = read_key(segment, face.namespace, call, key, &mut buffers.key)?;
        call.new_number(f64::from(member.watches().watch(&key)?))
    })
}

/// `unwatch(id)`.
fn end_watch(face: &Face, call: &Call<1>) -> Result<sys::napi_value> {
    let [id] = call.arguments;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    let id = call.number(id)? as watches::WatchId;
    face.with_member(|member, _| member.watches().unwatch(id))?;
    Ok(ptr::null_mut())
}

/// `next()`: the next thing to hear of. The status says what it is: the tag of the value, the kind,
/// the id of the watch.
fn next_news(face: &Face, call: &Call<0>) -> Result<sys::napi_value> {
    face.with_member(|member, buffers| {
        let Buffers { scratch, .. } = buffers;
        match member.next_news(scratch)? {
            None => {
                face.set_news(Kind::Nothing as u32, 0);
                Ok(ptr::null_mut())
            }
            Some(News::Granted { ticket, .. }) => {
                face.set_news(Kind::Granted as u32, 0);
                call.new_number(number_of(ticket))
            }
            Some(News::Watch(watches::News::Set(id, read))) => {
                face.set_status(read.tag as u32);
                face.set_news(Kind::Set as u32, id);
                to_js(call, &read, buffers)
            }
            Some(News::Watch(watches::News::Removed(id))) => {
                face.set_news(Kind::Removed as u32, id);
                Ok(ptr::null_mut())
            }
            Some(News::Watch(watches::News::Skipped(count))) => {
                face.set_news(Kind::Skipped as u32, 0);
                #[expect(clippy::cast_precision_loss, reason = "for people")]
                call.new_number(count as f64)
            }
        }
    })
}

/// `look()`: the next call of `next` looks at everything.
fn look_everywhere(face: &Face, _call: &Call<0>) -> Result<sys::napi_value> {
    face.with_member(|member, _| member.look_everywhere())?;
    Ok(ptr::null_mut())
}
