//! Custody (E1, E3): who holds which record, and that no promise to hold one is broken.
//!
//! - **E1** An accepted record is always in at least one place.
//! - **E3** A staging place goes only when every record in it is durable elsewhere.
//!
//! Marks say what is durable where. A mark can be lost: a process that is cut between an effect and its
//! mark leaves reality ahead of what is known, and a power loss may undo a rename or an unlink that was
//! not synced. So from a process's end until its `custody.recovered` nothing is concluded from its
//! places: what drops out of them is only *doubted*. Recovery states what is really there, place by
//! place, and then each doubted record is looked for everywhere; what is nowhere was lost. Until then
//! the last known content of such a place still counts for other owners, since it is durable.
//!
//! Copies are fine: only the last one counts. Each fact costs the logarithm of the number of records for
//! each id that it names or drops.

mod places;

use crate::fact::{Fact, Ids, read, senseless};
use crate::oracle::{Oracle, Violation};
use contract::{Observed, ProcessId};
use places::{Dropped, Phase, PlaceKind, Places};
use std::collections::{BTreeMap, BTreeSet};

/// The oracle; see the module.
#[derive(Clone, Debug, Default)]
pub struct Custody {
    places: Places,
    promises: BTreeMap<u64, Promise>,
    /// Accepted records that are in no ledger.
    undelivered: BTreeSet<u64>,
    /// What dropped out of a recovering process's places, by process and record.
    doubts: BTreeMap<ProcessId, BTreeMap<u64, Doubt>>,
    incarnations: BTreeMap<ProcessId, u32>,
    judged: u64,
}

/// An accepted record.
#[derive(Clone, Debug)]
struct Promise {
    by: String,
    event: u64,
}

/// Why a record that a recovering process no longer has may be lost.
#[derive(Clone, Copy, Debug)]
struct Doubt {
    /// It left a staging place whose content was exactly known.
    from_staging: bool,
    event: u64,
}

