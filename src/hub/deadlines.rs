//! What the hub has to do later: look around every second, and try again what did not work.
//!
//! Trying again waits twice as long each time, up to half a minute: a stopped process may keep a
//! latch for hours.

use crate::os::process::ProcessId;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How often the hub looks around.
pub(super) const TICK: Duration = Duration::from_secs(1);

const FIRST_DELAY: Duration = Duration::from_millis(10);
const LONGEST_DELAY: Duration = Duration::from_secs(30);

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// Look around.
    Tick,
    /// Try again to mend what this process left.
    Mend(ProcessId),
}

#[derive(Debug, Clone, Copy)]
struct Retry {
    at: Option<Instant>,
    delay: Duration,
}

/// All that is to be done later.
#[derive(Debug)]
pub(super) struct Deadlines {
    tick: Instant,
    retries: HashMap<ProcessId, Retry>,
}

impl Deadlines {
    /// Nothing but the ticks from `first` on.
    #[must_use]
    pub(super) fn new(first: Instant) -> Self {
        Self { tick: first, retries: HashMap::new() }
    }

    /// Mending what a process left did not work: try again, later than the last time.
    pub(super) fn retry(&mut self, process: ProcessId, now: Instant) {
        let delay = self
            .retries
            .get(&process)
            .map_or(FIRST_DELAY, |last| (last.delay * 2).min(LONGEST_DELAY));
        let at = Some(now + delay);
        self.retries.insert(process, Retry { at, delay });
    }

    /// It did work.
    pub(super) fn done(&mut self, process: ProcessId) {
        self.retries.remove(&process);
    }

    /// The processes that are still to be mended after.
    pub(super) fn waiting(&self) -> impl Iterator<Item = ProcessId> {
        self.retries.keys().copied()
    }

    /// When the next thing is due.
    #[must_use]
    pub(super) fn next(&self) -> Instant {
        let retries = self.retries.values().filter_map(|retry| retry.at);
        retries.fold(self.tick, Instant::min)
    }

    /// What is due now; each once.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Due> {
        let mut due = Vec::new();
        if self.tick <= now {
            self.tick = now + TICK;
            due.push(Due::Tick);
        }
        for (process, retry) in &mut self.retries {
            if retry.at.is_some_and(|at| at <= now) {
                // The delay is kept for the next time, until it is done.
                retry.at = None;
                due.push(Due::Mend(*process));
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROCESS: ProcessId = ProcessId { pid: 7, start_time: 1 };

    #[test]
    fn ticks_come_every_second_and_never_pile_up() {
        let start = Instant::now();
        let mut deadlines = Deadlines::new(start + TICK);
        assert!(deadlines.due(start).is_empty());
        assert_eq!(deadlines.next(), start + TICK);
        assert_eq!(deadlines.due(start + TICK * 5), [Due::Tick]);
        assert_eq!(deadlines.next(), start + TICK * 6);
    }

    #[test]
    fn retries_wait_longer_each_time_until_they_are_done() {
        let mut now = Instant::now();
        let mut deadlines = Deadlines::new(now + Duration::from_secs(3600));
        let mut delays = Vec::new();
        for _ in 0..14 {
            deadlines.retry(PROCESS, now);
            delays.push(deadlines.next() - now);
            now = deadlines.next();
            assert_eq!(deadlines.due(now), [Due::Mend(PROCESS)]);
            assert!(deadlines.due(now).is_empty(), "due once");
        }
        assert_eq!(delays[0], FIRST_DELAY);
        assert!(delays.windows(2).all(|pair| pair[0] <= pair[1]));
        assert_eq!(delays[13], LONGEST_DELAY);

        deadlines.done(PROCESS);
        deadlines.retry(PROCESS, now);
        assert_eq!(deadlines.next() - now, FIRST_DELAY);
    }
}
