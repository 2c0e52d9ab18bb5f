//! Death on demand: a test can end or stop this thread before any chosen store into the segment.
//!
//! Every store into the segment passes [`point`], and every step of a snapshot to its place. Without
//! the feature `faults` it is empty; with it, it counts, and when the fuel of the thread has run out
//! does what the test asked for. That is how the crash matrix visits each gap between two stores of
//! each operation.

/// What happens when the fuel has run out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// SIGKILL to this process.
    Kill,
    /// SIGSTOP to this process; after SIGCONT it goes on.
    Stop,
    /// Unwind this thread with [`Died`] as payload, leaving latches as they are: a death for models
    /// that live in one process.
    Unwind,
}

/// The payload of a thread that ended by [`Then::Unwind`].
#[derive(Debug, Clone, Copy)]
pub struct Died;

/// What [`point`] is told of a step that changes which file has which name: no offset of a segment.
pub const FILE: u64 = u64::MAX;

/// Called before each store into the segment, with its offset in bytes.
#[cfg(not(any(feature = "faults", shm_loom)))]
#[inline(always)]
pub fn point(_at: u64) {}

/// Whether this thread has died by [`Then::Unwind`]: nothing may be released on its way out.
#[cfg(not(any(feature = "faults", shm_loom)))]
#[inline(always)]
#[must_use]
pub fn is_dead() -> bool {
    false
}

#[cfg(any(feature = "faults", shm_loom))]
pub use counting::{disarm, is_dead, point, set_fuel, stores, trace};

#[cfg(any(feature = "faults", shm_loom))]
mod counting {
    use super::{Died, Then};
    #[cfg(shm_loom)]
    use crate::sync::LocalCell as _;
    use std::cell::Cell;

    #[cfg(not(shm_loom))]
    std::thread_local! {
        static STORES: Cell<u64> = const { Cell::new(0) };
        static FUEL: Cell<Option<(u64, Then)>> = const { Cell::new(None) };
        static DEAD: Cell<bool> = const { Cell::new(false) };
        static OBSERVER: Cell<Option<fn(u64)>> = const { Cell::new(None) };
    }
    // The threads of a model run share one thread of the system.
    #[cfg(shm_loom)]
    loom::thread_local! {
        static STORES: Cell<u64> = Cell::new(0);
        static FUEL: Cell<Option<(u64, Then)>> = Cell::new(None);
        static DEAD: Cell<bool> = Cell::new(false);
        static OBSERVER: Cell<Option<fn(u64)>> = Cell::new(None);
    }

    /// Lets this thread do `stores` more stores and then do what `then` says.
    pub fn set_fuel(stores: u64, then: Then) {
        FUEL.set(Some((stores, then)));
        DEAD.set(false);
    }

    /// Takes the fuel away: this thread goes on for ever.
    pub fn disarm() {
        FUEL.set(None);
        DEAD.set(false);
    }

    /// Stores of this thread so far.
    #[must_use]
    pub fn stores() -> u64 {
        STORES.get()
    }

    /// Whether this thread has died by [`Then::Unwind`]: nothing may be released on its way out.
    #[must_use]
    pub fn is_dead() -> bool {
        DEAD.get()
    }

    /// Tells `observer` the offset of each store of this thread from now on, just before it happens
    /// or the fuel has run out for it.
    pub fn trace(observer: Option<fn(u64)>) {
        OBSERVER.set(observer);
    }

    /// Called before each store into the segment, with its offset in bytes.
    pub fn point(at: u64) {
        STORES.set(STORES.get() + 1);
        if let Some(observer) = OBSERVER.get() {
            observer(at);
        }
        match FUEL.get() {
            None => {}
            Some((0, then)) => run_out(then),
            Some((left, then)) => FUEL.set(Some((left - 1, then))),
        }
    }

    #[cold]
    fn run_out(then: Then) {
        FUEL.set(None);
        match then {
            Then::Kill => signal(rustix::process::Signal::KILL),
            Then::Stop => signal(rustix::process::Signal::STOP),
            Then::Unwind => {
                DEAD.set(true);
                std::panic::resume_unwind(Box::new(Died));
            }
        }
    }

    fn signal(signal: rustix::process::Signal) {
        let _ = rustix::process::kill_process(rustix::process::getpid(), signal);
    }
}
