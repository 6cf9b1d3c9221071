//! The places that hold records, and for each record in how many of them it is.

use contract::ProcessId;
use std::collections::{BTreeMap, BTreeSet};

/// What a place is for, by the last component of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PlaceKind {
    /// `ledger`: where records are to arrive.
    Ledger,
    /// `staging`: judged by E3.
    Staging,
    /// `active`, `quarantine`: to be empty at quiescence.
    Transit,
    /// Any other.
    Other,
}

impl PlaceKind {
    fn of(name: &str) -> Self {
        match name.rsplit('/').next() {
            Some("ledger") => PlaceKind::Ledger,
            Some("staging") => PlaceKind::Staging,
            Some("active" | "quarantine") => PlaceKind::Transit,
            _ => PlaceKind::Other,
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            PlaceKind::Ledger => "a ledger",
            PlaceKind::Staging => "staging",
            PlaceKind::Transit => "a log",
            PlaceKind::Other => "a place",
        }
    }
}

/// Whether what is known of a place is what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Its owner runs: the marks tell all.
    Settled,
    /// Its owner ended and has not finished its recovery.
    Recovering {
        /// Whether recovery has stated the content of this place.
        found: bool,
    },
}

/// What a place held and holds no more.
#[derive(Clone, Debug)]
pub(super) struct Dropped {
    pub(super) name: String,
    pub(super) kind: PlaceKind,
    pub(super) phase: Phase,
    /// Ascending.
    pub(super) ids: Vec<u64>,
}

#[derive(Clone, Debug)]
struct Place {
    name: String,
    kind: PlaceKind,
    process: ProcessId,
    phase: Phase,
    ids: BTreeSet<u64>,
}

/// In how many places a record is.
#[derive(Clone, Copy, Debug, Default)]
struct Copies {
    all: u32,
    ledgers: u32,
    /// The event of the newest `custody.stored` or `custody.found` of it.
    event: u64,
}

/// All places by index, and the copies of every record.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    places: Vec<Place>,
    names: BTreeMap<String, usize>,
    ledgers: BTreeMap<ProcessId, usize>,
    /// Nobody waits for the places of these any more.
    excused: BTreeSet<ProcessId>,
    copies: BTreeMap<u64, Copies>,
}

impl Places {
    /// The place of that name, which `process` speaks for from now on.
    pub(super) fn touch(&mut self, name: &str, process: ProcessId) -> usize {
        let index = match self.names.get(name) {
            Some(&index) => index,
            None => {
                let index = self.places.len();
                self.names.insert(name.to_owned(), index);
                let kind = PlaceKind::of(name);
                self.places.push(Place {
                    name: name.to_owned(),
                    kind,
                    process,
                    phase: Phase::Settled,
                    ids: BTreeSet::new(),
                });
                index
            }
        };
        self.places[index].process = process;
        if self.places[index].kind == PlaceKind::Ledger {
            self.ledgers.insert(process, index);
        }
        index
    }

    /// The ledger that `process` speaks for, named after the process if it never named one.
    pub(super) fn ledger_of(&mut self, process: ProcessId) -> usize {
        match self.ledgers.get(&process) {
            Some(&index) => index,
            None => self.touch(&format!("process-{}/ledger", process.0), process),
        }
    }

    pub(super) fn kind(&self, place: usize) -> PlaceKind {
        self.places[place].kind
    }

    pub(super) fn phase(&self, place: usize) -> Phase {
        self.places[place].phase
    }

    pub(super) fn set_phase(&mut self, place: usize, phase: Phase) {
        self.places[place].phase = phase;
    }

    /// The process ended: what its places hold will be known when it has recovered.
    pub(super) fn unsettle(&mut self, process: ProcessId) {
        for place in self.places.iter_mut().filter(|place| place.process == process) {
            place.phase = Phase::Recovering { found: false };
        }
    }

    /// The recovering places of `process` whose names begin with `prefix`.
    pub(super) fn recovering(&self, process: ProcessId, prefix: &str) -> Vec<usize> {
        let of_owner =
            |place: &Place| place.process == process && place.phase != Phase::Settled && place.name.starts_with(prefix);
        (0..self.places.len()).filter(|&index| of_owner(&self.places[index])).collect()
    }

    /// Whether some place of `process` is not settled.
    pub(super) fn is_recovering(&self, process: ProcessId) -> bool {
        self.places.iter().any(|place| place.process == process && place.phase != Phase::Settled)
    }

    /// The process stays broken for good.
    pub(super) fn excuse(&mut self, process: ProcessId) {
        self.excused.insert(process);
    }

    /// The places of those who are waited for.
    fn awaited(&self) -> impl Iterator<Item = &Place> {
        self.places.iter().filter(|place| !self.excused.contains(&place.process))
    }

