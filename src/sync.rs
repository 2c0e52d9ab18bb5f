//! The atomics of the segment: core's, or loom's in a model run (`--cfg shm_loom`).

#[cfg(not(shm_loom))]
pub use core::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
#[cfg(shm_loom)]
pub use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

/// Tells the processor that this is a spin loop; in a model run, lets another thread go on.
pub fn spin_hint() {
    #[cfg(not(shm_loom))]
    core::hint::spin_loop();
    #[cfg(shm_loom)]
    loom::thread::yield_now();
}
