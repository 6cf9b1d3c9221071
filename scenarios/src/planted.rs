//! The planted defects of this build: what is wrong, who must catch it, and where it is provoked.

use runner::DefectInfo;

/// All of them, by id.
pub fn defects() -> Vec<DefectInfo> {
    vec![
        DefectInfo {
            id: "P01",
            title: "commit unlinks staging while failed records live in memory only",
            oracle: "custody",
            scenario: "scenarios/negative/p01_teardown_unlink.toml",
        },
        DefectInfo {
            id: "P02",
            title: "drain yields records from memory without writing them to staging",
            oracle: "custody",
            scenario: "scenarios/negative/p02_ghost_window.toml",
        },
        DefectInfo {
            id: "P03",
            title: "commit does not take the gate that drain holds",
            oracle: "custody",
            scenario: "scenarios/negative/p03_lifecycle_lock.toml",
        },
        DefectInfo {
            id: "P04",
            title: "drain renames the active log over an unfinished staging file",
            oracle: "custody",
            scenario: "scenarios/negative/p04_staging_clobber.toml",
        },
    ]
}
