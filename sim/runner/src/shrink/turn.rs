//! Turns knobs to their ends where that makes the failing run shorter: an engineer who builds a reproduction by hand
//! does not wait three seconds for a deadline that may be half a second.
//!
//! A knob that is turned is one thing more to read, so that it has to save at least [`PRICE`] events.

use super::search::Search;
use crate::scenario::Scenario;
use contract::time::{Duration, nanos};
use kernel::Span;

/// So many events are worth a fault, an operation, a node, a knob or a departure of timing more or less.
pub const PRICE: u64 = 4;
/// A knob may move all times of a run, and the times of the faults have to move with it: divisors.
const SCALES: [u64; 7] = [1, 2, 4, 8, 16, 64, 256];

/// Turns one knob after the other, until none makes the run shorter.
pub fn knobs(search: &mut Search<'_>) -> bool {
    search.turned = true;
    let mut changed = false;
    let mut at = 0;
    while let Some((group, knob)) = nth(&search.current, at) {
        at += 1;
        // A knob that saves something is tried at once again: its other end, other times.
        while turn(search, group, knob) {
            changed = true;
        }
    }
    changed
}

/// The knob of that number: its group, and its place in the group's role.
fn nth(scenario: &Scenario, at: usize) -> Option<(usize, usize)> {
    let knobs = scenario.groups.iter().enumerate();
    knobs.flat_map(|(group, it)| (0..it.role.knobs.len()).map(move |knob| (group, knob))).nth(at)
}

/// Takes the first value of a knob with which the run fails in fewer events.
fn turn(search: &mut Search<'_>, group: usize, knob: usize) -> bool {
    let knobs = search.current.groups[group].role.knobs;
    let knob = &knobs[knob];
    let set = search.current.groups[group].set.get(knob.name).copied();
    let price = if set.is_some() { 1 } else { PRICE };
    let Some(events_max) = search.failing.events.checked_sub(price) else { return false };
    let now = set.unwrap_or(knob.default);
    let base = search.current.clone();
    let values = [knob.least, knob.most].into_iter().filter(move |value| *value != now);
    let candidates = values.flat_map(|value| SCALES.map(|scale| (value, scale))).map(move |(value, scale)| {
        let mut scenario = base.clone();
        scenario.groups[group].set.insert(knob.name, value);
        sooner(&mut scenario, scale);
        scenario
    });
    let found = search.bench.first_within(events_max, candidates);
    found.map(|found| search.adopt(found)).is_some()
}

/// Makes all scripted faults strike sooner and last shorter.
fn sooner(scenario: &mut Scenario, scale: u64) {
    let scaled = |span: Span| Span::exactly(Duration::from_nanos((nanos(span.least) / scale).max(1)));
    for fault in scenario.faults.iter_mut().filter(|fault| fault.scripted) {
        fault.every = fault.every.map(scaled);
        fault.lasts = fault.lasts.map(scaled);
    }
}
