//! The machine's two clocks, as the contract's two types.

use contract::{Time, Wall};
use rustix::time::{ClockId, Timespec, clock_gettime};

/// `CLOCK_MONOTONIC`: one reading for all processes of the machine, so marks of several can be merged.
pub(crate) fn monotonic() -> Time {
    Time(u64::try_from(nanos(clock_gettime(ClockId::Monotonic))).unwrap_or(0))
}

/// `CLOCK_REALTIME`: the machine's idea of the date.
pub(crate) fn wall() -> Wall {
    Wall(nanos(clock_gettime(ClockId::Realtime)))
}

fn nanos(reading: Timespec) -> i64 {
    reading.tv_sec.saturating_mul(1_000_000_000).saturating_add(reading.tv_nsec)
}
