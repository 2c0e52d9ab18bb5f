//! Sleeping on a half word of shared memory until another process wakes the sleeper (futex(2)).

use crate::os::poll::timespec;
use core::sync::atomic::AtomicU32;
use rustix::thread::futex::{self, Flags};
use std::time::Duration;

/// Sleeps for as long as `expected` stands in `word`, for at most `timeout`, until it is woken. It
/// may also return for no reason: the caller looks at the word again.
pub fn wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
    let timeout = timeout.map(timespec);
    // Not PRIVATE: the sleeper and its waker are in different processes. Every error says that the
    // caller should look again: the word has changed, the time is over, a signal came.
    let _ = futex::wait(word, Flags::empty(), expected, timeout.as_ref());
}

/// Wakes one sleeper, if there is one.
pub fn wake(word: &AtomicU32) {
    // It fails only for an address that is not mapped.
    let _ = futex::wake(word, Flags::empty(), 1);
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::sync::atomic::Ordering;
    use std::time::Instant;

    #[test]
    fn a_sleeper_is_woken() {
        let word = AtomicU32::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while word.load(Ordering::Acquire) == 0 {
                    wait(&word, 0, None);
                }
            });
            // Release: pairs with the Acquire above.
            word.store(1, Ordering::Release);
            wake(&word);
        });
    }

    #[test]
    fn a_word_that_has_changed_lets_nobody_sleep() {
        wait(&AtomicU32::new(1), 0, None);
    }

    #[test]
    fn a_sleep_ends_with_its_time() {
        let start = Instant::now();
        wait(&AtomicU32::new(0), 0, Some(Duration::from_millis(20)));
        assert!(start.elapsed() >= Duration::from_millis(20));
    }
}
