//! Knobs: defaults, ranges and what the numbers mean.

use contract::Duration;
use contract::knobs::{Knob, Knobs, Unit};
use proptest::prelude::*;

const DECLARED: &[Knob] = &[
    Knob::count("workers", "How many.", 2, 1, 8),
    Knob::bytes("segment_bytes", "How large.", 4096, 64, 1 << 20),
    Knob::millis("pause", "How long.", 250, 1, 5_000),
    Knob::rate("rate", "How often.", 50, 0, 1_000),
    Knob::flag("eager", "Whether.", true),
];

#[test]
fn every_declared_knob_starts_at_its_default() {
    let knobs = Knobs::defaults(DECLARED);
    assert_eq!(knobs.size("workers"), 2);
    assert_eq!(knobs.get("segment_bytes"), 4096);
    assert_eq!(knobs.time("pause"), Duration::from_millis(250));
    assert_eq!(knobs.interval("rate"), Duration::from_millis(20));
    assert!(knobs.flag("eager"));
    let names: Vec<_> = knobs.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["eager", "pause", "rate", "segment_bytes", "workers"], "sorted, so that output is stable");
}

#[test]
fn times_and_rates_are_kept_in_their_small_unit() {
    assert_eq!((DECLARED[2].unit, DECLARED[2].least, DECLARED[2].most), (Unit::Time, 1_000_000, 5_000_000_000));
    assert_eq!((DECLARED[3].unit, DECLARED[3].default), (Unit::Rate, 50_000_000));
}

#[test]
fn a_rate_of_zero_means_hardly_ever_and_a_fraction_is_possible() {
    let mut knobs = Knobs::defaults(DECLARED);
    knobs.set(&DECLARED[3], 0);
    assert_eq!(knobs.interval("rate"), Duration::from_secs(3600));
    knobs.set(&DECLARED[3], 500_000);
    assert_eq!(knobs.interval("rate"), Duration::from_secs(2));
}

#[test]
#[should_panic(expected = "knob workers: 9 lies outside its range")]
fn a_value_outside_the_range_is_a_programming_error() {
    Knobs::defaults(DECLARED).set(&DECLARED[0], 9);
}

#[test]
#[should_panic(expected = "knob \"worker\" is not declared by its role")]
fn an_undeclared_knob_is_a_programming_error() {
    Knobs::defaults(DECLARED).get("worker");
}

proptest! {
    #[test]
    fn both_ends_of_a_range_and_all_between_are_legal(least in 0_u64..100, width in 0_u64..100, at in 0_u64..100) {
        let knob = Knob::count("n", "A number.", least, least, least + width);
        let value = least + at.min(width);
        let mut knobs = Knobs::defaults(&[knob]);
        knobs.set(&knob, value);
        prop_assert_eq!(knobs.get("n"), value);
    }
}
