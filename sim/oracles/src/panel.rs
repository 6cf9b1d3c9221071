//! A set of oracles that judge one run together.

use crate::oracle::{Oracle, OracleKind, Violation};
use contract::{Observed, ProcessId};
use std::fmt;

/// The judges of one run. A copy goes on by itself, for a copy of the world.
#[derive(Clone, Default)]
pub struct Panel {
    oracles: Vec<Box<dyn Oracle>>,
}

/// A name that no oracle has; shown to whoever wrote the scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownOracle {
    /// What was asked for.
    pub name: String,
    /// What exists.
    pub known: Vec<&'static str>,
}

impl Panel {
    /// Fresh judges of these kinds; of two that find a violation in one fact the first is heard.
    pub fn new(kinds: &[OracleKind]) -> Self {
        Panel { oracles: kinds.iter().map(|kind| (kind.make)()).collect() }
    }

    /// Fresh judges by name, out of `known`.
    pub fn by_name<S: AsRef<str>>(known: &[OracleKind], names: &[S]) -> Result<Self, UnknownOracle> {
        let mut oracles = Vec::with_capacity(names.len());
        for name in names {
            let Some(kind) = known.iter().find(|kind| kind.name == name.as_ref()) else {
                let known = known.iter().map(|kind| kind.name).collect();
                return Err(UnknownOracle { name: name.as_ref().to_owned(), known });
            };
            oracles.push((kind.make)());
        }
        Ok(Panel { oracles })
    }

    /// Gives the next fact to each oracle in turn, up to the first violation; nothing may be given after one.
    pub fn observe(&mut self, seen: &Observed) -> Result<(), Violation> {
        self.oracles.iter_mut().try_for_each(|oracle| oracle.observe(seen))
    }

    /// Gives facts in their order, up to and including the first that breaks something.
    pub fn observe_all(&mut self, seen: &[Observed]) -> Result<(), Violation> {
        seen.iter().try_for_each(|seen| self.observe(seen))
    }

    /// What must hold at quiescence; the first violation, if any. Called once.
    pub fn finish(&mut self) -> Result<(), Violation> {
        self.oracles.iter_mut().try_for_each(|oracle| oracle.finish())
    }

    /// What the system still has to do, by oracle; empty when nobody waits.
    pub fn pending(&self) -> Vec<(&'static str, String)> {
        let named = self.oracles.iter().map(|oracle| (oracle.name(), oracle.pending()));
        named.filter_map(|(name, sentence)| Some((name, sentence?))).collect()
    }

    /// Whether any of them still waits for something.
    pub fn is_waiting(&self) -> bool {
        self.oracles.iter().any(|oracle| oracle.pending().is_some())
    }

    /// The process stays broken for good: see [`Oracle::excuse`].
    pub fn excuse(&mut self, process: ProcessId) {
        self.oracles.iter_mut().for_each(|oracle| oracle.excuse(process));
    }

    /// The judges by name, in their order.
    pub fn names(&self) -> Vec<&'static str> {
        self.oracles.iter().map(|oracle| oracle.name()).collect()
    }

    /// How many facts each has judged; an oracle with none proves nothing.
    pub fn judged(&self) -> Vec<(&'static str, u64)> {
        self.oracles.iter().map(|oracle| (oracle.name(), oracle.judged())).collect()
    }

    /// How many facts each could judge neither way; those with none are left out.
    pub fn undecided(&self) -> Vec<(&'static str, u64)> {
        let counted = self.oracles.iter().map(|oracle| (oracle.name(), oracle.undecided()));
        counted.filter(|(_, undecided)| *undecided > 0).collect()
    }
}

impl fmt::Debug for Panel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.judged()).finish()
    }
}

impl fmt::Display for UnknownOracle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no oracle is named {:?}; there are {}", self.name, self.known.join(", "))
    }
}

impl std::error::Error for UnknownOracle {}
