//! From a failing run to the smallest scenario that fails the same way.
//!
//! ```text
//! file, seed ─▶ explicit ─▶ coarse ─▶ redraw ─▶ freeze ─▶ rounds ─▶ script ─▶ turn ────▶ rounds ─▶ certified file
//!               what was    faults,   fewer     only what  delta     one `at`   knobs to   until no
//!               drawn is    nodes,    requests  struck     debugging an         shorten    single removal
//!               written     work      at once   strikes              occurrence the run    still fails
//! ```
//!
//! Every candidate is an ordinary scenario, and it counts only if it fails with the signature of the first run:
//! oracle, invariant and the shape of the facts. The work cannot drift to another defect. Results are taken in
//! the order in which the candidates are listed, so that they do not depend on the number of threads.

mod comment;
mod dimension;
mod explicit;
mod redraw;
mod script;
mod search;
mod size;
mod trial;
mod turn;

pub use dimension::{DIMENSIONS, Dimension, Shape};
pub use size::Size;

use crate::draw;
use crate::exit::Exit;
use crate::registry::Registry;
use crate::run::{self, Keep};
use crate::scenario::Scenario;
use crate::scenario::write::write;
use crate::verdict::Verdict;
use contract::time::Duration;
use search::Search;

/// How hard to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Begins no run after so long; `None` for no limit.
    pub time: Option<Duration>,
    /// Worker threads. Results do not depend on it.
    pub jobs: usize,
}

/// What a search has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Along which dimension it went.
    pub dimension: &'static str,
    /// Items before.
    pub before: usize,
    /// Items after.
    pub after: usize,
    /// Runs so far.
    pub runs: u64,
}

/// The smallest scenario that was found.
#[derive(Clone)]
pub struct Shrunk {
    /// The scenario.
    pub scenario: Scenario,
    /// Its file.
    pub text: String,
    /// What fails.
    pub signature: String,
    /// The oracle that found it, if one did.
    pub oracle: Option<String>,
    /// The seed.
    pub seed: u64,
    /// The run that was given.
    pub before: Size,
    /// The run of the result.
    pub after: Size,
    /// Runs, without those that only a second thread began.
    pub runs: u64,
    /// Whether every single removal was tried on the result, and none fails the same way.
    pub minimal: bool,
}

/// Why there is nothing to shrink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The command asks for something that is not there.
    Usage(String),
    /// The run does not repeat: no candidate would mean anything.
    NotDeterministic(String),
}

impl Refusal {
    /// The exit code of a command that ends so.
    pub fn exit(&self) -> Exit {
        match self {
            Refusal::Usage(_) => Exit::Usage,
            Refusal::NotDeterministic(_) => Exit::NotDeterministic,
        }
    }

    /// For people.
    pub fn why(&self) -> &str {
        let (Refusal::Usage(why) | Refusal::NotDeterministic(why)) = self;
        why
    }
}

/// Shrinks the failing run of `seed`. `tell` hears of each dimension that was gone through.
pub fn shrink(
    scenario: &Scenario,
    registry: &Registry,
    seed: u64,
    options: &Options,
    tell: &mut dyn FnMut(Progress),
) -> Result<Shrunk, Refusal> {
    let unbuilt = |error: contract::plan::PlanError| Refusal::Usage(error.to_string());
    let drawn = draw::draw(scenario, seed, Keep::LITTLE.trace, Keep::LITTLE.narrate).map_err(unbuilt)?;
    let first = run::run_drawn(scenario, registry, &drawn);
    let Some(signature) = first.verdict.signature.clone().filter(|_| first.verdict.failed()) else {
        let why = format!("seed {seed} of {} passes: there is nothing to shrink", scenario.path);
        return Err(Refusal::Usage(why));
    };
    let before = Size::of(scenario, &drawn, &first);
    let mut start = explicit::explicit(scenario, &drawn);
    start.expect.signature = Some(signature.clone());
    let mut search = Search::new(start, registry, seed, &first.verdict, options, tell).ok_or_else(|| {
        Refusal::NotDeterministic(format!(
            "seed {seed} of {} fails with `{signature}`, but not when its draws are written out: check it with \
             `stormproof run {} --seed {seed} --check-determinism`",
            scenario.path, scenario.path
        ))
    })?;
    let minimal = search.run();
    let (runs, result) = (search.runs(), search.into_result());
    finish(scenario, registry, seed, Found { result, signature, before, runs, minimal })
}

/// The size of one run, and how it ended.
///
/// # Errors
/// When the plan cannot be built.
pub fn measure(
    scenario: &Scenario,
    registry: &Registry,
    seed: u64,
) -> Result<(Size, Verdict), contract::plan::PlanError> {
    let drawn = draw::draw(scenario, seed, Keep::LITTLE.trace, Keep::LITTLE.narrate)?;
    let finished = run::run_drawn(scenario, registry, &drawn);
    Ok((Size::of(scenario, &drawn, &finished), finished.verdict))
}

/// What a search ends with.
struct Found {
    result: Scenario,
    signature: String,
    before: Size,
    runs: u64,
    minimal: bool,
}

/// Writes the file, reads it back and runs it: what is handed out is what the file says.
fn finish(origin: &Scenario, registry: &Registry, seed: u64, found: Found) -> Result<Shrunk, Refusal> {
    let Found { result, signature, before, runs, minimal } = found;
    let lost = |why: String| Refusal::NotDeterministic(format!("the shrunk file does not say what was run: {why}"));
    let unbuilt = |error: contract::plan::PlanError| lost(error.to_string());
    let drawn = draw::draw(&result, seed, Keep::ALL.trace, false).map_err(unbuilt)?;
    let last = run::run_drawn(&result, registry, &drawn);
    let after = Size::of(&result, &drawn, &last);
    let comments =
        comment::comments(&comment::Story { origin, seed, result: &result, last: &last, before, after, runs, minimal });
    let text = write(&result, &comments);
    let read = Scenario::parse(&origin.path, &text, registry).map_err(|errors| lost(errors.render(false)))?;
    let again = run::run(&read, registry, seed, Keep::LITTLE).map_err(unbuilt)?;
    if again.verdict.signature.as_ref() != Some(&signature) || again.verdict.fingerprint != last.verdict.fingerprint {
        return Err(lost(format!("it ends with {:?}", again.verdict.signature)));
    }
    Ok(Shrunk { scenario: read, text, signature, oracle: last.verdict.oracle, seed, before, after, runs, minimal })
}
