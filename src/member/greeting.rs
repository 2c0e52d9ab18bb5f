//! What this process says to a hub that it has connected to, and what it takes from it.

use crate::error::{Error, Result};
use crate::hub::admission::refused;
use crate::hub::message::{Hello, Referral, Reply, Request, parse, to_bytes};
use crate::os::process::ProcessId;
use crate::os::socket::{Connection, Received};
use rustix::fd::OwnedFd;
use std::time::Instant;

/// What a hub answers.
#[derive(Debug)]
pub(super) enum Answer {
    /// This process is admitted: the segment's descriptor, and what else came with it.
    Welcome(OwnedFd, Vec<OwnedFd>),
    /// It shall join this group.
    Elsewhere(Referral),
    /// It shall ask again: so many entries of so many are read of what the segment begins with.
    Reading(u64, u64),
    /// Nothing yet.
    Silence,
    /// Nothing any more.
    Closed,
}

/// Asks for admission. Who is refused by its credentials alone may find the connection closed: the
/// answer is there.
pub(super) fn ask(connection: &Connection) {
    let hello = Request::Hello(Hello::of(ProcessId::current()));
    let _ = connection.send(&to_bytes(&hello), &[]);
}

/// The answer, if it comes by `deadline`.
///
/// # Errors
/// What the hub refuses with; [`Error::System`].
pub(super) fn hear(connection: &Connection, deadline: Instant) -> Result<Answer> {
    match connection.receive(Some(deadline))? {
        Received::Nothing => Ok(Answer::Silence),
        Received::Closed => Ok(Answer::Closed),
        Received::TooLong => Err(not_understood()),
        Received::Message(text, files) => {
            let mut files = files.into_iter();
            match (parse(&text), files.next()) {
                (Ok(Reply::Welcome { .. }), Some(file)) => {
                    Ok(Answer::Welcome(file, files.collect()))
                }
                (Ok(Reply::Elsewhere(referral)), _) => Ok(Answer::Elsewhere(referral)),
                (Ok(Reply::Reading { entries, total }), _) => Ok(Answer::Reading(entries, total)),
                (Ok(Reply::Refused(refusal)), _) => Err(refused(refusal)),
                _ => Err(not_understood()),
            }
        }
    }
}

pub(super) fn not_understood() -> Error {
    Error::Refused("the hub's answer cannot be understood".into())
}
