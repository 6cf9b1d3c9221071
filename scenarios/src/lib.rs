//! Every actor, workload, oracle and planted defect that scenario files can name.

use runner::Registry;

#[cfg(feature = "planted")]
mod planted;

/// What this build knows. The order is that of `stormproof list`.
pub fn registry() -> Registry {
    Registry {
        roles: edge::roles(),
        oracles: oracles::all(),
        #[cfg(feature = "planted")]
        defects: planted::defects(),
        #[cfg(not(feature = "planted"))]
        defects: Vec::new(),
    }
}
