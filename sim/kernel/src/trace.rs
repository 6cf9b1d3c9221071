//! What happened: a bounded ring of fixed-size records, and the rolling fingerprint over all of them.

use contract::Time;
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
    /// Texts of events, by number, when the run is narrated.
    texts: Option<Vec<(u64, String)>>,
}

impl Trace {
    /// A ring of `capacity` events; with `narrate` their texts are kept as well, all of them.
    pub fn new(capacity: usize, narrate: bool) -> Trace {
        Trace {
            ring: Vec::with_capacity(capacity.min(1024)),
            capacity: capacity.max(1),
            written: 0,
            fingerprint: 0,
            texts: narrate.then(Vec::new),
        }
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
            let place = (self.written - 1) as usize % self.capacity;
            self.ring[place] = record;
        }
        self.written
    }

    /// Mixes an effect of the current handler (a disk call, a mark) into the fingerprint.
    #[inline]
    pub fn absorb(&mut self, number: u64, bytes: &[u8]) {
        self.fingerprint = crate::draw::fold(self.fingerprint ^ xxh3_64(bytes), number | 1);
    }

    /// Whether texts are kept.
    #[inline]
    pub fn narrates(&self) -> bool {
        self.texts.is_some()
    }

    /// Keeps the text of the current event.
    pub fn narrate(&mut self, text: String) {
        let event = self.written;
        if let Some(texts) = &mut self.texts {
            texts.push((event, text));
        }
    }

    /// The last text that was kept.
    pub fn last_text(&self) -> Option<&str> {
        self.texts.as_deref()?.last().map(|(_, text)| &**text)
    }

    /// The kept records, oldest first.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        let split = if self.ring.len() < self.capacity { 0 } else { self.written as usize % self.capacity };
        self.ring[split..].iter().chain(&self.ring[..split])
    }

    /// The texts of an event: what it carried, then what its handler did.
    pub fn texts(&self, event: u64) -> impl Iterator<Item = &str> {
        let texts = self.texts.as_deref().unwrap_or_default();
        let start = texts.partition_point(|(number, _)| *number < event);
        texts[start..].iter().take_while(move |(number, _)| *number == event).map(|(_, text)| text.as_str())
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
