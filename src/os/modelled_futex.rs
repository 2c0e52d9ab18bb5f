//! Sleeping on a half word in a model run: a queue of sleepers for each word.

use crate::fault;
use crate::sync::{AtomicU32, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use std::collections::HashMap;

loom::lazy_static! {
    /// Who sleeps on the word at which address.
    static ref QUEUES: Mutex<HashMap<usize, Arc<Condvar>>> = Mutex::default();
}

/// Sleeps if `expected` stands in `word`, until somebody wakes it: the caller looks again. The
/// kernel compares and goes to sleep in one step. (A woken sleeper sees all that its waker has done,
/// which the kernel does not promise; who finds the word changed and does not sleep sees no more
/// than the orders of the word itself give.)
pub fn wait(word: &AtomicU32, expected: u32) {
    let Ok(mut queues) = QUEUES.lock() else { return };
    // A read-modify-write sees the newest value, as the kernel does.
    if word.fetch_or(0, Ordering::Relaxed) == expected {
        let queue = Arc::clone(queues.entry(address(word)).or_default());
        drop(queue.wait(queues));
    }
}

/// Wakes one sleeper, if there is one.
pub fn wake(word: &AtomicU32) {
    // One may die before the call as well as before a store.
    fault::point(0);
    let Ok(queues) = QUEUES.lock() else { return };
    if let Some(queue) = queues.get(&address(word)) {
        queue.notify_one();
    }
}

fn address(word: &AtomicU32) -> usize {
    std::ptr::from_ref(word).addr()
}
