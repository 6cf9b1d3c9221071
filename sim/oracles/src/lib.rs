//! Oracles: judges that read marks and histories, never an actor's fields.
//!
//! Each oracle is incremental, cloneable (a healed clone of the world goes on with its own judges) and
//! works as well on the logs of a real cluster. Each rejects a set of hand-made bad histories in its tests.
//!
//! | to | read |
//! |---|---|
//! | write an oracle | [`Oracle`], [`fact`] (what the marks mean), [`operations`] (client histories) |
//! | know what is judged of records | [`custody`], [`exactly_once`], [`convergence`] |
//! | know what is judged of registers and transactions | [`linearizability`], [`causal`], [`sessions`], [`cycles`] |
//! | know what is judged of logs and streams | [`agreement`], [`durability`], [`prefix`], [`fold`], [`watch`], [`ledger`] |
//! | know what is judged of locks, files and sizes | [`mutual_exclusion`], [`leases`], [`locks`], [`files`], [`bounded_growth`] |
//! | judge a run | [`Panel`], [`all`] |
//! | judge a real cluster | [`log`] |
//! | give a history to Jepsen's checkers | [`edn`] |

pub mod agreement;
pub mod bounded_growth;
pub mod causal;
pub mod convergence;
pub mod custody;
pub mod cycles;
pub mod durability;
pub mod edn;
pub mod exactly_once;
pub mod fact;
pub mod files;
pub mod fold;
pub mod leases;
pub mod ledger;
pub mod linearizability;
pub mod locks;
pub mod log;
pub mod mutual_exclusion;
pub mod operations;
mod oracle;
mod panel;
pub mod prefix;
mod registry;
pub mod sessions;
pub mod watch;

pub use edn::write_edn;
pub use log::{LogError, merge_logs, read_log, write_log};
pub use oracle::{Oracle, OracleKind, Violation};
pub use panel::{Panel, UnknownOracle};
pub use registry::all;
