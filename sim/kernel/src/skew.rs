//! Two versions of a program side by side: a node whose processes run their other build for a while.

use crate::world::World;
use contract::cell::Blueprint;
use contract::{NodeId, ProcessId};
use std::sync::Arc;

impl World {
    /// Restarts the processes of a node in their other build, on the files as they stand; one that is down
    /// will start in it. A node whose processes have one build each goes on as it was.
    pub(crate) fn change_builds(&mut self, slot: usize, target: NodeId) {
        let has_others = self.on_node[target.0 as usize].iter().any(|it| self.plan.other_builds.contains_key(it));
        let node = &mut self.nodes[target.0 as usize];
        if !has_others || node.skewed_by.is_some() {
            return;
        }
        node.skewed_by = Some(slot);
        // The types of two builds have nothing in common but their bytes, and what one build has sent may arrive long
        // after it ended: from now on every message moves as bytes.
        self.codec_mask = 0;
        self.restart_changed(slot, target, "upgrade");
    }

    /// Restarts the processes of a node in their first build, if `slot` or anybody (`None`) changed them.
    pub(crate) fn roll_back(&mut self, slot: Option<usize>, target: NodeId) {
        let node = &mut self.nodes[target.0 as usize];
        if let Some(by) = node.skewed_by.take_if(|by| slot.is_none_or(|slot| *by == slot)) {
            self.restart_changed(by, target, "rollback");
        }
    }

    fn restart_changed(&mut self, slot: usize, target: NodeId, reason: &'static str) {
        for process in self.on_node[target.0 as usize].clone() {
            let it = &self.processes[process.0 as usize];
            if it.is_up() && self.plan.other_builds.contains_key(&process) {
                self.counts[slot].fired += 1;
                let wait = self.restart_wait(process);
                self.end(process, reason, wait);
            }
        }
    }

    /// The build that a process starts in now.
    pub(crate) fn build_of(&self, process: ProcessId) -> &Arc<dyn Blueprint> {
        let first = &self.processes[process.0 as usize].blueprint;
        if self.runs_other(process) { &self.plan.other_builds[&process] } else { first }
    }

    fn runs_other(&self, process: ProcessId) -> bool {
        let node = self.node_of[process.0 as usize];
        self.nodes[node.0 as usize].skewed_by.is_some() && self.plan.other_builds.contains_key(&process)
    }

    /// A message was refused; if its two ends run different builds, that is the fault's doing.
    #[cold]
    pub(crate) fn refused(&mut self, from: ProcessId, to: ProcessId) {
        if self.runs_other(from) == self.runs_other(to) {
            return;
        }
        let skewed = [from, to].into_iter().find_map(|it| {
            let node = self.node_of[it.0 as usize];
            self.nodes[node.0 as usize].skewed_by.filter(|_| self.runs_other(it))
        });
        if let Some(slot) = skewed {
            self.counts[slot].fired += 1;
        }
    }
}
