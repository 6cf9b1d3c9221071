//! What a debugger sees of a world beside [`crate::view`]: messages on their way, unsynced changes, clocks, who is
//! up, what is in force. Nothing here changes a run.

use crate::disk::change::Change;
use crate::event::{Event, Message};
use crate::world::World;
use contract::{NodeId, ProcessId, Time, Wall};

/// A message that has not met its handler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transit {
    /// Who sent it.
    pub from: ProcessId,
    /// To whom.
    pub to: ProcessId,
    /// When it left, in true time; after now inside its sender's span.
    pub sent: Time,
    /// When it arrives, in true time; `None` for one that has, and waits for a receiver that is busy or stands still.
    pub arrives: Option<Time>,
    /// What it says, by its `Debug`.
    pub text: String,
}

/// A change of a disk that a power loss may undo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsynced {
    /// The file or directory; `None` for a file without a name.
    pub path: Option<String>,
    /// The bytes that a write covers: the first and the one after the last.
    pub bytes: Option<(u64, u64)>,
    /// The change in words.
    pub text: String,
}

/// What a node's clocks show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clocks {
    /// The monotonic clock, from zero at each boot of the node.
    pub monotonic: Time,
    /// The wall clock.
    pub wall: Wall,
    /// How far the wall clock is ahead of the true date, in nanoseconds; negative where it is behind.
    pub wall_ahead: i64,
    /// How fast both run, in parts per million beside the truth.
    pub drift_ppm: i64,
    /// Changes at each boot of the node.
    pub boot: u64,
}

impl World {
    /// Messages on their way and in mailboxes: those that have arrived first, then in the order of their arrival.
    pub fn on_the_way(&self) -> Vec<Transit> {
        let parked = self.processes.iter().flat_map(|process| &process.mailbox).map(|event| (None, event));
        let queued = self.queue.dated().map(|(time, event)| (Some(Time(time)), event));
        let transit = |(arrives, event): (Option<Time>, &Event)| {
            let Event::Message(Message { from, to, sent, payload, .. }) = event else { return None };
            let text = format!("{payload:?}");
            Some(Transit { from: *from, to: *to, sent: Time(*sent), arrives, text })
        };
        let mut all: Vec<Transit> = parked.chain(queued).filter_map(transit).collect();
        all.sort_by_key(|it| (it.arrives, it.sent, it.from, it.to));
        all
    }

    /// The changes on a node's disk that no finished sync covers, in the order in which they were made.
    pub fn unsynced(&self, node: NodeId) -> Vec<Unsynced> {
        let Some(node) = self.nodes.get(node.0 as usize) else { return Vec::new() };
        let mut all = Vec::new();
        for (ino, pending) in node.disk.pending() {
            let path = node.disk.path_of(ino);
            for it in pending.iter().filter(|it| !it.is_durable(self.now)) {
                let (text, bytes) = in_words(it.change());
                all.push((it.order(), Unsynced { path: path.clone(), bytes, text }));
            }
        }
        all.sort_by_key(|(order, _)| *order);
        all.into_iter().map(|(_, change)| change).collect()
    }

    /// What a node's clocks show; `None` where there is no such node.
    pub fn clocks(&self, node: NodeId) -> Option<Clocks> {
        let node = self.nodes.get(node.0 as usize)?;
        let wall = node.clock.wall(self.now);
        let wall_ahead = wall.0.saturating_sub(crate::clock::truth(self.now));
        let (monotonic, drift_ppm) = (node.clock.monotonic(self.now), node.clock.drift_ppm());
        Some(Clocks { monotonic, wall, wall_ahead, drift_ppm, boot: node.boot })
    }

    /// How a process stands, in a few words: up, busy, paused or down, of which incarnation, and what waits for it.
    pub fn standing(&self, process: ProcessId) -> String {
        let Some(it) = self.processes.get(process.0 as usize) else { return "no such process".to_owned() };
        let paused = self.nodes[it.node.0 as usize].paused_until;
        let how = match it.is_up() {
            false => "down".to_owned(),
            true if paused > self.now => format!("paused until {}", Time(paused)),
            true if it.busy_until > self.now => format!("busy until {}", Time(it.busy_until)),
            true => "up".to_owned(),
        };
        let waiting = it.mailbox.len();
        let waits = if waiting == 0 { String::new() } else { format!(", {waiting} wait") };
        format!("{how}, start {}{waits}", it.incarnation)
    }

    /// The faults in force: kind, and the nodes that they strike.
    pub fn in_force(&self) -> Vec<(&'static str, Vec<NodeId>)> {
        let slots = self.slots.iter().zip(&self.settings.faults).filter(|(slot, _)| !slot.active.is_empty());
        slots.map(|(slot, spec)| (spec.kind.name(), slot.active.clone())).collect()
    }

    /// Whether faults still strike: healing ends that for good.
    pub fn is_storm(&self) -> bool {
        self.storm
    }
}

fn in_words(change: &Change) -> (String, Option<(u64, u64)>) {
    match change {
        Change::Write { offset, len, .. } => {
            (format!("write {len} bytes at {offset}"), Some((*offset as u64, (offset + len) as u64)))
        }
        Change::Resize { len, old_len, .. } => (format!("length {old_len} -> {len}"), None),
        Change::Entries(entries) => {
            let words = entries.iter().map(|(name, before, now)| match (before, now) {
                (None, Some(_)) => format!("name {name} made"),
                (Some(_), None) => format!("name {name} removed"),
                _ => format!("name {name} changed"),
            });
            (words.collect::<Vec<_>>().join(", "), None)
        }
    }
}
