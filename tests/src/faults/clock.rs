//! Clocks.

use super::{Experiment, Run, Shown, usual};
use kernel::{FaultKind, Span};

pub const ALL: &[Experiment] = &[
    usual(FaultKind::ClockSkew, clock_skew),
    usual(FaultKind::ClockDrift, clock_drift),
    usual(FaultKind::ClockJump, clock_jump),
    usual(FaultKind::ClockFreeze, clock_freeze),
    usual(FaultKind::LeapSecond, leap_second),
];

/// The true date at the start of a run, in nanoseconds.
const START: i64 = 1_767_225_600 * SECOND;
const SECOND: i64 = 1_000_000_000;

/// What a probe read from its clocks in one round.
pub struct Reading {
    /// True time.
    pub at: i64,
    /// Its monotonic clock.
    pub mono: i64,
    /// Its wall clock.
    pub wall: i64,
}

impl Reading {
    /// How far its wall clock is ahead of the truth.
    pub fn ahead(&self) -> i64 {
        self.wall - START - self.at
    }
}

/// Every round of a probe.
pub fn readings(run: &Run, process: u32) -> Vec<Reading> {
    let number = |number: Option<u64>| number.map(|number| number as i64);
    let read = |seen: &contract::Observed| {
        let (mono, wall) = (number(seen.mark.number("mono"))?, number(seen.mark.number("wall"))?);
        Some(Reading { at: seen.at.0 as i64, mono, wall })
    };
    run.marks(process, "probe.round").filter_map(read).collect()
}

/// The monotonic clock and the timers that run on it know nothing of a wrong date.
fn rounds_go_on(run: &Run) {
    let rounds = readings(run, 0);
    assert!(rounds.windows(2).all(|pair| pair[1].mono - pair[0].mono == pair[1].at - pair[0].at));
    let longest = rounds.windows(2).map(|pair| pair[1].at - pair[0].at).max().unwrap_or(i64::MAX);
    assert!(longest < 40_000_000, "{longest} ns between two rounds");
    assert!(readings(run, 2).iter().all(|reading| reading.ahead() == 0), "a node that was not struck knows the date");
    let wrong = rounds.iter().filter(|reading| reading.ahead() != 0).count() as u64;
    assert_eq!(wrong, run.count.fired, "each round that read a wrong date is counted");
    run.others_are_well();
}

fn clock_skew() -> Shown {
    let run = Run::of(FaultKind::ClockSkew, 15, |_| {});
    rounds_go_on(&run);
    let ahead: Vec<i64> = readings(&run, 0).iter().map(Reading::ahead).collect();
    let (behind, before) = (ahead.iter().min().copied().unwrap_or(0), ahead.iter().max().copied().unwrap_or(0));
    assert!(behind < -10_000_000 && before > 10_000_000, "both ways: {behind} .. {before}");
    assert!(ahead.iter().all(|ahead| ahead.abs() <= 60 * SECOND));
    let seconds = |nanos: i64| nanos.abs() as f64 / 1e9;
    run.shown(format!("dates up to {:.1} s behind and {:.1} s ahead", seconds(behind), seconds(before)))
}

fn clock_drift() -> Shown {
    let run = Run::of(FaultKind::ClockDrift, 16, |spec| spec.chance_ppm = 200_000);
    let rounds = readings(&run, 0);
    assert!(rounds.windows(2).all(|pair| pair[1].mono >= pair[0].mono), "readings never go back");
    // Over ten rounds, what the clock has counted for each thousand nanoseconds of true time.
    let speeds: Vec<i64> =
        rounds.windows(10).map(|ten| (ten[9].mono - ten[0].mono) * 1_000 / (ten[9].at - ten[0].at)).collect();
    let (slow, fast) = (speeds.iter().min().copied().unwrap_or(0), speeds.iter().max().copied().unwrap_or(0));
    assert!((795..950).contains(&slow) && (1_050..1_205).contains(&fast), "{slow} .. {fast}");
    let apart = rounds.windows(2).filter(|pair| (pair[1].at - pair[0].at - 20_000_000).abs() > 400_000).count();
    assert!(apart > 50, "timers run on the same clock: {apart} rounds came early or late");
    run.others_are_well();
    let percent = |speed: i64| format!("{}.{} %", speed / 10, speed % 10);
    run.shown(format!("a clock at {} to {} of its speed; {apart} timers early or late", percent(slow), percent(fast)))
}

fn clock_jump() -> Shown {
    let run = Run::of(FaultKind::ClockJump, 17, |_| {});
    rounds_go_on(&run);
    let rounds = readings(&run, 0);
    let passed = |second: i64| {
        let over = |pair: &&[Reading]| {
            (pair[0].ahead() == pair[1].ahead()) && pair[0].wall < second * SECOND && pair[1].wall >= second * SECOND
        };
        rounds.windows(2).filter(over).count()
    };
    let (signed, unsigned) = (passed(1 << 31), passed(1 << 32));
    assert!(signed > 0 && unsigned > 0, "31 bits overflowed {signed} times, 32 bits {unsigned}");
    let near: Vec<i64> = rounds.iter().map(Reading::ahead).filter(|ahead| ahead.abs() <= 86_400 * SECOND).collect();
    assert!(near.iter().any(|ahead| *ahead < -SECOND) && near.iter().any(|ahead| *ahead > SECOND), "both ways");
    let back = rounds.windows(2).filter(|pair| pair[1].wall < pair[0].wall).count();
    run.shown(format!("the date went back {back} times; seconds passed 2^31 {signed} times, 2^32 {unsigned} times"))
}

fn clock_freeze() -> Shown {
    let run = Run::of(FaultKind::ClockFreeze, 18, |_| {});
    rounds_go_on(&run);
    let rounds = readings(&run, 0);
    let still = rounds.windows(2).filter(|pair| pair[1].wall == pair[0].wall).count();
    let longest = rounds.iter().map(|reading| -reading.ahead()).max().unwrap_or(0);
    assert!(still > 100 && (200_000_000..600_000_000).contains(&longest), "{still} rounds, {longest} ns");
    assert!(rounds.windows(2).all(|pair| pair[1].wall >= pair[0].wall), "a clock that is set right goes forward");
    run.shown(format!("{still} rounds with the date of the round before, up to {} ms late", longest / 1_000_000))
}

fn leap_second() -> Shown {
    let run = Run::of(FaultKind::LeapSecond, 19, |spec| {
        (spec.every, spec.lasts) = (Span::millis(0, 100), Span::millis(1_500, 2_500));
    });
    rounds_go_on(&run);
    let rounds = readings(&run, 0);
    let back: Vec<i64> =
        rounds.windows(2).filter(|pair| pair[1].wall < pair[0].wall).map(|pair| pair[1].ahead()).collect();
    assert!(!back.is_empty() && back.iter().all(|ahead| *ahead == -SECOND), "a second is repeated whole: {back:?}");
    let smeared = rounds.iter().filter(|reading| (-SECOND + 1..0).contains(&reading.ahead())).count();
    assert!(smeared > 50, "{smeared} rounds saw a part of a smeared second");
    assert!(rounds.iter().all(|reading| (-SECOND..=0).contains(&reading.ahead())));
    run.shown(format!("{} seconds shown twice; {smeared} rounds inside a smeared one", back.len()))
}
