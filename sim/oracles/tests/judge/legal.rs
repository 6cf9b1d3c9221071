//! A small edge cluster that knows the truth about its disks, for making histories of any length.
//!
//! Two edges and a primary do what the protocol allows: ingest, requeue, drain in both ways, deliver,
//! commit, abort, crash between any effect and its mark, lose power with a rename or an unlink undone,
//! crash again in recovery. Everything they state is true, so every history must be accepted; unless a
//! [`Plant`] is set, which breaks one rule at the first chance where it matters.

use crate::planted::{Expected, Plant};
use contract::{Mark, Observed, ProcessId, Time};
use std::collections::{BTreeMap, BTreeSet};

pub const PRIMARY: u32 = 3;
pub const LEDGER: &str = "primary-0/ledger";
const CLIENT: u32 = 10;
/// The next operation is this much from the id of its record, so that the two are not confused.
const FIRST_OP: u64 = 1_000_000;

/// One thing that happens: what, and the raw numbers that its choices are made from.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    pub what: u8,
    pub pick: u8,
    /// The owner dies after that many effects; a number beyond them lets it live.
    pub cut: u8,
    pub power: bool,
}

/// One effect of an operation on a disk, or a mark.
pub enum Effect {
    /// Appended and synced.
    Add(String, Vec<u64>),
    Rename(String, String),
    Unlink(String),
    SyncDir,
    Say(Mark),
}

/// A rename or unlink whose directory is not synced yet: the names as they were.
type Unsynced = Vec<(String, BTreeSet<u64>)>;

#[derive(Default)]
pub struct World {
    pub facts: Vec<Observed>,
    /// What is really on disk.
    pub places: BTreeMap<String, BTreeSet<u64>>,
    pub ledger: Vec<u64>,
    pub accepted: BTreeSet<u64>,
    pub plant: Option<Plant>,
    pub expected: Option<Expected>,
    volatile: BTreeMap<u32, BTreeSet<u64>>,
    delivered: BTreeMap<u32, BTreeSet<u64>>,
    unsynced: BTreeMap<u32, Unsynced>,
    incarnations: BTreeMap<u32, u32>,
    /// Open ingests: operation, record.
    ingests: Vec<(u64, u64)>,
    /// Open scans: operation, records in the ledger when it began.
    scans: Vec<(u64, usize)>,
    records: u64,
    operations: u64,
}

impl World {
    /// The history of `steps`, brought to an end at which nothing is pending, or cut where a plant struck.
    pub fn run(steps: &[Step], plant: Option<Plant>) -> World {
        let mut world = World { plant, ..World::default() };
        [1, 2, PRIMARY].into_iter().for_each(|process| world.boot(process, 0, usize::MAX));
        for step in steps {
            world.step(*step);
            if world.expected.is_some() {
                return world;
            }
        }
        world.plant = None;
        world.settle();
        world
    }

    fn step(&mut self, step: Step) {
        let edge = 1 + u32::from(step.pick % 2);
        let cut = usize::from(step.cut);
        match step.what % 12 {
            0..=2 => self.ingest(edge, step, cut),
            3 => self.ingest_volatile(edge),
            4 => self.drain(edge, cut, step.power),
            5..=7 => self.deliver(edge, step, cut),
            8 => self.commit(edge, step, cut),
            9 => self.crash([edge, PRIMARY][usize::from(step.cut % 2)], step.power, step.pick),
            10 => self.begin_scan(),
            _ => self.complete(step),
        }
    }

    /// Everything is delivered and acknowledged; what a healed system comes to.
    fn settle(&mut self) {
        for edge in [1, 2, 1, 2] {
            let calm = Step { what: 0, pick: 0, cut: u8::MAX, power: false };
            self.drain(edge, usize::MAX, false);
            while self.undelivered(edge).next().is_some() {
                self.deliver(edge, calm, usize::MAX);
            }
            self.commit(edge, calm, usize::MAX);
        }
        while !self.ingests.is_empty() || !self.scans.is_empty() {
            self.complete(Step { what: 0, pick: 0, cut: u8::MAX, power: false });
        }
        self.say(CLIENT, Mark::new("workload.done").with("client", 0u64));
    }

    fn ingest(&mut self, edge: u32, step: Step, cut: usize) {
        let again = step.pick % 8 == 7 && !self.ingests.is_empty();
        let id = if again { self.ingests[usize::from(step.cut) % self.ingests.len()].1 } else { self.invoke_ingest() };
        if self.violates_ingest(edge, id) {
            return;
        }
        let place = place(edge, if step.pick % 4 == 3 { "quarantine" } else { "active" });
        let effects = vec![
            Effect::Add(place.clone(), vec![id]),
            Effect::Say(stored(&place, &[id])),
            Effect::Say(accepted(id, edge)),
        ];
        self.perform(edge, effects, cut, step.power);
    }

    fn ingest_volatile(&mut self, edge: u32) {
        let id = self.invoke_ingest();
        self.volatile.entry(edge).or_default().insert(id);
    }

