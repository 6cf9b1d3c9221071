//! One `[[fault]]`: which keys its kind takes, and whom it strikes.

use crate::diagnostic::{listed, unknown};
use crate::scenario::reader::{Place, Section};
use crate::scenario::{FaultAsk, Scenario};
use contract::NodeId;
use contract::time::nanos;
use kernel::{FaultKind, Span};
use std::collections::BTreeSet;

/// Reads a fault; `None` if its kind is not known.
pub fn read(section: &Section<'_>, scenario: &Scenario) -> Option<FaultAsk> {
    section.check_keys();
    let Some((name, place)) = section.name("kind") else {
        if section.get("kind").is_none() {
            section.missing("kind");
        }
        return None;
    };
    let Some(kind) = FaultKind::from_name(name) else {
        let known: Vec<&str> = FaultKind::ALL.iter().map(|kind| kind.name()).collect();
        section.sink().push(unknown("fault kind", name, place, &known));
        return None;
    };
    check_strength(section, kind);
    check_alternatives(section);
    let at = section.span("at");
    Some(FaultAsk {
        kind,
        targets: read_targets(section, scenario),
        every: at.or(read_every(section)),
        lasts: section.span("lasts").or(section.span("relief")),
        chance_ppm: section.chance_ppm("chance"),
        amount: section.span("amount"),
        limit: if at.is_some() { Some(1) } else { section.integer("limit").map(|limit| limit as u32) },
        scripted: at.is_some(),
    })
}

/// The keys of strength that a kind has: those whose usual value is not nothing.
pub fn strengths(kind: FaultKind) -> Vec<&'static str> {
    let usual = kind.usual(Vec::new());
    let mut keys = Vec::new();
    if usual.chance_ppm > 0 {
        keys.push("chance");
    }
    if nanos(usual.amount.most) > 0 {
        keys.push("amount");
    }
    keys
}

fn check_strength(section: &Section<'_>, kind: FaultKind) {
    let takes = strengths(kind);
    for key in ["chance", "amount"] {
        if let Some(place) = section.key_place(key).filter(|_| !takes.contains(&key)) {
            let has = ["kind", "target", "every", "at", "lasts", "limit"].into_iter().chain(takes.iter().copied());
            let help = Some(format!("it takes {}", listed(has)));
            section.push(format!("fault `{}` has no `{key}`", kind.name()), place, "leave it out", help);
        }
    }
}

fn check_alternatives(section: &Section<'_>) {
    for (one, other, why) in [
        ("lasts", "relief", "they mean the same"),
        ("every", "at", "`at` is for one occurrence, `every` for many"),
        ("limit", "at", "`at` is one occurrence already"),
    ] {
        if let (Some(_), Some(place)) = (section.key_place(one), section.key_place(other)) {
            let help = Some(format!("keep one of them: {why}"));
            section.push(format!("both `{one}` and `{other}`"), place, "the other one", help);
        }
    }
}

/// `every`, which must not stand still: a fault that strikes without end leaves no time to pass.
fn read_every(section: &Section<'_>) -> Option<Span> {
    let every = section.span("every")?;
    if nanos(every.most) > 0 {
        return Some(every);
    }
    let place = section.key_place("every").unwrap_or_else(|| section.place());
    section.push(
        "`every` must be longer than nothing".to_owned(),
        place,
        "here",
        Some("for example every = \"5s..20s\"".into()),
    );
    None
}

fn read_targets(section: &Section<'_>, scenario: &Scenario) -> Vec<NodeId> {
    let Some(names) = section.names("target") else { return scenario.system_nodes() };
    let mut targets = BTreeSet::new();
    for (name, place) in names {
        let found = scenario.nodes_where(|group, index| {
            group.role.name == name
                || name.strip_prefix(group.role.name).is_some_and(|rest| rest == format!("-{index}"))
        });
        if found.is_empty() {
            report_target(section, scenario, name, place);
        }
        targets.extend(found);
    }
    targets.into_iter().collect()
}

fn report_target(section: &Section<'_>, scenario: &Scenario, name: &str, place: Place) {
    let nodes = scenario.node_names();
    let mut known: Vec<&str> = scenario.groups.iter().map(|group| group.role.name).collect();
    known.extend(nodes.iter().take(8).map(String::as_str));
    section.sink().push(unknown("target", name, place, &known));
}
