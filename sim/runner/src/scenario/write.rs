//! Writes a scenario as a file that reads back the same.
//!
//! What is at its default is left out, except what decides a run's length; comments come from whoever writes.

use crate::explore::fork;
use crate::scenario::{FaultAsk, Group, Hardware, Limits, Scenario, knob};
use crate::units::{show_bounds, show_bytes, show_nanos, show_ppm, show_span};
use contract::NodeId;
use contract::plan::RoleKind;
use contract::time::nanos;
use kernel::{Profile, Scope, Span};
use std::fmt::Write;

/// What the file says beside its keys, in lines without their `#`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comments {
    /// At the top.
    pub head: Vec<String>,
    /// Above each fault, in the order of the scenario.
    pub faults: Vec<Vec<String>>,
}

/// The text of a scenario file.
pub fn write(scenario: &Scenario, comments: &Comments) -> String {
    let mut text = String::new();
    comment(&mut text, &comments.head);
    line(&mut text, "title", quoted(&scenario.title));
    if let Some(seed) = scenario.seed {
        line(&mut text, "seed", seed);
    }
    if let Some(seeds) = &scenario.seeds {
        line(&mut text, "seeds", quoted(&format!("{}..{}", seeds.start, seeds.end)));
    }
    if !scenario.forks.is_empty() {
        line(&mut text, "forks", quoted(&fork::show(&scenario.forks)));
    }
    let systems = scenario.groups.iter().filter(|group| group.role.kind == RoleKind::System);
    let counts: Vec<String> = systems.map(|group| format!("{} = {}", group.role.name, group.count)).collect();
    line(&mut text, "nodes", format!("{{ {} }}", counts.join(", ")));
    limits(&mut text, &scenario.limits);
    hardware(&mut text, scenario);
    groups(&mut text, scenario);
    for (index, fault) in scenario.faults.iter().enumerate() {
        text.push('\n');
        comment(&mut text, comments.faults.get(index).map_or(&[], Vec::as_slice));
        write_fault(&mut text, scenario, fault);
    }
    budget(&mut text, scenario);
    swarm(&mut text, scenario);
    expect(&mut text, scenario);
    text
}

fn limits(text: &mut String, limits: &Limits) {
    let usual = Limits::default();
    table(text, "[limits]");
    line(text, "requests", limits.requests);
    line(text, "safety", time(nanos(limits.safety)));
    line(text, "liveness", time(nanos(limits.liveness)));
    if limits.events != usual.events {
        line(text, "events", limits.events);
    }
    span(text, "restart", limits.restart, usual.restart);
}

fn hardware(text: &mut String, scenario: &Scenario) {
    let (mine, usual) = (&scenario.hardware, Hardware::default());
    let tables = machines(mine).into_iter().zip(machines(&usual));
    for ((heading, mine_rows), (_, usual_rows)) in tables {
        let rows = mine_rows.into_iter().zip(usual_rows);
        // What the file says is left alone by the swarm, even where it says what is usual.
        let said = rows.filter(|((key, mine_value), (_, usual))| mine_value != usual || mine.said.contains(key));
        let said: Vec<_> = said.map(|(row, _)| row).collect();
        if !said.is_empty() {
            table(text, heading);
            said.into_iter().for_each(|(key, value)| line(text, key, value));
        }
    }
}

/// The three tables of hardware, with every key.
fn machines(hardware: &Hardware) -> [(&'static str, Vec<(&'static str, String)>); 3] {
    let Hardware { zones, pid_max, network, codec_sample, disk, capacity, inodes, said: _ } = hardware;
    let span = |span: Span| quoted(&show_span(span));
    let machines = vec![("zones", zones.to_string()), ("pid_max", pid_max.to_string())];
    let network = vec![
        ("latency", span(network.latency)),
        ("local", span(network.local)),
        ("buffer", network.buffer.to_string()),
        ("codec_sample", codec_sample.to_string()),
    ];
    let disk = vec![
        ("read", span(disk.read)),
        ("write", span(disk.write)),
        ("sync", span(disk.sync)),
        ("capacity", quoted(&show_bounds(*capacity, show_bytes))),
        ("inodes", quoted(&show_bounds(*inodes, |number| number.to_string()))),
        ("profile", quoted(word(&Profile::ALL, disk.profile))),
        ("dir_sync", disk.dir_sync.to_string()),
    ];
    [("[machines]", machines), ("[network]", network), ("[disk]", disk)]
}

fn groups(text: &mut String, scenario: &Scenario) {
    let (systems, workloads): (Vec<&Group>, Vec<&Group>) =
        scenario.groups.iter().partition(|group| group.role.kind == RoleKind::System);
    for group in systems.into_iter().filter(|group| !group.set.is_empty()) {
        table(text, &format!("[knobs.{}]", group.role.name));
        knobs(text, group);
    }
    for group in workloads {
        table(text, "[[workload]]");
        line(text, "name", quoted(group.role.name));
        if group.count != 1 {
            line(text, "count", group.count);
        }
        knobs(text, group);
    }
}

fn knobs(text: &mut String, group: &Group) {
    for knob in group.role.knobs {
        if let Some(&value) = group.set.get(knob.name) {
            line(text, knob.name, knob::show(knob, value));
        }
    }
}

