//! Custody (E1, E3): what it must reject, what it must accept, and what it waits for.

use crate::story::check;

/// A record that an edge has stored and accepted, before each of the stories below.
const ACCEPTED: &str = "
edge custody.found place=edge-0/active ids=[]
edge custody.found place=edge-0/quarantine ids=[]
edge custody.found place=edge-0/staging ids=[]
edge custody.recovered node=edge-0/
primary custody.found place=primary-0/ledger ids=[]
primary custody.recovered node=primary-0/
edge custody.stored place=edge-0/active ids=[17]
edge custody.accepted id=17 by=edge-0/
";

fn after_accepted(story: &str) {
    check("custody", &format!("{ACCEPTED}{story}"));
}

#[test]
fn life_of_a_record_is_accepted() {
    after_accepted(
        "
        pending record 17
        edge custody.moved from=edge-0/active to=edge-0/staging
        pending edge-0/staging
        primary custody.stored place=primary-0/ledger ids=[17]
        primary ledger.applied id=17 lsn=0
        pending edge-0/staging
        edge custody.removed place=edge-0/staging
        pending nothing
        finish",
    );
}

#[test]
fn an_applied_mark_alone_is_a_durable_copy() {
    after_accepted(
        "
        edge custody.moved from=edge-0/active to=edge-0/staging
        primary ledger.applied id=17 lsn=0
        edge custody.removed place=edge-0/staging
        pending nothing
        finish",
    );
}

#[test]
fn a_ledger_that_never_named_its_place_counts_too() {
    check(
        "custody",
        "
        edge custody.stored place=edge-0/staging ids=[1]
        edge custody.accepted id=1 by=edge-0/
        primary ledger.applied id=1 lsn=0
        edge custody.removed place=edge-0/staging
        pending nothing
        finish",
    );
}

#[test]
fn p01_staging_is_unlinked_while_the_requeued_record_is_only_in_memory() {
    after_accepted(
        "
        edge custody.moved from=edge-0/active to=edge-0/staging
        edge custody.removed place=edge-0/staging   <- E1",
    );
}

#[test]
fn p01_with_a_record_that_was_not_accepted_yet_breaks_e3() {
    after_accepted(
        "
        edge custody.stored place=edge-0/staging ids=[17 18]
        edge custody.removed place=edge-0/active
        primary ledger.applied id=17 lsn=0
        edge custody.removed place=edge-0/staging   <- E3",
    );
}

#[test]
fn p02_a_volatile_record_is_accepted_though_it_was_never_serialised() {
    after_accepted(
        "
        edge custody.stored place=edge-0/staging ids=[17]
        edge custody.removed place=edge-0/active
        edge custody.accepted id=18 by=edge-0/      <- E1",
    );
}

#[test]
fn p03_a_stale_commit_unlinks_the_staging_of_another_pass() {
    after_accepted(
        "
        edge custody.moved from=edge-0/active to=edge-0/staging
        primary ledger.applied id=17 lsn=0
        edge custody.removed place=edge-0/staging
        edge custody.stored place=edge-0/active ids=[18]
        edge custody.accepted id=18 by=edge-0/
        edge custody.moved from=edge-0/active to=edge-0/staging
        edge custody.removed place=edge-0/staging   <- E1",
    );
}

#[test]
fn p04_a_second_drain_renames_over_the_staging_of_an_aborted_commit() {
    after_accepted(
        "
        edge custody.moved from=edge-0/active to=edge-0/staging
        edge custody.stored place=edge-0/active ids=[18]
        edge custody.accepted id=18 by=edge-0/
        edge custody.moved from=edge-0/active to=edge-0/staging   <- E1",
    );
}

#[test]
fn renaming_over_staging_that_was_delivered_is_accepted() {
    after_accepted(
        "
        edge custody.moved from=edge-0/active to=edge-0/staging
        primary ledger.applied id=17 lsn=0
        edge custody.stored place=edge-0/active ids=[18]
        edge custody.accepted id=18 by=edge-0/
        edge custody.moved from=edge-0/active to=edge-0/staging
        pending record 18
        finish",
    );
}

