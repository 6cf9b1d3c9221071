//! Exactly once (E2): each acknowledged record is in the primary ledger once, and nothing else is.
//!
//! Told by three witnesses that must agree: the clients' histories (`ingest`, input the record id, and
//! `scan`, output the ids in the order of the ledger), the ledger's own marks (`ledger.applied`,
//! `ledger.duplicate`), and what each recovery reads back (`custody.found` of a place named `ledger`).
//!
//! - A record is applied at most once, at the next LSN, and only after a client asked for it.
//! - What was applied is found by every later recovery.
//! - A completed scan shows the ledger from its start, in its order, with at least what was applied when
//!   the scan began; so scans never shrink and each is a prefix of the next.
//! - At the end every acknowledged record is there. Operations that never completed, or whose outcome is
//!   unknown, may have happened once or not at all; ones that failed have not and will not.
//!
//! A mark that was lost in a crash (cut between the sync and the mark) is made good by the recovery that
//! finds the record.

mod ledger;

use crate::fact::{Fact, Ids, read, senseless};
use crate::operations::Operations;
use crate::oracle::{Oracle, Violation};
use contract::history::Outcome;
use contract::{Observed, ProcessId, Value};
use ledger::{Ledger, Misplaced};
use std::collections::{BTreeMap, BTreeSet};

/// The oracle; see the module.
#[derive(Clone, Debug)]
pub struct ExactlyOnce {
    records: BTreeMap<u64, Record>,
    operations: Operations<Asked>,
    ledgers: BTreeMap<ProcessId, Ledger>,
    /// Acknowledged records that are in no ledger.
    missing: BTreeSet<u64>,
    judged: u64,
}

/// What clients know of a record, and where it is.
#[derive(Clone, Debug, Default)]
struct Record {
    /// The event of its first invocation.
    invoked: u64,
    /// Operations for it that have not certainly failed.
    possible: u32,
    /// The event of its first acknowledgement.
    acked: Option<u64>,
    held: Option<Held>,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    ledger: ProcessId,
    event: u64,
}

/// What an open operation asks for.
#[derive(Clone, Copy, Debug)]
enum Asked {
    Ingest { id: u64 },
    Scan { held_before: usize },
    Other,
}

