//! `stormproof run`, simulated.

use super::{RunArgs, Session, record};
use crate::determinism;
use crate::draw;
use crate::engine::Phase;
use crate::exit::Exit;
use crate::run::{self, Finished, Keep};
use crate::scenario::Scenario;
use crate::show;
use crate::verdict::Verdict;
use contract::Time;

/// A long run shows where it is, every so many slices of virtual time.
const SHOW_EVERY: u64 = 600;

/// Draws, shows, runs, reports; the replay line is the last.
pub fn run(session: &mut Session<'_, '_>, args: &RunArgs) -> Exit {
    let scenario = match session.load(&args.file) {
        Ok(scenario) => scenario,
        Err(exit) => return exit,
    };
    let seed = args.seed.or(scenario.seed).unwrap_or(0);
    let finished = match one(session, &scenario, seed, args.json, Keep::of(args.trace)) {
        Ok(finished) => finished,
        Err(exit) => return exit,
    };
    let mut verdict = finished.verdict.clone();
    if args.check_determinism {
        match determinism::difference(&scenario, session.registry, seed) {
            Ok(None) => {}
            Ok(Some(difference)) => verdict = verdict.not_deterministic(difference),
            Err(error) => return session.refused(error),
        }
    }
    report(session, &finished, &verdict, args.json, args.trace);
    if args.check_determinism && !args.json && verdict.exit != Exit::NotDeterministic {
        session.console.say("deterministic: a second run and copied worlds went the same way, event by event");
    }
    if let Some(file) = &args.record
        && let Err(exit) = record::failure(session, file, &scenario, &finished.verdict)
    {
        return exit;
    }
    replay_line(session, &verdict, args.json);
    verdict.exit
}

/// One run, with its plan shown first unless only JSON is wanted.
pub fn one(
    session: &mut Session<'_, '_>,
    scenario: &Scenario,
    seed: u64,
    json: bool,
    keep: Keep,
) -> Result<Finished, Exit> {
    let drawn = draw::draw(scenario, seed, keep.trace, keep.narrate).map_err(|error| session.refused(error))?;
    let mut engine = run::checked(scenario, session.registry, &drawn);
    if json {
        return Ok(run::finished(scenario, seed, engine.run()));
    }
    show::plan(session.console, scenario, &drawn, &engine.judge().names());
    for slice in 1u64.. {
        engine.advance();
        match engine.phase() {
            Phase::Over(_) => break,
            Phase::Storm(until) | Phase::Calm(until) if session.console.live && slice % SHOW_EVERY == 0 => {
                let (now, events): (Time, u64) = (engine.world().now(), engine.world().events());
                session.console.note(format!("{now} of at most {until}, {events} events"));
            }
            _ => {}
        }
    }
    Ok(run::finished(scenario, seed, engine.run()))
}

/// The report of a run, for people or for machines.
pub fn report(session: &mut Session<'_, '_>, finished: &Finished, verdict: &Verdict, json: bool, trace: bool) {
    if json {
        session.console.say(to_json(verdict));
        return;
    }
    let lines = if trace || verdict.failed() { finished.world.trace() } else { Vec::new() };
    if trace {
        for line in &lines {
            session.console.say(determinism::line(line));
        }
        session.console.say("");
    }
    show::verdict(session.console, verdict, &lines);
}

/// The last line.
pub fn replay_line(session: &mut Session<'_, '_>, verdict: &Verdict, json: bool) {
    if !json {
        session.say_command("replay: ", &verdict.replay());
    }
}

/// One JSON object on one line.
pub fn to_json(value: &impl serde::Serialize) -> String {
    // Only maps with keys that are no text fail to become JSON, and no report has one.
    serde_json::to_string(value).unwrap_or_else(|error| format!("{{\"error\":{:?}}}", error.to_string()))
}