#[test]
fn an_empty_rename_over_staging_breaks_e1() {
    after_accepted(
        "
        edge custody.moved from=edge-0/active to=edge-0/staging
        edge custody.moved from=edge-0/active to=edge-0/staging   <- E1",
    );
}

#[test]
fn acceptance_before_the_record_is_durable_breaks_e1() {
    after_accepted(
        "
        edge custody.accepted id=18 by=edge-0/      <- E1",
    );
}

#[test]
fn acceptance_of_a_record_that_another_owner_holds_is_fine() {
    after_accepted(
        "
        other custody.accepted id=17 by=edge-1/
        primary ledger.applied id=17 lsn=0
        edge custody.removed place=edge-0/active
        other custody.accepted id=17 by=edge-1/
        finish",
    );
}

#[test]
fn the_active_log_is_unlinked_before_staging_holds_its_records() {
    after_accepted(
        "
        edge custody.removed place=edge-0/active    <- E1",
    );
}

#[test]
fn records_that_nobody_was_promised_may_leave_a_log() {
    after_accepted(
        "
        edge custody.stored place=edge-0/quarantine ids=[18]
        edge custody.removed place=edge-0/quarantine
        pending edge-0/active
        finish",
    );
}

#[test]
fn power_loss_takes_an_accepted_record_that_was_not_synced() {
    after_accepted(
        "
        edge system.exit reason=power
        edge#2 system.boot
        edge#2 custody.found place=edge-0/active ids=[]
        edge#2 custody.found place=edge-0/quarantine ids=[]
        edge#2 custody.found place=edge-0/staging ids=[]
        edge#2 custody.recovered node=edge-0/       <- E1",
    );
}

#[test]
fn a_place_that_recovery_does_not_mention_is_empty() {
    after_accepted(
        "
        edge system.exit reason=power
        edge#2 custody.found place=edge-0/staging ids=[]
        edge#2 custody.recovered node=edge-0/       <- E1",
    );
}

#[test]
fn an_unstated_end_is_known_by_the_next_incarnation() {
    after_accepted(
        "
        edge#2 custody.found place=edge-0/active ids=[]
        edge#2 custody.found place=edge-0/staging ids=[17]
        edge#2 custody.recovered node=edge-0/
        edge#3 system.boot
        edge#3 custody.recovered node=edge-0/       <- E1",
    );
}

#[test]
fn the_primary_loses_what_it_applied() {
    after_accepted(
        "
        edge custody.moved from=edge-0/active to=edge-0/staging
        primary ledger.applied id=17 lsn=0
        edge custody.removed place=edge-0/staging
        primary system.exit reason=power
        primary#2 custody.found place=primary-0/ledger ids=[]
        primary#2 custody.recovered node=primary-0/ <- E1",
    );
}

#[test]
fn both_lose_their_copy_one_after_the_other() {
    after_accepted(
        "
        edge custody.moved from=edge-0/active to=edge-0/staging
        primary ledger.applied id=17 lsn=0
        edge system.exit reason=power
        primary system.exit reason=power
        primary#2 custody.found place=primary-0/ledger ids=[]
        primary#2 custody.recovered node=primary-0/
        pending recovery
        edge#2 custody.found place=edge-0/staging ids=[]
        edge#2 custody.found place=edge-0/active ids=[]
        edge#2 custody.recovered node=edge-0/       <- E1",
    );
}

#[test]
fn staging_of_known_content_is_dropped_while_recovering() {
    after_accepted(
        "
        edge system.exit reason=crash
        edge#2 custody.found place=edge-0/active ids=[17]
        edge#2 custody.found place=edge-0/staging ids=[18]
        edge#2 custody.removed place=edge-0/staging
        edge#2 custody.found place=edge-0/quarantine ids=[]
        edge#2 custody.recovered node=edge-0/       <- E3",
    );
}

