//! The end of the storm: faults stop, and what they broke is repaired.

use crate::event::Event;
use crate::process::Ailments;
use crate::world::World;
use contract::{NodeId, ProcessId};

impl World {
    /// Ends every fault for good, repairs links, clocks and disks, resumes and restarts what is down.
    pub fn heal(&mut self) {
        self.storm = false;
        self.net.windows.clear();
        self.net.cuts.clear();
        for slot in &mut self.slots {
            slot.active.clear();
        }
        for node in &mut self.nodes {
            node.ailments = Ailments::default();
            node.clock.set_offset(0);
            node.clock.set_drift(self.now, 0);
            node.off_until = self.now;
        }
        for index in 0..self.processes.len() {
            let process = ProcessId(index as u32);
            let it = &mut self.processes[index];
            it.ambush = None;
            if !it.is_up() {
                let after = it.incarnation;
                self.queue.push(self.now, Event::Boot { process, after });
            }
        }
        for node in 0..self.nodes.len() as u32 {
            self.resume(NodeId(node));
        }
    }
}
