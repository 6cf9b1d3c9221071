//! A node's clocks: what it believes the time to be, as a function of true virtual time.
//!
//! The monotonic clock never goes back while the node is up; only drift touches it. The wall clock may be
//! off, jump, stand still or repeat a second: each such error belongs to the fault slot that made it.

use crate::draw::within;
use crate::fault::{FaultKind, FaultSpec};
use contract::time::nanos;
use contract::{Time, Wall};
use rand_core::Rng;

/// True time zero on the wall: 2026-01-01T00:00:00Z, in nanoseconds since the epoch.
const WALL_EPOCH: i64 = 1_767_225_600_000_000_000;
/// A second in nanoseconds.
const SECOND: i64 = 1_000_000_000;
/// Seconds since the epoch at which a signed and an unsigned 32-bit counter overflow: in 2038 and in 2106.
const OVERFLOWS: [i64; 2] = [1 << 31, 1 << 32];
/// A far jump lands so long before an overflow, at most, so that the clock soon passes it.
const LEAD: u64 = 500_000_000;

/// Offsets and rate of one node's clocks.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// When the node booted.
    booted: u64,
    /// Error of the monotonic clock that drift had gathered at `since`, in nanoseconds.
    gathered: i64,
    since: u64,
    /// How fast the clocks run, in parts per million beside the truth.
    drift_ppm: i64,
    /// What the wall clock is off because of drift in earlier boots.
    carried: i64,
    /// What is wrong with the wall clock, by fault slot, in the order of the strikes.
    errors: Vec<(usize, Error)>,
}

/// One thing that is wrong with a wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// It is so many nanoseconds ahead.
    Offset(i64),
    /// It stands still at this date.
    Frozen(Wall),
    /// It went back a second at this true time.
    Repeated(u64),
    /// From `since` on it loses one second, spread over `span` nanoseconds.
    Smeared {
        /// True time of the beginning.
        since: u64,
        /// How long it takes.
        span: u64,
    },
}

impl Error {
    /// How far ahead the wall clock is at that true time, while it goes.
    fn ahead(self, now: u64) -> i64 {
        match self {
            Error::Offset(offset) => offset,
            Error::Frozen(_) => 0,
            Error::Repeated(from) => {
                if now < from {
                    0
                } else {
                    -SECOND
                }
            }
            Error::Smeared { since, span } => {
                let elapsed = i128::from(now.saturating_sub(since));
                let lost = elapsed * i128::from(SECOND) / i128::from(span.max(1));
                // Never more than has passed: a clock that smears does not go back.
                -(lost.min(elapsed).min(i128::from(SECOND)) as i64)
            }
        }
    }
}

/// The true date.
pub(crate) fn truth(now: u64) -> i64 {
    WALL_EPOCH.saturating_add_unsigned(now)
}

impl Clock {
    /// The monotonic clock: from zero at each boot of the node.
    #[inline]
    pub fn monotonic(&self, truth: u64) -> Time {
        let elapsed = (truth - self.booted) as i64 + self.error(truth);
        Time(elapsed.max(0) as u64)
    }

    /// The wall clock.
    pub fn wall(&self, now: u64) -> Wall {
        self.frozen().unwrap_or_else(|| self.going(now))
    }

    /// The fault slots that made the wall clock show what it showed at that true time.
    pub fn falsified(&self, now: u64) -> impl Iterator<Item = usize> {
        let frozen = self.frozen();
        let wrong = self.errors.iter().filter(move |(_, error)| match error {
            Error::Frozen(date) => *date != self.going(now),
            going => frozen.is_none() && going.ahead(now) != 0,
        });
        wrong.map(|(slot, _)| *slot)
    }

    /// The date at which the wall clock stands still, if it does.
    fn frozen(&self) -> Option<Wall> {
        self.errors.iter().find_map(|(_, error)| if let Error::Frozen(date) = error { Some(*date) } else { None })
    }

    /// What the wall clock would show if it did not stand still.
    fn going(&self, now: u64) -> Wall {
        let right = truth(now).saturating_add(self.error(now)).saturating_add(self.carried);
        Wall(self.errors.iter().fold(right, |date, (_, error)| date.saturating_add(error.ahead(now))))
    }

    /// What a fault that strikes now and `lasts` so long does to the wall clock. The draws do not depend on
    /// the clock: one step for many nodes is the same step.
    pub fn draw_error(&self, spec: &FaultSpec, now: u64, lasts: u64, rng: &mut impl Rng) -> Error {
        let mut draw = |least, most| within(rng.next_u64(), least, most);
        match spec.kind {
            FaultKind::ClockFreeze => Error::Frozen(self.wall(now)),
            FaultKind::LeapSecond if draw(0, 1) == 0 => Error::Smeared { since: now, span: lasts },
            // True time zero is a full second of the date.
            FaultKind::LeapSecond => Error::Repeated(now.next_multiple_of(SECOND as u64)),
            FaultKind::ClockJump if draw(0, 1) == 0 => {
                let overflow = OVERFLOWS[draw(0, 1) as usize] * SECOND;
                Error::Offset(overflow - draw(1, (lasts / 2).clamp(1, LEAD)) as i64 - truth(now))
            }
            _ => {
                let offset = draw(nanos(spec.amount.least), nanos(spec.amount.most));
                let offset = i64::try_from(offset).unwrap_or(i64::MAX);
                Error::Offset(if draw(0, 1) == 0 { -offset } else { offset })
            }
        }
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
        self.carried += self.gathered;
        self.gathered = 0;
        self.booted = truth;
    }

