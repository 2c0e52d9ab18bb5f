//! Waiting for one of several descriptors, and a bell to end the wait from another thread.

use crate::error::{Error, Result};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use std::time::Duration;

/// What to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// Something can be read, or the end is reached.
    Read,
    /// Nothing, for now.
    None,
}

/// Waits for at most `timeout`, or for ever; gives the places in `of` that are ready. They may be
/// none, also before the time is over.
///
/// # Errors
/// [`Error::System`].
pub fn wait(of: &[(BorrowedFd<'_>, Interest)], timeout: Option<Duration>) -> Result<Vec<usize>> {
    let mut fds: Vec<_> = of
        .iter()
        .map(|(fd, interest)| match interest {
            Interest::Read => PollFd::from_borrowed_fd(*fd, PollFlags::IN),
            Interest::None => PollFd::from_borrowed_fd(*fd, PollFlags::empty()),
        })
        .collect();
    let timeout = timeout.map(timespec);
    match poll(&mut fds, timeout.as_ref()) {
        Ok(_) => {}
        Err(Errno::INTR) => return Ok(Vec::new()),
        Err(errno) => return Err(Error::system("poll")(errno)),
    }
    let ready = fds.iter().zip(of).enumerate();
    Ok(ready
        .filter(|(_, (fd, (_, interest)))| *interest == Interest::Read && !fd.revents().is_empty())
        .map(|(place, _)| place)
        .collect())
}

/// A time span as the kernel takes it.
pub(super) fn timespec(span: Duration) -> Timespec {
    Timespec {
        tv_sec: span.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: span.subsec_nanos().into(),
    }
}

/// Becomes readable when it is rung.
#[derive(Debug)]
pub struct Bell(OwnedFd);

impl Bell {
    /// A silent bell.
    ///
    /// # Errors
    /// [`Error::System`].
    pub fn new() -> Result<Self> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        eventfd(0, flags).map(Self).map_err(Error::system("eventfd"))
    }

    /// Rings it.
    pub fn ring(&self) {
        // It fails only if it has been rung 2^64 - 2 times without being silenced.
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }

    /// Silences it.
    pub fn silence(&self) {
        // It fails only if the bell is silent.
        let _ = rustix::io::read(&self.0, &mut [0_u8; 8]);
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bell_ends_a_wait_until_it_is_silenced() {
        let bell = Bell::new().unwrap();
        let ready = || wait(&[(bell.as_fd(), Interest::Read)], Some(Duration::ZERO)).unwrap();
        assert!(ready().is_empty());
        bell.ring();
        bell.ring();
        assert_eq!(ready(), [0]);
        bell.silence();
        assert!(ready().is_empty());
    }

    #[test]
    fn what_is_of_no_interest_does_not_end_a_wait() {
        let bell = Bell::new().unwrap();
        bell.ring();
        let span = Some(Duration::from_millis(1));
        assert!(wait(&[(bell.as_fd(), Interest::None)], span).unwrap().is_empty());
    }
}
