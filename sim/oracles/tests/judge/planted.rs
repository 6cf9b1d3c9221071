//! Rules that a generated history breaks once, at the first chance where the break shows.
//!
//! Each knows from the truth of the small cluster which fact breaks which invariant.

use crate::legal::{LEDGER, PRIMARY, World, accepted, place, removed, stored};
use contract::Mark;

/// The verdict that a broken history must get.
#[derive(Clone, Debug)]
pub struct Expected {
    pub oracle: &'static str,
    pub invariant: &'static str,
    /// The index of the fact that breaks it.
    pub at: usize,
}

/// A broken rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plant {
    /// P01: commit unlinks staging, and one failed record was not requeued on disk.
    ForgetRequeue,
    /// P02: drain accepts a volatile record that staging does not hold.
    GhostWindow,
    /// P03: a stale commit unlinks staging and requeues nothing.
    StaleCommit,
    /// P04: drain renames the active log over staging.
    ClobberStaging,
    /// A record is accepted before it is durable.
    AcceptEarly,
    /// Recovery of an edge finds one record less than is accepted and nowhere else.
    LoseAtRecovery,
    /// Recovery of the ledger finds one record less than was applied.
    LedgerLoses,
    /// Recovery of the ledger finds one record twice.
    LedgerRepeats,
    /// A record is applied again.
    ApplyTwice,
    /// A record is applied that nobody sent.
    Phantom,
    /// An LSN is left out.
    SkipLsn,
    /// An LSN is used again.
    ReuseLsn,
    /// A record that nobody sent is called a duplicate.
    FalseDuplicate,
    /// A scan lacks its last record, which was applied before it began.
    ScanDrops,
    /// A scan has two records in the wrong order.
    ScanSwaps,
    /// A scan shows its first record twice.
    ScanRepeats,
    /// A scan shows a record that was not applied.
    ScanInvents,
}

impl Plant {
    pub const ALL: [Plant; 17] = [
        Plant::ForgetRequeue,
        Plant::GhostWindow,
        Plant::StaleCommit,
        Plant::ClobberStaging,
        Plant::AcceptEarly,
        Plant::LoseAtRecovery,
        Plant::LedgerLoses,
        Plant::LedgerRepeats,
        Plant::ApplyTwice,
        Plant::Phantom,
        Plant::SkipLsn,
        Plant::ReuseLsn,
        Plant::FalseDuplicate,
        Plant::ScanDrops,
        Plant::ScanSwaps,
        Plant::ScanRepeats,
        Plant::ScanInvents,
    ];
}

const UNKNOWN_RECORD: u64 = 999_999;

impl World {
    fn plans(&self, plant: Plant) -> bool {
        self.plant == Some(plant) && self.expected.is_none()
    }

    /// The next fact breaks `invariant`.
    fn expect_next(&mut self, oracle: &'static str, invariant: &'static str) {
        assert!(self.expected.is_none(), "a plant strikes once");
        self.expected = Some(Expected { oracle, invariant, at: self.facts.len() });
    }

    pub fn violates_ingest(&mut self, edge: u32, id: u64) -> bool {
        if !self.plans(Plant::AcceptEarly) || self.copies(id) > 0 {
            return false;
        }
        self.expect_next("custody", "E1");
        self.say(edge, accepted(id, edge));
        true
    }

    pub fn violates_drain(&mut self, edge: u32) -> bool {
        if self.plans(Plant::ClobberStaging) {
            let active = self.held(edge, "active");
            let lost =
                self.held(edge, "staging").into_iter().filter(|id| self.copies(*id) == 1 && !active.contains(id));
            let lost: Vec<u64> = lost.collect();
            if !active.is_empty() && self.expect_lost(&lost) {
                self.say(
                    edge,
                    Mark::new("custody.moved").with("from", place(edge, "active")).with("to", place(edge, "staging")),
                );
                return true;
            }
        }
        let ghost = self.volatile(edge).into_iter().find(|&id| self.copies(id) == 0);
        match ghost {
            Some(id) if self.plans(Plant::GhostWindow) && self.held(edge, "staging").is_empty() => {
                let lines: Vec<u64> = self.held(edge, "quarantine").into_iter().collect();
                self.say(edge, stored(&place(edge, "staging"), &lines));
                self.expect_next("custody", "E1");
                self.say(edge, accepted(id, edge));
                true
            }
            _ => false,
        }
    }

