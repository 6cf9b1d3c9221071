//! Samples of a run: events with their fields apart, and digests of what their handlers did.

use crate::scenario::Scenario;
use contract::{NodeId, ProcessId, Time};
use kernel::{Happening, Note, What, World};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use xxhash_rust::xxh3::xxh3_64;

/// Deeds of one kind and event that are kept in words.
pub const DEEDS_MAX: usize = 8;
/// Words of a recording, beyond the names of its processes, and their length in characters: they fit one record.
const WORDS_MAX: usize = 8_192;
const WORD_CHARS_MAX: usize = 80;
/// Stands for whatever found no room.
const OTHER: &str = "(not listed)";

/// Every k-th event of a run, from one on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Samples {
    /// From one sample to the next, in events; at least 1.
    pub every: u64,
    /// The event of the first sample, a multiple of `every`; of a very long run the older ones are gone.
    pub first: u64,
    /// Names of processes, nodes, protocols, kinds of events and of faults.
    pub words: Vec<String>,
    /// The samples, without gaps.
    pub all: Vec<Sample>,
}

/// One event. Names are places in [`Samples::words`]; the place of the empty word stands for none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// When, in nanoseconds of true virtual time.
    pub at: u64,
    /// The process that handled it; a node for faults.
    pub process: u32,
    /// What it was: `deliver`, `timer`, `boot` ...
    pub what: u32,
    /// The sender of a message, or the kind of a fault.
    pub other: u32,
    /// Of a message.
    pub protocol: u32,
    /// Timer slot, incarnation, or number of a fault's occurrence.
    pub tag: u32,
    /// The event whose handler caused it; 0 for none.
    pub cause: u64,
    /// Tells the content.
    pub digest: u32,
    /// Of all events up to it, and of their effects before it.
    pub fingerprint: u32,
    /// The messages that its handler sent.
    pub sent: Deeds,
    /// Its disk calls.
    pub disk: Deeds,
    /// The facts that it stated.
    pub marks: Deeds,
}

/// What a handler did, of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deeds {
    /// How many.
    pub count: u32,
    /// Of all of them, in order, with their times and contents.
    pub digest: u16,
    /// The first of them in words without times, which recur: disk calls, receivers of messages, kinds of facts.
    pub words: Vec<u32>,
}

impl Deeds {
    fn add(&mut self, world: &World, note: &Note, words: &mut Words) {
        self.count += 1;
        self.digest = xxh3_64(format!("{}\n{}", self.digest, deed_words(world, note)).as_bytes()) as u16;
        if self.words.len() < DEEDS_MAX {
            self.words.push(words.recurring(&recurring_words(world, note)));
        }
    }
}

impl Samples {
    /// Samples what a world still knows of its events.
    pub fn of(scenario: &Scenario, world: &World, every: u64) -> Samples {
        let mut words = Words::default();
        let every = every.max(1);
        let wanted = world.happenings().filter(|it| it.event.is_multiple_of(every));
        let mut samples = Samples { every, first: 0, words: Vec::new(), all: Vec::new() };
        for happening in wanted {
            if samples.all.is_empty() {
                samples.first = happening.event;
            }
            samples.all.push(sample(scenario, world, &happening, &mut words));
        }
        samples.words = words.list;
        samples
    }

    /// The sample of an event.
    pub fn get(&self, event: u64) -> Option<&Sample> {
        let place = event.checked_sub(self.first)?;
        if !place.is_multiple_of(self.every) {
            return None;
        }
        self.all.get(usize::try_from(place / self.every).ok()?)
    }

    /// A name; empty where there is none.
    pub fn word(&self, place: u32) -> &str {
        self.words.get(place as usize).map_or("", String::as_str)
    }

    /// The name of the process, or node, that an event happened to.
    pub fn place(&self, sample: &Sample) -> String {
        self.word(sample.process).to_owned()
    }

