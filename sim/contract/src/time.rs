//! Two clocks with two types, so that using the wrong one does not compile.
//!
//! [`Time`] is a node's monotonic clock: it never goes back, but its rate may drift, and it starts
//! again when the node loses power. [`Wall`] is the node's idea of the date: it may jump either way.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::{Add, Sub};

pub use std::time::Duration;

/// Nanoseconds on a monotonic clock; comparable only with readings of the same clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Time(pub u64);

/// Nanoseconds since the Unix epoch by a node's wall clock; negative before 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Wall(pub i64);

impl Time {
    /// The clock's origin.
    pub const ZERO: Time = Time(0);
    /// Later than any reading.
    pub const MAX: Time = Time(u64::MAX);

    /// The time since `earlier`, or zero if `earlier` is later: a duration is never negative.
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Time {
    type Output = Time;
    fn add(self, span: Duration) -> Time {
        Time(self.0.saturating_add(nanos(span)))
    }
}

impl Sub<Duration> for Time {
    type Output = Time;
    fn sub(self, span: Duration) -> Time {
        Time(self.0.saturating_sub(nanos(span)))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}s", self.0 / 1_000_000_000, self.0 % 1_000_000_000 / 1_000)
    }
}

/// A duration in whole nanoseconds, saturating after 584 years.
pub fn nanos(span: Duration) -> u64 {
    span.as_secs().saturating_mul(1_000_000_000).saturating_add(u64::from(span.subsec_nanos()))
}
