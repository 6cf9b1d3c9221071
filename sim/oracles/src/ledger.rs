//! Shared ledgers (G1, G2, G3): what was acknowledged stays readable, numbers mean one event each, and a repair
//! removes only what nobody was promised.
//!
//! | mark | stated by | when |
//! |---|---|---|
//! | `ledger.acked {ledger, first, digests}` | a writer | the events with the numbers from `first` on are about to be acknowledged |
//! | `ledger.reading {ledger}` | a reader | it begins to look for what is settled |
//! | `ledger.read {ledger, from, digests, more}` | the same process | it found these from `from` on, without gaps; `more` if it did not ask for all |
//! | `ledger.cut {ledger, last}` | a repair | everything behind the event `last` is about to be cut off |
//! | `ledger.damaged {ledger, at}` | anyone | bytes that were durable cannot be read as they were written |
//!
//! A ledger's name is unique in the cluster. A reader that returns an event promises as much as a writer that
//! acknowledges it: whoever reads later finds the same event under the same number. What was acknowledged before a
//! reader began must be in what it finds; what was acknowledged since may be missing. Each fact costs the logarithm of
//! the number of events for each event that it names.
//!
//! After "Torturing Databases for Fun and Profit" (OSDI 2014): the only witness that counts is a read. A workload reads
//! everything when its last append was acknowledged; what a repeated request appends after that, nobody looks for.

use crate::fact::{Ids, Reader, senseless};
use crate::oracle::{Oracle, Violation};
use contract::{Observed, ProcessId, Time};
use std::collections::BTreeMap;

/// The oracle; see the module.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    ledgers: BTreeMap<String, Events>,
    judged: u64,
}

#[derive(Clone, Debug, Default)]
struct Events {
    /// What was promised, by number.
    promised: BTreeMap<u64, Promise>,
    /// Since when each process has been looking.
    reading: BTreeMap<ProcessId, Time>,
}

#[derive(Clone, Copy, Debug)]
struct Promise {
    digest: u64,
    at: Time,
    event: u64,
}

/// What a reader found.
#[derive(Clone, Copy, Debug)]
struct Found<'m> {
    from: u64,
    digests: Ids<'m>,
    more: bool,
}

impl Ledger {
    /// As in a scenario file.
    pub const NAME: &'static str = "ledger";
    /// What it may report.
    pub const INVARIANTS: &'static [&'static str] = &["G1", "G2", "G3", Violation::MARKS];

    /// A judge that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    fn events(&mut self, name: &str) -> &mut Events {
        if !self.ledgers.contains_key(name) {
            self.ledgers.insert(name.to_owned(), Events::default());
        }
        let Some(events) = self.ledgers.get_mut(name) else { unreachable!("the ledger was just entered") };
        events
    }

    fn acked(&mut self, name: &str, first: u64, digests: Ids<'_>, seen: &Observed) -> Result<(), Violation> {
        let events = self.events(name);
        for (number, digest) in (first..).zip(digests.iter()) {
            let known = events.promise(number, digest, seen);
            if known.digest != digest {
                return Err(broken("G2", "one number acknowledged for two events")
                    .because(format!(
                        "{name}: {number} is the number of two events, the second acknowledged at {}",
                        seen.at
                    ))
                    .seen_in(&[known.event, seen.event]));
            }
        }
        Ok(())
    }

    fn read(&mut self, name: &str, found: Found<'_>, seen: &Observed) -> Result<(), Violation> {
        let events = self.events(name);
        let Some(since) = events.reading.remove(&seen.process) else {
            return Err(senseless(Self::NAME, seen, "a reader says when it begins"));
        };
        let mut next = found.from;
        for digest in found.digests.iter() {
            let known = events.promise(next, digest, seen);
            if known.digest != digest {
                return Err(broken("G1", "an event is not what it was")
                    .because(format!(
                        "{name}: event {next} was another one at {}, and was read at {}",
                        known.at, seen.at
                    ))
                    .seen_in(&[known.event, seen.event]));
            }
            next = next.saturating_add(1);
        }
        let owed = events.promised.range(next..).find(|(_, promise)| promise.at < since);
        match owed.filter(|_| !found.more) {
            None => Ok(()),
            Some((number, promise)) => Err(broken("G1", "an event cannot be read any more")
                .of_loss()
                .because(format!(
                    "{name}: event {number} was promised at {}, and a reader at {} found nothing behind {}",
                    promise.at,
                    seen.at,
                    next - 1
                ))
                .seen_in(&[promise.event, seen.event])),
        }
    }

    fn cut(&mut self, name: &str, last: u64, seen: &Observed) -> Result<(), Violation> {
        let promised = self.events(name).promised.range(last.saturating_add(1)..).next();
        match promised {
            None => Ok(()),
            Some((number, promise)) => Err(broken("G3", "a repair cuts off what was promised")
                .because(format!(
                    "{name}: event {number} was promised at {}, and at {} everything behind {last} was cut off",
                    promise.at, seen.at
                ))
                .seen_in(&[promise.event, seen.event])),
        }
    }
}

impl Events {
    /// What that number was promised for, first here or before.
    fn promise(&mut self, number: u64, digest: u64, seen: &Observed) -> Promise {
        *self.promised.entry(number).or_insert(Promise { digest, at: seen.at, event: seen.event })
    }
}

fn broken(invariant: &'static str, shape: &str) -> Violation {
    Violation::new(Ledger::NAME, invariant, shape)
}

impl Oracle for Ledger {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn observe(&mut self, seen: &Observed) -> Result<(), Violation> {
        let reader = Reader::new(Self::NAME, seen);
        let judged = match &*seen.mark.kind {
            "ledger.acked" => self.acked(reader.text("ledger")?, reader.number("first")?, reader.ids("digests")?, seen),
            "ledger.reading" => {
                self.events(reader.text("ledger")?).reading.insert(seen.process, seen.at);
                return Ok(());
            }
            "ledger.read" => {
                let (from, digests) = (reader.number("from")?, reader.ids("digests")?);
                self.read(reader.text("ledger")?, Found { from, digests, more: reader.flag("more")? }, seen)
            }
            "ledger.cut" => self.cut(reader.text("ledger")?, reader.number("last")?, seen),
            "ledger.damaged" => Err(broken("G1", "durable bytes cannot be read as they were written")
                .of_loss()
                .because(format!(
                    "{} is damaged at byte {}, as was found at {}",
                    reader.text("ledger")?,
                    reader.number("at")?,
                    seen.at
                ))
                .seen_in(&[seen.event])),
            _ => return Ok(()),
        };
        self.judged += 1;
        judged
    }

    fn judged(&self) -> u64 {
        self.judged
    }

    fn clone_box(&self) -> Box<dyn Oracle> {
        Box::new(self.clone())
    }
}
