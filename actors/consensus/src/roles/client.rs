//! The role `rcs_client`: registers, locks, watches and the operator, as many of each as the knobs say.

use super::{index, members};
use crate::planted::Planted;
use crate::rcs::client as rcs;
use crate::workload::client::{self, Client};
use crate::workload::holder::{self, Holder};
use crate::workload::operator::{self, Operator};
use crate::workload::watcher::{self, Watcher};
use contract::calls::Retry;
use contract::cell::{Blueprint, blueprint};
use contract::knobs::{Knob, Knobs};
use contract::plan::{Core, PlanError, Role, RoleKind, Site};
use std::sync::Arc;

pub(super) const ROLE: Role = Role {
    name: "rcs_client",
    about: "clients of the Routing Coordination Service: registers, locks, watches, and an operator",
    kind: RoleKind::Workload,
    core: Core::All,
    knobs: &KNOBS,
    processes,
    build,
    other_build: None,
};

/// What watchers watch, in turn.
const PREFIXES: [&str; 3] = ["registers/", "elections/", ""];

const KNOBS: [Knob; 31] = [
    Knob::count("clients", "processes that read, write and swap registers", 2, 0, 16),
    Knob::count("holders", "processes that campaign for locks", 2, 0, 16),
    Knob::count("watchers", "processes that watch keys", 1, 0, 16),
    Knob::count("operators", "processes that administer the service", 0, 0, 1),
    Knob::millis("first", "wait before a question is repeated", 200, 20, 5_000),
    Knob::millis("longest", "longest wait between two repetitions", 1_000, 50, 10_000),
    Knob::millis("deadline", "after this an operation's outcome is unknown", 5_000, 100, 60_000),
    Knob::rate("rate", "operations a second of each client", 5, 1, 100_000),
    Knob::count("keys", "registers", 3, 1, 1_000),
    Knob::count("reads", "weight of reads", 4, 0, 100),
    Knob::count("writes", "weight of writes", 2, 0, 100),
    Knob::count("swaps", "weight of swaps", 4, 0, 100),
    Knob::count("deletes", "weight of swaps for nothing", 1, 0, 100),
    Knob::count("locks", "locks for which holders campaign", 1, 1, 16),
    Knob::count("rounds", "times that each holder wants to have held its lock", 3, 0, 1_000),
    Knob::millis("ttl", "a lease's time to live", 2_000, 100, 60_000),
    Knob::count(
        "drift_ppm",
        "by how much two clocks may differ in rate, in millionths; as in `rcs`",
        50_000,
        0,
        500_000,
    ),
    Knob::millis("hold", "how long a lock is held, on average", 3_000, 10, 60_000),
    Knob::millis("patience", "time between two tries to get a lock, on average", 300, 10, 10_000),
    Knob::millis("write_every", "time between two writes of a holder, on average", 200, 1, 10_000),
    Knob::count("page", "rows of a page of a watcher's list; 0 for as many as fit", 2, 0, 1_000),
    Knob::count("changes", "changes in an answer to a watcher", 4, 1, 1_000),
    Knob::millis("slow", "longest pause of a watcher between two polls", 500, 0, 60_000),
    Knob::millis("poll_patience", "silence after which a watcher asks another member", 4_000, 200, 60_000),
    Knob::count("actions", "how often the operator acts of its own accord", 5, 0, 1_000),
    Knob::millis("look_every", "time between two looks of the operator, on average", 1_000, 200, 60_000),
    Knob::count("removals", "weight of removals of a voter, who is let in again", 0, 0, 100),
    Knob::count("transfers", "weight of leadership handed over", 1, 0, 100),
    Knob::count("compactions", "weight of compactions", 1, 0, 100),
    Knob::count("keep_revisions", "revisions that a compaction leaves", 20, 0, 1_000_000),
    Knob::flag("awaited", "whether the run waits until the operator sees every member vote", false),
];

fn processes(knobs: &Knobs) -> Vec<String> {
    let kinds = [("client", "clients"), ("holder", "holders"), ("watcher", "watchers"), ("operator", "operators")];
    let named = |(kind, count): (&str, &str)| {
        let kind = kind.to_owned();
        (0..knobs.size(count)).map(move |number| format!("{kind}-{number}"))
    };
    kinds.into_iter().flat_map(named).collect()
}

