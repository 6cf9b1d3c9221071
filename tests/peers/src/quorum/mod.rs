//! Workload B: a log on three replicas, appended to by eight clients.
//!
//! Replica 0 leads. A client sends its record to the leader, which sends it on to both followers;
//! every replica writes the record to its log and syncs the log. When two of the three have done
//! so, the client gets its answer and sends its next record: six messages, three writes and three
//! syncs an append. After every thousand answers one follower, alternately the first and the
//! second, crashes and restarts; it reads from its disk how far it had come and the leader sends
//! it what it missed. The run is over when every client has its answers and every replica every
//! record; then the contents of the three logs are compared byte by byte, outside of the clock.

mod audit;
mod follower;
mod leader;
mod message;
mod progress;

pub use audit::Audit;
pub use follower::Follower;
pub use leader::Leader;
pub use message::{HEAD_BYTES, Message, RECORD_BYTES, Record, WIRE_BYTES_MAX};
pub use progress::{Event, Progress};

use std::time::Duration;

use crate::random::Stream;

pub const REPLICAS: usize = 3;
pub const LEADER: usize = 0;
/// Replicas that must have a record before its client is answered.
pub const QUORUM: usize = 2;
/// Each client has one append under way.
pub const CLIENTS: usize = 8;
/// The node of all clients, next to the replicas. They share one because turmoil pays for every
/// node in every tick: on eight nodes that mostly wait, the same appends cost it 2.5 times as much.
pub const CLIENTS_NODE: usize = REPLICAS;
pub const NODES: usize = REPLICAS + 1;
/// Answers between two crashes.
pub const APPENDS_PER_CRASH: u64 = 1_000;
/// How long a crashed follower stays away: a few latencies, so that it misses some records.
pub const DOWN_TIME: Duration = Duration::from_millis(20);

/// Latency of a write and of a sync, where a peer's disk takes time at all.
pub const DISK_LATENCY_MIN: Duration = Duration::from_micros(50);
pub const DISK_LATENCY_MAX: Duration = Duration::from_micros(500);

/// How many of all appends are those of one client.
pub fn quota(client: usize, appends: u64) -> u64 {
    let clients = CLIENTS as u64;
    appends / clients + u64::from((client as u64) < appends % clients)
}

/// The record that a client appends as its `serial`-th. It begins with the two numbers, so that
/// the audit can read from a log whose record it is.
pub fn record(client: u32, serial: u64) -> Record {
    let mut bytes = [0; RECORD_BYTES];
    bytes[..8].copy_from_slice(&u64::from(client).to_le_bytes());
    bytes[8..16].copy_from_slice(&serial.to_le_bytes());
    let mut filler = Stream::new(serial, u64::from(client));
    for word in bytes[16..].chunks_exact_mut(8) {
        word.copy_from_slice(&filler.next_u64().to_le_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_add_up() {
        for appends in [1, 7, 8, 1_001, 100_000] {
            let total: u64 = (0..CLIENTS).map(|client| quota(client, appends)).sum();
            assert_eq!(total, appends);
        }
    }

    /// A cluster over a wire that reverses batches of messages, with a follower that loses
    /// everything in flight in the middle of the run.
    #[test]
    fn a_cluster_over_a_reordering_wire_passes_the_audit() {
        const APPENDS: u64 = 200;
        let progress = Progress::new(APPENDS);
        let mut leader = Leader::new();
        let mut followers = [Follower::recover(1, 0), Follower::recover(2, 0)];
        let mut logs = [const { Vec::new() }; REPLICAS];
        let mut next = [0; CLIENTS];
        let mut crashed = false;
        while !progress.finished() {
            for (client, next) in next.iter_mut().enumerate() {
                if *next == quota(client, APPENDS) {
                    continue;
                }
                let serial = *next;
                *next += 1;
                let record = record(client as u32, serial);
                let index = leader.append(client as u32, serial, record, &progress);
                logs[LEADER].extend_from_slice(&record);
                progress.durable(LEADER, index + 1);
                leader.durable(LEADER, index + 1, |_, _| progress.answered());
            }
            if !crashed && APPENDS / 2 < leader.records() {
                crashed = true;
                followers[0] = Follower::recover(1, followers[0].records());
            }
            for follower in &mut followers {
                let missing = leader.records_from(follower.records()).rev();
                missing.for_each(|(index, record)| follower.offer(index, record));
                while let Some(record) = follower.next_record() {
                    logs[follower.replica()].extend_from_slice(&record);
                    let durable = follower.written(&progress);
                    leader.durable(follower.replica(), durable, |_, _| progress.answered());
                }
            }
        }
        let audit = Audit::new(APPENDS);
        for (replica, log) in logs.into_iter().enumerate() {
            audit.submit(replica, log);
        }
        audit.verify(&progress).expect("a correct run");
    }
}
