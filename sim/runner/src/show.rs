//! Reports for people: the drawn plan of a run, its verdict, its faults.

use crate::console::{Console, Tone};
use crate::determinism;
use crate::draw::Drawn;
use crate::exit::Exit;
use crate::scenario::{FaultAsk, Scenario, knob};
use crate::units::{show_bytes, show_nanos, show_ppm, show_span};
use crate::verdict::{Verdict, hex};
use contract::knobs::Knob;
use contract::time::nanos;
use contract::{NodeId, Time};
use kernel::{FaultCount, FaultKind, FaultSpec, Profile, Scope, Settings, TraceLine};
use std::collections::BTreeSet;

/// Everything that a seed decides before anything runs.
pub fn plan(console: &mut Console<'_>, scenario: &Scenario, drawn: &Drawn, judges: &[&str]) {
    let heading = |console: &Console<'_>, name: &str| console.paint(Tone::Strong, format!("{name:<10}"));
    let scenario_head = heading(console, "scenario");
    console.say(format!("{scenario_head}{}  {}", scenario.path, scenario.title));
    let seed = heading(console, "seed");
    console.say(format!("{seed}{}", drawn.seed));
    let nodes = heading(console, "nodes");
    console.say(format!("{nodes}{}", scenario.node_names().join(" ")));
    for (name, text) in knob_lines(scenario, drawn) {
        let head = heading(console, &name);
        console.say(format!("{head}{text}"));
    }
    if let Some(refused) = &drawn.refused {
        console.say(format!("          drawn knobs were given up: {refused}"));
    }
    for (slot, spec) in drawn.settings.faults.iter().enumerate() {
        let head = heading(console, if slot == 0 { "faults" } else { "" });
        let line = fault_line(scenario, &scenario.faults[slot], spec, drawn.present[slot]);
        console.say(format!("{head}{line}"));
    }
    let limits = heading(console, "limits");
    let early = if drawn.safety < scenario.limits.safety { " (healed early)" } else { "" };
    console.say(format!(
        "{limits}{} requests, safety {}{early}, liveness {}, restart {}, choices {}",
        scenario.limits.requests,
        show_nanos(nanos(drawn.safety)),
        show_nanos(nanos(scenario.limits.liveness)),
        show_span(scenario.limits.restart),
        if drawn.settings.choices { "on" } else { "off" },
    ));
    let hardware = heading(console, "hardware");
    console.say(format!("{hardware}{}", hardware_line(scenario, &drawn.settings)));
    let oracles = heading(console, "oracles");
    console.say(format!("{oracles}{}", judges.join(" ")));
    if let (Some(defect), Some(catcher)) = (scenario.expect.defect, scenario.expect.caught_by) {
        let planted = heading(console, "planted");
        console.say(format!("{planted}defect {defect}, to be caught by {catcher}"));
    }
    console.say("");
}

/// What is usual of machines, disks and links, and whatever else this seed or the file made of them.
fn hardware_line(scenario: &Scenario, settings: &Settings) -> String {
    let usual = Settings::default();
    let profile = |settings: &Settings| {
        let word = Profile::ALL.iter().find(|(_, profile)| *profile == settings.disk.profile);
        word.map_or("", |(word, _)| *word).to_owned()
    };
    type Show<'a> = &'a dyn Fn(&Settings) -> String;
    let shown: [(&str, bool, Show<'_>); 13] = [
        ("latency", true, &|s| show_span(s.network.latency)),
        ("local", true, &|s| show_span(s.network.local)),
        ("read", true, &|s| show_span(s.disk.read)),
        ("write", true, &|s| show_span(s.disk.write)),
        ("sync", true, &|s| show_span(s.disk.sync)),
        ("profile", true, &profile),
        ("dir_sync", false, &|s| s.disk.dir_sync.to_string()),
        ("capacity", false, &|s| show_bytes(s.disk.capacity)),
        ("inodes", false, &|s| s.disk.inodes.to_string()),
        ("buffer", false, &|s| s.network.buffer.to_string()),
        ("codec_sample", false, &|s| s.codec_sample.to_string()),
        ("zones", false, &|s| s.zones.to_string()),
        ("pid_max", false, &|s| s.pid_max.to_string()),
    ];
    let items = shown.iter().filter(|(_, always, show)| *always || show(settings) != show(&usual));
    let item = |&(key, _, show): &(&str, bool, Show<'_>)| {
        let value = show(settings);
        let is_drawn = !scenario.hardware.said.contains(key) && value != show(&usual);
        format!("{key} {value}{}", if is_drawn { " (drawn)" } else { "" })
    };
    items.map(item).collect::<Vec<_>>().join(", ")
}

/// For each role, the knobs that are not at their default, with who turned them.
fn knob_lines(scenario: &Scenario, drawn: &Drawn) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    for (group, knobs) in scenario.groups.iter().zip(&drawn.knobs) {
        let turned = |knob: &&Knob| group.set.contains_key(knob.name) || knobs.get(knob.name) != knob.default;
        let show = |knob: &Knob| {
            let who = if group.set.contains_key(knob.name) { "" } else { " (drawn)" };
            format!("{} = {}{who}", knob.name, knob::show(knob, knobs.get(knob.name)))
        };
        let shown: Vec<String> = group.role.knobs.iter().filter(turned).map(show).collect();
        if !shown.is_empty() {
            lines.push(("knobs".to_owned(), format!("{}: {}", group.role.name, shown.join(", "))));
        }
    }
    for (index, line) in lines.iter_mut().enumerate() {
        if index > 0 {
            line.0.clear();
        }
    }
    lines
}

