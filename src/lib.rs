//! Values in real shared memory for the processes of one Node.js application.
//!
//! The modules below stand in floor order: each uses only those above it (`tests/layers.rs`
//! holds that). Read them from top to bottom; `docs/design.md` draws the segment and answers, for
//! every gap between two stores, what happens to a process that is killed there.

#[cfg(not(all(target_os = "linux", target_pointer_width = "64", target_endian = "little")))]
compile_error!("the package runs on 64-bit, little-endian Linux only");

pub mod clock;
pub mod error;
pub mod sync;

pub mod fault;

pub mod os;

pub mod segment;

pub mod intent;
pub mod latch;

pub mod heap;

pub mod entry;
pub mod log;
pub mod table;

pub mod shard;
pub mod wake;

pub mod store;

pub mod locks;
pub mod lru;
pub mod watches;

pub mod repair;
pub mod verify;

#[cfg(not(shm_loom))]
pub mod snapshot;

#[cfg(not(shm_loom))]
pub mod hub;
#[cfg(not(shm_loom))]
pub mod member;

#[cfg(feature = "node")]
mod node;
