//! Building a plan: identities, addresses, and errors that whoever wrote the scenario understands.

use crate::fake::{Ask, Foreign, Recorder};
use contract::cell::{Blueprint, blueprint};
use contract::knobs::{Knob, Knobs};
use contract::plan::{Core, Plan, PlanError, Population, Role, RoleKind, Site};
use contract::{Message, NodeId, ProcessId};
use std::collections::BTreeSet;
use std::sync::Arc;

const WORKERS: &[Knob] = &[Knob::count("workers", "How many.", 2, 1, 8)];

fn lone(_: &Knobs) -> Vec<String> {
    vec!["main".into()]
}

fn many(knobs: &Knobs) -> Vec<String> {
    (0..knobs.size("workers")).map(|index| format!("worker-{index}")).collect()
}

fn recorder(_: &Site<'_>) -> Result<Arc<dyn Blueprint>, PlanError> {
    Ok(blueprint::<Recorder>(Ok(())))
}

const STORE: Role = Role {
    name: "store",
    about: "Keeps.",
    kind: RoleKind::System,
    core: Core::All,
    knobs: &[],
    processes: lone,
    build: recorder,
    other_build: None,
};

/// A role of workers whose processes are built by `build`.
fn pool(build: fn(&Site<'_>) -> Result<Arc<dyn Blueprint>, PlanError>) -> Role {
    Role {
        name: "pool",
        about: "Works.",
        kind: RoleKind::Workload,
        core: Core::All,
        knobs: WORKERS,
        processes: many,
        build,
        other_build: None,
    }
}

fn build(roles: &[(&Role, usize)]) -> Result<Plan, PlanError> {
    let populations: Vec<_> =
        roles.iter().map(|&(role, count)| Population { role, count, knobs: Knobs::defaults(role.knobs) }).collect();
    Plan::build(&populations, &BTreeSet::from(["P01".to_owned()]), 500)
}

#[test]
fn nodes_and_processes_are_numbered_in_the_order_of_the_populations() {
    let plan = build(&[(&STORE, 1), (&pool(recorder), 2)]).expect("a sound plan");
    let nodes: Vec<_> = plan.nodes.iter().map(|node| (node.name.as_str(), node.role, node.kind)).collect();
    assert_eq!(
        nodes,
        [
            ("store-0", "store", RoleKind::System),
            ("pool-0", "pool", RoleKind::Workload),
            ("pool-1", "pool", RoleKind::Workload)
        ]
    );
    let processes: Vec<_> = plan.processes.iter().map(|process| (process.name.as_str(), process.node.0)).collect();
    let expected = [
        ("store-0/main", 0),
        ("pool-0/worker-0", 1),
        ("pool-0/worker-1", 1),
        ("pool-1/worker-0", 2),
        ("pool-1/worker-1", 2),
    ];
    assert_eq!(processes, expected);
    assert_eq!(plan.process("pool-1/worker-0"), Some(ProcessId(3)));
    assert_eq!(plan.process("pool-9/worker-0"), None);
    assert_eq!(plan.on_node(NodeId(2)).collect::<Vec<_>>(), [ProcessId(3), ProcessId(4)]);
}

#[test]
fn an_address_that_is_found_and_accepts_is_given_out() {
    fn finds(site: &Site<'_>) -> Result<Arc<dyn Blueprint>, PlanError> {
        let address = site.directory.addr::<Ask>("store", 1, "main")?;
        assert_eq!(address.process(), ProcessId(1));
        assert_eq!((site.directory.count("store"), site.directory.count("absent")), (2, 0));
        assert_eq!((site.requests, site.defects.contains("P01")), (500, true));
        assert_eq!(site.knobs.size("workers"), 2);
        recorder(site)
    }
    build(&[(&STORE, 2), (&pool(finds), 1)]).expect("a sound plan");
}

#[test]
fn a_process_that_is_not_in_the_plan_is_asked_for_by_name() {
    fn seeks(site: &Site<'_>) -> Result<Arc<dyn Blueprint>, PlanError> {
        site.directory.addr::<Ask>("store", 2, "main")?;
        recorder(site)
    }
    let error = build(&[(&STORE, 1), (&pool(seeks), 1)]).err().expect("node 2 of the store is missing");
    assert_eq!(
        error.to_string(),
        "process \"main\" of node 2 of role \"store\" is needed; add it under `nodes`, e.g. nodes = { store = 3 }"
    );
    assert_eq!(build(&[(&pool(seeks), 1)]).err(), Some(error), "a role that is not there at all reads the same");
}

#[test]
fn a_process_that_does_not_speak_the_protocol_is_named_before_anything_runs() {
    fn mistakes(site: &Site<'_>) -> Result<Arc<dyn Blueprint>, PlanError> {
        site.directory.addr::<Foreign>("store", 0, "main")?;
        recorder(site)
    }
    let error = build(&[(&pool(mistakes), 1), (&STORE, 1)]).err().expect("a store speaks no such protocol");
    assert_eq!(error.to_string(), format!("store-0/main does not accept messages of protocol {}", Foreign::NAME));
}

#[test]
fn an_error_of_a_role_stops_the_plan() {
    fn refuses(site: &Site<'_>) -> Result<Arc<dyn Blueprint>, PlanError> {
        Err(PlanError(format!("{} of node {} needs more requests than {}", site.process, site.index, site.requests)))
    }
    let error = build(&[(&pool(refuses), 1)]).err().expect("the role refuses");
    assert_eq!(error.0, "worker-0 of node 0 needs more requests than 500");
}

#[test]
fn a_role_with_another_build_gives_each_of_its_processes_both() {
    let two = Role { other_build: Some(recorder), ..pool(recorder) };
    let plan = build(&[(&STORE, 1), (&two, 2)]).expect("a sound plan");
    let others: Vec<ProcessId> = plan.other_builds.keys().copied().collect();
    assert_eq!(others, [ProcessId(1), ProcessId(2), ProcessId(3), ProcessId(4)], "the store has one build");
    let refuses = Role { other_build: Some(|_| Err(PlanError("too old".into()))), ..STORE };
    assert_eq!(build(&[(&refuses, 1)]).err(), Some(PlanError("too old".into())));
}
