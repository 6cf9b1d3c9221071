//! The end of the storm: faults stop, and what they broke is repaired, or stays broken for good.

use crate::event::Event;
use crate::net::FOREVER;
use crate::queue::Revision;
use crate::world::World;
use contract::NodeId;
use std::collections::BTreeSet;

impl World {
    /// Ends every fault for good, repairs links, clocks and disks, resumes and restarts what is down:
    /// [`World::heal_core`] with every node.
    pub fn heal(&mut self) {
        let everybody: Vec<NodeId> = (0..self.nodes.len() as u32).map(NodeId).collect();
        self.heal_core(&everybody);
    }

    /// Ends the storm for good. Among the nodes of `core`, links, clocks and disks are repaired, what stands
    /// still resumes, what is down starts again, and latencies are at their least. Whatever is broken outside the
    /// core now stays broken for ever, so that a system cannot count on it: what is cut off, slow or ailing stays
    /// so, what is down stays down, what stands still stands still. Nothing new breaks.
    pub fn heal_core(&mut self, core: &[NodeId]) {
        let sound: Vec<bool> = (0..self.nodes.len() as u32).map(|node| core.contains(&NodeId(node))).collect();
        self.storm = false;
        self.net.heal(&sound, self.now);
        for slot in &mut self.slots {
            slot.active.retain(|node| !sound[node.0 as usize]);
        }
        for process in &mut self.processes {
            process.ambush = None;
        }
        self.strand(&sound);
        for node in core {
            self.repair(*node);
        }
    }

    /// The nodes on which a fault is in force now.
    pub fn stricken(&self) -> BTreeSet<NodeId> {
        self.slots.iter().flat_map(|slot| slot.active.iter().copied()).collect()
    }

    /// Whoever is down or stands still on a node that is not sound does so for ever.
    fn strand(&mut self, sound: &[bool]) {
        let (processes, now) = (&self.processes, self.now);
        self.queue.revise(|_, event| match event {
            Event::Boot { process, .. } => {
                let process = &processes[process.0 as usize];
                let stranded = !sound[process.node.0 as usize] && !process.is_up();
                if stranded { Revision::Drop } else { Revision::Keep }
            }
            _ => Revision::Keep,
        });
        for (index, sound) in sound.iter().enumerate() {
            if *sound {
                continue;
            }
            for ailment in &mut self.nodes[index].ailments {
                ailment.until = FOREVER;
            }
            if self.nodes[index].paused_until > now {
                self.stand_still(NodeId(index as u32));
            }
        }
    }

    /// Makes a node's pause endless.
    fn stand_still(&mut self, node: NodeId) {
        self.nodes[node.0 as usize].paused_until = FOREVER;
        for process in self.on_node[node.0 as usize].clone() {
            self.processes[process.0 as usize].busy_until += FOREVER;
            self.shift_effects(process, FOREVER as i64);
        }
    }

    /// Repairs a node, resumes it and starts what is down on it.
    pub(crate) fn repair(&mut self, target: NodeId) {
        self.roll_back(None, target);
        let node = &mut self.nodes[target.0 as usize];
        node.ailments.clear();
        node.clock.heal(self.now);
        node.off_until = self.now;
        for process in self.on_node[target.0 as usize].clone() {
            let it = &self.processes[process.0 as usize];
            if !it.is_up() {
                let after = it.incarnation;
                self.queue.push(self.now, Event::Boot { process, after });
            }
        }
        self.resume(target);
        for process in self.on_node[target.0 as usize].clone() {
            self.unhang(process);
        }
    }
}
