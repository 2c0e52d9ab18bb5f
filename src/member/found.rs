//! What this process finds where it looks for a hub, and what it keeps of it.

use crate::hub::group::Door;
use crate::hub::{Hub, Referral};
use crate::os::fd;
use crate::os::socket::Connection;
use crate::segment::Segment;
use crate::segment::host;
use rustix::fd::{AsFd as _, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// What is found there.
#[derive(Debug)]
pub(super) enum Found {
    /// A hub that has admitted this process.
    Guest { file: OwnedFd, door: Option<Door>, connection: Arc<Connection> },
    /// Somebody, who does not answer yet.
    Queued(Connection, String),
    /// Nothing: this process hosts the hub now, which has no segment yet.
    Founding { door: Door, hub: Arc<Hub> },
    /// Nothing: this process hosts the hub now.
    Host { segment: Arc<Segment>, door: Door, hub: Arc<Hub> },
    /// A hub whose process shares by a name.
    Elsewhere(Referral),
}

/// What is kept from when the hub is found, whatever becomes of it.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) segment: Arc<Segment>,
    pub(super) door: Option<Door>,
    is_left: Mutex<bool>,
    leaving: Condvar,
}

impl Watched {
    pub(super) fn new(segment: Arc<Segment>, door: Option<Door>) -> Self {
        Self { segment, door, is_left: Mutex::new(false), leaving: Condvar::new() }
    }

    /// Whether this process leaves.
    pub(super) fn is_left(&self) -> bool {
        *self.is_left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits, but not for longer than this process stays.
    pub(super) fn rest(&self, pause: Duration) {
        let is_left = self.is_left.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = self.leaving.wait_timeout_while(is_left, pause, |is_left| !*is_left);
    }

    /// Whether a file is that of this segment.
    pub(super) fn is_same(&self, file: &OwnedFd) -> bool {
        let ours = fd::identity(self.segment.file()).ok();
        ours.is_some() && ours == fd::identity(file.as_fd()).ok()
    }

    /// Whether the host is not known to be dead.
    pub(super) fn has_host(&self) -> bool {
        let host = host::current(self.segment.region(), self.segment.layout());
        host.is_ok_and(|host| host.is_none_or(|host| !host.is_dead()))
    }

    pub(super) fn leave(&self) {
        *self.is_left.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.leaving.notify_all();
    }
}
