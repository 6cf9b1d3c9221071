//! Convergence: whom a healed run still waits for. It rejects only histories that make no sense.

use crate::story::check;

#[test]
fn a_run_is_not_over_before_a_client_begins() {
    check(
        "convergence",
        "
        pending first client
        edge system.boot
        edge custody.accepted id=1 by=edge-0/
        pending first client
        finish",
    );
}

#[test]
fn a_client_is_waited_for_until_it_is_done() {
    check(
        "convergence",
        "
        client history.invoke id=1 action=ingest input=17
        pending client 10 for operation 1, ingest 17, since 0.002000s
        pending client 10 to be done
        client history.complete id=1 outcome=ok output=0
        pending client 10 to be done
        client workload.done client=0
        pending nothing
        finish",
    );
}

#[test]
fn every_client_that_began_is_waited_for() {
    check(
        "convergence",
        "
        client history.invoke id=1 action=ingest input=17
        client2 workload.done client=1
        client history.complete id=1 outcome=ok output=0
        pending client 10 to be done
        client workload.done client=0
        pending nothing",
    );
}

#[test]
fn a_client_that_is_done_may_not_leave_an_operation_open() {
    check(
        "convergence",
        "
        client history.invoke id=1 action=ingest input=17
        client workload.done client=0
        pending operation 1",
    );
}

#[test]
fn a_client_that_ended_is_waited_for_again_but_not_its_operations() {
    check(
        "convergence",
        "
        client history.invoke id=1 action=ingest input=17
        client system.exit reason=crash
        pending client 10 to be done
        client#2 system.boot
        client#2 history.invoke id=2 action=ingest input=17
        pending operation 2
        client#2 history.complete id=2 outcome=ok output=0
        client#2 workload.done client=0
        pending nothing",
    );
}

#[test]
fn many_waits_are_summed_up() {
    let mut story: String =
        (1..=9).map(|op| format!("client history.invoke id={op} action=ingest input={op}\n")).collect();
    story.push_str("pending and 6 more\n");
    check("convergence", &story);
}

#[test]
fn an_unknown_outcome_completes_an_operation() {
    check(
        "convergence",
        "
        client history.invoke id=1 action=ingest input=17
        client history.complete id=1 outcome=info output=0
        client workload.done client=0
        pending nothing",
    );
}

#[test]
fn histories_that_make_no_sense_are_reported() {
    for story in [
        "client history.complete id=1 outcome=ok output=0   <- MARKS",
        "client history.invoke id=1 action=ingest input=1
         client history.complete id=1 outcome=ok output=0
         client history.complete id=1 outcome=ok output=0   <- MARKS",
        "client history.invoke id=1 action=ingest input=1
         client history.invoke id=1 action=ingest input=1   <- MARKS",
        "client history.invoke id=1 action=ingest input=1
         client2 history.complete id=1 outcome=ok output=0   <- MARKS",
        "client history.invoke id=1 action=ingest input=1
         client history.complete id=1 outcome=maybe output=0   <- MARKS",
        "client history.invoke id=1 input=1   <- MARKS",
        "client history.invoke id=1 action=ingest input=1
         client system.exit reason=crash
         client history.complete id=1 outcome=ok output=0   <- MARKS",
    ] {
        check("convergence", story);
    }
}

#[test]
fn nobody_waits_for_an_excused_client_and_everybody_for_the_others() {
    check(
        "convergence",
        "
        client history.invoke id=1 action=ingest input=17
        client2 history.invoke id=2 action=ingest input=18
        excuse client
        excuse edge
        pending client 11 for operation 2
        client2 history.complete id=2 outcome=ok output=0
        pending client 11 to be done
        client2 workload.done client=1
        pending nothing
        client history.invoke id=3 action=ingest input=19
        pending nothing
        client2 history.invoke id=4 action=ingest input=20
        pending operation 4",
    );
}

#[test]
fn an_excuse_does_not_begin_a_run() {
    check(
        "convergence",
        "
        excuse client
        pending first client
        client workload.done client=0
        pending nothing",
    );
}

#[test]
fn what_an_excused_client_says_must_still_make_sense() {
    for story in [
        "excuse client
         client history.complete id=1 outcome=ok output=0   <- MARKS",
        "client history.invoke id=1 action=ingest input=1
         excuse client
         client history.invoke id=1 action=ingest input=1   <- MARKS",
        "client history.invoke id=1 action=ingest input=1
         excuse client
         client2 history.complete id=1 outcome=ok output=0   <- MARKS",
        "client history.invoke id=1 action=ingest input=1
         excuse client
         client history.complete id=1 outcome=maybe output=0   <- MARKS",
        "excuse client
         client history.invoke id=1 input=1   <- MARKS",
    ] {
        check("convergence", story);
    }
}
