//! A run taken apart for explaining: events with what they carried and did, who was up, what went wrong when.
//!
//! Events are named by their index into [`Run::events`]; processes, nodes, kinds and windows by theirs.

use crate::verdict::Verdict;
use contract::DiskError;
use kernel::{FaultKind, What};

/// A run.
#[derive(Clone, Debug)]
pub struct Run {
    /// What it found.
    pub verdict: Verdict,
    /// Machines by name.
    pub nodes: Vec<String>,
    /// Processes.
    pub processes: Vec<Process>,
    /// Names of protocols.
    pub kinds: Vec<&'static str>,
    /// What happened, in order.
    pub events: Vec<Event>,
    /// The occurrences of faults.
    pub windows: Vec<Window>,
    /// When the system was healed, in nanoseconds.
    pub healed: Option<u64>,
    /// When the run ended, in nanoseconds.
    pub end: u64,
    /// Earlier events that are not in the list, since there were too many.
    pub left_out: u64,
}

/// A process.
#[derive(Clone, Debug)]
pub struct Process {
    /// Node and process, as in `edge-0/buffer`.
    pub name: String,
    /// Its node.
    pub node: usize,
}

/// One occurrence of a fault.
#[derive(Clone, Debug)]
pub struct Window {
    /// What.
    pub kind: FaultKind,
    /// The fault's slot.
    pub slot: usize,
    /// The number of the occurrence, from 1.
    pub occurrence: u32,
    /// Whom it struck.
    pub nodes: Vec<usize>,
    /// From when, in nanoseconds.
    pub from: u64,
    /// Until when.
    pub to: u64,
    /// The event that began it.
    pub event: usize,
}

/// One event.
#[derive(Clone, Debug)]
pub struct Event {
    /// Its number in the run, from 1.
    pub number: u64,
    /// When, in nanoseconds.
    pub at: u64,
    /// When its handler was done.
    pub until: u64,
    /// What it was.
    pub what: What,
    /// Whose.
    pub process: Option<usize>,
    /// Where.
    pub node: Option<usize>,
    /// The event whose handler caused it.
    pub cause: Option<usize>,
    /// The message it carried.
    pub message: Option<Message>,
    /// Timer slot or incarnation.
    pub tag: u32,
    /// What tells its content.
    pub digest: u64,
    /// More about it, in words.
    pub text: String,
    /// What its handler did.
    pub effects: Vec<Effect>,
    /// The occurrence that it begins or ends.
    pub window: Option<usize>,
    /// The occurrences that it met.
    pub met: Vec<usize>,
}

/// A message at the end of its way.
#[derive(Clone, Debug)]
pub struct Message {
    /// Who sent it.
    pub from: Option<usize>,
    /// Its protocol.
    pub kind: usize,
    /// When it left, in nanoseconds.
    pub sent: u64,
    /// Its path of causes.
    pub identity: u64,
}

/// Something that a handler did.
#[derive(Clone, Debug)]
pub struct Effect {
    /// When it began, in nanoseconds.
    pub at: u64,
    /// When it was over.
    pub until: u64,
    /// What.
    pub deed: Deed,
    /// Whether a crash took it back: it never happened.
    pub taken_back: bool,
}

/// What a handler did.
#[derive(Clone, Debug)]
pub enum Deed {
    /// Sent a message.
    Send {
        /// To whom; `None` where there is no such process.
        to: Option<usize>,
        /// Its protocol.
        kind: usize,
        /// The event at which it arrived or was lost, if it did either.
        fate: Option<usize>,
        /// Its path of causes.
        identity: u64,
    },
    /// Called the disk.
    Disk(kernel::DiskNote),
    /// Stated a fact.
    Mark {
        /// The mark's kind.
        kind: String,
        /// Kind and facts.
        text: String,
    },
}

impl Window {
    /// Kind, number and place: `power_loss #2 on edge-0`.
    pub fn name(&self, run: &Run) -> String {
        let nodes: Vec<&str> = self.nodes.iter().map(|node| &*run.nodes[*node]).collect();
        format!("{} #{} on {}", self.kind.name(), self.occurrence, nodes.join(" "))
    }

    /// Whether it ends processes.
    pub fn kills(&self) -> bool {
        use FaultKind as F;
        matches!(self.kind, F::ProcessCrash | F::PowerLoss | F::HostLoss | F::VersionSkew)
    }

    /// Whether a disk call that failed so can be its doing.
    pub fn explains(&self, error: DiskError) -> bool {
        use FaultKind as F;
        match error {
            DiskError::NoSpace => matches!(self.kind, F::DiskFull | F::InodeExhaustion),
            DiskError::ReadOnly => self.kind == F::ReadOnly,
            DiskError::TooManyOpen => self.kind == F::TooManyOpen,
            DiskError::Io => matches!(self.kind, F::DiskError | F::FsyncFailure | F::FsyncLie | F::LatentError),
            _ => false,
        }
    }
}

impl Run {
    /// The index of an event by its number.
    pub fn index(&self, number: u64) -> Option<usize> {
        index(&self.events, number)
    }

    /// A process by name; `nobody` where there is none.
    pub fn process_name(&self, process: Option<usize>) -> &str {
        process.map_or("nobody", |process| &self.processes[process].name)
    }

    /// Where an event happened: its process or its node.
    pub fn place(&self, event: &Event) -> &str {
        match (event.process, event.node) {
            (Some(process), _) => &self.processes[process].name,
            (None, Some(node)) => &self.nodes[node],
            (None, None) => "nobody",
        }
    }
}

/// The index of an event by its number: numbers rise by one.
pub fn index(events: &[Event], number: u64) -> Option<usize> {
    let first = events.first()?.number;
    let index = usize::try_from(number.checked_sub(first)?).ok()?;
    (index < events.len()).then_some(index)
}

impl Effect {
    /// Whether it made something durable.
    pub fn is_durable_point(&self) -> bool {
        matches!(&self.deed, Deed::Disk(call) if call.is_durable_point()) && !self.taken_back
    }

    /// Why the disk refused, if it did.
    pub fn error(&self) -> Option<String> {
        match &self.deed {
            Deed::Disk(call) => call.outcome.as_ref().err().map(ToString::to_string),
            _ => None,
        }
    }

    /// In words, without its time.
    pub fn words(&self, run: &Run) -> String {
        let words = match &self.deed {
            Deed::Send { to, kind, .. } => format!("send {} to {}", run.kinds[*kind], run.process_name(*to)),
            Deed::Disk(call) => call.to_string(),
            Deed::Mark { text, .. } => text.clone(),
        };
        if self.taken_back { format!("{words} (taken back by the crash)") } else { words }
    }
}