fn build(site: &Site<'_>) -> Result<Arc<dyn Blueprint>, PlanError> {
    let Some((kind, Ok(number))) = site.process.split_once('-').map(|(kind, number)| (kind, number.parse::<u32>()))
    else {
        return Err(PlanError(format!("role \"rcs_client\" has no process {:?}", site.process)));
    };
    match kind {
        "client" => Ok(blueprint::<Client>(Arc::new(register_client(site, number)?))),
        "holder" => Ok(blueprint::<Holder>(Arc::new(lock_holder(site, number)?))),
        "watcher" => Ok(blueprint::<Watcher>(Arc::new(key_watcher(site, number)?))),
        _ => Ok(blueprint::<Operator>(Arc::new(service_operator(site)?))),
    }
}

fn register_client(site: &Site<'_>, number: u32) -> Result<client::Config, PlanError> {
    let knobs = site.knobs;
    let index = among_all(site, "clients", number)?;
    let clients = site.directory.count("rcs_client") as u64 * knobs.get("clients");
    Ok(client::Config {
        index,
        service: service(site)?,
        requests: share(site.requests, clients, u64::from(index)),
        interval: knobs.interval("rate"),
        keys: knobs.get("keys"),
        mix: client::Mix {
            reads: knobs.get("reads"),
            writes: knobs.get("writes"),
            swaps: knobs.get("swaps"),
            deletes: knobs.get("deletes"),
        },
    })
}

fn lock_holder(site: &Site<'_>, number: u32) -> Result<holder::Config, PlanError> {
    let knobs = site.knobs;
    let index = among_all(site, "holders", number)?;
    Ok(holder::Config {
        index,
        service: service(site)?,
        resource: site.directory.addr("rcs_resource", 0, "resource")?,
        retry: retry(knobs),
        lock: format!("lock-{}", u64::from(index) % knobs.get("locks")),
        rounds: knobs.get("rounds"),
        ttl: knobs.time("ttl"),
        drift_ppm: knobs.get("drift_ppm"),
        hold: knobs.time("hold"),
        patience: knobs.time("patience"),
        write_every: knobs.time("write_every"),
        planted: Planted::among(site.defects)?,
    })
}

fn key_watcher(site: &Site<'_>, number: u32) -> Result<watcher::Config, PlanError> {
    let knobs = site.knobs;
    let index = among_all(site, "watchers", number)?;
    Ok(watcher::Config {
        index,
        service: service(site)?,
        prefix: PREFIXES[index as usize % PREFIXES.len()].to_owned(),
        page: knobs.get("page"),
        changes: knobs.get("changes"),
        slow: knobs.time("slow"),
    })
}

fn service_operator(site: &Site<'_>) -> Result<operator::Config, PlanError> {
    let knobs = site.knobs;
    Ok(operator::Config {
        index: index(site)?,
        members: members(site)?,
        service: service(site)?,
        actions: knobs.get("actions"),
        every: knobs.time("look_every"),
        mix: operator::Mix {
            removals: knobs.get("removals"),
            transfers: knobs.get("transfers"),
            compactions: knobs.get("compactions"),
        },
        keep_revisions: knobs.get("keep_revisions"),
        awaited: knobs.flag("awaited"),
    })
}

/// The number of a process among those of its kind on all nodes.
fn among_all(site: &Site<'_>, count: &str, number: u32) -> Result<u32, PlanError> {
    let each = u32::try_from(site.knobs.get(count)).map_err(|_| PlanError(format!("too many {count}")))?;
    Ok(index(site)? * each + number)
}

fn service(site: &Site<'_>) -> Result<Arc<rcs::Config>, PlanError> {
    let poll = site.knobs.time("poll_patience");
    Ok(Arc::new(rcs::Config { members: members(site)?, retry: retry(site.knobs), poll }))
}

fn retry(knobs: &Knobs) -> Retry {
    let first = knobs.time("first");
    Retry { first, longest: knobs.time("longest").max(first), deadline: Some(knobs.time("deadline")) }
}

/// How many of `requests` client `index` of `clients` issues: all of them together issue exactly that many.
fn share(requests: u64, clients: u64, index: u64) -> u64 {
    let clients = clients.max(1);
    requests / clients + u64::from(index < requests % clients)
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn the_clients_shares_add_up_to_the_requests() {
        for clients in 1..8 {
            for requests in [0, 1, 7, 500] {
                assert_eq!((0..clients).map(|index| share(requests, clients, index)).sum::<u64>(), requests);
            }
        }
    }
}
