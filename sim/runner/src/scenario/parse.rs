//! From TOML to a scenario: every error is placed, and as many as possible are found in one pass.

use crate::diagnostic::{Diagnostic, Sink, unknown};
use crate::explore::{Fork, Strategy, fork};
use crate::registry::Registry;
use crate::scenario::keys::{self, NODES_MAX, Vocabulary};
use crate::scenario::reader::{self, Place, Section};
use crate::scenario::{Expect, Group, Limits, Scenario, Swarm, knob, parse_budget, parse_fault, parse_hardware};
use contract::plan::{Role, RoleKind};
use contract::time::nanos;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The scenario and the place of its nodes, or everything that is wrong.
pub fn parse(path: &str, source: &str, registry: &Registry) -> Result<(Scenario, Place), Vec<Diagnostic>> {
    let sink = Sink::default();
    let (table, syntax) = DeTable::parse_recoverable(source);
    if !syntax.is_empty() {
        syntax.iter().for_each(|error| sink.push(syntax_error(error)));
        return Err(sink.into_sorted());
    }
    let top = Section::top(table.get_ref(), keys::TOP, &sink);
    let scenario = read(path, source, registry, &top);
    let nodes = top.key_place("nodes").unwrap_or(0..0);
    let errors = sink.into_sorted();
    if errors.is_empty() { Ok((scenario, nodes)) } else { Err(errors) }
}

fn syntax_error(error: &toml::de::Error) -> Diagnostic {
    let span = error.span().unwrap_or(0..0);
    let message = format!("not TOML: {}", error.message().lines().collect::<Vec<_>>().join(", "));
    Diagnostic { message, span, label: "here".to_owned(), help: None }
}

/// Reads everything; what is wrong is in the sink, and stands-ins are in the result.
fn read(path: &str, source: &str, registry: &Registry, top: &Section<'_>) -> Scenario {
    let title = top.text("title").unwrap_or_default();
    if top.get("title").is_none() {
        top.missing("title");
    }
    let mut groups = read_nodes(top, registry);
    read_knobs(top, registry, &mut groups);
    read_workloads(top, registry, &mut groups);
    let budget = parse_budget::read(top, &groups);
    let mut scenario = Scenario {
        path: path.replace('\\', "/"),
        hash: xxhash_rust::xxh3::xxh3_64(source.as_bytes()),
        title,
        groups,
        limits: read_limits(top),
        hardware: parse_hardware::read(top),
        swarm: read_swarm(top),
        faults: Vec::new(),
        budget,
        expect: read_expect(top, registry),
        seed: top.integer("seed"),
        seeds: top.seeds("seeds"),
        forks: read_forks(top),
        strategy: Strategy::Uniform,
    };
    scenario.faults =
        top.sections("fault", keys::FAULT).iter().filter_map(|s| parse_fault::read(s, &scenario)).collect();
    scenario
}

fn read_forks(top: &Section<'_>) -> Vec<Fork> {
    let Some(text) = top.text("forks") else { return Vec::new() };
    fork::parse(&text).unwrap_or_else(|why| {
        let place = top.key_place("forks").unwrap_or_else(|| top.place());
        top.push(
            format!("`forks` is no path: {why}"),
            place,
            "here",
            Some("as in \"1500000000.7+2000000000.8\"".into()),
        );
        Vec::new()
    })
}

fn read_nodes(top: &Section<'_>, registry: &Registry) -> Vec<Group> {
    let Some(value) = top.get("nodes") else {
        top.missing("nodes");
        return Vec::new();
    };
    let Some(table) = Section::open("nodes", value, &[], top.sink()) else { return Vec::new() };
    let groups: Vec<Group> =
        table.entries().filter_map(|(name, place, value)| read_count(&table, registry, name, place, value)).collect();
    if table.entries().next().is_none() {
        top.push(
            "a scenario needs at least one node".into(),
            value.span(),
            "empty",
            Some("write nodes = { edge = 2 }".into()),
        );
    }
    groups
}

