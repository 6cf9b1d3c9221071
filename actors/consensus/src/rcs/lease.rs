//! The holder's side of a lease: how long it may be believed.
//!
//! The store ends a lease when the leader's clock has counted its time since the last renewal was *applied*. The holder
//! counts by its own monotonic clock, from when the answered question was first *sent*, which is earlier, and less
//! the margin by which the two clocks may run apart. So while the holder believes, the lease runs:
//!
//! ```text
//!   holder    sent |--------------- ttl - margin ---------------|
//!   leader            applied |------------------- ttl ------------------|
//! ```
//!
//! A holder can still be paused between looking and acting. So every write to what the lease protects carries the
//! [`Lease::token`], and whoever takes the writes refuses one lower than it has seen (Kleppmann, 2016).

use crate::planted::{Defect, Planted};
use contract::time::nanos;
use contract::{Duration, Time, Wall};

/// A lease that the holder believes in, for a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Its number.
    pub number: u64,
    ttl: Duration,
    drift_ppm: u64,
    planted: Planted,
    /// The fencing token; 0 until there is one.
    token: u64,
    /// When the last answered question was sent.
    sent: Time,
    /// The end by the wall clock, which only P32 looks at.
    ends: Wall,
}

impl Lease {
    /// A lease that was granted, or found to run, by a question that was first sent at `sent` and answered now.
    /// `drift_ppm` bounds by how much two clocks differ in rate, in millionths.
    pub fn granted(number: u64, ttl_ms: u64, sent: Time, wall: Wall, drift_ppm: u64, planted: Planted) -> Self {
        let ttl = Duration::from_millis(ttl_ms);
        Lease { number, ttl, drift_ppm, planted, token: 0, sent, ends: later(wall, ttl) }
    }

    /// A renewal that was first sent at `sent` is answered now.
    pub fn renewed(&mut self, sent: Time, wall: Wall) {
        // Answers may overtake one another: a renewal that was sent earlier proves less.
        self.sent = self.sent.max(sent);
        self.ends = self.ends.max(later(wall, self.ttl));
    }

    /// The lock was created in this revision.
    pub fn fence(&mut self, created: u64) {
        self.token = created;
    }

    /// What every write to the protected resource carries: the revision that created the lock.
    pub fn token(&self) -> Option<u64> {
        (self.token > 0 && !self.planted.has(Defect::P32)).then_some(self.token)
    }

    /// Whether the lease runs for sure, by the holder's clocks. Look right before acting, not after a wait.
    pub fn is_held(&self, now: Time, wall: Wall) -> bool {
        if self.planted.has(Defect::P32) { wall < self.ends } else { now < self.until() }
    }

    /// The end of what can be believed: the time to live from the sending, less the drift.
    pub fn until(&self) -> Time {
        let ttl = u128::from(nanos(self.ttl));
        // Rounded up: the holder ends first.
        let margin = (ttl * u128::from(self.drift_ppm)).div_ceil(1_000_000).min(ttl);
        Time(self.sent.0.saturating_add((ttl - margin) as u64))
    }

    /// When to ask for the next renewal: after a third of the time, so that two more can be lost.
    pub fn renew_at(&self) -> Time {
        self.sent + self.ttl / 3
    }
}

fn later(wall: Wall, span: Duration) -> Wall {
    Wall(wall.0.saturating_add(i64::try_from(nanos(span)).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{prop_assert, proptest};

    const S: u64 = 1_000_000_000;

    fn lease(drift_ppm: u64, defects: &[Defect]) -> Lease {
        let mut lease = Lease::granted(7, 1_000, Time(5 * S), Wall(0), drift_ppm, Planted::just(defects));
        lease.fence(42);
        lease
    }

    #[test]
    fn a_lease_runs_from_the_sending_and_ends_earlier_by_the_drift() {
        let mut lease = lease(100_000, &[]);
        let held = |lease: &Lease, at| lease.is_held(Time(at), Wall(0));
        assert!(held(&lease, 5 * S + S * 9 / 10 - 1));
        assert!(!held(&lease, 5 * S + S * 9 / 10));
        lease.renewed(Time(5 * S + S / 2), Wall(0));
        assert!(held(&lease, 6 * S));
        lease.renewed(Time(5 * S), Wall(0));
        assert!(held(&lease, 6 * S), "an answer that comes late takes nothing back");
        assert_eq!(lease.token(), Some(42));
        assert!(lease.renew_at() < lease.until());
    }

    #[test]
    fn p32_believes_the_wall_clock_and_writes_without_a_token() {
        let planted = lease(100_000, &[Defect::P32]);
        let compiled = cfg!(feature = "planted");
        assert_eq!(planted.is_held(Time(9 * S), Wall(S as i64 - 1)), compiled, "long after its end, by a slow date");
        assert_eq!(planted.token().is_none(), compiled);
        assert!(!lease(100_000, &[]).is_held(Time(9 * S), Wall(0)));
    }

    proptest! {
        /// The leader's clock runs faster than the holder's by up to the drift; it has counted the whole time only after
        /// the holder has stopped to believe.
        #[test]
        fn the_holder_stops_before_the_leader(ttl_ms in 1u64..100_000, ppm in 0u64..500_000, rate in 0u64..=500_000) {
            let rate = rate.min(ppm);
            let lease = Lease::granted(1, ttl_ms, Time(0), Wall(0), ppm, Planted::default());
            // While the leader counts its time, the holder counts that much less.
            let leader = u128::from(ttl_ms) * 1_000_000;
            let holder = leader - leader * u128::from(rate) / 1_000_000;
            prop_assert!(!lease.is_held(Time(holder as u64), Wall(0)));
        }
    }
}