    /// The event in words, without its place.
    pub fn phrase(&self, sample: &Sample) -> String {
        let mut phrase = format!("{} {}", Time(sample.at), self.word(sample.what));
        for (before, word) in [(" ", self.word(sample.protocol)), (" from ", self.word(sample.other))] {
            if !word.is_empty() {
                phrase.push_str(before);
                phrase.push_str(word);
            }
        }
        if sample.tag != 0 {
            phrase.push_str(&format!(" #{}", sample.tag));
        }
        if sample.digest != 0 {
            phrase.push_str(&format!(", content {:08x}", sample.digest));
        }
        if sample.cause != 0 {
            phrase.push_str(&format!(", caused by event {}", sample.cause));
        }
        phrase
    }
}

/// Names by the order in which they are met.
#[derive(Default)]
struct Words {
    places: BTreeMap<String, u32>,
    list: Vec<String>,
}

impl Words {
    fn place(&mut self, word: &str) -> u32 {
        if let Some(place) = self.places.get(word) {
            return *place;
        }
        let place = self.list.len() as u32;
        self.list.push(word.to_owned());
        self.places.insert(word.to_owned(), place);
        place
    }

    /// The place of a deed's words, which are short and not too many.
    fn recurring(&mut self, words: &str) -> u32 {
        let words: String = words.chars().take(WORD_CHARS_MAX).collect();
        let is_full = self.list.len() >= WORDS_MAX && !self.places.contains_key(&words);
        self.place(if is_full { OTHER } else { &words })
    }
}

fn sample(scenario: &Scenario, world: &World, it: &Happening<'_>, words: &mut Words) -> Sample {
    let plan = world.plan();
    let process_name = |id: ProcessId| plan.processes[id.0 as usize].name.clone();
    let node_name = |id: NodeId| plan.nodes[id.0 as usize].name.clone();
    let is_message = matches!(it.what, What::Deliver | What::Drop | What::Refuse);
    let other = match it.fault {
        Some((slot, _)) => scenario.faults.get(slot as usize).map_or("fault", |fault| fault.kind.name()).to_owned(),
        None => it.from.map(process_name).unwrap_or_default(),
    };
    let protocol = it.notes.iter().find_map(|note| match note {
        Note::Message { protocol, .. } => Some((*protocol).to_owned()),
        _ => None,
    });
    let nobody = || it.node.map_or_else(|| "nobody".to_owned(), node_name);
    let (sent, disk, marks) = deeds(world, it, words);
    Sample {
        at: it.at.0,
        process: words.place(&it.process.map_or_else(nobody, process_name)),
        what: words.place(it.what.word()),
        other: words.place(&other),
        protocol: words.place(&protocol.unwrap_or_default()),
        // The tag of a message is the number of its protocol.
        tag: if is_message { 0 } else { it.tag },
        cause: it.cause,
        digest: it.digest as u32,
        fingerprint: it.fingerprint as u32,
        sent,
        disk,
        marks,
    }
}

fn deeds(world: &World, it: &Happening<'_>, words: &mut Words) -> (Deeds, Deeds, Deeds) {
    let (mut sent, mut disk, mut marks) = (Deeds::default(), Deeds::default(), Deeds::default());
    for note in it.notes {
        let deeds = match note {
            Note::Sent { .. } => &mut sent,
            Note::Disk(_) => &mut disk,
            Note::Mark { .. } => &mut marks,
            _ => continue,
        };
        deeds.add(world, note, words);
    }
    (sent, disk, marks)
}

/// What a handler did, in words, with its times; empty for notes of other kinds.
pub fn deed_words(world: &World, note: &Note) -> String {
    let words = recurring_words(world, note);
    match note {
        Note::Sent { at, .. } => format!("{words} at {at}"),
        Note::Disk(call) => format!("{words} at {} until {}", call.at, call.until),
        Note::Mark { at, mark } => format!("{mark} at {at}"),
        _ => words,
    }
}

/// The part of it that recurs from run to run.
fn recurring_words(world: &World, note: &Note) -> String {
    match note {
        Note::Sent { to, protocol, .. } => {
            let to = world.plan().processes.get(to.0 as usize).map_or("nobody", |process| &process.name);
            format!("{protocol} to {to}")
        }
        Note::Disk(call) => call.to_string(),
        Note::Mark { mark, .. } => mark.kind.to_string(),
        _ => String::new(),
    }
}
