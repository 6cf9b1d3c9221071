//! The sequential model: where each record may be, as a history of marks tells it, without crashes.
//!
//! Tests feed it every mark as it is stated; it says at once which invariant a mark breaks. The oracles
//! judge the same invariants under crashes and lost marks; this model is the specification in one page.

use contract::Mark;
use std::collections::{BTreeMap, BTreeSet};

/// What the marks so far have said.
#[derive(Clone, Debug, Default)]
pub struct Custody {
    places: BTreeMap<String, BTreeSet<u64>>,
    accepted: BTreeSet<u64>,
    applied: BTreeMap<u64, u64>,
}

impl Custody {
    /// Takes the next mark.
    ///
    /// # Errors
    /// The id of the invariant that it breaks, and how.
    pub fn observe(&mut self, mark: &Mark) -> Result<(), String> {
        let place = || mark.text("place").unwrap_or_default().to_owned();
        match &*mark.kind {
            "custody.stored" => self.places.entry(place()).or_default().extend(mark.numbers("ids")),
            "custody.found" => {
                self.places.insert(place(), mark.numbers("ids").into_iter().collect());
            }
            "custody.moved" => {
                self.moved(mark.text("from").unwrap_or_default(), mark.text("to").unwrap_or_default())?;
            }
            "custody.removed" => self.removed(&place())?,
            "custody.recovered" => self.everything_somewhere("after a recovery")?,
            "custody.accepted" => {
                self.accepted.extend(mark.number("id"));
                self.everything_somewhere("when it was accepted")?;
            }
            "ledger.applied" => self.applied(mark.number("id").unwrap_or(0), mark.number("lsn").unwrap_or(0))?,
            _ => {}
        }
        Ok(())
    }

    /// What a place holds.
    pub fn at(&self, place: &str) -> Vec<u64> {
        self.places.get(place).into_iter().flatten().copied().collect()
    }

    /// Records that were promised.
    pub fn accepted(&self) -> &BTreeSet<u64> {
        &self.accepted
    }

    /// What must hold at quiescence: each accepted record in the ledger once, and nowhere else.
    ///
    /// # Errors
    /// The id of the invariant that is broken, and how.
    pub fn at_rest(&self) -> Result<(), String> {
        for id in &self.accepted {
            if !self.applied.contains_key(id) && !self.in_ledger(*id) {
                return Err(format!("E2: record {id} was accepted and is not in the ledger"));
            }
        }
        match self.places.iter().find(|(place, ids)| !place.ends_with("/ledger") && !ids.is_empty()) {
            Some((place, ids)) => Err(format!("E2: {ids:?} still in {place}")),
            None => Ok(()),
        }
    }

    fn in_ledger(&self, id: u64) -> bool {
        self.places.iter().any(|(place, ids)| place.ends_with("/ledger") && ids.contains(&id))
    }

    fn is_somewhere(&self, id: u64) -> bool {
        self.places.values().any(|ids| ids.contains(&id))
    }

    fn everything_somewhere(&self, when: &str) -> Result<(), String> {
        match self.accepted.iter().find(|id| !self.is_somewhere(**id)) {
            Some(id) => Err(format!("E1: record {id} is in no place {when}")),
            None => Ok(()),
        }
    }

    fn moved(&mut self, from: &str, to: &str) -> Result<(), String> {
        let content = self.places.remove(from).unwrap_or_default();
        self.places.insert(to.to_owned(), content);
        self.everything_somewhere(&format!("after {from} was renamed over {to}"))
    }

    fn removed(&mut self, place: &str) -> Result<(), String> {
        let gone = self.places.remove(place).unwrap_or_default();
        match gone.iter().find(|id| !self.is_somewhere(**id)) {
            Some(id) => Err(format!("E3: record {id} was only in {place} when that was removed")),
            None => Ok(()),
        }
    }

    fn applied(&mut self, id: u64, lsn: u64) -> Result<(), String> {
        match self.applied.insert(id, lsn) {
            None => Ok(()),
            Some(before) => Err(format!("E2: record {id} was applied at lsn {before} and {lsn}")),
        }
    }
}
