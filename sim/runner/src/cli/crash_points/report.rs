//! What a certificate says, for people and for machines.

use super::Subject;
use super::json::{Found, Object};
use crate::cli::Session;
use crate::cli::run::to_json;
use crate::console::{Console, Tone};
use crate::crash_points::{Base, Blow, Boundary, Certificate, Count, Failure, Force, Group, Weather, once, seen_at};
use crate::exit::Exit;
use crate::show;
use crate::verdict::Verdict;
use contract::Time;
use contract::time::Duration;

/// What will be struck.
pub fn head(console: &mut Console<'_>, subject: &Subject<'_>, base: &Base) {
    let heading = |console: &Console<'_>, name: &str| console.paint(Tone::Strong, format!("{name:<10}"));
    let scenario = heading(console, "scenario");
    console.say(format!("{scenario}{}  {}", subject.scenario.path, subject.scenario.title));
    let seed = heading(console, "seed");
    console.say(format!("{seed}{}", subject.seed));
    let faults = heading(console, "faults");
    console.say(format!(
        "{faults}{}",
        match subject.weather {
            Weather::Quiet => "quiet: none of the scenario's own",
            Weather::Helping => "helping: those that the seed draws stay on, except crashes",
            Weather::Drawn => "drawn: those that the seed draws stay on, its crashes too",
        }
    ));
    let (verdict, found) = (&base.verdict, &base.boundaries);
    let run = heading(console, "base run");
    console.say(format!("{run}{} in {}, {} events", verdict.exit.word(), Time(verdict.virtual_time), verdict.events));
    let places = heading(console, "places");
    let (count, effects, shared) = (found.list.len(), found.effects, found.shared);
    console.say(format!(
        "{places}{count} boundaries, on both sides of {effects} effects; {shared} were shared by two effects"
    ));
    console.say("");
}

/// A base run that cannot be certified.
pub fn not_struck(session: &mut Session<'_, '_>, subject: &Subject<'_>, base: &Base, json: bool) {
    let verdict = &base.verdict;
    let seen = seen_at(subject.scenario, session.registry, subject.seed, subject.weather).ok().flatten();
    let name = |boundary: &Boundary| base.drawn.plan.processes[boundary.effect.process.0 as usize].name.clone();
    let seen = seen.map(|boundary| format!("{}, {}", name(&boundary), boundary.words()));
    let command = subject.command(&[], base);
    if json {
        let exit = if verdict.failed() { verdict.exit } else { Exit::Vacuous };
        let mut object = Object::new(subject, base, exit, command);
        object.without_crash = Some(Found::new(verdict, seen.into_iter().collect()));
        session.console.say(to_json(&object));
        return;
    }
    let console = &mut *session.console;
    if verdict.failed() {
        console.say("the base run fails already without an extra crash:");
        say_verdict(console, verdict);
        if let Some(seen) = seen {
            console.say(format!("  seen at {seen}"));
        }
    } else {
        let word = console.paint(Tone::Doubtful, "VACUOUS");
        console.say(format!("{word}  the base run has no effects, or oracles that judge nothing: {:?}", verdict.idle));
    }
    session.say_command("replay: ", &command);
}

/// The whole certificate, or its first failure.
pub fn certificate(
    session: &mut Session<'_, '_>,
    subject: &Subject<'_>,
    base: &Base,
    certificate: &Certificate,
    wall: Duration,
    json: bool,
) -> Exit {
    let exit = match &certificate.failure {
        Some(failure) => failure.verdict.exit,
        None if certificate.cut_short => Exit::Vacuous,
        None => Exit::Passed,
    };
    let blows: Vec<Blow> =
        certificate.failure.iter().flat_map(|failure| failure.struck.iter().map(|(_, blow)| *blow)).collect();
    let command = subject.command(&blows, base);
    let struck = certificate.failure.as_ref().map(|failure| narrated(session, subject, base, failure));
    if json {
        let mut object = Object::new(subject, base, exit, command);
        object.judge(certificate, wall);
        let found = certificate.failure.as_ref().zip(struck);
        object.failure = found.map(|(failure, struck)| Found::new(&failure.verdict, struck));
        session.console.say(to_json(&object));
        return exit;
    }
    table(session.console, certificate);
    let console = &mut *session.console;
    if let (Some(failure), Some(struck)) = (&certificate.failure, struck) {
        let word = console.paint(Tone::Bad, "NOT RECOVERED");
        console.say(format!("{word}  first after {} runs:", certificate.runs));
        for line in struck {
            console.say(format!("  {line}"));
        }
        say_verdict(console, &failure.verdict);
    } else {
        summary(console, base, certificate);
    }
    console.say(format!("{} runs in {:.1} s", certificate.runs, wall.as_secs_f64()));
    session.say_command("replay: ", &command);
    exit
}

