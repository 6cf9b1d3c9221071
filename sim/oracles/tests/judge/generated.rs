//! Generated histories: legal ones are accepted, each broken rule is found at the fact that breaks it,
//! and on arbitrary damage the oracle agrees with a slow reference and never panics.

use crate::legal::{Step, World};
use crate::planted::Plant;
use crate::reference;
use crate::story::judge;
use crate::teller::{damage, runner, told};
use contract::Observed;
use oracles::{Panel, Violation, all};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

fn steps(max: usize) -> impl Strategy<Value = Vec<Step>> {
    // Half of the operations are not cut at all.
    let cut = prop_oneof![0..12u8, Just(u8::MAX)];
    let step = (any::<u8>(), any::<u8>(), cut, any::<bool>());
    prop::collection::vec(step.prop_map(|(what, pick, cut, power)| Step { what, pick, cut, power }), 1..max)
}

/// The oracles of records and clients; these histories have nothing for the others.
const OF_RECORDS: [&str; 3] = ["custody", "exactly_once", "convergence"];

/// The index of the first fact that breaks something, and what.
fn first_violation(oracle: &str, facts: &[Observed]) -> Option<(usize, Violation)> {
    let mut judge = judge(oracle);
    facts.iter().enumerate().find_map(|(index, seen)| Some((index, judge.observe(seen).err()?)))
}

#[test]
fn legal_histories_are_accepted_and_come_to_an_end() {
    runner(600)
        .run(&steps(120), |steps| {
            let world = World::run(&steps, None);
            let mut panel = Panel::new(&all());
            panel
                .observe_all(&world.facts)
                .map_err(|violation| TestCaseError::fail(format!("{violation}\n{}", told(&world.facts))))?;
            prop_assert_eq!(panel.pending(), vec![], "{}", told(&world.facts));
            prop_assert_eq!(panel.finish(), Ok(()));
            let idle = |(oracle, judged): &(&str, u64)| OF_RECORDS.contains(oracle) && *judged == 0;
            prop_assert!(world.accepted.is_empty() || !panel.judged().iter().any(idle));
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn every_broken_rule_is_found_where_it_is_broken() {
    for plant in Plant::ALL {
        let struck = std::cell::Cell::new(0);
        runner(150)
            .run(&steps(120), |steps| {
                let world = World::run(&steps, Some(plant));
                let Some(expected) = &world.expected else { return Ok(()) };
                struck.set(struck.get() + 1);
                let found = first_violation(expected.oracle, &world.facts);
                let found = found.map(|(at, violation)| (at, violation.invariant));
                prop_assert_eq!(found, Some((expected.at, expected.invariant)), "{}", told(&world.facts));
                Ok(())
            })
            .unwrap_or_else(|failure| panic!("{plant:?}: {failure}"));
        assert!(struck.get() >= 30, "{plant:?} struck in only {} of 150 histories", struck.get());
    }
}

#[test]
fn on_any_damage_custody_agrees_with_the_slow_reference() {
    let broken = std::cell::Cell::new(0);
    let hits = prop::collection::vec((any::<u8>(), any::<prop::sample::Index>()), 1..6);
    runner(1_500)
        .run(&(steps(80), hits), |(steps, hits)| {
            let mut facts = World::run(&steps, None).facts;
            damage(&mut facts, &hits);
            let found = first_violation("custody", &facts).map(|(at, violation)| (at, violation.invariant));
            prop_assert_eq!(found, reference::verdict(&facts), "{}", told(&facts));
            broken.set(broken.get() + u32::from(found.is_some()));
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
    assert!((200..1_400).contains(&broken.get()), "{} of 1500 damaged histories are broken", broken.get());
}

#[test]
fn on_any_damage_no_oracle_panics() {
    let hits = prop::collection::vec((any::<u8>(), any::<prop::sample::Index>()), 1..12);
    runner(600)
        .run(&(steps(80), hits), |(steps, hits)| {
            let mut facts = World::run(&steps, None).facts;
            damage(&mut facts, &hits);
            for kind in all() {
                let mut judge = (kind.make)();
                let told_all = facts.iter().try_for_each(|seen| judge.observe(seen));
                judge.pending();
                if told_all.is_ok() {
                    // What it says does not matter here; its own books must be in order.
                    judge.finish().err();
                }
            }
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}