    fn drain(&mut self, edge: u32, cut: usize, power: bool) {
        if self.violates_drain(edge) || !self.held(edge, "staging").is_empty() {
            return;
        }
        let active = place(edge, "active");
        let staging = place(edge, "staging");
        let volatile = self.volatile.remove(&edge).unwrap_or_default();
        let quarantine = self.held(edge, "quarantine");
        if volatile.is_empty() && quarantine.is_empty() {
            let moved = Mark::new("custody.moved").with("from", &*active).with("to", &*staging);
            let effects = vec![Effect::Rename(active, staging), Effect::SyncDir, Effect::Say(moved)];
            return self.perform(edge, effects, cut, power);
        }
        let mut all = self.held(edge, "active");
        all.extend(quarantine.iter().chain(&volatile));
        let all: Vec<u64> = all.into_iter().collect();
        let mut effects = vec![Effect::Add(staging.clone(), all.clone()), Effect::Say(stored(&staging, &all))];
        for name in ["active", "quarantine"] {
            effects.push(Effect::Say(removed(&place(edge, name))));
            effects.push(Effect::Unlink(place(edge, name)));
            effects.push(Effect::SyncDir);
        }
        effects.extend(volatile.iter().map(|&id| Effect::Say(accepted(id, edge))));
        self.perform(edge, effects, cut, power);
    }

    fn deliver(&mut self, edge: u32, step: Step, cut: usize) {
        let waiting: Vec<u64> = self.undelivered(edge).collect();
        let Some(&id) = waiting.get(usize::from(step.pick / 2) % waiting.len().max(1)) else { return };
        if self.violates_delivery(id) {
            return;
        }
        let effects = if self.ledger.contains(&id) {
            vec![Effect::Say(Mark::new("ledger.duplicate").with("id", id))]
        } else {
            vec![
                Effect::Add(LEDGER.to_owned(), vec![id]),
                Effect::Say(stored(LEDGER, &[id])),
                Effect::Say(Mark::new("ledger.applied").with("id", id).with("lsn", self.ledger.len())),
            ]
        };
        let alive = cut >= effects.len();
        self.perform(PRIMARY, effects, cut, step.power);
        let reply_lost = step.pick % 16 == 13;
        if alive && !reply_lost {
            self.delivered.entry(edge).or_default().insert(id);
        }
    }

    /// Requeues what failed and unlinks staging, or aborts half way.
    fn commit(&mut self, edge: u32, step: Step, cut: usize) {
        let failed: Vec<u64> = self.undelivered(edge).collect();
        if self.held(edge, "staging").is_empty() || self.violates_commit(edge, &failed) {
            return;
        }
        let active = place(edge, "active");
        let abort = step.pick % 8 == 5;
        let requeued = if abort { &failed[..failed.len() / 2] } else { &failed[..] };
        let mut effects = Vec::new();
        if !requeued.is_empty() {
            effects.push(Effect::Add(active.clone(), requeued.to_vec()));
            effects.push(Effect::Say(stored(&active, requeued)));
        }
        if !abort {
            effects.push(Effect::Say(removed(&place(edge, "staging"))));
            effects.push(Effect::Unlink(place(edge, "staging")));
            effects.push(Effect::SyncDir);
        }
        self.delivered.remove(&edge);
        self.perform(edge, effects, cut, step.power);
    }

    fn begin_scan(&mut self) {
        let op = self.invoke("scan", 0);
        self.scans.push((op, self.ledger.len()));
    }

    /// Some open operation ends: a scan with a prefix of the ledger, an ingest by what really holds.
    fn complete(&mut self, step: Step) {
        if let Some((op, held_before)) = self.scans.pop() {
            let more = self.ledger.len() - held_before;
            let shown = held_before + usize::from(step.pick) % (more + 1);
            let mut output = self.ledger[..shown].to_vec();
            self.violates_scan(&mut output, held_before);
            let done = Mark::new("history.complete").with("id", op).with("outcome", "ok").with("output", output);
            self.say(CLIENT, done);
        } else if !self.ingests.is_empty() {
            let (op, id) = self.ingests.remove(usize::from(step.pick) % self.ingests.len());
            let outcome = if self.accepted.contains(&id) { "ok" } else { "info" };
            self.say(
                CLIENT,
                Mark::new("history.complete").with("id", op).with("outcome", outcome).with("output", 0u64),
            );
        }
    }

    pub fn invoke_ingest(&mut self) -> u64 {
        self.records += 1;
        let id = self.records;
        let op = self.invoke("ingest", id);
        self.ingests.push((op, id));
        id
    }

    fn invoke(&mut self, action: &str, input: u64) -> u64 {
        self.operations += 1;
        let op = FIRST_OP + self.operations;
        self.say(CLIENT, Mark::new("history.invoke").with("id", op).with("action", action).with("input", input));
        op
    }

    /// Does the first `cut` effects; if there are more, the owner dies there and boots again.
    pub fn perform(&mut self, owner: u32, effects: Vec<Effect>, cut: usize, power: bool) {
        let dies = cut < effects.len();
        for effect in effects.into_iter().take(cut) {
            self.effect(owner, effect);
        }
        if dies {
            self.crash(owner, power, cut as u8);
        }
    }

