//! Planted defects: one switch each, for proving that the simulator finds them.
//!
//! Without the cargo feature `planted` every switch is constantly off and its branch compiles away.

use contract::plan::PlanError;
use std::collections::BTreeSet;

/// The defects that this component can be given. The mechanisms are those of the three failures in spec 002.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// After the wait the lock is overridden without asking whether its holder lives.
    P05,
    /// Any lock file of zero bytes is stale at once; and our own writers create first and write then.
    P06,
    /// The takeover of a stale lock reads, unlinks and creates, and never asks whether it unlinked what it judged.
    P07,
    /// An append does not repair an incomplete last line; its record is written straight after the fragment.
    P08,
    /// An append is acknowledged after the write; the sync is left to a timer.
    P09,
    /// The last event id is read before the `events` lock is taken.
    P10,
    /// The tail is cut at open without the `events` lock.
    P11,
    /// A repair looks at the last line of a batch only; an earlier one of the same batch may be missing.
    P12,
    /// The temporary file is renamed without having been synced.
    P13,
    /// The directory is never synced after the rename.
    P14,
    /// The fallback for directories that cannot be synced takes every error for that one, and acknowledges.
    P15,
}

impl Defect {
    /// All of them.
    pub const ALL: [Defect; 11] = [
        Defect::P05,
        Defect::P06,
        Defect::P07,
        Defect::P08,
        Defect::P09,
        Defect::P10,
        Defect::P11,
        Defect::P12,
        Defect::P13,
        Defect::P14,
        Defect::P15,
    ];

    /// As in a scenario file.
    pub const fn id(self) -> &'static str {
        match self {
            Defect::P05 => "P05",
            Defect::P06 => "P06",
            Defect::P07 => "P07",
            Defect::P08 => "P08",
            Defect::P09 => "P09",
            Defect::P10 => "P10",
            Defect::P11 => "P11",
            Defect::P12 => "P12",
            Defect::P13 => "P13",
            Defect::P14 => "P14",
            Defect::P15 => "P15",
        }
    }
}

/// The defects that are switched on in one process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Planted(u16);

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
