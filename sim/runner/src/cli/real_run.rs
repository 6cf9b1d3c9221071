//! `run --real`, `node` and `cluster`: the same scenario and the same judges over the composition root's real world.

use super::{RunArgs, Session, run};
use crate::diagnostic::listed;
use crate::draw::{self, Drawn};
use crate::engine::End;
use crate::exit::Exit;
use crate::judge::Judge;
use crate::panics::Caught;
use crate::real::{Engine, RealJob, RealReport, RealWorld};
use crate::scenario::Scenario;
use crate::show;
use crate::verdict::{Measured, Verdict};
use contract::ProcessId;
use contract::time::nanos;
use std::path::Path;

/// A scenario with its draw and the world to run it in.
struct Ready<'a> {
    scenario: Scenario,
    drawn: Drawn,
    real: &'a dyn RealWorld,
    engines: Vec<Engine>,
}

/// Runs on real processes and reports like any run.
pub fn run(session: &mut Session<'_, '_>, args: RunArgs) -> Exit {
    let ready = match prepare(session, &args.file, args.seed, args.engine) {
        Ok(ready) => ready,
        Err(exit) => return exit,
    };
    let Ready { scenario, drawn, real, engines } = &ready;
    let mut judge = Judge::new(scenario, &drawn.plan, session.registry);
    if !args.json {
        show::plan(session.console, scenario, drawn, &judge.names());
    }
    let console = &mut *session.console;
    let outcome = real.run(&job(&args.file, &ready), &mut judge, &mut |line| console.note(line));
    let report = match outcome {
        Ok(report) => report,
        Err(why) => return session.broken(why),
    };
    let verdict = verdict(scenario, drawn.seed, &mut judge, &report);
    if args.json {
        session.console.say(run::to_json(&verdict));
    } else {
        show::verdict(session.console, &verdict, &[]);
        for skipped in &report.skipped {
            session.console.say(format!("skipped {skipped}"));
        }
        let engines: String = engines.iter().map(|engine| format!(" --engine {engine}")).collect();
        let again = format!("stormproof run {} --seed {} --real{engines}", args.file, drawn.seed);
        session.say_command("replay: ", &again);
    }
    verdict.exit
}

/// Runs one process of the plan.
pub fn node(session: &mut Session<'_, '_>, file: &str, seed: Option<u64>, process: &str, engines: Vec<Engine>) -> Exit {
    let ready = match prepare(session, file, seed, engines) {
        Ok(ready) => ready,
        Err(exit) => return exit,
    };
    let processes = &ready.drawn.plan.processes;
    let Some(index) = processes.iter().position(|known| known.name == process) else {
        let known = listed(processes.iter().map(|process| &*process.name));
        return session.refused(format!("no process `{process}` in this scenario; it has {known}"));
    };
    match ready.real.node(&job(file, &ready), ProcessId(index as u32)) {
        Ok(never) => match never {},
        Err(why) => session.broken(why),
    }
}

/// Runs the whole plan without faults.
pub fn cluster(session: &mut Session<'_, '_>, file: &str, seed: Option<u64>, engines: Vec<Engine>) -> Exit {
    let ready = match prepare(session, file, seed, engines) {
        Ok(ready) => ready,
        Err(exit) => return exit,
    };
    let mut judge = Judge::new(&ready.scenario, &ready.drawn.plan, session.registry);
    let console = &mut *session.console;
    match ready.real.cluster(&job(file, &ready), &mut judge, &mut |line| console.note(line)) {
        Ok(()) => Exit::Passed,
        Err(why) => session.broken(why),
    }
}

fn prepare<'a>(
    session: &mut Session<'a, '_>,
    file: &str,
    seed: Option<u64>,
    engines: Vec<Engine>,
) -> Result<Ready<'a>, Exit> {
    let Some(real) = session.real else {
        return Err(session.refused("this build has no real host: only simulated runs are possible"));
    };
    let scenario = session.load(file)?;
    let roles = || scenario.groups.iter().map(|group| group.role.name);
    if let Some(engine) = engines.iter().find(|engine| roles().all(|role| role != engine.role)) {
        let known = listed(roles());
        return Err(session.refused(format!("--engine {engine}: no role `{}` in {file}; it has {known}", engine.role)));
    }
    let seed = seed.or(scenario.seed).unwrap_or(0);
    let drawn = draw::draw(&scenario, seed, 0, false).map_err(|error| session.refused(error))?;
    Ok(Ready { scenario, drawn, real, engines })
}

fn job<'a>(file: &'a str, ready: &'a Ready<'_>) -> RealJob<'a> {
    RealJob { path: Path::new(file), scenario: &ready.scenario, drawn: &ready.drawn, engines: &ready.engines }
}

/// Judges a real run as a simulated one is judged.
fn verdict(scenario: &Scenario, seed: u64, judge: &mut Judge, report: &RealReport) -> Verdict {
    if report.converged {
        judge.finish();
    }
    let end = match (judge.violation(), report.panics.first()) {
        (Some(_), _) => End::Violated,
        (None, Some((process, words))) => {
            End::Panicked(Caught { message: format!("{process}: {words}"), place: "a real process".to_owned() })
        }
        (None, None) if report.converged => End::Converged,
        (None, None) => End::NotConverged,
    };
    let measured = Measured {
        virtual_time: nanos(report.elapsed),
        events: judge.coverage().values().sum(),
        fingerprint: None,
        faults: report.faults.clone(),
    };
    Verdict::new(scenario, seed, &end, judge, measured)
}
