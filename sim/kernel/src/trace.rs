//! What happened: a bounded ring of fixed-size records, and the rolling fingerprint over all of them.

use crate::draw::index;
use crate::note::{Note, Notes};
use contract::{NodeId, ProcessId, Time};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// What an event was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum What {
    /// A message reached its handler.
    Deliver = 1,
    /// A message found nobody: lost, cut or its receiver down.
    Drop,
    /// A message that its receiver does not understand.
    Refuse,
    /// A timer fired.
    Timer,
    /// A process started.
    Boot,
    /// A process ended itself.
    Halt,
    /// A process was killed.
    Crash,
    /// A fault began.
    Strike,
    /// A fault ended.
    Relief,
}

impl What {
    /// The word in a trace.
    pub fn word(self) -> &'static str {
        match self {
            What::Deliver => "deliver",
            What::Drop => "drop",
            What::Refuse => "refuse",
            What::Timer => "timer",
            What::Boot => "boot",
            What::Halt => "halt",
            What::Crash => "crash",
            What::Strike => "strike",
            What::Relief => "relief",
        }
    }
}

/// One event.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    /// Its number, from 1.
    pub event: u64,
    /// True virtual time.
    pub at: u64,
    /// The event whose handler caused it; 0 for none.
    pub cause: u64,
    /// Hash of the message's encoding, or another number that tells what it was.
    pub digest: u64,
    /// The fingerprint after it.
    pub fingerprint: u64,
    /// The process (or node, for strikes) it happened to.
    pub subject: u32,
    /// The sender, or the slot of a fault.
    pub other: u32,
    /// Protocol tag, timer slot, incarnation.
    pub tag: u32,
    /// What it was.
    pub what: What,
}

/// The ring and the fingerprint.
#[derive(Clone, Debug)]
pub struct Trace {
    ring: Vec<Record>,
    capacity: usize,
    written: u64,
    fingerprint: u64,
    /// What events carried and did, when the run is narrated.
    notes: Option<Notes>,
}

impl Trace {
    /// A ring of `capacity` events; with `narrate` their notes are kept as well.
    pub fn new(capacity: usize, narrate: bool) -> Trace {
        Trace {
            ring: Vec::with_capacity(capacity.min(1024)),
            capacity: capacity.max(1),
            written: 0,
            fingerprint: 0,
            notes: narrate.then(|| Notes::new(capacity)),
        }
    }

    /// Keeps every event from now on.
    pub fn keep_all(&mut self) {
        self.ring = self.records().copied().collect();
        self.capacity = usize::MAX;
    }

    /// The number that the next event will get.
    #[inline]
    pub fn next_event(&self) -> u64 {
        self.written + 1
    }

    /// Events so far.
    #[inline]
    pub fn events(&self) -> u64 {
        self.written
    }

    /// The fingerprint so far.
    #[inline]
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// Writes one event down.
    #[inline]
    #[allow(clippy::too_many_arguments)] // the fields of one record, at the one hot place
    pub fn record(&mut self, what: What, at: u64, cause: u64, subject: u32, other: u32, tag: u32, digest: u64) -> u64 {
        self.written += 1;
        let mut bytes = [0u8; 40];
        bytes[..8].copy_from_slice(&at.to_le_bytes());
        bytes[8..16].copy_from_slice(&cause.to_le_bytes());
        bytes[16..24].copy_from_slice(&digest.to_le_bytes());
        bytes[24..28].copy_from_slice(&subject.to_le_bytes());
        bytes[28..32].copy_from_slice(&other.to_le_bytes());
        bytes[32..36].copy_from_slice(&tag.to_le_bytes());
        bytes[36] = what as u8;
        self.fingerprint = xxh3_64_with_seed(&bytes, self.fingerprint);
        let record =
            Record { event: self.written, at, cause, digest, fingerprint: self.fingerprint, subject, other, tag, what };
        if self.ring.len() < self.capacity {
            self.ring.push(record);
        } else {
            let place = index(self.written - 1, self.capacity);
            self.ring[place] = record;
        }
        self.written
    }

    /// Mixes an effect of the current handler (a disk call, a mark) into the fingerprint.
    #[inline]
    pub fn absorb(&mut self, number: u64, bytes: &[u8]) {
        self.fingerprint = crate::draw::fold(self.fingerprint ^ xxh3_64(bytes), number | 1);
    }

    /// Whether notes are kept.
    #[inline]
    pub fn narrates(&self) -> bool {
        self.notes.is_some()
    }

    /// Keeps a sentence about the current event.
    pub fn narrate(&mut self, text: String) {
        self.note(self.written, Note::Text(text));
    }

    /// Keeps a note about an event that was recorded: the current one, or the one whose handler runs.
    pub fn note(&mut self, event: u64, note: Note) {
        if let Some(notes) = &mut self.notes {
            notes.push(event, note);
        }
    }

    /// The n-th note of an event, to be completed.
    pub fn note_mut(&mut self, event: u64, nth: usize) -> Option<&mut Note> {
        self.notes.as_mut()?.get_mut(event, nth)
    }

    /// The last note that was kept.
    pub fn last_note(&self) -> Option<&Note> {
        self.notes.as_ref()?.last()
    }

    /// The kept records, oldest first.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        let split = if self.ring.len() < self.capacity { 0 } else { index(self.written, self.capacity) };
        self.ring[split..].iter().chain(&self.ring[..split])
    }

    /// The notes of an event: what it carried, then what its handler did.
    pub fn notes(&self, event: u64) -> &[Note] {
        self.notes.as_ref().map_or(&[], |notes| notes.of(event))
    }
}

/// One event of the trace for people, its fields apart, so that two runs can be compared field by field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceLine {
    /// The event's number.
    pub event: u64,
    /// When, in true virtual time.
    pub at: Time,
    /// The process that handled it, by name; a node for faults.
    pub process: String,
    /// What it was: `deliver`, `timer`, `boot`, `crash` ...
    pub what: &'static str,
    /// The other party, protocol and payload digest, or text where the run is narrated.
    pub detail: String,
    /// The event that caused it; 0 for none.
    pub cause: u64,
    /// The fingerprint after it.
    pub fingerprint: u64,
}

/// One event with its parts apart, for programs that explain a run.
#[derive(Clone, Copy, Debug)]
pub struct Happening<'w> {
    /// The event's number.
    pub event: u64,
    /// When, in true virtual time.
    pub at: Time,
    /// What it was.
    pub what: What,
    /// The event whose handler caused it; 0 for none.
    pub cause: u64,
    /// The process it happened to; `None` for faults, and where a message was for nobody.
    pub process: Option<ProcessId>,
    /// The node it happened to; of a fault the drawn target.
    pub node: Option<NodeId>,
    /// The sender of a message.
    pub from: Option<ProcessId>,
    /// The slot and the number of a fault's occurrence.
    pub fault: Option<(u32, u32)>,
    /// Timer slot, or the incarnation that starts or ends.
    pub tag: u32,
    /// What tells its content: the hash of a message's encoding.
    pub digest: u64,
    /// The fingerprint after it.
    pub fingerprint: u64,
    /// What it carried and what its handler did, where the run is narrated.
    pub notes: &'w [Note],
}
