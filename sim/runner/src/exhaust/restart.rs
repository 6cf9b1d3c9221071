//! What comes after a crash: the recovery, a crash inside it, one more operation. All of it is a function of
//! the disk, so that each different disk is restarted once.

use super::disk::TrialDisk;
use super::{Counts, Crash, Options};
use crate::panics::{self, Caught};
use contract::{Disk, FileProtocol};
use kernel::disk::FileSystem;
use kernel::disk::fates::Fates;
use kernel::disk::states::in_short;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// What a recovery read back, or why it did not come to its end.
pub type Outcome<P> = Result<<P as FileProtocol>::Found, String>;

/// All that can come after one state of the disk.
pub struct Restart<P: FileProtocol> {
    /// Of the recovery that is left in peace.
    pub outcome: Outcome<P>,
    /// After a crash inside the recovery.
    pub inside: Vec<Next<P>>,
    /// After a crash once it has come to its end.
    pub end: Vec<Next<P>>,
    /// After one more operation.
    pub more: Vec<More<P>>,
}

/// A second crash and what the recovery from it read back. Of several with equal outcomes, the first.
pub struct Next<P: FileProtocol> {
    /// The second crash.
    pub crash: Crash,
    /// Of the recovery from it.
    pub outcome: Outcome<P>,
}

/// One more operation after a recovery.
pub struct More<P: FileProtocol> {
    /// The operation.
    pub op: P::Op,
    /// What was acknowledged, or why the process ended.
    pub ack: Result<P::Ack, String>,
    /// After a crash then.
    pub ends: Vec<Next<P>>,
}

/// A state that a crash left.
pub struct Left {
    /// What is left.
    pub disk: FileSystem,
    /// Its digest, another one in each boot if those are told apart.
    pub digest: u128,
    /// How often the power was lost so far; 0 where nobody asks.
    pub boot: u64,
    /// What became of the unsynced changes when the power was lost; `None` if only the process died.
    pub fates: Option<Fates>,
}

/// Restarts states of the disk, and remembers them.
pub struct Restarts<'p, P: FileProtocol> {
    protocol: &'p P,
    options: &'p Options,
    first: BTreeMap<u128, Rc<Restart<P>>>,
    /// Recoveries from second crashes.
    second: BTreeMap<u128, Rc<Outcome<P>>>,
}

impl<'p, P: FileProtocol> Restarts<'p, P> {
    /// Nothing is known yet.
    pub fn new(protocol: &'p P, options: &'p Options) -> Self {
        Restarts { protocol, options, first: BTreeMap::new(), second: BTreeMap::new() }
    }

    /// The different states that a crash at `disk` in that boot may leave, the likeliest first.
    pub fn crash(&self, disk: &FileSystem, boot: u64, counts: &mut Counts, each: &mut dyn FnMut(Left)) {
        let mut seen = BTreeSet::new();
        let mut leave = |disk: FileSystem, boot: u64, fates: Option<&Fates>| {
            let digest = disk.digest() ^ u128::from(boot);
            if seen.insert(digest) {
                each(Left { disk, digest, boot, fates: fates.cloned() });
            }
        };
        leave(disk.after_death(), boot, None);
        let next = if self.protocol.tells_boots_apart() { boot + 1 } else { 0 };
        let mut visit = |fates: &Fates| leave(disk.after_power_loss(fates), next, Some(fates));
        counts.omitted += disk.every_power_loss(self.options.states_max, &mut visit);
    }

    /// All that can come after `left`.
    pub fn restart(&mut self, left: &Left, counts: &mut Counts) -> Rc<Restart<P>> {
        if let Some(known) = self.first.get(&left.digest) {
            return Rc::clone(known);
        }
        counts.recoveries += 1;
        let restart = Rc::new(self.restart_anew(left, counts));
        self.first.insert(left.digest, Rc::clone(&restart));
        restart
    }

