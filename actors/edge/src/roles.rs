//! What scenario files may ask for: the roles `edge`, `primary` and `ingest`, and their knobs.

use crate::buffer::{self, Buffer};
use crate::ledger::{self, Ledger};
use crate::places::Places;
use crate::planted::Planted;
use crate::uplink::{self, Uplink};
use crate::worker::{self, Worker};
use crate::workload::{self, Client};
use contract::Duration;
use contract::calls::Retry;
use contract::cell::{Blueprint, blueprint};
use contract::knobs::{Knob, Knobs};
use contract::plan::{Core, PlanError, Role, RoleKind, Site};
use std::sync::Arc;

/// The roles of this component.
pub fn roles() -> Vec<Role> {
    vec![EDGE, PRIMARY, INGEST]
}

const EDGE: Role = Role {
    name: "edge",
    about: "an edge node: takes custody of records and delivers them to the primary through an intermittent uplink",
    kind: RoleKind::System,
    core: Core::All,
    knobs: &EDGE_KNOBS,
    processes: |knobs| {
        let workers = (0..knobs.size("workers")).map(worker_name);
        ["buffer", "uplink"].into_iter().map(String::from).chain(workers).collect()
    },
    build: build_edge,
    other_build: None,
};

const PRIMARY: Role = Role {
    name: "primary",
    about: "the primary: an append-only ledger that keeps each record once",
    kind: RoleKind::System,
    core: Core::All,
    knobs: &PRIMARY_KNOBS,
    processes: |_| vec!["ledger".to_owned()],
    build: build_primary,
    other_build: None,
};

const INGEST: Role = Role {
    name: "ingest",
    about: "clients that hand records in at the edges and read the primary's ledger in the end",
    kind: RoleKind::Workload,
    core: Core::All,
    knobs: &INGEST_KNOBS,
    processes: |_| vec!["client".to_owned()],
    build: build_ingest,
    other_build: None,
};

const EDGE_KNOBS: [Knob; 19] = [
    Knob::count("workers", "recovery workers", 2, 1, 4),
    Knob::bytes("segment_bytes", "size of active plus quarantine from which ingest waits", 65_536, 1_024, 1 << 20),
    Knob::bytes("record_bytes_max", "longest payload of a record", 4_096, 1_024, 65_536),
    Knob::count("records_max", "records in custody from which ingest waits", 4_096, 64, 65_536),
    Knob::count("volatile_max", "records that only memory holds, at most", 256, 1, 4_096),
    Knob::count("batch_records", "records in a page of a pass", 32, 1, 64),
    Knob::bytes("batch_bytes", "payload in a page of a pass", 65_536, 1_024, 262_144),
    Knob::millis("gate_timeout", "silence after which another worker takes a pass over", 10_000, 500, 60_000),
    Knob::millis("drain_every", "time between two passes of a worker, on average", 500, 50, 5_000),
    Knob::count("window", "submissions of a worker in flight", 32, 1, 64),
    Knob::millis("submit_first", "wait before a submission is repeated", 200, 20, 1_000),
    Knob::millis("submit_longest", "longest wait between two repetitions of a submission", 1_000, 100, 5_000),
    Knob::millis("submit_deadline", "after this a submission has failed", 3_000, 500, 30_000),
    Knob::millis("ask_first", "wait before a worker repeats a question to the buffer", 500, 50, 2_000),
    Knob::millis("ask_deadline", "after this a worker gives its pass up", 5_000, 1_000, 30_000),
    Knob::millis("up", "how long the uplink is up at a time, on average", 5_000, 1_000, 60_000),
    Knob::millis("down", "how long the uplink is down at a time, on average; 0 for never", 1_000, 0, 10_000),
    Knob::count("uplink_queue", "submissions in flight on the uplink", 128, 1, 1_024),
    Knob::millis("uplink_timeout", "after this the uplink forgets a submission", 3_000, 500, 30_000),
];

const PRIMARY_KNOBS: [Knob; 5] = [
    Knob::bytes("record_bytes_max", "longest payload of a record", 65_536, 65_536, 262_144),
    Knob::millis("group_wait", "how long a submission waits for others to share its sync; 0 for not at all", 0, 0, 50),
    Knob::count("group_records", "submissions that share a sync, at most", 64, 1, 1_024),
    Knob::count("scan_records", "rows in the answer to a scan, at most", 256, 1, 4_096),
    Knob::bytes("scan_bytes", "payload in the answer to a scan", 262_144, 1_024, 524_288),
];

const INGEST_KNOBS: [Knob; 8] = [
    Knob::rate("rate", "records a second that each client hands in", 50, 1, 10_000),
    Knob::count("window", "records of a client that are not accepted yet, at most", 16, 1, 256),
    Knob::bytes("record_bytes", "longest payload of a record", 64, 1, 1_024),
    Knob::flag("random_edge", "whether edges are drawn; else they take turns", true),
    Knob::millis("retry_first", "wait before a question is repeated", 250, 20, 2_000),
    Knob::millis("retry_longest", "longest wait between two repetitions", 2_000, 100, 10_000),
    Knob::millis("scan_every", "time between two readings of the ledger", 500, 50, 5_000),
    Knob::count("scan_page", "rows that a reading asks for at a time", 256, 1, 4_096),
];

fn worker_name(number: usize) -> String {
    format!("worker-{number}")
}

