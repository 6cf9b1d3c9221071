//! What scenario files may ask for: the roles `workspace` and `editor`, and their knobs.

use crate::lock::Limits;
use crate::places::Places;
use crate::planted::Planted;
use crate::program::{self, Program};
use crate::workload::{self, Editor, Mix};
use contract::calls::Retry;
use contract::cell::{Blueprint, blueprint};
use contract::knobs::Knob;
use contract::plan::{Core, PlanError, Role, RoleKind, Site};
use std::sync::Arc;

/// The roles of this component.
pub fn roles() -> Vec<Role> {
    vec![WORKSPACE, EDITOR]
}

const WORKSPACE: Role = Role {
    name: "workspace",
    about: "a machine whose programs share one workspace: its locks, its files and its ledger",
    kind: RoleKind::System,
    core: Core::All,
    knobs: &WORKSPACE_KNOBS,
    processes: |knobs| (0..knobs.size("programs")).map(program_name).collect(),
    build: build_workspace,
    other_build: None,
};

const EDITOR: Role = Role {
    name: "editor",
    about: "clients that have programs save files, append events and hold locks, and read everything in the end",
    kind: RoleKind::Workload,
    core: Core::All,
    knobs: &EDITOR_KNOBS,
    processes: |_| vec!["client".to_owned()],
    build: build_editor,
    other_build: None,
};

const WORKSPACE_KNOBS: [Knob; 11] = [
    Knob::count("programs", "programs that share the workspace", 3, 1, 8),
    Knob::millis("patience", "how long a program waits for a lock that a live one holds", 30_000, 50, 60_000),
    Knob::millis("backoff_first", "wait before a lock is tried again", 2, 1, 50),
    Knob::millis("backoff_longest", "longest wait between two attempts at a lock", 1_000, 50, 5_000),
    Knob::millis("empty_age", "how long a lock file must have been empty to be stale", 10_000, 500, 20_000),
    Knob::count("queue", "requests that wait at a program", 64, 1, 1_024),
    Knob::count("batch_events", "events that are appended with one sync", 32, 1, 256),
    Knob::count("batches_kept", "batches for which the ledger's lock is kept", 4, 1, 64),
    Knob::bytes("read_bytes", "bytes of the ledger that are read at a time", 65_536, 1_024, 1_048_576),
    Knob::millis("sweep_every", "time between two sweeps of a program", 5_000, 200, 20_000),
    Knob::millis("start_again", "time before a program that could not start tries again", 200, 10, 1_000),
];

const EDITOR_KNOBS: [Knob; 15] = [
    Knob::rate("rate", "requests a second of each editor", 20, 1, 1_000),
    Knob::count("window", "requests of an editor without an answer, at most", 8, 1, 64),
    Knob::count("saves", "weight of saves among the requests", 4, 0, 100),
    Knob::count("loads", "weight of loads among the requests", 3, 0, 100),
    Knob::count("holds", "weight of locks that are held among the requests", 3, 0, 100),
    Knob::count("litters", "weight of empty lock files among the requests", 0, 0, 100),
    Knob::count("appends", "weight of appends to the ledger among the requests", 0, 0, 100),
    Knob::count("reads", "weight of readings of the ledger among the requests", 0, 0, 100),
    Knob::count("events", "events of one append, at most", 4, 1, 64),
    Knob::bytes("event_bytes", "longest payload of an event", 300, 1, 16_384),
    Knob::count("names", "different files, and different locks that are held", 2, 1, 16),
    Knob::bytes("text_bytes", "longest content of a file", 600, 1, 16_384),
    Knob::millis("hold", "longest time for which a lock is held", 200, 0, 60_000),
    Knob::millis("retry_first", "wait before a request is repeated", 500, 20, 5_000),
    Knob::millis("retry_longest", "longest wait between two repetitions", 5_000, 100, 30_000),
];

fn program_name(number: usize) -> String {
    format!("program-{number}")
}

fn build_workspace(site: &Site<'_>) -> Result<Arc<dyn Blueprint>, PlanError> {
    let knobs = site.knobs;
    let first = knobs.time("backoff_first");
    Ok(blueprint::<Program>(Arc::new(program::Config {
        places: Places::of(&format!("workspace-{}", site.index)),
        limits: Limits {
            patience: knobs.time("patience"),
            first,
            longest: knobs.time("backoff_longest").max(first),
            empty: knobs.time("empty_age"),
        },
        queue_max: knobs.size("queue"),
        batch_events: knobs.size("batch_events"),
        batches_kept: knobs.size("batches_kept"),
        read_bytes: knobs.size("read_bytes"),
        sweep_every: knobs.time("sweep_every"),
        start_again: knobs.time("start_again"),
        planted: Planted::among(site.defects)?,
    })))
}

fn build_editor(site: &Site<'_>) -> Result<Arc<dyn Blueprint>, PlanError> {
    let knobs = site.knobs;
    let workspace = site.index % site.directory.count("workspace").max(1);
    let mut programs = vec![site.directory.addr("workspace", workspace, &program_name(0))?];
    while let Ok(next) = site.directory.addr("workspace", workspace, &program_name(programs.len())) {
        programs.push(next);
    }
    let first = knobs.time("retry_first");
    let longest = knobs.time("retry_longest").max(first);
    Ok(blueprint::<Editor>(Arc::new(workload::Config {
        index: u32::try_from(site.index).map_err(|_| PlanError("too many editors".to_owned()))?,
        programs,
        requests: share(site.requests, site.directory.count("editor"), site.index)?,
        interval: knobs.interval("rate"),
        window: knobs.size("window"),
        mix: Mix {
            saves: knobs.get("saves"),
            loads: knobs.get("loads"),
            holds: knobs.get("holds"),
            litters: knobs.get("litters"),
            appends: knobs.get("appends"),
            reads: knobs.get("reads"),
        },
        names: knobs.get("names"),
        events: knobs.get("events"),
        event_bytes: knobs.size("event_bytes"),
        text_bytes: knobs.size("text_bytes"),
        hold: knobs.time("hold"),
        retry: Retry { first, longest, deadline: None },
    })))
}

/// How many of `requests` editor `index` of `editors` issues: all of them together issue exactly that many.
fn share(requests: u64, editors: usize, index: usize) -> Result<u32, PlanError> {
    let (editors, index) = (editors.max(1) as u64, index as u64);
    let mine = requests / editors + u64::from(index < requests % editors);
    match u32::try_from(mine) {
        Ok(mine) if mine < 1 << 31 => Ok(mine),
        _ => Err(PlanError(format!("limits.requests = {requests} is too many for {editors} editors"))),
    }
}

#[cfg(test)]
mod tests {
    use super::{roles, share};
    use std::collections::BTreeSet;

    #[test]
    fn the_editors_shares_add_up_to_the_requests() {
        for editors in 1..8_usize {
            for requests in [0, 1, 7, 500] {
                let sum: u32 = (0..editors).map(|index| share(requests, editors, index).unwrap()).sum();
                assert_eq!(u64::from(sum), requests, "{editors} editors");
            }
        }
        assert!(share(1 << 40, 2, 0).is_err());
    }

    #[test]
    fn every_knob_is_declared_once_and_its_default_is_legal() {
        for role in roles() {
            let names: BTreeSet<&str> = role.knobs.iter().map(|knob| knob.name).collect();
            assert_eq!(names.len(), role.knobs.len(), "role {}", role.name);
            for knob in role.knobs {
                assert!((knob.least..=knob.most).contains(&knob.default), "{}.{}", role.name, knob.name);
            }
        }
    }
}
