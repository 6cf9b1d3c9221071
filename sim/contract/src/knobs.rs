//! Knobs: every limit, interval, page and batch size, with its default and its legal range.
//!
//! A component declares its knobs; a scenario sets them; a sweep draws them from the range, so that
//! small worlds reach the boundaries.

use crate::time::{Duration, nanos};
use std::collections::BTreeMap;

/// What a knob's number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    Count,
    /// Bytes.
    Bytes,
    /// Nanoseconds; written as `"250ms"` or `"5s"` in a scenario.
    Time,
    /// Millionths of a unit a second; written as `50.0` (per second) in a scenario.
    Rate,
    /// 0 or 1; written as `true` or `false` in a scenario.
    Flag,
}

/// One knob as its component declares it.
#[derive(Clone, Copy, Debug)]
pub struct Knob {
    /// As in the scenario file.
    pub name: &'static str,
    /// One sentence for `stormproof list`.
    pub about: &'static str,
    /// What the numbers below count.
    pub unit: Unit,
    /// Its value when nobody sets it.
    pub default: u64,
    /// The smallest legal value.
    pub least: u64,
    /// The largest legal value.
    pub most: u64,
}

impl Knob {
    /// A number of things.
    pub const fn count(name: &'static str, about: &'static str, default: u64, least: u64, most: u64) -> Knob {
        Knob { name, about, unit: Unit::Count, default, least, most }
    }
    /// A size in bytes.
    pub const fn bytes(name: &'static str, about: &'static str, default: u64, least: u64, most: u64) -> Knob {
        Knob { name, about, unit: Unit::Bytes, default, least, most }
    }
    /// A duration; arguments in milliseconds.
    pub const fn millis(name: &'static str, about: &'static str, default: u64, least: u64, most: u64) -> Knob {
        const MS: u64 = 1_000_000;
        Knob { name, about, unit: Unit::Time, default: default * MS, least: least * MS, most: most * MS }
    }
    /// A rate; arguments in whole units a second.
    pub const fn rate(name: &'static str, about: &'static str, default: u64, least: u64, most: u64) -> Knob {
        const M: u64 = 1_000_000;
        Knob { name, about, unit: Unit::Rate, default: default * M, least: least * M, most: most * M }
    }
    /// A switch.
    pub const fn flag(name: &'static str, about: &'static str, default: bool) -> Knob {
        Knob { name, about, unit: Unit::Flag, default: default as u64, least: 0, most: 1 }
    }
}

/// The values of one role's knobs in one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Knobs {
    values: BTreeMap<&'static str, u64>,
}

impl Knobs {
    /// Every declared knob at its default.
    pub fn defaults(declared: &[Knob]) -> Self {
        Knobs { values: declared.iter().map(|knob| (knob.name, knob.default)).collect() }
    }

    /// Sets a declared knob; the value must lie in its range.
    pub fn set(&mut self, knob: &Knob, value: u64) {
        assert!((knob.least..=knob.most).contains(&value), "knob {}: {value} lies outside its range", knob.name);
        self.values.insert(knob.name, value);
    }

    /// A declared knob's number in its unit. Asking for an undeclared knob is a programming error.
    pub fn get(&self, name: &str) -> u64 {
        match self.values.get(name) {
            Some(value) => *value,
            None => panic!("knob {name:?} is not declared by its role"),
        }
    }

    /// A size or a number of things as `usize`.
    pub fn size(&self, name: &str) -> usize {
        usize::try_from(self.get(name)).unwrap_or(usize::MAX)
    }

    /// A duration.
    pub fn time(&self, name: &str) -> Duration {
        Duration::from_nanos(self.get(name))
    }

    /// A switch.
    pub fn flag(&self, name: &str) -> bool {
        self.get(name) != 0
    }

    /// The time between two events of a rate; an hour for a rate of zero.
    pub fn interval(&self, name: &str) -> Duration {
        match self.get(name) {
            0 => Duration::from_secs(3600),
            rate => {
                Duration::from_nanos((u128::from(nanos(Duration::from_secs(1))) * 1_000_000 / u128::from(rate)) as u64)
            }
        }
    }

    /// Names and numbers, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.values.iter().map(|(&name, &value)| (name, value))
    }
}
