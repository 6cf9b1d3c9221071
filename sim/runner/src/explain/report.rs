//! Everything that a report says, before it becomes a page or a text.

use super::causes::{self, Slice};
use super::difference::{self, Difference};
use super::model::Run;
use super::{nearest, record};
use crate::draw::Drawn;
use crate::exit::Exit;
use crate::registry::Registry;
use crate::scenario::Scenario;
use contract::Time;

/// A run explained.
pub struct Report {
    /// The scenario's title.
    pub title: String,
    /// The verdict in one sentence.
    pub sentence: String,
    /// What the oracle that found it judges.
    pub about: Option<&'static str>,
    /// The run; it may also have passed.
    pub failing: Run,
    /// Its causes.
    pub slice: Slice,
    /// The nearest run that passes.
    pub passing: Option<Passing>,
    /// Runs that were tried to find it.
    pub tried: u64,
}

/// The run to compare with.
pub struct Passing {
    /// The run.
    pub run: Run,
    /// Which it is: "the same seed without ...".
    pub words: String,
    /// Where the two part.
    pub difference: Option<Difference>,
}

impl Report {
    /// Runs what was drawn and, where it fails, looks for the nearest run that passes. `tick` hears of each try.
    pub fn new(scenario: &Scenario, registry: &Registry, drawn: &Drawn, mut tick: impl FnMut(u64)) -> Report {
        let failing = record::record(scenario, registry, drawn);
        let slice = causes::slice(&failing);
        let mut tried = 0;
        let mut count = |nth: u64| {
            tried = nth;
            tick(nth);
        };
        let found = if failing.verdict.failed() {
            nearest::find(scenario, registry, drawn, &failing, &slice, &mut count)
        } else {
            None
        };
        let passing = found.map(|nearest| {
            let run = record::record(scenario, registry, &nearest.drawn);
            let difference = difference::first(&failing, &run);
            Passing { run, words: nearest.words, difference }
        });
        let judge = registry.oracles.iter().find(|kind| Some(kind.name) == failing.verdict.oracle.as_deref());
        let (title, sentence) = (scenario.title.clone(), sentence(&failing));
        Report { title, sentence, about: judge.map(|kind| kind.about), failing, slice, passing, tried }
    }
}

/// The verdict in one sentence.
fn sentence(run: &Run) -> String {
    let verdict = &run.verdict;
    let oracle = verdict.oracle.as_deref().unwrap_or("the run");
    let when = run.verdict.evidence.iter().filter_map(|number| run.index(*number)).max();
    let when = when.map_or(String::new(), |index| format!(" at {}", Time(run.events[index].at)));
    let end = Time(run.end);
    match verdict.exit {
        Exit::Violated => {
            let invariant = verdict.invariant.as_deref().unwrap_or("an invariant");
            format!("Violated: {oracle} found invariant {invariant} broken{when}.")
        }
        Exit::NotConverged => {
            format!("Not converged: the healed system still had work to do at {end}; {oracle} waits.")
        }
        Exit::Panicked => format!("Panicked: an actor broke an assertion of its own at {end}."),
        Exit::Passed => format!("Passed: every invariant held until {end}."),
        Exit::Vacuous => format!("Vacuous: every invariant held until {end}, but something asked for never happened."),
        other => format!("Ended as {} at {end}.", other.word()),
    }
}