    pub fn violates_commit(&mut self, edge: u32, failed: &[u64]) -> bool {
        let requeued = match self.plant {
            Some(Plant::ForgetRequeue) => &failed[1.min(failed.len())..],
            Some(Plant::StaleCommit) => &[],
            _ => return false,
        };
        let staging = self.held(edge, "staging");
        let lost = staging.into_iter().filter(|id| self.copies(*id) == 1 && !requeued.contains(id));
        let lost: Vec<u64> = lost.collect();
        if lost.is_empty() {
            return false;
        }
        if !requeued.is_empty() {
            self.say(edge, stored(&place(edge, "active"), requeued));
        }
        self.expect_lost(&lost);
        self.say(edge, removed(&place(edge, "staging")));
        true
    }

    /// The next fact takes the last copies of `lost` out of staging.
    fn expect_lost(&mut self, lost: &[u64]) -> bool {
        let promised = lost.iter().any(|id| self.accepted.contains(id));
        if !lost.is_empty() {
            self.expect_next("custody", if promised { "E1" } else { "E3" });
        }
        !lost.is_empty()
    }

    pub fn violates_delivery(&mut self, id: u64) -> bool {
        let applied = |id: u64, lsn: usize| Mark::new("ledger.applied").with("id", id).with("lsn", lsn);
        let held = self.ledger.contains(&id);
        let next = self.ledger.len();
        let mark = match self.plant {
            Some(Plant::ApplyTwice) if held => applied(id, next),
            Some(Plant::Phantom) => applied(UNKNOWN_RECORD, next),
            Some(Plant::SkipLsn) if !held && self.told_applied(self.ledger.first().copied()) => applied(id, next + 1),
            Some(Plant::ReuseLsn) if !held && next > 0 => applied(id, next - 1),
            Some(Plant::FalseDuplicate) => Mark::new("ledger.duplicate").with("id", UNKNOWN_RECORD),
            _ => return false,
        };
        self.expect_next("exactly_once", "E2");
        self.say(PRIMARY, mark);
        true
    }

    pub fn violates_recovery(&mut self, at: &str, ids: &mut Vec<u64>) {
        if self.plans(Plant::LedgerLoses) && at == LEDGER && self.told_applied(ids.first().copied()) {
            ids.remove(0);
            self.expect_next("exactly_once", "E2");
        } else if self.plans(Plant::LedgerRepeats) && at == LEDGER && !ids.is_empty() {
            ids.push(ids[0]);
            self.expect_next("exactly_once", "E2");
        } else if self.plans(Plant::LoseAtRecovery) && at != LEDGER {
            let only_copy = ids.iter().position(|&id| self.copies(id) == 1 && self.accepted.contains(&id));
            if let Some(index) = only_copy {
                let id = ids.remove(index);
                self.places.entry(at.to_owned()).or_default().remove(&id);
            }
        }
    }

    fn told_applied(&self, id: Option<u64>) -> bool {
        let applied = |mark: &Mark| mark.kind == "ledger.applied" && mark.number("id") == id;
        id.is_some() && self.facts.iter().any(|seen| applied(&seen.mark))
    }

    pub fn expect_loss_at_recovery(&mut self) {
        if self.plans(Plant::LoseAtRecovery) && self.accepted.iter().any(|&id| self.copies(id) == 0) {
            self.expect_next("custody", "E1");
        }
    }

    pub fn violates_scan(&mut self, output: &mut Vec<u64>, held_before: usize) {
        match self.plant {
            Some(Plant::ScanDrops) if held_before > 0 => output.truncate(held_before - 1),
            Some(Plant::ScanSwaps) if output.len() > 1 && self.told_applied(Some(output[0])) => output.swap(0, 1),
            Some(Plant::ScanRepeats) if !output.is_empty() => output.push(output[0]),
            Some(Plant::ScanInvents) => output.push(UNKNOWN_RECORD),
            _ => return,
        }
        self.expect_next("exactly_once", "E2");
    }
}
