//! Processes of a model run: its threads, which die when they say so.

use crate::sync::{AtomicU64, Ordering};

loom::lazy_static! {
    /// A bit for each pid that is dead.
    static ref DEAD: AtomicU64 = AtomicU64::new(0);
}

/// A process of the model; pids are below 64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProcessId {
    /// Its process id.
    pub pid: u32,
    /// Not used.
    pub start_time: u64,
}

impl ProcessId {
    /// What the kernel does once the last instruction of a process is done.
    pub fn report_death(self) {
        // Release: pairs with the Acquire in `is_dead`.
        DEAD.fetch_or(1 << self.pid, Ordering::Release);
    }

    /// Whether its death is proven.
    #[must_use]
    pub fn is_dead(self) -> bool {
        // Acquire: who learns of a death sees everything that the dead has done.
        DEAD.load(Ordering::Acquire) >> self.pid & 1 != 0
    }

    /// What it is doing.
    #[must_use]
    pub const fn state(self) -> &'static str {
        "modelled"
    }
}
