//! How a worker finds the hub of its primary: under the name that it knows by itself.

use super::found::{Found, Watched};
use super::greeting::{Answer, ask, hear};
use crate::error::{Error, Result};
use crate::hub::HubName;
use crate::hub::admission::check_hub;
use crate::os::socket::Connection;
use rustix::io::Errno;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Pauses between two attempts to find the hub again.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long a hub may take to answer then.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// Asks the hub for admission and its segment; `None` if nobody answers by `deadline`.
///
/// # Errors
/// What the hub refuses with; [`crate::error::Error::System`].
pub(super) fn knock(name: &HubName, deadline: Instant) -> Result<Option<Found>> {
    let connection = match Connection::open(&name.to_string(), deadline) {
        Ok(Some(connection)) => connection,
        Ok(None) => return Ok(None),
        Err(error) if error.is_errno(Errno::AGAIN) => return Ok(None),
        Err(error) => return Err(error),
    };
    check_hub(name, connection.peer()?)?;
    ask(&connection);
    Ok(match hear(&connection, deadline)? {
        Answer::Welcome(file, _) => {
            Some(Found::Guest { file, door: None, connection: Arc::new(connection) })
        }
        Answer::Elsewhere(referral) => Some(Found::Elsewhere(referral)),
        Answer::Reading(entries, total) => return Err(Error::Reading { entries, total }),
        Answer::Silence | Answer::Closed => None,
    })
}

/// Whether the hub of this name is there, and whom this process expects; or may be, for its queue is
/// full.
#[must_use]
pub fn is_there(name: &HubName) -> bool {
    match Connection::open(&name.to_string(), Instant::now()) {
        Ok(Some(connection)) => connection.peer().is_ok_and(|peer| check_hub(name, peer).is_ok()),
        Ok(None) => false,
        Err(error) => error.is_errno(Errno::AGAIN),
    }
}

/// Asks again and again, less and less often, until a hub has the same segment; `None` if none ever
/// can: the process that had the name is dead, and no other can have it.
pub(super) fn find_again(name: &HubName, watched: &Watched) -> Option<Found> {
    let mut pause = FIRST_PAUSE;
    loop {
        watched.rest(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
        if name.process().is_dead() {
            return None;
        }
        // Refused, or an error: it may be another time.
        match knock(name, Instant::now() + ANSWER_WITHIN) {
            // The members here are in the old segment; nobody can bring them over to a new one.
            Ok(Some(Found::Guest { file, .. })) if !watched.is_same(&file) => return None,
            Ok(Some(found)) => return Some(found),
            Ok(None) | Err(_) => {}
        }
    }
}
