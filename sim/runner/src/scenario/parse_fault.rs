//! One `[[fault]]`: which keys its kind takes, and whom it strikes.

use crate::diagnostic::{listed, nearest, unknown};
use crate::scenario::reader::{Place, Section};
use crate::scenario::{FaultAsk, Scenario, parse_budget};
use contract::NodeId;
use contract::time::nanos;
use kernel::{Family, FaultKind, Scope, Span};
use std::collections::BTreeSet;

/// The marks that the simulator itself states.
const SYSTEM_MARKS: [&str; 2] = ["system.boot", "system.exit"];

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
    check_messages(section, kind);
    let at = section.span("at");
    let mut targets = read_nodes(section, scenario, "target").unwrap_or_else(|| scenario.system_nodes());
    let peers = read_peers(section, scenario, kind, &mut targets);
    parse_budget::check(section, scenario, kind, &targets);
    Some(FaultAsk {
        kind,
        targets,
        peers,
        scope: section.word("scope", &Scope::ALL).unwrap_or_default(),
        after: read_after(section),
        every: at.or(read_every(section)),
        lasts: section.span("lasts").or(section.span("relief")),
        chance_ppm: section.chance_ppm("chance"),
        amount: section.span("amount"),
        limit: if at.is_some() { Some(1) } else { section.integer("limit").map(|limit| limit as u32) },
        scripted: at.is_some(),
        key: section.integer("key").map(|key| key as u32),
        occurrences: section.occurrences("occurrences"),
        messages: section.identities("messages"),
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
            let links = takes_peers(kind).then_some("peers");
            let has = ["kind", "target"].into_iter().chain(links);
            let has = has.chain(["scope", "after", "every", "at", "lasts", "limit"]).chain(takes.iter().copied());
            let help = Some(format!("it takes {}", listed(has)));
            section.push(format!("fault `{}` has no `{key}`", kind.name()), place, "leave it out", help);
        }
    }
}

/// Whether a kind strikes single messages, so that a scenario may name them.
pub fn meets_messages(kind: FaultKind) -> bool {
    use FaultKind as F;
    matches!(kind, F::DelayTail | F::Loss | F::Duplication | F::Reordering | F::LateReplay | F::Clog)
}

fn check_messages(section: &Section<'_>, kind: FaultKind) {
    if let Some(place) = section.key_place("messages").filter(|_| !meets_messages(kind)) {
        let kinds: Vec<&str> =
            FaultKind::ALL.into_iter().filter(|kind| meets_messages(*kind)).map(FaultKind::name).collect();
        let help = Some(format!("single messages are met by {}", listed(kinds)));
        section.push(format!("fault `{}` has no `messages`", kind.name()), place, "leave it out", help);
    }
}

fn check_alternatives(section: &Section<'_>) {
    for (one, other, why) in [
        ("lasts", "relief", "they mean the same"),
        ("every", "at", "`at` is for one occurrence, `every` for many"),
        ("limit", "at", "`at` is one occurrence already"),
        ("occurrences", "at", "`at` is one occurrence already"),
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

/// Whether a kind strikes links, whose other ends can be named.
pub fn takes_peers(kind: FaultKind) -> bool {
    kind.family() == Family::Network && kind != FaultKind::Swizzle
}

/// The other ends. A target that would have only itself for a peer has no link to strike, and is left out.
fn read_peers(section: &Section<'_>, scenario: &Scenario, kind: FaultKind, targets: &mut Vec<NodeId>) -> Vec<NodeId> {
    let Some(place) = section.key_place("peers") else { return Vec::new() };
    if !takes_peers(kind) {
        let links: Vec<&str> =
            FaultKind::ALL.into_iter().filter(|kind| takes_peers(*kind)).map(FaultKind::name).collect();
        let help = Some(format!("leave it out; faults of links have peers: {}", listed(links)));
        section.push(format!("fault `{}` has no `peers`", kind.name()), place, "it strikes no link", help);
        return Vec::new();
    }
    let Some(peers) = read_nodes(section, scenario, "peers") else { return Vec::new() };
    if peers.is_empty() || targets.is_empty() {
        return peers; // A name that nobody has is reported already.
    }
    targets.retain(|target| peers.iter().any(|peer| peer != target));
    if targets.is_empty() {
        let help = Some("name at least one node that is not the target".to_owned());
        section.push("no link lies between `target` and `peers`".to_owned(), place, "nobody else", help);
    }
    peers
}

/// The kind of a mark: a component's name and more, with dots between. Only the simulator's own are all known.
fn read_after(section: &Section<'_>) -> Option<String> {
    let (kind, place) = section.name("after")?;
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    if kind.starts_with("system.") || nearest(kind, SYSTEM_MARKS).is_some() {
        return section.word("after", &SYSTEM_MARKS.map(|mark| (mark, mark))).map(str::to_owned);
    }
    if kind.contains('.') && kind.split('.').all(is_word) {
        return Some(kind.to_owned());
    }
    let help = "write a mark that an actor states, as its component and its name: after = \"edge.acked\"; a report lists \
                the marks of a run, and every process states `system.boot` and `system.exit`";
    section.push(format!("`{kind}` is not a kind of mark"), place, "not like component.name", Some(help.to_owned()));
    None
}

/// The nodes under a key; `None` without it.
fn read_nodes(section: &Section<'_>, scenario: &Scenario, key: &str) -> Option<Vec<NodeId>> {
    let mut targets = BTreeSet::new();
    for (name, place) in section.names(key)? {
        let found = scenario.nodes_where(|group, index| {
            group.role.name == name
                || name.strip_prefix(group.role.name).is_some_and(|rest| rest == format!("-{index}"))
        });
        if found.is_empty() {
            report_target(section, scenario, name, place);
        }
        targets.extend(found);
    }
    Some(targets.into_iter().collect())
}

fn report_target(section: &Section<'_>, scenario: &Scenario, name: &str, place: Place) {
    let nodes = scenario.node_names();
    let mut known: Vec<&str> = scenario.groups.iter().map(|group| group.role.name).collect();
    known.extend(nodes.iter().take(8).map(String::as_str));
    section.sink().push(unknown("target", name, place, &known));
}
