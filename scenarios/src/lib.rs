//! Every actor, workload, oracle and planted defect that scenario files can name, and the real world that
//! the same files run in: the composition root of the `stormproof` command.

// Here the simulator's command meets the real host: processes, clocks and files of this machine are its subject.
#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

mod engine;
#[cfg(feature = "planted")]
mod planted;
mod queue;
mod real;
mod strikes;

pub use real::Host;
use runner::{Extra, Registry};
use std::sync::Arc;

/// What this build knows. The order is that of `stormproof list`.
pub fn registry() -> Registry {
    Registry {
        roles: [edge::roles(), workspace::roles(), consensus::roles()].concat(),
        oracles: oracles::all(),
        #[cfg(feature = "planted")]
        defects: planted::defects(),
        #[cfg(not(feature = "planted"))]
        defects: Vec::new(),
        file_protocols: vec![
            Arc::new(consensus::files::WalFiles),
            Arc::new(edge::files::BufferFiles),
            Arc::new(edge::files::LedgerFiles),
            Arc::new(workspace::files::LedgerFiles),
            Arc::new(workspace::files::SaveFiles),
            Arc::new(workspace::files::LockFiles),
            Arc::new(workspace::files::RestoreFiles),
            Arc::new(workspace::files::MigrateFiles),
        ],
        extras: vec![Extra { name: local::cli::NAME, about: local::cli::ABOUT, main: local::cli::main }],
    }
}
