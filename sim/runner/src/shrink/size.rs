//! How large a failing run is.

use crate::draw::Drawn;
use crate::run::Finished;
use crate::scenario::Scenario;
use crate::scenario::parse_fault::meets_messages;
use crate::verdict::Seconds;
use serde::{Serialize, Serializer};

/// The size of one run, up to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Size {
    /// Faults that may strike.
    pub faults: u64,
    /// Occurrences that struck.
    pub occurrences: u64,
    /// Messages singled out by faults that strike messages.
    pub messages: u64,
    /// Operations that the workloads may issue.
    pub requests: u64,
    /// Operations that they issued and recorded.
    pub operations: u64,
    /// Machines.
    pub nodes: u64,
    /// Knobs that are not at their default.
    pub knobs: u64,
    /// Events.
    pub events: u64,
    /// In nanoseconds; seconds in JSON.
    #[serde(serialize_with = "seconds")]
    pub virtual_time: u64,
}

impl Size {
    /// The size of a run that is over.
    pub fn of(scenario: &Scenario, drawn: &Drawn, finished: &Finished) -> Size {
        let decisions = finished.world.decisions();
        let kind = |slot: u32| scenario.faults[slot as usize].kind;
        let off_default = scenario.groups.iter().zip(&drawn.knobs).map(|(group, knobs)| {
            group.role.knobs.iter().filter(|knob| knobs.get(knob.name) != knob.default).count() as u64
        });
        let coverage = &finished.verdict.coverage;
        let invoked = coverage.iter().find(|(kind, _)| *kind == contract::history::INVOKE);
        Size {
            faults: drawn.settings.faults.iter().filter(|spec| spec.limit > 0).count() as u64,
            occurrences: decisions.iter().filter(|decision| !decision.message).count() as u64,
            messages: decisions.iter().filter(|it| it.message && meets_messages(kind(it.slot))).count() as u64,
            requests: scenario.limits.requests,
            operations: invoked.map_or(0, |(_, count)| *count),
            nodes: scenario.groups.iter().map(|group| group.count as u64).sum(),
            knobs: off_default.sum(),
            events: finished.verdict.events,
            virtual_time: finished.verdict.virtual_time,
        }
    }

    /// What a reader of the file has to understand: faults' strikes, operations, nodes and knobs.
    pub fn parts(&self) -> u64 {
        self.occurrences + self.messages + self.requests + self.nodes + self.knobs
    }

    /// What is made smallest: the parts, each worth [`super::turn::PRICE`] events, and the events.
    pub fn cost(&self) -> u64 {
        self.parts() * super::turn::PRICE + self.events
    }

    /// The rows of a table: the name of each number, and the number.
    pub fn rows(&self) -> [(&'static str, u64); 8] {
        [
            ("faults", self.faults),
            ("occurrences", self.occurrences),
            ("messages", self.messages),
            ("requests", self.requests),
            ("operations", self.operations),
            ("nodes", self.nodes),
            ("knobs", self.knobs),
            ("events", self.events),
        ]
    }
}

fn seconds<S: Serializer>(nanos: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    Seconds(*nanos).serialize(serializer)
}
