//! Certificates: what is struck can be counted by hand, each flaw is found at its boundary, and the number of
//! threads changes nothing.

use crate::fixture::{Folder, command, registry};
use runner::Exit;
use serde_json::Value;

/// One teller, one client, so many numbers, no faults.
fn tiny(requests: u64, expect: &str) -> String {
    format!(
        r#"
title  = "a teller that may crash anywhere"
nodes  = {{ teller = 1 }}
limits = {{ requests = {requests}, safety = "10s", liveness = "10s" }}
[[workload]]
name = "burst"
[expect]
oracles = ["promise", "answered"]
{expect}
"#
    )
}

/// A certificate as JSON.
#[track_caller]
fn certificate(test: &str, text: &str, more: &[&str], exit: Exit) -> Value {
    let folder = Folder::new(test);
    let file = folder.write("tiny.toml", text);
    let args: Vec<&str> = ["crash-points", &file, "--json"].into_iter().chain(more.iter().copied()).collect();
    let printed = command(&registry(), &args);
    assert_eq!(printed.exit, exit, "{}{}", printed.out, printed.err);
    serde_json::from_str(&printed.out).unwrap()
}

fn number(object: &Value, path: &str) -> u64 {
    object.pointer(path).and_then(Value::as_u64).unwrap_or_else(|| panic!("{path} is missing: {object}"))
}

#[test]
fn boundaries_and_runs_are_those_that_can_be_counted_by_hand() {
    let object = certificate("counted", &tiny(2, ""), &["--second", "all", "--variants", "1"], Exit::Passed);
    // A start makes the file, sets its length, syncs it and its folder; a number is written, synced, answered.
    assert_eq!(number(&object, "/effects"), 4 + 2 * 3);
    // After the sync is before the answer: nothing lies between them.
    assert_eq!(number(&object, "/boundaries"), 2 * 10 - 2);
    assert_eq!(number(&object, "/struck"), 18);
    for (kind, count) in [("crash_before", 8), ("crash_after", 10), ("power_before", 8), ("power_after", 10)] {
        assert_eq!(number(&object, &format!("/recovered/{kind}/of")), count, "{kind}");
        assert_eq!(number(&object, &format!("/recovered/{kind}/recovered")), count, "{kind}");
    }
    let second = number(&object, "/second/of");
    assert_eq!(number(&object, "/second/tried"), second);
    assert_eq!(number(&object, "/runs"), 18 * 2 + second);
    // A recovery makes, sets, syncs and syncs again, or only the last three: six to eight places. Numbers asked
    // within 50 ms of it are part of it, three effects each.
    assert!((18 * 2 * 2 * 6..=18 * 2 * 2 * 19).contains(&second), "{second}");
    assert_eq!(object["groups"][0]["process"], "teller/main");
    assert_eq!(object["failure"], Value::Null);
}

#[test]
fn more_samples_of_what_survives_are_run_only_where_something_is_unsynced() {
    let one = certificate("one", &tiny(2, ""), &["--second", "0", "--variants", "1"], Exit::Passed);
    let nine = certificate("nine", &tiny(2, ""), &["--second", "0", "--variants", "9"], Exit::Passed);
    // Unsynced: from the file's making to the folder's sync, which is 6 places, and from after each write until
    // before its sync ends, which is 2 places a number.
    assert_eq!(number(&nine, "/runs") - number(&one, "/runs"), 8 * (6 + 2 * 2));
}

/// What a certificate that fails says about the place.
fn place(object: &Value) -> String {
    let places = object["failure"]["at"].as_array().unwrap();
    places.iter().map(|place| place.as_str().unwrap()).collect::<Vec<_>>().join(" / ")
}

#[test]
fn an_answer_before_the_sync_fails_at_the_first_loss_of_power_that_can_show_it() {
    let text = tiny(3, "defect = \"T01\"");
    let object = certificate("T01", &text, &["--variants", "20"], Exit::Violated);
    assert_eq!(object["failure"]["oracle"], "promise");
    let place = place(&object);
    assert!(place.starts_with("teller-0 loses power") && place.contains("just before send"), "{place}");
    assert!(place.contains("send fixture.kept/1 to burst-0/client"), "{place}");
    // A process crash keeps the page cache: everything before recovered.
    assert_eq!(object["recovered"]["crash_before"]["recovered"], object["recovered"]["crash_before"]["of"]);
}

#[test]
fn a_restart_that_answers_nobody_is_not_converged_and_first_seen_after_the_first_write() {
    let object = certificate("T04", &tiny(3, "defect = \"T04\""), &[], Exit::NotConverged);
    let place = place(&object);
    assert!(place.starts_with("teller-0/main is killed just after write"), "{place}");
    assert_eq!(number(&object, "/struck"), 10, "the four effects of a start, and both sides of a write: {object}");
}

