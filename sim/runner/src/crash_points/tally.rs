//! What recovered: counts by force and side, and by the effect's kind and its process's role.

use super::boundary::{Boundary, Force, Side};
use contract::plan::Plan;
use kernel::EffectKind;
use serde::Serialize;
use std::collections::BTreeMap;
use std::ops::AddAssign;

/// How many of how many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// Recovered, in every run.
    pub recovered: u64,
    /// Struck.
    pub of: u64,
}

impl Count {
    fn add(&mut self, recovered: bool) {
        self.of += 1;
        self.recovered += u64::from(recovered);
    }
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Count) {
        self.of += other.of;
        self.recovered += other.recovered;
    }
}

/// Counts of boundaries; of second crashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Group {
    /// The process crashes before the effect.
    pub crash_before: Count,
    /// The process crashes after it.
    pub crash_after: Count,
    /// The node loses power before the effect.
    pub power_before: Count,
    /// The node loses power after it.
    pub power_after: Count,
    /// A second crash strikes the recovery.
    pub second: Count,
}

impl AddAssign for Group {
    fn add_assign(&mut self, other: Group) {
        self.crash_before += other.crash_before;
        self.crash_after += other.crash_after;
        self.power_before += other.power_before;
        self.power_after += other.power_after;
        self.second += other.second;
    }
}

/// Counts by group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    groups: BTreeMap<(EffectKind, String), Group>,
}

impl Tally {
    /// A boundary was struck by a force, in each of its variants.
    pub fn first(&mut self, boundary: &Boundary, plan: &Plan, force: Force, recovered: bool) {
        let group = self.groups.entry(boundary.group(plan)).or_default();
        let count = match (force, boundary.side) {
            (Force::Crash, Side::Before) => &mut group.crash_before,
            (Force::Crash, Side::After) => &mut group.crash_after,
            (Force::Power(_), Side::Before) => &mut group.power_before,
            (Force::Power(_), Side::After) => &mut group.power_after,
        };
        count.add(recovered);
    }

    /// A recovery from a crash at that boundary was struck.
    pub fn second(&mut self, boundary: &Boundary, plan: &Plan, recovered: bool) {
        self.groups.entry(boundary.group(plan)).or_default().second.add(recovered);
    }

    /// By effect and role.
    pub fn groups(&self) -> impl Iterator<Item = (EffectKind, &str, &Group)> {
        self.groups.iter().map(|((what, role), group)| (*what, &**role, group))
    }

    /// Over all groups.
    pub fn sum(&self) -> Group {
        let mut sum = Group::default();
        for group in self.groups.values() {
            sum += *group;
        }
        sum
    }
}
