//! Models: the real protocols, run by loom in all orders of their steps and with all values that
//! the memory model lets a load see.
//!
//! `RUSTFLAGS="--cfg shm_loom" cargo test --release --no-default-features --test loom`
//!
//! The modules of the crate down to locks and watches are the real ones; only the file, the mapping, the
//! kernel's word on who is dead, and time are replaced (`segment::modelled`, `os::modelled`). A
//! death or a stop is a thread that unwinds before a chosen store, or call to the kernel, and leaves
//! everything as it is; each is tried before *every* store of the operation.
//!
//! What bounds a model. At most so many preemptions as it says, for the orders of steps. Writers
//! are the first thread of a run: loom forgets a thread's load when the storing thread has loaded
//! the word too, and would miss orders if readers came first. A reader that stores nothing needs
//! no preemption at all: whatever it could see in the middle of a change it can also see after it,
//! as old values, of which loom keeps the last seven of each word. What loom does not model: a load
//! that sees a store which is made only later in the run, and a waiter that sees an old value again
//! after it has yielded.
#![cfg(shm_loom)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a test ends by a panic, and its numbers are small"
)]

mod latch;
mod locks;
mod log;
mod numbers;
mod pages;
mod reading;
mod scans;
mod support;
mod wake;
mod watches;
