//! `check`, `schema` and `list`: what can be known without running anything.

use super::Session;
use super::run::to_json;
use crate::console::Tone;
use crate::exit::Exit;
use crate::scenario::knob;
use crate::schema;
use contract::knobs::{Knob, Unit};
use contract::plan::{Role, RoleKind};
use kernel::FaultKind;
use serde_json::{Value, json};

/// Validates files.
pub fn check(session: &mut Session<'_, '_>, paths: &[String]) -> Exit {
    match session.load_all(paths) {
        Ok(scenarios) => {
            for scenario in &scenarios {
                let (nodes, faults) = (scenario.node_names().len(), scenario.faults.len());
                session.console.say(format!("{}: ok, {nodes} nodes, {faults} faults", scenario.path));
            }
            Exit::Passed
        }
        Err(exit) => exit,
    }
}

/// Prints the JSON Schema.
pub fn schema(session: &mut Session<'_, '_>) -> Exit {
    session.console.say(format!("{:#}", schema::schema(session.registry)));
    Exit::Passed
}

/// Prints what scenario files can name.
pub fn list(session: &mut Session<'_, '_>, as_json: bool) -> Exit {
    if as_json {
        let object = object(session);
        session.console.say(to_json(&object));
        return Exit::Passed;
    }
    for (heading, kind) in [("roles", RoleKind::System), ("workloads", RoleKind::Workload)] {
        head(session, heading);
        let roles: Vec<Role> = session.registry.roles.iter().filter(|role| role.kind == kind).copied().collect();
        for role in roles {
            session.console.say(format!("  {:<18} {}", role.name, role.about));
            for knob in role.knobs {
                let (default, range) = (knob::show(knob, knob.default), knob::range(knob));
                session.console.say(format!("    {:<22} {default:<10} {range:<24} {}", knob.name, knob.about));
            }
        }
    }
    head(session, "faults");
    for kind in FaultKind::ALL {
        session.console.say(format!("  {:<18} {}", kind.name(), kind.about()));
    }
    head(session, "oracles");
    for oracle in session.registry.oracles.clone() {
        session.console.say(format!("  {:<18} {} ({})", oracle.name, oracle.about, oracle.invariants.join(" ")));
    }
    head(session, "planted defects");
    for defect in session.registry.defects.clone() {
        session
            .console
            .say(format!("  {:<18} {}, caught by {}: {}", defect.id, defect.title, defect.oracle, defect.scenario));
    }
    Exit::Passed
}

fn head(session: &mut Session<'_, '_>, heading: &str) {
    let heading = session.console.paint(Tone::Strong, heading);
    session.console.say(heading);
}

fn object(session: &Session<'_, '_>) -> Value {
    let registry = session.registry;
    let roles = |kind| -> Vec<Value> {
        let roles = registry.roles.iter().filter(|role| role.kind == kind);
        let value = |role: &Role| {
            let knobs: Vec<Value> = role.knobs.iter().map(knob_object).collect();
            json!({ "name": role.name, "about": role.about, "knobs": knobs })
        };
        roles.map(value).collect()
    };
    let faults: Vec<Value> =
        FaultKind::ALL.iter().map(|kind| json!({ "name": kind.name(), "about": kind.about() })).collect();
    let oracles: Vec<Value> = registry
        .oracles
        .iter()
        .map(|oracle| json!({ "name": oracle.name, "about": oracle.about, "invariants": oracle.invariants }))
        .collect();
    let defects: Vec<Value> = registry
        .defects
        .iter()
        .map(|d| json!({ "id": d.id, "title": d.title, "oracle": d.oracle, "scenario": d.scenario }))
        .collect();
    json!({
        "roles": roles(RoleKind::System),
        "workloads": roles(RoleKind::Workload),
        "faults": faults,
        "oracles": oracles,
        "defects": defects,
    })
}

/// Numbers are in the knob's unit: things, bytes, nanoseconds, millionths a second, 0 or 1.
fn knob_object(knob: &Knob) -> Value {
    let unit = match knob.unit {
        Unit::Count => "count",
        Unit::Bytes => "bytes",
        Unit::Time => "nanoseconds",
        Unit::Rate => "millionths_per_second",
        Unit::Flag => "flag",
    };
    json!({
        "name": knob.name, "about": knob.about, "unit": unit,
        "default": knob.default, "least": knob.least, "most": knob.most,
    })
}