fn read_count(
    table: &Section<'_>,
    registry: &Registry,
    name: &str,
    place: Place,
    value: &Spanned<DeValue<'_>>,
) -> Option<Group> {
    let role = system_role(table, registry, name, place)?;
    match reader::integer(value.get_ref()) {
        Some(Ok(count)) if (1..=NODES_MAX).contains(&count) => {
            Some(Group { role, count: count as usize, set: knob::Set::new() })
        }
        Some(_) => {
            table.push(format!("`{name}` must lie in 1..={NODES_MAX}"), value.span(), "out of range", None);
            None
        }
        None => {
            let help = Some(format!("for example nodes = {{ {name} = 2 }}"));
            table.push(
                format!("`{name}` must be a number of nodes"),
                value.span(),
                reader::found(value.get_ref()),
                help,
            );
            None
        }
    }
}

/// The system role of that name; a workload in its place gets the remedy.
fn system_role(table: &Section<'_>, registry: &Registry, name: &str, place: Place) -> Option<Role> {
    match registry.role(name) {
        Some(role) if role.kind == RoleKind::System => Some(*role),
        Some(_) => {
            let help = format!("write it as [[workload]] with name = \"{name}\" and its knobs");
            table.push(format!("`{name}` is a workload, not a system role"), place, "not here", Some(help));
            None
        }
        None => {
            table.sink().push(unknown("role", name, place, &registry.role_names(RoleKind::System)));
            None
        }
    }
}

fn read_knobs(top: &Section<'_>, registry: &Registry, groups: &mut [Group]) {
    let Some(tables) = top.get("knobs").and_then(|value| Section::open("knobs", value, &[], top.sink())) else {
        return;
    };
    for (name, place, value) in tables.entries() {
        let Some(role) = system_role(&tables, registry, name, place.clone()) else { continue };
        let Some(group) = groups.iter_mut().find(|group| group.role.name == name) else {
            let help = format!("add it: nodes = {{ {name} = 1 }}");
            top.push(format!("the scenario has no node of role `{name}`"), place, "knobs for nobody", Some(help));
            continue;
        };
        let Some(knobs) = Section::open("knobs", value, &[], top.sink()) else { continue };
        group.set = knobs
            .entries()
            .filter_map(|(name, place, value)| knob::read(&role, name, place, value, top.sink()))
            .collect();
    }
}

fn read_workloads(top: &Section<'_>, registry: &Registry, groups: &mut Vec<Group>) {
    for section in top.sections("workload", keys::WORKLOAD) {
        let Some((name, place)) = section.name("name") else {
            if section.get("name").is_none() {
                section.missing("name");
            }
            continue;
        };
        let Some(role) = registry.role(name).filter(|role| role.kind == RoleKind::Workload) else {
            section.sink().push(unknown(
                Vocabulary::Workload.noun_alone(),
                name,
                place,
                &registry.role_names(RoleKind::Workload),
            ));
            continue;
        };
        if groups.iter().any(|group| group.role.name == name) {
            let help = Some("write `count = 2` in the first one instead".to_owned());
            section.push(format!("workload `{name}` is there already"), place, "for the second time", help);
            continue;
        }
        let set = section.entries().filter(|(key, ..)| !keys::WORKLOAD.iter().any(|known| known.name == *key));
        let set = set.filter_map(|(key, place, value)| workload_knob(&section, role, key, place, value)).collect();
        groups.push(Group { role: *role, count: section.integer("count").unwrap_or(1) as usize, set });
    }
}

fn workload_knob(
    section: &Section<'_>,
    role: &Role,
    key: &str,
    place: Place,
    value: &Spanned<DeValue<'_>>,
) -> Option<(&'static str, u64)> {
    if role.knobs.iter().any(|knob| knob.name == key) {
        return knob::read(role, key, place, value, section.sink());
    }
    let known: Vec<&str> = role.knobs.iter().map(|knob| knob.name).collect();
    section.unknown_key(key, place, &known);
    None
}

