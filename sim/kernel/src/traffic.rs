//! Who sent to whom, and what became of it: for reports about a system that does not get on.

use crate::event::{Event, Message};
use crate::net::{Way, Window};
use crate::trace::What;
use crate::world::World;
use contract::{NodeId, ProcessId, Time};
use std::collections::BTreeMap;

/// What became of the messages from one process to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// Who sent them.
    pub from: ProcessId,
    /// To whom.
    pub to: ProcessId,
    /// Handled by the receiver.
    pub delivered: u64,
    /// Lost on the way, or since the receiver was down.
    pub lost: u64,
    /// Still under way, or waiting for a receiver that is busy or stands still.
    pub held: u64,
}

impl World {
    /// Keeps every event of the trace from now on. Never changes the run.
    pub fn keep_whole_trace(&mut self) {
        self.trace.keep_all();
    }

    /// Messages that arrived or were lost at `since` or later, as far as the trace is kept, and those that were sent
    /// then and still wait; by sender and receiver.
    pub fn traffic(&self, since: Time) -> Vec<Traffic> {
        let mut pairs: BTreeMap<(u32, u32), Traffic> = BTreeMap::new();
        let mut pair = |from: u32, to: u32, count: fn(&mut Traffic)| {
            let none = Traffic { from: ProcessId(from), to: ProcessId(to), delivered: 0, lost: 0, held: 0 };
            count(pairs.entry((from, to)).or_insert(none));
        };
        for record in self.trace.records().filter(|record| record.at >= since.0) {
            match record.what {
                What::Deliver => pair(record.other, record.subject, |it| it.delivered += 1),
                What::Drop => pair(record.other, record.subject, |it| it.lost += 1),
                _ => {}
            }
        }
        let parked = self.processes.iter().flat_map(|process| &process.mailbox);
        for event in self.queue.iter().chain(parked) {
            if let Event::Message(Message { from, to, sent, .. }) = event
                && *sent >= since.0
            {
                pair(from.0, to.0, |it| it.held += 1);
            }
        }
        pairs.into_values().collect()
    }

    /// What is now in the way of messages from one process to another, in words.
    pub fn obstacle(&self, from: ProcessId, to: ProcessId) -> Option<String> {
        let receiver = self.processes.get(to.0 as usize)?;
        let name = &self.plan.processes[to.0 as usize].name;
        let (a, b) = (self.node_of[from.0 as usize], receiver.node);
        let kind = |slot: usize| self.settings.faults[slot].kind.name();
        if !receiver.is_up() {
            return Some(format!("{name} is down"));
        }
        if self.nodes[b.0 as usize].paused_until > self.now {
            return Some(format!("{name} stands still"));
        }
        if a == b {
            return None;
        }
        if let Some(slot) = self.net.cut_between(a, b) {
            return Some(format!("the link is cut by {}", kind(slot)));
        }
        let mut windows = self.net.windows.iter().chain(&self.net.slow);
        let names = |window: &Window, other: NodeId| window.peers.is_empty() || window.peers.contains(&other);
        let window = windows.find(|window| match window.target {
            target if target == a => window.way != Way::Inward && names(window, b),
            target => target == b && window.way != Way::Outward && names(window, a),
        })?;
        Some(format!("the link suffers from {}", kind(window.slot)))
    }
}