    fn restart_anew(&mut self, left: &Left, counts: &mut Counts) -> Restart<P> {
        let mut disk = TrialDisk::after_crash(left.disk.clone());
        let recovered = recover(self.protocol, left.boot, &mut disk);
        let points = disk.take_points();
        let (state, found) = match recovered {
            Ok(recovered) => recovered,
            Err(why) => return Restart { outcome: Err(why), inside: Vec::new(), end: Vec::new(), more: Vec::new() },
        };
        let mut inside = Nexts::default();
        for point in &points {
            let place = format!("in the recovery, after `{}`", point.call);
            inside.crash(self, (&point.disk, left.boot), &place, counts);
        }
        let end = self.crashes((disk.now(), left.boot), "after the recovery", counts);
        let mut more = Vec::new();
        for op in self.protocol.operations(self.options.length) {
            let (mut disk, mut state) = (disk.clone(), state.clone());
            let ack = apply(self.protocol, &mut state, &op, &mut disk);
            let when = if ack.is_ok() { "after that was acknowledged" } else { "after the process ended" };
            let ends = self.crashes((disk.now(), left.boot), when, counts);
            more.push(More { op, ack, ends });
        }
        Restart { outcome: Ok(found), inside: inside.list, end, more }
    }

    fn crashes(&mut self, at: (&FileSystem, u64), place: &str, counts: &mut Counts) -> Vec<Next<P>> {
        let mut nexts = Nexts::default();
        nexts.crash(self, at, place, counts);
        nexts.list
    }

    /// What a second recovery reads back.
    fn outcome(&mut self, left: &Left) -> Rc<Outcome<P>> {
        if let Some(known) = self.first.get(&left.digest) {
            return Rc::new(known.outcome.clone());
        }
        let protocol = self.protocol;
        let known = self.second.entry(left.digest).or_insert_with(|| {
            let mut disk = TrialDisk::after_crash(left.disk.clone());
            Rc::new(recover(protocol, left.boot, &mut disk).map(|(_, found)| found))
        });
        Rc::clone(known)
    }
}

/// Second crashes, one for each outcome.
struct Nexts<P: FileProtocol> {
    list: Vec<Next<P>>,
    outcomes: BTreeSet<Outcome<P>>,
    states: BTreeSet<u128>,
}

impl<P: FileProtocol> Default for Nexts<P> {
    fn default() -> Self {
        Nexts { list: Vec::new(), outcomes: BTreeSet::new(), states: BTreeSet::new() }
    }
}

impl<P: FileProtocol> Nexts<P> {
    /// A crash of a disk in a boot.
    fn crash(
        &mut self,
        restarts: &mut Restarts<'_, P>,
        (disk, boot): (&FileSystem, u64),
        place: &str,
        counts: &mut Counts,
    ) {
        let mut all = Vec::new();
        restarts.crash(disk, boot, counts, &mut |left| all.push(left));
        for left in all {
            if !self.states.insert(left.digest) {
                continue;
            }
            counts.second += 1;
            let outcome = restarts.outcome(&left);
            if self.outcomes.insert((*outcome).clone()) {
                self.list
                    .push(Next { crash: Crash::new(disk, left.fates.as_ref(), place), outcome: (*outcome).clone() });
            }
        }
    }
}

impl Crash {
    /// The crash of `disk` that had these fates, at a place in words.
    pub(super) fn new(disk: &FileSystem, fates: Option<&Fates>, place: &str) -> Crash {
        let what = if fates.is_some() { "power loss" } else { "death of the process" };
        let changes = fates.map_or_else(Vec::new, |fates| disk.describe(&in_short(fates)));
        Crash { place: format!("{what} {place}"), changes }
    }
}

/// Runs a recovery; a panic in it is its error.
pub fn recover<P: FileProtocol>(protocol: &P, boot: u64, disk: &mut TrialDisk) -> Result<(P::State, P::Found), String> {
    caught(|| protocol.restart(boot, &mut Disk::new(disk)))
}

/// Runs an operation; a panic in it is its error.
pub fn apply<P: FileProtocol>(
    protocol: &P,
    state: &mut P::State,
    op: &P::Op,
    disk: &mut TrialDisk,
) -> Result<P::Ack, String> {
    caught(|| protocol.apply(state, op, &mut Disk::new(disk)))
}

/// What a panicking body has changed is never looked at again.
fn caught<T>(body: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    let panicked = |caught: Caught| Err(format!("panicked at {}: {}", caught.place, caught.message));
    panics::caught(body).unwrap_or_else(panicked)
}
