//! The workspace core: files that survive crashes and are shared by the processes of one machine (spec 002).
//!
//! Every operation is straight-line code over system calls, written once and run in two ways (see [`turn`]): by a
//! program through to its end, and by actors one call a turn, so that the simulator may cut and interleave anywhere.
//!
//! Invariants, by the ids that oracles report:
//!
//! | id | invariant |
//! |---|---|
//! | L1, L2, L3 | one holder of a lock at a time; a live holder's lock is never broken; a dead holder's is eventually taken |
//! | G1, G2, G3 | acknowledged events survive; event ids are unique, gapless, increasing; a repair removes only what was never acknowledged |
//! | A1, A2, A3, A4 | a file is whole, old or new; an acknowledged save survives; versions never go back; failed saves leave nothing |

pub mod atomic;
pub mod date;
pub mod files;
pub mod format;
pub mod ledger;
pub mod lock;
pub mod message;
pub mod places;
pub mod planted;
pub mod prepare;
pub mod program;
pub mod roles;
pub mod sealed;
pub mod snapshot;
pub mod spec;
pub mod telemetry;
pub mod turn;
pub mod whole;
pub mod work;
pub mod workload;

pub use roles::roles;
