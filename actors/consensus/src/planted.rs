//! Planted defects: one switch each, for proving that the simulator finds them.
//!
//! Without the cargo feature `planted` every switch is constantly off and its branch compiles away.

use contract::plan::PlanError;
use std::collections::BTreeSet;

/// The defects that this component can be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// The leader commits an entry of an earlier term by counting its copies.
    P31,
    /// The holder judges its lease by its own wall clock, without a margin, and its writes carry no token.
    P32,
    /// The answer to a watch claims the store's revision although older changes are still to come.
    P33,
    /// Reads are answered without asking a majority who leads.
    P34,
    /// The end of a lease is applied without looking whether it was renewed since it was decided.
    P35,
}

impl Defect {
    /// All of them.
    pub const ALL: [Defect; 5] = [Defect::P31, Defect::P32, Defect::P33, Defect::P34, Defect::P35];

    /// As in a scenario file.
    pub const fn id(self) -> &'static str {
        match self {
            Defect::P31 => "P31",
            Defect::P32 => "P32",
            Defect::P33 => "P33",
            Defect::P34 => "P34",
            Defect::P35 => "P35",
        }
    }
}

/// The defects that are switched on in one process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Planted(u8);

impl Planted {
    /// Those of this component among `wanted`; ids of other components are not its business.
    ///
    /// # Errors
    /// When one is wanted and this build has none: a run that silently lacked its defect would prove nothing.
    pub fn among(wanted: &BTreeSet<String>) -> Result<Self, PlanError> {
        let mut bits = 0;
        for defect in Defect::ALL.into_iter().filter(|defect| wanted.contains(defect.id())) {
            if !cfg!(feature = "planted") {
                let id = defect.id();
                return Err(PlanError(format!("defect {id} is not compiled in: build with the feature `planted`")));
            }
            bits |= 1 << defect as u8;
        }
        Ok(Planted(bits))
    }

    /// Whether `defect` is switched on.
    pub const fn has(self, defect: Defect) -> bool {
        cfg!(feature = "planted") && self.0 & (1 << defect as u8) != 0
    }

    /// Just these, for tests.
    #[cfg(test)]
    pub(crate) fn just(defects: &[Defect]) -> Self {
        Planted(defects.iter().fold(0, |bits, &defect| bits | 1 << defect as u8))
    }
}
