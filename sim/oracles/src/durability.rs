//! Durability (G1): an acknowledged entry stays readable, as what it was acknowledged for.
//!
//! | mark | stated by | when |
//! |---|---|---|
//! | `log.acked {log, index, digest}` | whoever promises | the promise is about to be sent |
//! | `log.read {log, from, digests}` | a reader | it asked for all from `from` on and got the entries with these digests, from `from` without gaps |
//! | `log.trimmed {log, until}` | the owner | entries below `until` are to be deleted on purpose |
//!
//! A read that was limited states `until`, the first index that it did not ask for. A read that took time
//! states `since`, when it began, in nanoseconds of virtual time: only what was acknowledged before that
//! must be in it. An entry that was never acknowledged may or may not be there: its client was told nothing.
//!
//! After "Torturing Databases for Fun and Profit" (OSDI 2014) and the loss of acknowledged writes in
//! `jepsen.io/analyses/nats-2.12.1`: the only witness that counts is a read. A read costs its own length
//! and that of the acknowledged entries in its range.

use crate::fact::{Reader, senseless};
use crate::oracle::{Oracle, Violation};
use contract::{Observed, Time, Value};
use std::collections::BTreeMap;

/// The oracle; see the module.
#[derive(Clone, Debug, Default)]
pub struct Durability {
    logs: BTreeMap<String, Log>,
    judged: u64,
}

#[derive(Clone, Debug, Default)]
struct Log {
    acked: BTreeMap<u64, Acked>,
    trimmed: u64,
}

#[derive(Clone, Debug)]
struct Acked {
    digest: Value,
    at: Time,
    event: u64,
}

/// What a reader asked for and got.
#[derive(Clone, Copy, Debug)]
struct Read<'m> {
    from: u64,
    until: u64,
    /// Only entries that were acknowledged before this are owed; `None` for all.
    since: Option<Time>,
    digests: &'m [Value],
}

impl Durability {
    /// As in a scenario file.
    pub const NAME: &'static str = "durability";
    /// What it may report.
    pub const INVARIANTS: &'static [&'static str] = &["G1", Violation::MARKS];

    /// A judge that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    fn log(&mut self, name: &str) -> &mut Log {
        if !self.logs.contains_key(name) {
            self.logs.insert(name.to_owned(), Log::default());
        }
        let Some(log) = self.logs.get_mut(name) else { unreachable!("the log was just entered") };
        log
    }

    fn acked(&mut self, name: &str, index: u64, digest: &Value, seen: &Observed) -> Result<(), Violation> {
        let log = self.log(name);
        let new = Acked { digest: digest.clone(), at: seen.at, event: seen.event };
        if index < log.trimmed {
            return Err(broken("entry acknowledged after it was trimmed")
                .because(format!(
                    "index {index} of {name} was acknowledged, and the log was trimmed to {}",
                    log.trimmed
                ))
                .seen_in(&[seen.event]));
        }
        let first = log.acked.entry(index).or_insert(new);
        if first.digest == *digest {
            return Ok(());
        }
        Err(broken("index acknowledged for two entries")
            .because(format!("index {index} of {name} was acknowledged as {} and as {digest}", first.digest))
            .seen_in(&[first.event, seen.event]))
    }

    fn read(&mut self, name: &str, read: Read<'_>, seen: &Observed) -> Result<(), Violation> {
        self.judged += 1;
        if read.until < read.from {
            return Err(senseless(Self::NAME, seen, "`until` is below `from`"));
        }
        let log = self.log(name);
        let owed = log.acked.range(read.from.max(log.trimmed)..read.until.max(log.trimmed));
        for (&index, acked) in owed.filter(|(index, _)| **index >= read.from) {
            let got = usize::try_from(index - read.from).ok().and_then(|at| read.digests.get(at));
            let violation = match got {
                Some(digest) if *digest == acked.digest => continue,
                Some(digest) => broken("acknowledged entry changed").because(format!(
                    "index {index} of {name} was acknowledged as {} and was read as {digest} at {}",
                    acked.digest, seen.at
                )),
                None if read.since.is_some_and(|since| acked.at >= since) => continue,
                None => broken("acknowledged entry not readable").of_loss().because(format!(
                    "index {index} of {name} was acknowledged at {}, and a read from {} at {} ended with {} entries",
                    acked.at,
                    read.from,
                    seen.at,
                    read.digests.len()
                )),
            };
            return Err(violation.seen_in(&[acked.event, seen.event]));
        }
        Ok(())
    }

    fn trimmed(&mut self, name: &str, until: u64) {
        let log = self.log(name);
        log.trimmed = log.trimmed.max(until);
        log.acked = log.acked.split_off(&log.trimmed);
    }
}

fn broken(shape: &str) -> Violation {
    Violation::new(Durability::NAME, "G1", shape)
}

impl Oracle for Durability {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn observe(&mut self, seen: &Observed) -> Result<(), Violation> {
        let reader = Reader::new(Self::NAME, seen);
        match &*seen.mark.kind {
            "log.acked" => self.acked(reader.text("log")?, reader.number("index")?, reader.value("digest")?, seen),
            "log.read" => {
                let since = reader.number_if_any("since")?.map(Time);
                let until = reader.number_if_any("until")?.unwrap_or(u64::MAX);
                let read = Read { from: reader.number("from")?, until, since, digests: reader.list("digests")? };
                self.read(reader.text("log")?, read, seen)
            }
            "log.trimmed" => {
                self.trimmed(reader.text("log")?, reader.number("until")?);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn judged(&self) -> u64 {
        self.judged
    }

    fn clone_box(&self) -> Box<dyn Oracle> {
        Box::new(self.clone())
    }
}
