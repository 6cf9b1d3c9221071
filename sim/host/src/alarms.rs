//! The alarms of one process incarnation: at most one for each slot of its timer table.

use contract::Time;
use contract::timer::Alarm;
use std::collections::{BTreeMap, BTreeSet};

/// Alarms by deadline. Arming a slot again replaces its alarm, so the size is bounded by the number of
/// the actor's timers, however often they are set.
#[derive(Debug, Default)]
pub(crate) struct Alarms {
    by_slot: BTreeMap<u32, (Time, u32)>,
    by_deadline: BTreeSet<(Time, u32)>,
}

impl Alarms {
    /// Arms `alarm` for `deadline`, replacing what its slot had.
    pub(crate) fn arm(&mut self, alarm: Alarm, deadline: Time) {
        if let Some((old, _)) = self.by_slot.insert(alarm.slot, (deadline, alarm.generation)) {
            self.by_deadline.remove(&(old, alarm.slot));
        }
        self.by_deadline.insert((deadline, alarm.slot));
        assert!(self.by_slot.len() == self.by_deadline.len(), "each armed slot has one deadline");
    }

    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<Time> {
        self.by_deadline.first().map(|&(deadline, _)| deadline)
    }

    /// Takes the alarms that are due at `now`, in the order of their deadlines.
    pub(crate) fn take_due(&mut self, now: Time) -> Vec<Alarm> {
        let mut due = Vec::new();
        while let Some(&(deadline, slot)) = self.by_deadline.first()
            && deadline <= now
        {
            self.by_deadline.pop_first();
            if let Some((_, generation)) = self.by_slot.remove(&slot) {
                due.push(Alarm { slot, generation });
            }
        }
        assert!(self.by_slot.len() == self.by_deadline.len(), "each armed slot has one deadline");
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alarm(slot: u32, generation: u32) -> Alarm {
        Alarm { slot, generation }
    }

    #[test]
    fn a_slot_keeps_only_its_newest_alarm() {
        let mut alarms = Alarms::default();
        for generation in 1..=1000 {
            alarms.arm(alarm(0, generation), Time(5_000 + u64::from(generation)));
        }
        alarms.arm(alarm(1, 1), Time(10));
        assert_eq!(alarms.next(), Some(Time(10)));
        assert_eq!(alarms.take_due(Time(5_999)), [alarm(1, 1)]);
        assert_eq!(alarms.take_due(Time(6_000)), [alarm(0, 1000)]);
        assert_eq!(alarms.next(), None);
    }

    #[test]
    fn due_alarms_come_in_the_order_of_their_deadlines() {
        let mut alarms = Alarms::default();
        alarms.arm(alarm(0, 1), Time(30));
        alarms.arm(alarm(1, 1), Time(10));
        alarms.arm(alarm(2, 1), Time(20));
        assert_eq!(alarms.take_due(Time(20)), [alarm(1, 1), alarm(2, 1)]);
        assert_eq!(alarms.next(), Some(Time(30)));
    }
}
