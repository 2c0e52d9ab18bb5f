//! Sleeping on a half word in a model run: one queue of sleepers for all words.

use crate::sync::{AtomicU32, Ordering};
use loom::sync::{Condvar, Mutex};

loom::lazy_static! {
    static ref KERNEL: (Mutex<()>, Condvar) = (Mutex::new(()), Condvar::new());
}

/// Sleeps if `expected` stands in `word`, until somebody is woken: the caller looks again. The
/// kernel compares and goes to sleep in one step, and orders nothing else.
pub fn wait(word: &AtomicU32, expected: u32) {
    let (queue, woken) = &*KERNEL;
    let Ok(queue) = queue.lock() else { return };
    // A read-modify-write sees the newest value, as the kernel does.
    if word.fetch_or(0, Ordering::Relaxed) == expected {
        drop(woken.wait(queue));
    }
}

/// Wakes whoever sleeps.
pub fn wake(_word: &AtomicU32) {
    let (queue, woken) = &*KERNEL;
    drop(queue.lock());
    woken.notify_all();
}