impl Custody {
    /// As in a scenario file.
    pub const NAME: &'static str = "custody";
    /// What it may report.
    pub const INVARIANTS: &'static [&'static str] = &["E1", "E3", Violation::MARKS];

    /// A judge that has seen nothing.
    pub fn new() -> Self {
        Custody::default()
    }

    fn take(&mut self, fact: &Fact<'_>, seen: &Observed) -> Result<(), Violation> {
        match *fact {
            Fact::Stored { place, ids } => self.stored(place, ids, seen),
            Fact::Applied { id, .. } => self.applied(id, seen),
            Fact::Moved { from, to } if from == to => Err(senseless(Self::NAME, seen, "a move to where it is")),
            Fact::Moved { from, to } => self.moved(from, to, seen),
            Fact::Removed { place } => self.removed(place, seen),
            Fact::Found { place, ids } => self.found(place, ids, seen),
            Fact::Recovered { node } => self.recovered(node, seen),
            Fact::Accepted { id, by } => self.accepted(id, by, seen),
            Fact::Exit => {
                self.places.unsettle(seen.process);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A new incarnation means that the old one ended, even if nobody stated its end (a real cluster's log).
    fn note_incarnation(&mut self, seen: &Observed) {
        let known = self.incarnations.entry(seen.process).or_insert(seen.incarnation);
        if *known < seen.incarnation {
            *known = seen.incarnation;
            self.places.unsettle(seen.process);
        }
    }

    fn stored(&mut self, place: &str, ids: Ids<'_>, seen: &Observed) -> Result<(), Violation> {
        let place = self.places.touch(place, seen.process);
        for id in ids.iter() {
            self.places.add(place, id, seen.event);
        }
        if self.places.kind(place) == PlaceKind::Ledger {
            ids.iter().for_each(|id| self.note_delivery(id));
        }
        Ok(())
    }

    fn applied(&mut self, id: u64, seen: &Observed) -> Result<(), Violation> {
        let ledger = self.places.ledger_of(seen.process);
        self.places.add(ledger, id, seen.event);
        self.note_delivery(id);
        Ok(())
    }

    fn moved(&mut self, from: &str, to: &str, seen: &Observed) -> Result<(), Violation> {
        let from = self.places.touch(from, seen.process);
        let to = self.places.touch(to, seen.process);
        let dropped = self.places.rename(from, to);
        if [from, to].iter().any(|&place| self.places.kind(place) == PlaceKind::Ledger) {
            self.places.ids(to).into_iter().for_each(|id| self.note_delivery(id));
        }
        self.judge(&dropped, "a rename over", seen)
    }

    fn removed(&mut self, place: &str, seen: &Observed) -> Result<(), Violation> {
        let place = self.places.touch(place, seen.process);
        let dropped = self.places.clear(place);
        self.judge(&dropped, "removal of", seen)
    }

    fn found(&mut self, place: &str, ids: Ids<'_>, seen: &Observed) -> Result<(), Violation> {
        let place = self.places.touch(place, seen.process);
        // A process reads back only while it boots, whether or not the end of the one before was stated.
        self.places.set_phase(place, Phase::Recovering { found: false });
        let dropped = self.places.replace(place, ids.iter(), seen.event);
        self.places.set_phase(place, Phase::Recovering { found: true });
        if self.places.kind(place) == PlaceKind::Ledger {
            ids.iter().for_each(|id| self.note_delivery(id));
        }
        self.judge(&dropped, "recovery of", seen)
    }

    /// The places of this owner are what was found: now the doubted records are looked for.
    fn recovered(&mut self, node: &str, seen: &Observed) -> Result<(), Violation> {
        for place in self.places.recovering(seen.process, node) {
            if self.places.phase(place) == (Phase::Recovering { found: false }) {
                let dropped = self.places.clear(place);
                self.judge(&dropped, "recovery of", seen)?;
            }
            self.places.set_phase(place, Phase::Settled);
        }
        if self.places.is_recovering(seen.process) {
            return Ok(());
        }
        let doubts = self.doubts.remove(&seen.process).unwrap_or_default();
        self.judged += doubts.len() as u64;
        let lost = |(id, doubt): &(&u64, &Doubt)| {
            !self.places.holds(**id) && (doubt.from_staging || self.promises.contains_key(id))
        };
        let lost: Vec<(u64, Doubt)> = doubts.iter().filter(lost).map(|(&id, &doubt)| (id, doubt)).collect();
        let accepted = lost.iter().find(|(id, _)| self.promises.contains_key(id));
        match accepted.or(lost.first()) {
            Some(&(id, doubt)) => {
                let after = format!("recovery of {node}");
                Err(self.loss(id, lost.len(), "recovery", &after, &[doubt.event, seen.event]).of_loss())
            }
            None => Ok(()),
        }
    }

    fn accepted(&mut self, id: u64, by: &str, seen: &Observed) -> Result<(), Violation> {
        self.judged += 1;
        self.promises.entry(id).or_insert_with(|| Promise { by: by.to_owned(), event: seen.event });
        self.note_delivery(id);
        if self.places.holds(id) {
            return Ok(());
        }
        if self.places.is_recovering(seen.process) {
            self.doubt(seen.process, id, Doubt { from_staging: false, event: seen.event });
            return Ok(());
        }
        Err(Violation::new(Self::NAME, "E1", "record accepted while in no place")
            .because(format!(
                "record {id} was accepted by {} at {} while it was durable in no place",
                name(by),
                seen.at
            ))
            .seen_in(&[seen.event]))
    }

    /// Records left a place: each must be elsewhere, or is doubted while the place's owner recovers.
    fn judge(&mut self, dropped: &Dropped, how: &str, seen: &Observed) -> Result<(), Violation> {
        self.judged += dropped.ids.len() as u64;
        dropped.ids.iter().for_each(|&id| self.note_delivery(id));
        let staging = dropped.kind == PlaceKind::Staging;
        let nowhere = dropped.ids.iter().copied().filter(|&id| !self.places.holds(id));
        if let Phase::Recovering { found } = dropped.phase {
            let from_staging = staging && found;
            for id in nowhere.collect::<Vec<_>>() {
                self.doubt(seen.process, id, Doubt { from_staging, event: seen.event });
            }
            return Ok(());
        }
        let lost: Vec<u64> = nowhere.filter(|id| staging || self.promises.contains_key(id)).collect();
        let accepted = lost.iter().find(|id| self.promises.contains_key(id));
        match accepted.or(lost.first()) {
            Some(&id) => {
                let after = format!("{how} {}", dropped.kind.word());
                Err(self.loss(id, lost.len(), &after, &format!("{how} {}", dropped.name), &[seen.event]))
            }
            None => Ok(()),
        }
    }

    fn doubt(&mut self, process: ProcessId, id: u64, doubt: Doubt) {
        let of_process = self.doubts.entry(process).or_default();
        let known = of_process.entry(id).or_insert(doubt);
        known.from_staging |= doubt.from_staging;
    }

    /// `shape` and `after` say after what, without and with names.
    fn loss(&self, id: u64, count: usize, shape: &str, after: &str, events: &[u64]) -> Violation {
        let others = if count > 1 { format!(" (and {} more)", count - 1) } else { String::new() };
        let stored = self.places.stored_event(id);
        let violation = match self.promises.get(&id) {
            Some(promise) => Violation::new(Self::NAME, "E1", format!("accepted record in no place after {shape}"))
                .because(format!(
                    "record {id}{others}, accepted by {}, is in no place after {after}",
                    name(&promise.by)
                ))
                .seen_in(&[promise.event]),
            None => Violation::new(Self::NAME, "E3", format!("staged record nowhere else after {shape}"))
                .because(format!("record {id}{others}, not accepted yet, is in no place after {after}")),
        };
        violation.seen_in(&[stored]).seen_in(events)
    }

    /// The record was accepted, entered a ledger or left one: whether it is still to be delivered.
    fn note_delivery(&mut self, id: u64) {
        if self.promises.contains_key(&id) && !self.places.in_ledger(id) {
            self.undelivered.insert(id);
        } else {
            self.undelivered.remove(&id);
        }
    }
}

fn name(by: &str) -> &str {
    if by.is_empty() { "its owner" } else { by }
}

impl Oracle for Custody {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn observe(&mut self, seen: &Observed) -> Result<(), Violation> {
        self.note_incarnation(seen);
        match read(Self::NAME, seen)? {
            Some(fact) => self.take(&fact, seen),
            None => Ok(()),
        }
    }

    /// E1 was judged with each fact; this checks the judge's own books against the places.
    fn finish(&mut self) -> Result<(), Violation> {
        self.places.audit();
        for id in self.promises.keys() {
            let doubted = self.doubts.values().any(|doubts| doubts.contains_key(id));
            assert!(self.places.holds(*id) || doubted, "record {id} was lost and neither reported nor doubted");
            assert!(self.places.in_ledger(*id) != self.undelivered.contains(id), "record {id}: delivered or not");
        }
        Ok(())
    }

    fn pending(&self) -> Option<String> {
        let mut waits = Vec::new();
        if let Some(place) = self.places.first_recovering() {
            waits.push(format!("the owner of {place} has not finished its recovery"));
        }
        if let Some(&id) = self.undelivered.first() {
            let promise = &self.promises[&id];
            let place = self.places.where_is(id).unwrap_or("no known place");
            let more = self.undelivered.len() - 1;
            let more = if more > 0 { format!(", and {more} more accepted records") } else { String::new() };
            waits.push(format!(
                "record {id}{more}, accepted by {}, is still in {place} and waits for the ledger",
                name(&promise.by)
            ));
        }
        for (place, count, first) in self.places.transit() {
            waits.push(format!("{count} records, the first {first}, wait in {place} to be drained"));
        }
        (!waits.is_empty()).then(|| waits.join("; "))
    }

    /// Nobody waits for its recovery and its clearing up. What it accepted is still to be delivered: whoever
    /// alone keeps accepted records cannot be left out.
    fn excuse(&mut self, process: ProcessId) {
        self.places.excuse(process);
    }

    fn judged(&self) -> u64 {
        self.judged
    }

    fn clone_box(&self) -> Box<dyn Oracle> {
        Box::new(self.clone())
    }
}
