//! The oracles that this crate offers, for scenario files and `stormproof list`.

use crate::convergence::Convergence;
use crate::custody::Custody;
use crate::exactly_once::ExactlyOnce;
use crate::oracle::OracleKind;

/// Every oracle, in the order in which a panel should ask them.
pub fn all() -> Vec<OracleKind> {
    vec![
        OracleKind {
            name: Custody::NAME,
            about: "an accepted record is always in some durable place; staging goes only when all of it is durable elsewhere",
            invariants: Custody::INVARIANTS,
            make: || Box::new(Custody::new()),
        },
        OracleKind {
            name: ExactlyOnce::NAME,
            about: "each accepted record is in the primary ledger exactly once, nothing else is, and scans agree",
            invariants: ExactlyOnce::INVARIANTS,
            make: || Box::new(ExactlyOnce::new()),
        },
        OracleKind {
            name: Convergence::NAME,
            about: "once healed, every client operation completes and every client is done",
            invariants: Convergence::INVARIANTS,
            make: || Box::new(Convergence::new()),
        },
    ]
}
