//! The operating system behind small contracts: one file per thing, one place per platform.

#[cfg(not(shm_loom))]
pub mod fd;
#[cfg_attr(shm_loom, path = "modelled_futex.rs")]
pub mod futex;
#[cfg(not(shm_loom))]
pub mod mapping;
#[cfg(not(shm_loom))]
pub mod poll;
#[cfg_attr(shm_loom, path = "modelled_process.rs")]
pub mod process;
#[cfg(not(shm_loom))]
pub mod socket;
#[cfg(not(shm_loom))]
pub mod unix_diag;

use crate::error::{Error, Result};
use std::thread::{Builder, JoinHandle};

/// Starts a thread. It does not keep the process alive.
///
/// # Errors
/// [`Error::System`] if there can be no more threads.
pub fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    let started = Builder::new().name(name.into()).spawn(body);
    started.map_err(|error| Error::System {
        call: "pthread_create",
        errno: error.raw_os_error().unwrap_or_default(),
    })
}
