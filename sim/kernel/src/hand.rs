//! What drivers and debuggers do to a world by hand: single steps, faults, repairs, another seed.
//! [`World::crash`] and [`World::power_loss`] stand beside the faults that do the same.

use crate::draw::{Draw, StreamFor, stream};
use crate::fault::{FaultCount, FaultSpec};
use crate::strike::Slot;
use crate::world::{Progress, World};
use contract::{NodeId, Time};
use std::sync::Arc;

impl World {
    /// Handles the next event if it comes up to `limit`, and returns nothing. Where none does, it stands at `limit`
    /// and says why, as [`World::run_until`] does: steps and a run to one limit do the same.
    pub fn step_until(&mut self, limit: Time) -> Option<Progress> {
        let before = self.trace.events();
        while self.trace.events() == before {
            let due = self.next_event_at().is_some_and(|time| time <= limit);
            if due && before >= self.settings.events_max {
                return Some(Progress::Exhausted);
            }
            if !due {
                self.now = self.now.max(limit.0);
                return Some(if self.queue.is_empty() { Progress::Idle } else { Progress::Reached });
            }
            let (time, event) = self.queue.pop()?;
            self.now = time;
            self.dispatch(event);
        }
        None
    }

    /// The true time of the next event; `None` where nothing is left to happen.
    pub fn next_event_at(&mut self) -> Option<Time> {
        self.queue.next_time().map(Time)
    }

    /// Lets a fault strike one of its targets now. It becomes a slot of its own with one occurrence, of the length
    /// that its span says. `false`, and nothing happens, where the storm is over or nobody is a target.
    pub fn inject(&mut self, spec: FaultSpec) -> bool {
        if !self.storm || spec.targets.is_empty() {
            return false;
        }
        let slot = self.slots.len();
        let once = FaultSpec { limit: 1, after: None, occurrences: None, ..spec };
        Arc::make_mut(&mut self.settings).faults.push(once);
        self.slots.push(Slot::default());
        self.counts.push(FaultCount::default());
        self.strike(slot);
        true
    }

    /// Ends every fault in force, resumes what stands still, repairs disks and clocks, and starts what is down.
    /// The storm goes on: what strikes later strikes as it would have. [`World::heal`] ends it for good.
    pub fn relieve_all(&mut self) {
        for slot in 0..self.slots.len() {
            self.relieve(slot);
        }
        for process in &mut self.processes {
            process.ambush = None;
        }
        for node in 0..self.nodes.len() as u32 {
            self.repair(NodeId(node));
        }
    }

    /// From now on all choices descend from another root: latencies, disk times, choice sites, the streams of
    /// processes and of the next occurrences. What is scheduled already keeps its time. [`World::lasting`] is
    /// right only for decisions made since.
    pub fn reseed(&mut self, seed: u64) {
        self.seed = seed;
        self.draw = Draw::new(seed);
        for (id, process) in self.processes.iter().enumerate() {
            let owner = ((id as u64) << 24) | u64::from(process.incarnation);
            self.streams[id] = stream(seed, StreamFor::Process, owner);
        }
    }
}
