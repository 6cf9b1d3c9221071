//! Leases (C2): what it must reject and accept. A line's number is its time in milliseconds.

use crate::story::check;

#[test]
fn a_lease_that_is_renewed_goes_on_and_ends_when_it_is_not() {
    check(
        "leases",
        "
        edge lease.held lease=7 span=2000000
        edge lease.held lease=7 span=2000000
        # nothing was promised beyond the fifth millisecond
        primary lease.ended lease=7 why=expired
        other lease.ended lease=7 why=expired
        finish",
    );
}

#[test]
fn a_lease_that_was_given_up_may_end_at_once_and_in_either_way() {
    check(
        "leases",
        "
        edge lease.held lease=7 span=90000000
        edge lease.given_up lease=7
        primary lease.ended lease=7 why=revoked
        edge lease.held lease=8 span=90000000
        edge lease.given_up lease=8
        primary lease.ended lease=8 why=expired
        finish",
    );
}

#[test]
fn a_lease_of_which_nothing_was_promised_may_expire() {
    check("leases", "primary lease.ended lease=7 why=expired\nfinish");
}

#[test]
fn a_stated_drift_shortens_the_promise() {
    check(
        "leases",
        "
        edge lease.held lease=7 span=2000000 drift_ppm=600000
        primary lease.ended lease=7 why=expired
        finish",
    );
    check(
        "leases",
        "
        edge lease.held lease=7 span=2000000 drift_ppm=400000
        primary lease.ended lease=7 why=expired   <- C2",
    );
}

#[test]
fn a_renewed_lease_expires() {
    check(
        "leases",
        "
        edge lease.held lease=7 span=2000000
        edge lease.held lease=7 span=9000000
        edge lease.held lease=7 span=1000000
        primary lease.ended lease=7 why=expired   <- C2",
    );
}

#[test]
fn a_lease_expires_just_before_its_holder_hears_that_it_was_renewed() {
    check(
        "leases",
        "
        edge lease.held lease=7 span=1000000
        primary lease.ended lease=8 why=expired
        primary lease.ended lease=7 why=expired
        edge lease.held lease=7 span=1000000   <- C2",
    );
}

#[test]
fn a_lease_is_revoked_that_its_holder_did_not_give_up() {
    check("leases", "edge lease.held lease=7 span=0\nprimary lease.ended lease=7 why=revoked   <- C2");
    check(
        "leases",
        "
        edge lease.given_up lease=8
        primary lease.ended lease=7 why=revoked   <- C2",
    );
}

#[test]
fn replicas_disagree_how_a_lease_ended() {
    check(
        "leases",
        "
        edge lease.given_up lease=7
        primary lease.ended lease=7 why=revoked
        other lease.ended lease=7 why=expired   <- C2",
    );
}

#[test]
fn marks_that_make_no_sense_are_reported() {
    check("leases", "primary lease.ended lease=7 why=forgotten   <- MARKS");
    check("leases", "edge lease.held lease=7   <- MARKS");
    check("leases", "edge lease.given_up   <- MARKS");
}
