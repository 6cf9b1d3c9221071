//! Whether a run of workload B did its work: every replica holds every record.

use std::sync::Mutex;

use anyhow::{Context, Result, ensure};

use super::{CLIENTS, LEADER, Progress, RECORD_BYTES, REPLICAS, quota, record};
use crate::random::mix;

/// Compares what the replicas' disks hold when a run is over.
#[derive(Debug)]
pub struct Audit {
    appends: u64,
    logs: Mutex<[Option<Vec<u8>>; REPLICAS]>,
}

impl Audit {
    pub fn new(appends: u64) -> Self {
        Self { appends, logs: Mutex::new([const { None }; REPLICAS]) }
    }

    /// Takes the contents of one replica's disk.
    pub fn submit(&self, replica: usize, log: Vec<u8>) {
        self.logs.lock().expect("a simulation runs on one thread, nobody can poison this")[replica] = Some(log);
    }

    /// Whether all replicas have submitted theirs.
    pub fn complete(&self) -> bool {
        self.logs.lock().expect("a simulation runs on one thread, nobody can poison this").iter().all(Option::is_some)
    }

    /// Fails unless the three logs are the same, every client's records are in them once and in
    /// order, and every crash of the plan happened. Returns a digest of the log.
    pub fn verify(&self, progress: &Progress) -> Result<u64> {
        ensure!(progress.violations() == 0, "a client's records came out of order");
        ensure!(progress.all_crashes_happened(), "some crashes were left out");
        ensure!(progress.finished(), "the run stopped before its end");
        let logs = self.logs.lock().expect("a simulation runs on one thread, nobody can poison this");
        let log =
            |replica: usize| logs[replica].as_deref().with_context(|| format!("replica {replica} submitted no log"));
        let reference = log(LEADER)?;
        self.verify_records(reference)?;
        for replica in 0..REPLICAS {
            ensure!(log(replica)? == reference, "the log of replica {replica} differs from the leader's");
        }
        Ok(digest(reference))
    }

    fn verify_records(&self, log: &[u8]) -> Result<()> {
        let expected = usize::try_from(self.appends)? * RECORD_BYTES;
        ensure!(log.len() == expected, "the leader's log has {} bytes, not {expected}", log.len());
        let mut next = [0; CLIENTS];
        for bytes in log.chunks_exact(RECORD_BYTES) {
            let client = bytes[0];
            let serial = next.get_mut(usize::from(client)).context("a record of nobody")?;
            ensure!(
                bytes == record(u32::from(client), *serial).as_slice(),
                "record {serial} of client {client} is damaged, missing or out of order"
            );
            *serial += 1;
        }
        let complete = (0..CLIENTS).all(|client| next[client] == quota(client, self.appends));
        ensure!(complete, "some client's records are missing");
        Ok(())
    }
}

/// An order-sensitive digest of a whole log.
fn digest(log: &[u8]) -> u64 {
    log.chunks(8).fold(0, |state, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        mix(state ^ u64::from_le_bytes(word))
    })
}

#[cfg(test)]
mod tests {
    use super::{Audit, Progress};
    use crate::quorum::{REPLICAS, record};

    fn audited(logs: [Vec<u8>; REPLICAS]) -> anyhow::Result<u64> {
        let (audit, progress) = (Audit::new(2), Progress::new(2));
        for (replica, log) in logs.into_iter().enumerate() {
            progress.durable(replica, 2);
            audit.submit(replica, log);
        }
        progress.answered();
        progress.answered();
        audit.verify(&progress)
    }

    #[test]
    fn equal_and_complete_logs_pass() {
        let log = [record(0, 0), record(1, 0)].concat();
        audited([log.clone(), log.clone(), log]).expect("nothing is wrong");
    }

    #[test]
    fn a_damaged_a_short_and_a_doubled_log_are_found() {
        let log = [record(0, 0), record(1, 0)].concat();
        let mut damaged = log.clone();
        damaged[200] ^= 1;
        assert!(audited([log.clone(), damaged.clone(), log.clone()]).is_err());
        assert!(audited([damaged.clone(), damaged.clone(), damaged]).is_err());
        assert!(audited([log.clone(), log.clone(), log[..128].to_vec()]).is_err());
        let doubled = [record(0, 0), record(0, 0)].concat();
        assert!(audited([doubled.clone(), doubled.clone(), doubled]).is_err());
    }
}