#[test]
fn crash_between_a_rename_and_its_mark_is_no_loss() {
    after_accepted(
        "
        edge system.exit reason=crash
        pending recovery
        edge#2 system.boot
        edge#2 custody.found place=edge-0/active ids=[]
        edge#2 custody.found place=edge-0/quarantine ids=[]
        edge#2 custody.found place=edge-0/staging ids=[17]
        edge#2 custody.recovered node=edge-0/
        pending edge-0/staging
        finish",
    );
}

#[test]
fn power_loss_that_undoes_a_rename_is_no_loss() {
    after_accepted(
        "
        edge custody.moved from=edge-0/active to=edge-0/staging
        edge system.exit reason=power
        edge#2 custody.found place=edge-0/staging ids=[]
        edge#2 custody.found place=edge-0/active ids=[17]
        edge#2 custody.recovered node=edge-0/
        finish",
    );
}

#[test]
fn power_loss_that_leaves_both_names_is_no_loss() {
    after_accepted(
        "
        edge custody.moved from=edge-0/active to=edge-0/staging
        edge system.exit reason=power
        edge#2 custody.found place=edge-0/active ids=[17]
        edge#2 custody.found place=edge-0/staging ids=[17]
        edge#2 custody.recovered node=edge-0/
        edge#2 custody.removed place=edge-0/active
        primary ledger.applied id=17 lsn=0
        edge#2 custody.removed place=edge-0/staging
        pending nothing
        finish",
    );
}

#[test]
fn staging_that_was_unlinked_comes_back_after_power_loss() {
    after_accepted(
        "
        edge custody.moved from=edge-0/active to=edge-0/staging
        primary ledger.applied id=17 lsn=0
        edge custody.removed place=edge-0/staging
        edge system.exit reason=power
        edge#2 custody.found place=edge-0/active ids=[]
        edge#2 custody.found place=edge-0/quarantine ids=[]
        edge#2 custody.found place=edge-0/staging ids=[17]
        edge#2 custody.recovered node=edge-0/
        edge#2 custody.removed place=edge-0/staging
        pending nothing
        finish",
    );
}

#[test]
fn crash_between_sync_and_mark_leaves_more_than_was_known() {
    after_accepted(
        "
        edge system.exit reason=crash
        edge#2 custody.found place=edge-0/active ids=[17 18]
        edge#2 custody.found place=edge-0/staging ids=[]
        edge#2 custody.recovered node=edge-0/
        edge#2 custody.accepted id=18 by=edge-0/
        finish",
    );
}

#[test]
fn the_ledger_holds_a_record_whose_applied_mark_was_cut() {
    after_accepted(
        "
        edge custody.moved from=edge-0/active to=edge-0/staging
        primary system.exit reason=crash
        primary#2 custody.found place=primary-0/ledger ids=[17]
        primary#2 custody.recovered node=primary-0/
        primary#2 ledger.duplicate id=17
        edge custody.removed place=edge-0/staging
        pending nothing
        finish",
    );
}

#[test]
fn crash_in_recovery_keeps_the_doubt_and_the_next_recovery_settles_it() {
    after_accepted(
        "
        edge custody.moved from=edge-0/active to=edge-0/staging
        edge system.exit reason=crash
        edge#2 custody.found place=edge-0/staging ids=[]
        edge#2 system.exit reason=power
        edge#3 custody.found place=edge-0/active ids=[]
        edge#3 custody.found place=edge-0/staging ids=[17]
        edge#3 custody.recovered node=edge-0/
        finish",
    );
    after_accepted(
        "
        edge system.exit reason=crash
        edge#2 custody.found place=edge-0/active ids=[]
        edge#2 system.exit reason=power
        edge#3 custody.found place=edge-0/active ids=[]
        edge#3 custody.found place=edge-0/staging ids=[]
        edge#3 custody.recovered node=edge-0/       <- E1",
    );
}

#[test]
fn a_dead_owners_last_known_content_counts_for_others() {
    after_accepted(
        "
        edge custody.moved from=edge-0/active to=edge-0/staging
        primary ledger.applied id=17 lsn=0
        primary system.exit reason=power
        edge custody.removed place=edge-0/staging
        primary#2 custody.found place=primary-0/ledger ids=[17]
        primary#2 custody.recovered node=primary-0/
        pending nothing
        finish",
    );
}

