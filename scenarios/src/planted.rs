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
        DefectInfo {
            id: "P05",
            title: "a lock is overridden after the wait without asking whether its holder lives",
            oracle: "locks",
            scenario: "scenarios/negative/p05_lock_break_live.toml",
        },
        DefectInfo {
            id: "P06",
            title: "any empty lock file is stale at once, and locks are created before they are filled",
            oracle: "locks",
            scenario: "scenarios/negative/p06_lock_zero_byte_young.toml",
        },
        DefectInfo {
            id: "P07",
            title: "a stale lock is unlinked without looking whether it still is the one that was judged",
            oracle: "locks",
            scenario: "scenarios/negative/p07_lock_steal_race.toml",
        },
        DefectInfo {
            id: "P08",
            title: "an append writes straight after the fragment of another one",
            oracle: "ledger",
            scenario: "scenarios/negative/p08_ledger_tail_glue.toml",
        },
        DefectInfo {
            id: "P09",
            title: "an append is acknowledged before it is synced",
            oracle: "ledger",
            scenario: "scenarios/negative/p09_ledger_ack_before_fsync.toml",
        },
        DefectInfo {
            id: "P10",
            title: "the last event's number is read before the lock is taken",
            oracle: "ledger",
            scenario: "scenarios/negative/p10_ledger_id_outside_lock.toml",
        },
        DefectInfo {
            id: "P11",
            title: "a starting program cuts the ledger's tail without the lock",
            oracle: "ledger",
            scenario: "scenarios/negative/p11_ledger_repair_unlocked.toml",
        },
        DefectInfo {
            id: "P12",
            title: "a repair looks at the last line of a batch only",
            oracle: "ledger",
            scenario: "scenarios/negative/p12_ledger_last_line_only.toml",
        },
        DefectInfo {
            id: "P13",
            title: "a temporary file is renamed into place without having been synced",
            oracle: "files",
            scenario: "scenarios/negative/p13_afw_no_file_fsync.toml",
        },
        DefectInfo {
            id: "P14",
            title: "the directory is never synced after the rename",
            oracle: "files",
            scenario: "scenarios/negative/p14_afw_no_dir_fsync.toml",
        },
        DefectInfo {
            id: "P15",
            title: "the fallback for directories that cannot be synced takes every error for that one",
            oracle: "files",
            scenario: "scenarios/negative/p15_afw_fallback_swallows.toml",
        },
    ]
}
