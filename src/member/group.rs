//! How a process comes to the segment of a group, and takes the hub over when its host is gone.

use super::found::{Found, Watched};
use super::greeting::{Answer, ask, hear, not_understood};
use crate::error::{Error, Result};
use crate::hub::group::{Door, Sought, seek};
use crate::hub::{GroupName, Hub, Referral};
use crate::os::socket::{Connection, Listener};
use crate::segment::Segment;
use crate::store::Settings;
use rustix::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant};

/// Pauses between two attempts to become the host, while the former one is not yet seen to be dead,
/// or another one does not answer yet.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);
const AGAIN: Duration = Duration::from_millis(1);
const READING: Duration = Duration::from_millis(5);

/// What a group begins with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Beginnings {
    /// What its segment is like.
    pub settings: Settings,
    /// The file whose entries are in it, if there is one; the last member writes it.
    pub snapshot: Option<PathBuf>,
}

/// The group that this process's primary has joined.
///
/// # Errors
/// [`Error::Refused`] if it is another user's: nobody else may join that.
pub(super) fn of_primary(referral: Referral) -> Result<(GroupName, Beginnings)> {
    let Referral { name, uid, maximum, log, mode, snapshot } = referral;
    let name = GroupName::of(&name)?;
    if name.uid() != uid {
        return Err(Error::Refused(format!(
            "the primary shares by the name \"{name}\" as user {uid}, and this worker runs under user {}",
            name.uid()
        )));
    }
    Ok((name, Beginnings { settings: Settings { maximum, log, mode }, snapshot }))
}

/// Joins the group, or begins it; `None` if that could not be done by `deadline`.
///
/// # Errors
/// [`Error::Reading`] as long as its snapshot is being read; what the hub refuses with; those of
/// [`seek`].
pub(super) fn join(
    name: &GroupName,
    tries: &AtomicU32,
    beginnings: &Beginnings,
    deadline: Instant,
) -> Result<Option<Found>> {
    let mut reading = None;
    loop {
        match seek(name, tries, deadline)? {
            Sought::Begun(door) => {
                let Beginnings { settings, snapshot } = beginnings.clone();
                let hub = Hub::found(name.clone(), door.clone(), settings, snapshot)?;
                return Ok(Some(Found::Founding { door, hub: Arc::new(hub) }));
            }
            Sought::There(connection, address) => {
                ask(&connection);
                match answer(connection, address, deadline) {
                    Ok(None) => {}
                    // Who waits for that waits in peace.
                    Err(error @ Error::Reading { .. }) => {
                        reading = Some(error);
                        std::thread::sleep(
                            READING.min(deadline.saturating_duration_since(Instant::now())),
                        );
                    }
                    // In the queue again, it is still waited for that.
                    Ok(Some(Found::Queued(..))) if reading.is_some() => {}
                    found => return found,
                }
            }
            Sought::Unknown => {}
        }
        if Instant::now() >= deadline {
            return reading.map_or(Ok(None), Err);
        }
        std::thread::sleep(AGAIN);
    }
}

/// As [`join`], for who has asked already and waits for an answer.
///
/// # Errors
/// As for [`join`].
pub(super) fn wait_on(
    name: &GroupName,
    tries: &AtomicU32,
    beginnings: &Beginnings,
    (connection, address): (Connection, String),
    deadline: Instant,
) -> Result<Option<Found>> {
    match answer(connection, address, deadline)? {
        None => join(name, tries, beginnings, deadline),
        found => Ok(found),
    }
}

/// What the hub says; `None` if it says nothing any more: its host has left, or who began the group has
/// given up.
fn answer(connection: Connection, address: String, deadline: Instant) -> Result<Option<Found>> {
    match hear(&connection, deadline)? {
        Answer::Welcome(file, mut others) => {
            let listener = others.pop().ok_or_else(not_understood)?;
            let door = Some(Door { address, listener: Arc::new(Listener::from(listener)) });
            Ok(Some(Found::Guest { file, door, connection: Arc::new(connection) }))
        }
        Answer::Silence => Ok(Some(Found::Queued(connection, address))),
        Answer::Closed => Ok(None),
        Answer::Reading(entries, total) => Err(Error::Reading { entries, total }),
        Answer::Elsewhere(_) => Err(not_understood()),
    }
}

/// Becomes the host of the group, or the guest of another who has; `None` if this process leaves.
/// After `patience` it has somebody told that there is no hub, and says so.
pub(super) fn find_again(
    name: &GroupName,
    watched: &Watched,
    patience: Duration,
    tell: impl Fn(),
) -> (Option<Found>, bool) {
    let Some(door) = watched.door.clone() else {
        return (None, false);
    };
    let since = Instant::now();
    let mut is_told = false;
    let mut pause = FIRST_PAUSE;
    let mut waiting = None;
    while !watched.is_left() {
        if let Some(hub) = lead(name, &door, &watched.segment) {
            let segment = Arc::clone(&watched.segment);
            return (Some(Found::Host { segment, door, hub: Arc::new(hub) }), is_told);
        }
        match wait(watched, waiting.take().or_else(|| queue(&door)), pause) {
            Waited::In(file, connection) => {
                let is_same = watched.is_same(&file);
                let connection = Arc::new(connection);
                let found = Found::Guest { file, door: Some(door), connection };
                return (is_same.then_some(found), is_told);
            }
            Waited::Still(connection) => waiting = connection,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
        if !is_told && since.elapsed() >= patience {
            is_told = true;
            tell();
        }
    }
    (None, is_told)
}

/// What has become of who waits to be accepted.
enum Waited {
    In(OwnedFd, Connection),
    Still(Option<Connection>),
}

/// In the queue of the listener that all members have, for whoever will accept.
fn queue(door: &Door) -> Option<Connection> {
    let connection = Connection::open(&door.address, Instant::now()).ok().flatten()?;
    ask(&connection);
    Some(connection)
}

fn wait(watched: &Watched, connection: Option<Connection>, pause: Duration) -> Waited {
    if let Some(connection) = connection {
        match hear(&connection, Instant::now() + pause) {
            Ok(Answer::Welcome(file, _)) => return Waited::In(file, connection),
            Ok(Answer::Silence) => return Waited::Still(Some(connection)),
            // Refused, or an error: it may be another time.
            Ok(Answer::Closed | Answer::Elsewhere(_) | Answer::Reading(..)) | Err(_) => {}
        }
    }
    watched.rest(pause);
    Waited::Still(None)
}

/// What fails now is tried again.
fn lead(name: &GroupName, door: &Door, segment: &Arc<Segment>) -> Option<Hub> {
    Hub::lead(name.clone(), door.clone(), Arc::clone(segment)).ok().flatten()
}