fn read_limits(top: &Section<'_>) -> Limits {
    let usual = Limits::default();
    let Some(section) = top.section("limits") else { return usual };
    for name in ["safety", "liveness"] {
        if section.time(name).is_some_and(|time| nanos(time) == 0) {
            section.push(format!("`{name}` must be longer than nothing"), section.place(), "here", None);
        }
    }
    Limits {
        requests: section.integer("requests").unwrap_or(usual.requests),
        safety: section.time("safety").unwrap_or(usual.safety),
        liveness: section.time("liveness").unwrap_or(usual.liveness),
        events: section.integer("events").unwrap_or(usual.events),
        restart: section.span("restart").unwrap_or(usual.restart),
    }
}

fn read_swarm(top: &Section<'_>) -> Swarm {
    let usual = Swarm::default();
    let Some(section) = top.section("swarm") else { return usual };
    Swarm {
        faults: section.switch("faults").unwrap_or(usual.faults),
        knobs: section.switch("knobs").unwrap_or(usual.knobs),
        capacities: section.switch("capacities").unwrap_or(usual.capacities),
        choices: section.switch("choices").unwrap_or(usual.choices),
        safety: section.switch("safety").unwrap_or(usual.safety),
        liveness: section.switch("liveness").unwrap_or(usual.liveness),
    }
}

fn read_expect(top: &Section<'_>, registry: &Registry) -> Expect {
    let Some(section) = top.section("expect") else { return Expect::default() };
    let names: Vec<&str> = registry.oracles.iter().map(|oracle| oracle.name).collect();
    let oracle = |(name, place): (&str, Place)| match registry.oracle(name) {
        Some(oracle) => Some(oracle.name),
        None => {
            section.sink().push(unknown(Vocabulary::Oracle.noun_alone(), name, place, &names));
            None
        }
    };
    let oracles: Vec<_> = section.names("oracles").unwrap_or_default().into_iter().filter_map(oracle).collect();
    let caught_by = section.name("caught_by").and_then(oracle);
    let defect = read_defect(&section, registry);
    let expected = caught_by.or(defect.and_then(|id| registry.defect(id)).map(|defect| defect.oracle));
    check_catcher(&section, &oracles, defect, expected);
    Expect { oracles, defect, caught_by: expected, signature: section.text("signature") }
}

fn read_defect(section: &Section<'_>, registry: &Registry) -> Option<&'static str> {
    let (id, place) = section.name("defect")?;
    if let Some(defect) = registry.defect(id) {
        return Some(defect.id);
    }
    let known: Vec<&str> = registry.defects.iter().map(|defect| defect.id).collect();
    let mut error = unknown(Vocabulary::Defect.noun_alone(), id, place, &known);
    if known.is_empty() {
        error.help = Some("this build contains no planted defects: build it with the feature `planted`".to_owned());
    }
    section.sink().push(error);
    None
}

/// A negative scenario names a catcher that really judges; a positive one names none.
fn check_catcher(section: &Section<'_>, oracles: &[&str], defect: Option<&str>, catcher: Option<&str>) {
    let place = section.key_place("caught_by").unwrap_or_else(|| section.place());
    match catcher {
        Some(catcher) if !oracles.is_empty() && !oracles.contains(&catcher) => {
            let help = Some(format!("add \"{catcher}\" to `oracles`, or leave `oracles` out"));
            section.push(
                format!("`{catcher}` must catch the defect, but does not judge"),
                place,
                "not among `oracles`",
                help,
            );
        }
        Some(_) if defect.is_none() && section.get("defect").is_none() => {
            let help = Some("name the planted defect: defect = \"P01\"".to_owned());
            section.push("`caught_by` without `defect`".to_owned(), place, "nothing to catch", help);
        }
        _ => {}
    }
}