/// Back-off from the knobs `first` and `longest`; a longest wait below the first is the first.
fn retry(knobs: &Knobs, first: &str, longest: Duration, deadline: Option<Duration>) -> Retry {
    let first = knobs.time(first);
    Retry { first, longest: longest.max(first), deadline }
}

fn build_edge(site: &Site<'_>) -> Result<Arc<dyn Blueprint>, PlanError> {
    match site.process {
        "buffer" => Ok(blueprint::<Buffer>(Arc::new(buffer_config(site)?))),
        "uplink" => Ok(blueprint::<Uplink>(Arc::new(uplink_config(site)?))),
        _ => Ok(blueprint::<Worker>(Arc::new(worker_config(site)?))),
    }
}

fn buffer_config(site: &Site<'_>) -> Result<buffer::Config, PlanError> {
    let knobs = site.knobs;
    let workers: Result<Vec<_>, _> = (0..knobs.size("workers"))
        .map(|number| site.directory.addr("edge", site.index, &worker_name(number)))
        .collect();
    Ok(buffer::Config {
        places: Places::of(&format!("edge-{}", site.index)),
        workers: workers?,
        segment_bytes: knobs.get("segment_bytes"),
        record_bytes_max: knobs.size("record_bytes_max"),
        records_max: knobs.size("records_max"),
        volatile_max: knobs.size("volatile_max"),
        batch_records: knobs.size("batch_records"),
        batch_bytes: knobs.size("batch_bytes"),
        gate_timeout: knobs.time("gate_timeout"),
        planted: Planted::among(site.defects)?,
    })
}

fn uplink_config(site: &Site<'_>) -> Result<uplink::Config, PlanError> {
    let knobs = site.knobs;
    Ok(uplink::Config {
        primary: site.directory.addr("primary", 0, "ledger")?,
        up: knobs.time("up"),
        down: knobs.time("down"),
        queue_max: knobs.size("uplink_queue"),
        timeout: knobs.time("uplink_timeout"),
    })
}

fn worker_config(site: &Site<'_>) -> Result<worker::Config, PlanError> {
    let knobs = site.knobs;
    let submit_deadline = Some(knobs.time("submit_deadline"));
    let ask_deadline = knobs.time("ask_deadline");
    Ok(worker::Config {
        buffer: site.directory.addr("edge", site.index, "buffer")?,
        uplink: site.directory.addr("edge", site.index, "uplink")?,
        drain_every: knobs.time("drain_every"),
        window: knobs.size("window"),
        submit: retry(knobs, "submit_first", knobs.time("submit_longest"), submit_deadline),
        ask: retry(knobs, "ask_first", ask_deadline, Some(ask_deadline)),
    })
}

fn build_primary(site: &Site<'_>) -> Result<Arc<dyn Blueprint>, PlanError> {
    let knobs = site.knobs;
    if site.index > 0 {
        return Err(PlanError("role \"primary\" has one node: write nodes = { primary = 1 }".to_owned()));
    }
    Ok(blueprint::<Ledger>(Arc::new(ledger::Config {
        places: Places::of("primary-0"),
        record_bytes_max: knobs.size("record_bytes_max"),
        group_wait: knobs.time("group_wait"),
        group_records: knobs.size("group_records"),
        scan_records: knobs.size("scan_records"),
        scan_bytes: knobs.size("scan_bytes"),
    })))
}

fn build_ingest(site: &Site<'_>) -> Result<Arc<dyn Blueprint>, PlanError> {
    let knobs = site.knobs;
    let edges = site.directory.count("edge").max(1);
    let buffers: Result<Vec<_>, _> = (0..edges).map(|edge| site.directory.addr("edge", edge, "buffer")).collect();
    let config = workload::Config {
        index: u32::try_from(site.index).map_err(|_| PlanError("too many ingest nodes".to_owned()))?,
        buffers: buffers?,
        primary: site.directory.addr("primary", 0, "ledger")?,
        records: share(site.requests, site.directory.count("ingest"), site.index)?,
        interval: knobs.interval("rate"),
        window: knobs.size("window"),
        record_bytes: knobs.size("record_bytes"),
        random_edge: knobs.flag("random_edge"),
        retry: retry(knobs, "retry_first", knobs.time("retry_longest"), None),
        scan_every: knobs.time("scan_every"),
        scan_page: knobs.get("scan_page"),
    };
    Ok(blueprint::<Client>(Arc::new(config)))
}

/// How many of `requests` client `index` of `clients` hands in: all of them together hand in exactly that many.
fn share(requests: u64, clients: usize, index: usize) -> Result<u32, PlanError> {
    let (clients, index) = (clients.max(1) as u64, index as u64);
    let mine = requests / clients + u64::from(index < requests % clients);
    match u32::try_from(mine) {
        Ok(mine) if mine < 1 << 31 => Ok(mine),
        _ => Err(PlanError(format!("limits.requests = {requests} is too many for {clients} clients"))),
    }
}

#[cfg(test)]
mod tests {
    use super::{roles, share};
    use std::collections::BTreeSet;

    #[test]
    fn the_clients_shares_add_up_to_the_requests() {
        for clients in 1..8_usize {
            for requests in [0, 1, 7, 500] {
                let sum: u32 = (0..clients).map(|index| share(requests, clients, index).unwrap()).sum();
                assert_eq!(u64::from(sum), requests, "{clients} clients");
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
