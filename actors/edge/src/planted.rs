//! Planted defects: one switch each, for proving that the simulator finds them.
//!
//! Without the cargo feature `planted` every switch is constantly off and its branch compiles away.

use contract::plan::PlanError;
use std::collections::BTreeSet;

/// The defects that this component can be given. The mechanisms are those of the three failures in spec 000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// The commit unlinks staging as soon as the flush of the re-queued records returns, although some went to memory.
    P01,
    /// With the active log missing, volatile records are yielded and forgotten without being written to staging.
    P02,
    /// The commit does not take the gate: a late one unlinks the staging of another pass.
    P03,
    /// The drain renames the active log over a staging that an aborted commit left.
    P04,
}

impl Defect {
    /// All of them.
    pub const ALL: [Defect; 4] = [Defect::P01, Defect::P02, Defect::P03, Defect::P04];

    /// As in a scenario file.
    pub const fn id(self) -> &'static str {
        match self {
            Defect::P01 => "P01",
            Defect::P02 => "P02",
            Defect::P03 => "P03",
            Defect::P04 => "P04",
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
}
