//! The role `rcs`: members of the service, each with its append process.

use super::index;
use crate::member::{self, Member};
use crate::planted::Planted;
use crate::raft::Tuning;
use crate::rcs::Limits;
use crate::wal::{self, Log};
use contract::cell::{Blueprint, blueprint};
use contract::knobs::{Knob, Knobs};
use contract::plan::{Core, PlanError, Role, RoleKind, Site};
use std::sync::Arc;

pub(super) const ROLE: Role = Role {
    name: "rcs",
    about: "a member of the Routing Coordination Service: Raft, its append process, and the store on it",
    kind: RoleKind::System,
    core: Core::Majority,
    knobs: &KNOBS,
    processes: |_| ["member", "log"].into_iter().map(String::from).collect(),
    build,
    other_build: None,
};

const KNOBS: [Knob; 27] = [
    Knob::millis("election", "a follower waits at least so long for a leader", 300, 50, 5_000),
    Knob::millis("election_spread", "... and at most so much longer; drawn anew each time", 300, 50, 5_000),
    Knob::millis(
        "heartbeat",
        "time between two rounds of a leader; never more than a third of `election`",
        75,
        10,
        1_000,
    ),
    Knob::flag("lease_reads", "whether a leader answers reads by its lease instead of a round", false),
    Knob::count("drift_ppm", "by how much two clocks may differ in rate, in millionths", 50_000, 0, 500_000),
    Knob::count("append_entries", "entries in one message", 64, 1, 1_024),
    Knob::bytes("append_bytes", "commands in one message or one write", 262_144, 1_024, 393_216),
    Knob::count("in_flight", "messages with entries on their way to one follower", 4, 1, 64),
    Knob::count("uncommitted", "entries that wait to be committed", 1_024, 16, 65_536),
    Knob::count("keep_entries", "entries kept behind a snapshot", 200, 0, 100_000),
    Knob::bytes("page_bytes", "a page of a snapshot", 65_536, 1_024, 262_144),
    Knob::count("writes", "writes that the append process has not confirmed", 2, 1, 16),
    Knob::millis("log_retry", "silence after which something is said to the append process again", 200, 20, 5_000),
    Knob::count("snapshot_entries", "entries between two snapshots", 1_000, 10, 1_000_000),
    Knob::millis("poll", "after this a watch is answered although nothing has changed", 2_000, 100, 10_000),
    Knob::count("polls", "watches that wait for changes", 256, 8, 65_536),
    Knob::count("reads", "reads that wait to be confirmed", 256, 8, 65_536),
    Knob::count("history", "revisions that the store keeps", 10_000, 20, 1_000_000),
    Knob::count("sessions", "sessions that the store keeps", 1_024, 16, 65_536),
    Knob::bytes("answer_bytes", "rows or changes in one answer", 262_144, 16_384, 393_216),
    wal::KNOBS[0],
    wal::KNOBS[1],
    wal::KNOBS[2],
    wal::KNOBS[3],
    wal::KNOBS[4],
    wal::KNOBS[5],
    wal::KNOBS[6],
];

const _: () = assert!(wal::KNOBS.len() == 7, "every knob of the append process is one of the role's");

fn build(site: &Site<'_>) -> Result<Arc<dyn Blueprint>, PlanError> {
    match site.process {
        "member" => Ok(blueprint::<Member>(Arc::new(config(site)?))),
        _ => Ok(blueprint::<Log>(Arc::new(wal::Config::from_knobs(site.knobs)))),
    }
}

fn config(site: &Site<'_>) -> Result<member::Config, PlanError> {
    let knobs = site.knobs;
    let members = 0..site.directory.count("rcs");
    let peers: Result<Vec<_>, _> = members.map(|slot| site.directory.addr("rcs", slot, "member")).collect();
    Ok(member::Config {
        me: index(site)?,
        peers: peers?,
        log: site.directory.addr("rcs", site.index, "log")?,
        tuning: tuning(knobs),
        writes: knobs.size("writes"),
        log_retry: knobs.time("log_retry"),
        snapshot_entries: knobs.get("snapshot_entries"),
        poll: knobs.time("poll"),
        polls: knobs.size("polls"),
        reads: knobs.size("reads"),
        limits: limits(knobs),
        planted: Planted::among(site.defects)?,
    })
}

fn limits(knobs: &Knobs) -> Limits {
    Limits {
        history: knobs.get("history"),
        sessions: knobs.size("sessions"),
        answer_bytes: knobs.size("answer_bytes"),
        value_bytes: 8_192,
        ttl_least_ms: 100,
        ..Limits::default()
    }
}

fn tuning(knobs: &Knobs) -> Tuning {
    let election = knobs.time("election");
    Tuning {
        election_least: election,
        election_most: election + knobs.time("election_spread"),
        heartbeat: knobs.time("heartbeat").min(election / 3),
        lease_reads: knobs.flag("lease_reads"),
        drift_ppm: knobs.get("drift_ppm"),
        append_entries: knobs.size("append_entries"),
        append_bytes: knobs.size("append_bytes"),
        in_flight: knobs.size("in_flight"),
        uncommitted: knobs.size("uncommitted"),
        keep_entries: knobs.get("keep_entries"),
        page_bytes: knobs.size("page_bytes"),
    }
}
