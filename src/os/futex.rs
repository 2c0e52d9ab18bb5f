//! Sleeping on a half word of shared memory until another process wakes the sleeper (futex(2)).

use core::sync::atomic::AtomicU32;
use rustix::thread::futex::{self, Flags};

/// Sleeps for as long as `expected` stands in `word`, until it is woken. It may also return for no
/// reason: the caller looks at the word again.
pub fn wait(word: &AtomicU32, expected: u32) {
    // Not PRIVATE: the sleeper and its waker are in different processes. Every error says that the
    // caller should look again: the word has changed, a signal came.
    let _ = futex::wait(word, Flags::empty(), expected, None);
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

    #[test]
    fn a_sleeper_is_woken() {
        let word = AtomicU32::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while word.load(Ordering::Acquire) == 0 {
                    wait(&word, 0);
                }
            });
            // Release: pairs with the Acquire above.
            word.store(1, Ordering::Release);
            wake(&word);
        });
    }

    #[test]
    fn a_word_that_has_changed_lets_nobody_sleep() {
        wait(&AtomicU32::new(1), 0);
    }
}
