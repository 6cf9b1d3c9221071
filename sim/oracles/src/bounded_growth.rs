//! Bounded growth (BOUND): what could grow without end stays below its limit, and at rest goes back.
//!
//! | mark | stated by | when |
//! |---|---|---|
//! | `gauge.limit {name, limit}` | anyone, usually at boot | the limit holds from now on, in every process |
//! | `gauge {name, value}` | the process that is measured | now and then: queue lengths, open files, bytes |
//!
//! A limit may have `rest`: at quiescence no process's gauge may be above it, and until then the run waits.
//! That is how residue is found: files never unlinked, dead sessions never forgotten. A process that ended
//! has no gauges until it states some again. A limit may be stated again, and the newest holds; gauges
//! without a limit are not judged.
//!
//! After "The Power of Ten" (Holzmann 2006), rules 2 and 3: everything has a bound, and the bound is checked.
//! A fact costs the logarithm of the number of gauges, the end of a process their number.

use crate::fact::{Reader, senseless};
use crate::oracle::{Oracle, Violation};
use contract::{Observed, ProcessId};
use std::collections::BTreeMap;

/// The oracle; see the module.
#[derive(Clone, Debug, Default)]
pub struct BoundedGrowth {
    limits: BTreeMap<String, Limit>,
    /// The newest value by name and process.
    gauges: BTreeMap<String, BTreeMap<ProcessId, Gauge>>,
    judged: u64,
}

#[derive(Clone, Copy, Debug)]
struct Limit {
    most: u64,
    rest: Option<u64>,
    event: u64,
}

#[derive(Clone, Copy, Debug)]
struct Gauge {
    value: u64,
    incarnation: u32,
    event: u64,
}

impl BoundedGrowth {
    /// As in a scenario file.
    pub const NAME: &'static str = "bounded_growth";
    /// What it may report.
    pub const INVARIANTS: &'static [&'static str] = &["BOUND", Violation::MARKS];

    /// A judge that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    fn limited(&mut self, name: &str, limit: Limit, seen: &Observed) -> Result<(), Violation> {
        if limit.rest.is_some_and(|rest| rest > limit.most) {
            return Err(senseless(Self::NAME, seen, "`rest` is above `limit`"));
        }
        self.limits.insert(name.to_owned(), limit);
        let over = self.gauges.get(name).and_then(|gauges| gauges.iter().find(|(_, gauge)| gauge.value > limit.most));
        match over {
            Some((&process, &gauge)) => Err(above(name, process, gauge, limit)),
            None => Ok(()),
        }
    }

    fn measured(&mut self, name: &str, value: u64, seen: &Observed) -> Result<(), Violation> {
        let gauge = Gauge { value, incarnation: seen.incarnation, event: seen.event };
        match self.gauges.get_mut(name) {
            Some(gauges) => drop(gauges.insert(seen.process, gauge)),
            None => drop(self.gauges.insert(name.to_owned(), BTreeMap::from([(seen.process, gauge)]))),
        }
        let Some(&limit) = self.limits.get(name) else { return Ok(()) };
        self.judged += 1;
        if value > limit.most { Err(above(name, seen.process, gauge, limit)) } else { Ok(()) }
    }

    /// The process's gauges of earlier incarnations say nothing any more.
    fn forget(&mut self, process: ProcessId, through: u32) {
        for gauges in self.gauges.values_mut() {
            if gauges.get(&process).is_some_and(|gauge| gauge.incarnation <= through) {
                gauges.remove(&process);
            }
        }
    }

    /// The first gauge that is above its value at rest.
    fn restless(&self) -> Option<(&str, ProcessId, Gauge, Limit, u64)> {
        self.limits.iter().find_map(|(name, &limit)| {
            let rest = limit.rest?;
            let gauges = self.gauges.get(name)?;
            let (&process, &gauge) = gauges.iter().find(|(_, gauge)| gauge.value > rest)?;
            Some((&**name, process, gauge, limit, rest))
        })
    }
}

fn above(name: &str, process: ProcessId, gauge: Gauge, limit: Limit) -> Violation {
    Violation::new(BoundedGrowth::NAME, "BOUND", "gauge above its limit")
        .because(format!("{name} is {} in process {}, and its limit is {}", gauge.value, process.0, limit.most))
        .seen_in(&[limit.event, gauge.event])
}

impl Oracle for BoundedGrowth {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn observe(&mut self, seen: &Observed) -> Result<(), Violation> {
        let reader = Reader::new(Self::NAME, seen);
        match &*seen.mark.kind {
            "gauge" => self.measured(reader.text("name")?, reader.number("value")?, seen),
            "gauge.limit" => {
                let (most, rest) = (reader.number("limit")?, reader.number_if_any("rest")?);
                self.limited(reader.text("name")?, Limit { most, rest, event: seen.event }, seen)
            }
            "system.boot" => {
                self.forget(seen.process, seen.incarnation.saturating_sub(1));
                Ok(())
            }
            "system.exit" => {
                self.forget(seen.process, seen.incarnation);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn finish(&mut self) -> Result<(), Violation> {
        let Some((name, process, gauge, limit, rest)) = self.restless() else { return Ok(()) };
        Err(Violation::new(Self::NAME, "BOUND", "gauge above its value at rest")
            .because(format!(
                "{name} is {} in process {} at the end, and at rest {rest} is the most",
                gauge.value, process.0
            ))
            .seen_in(&[limit.event, gauge.event]))
    }

    fn pending(&self) -> Option<String> {
        let (name, process, gauge, _, rest) = self.restless()?;
        Some(format!("{name} is {} in process {} and has to go down to {rest}", gauge.value, process.0))
    }

    fn judged(&self) -> u64 {
        self.judged
    }

    fn clone_box(&self) -> Box<dyn Oracle> {
        Box::new(self.clone())
    }
}
