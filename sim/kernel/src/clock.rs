//! A node's clocks: what it believes the time to be, as a function of true virtual time.

use contract::{Time, Wall};

/// True time zero on the wall: 2026-01-01T00:00:00Z, in nanoseconds since the epoch.
const WALL_EPOCH: i64 = 1_767_225_600_000_000_000;

/// Offsets and rate of one node's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    /// When the node booted.
    booted: u64,
    /// Error that drift had gathered at `since`, in nanoseconds.
    gathered: i64,
    since: u64,
    /// How fast the clocks run, in parts per million beside the truth.
    drift_ppm: i64,
    /// How far the wall clock is off besides.
    offset: i64,
}

impl Clock {
    /// The monotonic clock: from zero at each boot of the node.
    #[inline]
    pub fn monotonic(&self, truth: u64) -> Time {
        let elapsed = (truth - self.booted) as i64 + self.error(truth);
        Time(elapsed.max(0) as u64)
    }

    /// The wall clock.
    pub fn wall(&self, truth: u64) -> Wall {
        Wall(WALL_EPOCH + truth as i64 + self.error(truth) + self.offset)
    }

    /// How much true time passes until this clock has counted `nanos`; rounded up, since a timer that fires
    /// a nanosecond early by its own node's clock would be set again for no time at all, for ever.
    #[inline]
    pub fn true_span(&self, nanos: u64) -> u64 {
        if self.drift_ppm == 0 {
            return nanos;
        }
        ((u128::from(nanos) * 1_000_000).div_ceil((1_000_000 + self.drift_ppm) as u128) as u64).saturating_add(1)
    }

    /// The node booted: the monotonic clock starts again and its error with it.
    pub fn boot(&mut self, truth: u64) {
        self.settle(truth);
        self.offset += self.gathered;
        self.gathered = 0;
        self.booted = truth;
    }

    /// From now on the clocks gain `ppm` millionths (negative: lose).
    pub fn set_drift(&mut self, truth: u64, ppm: i64) {
        assert!(ppm > -500_000 && ppm < 500_000, "a clock runs at between half and one and a half speed");
        self.settle(truth);
        self.drift_ppm = ppm;
    }

    /// The wall clock is off by `offset` nanoseconds from now on.
    pub fn set_offset(&mut self, offset: i64) {
        self.offset = offset;
    }

    /// Whether the wall clock shows another time than the truth.
    pub fn is_off(&self) -> bool {
        self.offset != 0
    }

    /// Whether the clocks run at a wrong speed.
    pub fn drifts(&self) -> bool {
        self.drift_ppm != 0
    }

    fn settle(&mut self, truth: u64) {
        self.gathered = self.error(truth);
        self.since = truth;
    }

    #[inline]
    fn error(&self, truth: u64) -> i64 {
        if self.drift_ppm == 0 {
            return self.gathered;
        }
        self.gathered + (i128::from(truth - self.since) * i128::from(self.drift_ppm) / 1_000_000) as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn monotonic_never_goes_back_when_drift_changes_and_starts_again_at_boot() {
        let mut clock = Clock::default();
        let mut last = Time::ZERO;
        for (truth, ppm) in [(1_000_000, 400_000), (2_000_000, -400_000), (9_000_000, 0), (10_000_000, 7)] {
            clock.set_drift(truth, ppm);
            assert!(clock.monotonic(truth) >= last);
            last = clock.monotonic(truth);
        }
        clock.boot(11_000_000);
        assert_eq!(clock.monotonic(11_000_000), Time::ZERO);
    }

    #[test]
    fn a_timer_never_fires_before_its_own_clock_says_so() {
        for ppm in [-499_999, -49_999, -7, 1, 13, 33_333, 499_999] {
            let mut clock = Clock::default();
            clock.set_drift(1_234_567, ppm);
            for (start, wait) in (0..500u64).map(|step| (1_234_567 + step * 7_919, step * 1_009)) {
                let before = clock.monotonic(start);
                let after = clock.monotonic(start + clock.true_span(wait));
                assert!(after.0 - before.0 >= wait, "{ppm} ppm: {wait} ns waited, {} counted", after.0 - before.0);
            }
        }
    }

    #[test]
    fn a_fast_clock_fires_its_timers_early() {
        let mut clock = Clock::default();
        clock.set_drift(0, 250_000);
        assert_eq!(clock.true_span(1_000_000), 800_001);
        assert_eq!(clock.monotonic(800_000), Time(1_000_000));
    }
}