    fn effect(&mut self, owner: u32, effect: Effect) {
        match effect {
            Effect::Add(place, ids) => {
                if place == LEDGER {
                    self.ledger.extend(&ids);
                }
                self.places.entry(place).or_default().extend(ids);
            }
            Effect::Rename(from, to) => {
                let before =
                    [&from, &to].map(|name| (name.clone(), self.places.get(name).cloned().unwrap_or_default()));
                let moved = self.places.remove(&from).unwrap_or_default();
                self.places.insert(to, moved);
                self.unsynced.insert(owner, before.to_vec());
            }
            Effect::Unlink(place) => {
                let held = self.places.remove(&place).unwrap_or_default();
                self.unsynced.insert(owner, vec![(place, held)]);
            }
            Effect::SyncDir => {
                self.unsynced.remove(&owner);
            }
            Effect::Say(mark) => {
                if mark.kind == "custody.accepted" {
                    self.accepted.extend(mark.number("id"));
                }
                self.say(owner, mark);
            }
        }
    }

    /// The owner ends. With power loss the last name that was not synced may be as before, or both may be.
    fn crash(&mut self, owner: u32, power: bool, choice: u8) {
        let reason = if power { "power" } else { "crash" };
        self.say(owner, Mark::new("system.exit").with("reason", reason));
        self.volatile.remove(&owner);
        self.delivered.remove(&owner);
        if let Some(before) = self.unsynced.remove(&owner).filter(|_| power) {
            match choice % 3 {
                0 => self.places.extend(before),
                1 => before.into_iter().for_each(|(place, ids)| self.places.entry(place).or_default().extend(ids)),
                _ => {}
            }
        }
        let again = if choice % 5 == 4 { usize::from(choice / 5) % 4 } else { usize::MAX };
        self.boot(owner, usize::from(choice), again);
    }

    /// States every place, in an order that varies; ends early, and boots again, after `dies_after` of them.
    fn boot(&mut self, owner: u32, order: usize, dies_after: usize) {
        *self.incarnations.entry(owner).or_default() += 1;
        self.say(owner, Mark::new("system.boot"));
        let mut places = match owner {
            PRIMARY => vec![LEDGER.to_owned()],
            edge => ["active", "quarantine", "staging"].map(|name| place(edge, name)).to_vec(),
        };
        let turns = order % places.len();
        places.rotate_left(turns);
        for (done, place) in places.iter().enumerate() {
            if done == dies_after {
                self.say(owner, Mark::new("system.exit").with("reason", "crash"));
                return self.boot(owner, order / 2, usize::MAX);
            }
            let mut ids: Vec<u64> = match &**place {
                LEDGER => self.ledger.clone(),
                place => self.places.get(place).into_iter().flatten().copied().collect(),
            };
            self.violates_recovery(place, &mut ids);
            self.say(owner, Mark::new("custody.found").with("place", &**place).with("ids", ids));
        }
        let node = places[0].split_inclusive('/').next().unwrap_or_default().to_owned();
        self.expect_loss_at_recovery();
        self.say(owner, Mark::new("custody.recovered").with("node", node));
    }

    pub fn say(&mut self, process: u32, mark: Mark) {
        if self.expected.as_ref().is_some_and(|expected| expected.at < self.facts.len()) {
            return; // The history ends with the fact that breaks the rule.
        }
        let event = self.facts.len() as u64 + 1;
        let incarnation = self.incarnations.get(&process).copied().unwrap_or(1);
        self.facts.push(Observed { at: Time(event), process: ProcessId(process), incarnation, event, mark });
    }

    pub fn held(&self, edge: u32, name: &str) -> BTreeSet<u64> {
        self.places.get(&place(edge, name)).cloned().unwrap_or_default()
    }

    pub fn volatile(&self, edge: u32) -> BTreeSet<u64> {
        self.volatile.get(&edge).cloned().unwrap_or_default()
    }

    /// How many places hold the record.
    pub fn copies(&self, id: u64) -> usize {
        self.places.values().filter(|ids| ids.contains(&id)).count()
    }

    fn undelivered(&self, edge: u32) -> impl Iterator<Item = u64> + use<> {
        let delivered = self.delivered.get(&edge).cloned().unwrap_or_default();
        self.held(edge, "staging").into_iter().filter(move |id| !delivered.contains(id))
    }
}

pub fn place(edge: u32, name: &str) -> String {
    format!("edge-{}/{name}", edge - 1)
}

pub fn stored(place: &str, ids: &[u64]) -> Mark {
    Mark::new("custody.stored").with("place", place).with("ids", ids.to_vec())
}

pub fn removed(place: &str) -> Mark {
    Mark::new("custody.removed").with("place", place)
}

pub fn accepted(id: u64, edge: u32) -> Mark {
    Mark::new("custody.accepted").with("id", id).with("by", place(edge, ""))
}
