//! Writes each occurrence that is left as one line of a script: when, whom, for how long.

use super::search::Search;
use crate::scenario::{FaultAsk, Scenario};
use contract::time::{Duration, nanos};
use kernel::{Decision, Scope, Span};

/// Keys that are tried for an occurrence whose details its old key decided.
const KEYS: u32 = 64;
/// Times are rounded to the coarsest of these that keeps the failure.
const UNITS: [u64; 4] = [1_000_000_000, 100_000_000, 10_000_000, 1_000_000];

/// Turns occurrences into faults with `at`, one by one, where the failure stays.
pub fn script(search: &mut Search<'_>) -> bool {
    let mut changed = false;
    let mut at = 0;
    while let Some(&(decision, lasts)) = search.failing.struck.get(at) {
        at += 1;
        let slot = decision.slot as usize;
        if decision.message || search.current.faults[slot].scripted {
            continue;
        }
        let base = search.current.clone();
        let old = base.faults[slot].key;
        let keys = old.into_iter().chain((0..KEYS).filter(move |key| Some(*key) != old));
        let candidates = keys.map(move |key| scripted(&base, &decision, lasts, key));
        if let Some(found) = search.bench.first(candidates) {
            search.adopt(found);
            (changed, at) = (true, 0);
        }
    }
    changed
}

/// The scenario with one occurrence moved out of its fault into a fault of its own.
fn scripted(base: &Scenario, decision: &Decision, lasts: Duration, key: u32) -> Scenario {
    let mut scenario = base.clone();
    let slot = decision.slot as usize;
    let old = &mut scenario.faults[slot];
    let moved = FaultAsk {
        targets: if old.scope == Scope::Node { vec![decision.node] } else { old.targets.clone() },
        after: None,
        every: Some(Span::exactly(Duration::from_nanos(decision.at))),
        lasts: Some(Span::exactly(lasts)),
        limit: Some(1),
        scripted: true,
        key: Some(key),
        occurrences: None,
        ..old.clone()
    };
    let left = old.occurrences.as_mut().map_or(0, |occurrences| {
        occurrences.remove(&(decision.key as u32));
        occurrences.len()
    });
    if left == 0 {
        scenario.faults[slot] = moved;
    } else {
        scenario.faults.insert(slot + 1, moved);
    }
    scenario
}

/// Makes the times of scripted faults earlier, shorter and rounder, where the failure stays and its run gets no
/// longer.
pub fn simplify(search: &mut Search<'_>) -> bool {
    let mut changed = in_order(search);
    let mut index = 0;
    while index < search.current.faults.len() {
        for part in [moment as Part, length] {
            // Halving ends; rounding comes after it, and once, since it may lengthen.
            while simpler(search, index, part, sooner) {
                changed = true;
            }
            changed |= simpler(search, index, part, rounder);
        }
        index += 1;
    }
    changed
}

/// Takes the first simpler time of one fault that keeps the failure.
fn simpler(search: &mut Search<'_>, index: usize, part: Part, times: fn(u64) -> Vec<u64>) -> bool {
    // A fault that met nobody at its new time is gone.
    let fault = search.current.faults.get(index).filter(|fault| fault.scripted);
    let Some(span) = fault.and_then(|fault| *part(&mut fault.clone())) else { return false };
    let times = times(nanos(span.least));
    let base = search.current.clone();
    let candidates = times.into_iter().map(move |time| {
        let mut scenario = base.clone();
        *part(&mut scenario.faults[index]) = Some(Span::exactly(Duration::from_nanos(time)));
        scenario
    });
    let found = search.bench.first_within(search.failing.events, candidates);
    found.map(|found| search.adopt(found)).is_some()
}

/// Lists scripted faults in the order of their times, after the others.
fn in_order(search: &mut Search<'_>) -> bool {
    let mut sorted = search.current.clone();
    sorted.faults.sort_by_key(|fault| fault.every.filter(|_| fault.scripted).map(|span| span.least));
    if sorted.faults == search.current.faults {
        return false;
    }
    search.bench.first([sorted]).map(|found| search.adopt(found)).is_some()
}

/// A time of a fault.
type Part = fn(&mut FaultAsk) -> &mut Option<Span>;

fn moment(fault: &mut FaultAsk) -> &mut Option<Span> {
    &mut fault.every
}

fn length(fault: &mut FaultAsk) -> &mut Option<Span> {
    &mut fault.lasts
}

/// Much earlier or shorter, the most first.
fn sooner(time: u64) -> Vec<u64> {
    let finest = UNITS[UNITS.len() - 1];
    [8, 4, 2].map(|part| time / part / finest * finest).into_iter().filter(|time| *time > 0).collect()
}

/// Rounder, the roundest first.
fn rounder(time: u64) -> Vec<u64> {
    let units = UNITS.into_iter().take_while(|unit| !time.is_multiple_of(*unit));
    units.flat_map(|unit| [time / unit * unit, time.next_multiple_of(unit)]).filter(|time| *time > 0).collect()
}