#[test]
fn an_acceptance_while_recovering_is_judged_when_recovered() {
    after_accepted(
        "
        edge system.exit reason=crash
        edge#2 custody.accepted id=18 by=edge-0/
        edge#2 custody.found place=edge-0/active ids=[17 18]
        edge#2 custody.recovered node=edge-0/
        finish",
    );
    after_accepted(
        "
        edge system.exit reason=crash
        edge#2 custody.accepted id=18 by=edge-0/
        edge#2 custody.found place=edge-0/active ids=[17]
        edge#2 custody.recovered node=edge-0/       <- E1",
    );
}

#[test]
fn an_edge_and_its_neighbour_on_one_process_recover_apart() {
    check(
        "custody",
        "
        edge custody.stored place=edge-0/active ids=[1]
        edge custody.stored place=edge-9/active ids=[2]
        edge custody.accepted id=1 by=edge-0/
        edge custody.accepted id=2 by=edge-9/
        edge system.exit reason=crash
        edge#2 custody.found place=edge-0/active ids=[1]
        edge#2 custody.recovered node=edge-0/
        pending edge-9/active
        edge#2 custody.found place=edge-9/active ids=[2]
        edge#2 custody.recovered node=edge-9/
        finish",
    );
}

#[test]
fn a_record_that_went_to_the_neighbour_is_looked_for_when_both_have_recovered() {
    let story = |found: &str, verdict: &str| {
        format!(
            "
            edge custody.stored place=edge-0/active ids=[1]
            edge custody.found place=edge-9/active ids=[]
            edge custody.recovered node=edge-9/
            edge custody.accepted id=1 by=edge-0/
            edge system.exit reason=crash
            edge#2 custody.found place=edge-0/active ids=[]
            edge#2 custody.recovered node=edge-0/
            edge#2 custody.found place=edge-9/active ids={found}
            edge#2 custody.recovered node=edge-9/   {verdict}"
        )
    };
    check("custody", &story("[1]", ""));
    check("custody", &story("[]", "<- E1"));
}

#[test]
fn staging_found_to_hold_a_doubted_record_may_not_drop_it() {
    after_accepted(
        "
        edge custody.stored place=edge-0/active ids=[18]
        edge system.exit reason=crash
        edge#2 custody.found place=edge-0/active ids=[17]
        edge#2 custody.found place=edge-0/staging ids=[18]
        edge#2 custody.removed place=edge-0/staging
        edge#2 custody.recovered node=edge-0/       <- E3",
    );
}

#[test]
fn malformed_marks_are_reported_not_passed_over() {
    for mark in [
        "custody.stored ids=[1]",
        "custody.stored place=edge-0/active",
        "custody.stored place=edge-0/active ids=1",
        "custody.found place=edge-0/active ids=[one]",
        "custody.moved from=edge-0/active",
        "custody.moved from=edge-0/active to=edge-0/active",
        "custody.accepted id=first",
        "custody.recovered",
        "ledger.applied id=1",
    ] {
        check("custody", &format!("edge {mark}   <- MARKS"));
    }
}

#[test]
fn an_excused_process_need_not_recover_or_clear_up() {
    after_accepted(
        "
        edge custody.moved from=edge-0/active to=edge-0/staging
        primary ledger.applied id=17 lsn=0
        pending edge-0/staging
        edge system.exit reason=crash
        pending recovery
        excuse edge
        pending nothing
        other custody.stored place=edge-1/active ids=[18]
        pending edge-1/active
        other custody.moved from=edge-1/active to=edge-1/staging
        primary ledger.applied id=18 lsn=1
        other custody.removed place=edge-1/staging
        pending nothing
        finish",
    );
}

#[test]
fn what_an_excused_process_accepted_must_still_be_delivered_and_not_be_lost() {
    after_accepted(
        "
        excuse edge
        pending record 17",
    );
    after_accepted(
        "
        excuse edge
        edge custody.removed place=edge-0/active       <- E1",
    );
}