impl ExactlyOnce {
    /// As in a scenario file.
    pub const NAME: &'static str = "exactly_once";
    /// What it may report.
    pub const INVARIANTS: &'static [&'static str] = &["E2", Violation::MARKS];

    /// A judge that has seen nothing.
    pub fn new() -> Self {
        ExactlyOnce {
            records: BTreeMap::new(),
            operations: Operations::new(Self::NAME),
            ledgers: BTreeMap::new(),
            missing: BTreeSet::new(),
            judged: 0,
        }
    }

    fn invoked(&mut self, op: u64, action: &str, input: &Value, seen: &Observed) -> Result<(), Violation> {
        let asked = match (action, input) {
            ("ingest", Value::Number(id)) => Asked::Ingest { id: *id },
            ("ingest", _) => return Err(senseless(Self::NAME, seen, "the input of an ingest is a record id")),
            ("scan", _) => Asked::Scan { held_before: self.ledgers.values().map(Ledger::len).max().unwrap_or(0) },
            _ => Asked::Other,
        };
        if let Asked::Ingest { id } = asked {
            let record = self.records.entry(id).or_insert_with(|| Record { invoked: seen.event, ..Record::default() });
            record.possible += 1;
        }
        self.operations.invoke(op, asked, seen)
    }

    fn completed(&mut self, fact: &Fact<'_>, seen: &Observed) -> Result<(), Violation> {
        let Some((operation, end)) = self.operations.complete(fact, seen)? else { return Ok(()) };
        match (operation.note, end.outcome) {
            (Asked::Ingest { id }, Outcome::Ok) => self.acked(id, seen),
            (Asked::Ingest { id }, Outcome::Failed) => return self.failed(id, seen),
            (Asked::Scan { held_before }, Outcome::Ok) => {
                let ids = Ids::of(end.output);
                let ids = ids.ok_or_else(|| senseless(Self::NAME, seen, "the output of a scan is a list of ids"))?;
                return self.scanned(ids, held_before, operation.event, seen);
            }
            (_, Outcome::Unknown) | (Asked::Scan { .. }, Outcome::Failed) | (Asked::Other, _) => {}
        }
        Ok(())
    }

    fn acked(&mut self, id: u64, seen: &Observed) {
        self.judged += 1;
        let record = self.records.entry(id).or_default();
        record.acked.get_or_insert(seen.event);
        if record.held.is_none() {
            self.missing.insert(id);
        }
    }

    fn failed(&mut self, id: u64, seen: &Observed) -> Result<(), Violation> {
        let record = self.records.entry(id).or_default();
        assert!(record.possible > 0, "an operation that ends was counted when it began");
        record.possible -= 1;
        match record.held {
            Some(held) if record.possible == 0 => Err(broken("applied although its ingest failed")
                .because(format!(
                    "record {id} is in the ledger, and each client that asked was told that it never will be"
                ))
                .seen_in(&[record.invoked, held.event, seen.event])),
            _ => Ok(()),
        }
    }

    /// The ledger holds the record now: checks that it may.
    fn hold(&mut self, id: u64, seen: &Observed) -> Result<(), Violation> {
        self.judged += 1;
        let Some(record) = self.records.get_mut(&id) else {
            return Err(broken("phantom record in the ledger")
                .because(format!("record {id} is in the ledger of process {}, and no client sent it", seen.process.0))
                .seen_in(&[seen.event]));
        };
        if let Some(held) = record.held {
            return Err(broken("record applied twice")
                .because(format!(
                    "record {id} was applied by process {} and again by process {} at {}",
                    held.ledger.0, seen.process.0, seen.at
                ))
                .seen_in(&[record.invoked, held.event, seen.event]));
        }
        if record.possible == 0 {
            return Err(broken("applied although its ingest failed")
                .because(format!("record {id} was applied after each client that asked was told that it never will be"))
                .seen_in(&[record.invoked, seen.event]));
        }
        record.held = Some(Held { ledger: seen.process, event: seen.event });
        self.missing.remove(&id);
        Ok(())
    }

    fn applied(&mut self, id: u64, lsn: u64, seen: &Observed) -> Result<(), Violation> {
        self.hold(id, seen)?;
        let ledger = self.ledgers.entry(seen.process).or_default();
        ledger.append(id, lsn).map_err(|expected| {
            let shape = if lsn < expected { "LSN used again" } else { "LSN left out" };
            broken(shape)
                .because(format!("record {id} was applied at LSN {lsn}, and the next of that ledger is {expected}"))
                .seen_in(&[seen.event])
        })
    }

    /// A repetition may be recognised before the first submission is durable (it waits for the same sync),
    /// so that alone is no claim that the record is there; but somebody must have sent it.
    fn duplicate(&mut self, id: u64, seen: &Observed) -> Result<(), Violation> {
        self.judged += 1;
        if self.records.contains_key(&id) {
            return Ok(());
        }
        Err(broken("duplicate of a record that nobody sent")
            .because(format!("record {id} was recognised as a repetition, and no client sent it"))
            .seen_in(&[seen.event]))
    }

    /// A recovery read the ledger back.
    fn found(&mut self, place: &str, ids: Ids<'_>, seen: &Observed) -> Result<(), Violation> {
        self.judged += 1;
        let there: BTreeSet<u64> = ids.iter().collect();
        if there.len() != ids.len() {
            let mut once = BTreeSet::new();
            let twice = ids.iter().find(|&id| !once.insert(id)).unwrap_or_default();
            return Err(broken("record twice in the ledger")
                .because(format!("recovery read record {twice} twice from {place}"))
                .seen_in(&[seen.event]));
        }
        let known = self.ledgers.entry(seen.process).or_default();
        if let Some(lost) = known.ids().find(|id| !there.contains(id)) {
            let held = self.records.get(&lost).and_then(|record| record.held).map_or(0, |held| held.event);
            return Err(broken("applied record lost")
                .because(format!("record {lost} was applied, and recovery did not find it in {place}"))
                .of_loss()
                .seen_in(&[held, seen.event]));
        }
        let new: Vec<u64> = ids.iter().filter(|&id| !known.contains(id)).collect();
        known.recover(&new);
        new.iter().try_for_each(|&id| self.hold(id, seen))
    }

    fn scanned(&mut self, ids: Ids<'_>, held_before: usize, invoked: u64, seen: &Observed) -> Result<(), Violation> {
        self.judged += 1;
        let unknown = ids.iter().find(|id| self.records.get(id).is_none_or(|record| record.held.is_none()));
        if let Some(id) = unknown {
            return Err(broken("scan shows a record that was not applied")
                .because(format!("a scan returned record {id}, which no ledger holds"))
                .seen_in(&[invoked, seen.event]));
        }
        let mut ledgers = self.ledgers.values_mut();
        let (Some(ledger), None) = (ledgers.next(), ledgers.next()) else {
            // With several ledgers nothing says which one a scan read: order and length are not judged.
            return no_repeats(ids, invoked, seen);
        };
        ledger.check_scan(ids.iter()).map_err(|wrong| misplaced(&wrong, invoked, seen))?;
        if ids.len() < held_before {
            return Err(broken("scan misses applied records")
                .because(format!(
                    "a scan returned {} records, and {held_before} were in the ledger when it began",
                    ids.len()
                ))
                .seen_in(&[invoked, seen.event]));
        }
        Ok(())
    }
}

