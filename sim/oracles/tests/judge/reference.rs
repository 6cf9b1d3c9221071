//! Custody again, without books: after each fact every record is looked for in every place.
//!
//! Slow and short; the oracle must agree with it on any history, however broken.

use contract::{Mark, Observed, ProcessId};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Default)]
struct Place {
    owner: u32,
    ids: BTreeSet<u64>,
    recovering: bool,
    found: bool,
}

#[derive(Default)]
struct Reference {
    places: BTreeMap<String, Place>,
    accepted: BTreeSet<u64>,
    /// The ledger that each process named last.
    ledgers: BTreeMap<u32, String>,
    /// Owner, record, and whether E3 is in question.
    doubts: BTreeSet<(u32, u64, bool)>,
    incarnations: BTreeMap<ProcessId, u32>,
}

/// The index of the first fact that breaks something, and what.
pub fn verdict(facts: &[Observed]) -> Option<(usize, &'static str)> {
    let mut reference = Reference::default();
    facts.iter().enumerate().find_map(|(index, seen)| Some((index, reference.observe(seen)?)))
}

impl Reference {
    fn observe(&mut self, seen: &Observed) -> Option<&'static str> {
        let before = *self.incarnations.get(&seen.process).unwrap_or(&seen.incarnation);
        self.incarnations.insert(seen.process, before.max(seen.incarnation));
        if before < seen.incarnation || seen.mark.kind == "system.exit" {
            self.of(seen.process.0).for_each(|place| (place.recovering, place.found) = (true, false));
        }
        let (mark, owner) = (&seen.mark, seen.process.0);
        match &*mark.kind {
            "custody.stored" => {
                let ids = mark.numbers("ids");
                self.place(mark, "place", owner).ids.extend(ids);
                None
            }
            "ledger.applied" => {
                let own = format!("process-{owner}/ledger");
                let ledger = self.ledgers.entry(owner).or_insert(own).clone();
                let place = self.places.entry(ledger).or_default();
                place.owner = owner;
                place.ids.extend(mark.number("id"));
                None
            }
            "custody.moved" => {
                let content = std::mem::take(&mut self.place(mark, "from", owner).ids);
                self.replace(mark, "to", owner, content)
            }
            "custody.removed" => self.replace(mark, "place", owner, BTreeSet::new()),
            "custody.found" => {
                let place = self.place(mark, "place", owner);
                (place.recovering, place.found) = (true, false);
                let verdict = self.replace(mark, "place", owner, mark.numbers("ids").into_iter().collect());
                self.place(mark, "place", owner).found = true;
                verdict
            }
            "custody.recovered" => self.recovered(owner, mark.text("node").unwrap_or_default()),
            "custody.accepted" => {
                let id = mark.number("id").unwrap_or_default();
                self.accepted.insert(id);
                let recovering = self.of(owner).any(|place| place.recovering);
                self.judge(owner, &BTreeSet::from([id]), recovering.then_some(false), false)
            }
            _ => None,
        }
    }

    fn replace(&mut self, mark: &Mark, name: &str, owner: u32, content: BTreeSet<u64>) -> Option<&'static str> {
        let place = self.place(mark, name, owner);
        let gone = &std::mem::replace(&mut place.ids, content) - &place.ids;
        let staging = mark.text(name).is_some_and(|name| name.ends_with("/staging"));
        let doubt = place.recovering.then_some(place.found && staging);
        self.judge(owner, &gone, doubt, staging)
    }

    fn recovered(&mut self, owner: u32, node: &str) -> Option<&'static str> {
        let names = self.places.iter().filter(|(name, place)| place.owner == owner && name.starts_with(node));
        for name in names.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            let place = self.places.get_mut(&name)?;
            if place.recovering && !place.found {
                let gone = std::mem::take(&mut place.ids);
                self.doubts.extend(gone.into_iter().map(|id| (owner, id, false)));
            }
            self.places.get_mut(&name)?.recovering = false;
        }
        if self.of(owner).any(|place| place.recovering) {
            return None;
        }
        let settled: BTreeSet<(u32, u64, bool)> =
            self.doubts.iter().filter(|doubt| doubt.0 == owner).copied().collect();
        self.doubts = &self.doubts - &settled;
        let ids = |staging: bool| settled.iter().filter(move |doubt| doubt.2 == staging).map(|doubt| doubt.1).collect();
        let promised = self.judge(owner, &ids(false), None, false).or(self.judge(owner, &ids(true), None, true));
        let all: BTreeSet<u64> = settled.iter().map(|doubt| doubt.1).collect();
        promised.and(self.judge(owner, &all, None, true))
    }

    fn judge(&mut self, owner: u32, ids: &BTreeSet<u64>, doubt: Option<bool>, staging: bool) -> Option<&'static str> {
        let lost: Vec<u64> =
            ids.iter().copied().filter(|id| self.places.values().all(|place| !place.ids.contains(id))).collect();
        if let Some(staging) = doubt {
            self.doubts.extend(lost.into_iter().map(|id| (owner, id, staging)));
            return None;
        }
        let promised = lost.iter().any(|id| self.accepted.contains(id));
        if promised { Some("E1") } else { (staging && !lost.is_empty()).then_some("E3") }
    }

    fn place(&mut self, mark: &Mark, name: &str, owner: u32) -> &mut Place {
        let name = mark.text(name).unwrap_or_default();
        if name.ends_with("/ledger") {
            self.ledgers.insert(owner, name.to_owned());
        }
        let place = self.places.entry(name.to_owned()).or_default();
        place.owner = owner;
        place
    }

    fn of(&mut self, owner: u32) -> impl Iterator<Item = &mut Place> {
        self.places.values_mut().filter(move |place| place.owner == owner)
    }
}