fn write_fault(text: &mut String, scenario: &Scenario, fault: &FaultAsk) {
    text.push_str("[[fault]]\n");
    line(text, "kind", quoted(fault.kind.name()));
    if fault.targets != scenario.system_nodes() {
        line(text, "target", names(&node_names(scenario, &fault.targets)));
    }
    if !fault.peers.is_empty() {
        line(text, "peers", names(&node_names(scenario, &fault.peers)));
    }
    if fault.scope != Scope::default() {
        line(text, "scope", quoted(word(&Scope::ALL, fault.scope)));
    }
    if let Some(after) = &fault.after {
        line(text, "after", quoted(after));
    }
    if let Some(every) = fault.every {
        line(text, if fault.scripted { "at" } else { "every" }, quoted(&show_span(every)));
    }
    if let Some(lasts) = fault.lasts {
        line(text, "lasts", quoted(&show_span(lasts)));
    }
    if let Some(ppm) = fault.chance_ppm {
        line(text, "chance", show_ppm(u64::from(ppm)));
    }
    if let Some(amount) = fault.amount {
        line(text, "amount", quoted(&show_span(amount)));
    }
    if let Some(limit) = fault.limit.filter(|_| !fault.scripted) {
        line(text, "limit", limit);
    }
    if let Some(key) = fault.key {
        line(text, "key", key);
    }
    if let Some(occurrences) = &fault.occurrences {
        let numbers: Vec<String> = occurrences.iter().map(u32::to_string).collect();
        line(text, "occurrences", format!("[{}]", numbers.join(", ")));
    }
    if let Some(messages) = &fault.messages {
        let identities: Vec<String> = messages.iter().map(|identity| format!("{identity:016x}")).collect();
        line(text, "messages", names(&identities));
    }
}

fn budget(text: &mut String, scenario: &Scenario) {
    let damage = scenario.groups.iter().zip(&scenario.budget.damage).filter(|(_, damage)| **damage > 0);
    let damage: Vec<String> = damage.map(|(group, damage)| format!("{} = {damage}", group.role.name)).collect();
    if damage.is_empty() && !scenario.budget.unsurvivable {
        return;
    }
    table(text, "[budget]");
    if !damage.is_empty() {
        line(text, "damage", format!("{{ {} }}", damage.join(", ")));
    }
    if scenario.budget.unsurvivable {
        line(text, "unsurvivable", true);
    }
}

fn swarm(text: &mut String, scenario: &Scenario) {
    let usual = crate::scenario::Swarm::default();
    let swarm = scenario.swarm;
    if swarm == usual {
        return;
    }
    table(text, "[swarm]");
    for (name, on) in [
        ("faults", swarm.faults),
        ("knobs", swarm.knobs),
        ("capacities", swarm.capacities),
        ("choices", swarm.choices),
        ("safety", swarm.safety),
        ("liveness", swarm.liveness),
    ] {
        line(text, name, on);
    }
}

fn expect(text: &mut String, scenario: &Scenario) {
    let expect = &scenario.expect;
    if *expect == crate::scenario::Expect::default() {
        return;
    }
    table(text, "[expect]");
    if !expect.oracles.is_empty() {
        line(text, "oracles", names(&expect.oracles));
    }
    if let Some(defect) = expect.defect {
        line(text, "defect", quoted(defect));
    }
    if let Some(oracle) = expect.caught_by {
        line(text, "caught_by", quoted(oracle));
    }
    if let Some(signature) = &expect.signature {
        line(text, "signature", quoted(signature));
    }
}

/// Nodes as people name them: the role where all of its nodes are meant.
pub fn node_names(scenario: &Scenario, nodes: &[NodeId]) -> Vec<String> {
    let mut found = Vec::new();
    for (at, group) in scenario.groups.iter().enumerate() {
        let first: usize = scenario.groups[..at].iter().map(|group| group.count).sum();
        let inside: Vec<usize> =
            (0..group.count).filter(|index| nodes.contains(&NodeId((first + index) as u32))).collect();
        if inside.len() == group.count && group.count > 1 {
            found.push(group.role.name.to_owned());
        } else {
            found.extend(inside.into_iter().map(|index| format!("{}-{index}", group.role.name)));
        }
    }
    found
}

fn comment(text: &mut String, lines: &[String]) {
    for line in lines {
        text.push_str(if line.is_empty() { "#" } else { "# " });
        text.push_str(line);
        text.push('\n');
    }
}

fn table(text: &mut String, heading: &str) {
    text.push('\n');
    text.push_str(heading);
    text.push('\n');
}

fn line(text: &mut String, key: &str, value: impl std::fmt::Display) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{key} = {value}");
}

fn span(text: &mut String, key: &str, value: Span, usual: Span) {
    if value != usual {
        line(text, key, quoted(&show_span(value)));
    }
}

fn time(nanos: u64) -> String {
    quoted(&show_nanos(nanos))
}

/// The word for one of a few choices.
fn word<T: Copy + PartialEq>(all: &[(&'static str, T)], chosen: T) -> &'static str {
    all.iter().find(|(_, choice)| *choice == chosen).map_or("", |(word, _)| word)
}

/// One name, or a list of them.
fn names(names: &[impl AsRef<str>]) -> String {
    match names {
        [one] => quoted(one.as_ref()),
        several => format!("[{}]", several.iter().map(|name| quoted(name.as_ref())).collect::<Vec<_>>().join(", ")),
    }
}

/// A TOML basic string.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                // Writing to a string cannot fail.
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted + "\""
}
