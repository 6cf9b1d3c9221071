//! Timers by name: a table from the actor's own timer type to host alarms.

use std::collections::BTreeMap;

/// What a host keeps for an alarm: which slot of the process's table, and which setting of it.
///
/// An alarm whose generation is no longer the slot's was replaced or cancelled; it is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Alarm {
    /// Index into the process's timer table.
    pub slot: u32,
    /// Counts the settings of that slot.
    pub generation: u32,
}

/// The timers of one process incarnation.
#[derive(Clone, Debug)]
pub struct Timers<T> {
    armed: BTreeMap<T, u32>,
    names: Vec<T>,
    generations: Vec<u32>,
    free: Vec<u32>,
}

impl<T> Default for Timers<T> {
    fn default() -> Self {
        Timers { armed: BTreeMap::new(), names: Vec::new(), generations: Vec::new(), free: Vec::new() }
    }
}

impl<T: Copy + Ord> Timers<T> {
    /// Arms `timer`, replacing an earlier setting; the host must be told of the returned alarm.
    pub fn set(&mut self, timer: T) -> Alarm {
        let slot = match self.armed.get(&timer) {
            Some(&slot) => slot,
            None => {
                let slot = self.free.pop().unwrap_or_else(|| {
                    self.generations.push(0);
                    self.names.push(timer);
                    self.generations.len() as u32 - 1
                });
                self.names[slot as usize] = timer;
                self.armed.insert(timer, slot);
                slot
            }
        };
        let generation = &mut self.generations[slot as usize];
        *generation = generation.wrapping_add(1);
        Alarm { slot, generation: *generation }
    }

    /// Disarms `timer`; returns whether it was armed.
    pub fn cancel(&mut self, timer: T) -> bool {
        match self.armed.remove(&timer) {
            Some(slot) => {
                self.retire(slot);
                true
            }
            None => false,
        }
    }

    /// Whether `timer` is armed.
    pub fn is_set(&self, timer: T) -> bool {
        self.armed.contains_key(&timer)
    }

    /// Whether `alarm` was neither replaced nor cancelled nor fired since.
    pub fn is_live(&self, alarm: Alarm) -> bool {
        self.generations.get(alarm.slot as usize) == Some(&alarm.generation)
    }

    /// The timer that `alarm` stands for, disarmed; `None` if it was replaced or cancelled since.
    pub fn fire(&mut self, alarm: Alarm) -> Option<T> {
        if !self.is_live(alarm) {
            return None;
        }
        let timer = self.names[alarm.slot as usize];
        self.armed.remove(&timer);
        self.retire(alarm.slot);
        Some(timer)
    }

    fn retire(&mut self, slot: u32) {
        let generation = &mut self.generations[slot as usize];
        *generation = generation.wrapping_add(1);
        self.free.push(slot);
    }
}
