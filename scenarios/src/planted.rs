//! The planted defects of this build: what is wrong, who must catch it, and where it is provoked.

use runner::DefectInfo;

/// All of them, by id.
pub fn defects() -> Vec<DefectInfo> {
    DEFECTS.to_vec()
}

const fn planted(id: &'static str, oracle: &'static str, scenario: &'static str, title: &'static str) -> DefectInfo {
    DefectInfo { id, title, oracle, scenario }
}

const DEFECTS: [DefectInfo; 20] = [
    planted(
        "P01",
        "custody",
        "scenarios/negative/p01_teardown_unlink.toml",
        "commit unlinks staging while failed records live in memory only",
    ),
    planted(
        "P02",
        "custody",
        "scenarios/negative/p02_ghost_window.toml",
        "drain yields records from memory without writing them to staging",
    ),
    planted(
        "P03",
        "custody",
        "scenarios/negative/p03_lifecycle_lock.toml",
        "commit does not take the gate that drain holds",
    ),
    planted(
        "P04",
        "custody",
        "scenarios/negative/p04_staging_clobber.toml",
        "drain renames the active log over an unfinished staging file",
    ),
    planted(
        "P05",
        "locks",
        "scenarios/negative/p05_lock_break_live.toml",
        "a lock is overridden after the wait without asking whether its holder lives",
    ),
    planted(
        "P06",
        "locks",
        "scenarios/negative/p06_lock_zero_byte_young.toml",
        "any empty lock file is stale at once, and locks are created before they are filled",
    ),
    planted(
        "P07",
        "locks",
        "scenarios/negative/p07_lock_steal_race.toml",
        "a stale lock is unlinked without looking whether it still is the one that was judged",
    ),
    planted(
        "P08",
        "ledger",
        "scenarios/negative/p08_ledger_tail_glue.toml",
        "an append writes straight after the fragment of another one",
    ),
    planted(
        "P09",
        "ledger",
        "scenarios/negative/p09_ledger_ack_before_fsync.toml",
        "an append is acknowledged before it is synced",
    ),
    planted(
        "P10",
        "ledger",
        "scenarios/negative/p10_ledger_id_outside_lock.toml",
        "the last event's number is read before the lock is taken",
    ),
    planted(
        "P11",
        "ledger",
        "scenarios/negative/p11_ledger_repair_unlocked.toml",
        "a starting program cuts the ledger's tail without the lock",
    ),
    planted(
        "P12",
        "ledger",
        "scenarios/negative/p12_ledger_last_line_only.toml",
        "a repair looks at the last line of a batch only",
    ),
    planted(
        "P13",
        "files",
        "scenarios/negative/p13_afw_no_file_fsync.toml",
        "a temporary file is renamed into place without having been synced",
    ),
    planted(
        "P14",
        "files",
        "scenarios/negative/p14_afw_no_dir_fsync.toml",
        "the directory is never synced after the rename",
    ),
    planted(
        "P15",
        "files",
        "scenarios/negative/p15_afw_fallback_swallows.toml",
        "the fallback for directories that cannot be synced takes every error for that one",
    ),
    planted(
        "P31",
        "agreement",
        "scenarios/negative/p31_old_term_commit.toml",
        "a leader commits an entry of an earlier term by counting its copies",
    ),
    planted(
        "P32",
        "mutual_exclusion",
        "scenarios/negative/p32_lease_own_clock.toml",
        "a holder judges its lease by its wall clock, and its writes carry no fencing token",
    ),
    planted(
        "P33",
        "watch",
        "scenarios/negative/p33_watch_progress_lies.toml",
        "progress is told up to the store's revision while older changes are still to come",
    ),
    planted(
        "P34",
        "linearizability",
        "scenarios/negative/p34_stale_read.toml",
        "reads are answered without asking a majority who leads",
    ),
    planted(
        "P35",
        "leases",
        "scenarios/negative/p35_zombie_revoke.toml",
        "the end of a lease is applied without looking whether it was renewed since",
    ),
];