    /// Some place that is not settled, and is waited for.
    pub(super) fn first_recovering(&self) -> Option<&str> {
        self.awaited().find(|place| place.phase != Phase::Settled).map(|place| &*place.name)
    }

    /// The record is in that place too.
    pub(super) fn add(&mut self, place: usize, id: u64, event: u64) {
        let ledger = u32::from(self.places[place].kind == PlaceKind::Ledger);
        let copies = self.copies.entry(id).or_default();
        copies.event = event;
        if self.places[place].ids.insert(id) {
            copies.all += 1;
            copies.ledgers += ledger;
        }
    }

    /// The place is empty; what it held.
    pub(super) fn clear(&mut self, place: usize) -> Dropped {
        let ids: Vec<u64> = std::mem::take(&mut self.places[place].ids).into_iter().collect();
        ids.iter().for_each(|&id| self.forget_copy(place, id));
        self.dropped(place, ids)
    }

    /// The place holds exactly `ids`; what it held beside them.
    pub(super) fn replace(&mut self, place: usize, ids: impl Iterator<Item = u64>, event: u64) -> Dropped {
        let new: BTreeSet<u64> = ids.collect();
        let gone: Vec<u64> = self.places[place].ids.difference(&new).copied().collect();
        for &id in &gone {
            self.places[place].ids.remove(&id);
            self.forget_copy(place, id);
        }
        new.iter().for_each(|&id| self.add(place, id, event));
        self.dropped(place, gone)
    }

    /// `to` holds what `from` held, which is empty; what `to` held before.
    pub(super) fn rename(&mut self, from: usize, to: usize) -> Dropped {
        assert!(from != to, "a rename has two names");
        let dropped = self.clear(to);
        if self.places[from].kind == PlaceKind::Ledger || self.places[to].kind == PlaceKind::Ledger {
            for id in self.clear(from).ids {
                self.add(to, id, self.stored_event(id));
            }
        } else {
            self.places[to].ids = std::mem::take(&mut self.places[from].ids);
        }
        assert!(self.places[from].ids.is_empty(), "a rename leaves nothing behind");
        dropped
    }

    /// What the place holds, ascending.
    pub(super) fn ids(&self, place: usize) -> Vec<u64> {
        self.places[place].ids.iter().copied().collect()
    }

    /// Whether the record is in some place.
    pub(super) fn holds(&self, id: u64) -> bool {
        self.copies.get(&id).is_some_and(|copies| copies.all > 0)
    }

    /// Whether the record is in some ledger.
    pub(super) fn in_ledger(&self, id: u64) -> bool {
        self.copies.get(&id).is_some_and(|copies| copies.ledgers > 0)
    }

    /// The newest event that stated where the record is; 0 for none.
    pub(super) fn stored_event(&self, id: u64) -> u64 {
        self.copies.get(&id).map_or(0, |copies| copies.event)
    }

    /// Some place that holds the record.
    pub(super) fn where_is(&self, id: u64) -> Option<&str> {
        self.places.iter().find(|place| place.ids.contains(&id)).map(|place| &*place.name)
    }

    /// The places that should be empty at quiescence, are waited for and are not: name, count, first record.
    pub(super) fn transit(&self) -> impl Iterator<Item = (&str, usize, u64)> {
        let waiting = |place: &&Place| matches!(place.kind, PlaceKind::Staging | PlaceKind::Transit);
        let held = |place| Place::first(place);
        self.awaited().filter(waiting).filter_map(held)
    }

    /// Counts all copies anew and compares.
    pub(super) fn audit(&self) {
        let mut counted: BTreeMap<u64, (u32, u32)> = BTreeMap::new();
        for place in &self.places {
            for &id in &place.ids {
                let copies = counted.entry(id).or_default();
                copies.0 += 1;
                copies.1 += u32::from(place.kind == PlaceKind::Ledger);
            }
        }
        for (id, copies) in &self.copies {
            let counted = counted.remove(id).unwrap_or_default();
            assert!(counted == (copies.all, copies.ledgers), "the copies of record {id} were miscounted");
        }
        assert!(counted.is_empty(), "each record in a place is counted");
    }

    fn forget_copy(&mut self, place: usize, id: u64) {
        let ledger = u32::from(self.places[place].kind == PlaceKind::Ledger);
        let copies = self.copies.get_mut(&id);
        assert!(copies.as_ref().is_some_and(|copies| copies.all > 0), "a record that leaves a place was counted there");
        if let Some(copies) = copies {
            copies.all -= 1;
            copies.ledgers -= ledger;
        }
    }

    fn dropped(&self, place: usize, ids: Vec<u64>) -> Dropped {
        let Place { name, kind, phase, .. } = &self.places[place];
        Dropped { name: name.clone(), kind: *kind, phase: *phase, ids }
    }
}

impl Place {
    fn first(&self) -> Option<(&str, usize, u64)> {
        self.ids.first().map(|&first| (&*self.name, self.ids.len(), first))
    }
}
