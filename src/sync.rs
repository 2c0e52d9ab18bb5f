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

/// Sleeps; in a model run, lets another thread go on.
#[cfg(not(shm_loom))]
pub use std::thread::sleep;
/// Lets another thread go on, for a model run has no time.
#[cfg(shm_loom)]
pub fn sleep(_: core::time::Duration) {
    loom::thread::yield_now();
}

/// `get` and `set` for a cell of a model's thread, as std's own `LocalKey<Cell>` has them.
#[cfg(shm_loom)]
pub trait LocalCell<T> {
    /// The value.
    fn get(&'static self) -> T;
    /// Replaces the value.
    fn set(&'static self, value: T);
}

#[cfg(shm_loom)]
impl<T: Copy> LocalCell<T> for loom::thread::LocalKey<core::cell::Cell<T>> {
    fn get(&'static self) -> T {
        self.with(core::cell::Cell::get)
    }

    fn set(&'static self, value: T) {
        self.with(|cell| cell.set(value));
    }
}
