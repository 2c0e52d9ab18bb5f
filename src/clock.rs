//! The wall clock, as JavaScript's `Date.now()` gives it.

/// Whole milliseconds since 1970. Never under a latch: it may be a system call.
#[must_use]
pub fn now_ms() -> f64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    let ms = now.tv_sec * 1000 + now.tv_nsec / 1_000_000;
    #[expect(clippy::cast_precision_loss, reason = "exact for 285 000 years")]
    let ms = ms as f64;
    ms
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_tells_whole_milliseconds_of_the_system_time() {
        let since_1970 = || std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
        let (before, now, after) = (since_1970(), super::now_ms(), since_1970());
        assert!(now.fract() == 0.0 && before * 1e3 - 1.0 <= now && now <= after * 1e3);
    }
}
