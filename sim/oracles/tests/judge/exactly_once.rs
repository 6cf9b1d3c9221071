//! Exactly once (E2): what it must reject, what it must accept, and what it waits for.

use crate::story::check;

/// Two records that are sent, applied and acknowledged, before each of the stories below.
const APPLIED: &str = "
primary custody.found place=primary-0/ledger ids=[]
client history.invoke id=1 action=ingest input=17
client history.invoke id=2 action=ingest input=18
primary ledger.applied id=17 lsn=0
client history.complete id=1 outcome=ok output=0
primary ledger.applied id=18 lsn=1
client history.complete id=2 outcome=ok output=0
";

fn after_applied(story: &str) {
    check("exactly_once", &format!("{APPLIED}{story}"));
}

#[test]
fn scans_that_grow_with_the_ledger_are_accepted() {
    after_applied(
        "
        client history.invoke id=3 action=scan input=0
        client history.invoke id=4 action=ingest input=19
        primary ledger.applied id=19 lsn=2
        primary ledger.duplicate id=19
        client history.complete id=3 outcome=ok output=[17 18]
        client history.invoke id=5 action=scan input=0
        client history.complete id=5 outcome=ok output=[17 18 19]
        pending nothing
        finish",
    );
}

#[test]
fn an_acknowledged_record_is_waited_for_and_missed_at_the_end() {
    after_applied(
        "
        client history.invoke id=3 action=ingest input=19
        pending nothing
        client history.complete id=3 outcome=ok output=0
        pending record 19
        finish   <- E2",
    );
}

#[test]
fn unknown_and_unfinished_operations_may_have_happened_or_not() {
    after_applied(
        "
        client history.invoke id=3 action=ingest input=19
        client history.invoke id=4 action=ingest input=20
        client history.invoke id=5 action=ingest input=21
        client history.invoke id=6 action=ingest input=22
        client history.complete id=3 outcome=info output=0
        client history.complete id=4 outcome=info output=0
        primary ledger.applied id=19 lsn=2
        primary ledger.applied id=21 lsn=3
        finish",
    );
}

#[test]
fn applied_twice() {
    after_applied("primary ledger.applied id=17 lsn=2   <- E2");
}

#[test]
fn applied_by_two_ledgers() {
    after_applied("second ledger.applied id=17 lsn=0   <- E2");
}

#[test]
fn applied_again_after_a_restart_forgot_it() {
    after_applied(
        "
        primary system.exit reason=crash
        primary#2 custody.found place=primary-0/ledger ids=[17 18]
        primary#2 ledger.applied id=18 lsn=2   <- E2",
    );
}

#[test]
fn phantom_record() {
    after_applied("primary ledger.applied id=99 lsn=2   <- E2");
}

#[test]
fn phantom_record_found_by_recovery() {
    after_applied("primary#2 custody.found place=primary-0/ledger ids=[17 18 99]   <- E2");
}

#[test]
fn lsn_used_again() {
    after_applied(
        "
        client history.invoke id=3 action=ingest input=19
        primary ledger.applied id=19 lsn=1   <- E2",
    );
}

#[test]
fn lsn_left_out() {
    after_applied(
        "
        client history.invoke id=3 action=ingest input=19
        primary ledger.applied id=19 lsn=3   <- E2",
    );
}

#[test]
fn lsns_go_on_after_a_restart_that_found_a_record_whose_mark_was_cut() {
    after_applied(
        "
        client history.invoke id=3 action=ingest input=19
        client history.invoke id=4 action=ingest input=20
        primary system.exit reason=crash
        primary#2 custody.found place=primary-0/ledger ids=[17 18 19]
        primary#2 ledger.applied id=20 lsn=3
        client history.invoke id=5 action=scan input=0
        client history.complete id=5 outcome=ok output=[17 18 19 20]
        finish",
    );
    after_applied(
        "
        client history.invoke id=3 action=ingest input=19
        client history.invoke id=4 action=ingest input=20
        primary system.exit reason=crash
        primary#2 custody.found place=primary-0/ledger ids=[17 18 19]
        primary#2 ledger.applied id=20 lsn=2   <- E2",
    );
}

#[test]
fn lsns_may_start_at_one_and_recovery_may_find_a_ledger_that_nobody_saw_filled() {
    check(
        "exactly_once",
        "
        client history.invoke id=1 action=ingest input=1
        client history.invoke id=2 action=ingest input=2
        client history.invoke id=3 action=ingest input=3
        primary#2 custody.found place=primary-0/ledger ids=[2 1]
        primary#2 ledger.applied id=3 lsn=3
        client history.invoke id=4 action=scan input=0
        client history.complete id=4 outcome=ok output=[1 2 3]
        finish",
    );
}

#[test]
fn an_lsn_lower_than_the_records_before_it() {
    check(
        "exactly_once",
        "
        client history.invoke id=1 action=ingest input=1
        client history.invoke id=2 action=ingest input=2
        client history.invoke id=3 action=ingest input=3
        primary#2 custody.found place=primary-0/ledger ids=[2 1]
        primary#2 ledger.applied id=3 lsn=1   <- E2",
    );
}

#[test]
fn recovery_loses_an_applied_record() {
    after_applied("primary#2 custody.found place=primary-0/ledger ids=[17]   <- E2");
}

#[test]
fn recovery_reads_a_record_twice() {
    after_applied("primary#2 custody.found place=primary-0/ledger ids=[17 18 17]   <- E2");
}

#[test]
fn other_places_that_recovery_finds_are_not_judged() {
    after_applied(
        "
        edge custody.found place=edge-0/active ids=[17 17 99]
        finish",
    );
}

