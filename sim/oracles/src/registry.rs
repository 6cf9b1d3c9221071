//! The oracles that this crate offers, for scenario files and `stormproof list`.

use crate::agreement::Agreement;
use crate::bounded_growth::BoundedGrowth;
use crate::causal::Causal;
use crate::convergence::Convergence;
use crate::custody::Custody;
use crate::cycles::Cycles;
use crate::durability::Durability;
use crate::exactly_once::ExactlyOnce;
use crate::files::Files;
use crate::fold::Fold;
use crate::leases::Leases;
use crate::ledger::Ledger;
use crate::linearizability::{Linearizability, LinearizationPoints};
use crate::locks::Locks;
use crate::mutual_exclusion::MutualExclusion;
use crate::oracle::OracleKind;
use crate::prefix::Prefix;
use crate::sessions::Sessions;
use crate::watch::Watch;

macro_rules! kind {
    ($oracle:ty, $about:literal) => {
        OracleKind {
            name: <$oracle>::NAME,
            about: $about,
            invariants: <$oracle>::INVARIANTS,
            make: || Box::new(<$oracle>::new()),
        }
    };
}

/// Every oracle, in the order in which a panel should ask them.
pub fn all() -> Vec<OracleKind> {
    vec![
        kind!(
            Custody,
            "an accepted record is always in some durable place; staging goes only when all of it is durable elsewhere"
        ),
        kind!(
            ExactlyOnce,
            "each accepted record is in the primary ledger exactly once, nothing else is, and scans agree"
        ),
        kind!(Agreement, "no two replicas commit different entries at one index, and none changes its mind"),
        kind!(Durability, "an acknowledged entry stays readable, as what it was acknowledged for"),
        kind!(Prefix, "each consumer of a stream gets a gap-free prefix, in order, and nothing else"),
        kind!(Fold, "a machine's state is the fold of its log, for every replica and incarnation"),
        kind!(
            LinearizationPoints,
            "the stated order of reads, writes and swaps explains what clients saw, each within its time"
        ),
        kind!(Linearizability, "some order of reads, writes and swaps explains what clients saw, searched key by key"),
        kind!(Causal, "no client sees an effect of reads and writes without its causes"),
        kind!(Sessions, "what a client session reads and writes never goes back behind what it saw or did"),
        kind!(Cycles, "what list-append transactions read has no dependency cycle: they are serializable"),
        kind!(
            Watch,
            "watchers get every change once, in the order of revisions, and are told the truth about progress"
        ),
        kind!(MutualExclusion, "a hard lock has one holder, and at the resource fencing tokens never decrease"),
        kind!(Leases, "a lease lasts for as long as its holder was promised when it renewed it"),
        kind!(Locks, "a lock has one holder; one that runs is never broken, one that died does not block"),
        kind!(Files, "a saved file is whole, kept, never goes back, and leaves nothing else behind"),
        kind!(
            Ledger,
            "in a shared ledger acknowledged events stay readable, numbers mean one event, repairs cut only the unacknowledged"
        ),
        kind!(BoundedGrowth, "gauges stay within their limits, and at rest go back"),
        kind!(Convergence, "once healed, every client operation completes and every client is done"),
    ]
}
