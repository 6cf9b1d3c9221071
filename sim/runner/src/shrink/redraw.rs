//! The same failure in a world with less work: the same faults strike at other moments, drawn anew.
//!
//! Taking requests away one by one keeps the first ones. A failure that needs the fortieth request of a long
//! storm often needs one request and a storm that comes sooner; that storm is drawn, not derived.

use super::dimension::{Dimension, KNOBS, TIMING, settle};
use super::search::Search;
use crate::scenario::Scenario;
use crate::scenario::write::{Comments, write};
use contract::time::{Duration, nanos};
use kernel::Span;

/// Storms that are tried for each amount of work.
const DRAWS: u32 = 160;
/// Faults come so many times as often, in turn.
const SOONER: [u32; 4] = [1, 4, 16, 64];

/// Looks for the least work that some storm of the same faults makes fail; at the next call for the next such storm.
pub fn redraw(search: &mut Search<'_>) -> bool {
    let now = search.current.limits.requests;
    let fewer = (0..).map(|power| 1_u64 << power).take_while(|requests| *requests < now);
    let worlds = worlds(&search.current);
    let mut amounts = Vec::new();
    for requests in fewer {
        amounts.extend(worlds.iter().map(|world| (world.clone(), requests)));
    }
    let all = amounts.into_iter().flat_map(|(world, requests)| storms(world, requests));
    let Some(found) = search.bench.first(all.skip(search.storms)) else { return false };
    search.storms += found.index + 1;
    search.adopt(found);
    true
}

/// The scenario and simpler ones, the simplest first: one node of each role, knobs at their defaults, even timing.
fn worlds(scenario: &Scenario) -> Vec<Scenario> {
    let without_all = |from: &Scenario, dimension: Dimension| {
        let all = 0..(dimension.count)(from);
        (dimension.without)(from, &all)
    };
    let even = without_all(scenario, TIMING);
    let plain = without_all(&even, KNOBS);
    let mut worlds = Vec::new();
    for world in [lone(&plain), lone(&even), plain, even, scenario.clone()] {
        // Where there is nothing to simplify, worlds are equal, and each is tried once.
        let is_new = |other: &Scenario| write(other, &Comments::default()) != write(&world, &Comments::default());
        if worlds.iter().all(is_new) {
            worlds.push(world);
        }
    }
    worlds
}

/// The scenario with one node of each role.
fn lone(scenario: &Scenario) -> Scenario {
    let mut lone = scenario.clone();
    for group in &mut lone.groups {
        group.count = 1;
    }
    settle(scenario, &mut lone);
    lone
}

/// The scenario with less work, under storms of other keys.
fn storms(world: Scenario, requests: u64) -> impl Iterator<Item = Scenario> + Send {
    let keys = 1 + world.faults.iter().filter_map(|fault| fault.key).max().unwrap_or(0);
    (0..DRAWS).map(move |draw| {
        let mut storm = world.clone();
        storm.limits.requests = requests;
        for fault in &mut storm.faults {
            let round = draw / SOONER.len() as u32;
            fault.key = fault.key.map(|key| key.wrapping_add(round.wrapping_mul(keys)));
            if !fault.scripted {
                fault.every = fault.every.map(|every| sooner(every, SOONER[draw as usize % SOONER.len()]));
            }
        }
        storm
    })
}

fn sooner(every: Span, times: u32) -> Span {
    let cut = |time: Duration| Duration::from_nanos(nanos(time) / u64::from(times));
    Span { least: cut(every.least), most: cut(every.most).max(Duration::from_millis(1)) }
}