#[test]
fn what_only_a_second_crash_shows_is_found_in_the_recovery() {
    let text = tiny(3, "defect = \"T05\"");
    certificate("T05-first", &text, &["--second", "0"], Exit::Passed);
    let object = certificate("T05", &text, &["--second", "all"], Exit::Violated);
    assert_eq!(number(&object, "/struck"), number(&object, "/boundaries"), "every first crash recovers");
    assert_eq!(object["failure"]["at"].as_array().map(Vec::len), Some(2));
    let place = place(&object);
    let (_, second) = place.split_once(" / ").unwrap();
    assert!(second.contains("just after truncate") || second.contains("just before write"), "{place}");
}

#[test]
fn the_replay_line_of_a_failure_strikes_the_same_place_and_shows_the_trace_around_it() {
    for (defect, exit) in [("T01", Exit::Violated), ("T04", Exit::NotConverged), ("T05", Exit::Violated)] {
        let folder = Folder::new(&format!("replay-{defect}"));
        let file = folder.write("tiny.toml", &tiny(3, &format!("defect = \"{defect}\"")));
        let failed = command(&registry(), &["crash-points", &file, "--second", "all"]);
        assert_eq!(failed.exit, exit, "{}", failed.out);
        assert!(failed.out.contains("NOT RECOVERED"), "{}", failed.out);
        let replay = failed.out.lines().last().unwrap();
        let args: Vec<&str> = replay.strip_prefix("replay: stormproof ").unwrap().split(' ').collect();
        let again = command(&registry(), &args);
        assert_eq!(again.exit, exit, "{replay}\n{}", again.out);
        assert_eq!(again.out.lines().last().unwrap(), replay);
        assert!(again.out.contains("crash    #1"), "the crash is not in the trace:\n{}", again.out);
        let place = failed.out.lines().find(|line| line.contains(" just ")).unwrap().trim();
        assert!(again.out.contains(place), "{place} is missing:\n{}", again.out);
    }
}

#[test]
fn threads_change_nothing() {
    for (text, exit) in [
        (tiny(4, ""), Exit::Passed),
        (tiny(4, "defect = \"T01\""), Exit::Violated),
        (tiny(4, "defect = \"T05\""), Exit::Violated),
    ] {
        let folder = Folder::new("crash-threads");
        let file = folder.write("tiny.toml", &text);
        let run = |jobs: &str| {
            let printed = command(&registry(), &["crash-points", &file, "--json", "--jobs", jobs, "--second", "300"]);
            assert_eq!(printed.exit, exit, "{}", printed.out);
            let mut object: Value = serde_json::from_str(&printed.out).unwrap();
            object["wall_time"].take();
            object
        };
        assert_eq!(run("1"), run("8"));
    }
}

#[test]
fn a_run_that_fails_by_itself_is_reported_as_such_with_its_place() {
    let object = certificate("T02", &tiny(30, "defect = \"T02\"\ncaught_by = \"promise\""), &[], Exit::Panicked);
    assert_eq!((number(&object, "/runs"), &object["failure"]), (0, &Value::Null));
    assert!(object["without_crash"]["facts"][0].as_str().unwrap().contains("cannot count"), "{object}");
    let drawn = tiny(30, "defect = \"T01\"").replace(
        "[expect]",
        "[swarm]\nfaults = false\n[[fault]]\nkind = \"power_loss\"\nevery = \"100ms\"\nlasts = \"50ms\"\n[expect]",
    );
    let object = certificate("T01-drawn", &drawn, &["--faults", "drawn"], Exit::Violated);
    assert_eq!(object["without_crash"]["oracle"], "promise");
    assert!(object["without_crash"]["at"][0].as_str().unwrap().starts_with("teller-0/main, just "), "{object}");
    // Without the drawn crashes the certificate's own find it.
    let object = certificate("T01-helping", &drawn, &["--variants", "20"], Exit::Violated);
    assert_eq!((&object["faults"], &object["without_crash"]), (&"helping".into(), &Value::Null));
}

#[test]
fn a_certificate_that_time_cuts_short_proves_nothing() {
    let object = certificate("short", &tiny(4, ""), &["--limit-time", "1ns"], Exit::Vacuous);
    assert_eq!((number(&object, "/struck"), &object["failure"]), (0, &Value::Null));
}

#[test]
fn a_token_that_names_no_boundary_is_refused_or_said_to_be_stale() {
    let folder = Folder::new("tokens");
    let file = folder.write("tiny.toml", &tiny(2, ""));
    for (token, why) in [
        ("teller-0/main@5", "is no boundary: write PROCESS@NANOSECONDS:crash"),
        ("teller-0/main@5:boom", "is no boundary"),
        ("nobody@5:crash", "no process `nobody`"),
        ("teller-0/main@5:crash+teller-0/main@5:power0", "two in the order of time"),
    ] {
        let printed = command(&registry(), &["crash-points", &file, "--at", token]);
        assert_eq!(printed.exit, Exit::Usage, "{token}: {}", printed.out);
        assert!(printed.err.contains(why), "{token}: {}", printed.err);
    }
    let printed = command(&registry(), &["crash-points", &file, "--at", "teller-0/main@123456789:power1"]);
    assert_eq!(printed.exit, Exit::Passed, "{}", printed.out);
    assert!(printed.out.contains("meets no boundary any more"), "{}", printed.out);
}