    /// From now on the clocks gain `ppm` millionths (negative: lose).
    pub fn set_drift(&mut self, truth: u64, ppm: i64) {
        assert!(ppm > -500_000 && ppm < 500_000, "a clock runs at between half and one and a half speed");
        self.settle(truth);
        self.drift_ppm = ppm;
    }

    /// The wall clock is wrong until the slot's error is taken away.
    pub fn falsify(&mut self, slot: usize, error: Error) {
        self.errors.push((slot, error));
    }

    /// The slot's error ends: the wall clock is set right again as far as that goes.
    pub fn relieve(&mut self, slot: usize) {
        self.errors.retain(|(by, _)| *by != slot);
    }

    /// Both clocks run as they should from now on, and the wall clock is set to the true date.
    pub fn heal(&mut self, truth: u64) {
        self.set_drift(truth, 0);
        self.errors.clear();
        self.carried = -self.gathered;
    }

    /// How fast the clocks run, in parts per million beside the truth.
    pub fn drift_ppm(&self) -> i64 {
        self.drift_ppm
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

    fn spec(kind: FaultKind) -> FaultSpec {
        kind.usual(Vec::new())
    }

    fn rng(stream: u64) -> impl Rng {
        crate::draw::stream(1, crate::draw::StreamFor::Fault, stream)
    }

    #[test]
    fn a_frozen_clock_shows_one_date_and_is_right_when_it_goes_again() {
        let mut clock = Clock::default();
        let frozen = clock.draw_error(&spec(FaultKind::ClockFreeze), 500, 1_000, &mut rng(1));
        clock.falsify(3, frozen);
        clock.falsify(4, Error::Offset(77));
        assert_eq!([clock.wall(500), clock.wall(1_400)], [Wall(WALL_EPOCH + 500); 2]);
        assert_eq!(clock.monotonic(1_400), Time(1_400));
        assert_eq!(clock.falsified(1_400).collect::<Vec<_>>(), [3]);
        clock.relieve(3);
        assert_eq!((clock.wall(1_500), clock.falsified(1_500).next()), (Wall(WALL_EPOCH + 1_577), Some(4)));
        clock.relieve(4);
        assert_eq!((clock.wall(1_600), clock.falsified(1_600).next()), (Wall(WALL_EPOCH + 1_600), None));
    }

    #[test]
    fn a_smeared_second_slows_the_date_and_never_turns_it_back() {
        for span in [1, 1_000, 300_000_000, 20_000_000_000] {
            let mut clock = Clock::default();
            clock.falsify(0, Error::Smeared { since: 100, span });
            let dates: Vec<Wall> = (0..3_000).map(|step| clock.wall(100 + step * 10_000_000)).collect();
            assert!(dates.windows(2).all(|pair| pair[0] <= pair[1]), "back within {span} ns");
            assert_eq!(dates[2_999].0, WALL_EPOCH + 100 + 2_999 * 10_000_000 - SECOND);
        }
    }

    #[test]
    fn a_repeated_second_is_shown_twice_from_a_full_second_on() {
        let repeats = |stream: &u64| {
            let mut clock = Clock::default();
            let error = clock.draw_error(&spec(FaultKind::LeapSecond), 1_700_000_000, 5_000_000_000, &mut rng(*stream));
            clock.falsify(0, error);
            clock.wall(1_999_999_999) == Wall(WALL_EPOCH + 1_999_999_999)
                && clock.wall(2_000_000_000) == Wall(WALL_EPOCH + SECOND)
                && clock.falsified(1_999_999_999).next().is_none()
                && clock.falsified(2_000_000_000).next().is_some()
        };
        let repeated = (0..100).filter(repeats).count();
        assert!((30..70).contains(&repeated), "{repeated} of 100 repeat, the others smear");
    }

    #[test]
    fn a_jump_lands_before_each_overflow_or_within_its_amount_and_passes_the_overflow() {
        let mut seen = [0; 3];
        for stream in 0..400 {
            let mut clock = Clock::default();
            let error = clock.draw_error(&spec(FaultKind::ClockJump), 7, 2_000_000_000, &mut rng(stream));
            clock.falsify(0, error);
            let (first, last) = (clock.wall(7).0, clock.wall(2_000_000_007).0);
            match OVERFLOWS.iter().position(|overflow| first < overflow * SECOND && last >= overflow * SECOND) {
                Some(overflow) => seen[overflow] += 1,
                None => {
                    seen[2] += 1;
                    assert!((1_000_000_000..=86_400_000_000_000).contains(&(first - WALL_EPOCH - 7).unsigned_abs()));
                }
            }
        }
        assert!(seen[0] > 60 && seen[1] > 60 && seen[2] > 150, "{seen:?}");
    }

    #[test]
    fn no_amount_makes_the_date_overflow() {
        let mut clock = Clock::default();
        for offset in [i64::MAX, i64::MAX, i64::MIN, i64::MIN, i64::MIN] {
            clock.falsify(0, Error::Offset(offset));
            clock.wall(u64::MAX >> 1);
        }
        clock.heal(9);
        assert_eq!(clock.wall(10), Wall(WALL_EPOCH + 10));
    }

    #[test]
    fn healing_sets_the_date_right_and_leaves_what_the_monotonic_clock_has_counted() {
        let mut clock = Clock::default();
        clock.set_drift(0, 100_000);
        clock.boot(1_000_000);
        let before = clock.monotonic(2_000_000);
        clock.heal(2_000_000);
        assert_eq!(clock.monotonic(2_000_000), before);
        assert_eq!(clock.wall(2_000_000), Wall(WALL_EPOCH + 2_000_000));
    }
}