#[test]
fn duplicate_of_a_record_that_nobody_sent() {
    after_applied("primary ledger.duplicate id=99   <- E2");
}

#[test]
fn a_repetition_is_recognised_while_the_first_submission_waits_for_its_sync() {
    after_applied(
        "
        client history.invoke id=3 action=ingest input=19
        primary ledger.duplicate id=19
        primary ledger.applied id=19 lsn=2
        finish",
    );
}

#[test]
fn scan_misses_a_record_that_was_applied_before_it_began() {
    after_applied(
        "
        client history.invoke id=3 action=scan input=0
        client history.complete id=3 outcome=ok output=[17]   <- E2",
    );
}

#[test]
fn scan_shrinks() {
    after_applied(
        "
        client history.invoke id=3 action=scan input=0
        client history.complete id=3 outcome=ok output=[17 18]
        client2 history.invoke id=4 action=scan input=0
        client2 history.complete id=4 outcome=ok output=[]   <- E2",
    );
}

#[test]
fn scan_shows_a_record_twice() {
    after_applied(
        "
        client history.invoke id=3 action=scan input=0
        client history.complete id=3 outcome=ok output=[17 18 17]   <- E2",
    );
}

#[test]
fn scan_is_out_of_order() {
    after_applied(
        "
        client history.invoke id=3 action=scan input=0
        client history.complete id=3 outcome=ok output=[18 17]   <- E2",
    );
}

#[test]
fn two_scans_disagree_on_records_whose_marks_were_cut() {
    check(
        "exactly_once",
        "
        client history.invoke id=1 action=ingest input=1
        client history.invoke id=2 action=ingest input=2
        primary#2 custody.found place=primary-0/ledger ids=[1 2]
        client history.invoke id=3 action=scan input=0
        client history.complete id=3 outcome=ok output=[2 1]
        client history.invoke id=4 action=scan input=0
        client history.complete id=4 outcome=ok output=[1 2]   <- E2",
    );
}

#[test]
fn scans_agree_on_records_whose_marks_were_cut() {
    let story = |last: &str| {
        format!(
            "
            client history.invoke id=1 action=ingest input=1
            client history.invoke id=2 action=ingest input=2
            primary#2 custody.found place=primary-0/ledger ids=[1 2]
            client history.invoke id=3 action=scan input=0
            client history.complete id=3 outcome=ok output=[2 1]
            client history.invoke id=4 action=scan input=0
            client history.complete id=4 outcome=ok output={last}"
        )
    };
    check("exactly_once", &story("[2 1]"));
    check("exactly_once", &story("[2 1 2]   <- E2"));
    check("exactly_once", &story("[2 2]   <- E2"));
}

#[test]
fn scan_shows_a_record_that_was_not_applied() {
    after_applied(
        "
        client history.invoke id=3 action=ingest input=19
        client history.invoke id=4 action=scan input=0
        client history.complete id=4 outcome=ok output=[17 18 19]   <- E2",
    );
}

#[test]
fn scans_without_a_result_are_not_judged() {
    after_applied(
        "
        client history.invoke id=3 action=scan input=0
        client history.complete id=3 outcome=info output=0
        client history.invoke id=4 action=scan input=0
        client history.complete id=4 outcome=fail output=0
        finish",
    );
}

#[test]
fn a_record_whose_ingest_failed_is_applied_later() {
    after_applied(
        "
        client history.invoke id=3 action=ingest input=19
        client history.complete id=3 outcome=fail output=0
        primary ledger.applied id=19 lsn=2   <- E2",
    );
}

#[test]
fn a_record_that_was_applied_is_reported_as_failed() {
    after_applied(
        "
        client history.invoke id=3 action=ingest input=19
        primary ledger.applied id=19 lsn=2
        client history.complete id=3 outcome=fail output=0   <- E2",
    );
}

#[test]
fn a_failed_attempt_beside_an_open_one_says_nothing() {
    after_applied(
        "
        client history.invoke id=3 action=ingest input=19
        client2 history.invoke id=4 action=ingest input=19
        client history.complete id=3 outcome=fail output=0
        primary ledger.applied id=19 lsn=2
        client2 history.complete id=4 outcome=ok output=0
        finish",
    );
}

#[test]
fn with_two_ledgers_scans_are_judged_by_content_only() {
    after_applied(
        "
        client history.invoke id=3 action=ingest input=19
        second ledger.applied id=19 lsn=0
        client history.invoke id=4 action=scan input=1
        client history.complete id=4 outcome=ok output=[19]
        client history.invoke id=5 action=scan input=1
        client history.complete id=5 outcome=ok output=[19 19]   <- E2",
    );
}

#[test]
fn malformed_histories_are_reported() {
    for story in [
        "client history.invoke id=1 action=ingest input=one   <- MARKS",
        "client history.invoke action=ingest input=1   <- MARKS",
        "client history.complete id=1 outcome=ok output=0   <- MARKS",
        "primary ledger.duplicate   <- MARKS",
        "client history.invoke id=1 action=scan input=0
         client history.complete id=1 outcome=ok output=17   <- MARKS",
        "client history.invoke id=1 action=scan input=0
         client history.complete id=1 outcome=fine output=[]   <- MARKS",
        "client history.invoke id=1 action=scan input=0
         client2 history.complete id=1 outcome=ok output=[]   <- MARKS",
        "client history.invoke id=1 action=ingest input=1
         client2 history.invoke id=1 action=ingest input=2   <- MARKS",
    ] {
        check("exactly_once", story);
    }
}
