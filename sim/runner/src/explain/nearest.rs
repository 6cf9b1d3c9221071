//! The nearest run that passes: the same seed with one fault less, the latest that suffices; else without
//! a kind of fault, without any, or the nearest other seed.

use super::causes::Slice;
use super::model::Run;
use crate::draw::{self, Drawn};
use crate::registry::Registry;
use crate::run::{self, Keep};
use crate::scenario::Scenario;
use contract::Time;
use kernel::{FaultKind, What};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Single messages that are tried without their fault.
const MESSAGES_MAX: usize = 12;
/// Single occurrences that are tried without.
const OCCURRENCES_MAX: usize = 48;
/// Other seeds that are tried.
const SEEDS_MAX: u64 = 64;
/// Events of all runs that are tried together: about ten seconds.
const EVENTS_MAX: u64 = 10_000_000;

/// How the passing run differs from the failing one in what it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// One message is spared its fault.
    Message {
        /// The fault's slot.
        slot: usize,
        /// The message's path of causes.
        identity: u64,
    },
    /// One occurrence of a fault does not happen, nor do those after the failing run's last.
    Occurrence {
        /// The fault's slot.
        slot: usize,
        /// Its number, from 1.
        occurrence: u32,
    },
    /// A fault never strikes.
    Slot(usize),
    /// No fault strikes.
    Quiet,
    /// Another seed.
    Seed(u64),
}

/// A passing run and how to get it.
pub struct Nearest {
    /// What it was made of.
    pub drawn: Drawn,
    /// How that differs.
    pub change: Change,
    /// In words, as the rest of "the nearest passing run is ...".
    pub words: String,
    /// Runs that were tried.
    pub tried: u64,
}

/// Looks for it; `tick` hears of each run that is tried.
pub fn find(
    scenario: &Scenario,
    registry: &Registry,
    drawn: &Drawn,
    run: &Run,
    slice: &Slice,
    mut tick: impl FnMut(u64),
) -> Option<Nearest> {
    let (mut tried, mut events) = (0, 0);
    for change in candidates(drawn, run, slice) {
        if events > EVENTS_MAX {
            break;
        }
        tried += 1;
        tick(tried);
        let Some(changed) = apply(scenario, drawn, run, &change) else { continue };
        let keep = Drawn { settings: quiet(&changed), ..changed.clone() };
        let verdict = run::run_drawn(scenario, registry, &keep).verdict;
        events += verdict.events;
        if !verdict.failed() {
            let words = words(&change, drawn, run);
            return Some(Nearest { drawn: changed, change, words, tried });
        }
    }
    None
}

/// The settings of a run of which only the verdict is wanted.
fn quiet(drawn: &Drawn) -> kernel::Settings {
    kernel::Settings { trace_capacity: Keep::LITTLE.trace, narrate: false, ..drawn.settings.clone() }
}

/// What to try, the smallest change first, of equal ones the latest, those in the causal cone before others.
fn candidates(drawn: &Drawn, run: &Run, slice: &Slice) -> Vec<Change> {
    let mut found = messages(run, slice);
    let mut windows: Vec<usize> = (0..run.windows.len()).collect();
    windows.sort_by_key(|&it| {
        let window = &run.windows[it];
        std::cmp::Reverse((slice.holds(window.event), window.from))
    });
    let occurrences = windows.iter().map(|&it| &run.windows[it]);
    found.extend(
        occurrences
            .map(|window| Change::Occurrence { slot: window.slot, occurrence: window.occurrence })
            .take(OCCURRENCES_MAX),
    );
    let struck: BTreeSet<usize> = run.windows.iter().map(|window| window.slot).collect();
    found.extend(struck.into_iter().map(Change::Slot));
    if !run.windows.is_empty() {
        found.push(Change::Quiet);
    }
    found.extend((1..=SEEDS_MAX).map(|step| Change::Seed(drawn.seed.wrapping_add(step))));
    found
}

/// Messages of the cone that met a fault which can spare single messages, the latest first.
fn messages(run: &Run, slice: &Slice) -> Vec<Change> {
    use FaultKind as F;
    let mut found = Vec::new();
    for (index, event) in run.events.iter().enumerate().rev().filter(|(index, _)| slice.holds(*index)) {
        let Some(message) = event.message.as_ref().filter(|_| event.what != What::Refuse) else { continue };
        for &window in &run.events[index].met {
            let window = &run.windows[window];
            if matches!(window.kind, F::Loss | F::Duplication | F::DelayTail | F::Reordering | F::LateReplay) {
                found.push(Change::Message { slot: window.slot, identity: message.identity });
            }
        }
    }
    found.truncate(MESSAGES_MAX);
    found
}

/// What the changed run is made of; `None` where a seed cannot be built.
fn apply(scenario: &Scenario, drawn: &Drawn, run: &Run, change: &Change) -> Option<Drawn> {
    let mut changed = drawn.clone();
    let faults = &mut changed.settings.faults;
    match change {
        Change::Message { slot, identity } => {
            let met = run.events.iter().filter(|event| event.met.iter().any(|it| run.windows[*it].slot == *slot));
            let met = met.filter_map(|event| event.message.as_ref()).map(|message| message.identity);
            let mut spared: BTreeSet<u64> = met.collect();
            spared.remove(identity);
            faults[*slot].messages = Some(Arc::new(spared));
        }
        Change::Occurrence { slot, occurrence } => {
            let begun = run.windows.iter().filter(|window| window.slot == *slot).map(|window| window.occurrence);
            faults[*slot].occurrences = Some(Arc::new(begun.filter(|begun| begun != occurrence).collect()));
        }
        Change::Slot(slot) => faults[*slot].limit = 0,
        Change::Quiet => faults.iter_mut().for_each(|fault| fault.limit = 0),
        Change::Seed(seed) => changed = draw::draw(scenario, *seed, Keep::LITTLE.trace, false).ok()?,
    }
    Some(changed)
}

fn words(change: &Change, drawn: &Drawn, run: &Run) -> String {
    let kind = |slot: &usize| drawn.settings.faults[*slot].kind.name();
    match change {
        Change::Message { slot, identity } => {
            let met = run.events.iter().find(|it| it.message.as_ref().is_some_and(|it| it.identity == *identity));
            let which = met.map(|event| super::difference::phrase(run, event)).unwrap_or_default();
            let place = met.map_or("nobody", |event| run.place(event));
            format!("the same seed with one message spared from {}: {place} {which}", kind(slot))
        }
        Change::Occurrence { slot, occurrence } => {
            let window = run.windows.iter().find(|it| it.slot == *slot && it.occurrence == *occurrence);
            let which = window.map(|it| format!("{} at {}", it.name(run), Time(it.from))).unwrap_or_default();
            format!("the same seed without {which}")
        }
        Change::Slot(slot) => format!("the same seed without {}", kind(slot)),
        Change::Quiet => "the same seed without any fault".to_owned(),
        Change::Seed(seed) => format!("another seed, {seed}: this one fails without any of its faults too"),
    }
}