fn summary(console: &mut Console<'_>, base: &Base, certificate: &Certificate) {
    let variants = certificate.variants;
    let all = base.boundaries.list.len() as u64;
    let (tried, total) = certificate.second;
    if certificate.cut_short {
        let word = console.paint(Tone::Doubtful, "CUT SHORT");
        console
            .say(format!("{word}  {} of {all} boundaries, {tried} second crashes: no certificate", certificate.struck));
        return;
    }
    let word = console.paint(Tone::Good, "CERTIFIED");
    let gone = if certificate.gone == 0 {
        String::new()
    } else {
        format!(" ({} taken back by drawn crashes)", certificate.gone)
    };
    console.say(format!("{word}  {} of {} boundaries recovered{gone}", certificate.struck, all - certificate.gone));
    let how = if tried == total { "all" } else { "sampled" };
    console.say(format!("second crash in the recovery: {how} {tried} of {total}, all recovered"));
    console.say(format!(
        "power loss: {variants} samples of what survives wherever something was unsynced; 1 in second crashes"
    ));
}

/// Each blow in words, from a run that is narrated.
fn narrated(session: &Session<'_, '_>, subject: &Subject<'_>, base: &Base, failure: &Failure) -> Vec<String> {
    let blows: Vec<Blow> = failure.struck.iter().map(|(_, blow)| *blow).collect();
    let again = once(subject.scenario, session.registry, subject.seed, subject.weather, &blows);
    let met = again.map(|again| again.met).unwrap_or_default();
    let met = met.into_iter().chain(std::iter::repeat(None));
    let line = |((boundary, blow), met): (&(Boundary, Blow), Option<Boundary>)| {
        blow_line(met.as_ref().unwrap_or(boundary), blow, base)
    };
    failure.struck.iter().zip(met).map(line).collect()
}

/// A boundary and what happens there, in words.
pub fn blow_line(boundary: &Boundary, blow: &Blow, base: &Base) -> String {
    let plan = &base.drawn.plan;
    let process = &plan.processes[blow.process.0 as usize];
    let what = match blow.force {
        Force::Crash => format!("{} is killed", process.name),
        Force::Power(variant) => {
            let node = &plan.nodes[process.node.0 as usize].name;
            format!("{node} loses power (what survives: sample {variant}) when {} is", process.name)
        }
    };
    format!("{what} {}", boundary.words())
}

fn say_verdict(console: &mut Console<'_>, verdict: &Verdict) {
    let word = console.paint(show::tone(verdict.exit), verdict.exit.word().to_uppercase().replace('_', " "));
    let by = verdict.oracle.as_ref().map_or(String::new(), |oracle| format!("  by {oracle}"));
    let invariant = verdict.invariant.as_ref().map_or(String::new(), |invariant| format!(", invariant {invariant}"));
    console.say(format!("  {word}{by}{invariant}"));
    for fact in &verdict.facts {
        console.say(format!("    {fact}"));
    }
}

fn table(console: &mut Console<'_>, certificate: &Certificate) {
    let sum = certificate.tally.sum();
    for (name, count) in named(&sum) {
        let Count { recovered, of } = count;
        let line = format!("{name:<32} {recovered:>7} of {of:<7} recovered");
        let line = if recovered == of { line } else { console.paint(Tone::Bad, line) };
        console.say(line);
    }
    console.say("");
    let cells =
        named(&sum).map(|(name, _)| format!("{:>16}", name.replace("process ", "").replace("power loss", "power")));
    console.say(console.paint(Tone::Strong, format!("{:<9} {:<18}{}", "effect", "process", cells.concat())));
    for (what, role, group) in certificate.tally.groups() {
        let cells = named(group).map(|(_, Count { recovered, of })| format!("{:>16}", format!("{recovered}/{of}")));
        console.say(format!("{:<9} {role:<18}{}", what.word(), cells.concat()));
    }
    console.say("");
}

fn named(group: &Group) -> [(&'static str, Count); 5] {
    [
        ("process crash before", group.crash_before),
        ("process crash after", group.crash_after),
        ("power loss before", group.power_before),
        ("power loss after", group.power_after),
        ("second crash", group.second),
    ]
}
