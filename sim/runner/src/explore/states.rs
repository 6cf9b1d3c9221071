//! Which states runs have shown: short sequences of marks, of one process and across processes.
//!
//! A state is the hash of three marks that a process stated in a row, with its role; or of a mark and the last one
//! that any other process stated before it, with both roles. The numbers in marks are left out: a counter would
//! make every state new.

use contract::Observed;
use contract::plan::Plan;
use std::collections::BTreeSet;
use std::sync::Arc;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// States that are told apart; memory is bounded.
const STATES_MAX: usize = 1 << 20;

/// The states that some runs have shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    states: BTreeSet<u64>,
}

impl Seen {
    /// Adds a state; whether it is new.
    pub fn add(&mut self, state: u64) -> bool {
        self.states.len() < STATES_MAX && self.states.insert(state)
    }

    /// Whether a run has shown it.
    pub fn has(&self, state: u64) -> bool {
        self.states.contains(&state)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.states.len()
    }
}

/// Turns the marks of one run into states.
#[derive(Clone, Debug)]
pub struct Watch {
    /// For each process the hash of its role and name.
    roles: Arc<[u64]>,
    /// For each process its last two marks.
    last: Vec<[u64; 2]>,
    /// The last two marks of the run, with their processes: one of them is another's than the next.
    latest: [(usize, u64); 2],
}

impl Watch {
    /// For a run of that plan, from its start.
    pub fn new(plan: &Plan) -> Watch {
        let role = |process: &contract::plan::ProcessPlan| {
            let name = process.name.rsplit('/').next().unwrap_or_default();
            xxh3_64_with_seed(name.as_bytes(), xxh3_64(plan.nodes[process.node.0 as usize].role.as_bytes()))
        };
        let roles: Arc<[u64]> = plan.processes.iter().map(role).collect();
        Watch { last: vec![[0; 2]; roles.len()], roles, latest: [(usize::MAX, 0); 2] }
    }

    /// The states that this mark completes.
    pub fn states(&mut self, seen: &Observed) -> [u64; 2] {
        let process = seen.process.0 as usize;
        let mark = xxh3_64_with_seed(seen.mark.kind.as_bytes(), self.roles[process]);
        let [before, last] = self.last[process];
        self.last[process] = [last, mark];
        let (_, elsewhere) = self.latest.into_iter().find(|(other, _)| *other != process).unwrap_or_default();
        if self.latest[0].0 != process {
            self.latest[1] = self.latest[0];
        }
        self.latest[0] = (process, mark);
        [hash(&[before, last, mark]), hash(&[elsewhere, mark])]
    }
}

fn hash(parts: &[u64]) -> u64 {
    parts.iter().fold(0, |hash, part| xxh3_64_with_seed(&part.to_le_bytes(), hash))
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::{Mark, ProcessId, Time};

    fn watch() -> Watch {
        Watch { roles: Arc::new([1, 1, 2]), last: vec![[0; 2]; 3], latest: [(usize::MAX, 0); 2] }
    }

    fn said(watch: &mut Watch, process: u32, kind: &'static str) -> [u64; 2] {
        let mark = Mark::new(kind).with("number", u64::from(process));
        watch.states(&Observed { at: Time(0), process: ProcessId(process), incarnation: 1, event: 0, mark })
    }

    #[test]
    fn a_state_depends_on_roles_and_order_and_not_on_which_node_it_was() {
        let run = |marks: &[(u32, &'static str)]| {
            let mut watch = watch();
            let states = marks.iter().map(|(process, kind)| said(&mut watch, *process, kind));
            states.last().unwrap_or_default()
        };
        let base = run(&[(0, "a"), (0, "b"), (0, "c")]);
        assert_eq!(base, run(&[(1, "a"), (1, "b"), (1, "c")]), "nodes of one role are alike");
        assert_ne!(base[0], run(&[(2, "a"), (2, "b"), (2, "c")])[0], "another role");
        assert_ne!(base[0], run(&[(0, "b"), (0, "a"), (0, "c")])[0], "another order");
        assert_eq!(base[0], run(&[(0, "a"), (2, "x"), (0, "b"), (0, "c")])[0], "one process by itself");
        let across = run(&[(2, "x"), (0, "b"), (0, "c")])[1];
        assert_eq!(across, run(&[(2, "x"), (0, "c")])[1], "the last mark of another process");
        assert_ne!(across, run(&[(2, "y"), (0, "c")])[1]);
    }

    #[test]
    fn a_state_is_new_once() {
        let mut seen = Seen::default();
        assert!(seen.add(7) && !seen.add(7) && seen.has(7) && !seen.has(8));
        assert_eq!(seen.count(), 1);
    }
}
