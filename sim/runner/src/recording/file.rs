//! The bytes of a recording: magic with version, then log records with a header check each. What is read is checked
//! against everything that the rest relies on; any other bytes are refused, never a panic.
//!
//! ```text
//! STORMRC1 | record: head (scenario, seed, signature, words) | record: up to 4,096 samples | record ...
//! ```

use super::sample::{DEEDS_MAX, Sample, Samples};
use super::{Recording, SAMPLES_MAX};
use contract::codec::{self, CodecError, RecordAt};
use serde::{Deserialize, Serialize};
use std::fmt;

/// How a recording begins; the last byte is the version of the layout.
pub const MAGIC: [u8; 8] = *b"STORMRC1";

/// Samples in one record: below the codec's limit whatever they hold.
const SAMPLES_IN_RECORD: usize = 4_096;

/// Why bytes are no recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// They begin otherwise.
    NotOne,
    /// Another build's layout: its version.
    Version(char),
    /// Cut or damaged, in the record that begins at this offset.
    Damaged(usize),
    /// A whole record that says what cannot be.
    Impossible(String),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::NotOne => write!(f, "it does not begin with {}", String::from_utf8_lossy(&MAGIC)),
            Refused::Version(version) => write!(
                f,
                "its layout has version `{}`, this build reads {}: replay it with the build that wrote it",
                version.escape_default(),
                char::from(MAGIC[7])
            ),
            Refused::Damaged(offset) => {
                write!(f, "it is cut or damaged at byte {offset}: copy it again, or record anew")
            }
            Refused::Impossible(why) => write!(f, "{why}: record anew"),
        }
    }
}

impl std::error::Error for Refused {}

/// All but the samples.
#[derive(Serialize, Deserialize)]
struct Head {
    path: String,
    text: String,
    seed: u64,
    signature: Option<String>,
    fingerprint: u64,
    events: u64,
    every: u64,
    first: u64,
    samples: u64,
    words: Vec<String>,
}

impl Recording {
    /// As it is written to a file; fails where a scenario's text or its names are longer than the codec's limit.
    pub fn encode(&self) -> Result<Vec<u8>, CodecError> {
        let Recording { path, text, seed, signature, fingerprint, events, samples } = self.clone();
        let Samples { every, first, words, all } = samples;
        let count = all.len() as u64;
        let head = Head { path, text, seed, signature, fingerprint, events, every, first, samples: count, words };
        let mut out = MAGIC.to_vec();
        codec::write_record(&codec::encode(&head)?, &mut out)?;
        let mut past = 0;
        for chunk in all.chunks(SAMPLES_IN_RECORD) {
            let chunk: Vec<Sample> = chunk.iter().map(|sample| apart(sample, &mut past)).collect();
            codec::write_record(&codec::encode(&chunk)?, &mut out)?;
        }
        Ok(out)
    }

    /// Reads what [`Recording::encode`] wrote, and refuses everything else.
    pub fn decode(bytes: &[u8]) -> Result<Recording, Refused> {
        let (name, version) = MAGIC.split_at(MAGIC.len() - 1);
        let rest = bytes.strip_prefix(name).ok_or(Refused::NotOne)?;
        match rest.first() {
            Some(found) if *found == version[0] => {}
            Some(found) => return Err(Refused::Version(char::from(*found))),
            None => return Err(Refused::Damaged(name.len())),
        }
        let mut offset = MAGIC.len();
        let head: Head = record(bytes, &mut offset)?.ok_or(Refused::Damaged(offset))?;
        let mut all: Vec<Sample> = Vec::new();
        let mut past = 0_u64;
        while let Some(chunk) = record::<Vec<Sample>>(bytes, &mut offset)? {
            all.extend(chunk.into_iter().map(|sample| together(sample, &mut past)));
        }
        if (all.len() as u64) < head.samples {
            return Err(Refused::Damaged(offset));
        }
        let Head { path, text, seed, signature, fingerprint, events, every, first, samples: count, words } = head;
        let recording = Recording {
            path,
            text,
            seed,
            signature,
            fingerprint,
            events,
            samples: Samples { every, first, words, all },
        };
        recording.check(count).map_err(|why| Refused::Impossible(why.to_owned()))?;
        Ok(recording)
    }

    /// Whether it says only what a run can be.
    fn check(&self, count: u64) -> Result<(), &'static str> {
        let Samples { every, first, words, all } = &self.samples;
        if all.len() as u64 != count || count > SAMPLES_MAX {
            return Err("it has other samples than its head says");
        }
        let last = count.saturating_sub(1).checked_mul(*every).and_then(|more| more.checked_add(*first));
        let fits = last.is_some_and(|last| last <= self.events);
        if *every == 0 || !first.is_multiple_of(*every) || (*first == 0 && count > 0) || !fits {
            return Err("its samples are of events that it does not have");
        }
        let known = |place: u32| (place as usize) < words.len();
        let listed = |it: &Sample| [&it.sent, &it.disk, &it.marks].into_iter().all(|it| it.words.len() <= DEEDS_MAX);
        if !all.iter().all(listed) {
            return Err("a sample lists more than is ever recorded");
        }
        let names = |it: &Sample| [it.process, it.what, it.other, it.protocol].into_iter().all(known);
        let deeds =
            |it: &Sample| [&it.sent, &it.disk, &it.marks].into_iter().flat_map(|it| &it.words).all(|it| known(*it));
        if !all.iter().all(|it| names(it) && deeds(it)) {
            return Err("a sample has a name that is not listed");
        }
        Ok(())
    }
}

/// A sample whose time is told from the one before: that is short.
fn apart(sample: &Sample, past: &mut u64) -> Sample {
    let at = sample.at.wrapping_sub(*past);
    *past = sample.at;
    Sample { at, ..sample.clone() }
}

fn together(sample: Sample, past: &mut u64) -> Sample {
    *past = past.wrapping_add(sample.at);
    Sample { at: *past, ..sample }
}

/// The next record; `None` at the end.
fn record<T: serde::de::DeserializeOwned>(bytes: &[u8], offset: &mut usize) -> Result<Option<T>, Refused> {
    match codec::read_record(bytes, *offset) {
        RecordAt::Record(body, next) => {
            *offset = next;
            codec::decode(body).map(Some).map_err(|error| Refused::Impossible(error.to_string()))
        }
        RecordAt::End => Ok(None),
        RecordAt::Damaged { .. } => Err(Refused::Damaged(*offset)),
    }
}
