//! Two clocks that all processes of the machine share: the wall clock, as JavaScript's `Date.now()`
//! gives it, and the time since the machine was started, which nobody can set.
//!
//! Both take some 25 ns, in the caller's own memory (vDSO). Where a machine has no clock that can be
//! read so, they are system calls, which wait for nobody. Under a latch only ends are compared with
//! them: what was asked before the latch was waited for would be too old.

/// Whole milliseconds since 1970.
#[must_use]
pub fn now_ms() -> f64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    let ms = now.tv_sec * 1000 + now.tv_nsec / 1_000_000;
    #[expect(clippy::cast_precision_loss, reason = "exact for 285 000 years")]
    let ms = ms as f64;
    ms
}

/// Microseconds since the machine was started, those in which it slept included; at least 1.
#[must_use]
pub fn since_boot_us() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let us = now.tv_sec * 1_000_000 + now.tv_nsec / 1000;
    us.max(1).cast_unsigned()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_time_since_the_start_rises() {
        let before = super::since_boot_us();
        std::thread::sleep(std::time::Duration::from_millis(20));
        assert!(super::since_boot_us() >= before + 20_000);
    }

    #[test]
    fn it_tells_whole_milliseconds_of_the_system_time() {
        let since_1970 = || std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
        let (before, now, after) = (since_1970(), super::now_ms(), since_1970());
        assert!(now.fract() == 0.0 && before * 1e3 - 1.0 <= now && now <= after * 1e3);
    }
}