fn fault_line(scenario: &Scenario, ask: &FaultAsk, spec: &FaultSpec, present: bool) -> String {
    let name = spec.kind.name();
    if !present {
        return format!("{name:<18} left out by this seed");
    }
    let nodes = scenario.node_names();
    let named = |ids: &[NodeId]| {
        let names: Vec<&str> = ids.iter().filter_map(|node| nodes.get(node.0 as usize)).map(|name| &**name).collect();
        names.join(" ")
    };
    let when = if ask.scripted { "at" } else { "every" };
    let mut line = format!("{name:<18} {when} {}, lasts {}", show_span(spec.every), show_span(spec.lasts));
    if spec.chance_ppm > 0 {
        line += &format!(", chance {}", show_ppm(u64::from(spec.chance_ppm)));
    }
    if nanos(spec.amount.most) > 0 {
        line += &format!(", amount {}", show_span(spec.amount));
    }
    if spec.limit < u32::MAX && !ask.scripted {
        line += &format!(", at most {}", spec.limit);
    }
    if let Some(mark) = &spec.after {
        line += &format!(", after {mark}");
    }
    let everybody = spec.targets == scenario.system_nodes();
    let whom = if everybody { "every node".to_owned() } else { named(&spec.targets) };
    match spec.scope {
        Scope::Node if everybody => {}
        Scope::Node => line += &format!(", on {whom}"),
        Scope::Zone => line += &format!(", on a zone of {whom}"),
        Scope::All => line += &format!(", on {whom} at once"),
    }
    line + &if spec.peers.is_empty() { String::new() } else { format!(", towards {}", named(&spec.peers)) }
}

/// What a run found. The replay line is printed apart, as the last line.
pub fn verdict(console: &mut Console<'_>, verdict: &Verdict, trace: &[TraceLine]) {
    let word = console.paint(tone(verdict.exit), verdict.exit.word().to_uppercase().replace('_', " "));
    let oracle = verdict.oracle.as_deref().map_or(String::new(), |oracle| format!("  by {oracle}"));
    let invariant = verdict.invariant.as_deref().map_or(String::new(), |invariant| format!(", invariant {invariant}"));
    console.say(format!("{word}{oracle}{invariant}"));
    for fact in &verdict.facts {
        console.say(format!("  {fact}"));
    }
    for warning in &verdict.warnings {
        console.say(console.paint(Tone::Doubtful, format!("  warning: {warning}")));
    }
    if let Some(signature) = &verdict.signature {
        console.say(console.paint(Tone::Faint, format!("  signature {signature}")));
    }
    evidence(console, verdict, trace);
    console.say("");
    faults(console, &verdict.faults);
    coverage(console, verdict);
    for (oracle, facts) in &verdict.undecided {
        console.say(format!("undecided: oracle {oracle} could judge {facts} facts neither way"));
    }
    let fingerprint = verdict.fingerprint.map_or("none".to_owned(), hex);
    let (time, events) = (Time(verdict.virtual_time), verdict.events);
    console.say(format!("time {time}, {events} events, fingerprint {fingerprint}"));
}

/// The events that carried the facts, and the last ones before the end.
fn evidence(console: &mut Console<'_>, verdict: &Verdict, trace: &[TraceLine]) {
    if !verdict.failed() || trace.is_empty() {
        return;
    }
    let wanted: BTreeSet<u64> = verdict.evidence.iter().copied().collect();
    let carried: Vec<&TraceLine> = trace.iter().filter(|line| wanted.contains(&line.event)).collect();
    if !carried.is_empty() {
        console.say("\nevents that carried the facts");
        for line in carried {
            console.say(determinism::line(line));
        }
    }
    if verdict.exit == Exit::Panicked || wanted.is_empty() {
        console.say("\nlast events");
        for line in &trace[trace.len().saturating_sub(12)..] {
            console.say(determinism::line(line));
        }
    }
}

/// Asked and fired, by kind.
pub fn faults(console: &mut Console<'_>, faults: &[(FaultKind, FaultCount)]) {
    if faults.is_empty() {
        return;
    }
    console.say(console.paint(Tone::Strong, format!("{:<18} {:>8} {:>8}", "fault", "asked", "fired")));
    for (kind, count) in faults {
        let line = format!("{:<18} {:>8} {:>8}", kind.name(), count.asked, count.fired);
        let unmet = count.asked > 0 && count.fired == 0;
        let line = if unmet { console.paint(Tone::Doubtful, line + "  met nobody") } else { line };
        console.say(line);
    }
}

fn coverage(console: &mut Console<'_>, verdict: &Verdict) {
    if verdict.coverage.is_empty() {
        return;
    }
    let marks: Vec<String> = verdict.coverage.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    console.say(format!("marks {}", marks.join(", ")));
}

/// The colour of an end.
pub const fn tone(exit: Exit) -> Tone {
    match exit {
        Exit::Passed => Tone::Good,
        Exit::Vacuous => Tone::Doubtful,
        _ => Tone::Bad,
    }
}
