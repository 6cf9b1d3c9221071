//! Generated histories: how a generator tells facts, how a good one is broken, and what must follow.

use crate::story::judge;
use contract::{Mark, Observed, ProcessId, Time, Value};
use oracles::{Oracle, Violation};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestCaseError, TestRng, TestRunner};
use std::borrow::Cow;

/// The same cases on every machine, so that a red test stays red while it is looked at.
pub fn runner(cases: u32) -> TestRunner {
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

/// What a generator decides at each step: three free numbers.
pub type Step = (u8, u8, u8);

/// Up to `max` steps.
pub fn steps(max: usize) -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec((any::<u8>(), any::<u8>(), any::<u8>()), 1..max)
}

/// Collects facts; each is one event, one millisecond after the one before.
#[derive(Default)]
pub struct Teller {
    pub facts: Vec<Observed>,
}

impl Teller {
    /// The process states the mark in its first incarnation.
    pub fn tell(&mut self, process: u32, mark: Mark) {
        self.tell_as(process, 1, mark);
    }

    pub fn tell_as(&mut self, process: u32, incarnation: u32, mark: Mark) {
        let event = self.facts.len() as u64 + 1;
        let at = Time(event * 1_000_000);
        self.facts.push(Observed { at, process: ProcessId(process), incarnation, event, mark });
    }
}

/// The facts as a list to look at.
pub fn told(facts: &[Observed]) -> String {
    let lines =
        facts.iter().map(|seen| format!("{} {}#{} {}", seen.event, seen.process.0, seen.incarnation, seen.mark));
    lines.collect::<Vec<_>>().join("\n")
}

/// The first violation, if any, and how many facts were judged.
pub fn verdict(oracle: &str, facts: &[Observed]) -> (Option<Violation>, u64) {
    let mut judge = judge(oracle);
    let said = told_to(&mut *judge, facts);
    (said.err(), judge.judged())
}

fn told_to(judge: &mut dyn Oracle, facts: &[Observed]) -> Result<(), Violation> {
    facts.iter().try_for_each(|seen| judge.observe(seen))?;
    judge.finish()
}

/// One way to break a good history: the invariant that then is broken, and how; false if this history has
/// nothing to break so. The number says which of several places.
pub type Mutation = (&'static str, &'static str, fn(&mut Vec<Observed>, usize) -> bool);

/// Generated histories are accepted; each mutation of them is rejected for its invariant.
pub fn check_generated(oracle: &str, max: usize, generate: fn(&[Step]) -> Vec<Observed>, mutations: &[Mutation]) {
    let judged = std::cell::Cell::new(0);
    runner(300)
        .run(&steps(max), |steps| {
            let facts = generate(&steps);
            let (violation, count) = verdict(oracle, &facts);
            judged.set(judged.get() + count);
            prop_assert!(violation.is_none(), "{}\n{}", violation.expect("checked"), told(&facts));
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{oracle}: {failure}"));
    assert!(judged.get() > 300, "{oracle} judged only {} facts of good histories", judged.get());
    check_mutations(oracle, max, generate, mutations);
    check_damage(oracle, max, generate);
}

fn check_mutations(oracle: &str, max: usize, generate: fn(&[Step]) -> Vec<Observed>, mutations: &[Mutation]) {
    for (name, invariant, mutate) in mutations {
        let struck = std::cell::Cell::new(0);
        runner(150)
            .run(&(steps(max), any::<prop::sample::Index>()), |(steps, pick)| {
                let mut facts = generate(&steps);
                if !mutate(&mut facts, pick.index(1_000_000)) {
                    return Ok(());
                }
                struck.set(struck.get() + 1);
                let found = verdict(oracle, &facts).0.map(|violation| violation.invariant);
                if found != Some(*invariant) {
                    return Err(TestCaseError::fail(format!("found {found:?}\n{}", told(&facts))));
                }
                Ok(())
            })
            .unwrap_or_else(|failure| panic!("{oracle}, {name}: {failure}"));
        assert!(struck.get() >= 30, "{oracle}, {name}: struck in only {} of 150 histories", struck.get());
    }
}

/// Whatever happened to a history, an oracle does not panic, and a copy of it says the same.
fn check_damage(oracle: &str, max: usize, generate: fn(&[Step]) -> Vec<Observed>) {
    let hits = prop::collection::vec((any::<u8>(), any::<prop::sample::Index>()), 1..8);
    runner(200)
        .run(&(steps(max), hits, any::<prop::sample::Index>()), |(steps, hits, half)| {
            let mut facts = generate(&steps);
            if facts.is_empty() {
                return Ok(());
            }
            damage(&mut facts, &hits);
            let (early, late) = facts.split_at(half.index(facts.len() + 1));
            let mut first = judge(oracle);
            if early.iter().try_for_each(|seen| first.observe(seen)).is_ok() {
                let mut second = first.clone();
                prop_assert_eq!(told_to(&mut *first, late), told_to(&mut *second, late), "{}", told(&facts));
                prop_assert_eq!(first.pending(), second.pending());
                prop_assert_eq!((first.judged(), first.undecided()), (second.judged(), second.undecided()));
            }
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{oracle}: {failure}"));
}

/// Damage to a history: facts are left out, repeated, or exchanged.
pub fn damage(facts: &mut Vec<Observed>, hits: &[(u8, prop::sample::Index)]) {
    for (kind, index) in hits {
        if facts.is_empty() {
            return;
        }
        let at = index.index(facts.len());
        match kind % 4 {
            0 => drop(facts.remove(at)),
            1 => facts.insert(at, facts[at].clone()),
            2 if at > 0 => facts.swap(at - 1, at),
            _ => {
                let to = (at * 7 + 3) % facts.len();
                facts.swap(to, at);
            }
        }
    }
}

/// The place of one fact of that kind for which `fits` holds, the `pick`-th modulo their number.
pub fn find(facts: &[Observed], kind: &str, pick: usize, fits: impl Fn(usize, &Mark) -> bool) -> Option<usize> {
    let places = facts.iter().enumerate().filter(|(at, seen)| seen.mark.kind == kind && fits(*at, &seen.mark));
    let places: Vec<usize> = places.map(|(at, _)| at).collect();
    (!places.is_empty()).then(|| places[pick % places.len()])
}

/// Replaces or adds a fact of the mark.
pub fn set(seen: &mut Observed, name: &'static str, value: impl Into<Value>) {
    seen.mark.facts.retain(|(known, _)| known != name);
    seen.mark.facts.push((Cow::Borrowed(name), value.into()));
}

/// Whether the mark has the same values of these names as that.
pub fn same(mark: &Mark, that: &Mark, names: &[&str]) -> bool {
    names.iter().all(|name| mark.get(name) == that.get(name))
}
