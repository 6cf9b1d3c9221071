//! Agreement (Q1): no two replicas commit different entries at one index, and none changes its mind.
//!
//! | mark | stated by | when |
//! |---|---|---|
//! | `log.committed {log, index, digest}` | a replica | it knows that the entry at `index` is committed |
//!
//! A digest is a number or a text. A replica may state an index as often as it likes, for example again
//! after a restart, and may leave indices out (a snapshot covers them). The log is replicated state: what one
//! replica ever committed binds all others for good. This is the agreement property of consensus (Lamport,
//! "Paxos Made Simple", 2001, section 2; Ongaro and Ousterhout, "Raft", 2014, figure 3, State Machine
//! Safety). Each fact costs the logarithm of the number of entries.

use crate::fact::Reader;
use crate::oracle::{Oracle, Violation};
use contract::{Observed, ProcessId, Value};
use std::collections::BTreeMap;

/// The oracle; see the module.
#[derive(Clone, Debug, Default)]
pub struct Agreement {
    logs: BTreeMap<String, BTreeMap<u64, Committed>>,
    judged: u64,
}

/// Who first committed an entry.
#[derive(Clone, Debug)]
struct Committed {
    digest: Value,
    replica: ProcessId,
    event: u64,
}

impl Agreement {
    /// As in a scenario file.
    pub const NAME: &'static str = "agreement";
    /// What it may report.
    pub const INVARIANTS: &'static [&'static str] = &["Q1", Violation::MARKS];

    /// A judge that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    fn committed(&mut self, log: &str, index: u64, digest: &Value, seen: &Observed) -> Result<(), Violation> {
        self.judged += 1;
        if !self.logs.contains_key(log) {
            self.logs.insert(log.to_owned(), BTreeMap::new());
        }
        let Some(entries) = self.logs.get_mut(log) else { unreachable!("the log was just entered") };
        let first = entries.entry(index).or_insert_with(|| Committed {
            digest: digest.clone(),
            replica: seen.process,
            event: seen.event,
        });
        if first.digest == *digest {
            return Ok(());
        }
        let same = first.replica == seen.process;
        let shape = if same { "replica changed a committed entry" } else { "two entries committed at one index" };
        Err(Violation::new(Self::NAME, "Q1", shape)
            .because(format!(
                "index {index} of {log} was committed as {} by process {} and as {digest} by process {} at {}",
                first.digest, first.replica.0, seen.process.0, seen.at
            ))
            .seen_in(&[first.event, seen.event]))
    }
}

impl Oracle for Agreement {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn observe(&mut self, seen: &Observed) -> Result<(), Violation> {
        let reader = Reader::new(Self::NAME, seen);
        match &*seen.mark.kind {
            "log.committed" => {
                self.committed(reader.text("log")?, reader.number("index")?, reader.value("digest")?, seen)
            }
            _ => Ok(()),
        }
    }

    fn judged(&self) -> u64 {
        self.judged
    }

    fn clone_box(&self) -> Box<dyn Oracle> {
        Box::new(self.clone())
    }
}
