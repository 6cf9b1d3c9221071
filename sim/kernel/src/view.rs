//! Looking at a world: counts, states, files and the trace. Nothing here changes a run.

use crate::fault::{FaultCount, FaultKind};
use crate::note::Note;
use crate::strike::draw_span;
use crate::trace::{Happening, Record, TraceLine, What};
use crate::world::{Decision, World};
use contract::{Duration, NodeId, ProcessId, Time};
use std::collections::{BTreeMap, BTreeSet};

impl World {
    /// For each kind in the settings: asked and fired.
    pub fn fault_counts(&self) -> Vec<(FaultKind, FaultCount)> {
        let mut by_kind: BTreeMap<FaultKind, FaultCount> = BTreeMap::new();
        for (spec, count) in self.settings.faults.iter().zip(&self.counts) {
            let sum = by_kind.entry(spec.kind).or_default();
            sum.asked += count.asked;
            sum.fired += count.fired;
        }
        by_kind.into_iter().collect()
    }

    /// Nodes on which a fault that damages ([`FaultKind::damages`]) has destroyed what was durable, whether
    /// or not anybody has noticed since.
    pub fn damaged(&self) -> &BTreeSet<NodeId> {
        &self.damaged
    }

    /// For each choice site met: how often it was asked and said yes.
    pub fn choice_counts(&self) -> &BTreeMap<&'static str, (u64, u64)> {
        &self.choices
    }

    /// Whether a process is up, or inside the span at whose end it halts.
    pub fn is_running(&self, process: ProcessId) -> bool {
        self.processes.get(process.0 as usize).is_some_and(|it| it.is_up() || it.busy_until >= self.now)
    }

    /// An actor's state for people; `None` while it is down.
    pub fn inspect(&self, process: ProcessId) -> Option<String> {
        self.processes.get(process.0 as usize)?.cell.as_ref().map(|cell| cell.0.inspect())
    }

    /// Whether nothing on a node's disk waits for a sync: a power loss now could leave only one thing.
    pub fn is_settled(&self, node: NodeId) -> bool {
        self.nodes.get(node.0 as usize).is_none_or(|node| node.disk.is_settled(self.now))
    }

    /// Every visible file of a node: path, length in bytes, and whether nothing of it waits for a sync.
    pub fn files(&self, node: NodeId) -> Vec<(String, u64, bool)> {
        self.nodes.get(node.0 as usize).map(|node| node.disk.survey()).unwrap_or_default()
    }

    /// The visible contents of a file, for whoever inspects a world from outside.
    pub fn read_file(&self, node: NodeId, path: &str) -> Option<Vec<u8>> {
        let disk = &self.nodes.get(node.0 as usize)?.disk;
        let ino = disk.resolve(path).ok()?;
        let mut bytes = vec![0; disk.len(ino).ok()?];
        disk.read(ino, 0, &mut bytes).ok()?;
        Some(bytes)
    }

    /// What every process that does not simply run waits for, for a liveness report.
    pub fn waiting(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (process, plan) in self.processes.iter().zip(&self.plan.processes) {
            let name = &plan.name;
            if !process.is_up() {
                lines.push(format!("{name} is down after incarnation {}", process.incarnation));
            } else if process.busy_until > self.now {
                let until = Time(process.busy_until);
                lines.push(format!("{name} is busy or paused until {until}, {} events wait", process.mailbox.len()));
            }
        }
        for cut in &self.net.cuts {
            let target = &self.plan.nodes[cut.target.0 as usize].name;
            lines.push(format!("{target} is cut off ({})", cut.kind.name()));
        }
        lines
    }

    /// The departures from the quiet run so far.
    pub fn decisions(&self) -> &[Decision] {
        &self.decisions
    }

    /// How long the occurrence of a decision lasts; nothing for a message.
    pub fn lasting(&self, decision: &Decision) -> Duration {
        if decision.message {
            return Duration::ZERO;
        }
        let slot = decision.slot as usize;
        // The first draw of an occurrence's stream.
        let nanos = draw_span(&mut self.occurrence_stream(slot, decision.key as u32), self.settings.faults[slot].lasts);
        Duration::from_nanos(nanos)
    }

    /// For each fault slot: asked and fired.
    pub fn slot_counts(&self) -> &[FaultCount] {
        &self.counts
    }

    /// A decision in words.
    pub fn describe(&self, decision: &Decision) -> String {
        let kind = self.settings.faults[decision.slot as usize].kind.name();
        let node = &self.plan.nodes[decision.node.0 as usize].name;
        let at = Time(decision.at);
        if decision.message {
            format!("{at} {kind} meets message {:016x} from {node}", decision.key)
        } else {
            format!("{at} {kind} #{} strikes {node}", decision.key)
        }
    }

    /// The last events, oldest first.
    pub fn trace(&self) -> Vec<TraceLine> {
        self.trace.records().map(|record| self.line(record)).collect()
    }

    /// The last `count` events, oldest first.
    pub fn last_events(&self, count: usize) -> Vec<TraceLine> {
        let skip = self.trace.records().count().saturating_sub(count);
        self.trace.records().skip(skip).map(|record| self.line(record)).collect()
    }

    /// The last events, oldest first, with their parts apart.
    pub fn happenings(&self) -> impl Iterator<Item = Happening<'_>> {
        self.trace.records().map(|record| self.happening(record))
    }

    fn happening(&self, record: &Record) -> Happening<'_> {
        let is_fault = matches!(record.what, What::Strike | What::Relief);
        let is_message = matches!(record.what, What::Deliver | What::Drop);
        let known = |process: u32| ((process as usize) < self.processes.len()).then_some(ProcessId(process));
        let process = if is_fault { None } else { known(record.subject) };
        let node = match process {
            Some(process) => Some(self.node_of[process.0 as usize]),
            None => is_fault.then_some(NodeId(record.subject)),
        };
        Happening {
            event: record.event,
            at: Time(record.at),
            what: record.what,
            cause: record.cause,
            process,
            node,
            from: if is_message { known(record.other) } else { None },
            fault: is_fault.then_some((record.other, record.tag)),
            tag: record.tag,
            digest: record.digest,
            fingerprint: record.fingerprint,
            notes: self.trace.notes(record.event),
        }
    }

    /// The last note in words, where the run is narrated; else empty.
    pub(crate) fn last_words(&self) -> String {
        self.trace.last_note().map(|note| self.words(note)).unwrap_or_default()
    }

    /// A note in words.
    fn words(&self, note: &Note) -> String {
        let process = |id: ProcessId| self.plan.processes.get(id.0 as usize).map_or("nobody", |process| &process.name);
        match note {
            Note::Message { protocol, text, .. } => format!("{protocol} {text}"),
            Note::Sent { to, protocol, .. } => format!("send {protocol} to {}", process(*to)),
            Note::Disk(call) => format!("{call} at {}", call.at),
            Note::Mark { mark, .. } => mark.to_string(),
            Note::Struck(nodes) => {
                let names: Vec<&str> = nodes.iter().map(|node| &*self.plan.nodes[node.0 as usize].name).collect();
                format!("on {}", names.join(" "))
            }
            Note::Text(text) => text.clone(),
        }
    }

    fn line(&self, record: &Record) -> TraceLine {
        let process_name = |id: u32| self.plan.processes.get(id as usize).map_or("nobody", |p| &p.name);
        let (process, detail) = match record.what {
            What::Strike | What::Relief => {
                let kind = self.settings.faults[record.other as usize].kind.name();
                (self.plan.nodes[record.subject as usize].name.clone(), kind.to_owned())
            }
            What::Deliver | What::Drop | What::Refuse => {
                let from = process_name(record.other);
                let detail = format!("from {from} protocol {:08x} digest {:016x}", record.tag, record.digest);
                (process_name(record.subject).to_owned(), detail)
            }
            _ => (process_name(record.subject).to_owned(), format!("#{}", record.tag)),
        };
        let texts: Vec<String> = self.trace.notes(record.event).iter().map(|note| self.words(note)).collect();
        TraceLine {
            event: record.event,
            at: Time(record.at),
            process,
            what: record.what.word(),
            detail: if texts.is_empty() { detail } else { format!("{detail}: {}", texts.join("; ")) },
            cause: record.cause,
            fingerprint: record.fingerprint,
        }
    }
}