fn no_repeats(ids: Ids<'_>, invoked: u64, seen: &Observed) -> Result<(), Violation> {
    let mut once = BTreeSet::new();
    match ids.iter().find(|&id| !once.insert(id)) {
        Some(id) => Err(misplaced(&Misplaced::Twice { id }, invoked, seen)),
        None => Ok(()),
    }
}

fn misplaced(wrong: &Misplaced, invoked: u64, seen: &Observed) -> Violation {
    let violation = match wrong {
        Misplaced::Twice { id } => {
            broken("scan shows a record twice").because(format!("a scan returned record {id} twice"))
        }
        Misplaced::OutOfOrder { id, at } => broken("scan out of the ledger's order").because(format!(
            "a scan returned record {id} as number {at} (from 0), which is not its place in the ledger"
        )),
    };
    violation.seen_in(&[invoked, seen.event])
}

fn broken(shape: &str) -> Violation {
    Violation::new(ExactlyOnce::NAME, "E2", shape)
}

impl Default for ExactlyOnce {
    fn default() -> Self {
        Self::new()
    }
}

impl Oracle for ExactlyOnce {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn observe(&mut self, seen: &Observed) -> Result<(), Violation> {
        let Some(fact) = read(Self::NAME, seen)? else { return Ok(()) };
        match fact {
            Fact::Invoke { op, action, input } => self.invoked(op, action, input, seen),
            Fact::Complete { .. } => self.completed(&fact, seen),
            Fact::Applied { id, lsn } => self.applied(id, lsn, seen),
            Fact::Duplicate { id } => self.duplicate(id, seen),
            Fact::Found { place, ids } if place == "ledger" || place.ends_with("/ledger") => {
                self.found(place, ids, seen)
            }
            Fact::Exit => {
                self.operations.abandon(seen.process);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn finish(&mut self) -> Result<(), Violation> {
        let held = self.records.values().filter(|record| record.held.is_some()).count();
        let in_ledgers: usize = self.ledgers.values().map(Ledger::len).sum();
        assert!(held == in_ledgers, "{held} records know that they are held, and the ledgers hold {in_ledgers}");
        let Some(&id) = self.missing.first() else { return Ok(()) };
        let record = &self.records[&id];
        Err(broken("acknowledged record not in the ledger")
            .because(format!(
                "{} acknowledged records, the first {id}, are not in the ledger at the end",
                self.missing.len()
            ))
            .seen_in(&[record.invoked, record.acked.unwrap_or(0)]))
    }

    fn pending(&self) -> Option<String> {
        let first = self.missing.first()?;
        let more = self.missing.len() - 1;
        let more = if more > 0 { format!(" and {more} more acknowledged records wait") } else { " waits".to_owned() };
        Some(format!("record {first}{more} to be applied by the ledger"))
    }

    fn judged(&self) -> u64 {
        self.judged
    }

    fn clone_box(&self) -> Box<dyn Oracle> {
        Box::new(self.clone())
    }
}
