//! Exit codes, JSON and reports of the commands, through the library's entry.

use crate::fixture::{CALM, Folder, UNRELATED, command, planted, registry};
use runner::Exit;
use serde_json::Value;

#[test]
fn a_run_that_passes_shows_its_plan_first_and_its_replay_line_last() {
    let folder = Folder::new("passes");
    let file = folder.write("calm.toml", CALM);
    let printed = command(&registry(), &["run", &file, "--seed", "3"]);
    assert_eq!(printed.exit, Exit::Passed, "{}", printed.out);
    let lines: Vec<&str> = printed.out.lines().collect();
    assert!(lines[0].starts_with("scenario") && lines[0].contains("numbers are kept"), "{}", printed.out);
    assert!(printed.out.contains("\nPASSED\n"), "{}", printed.out);
    assert!(lines[lines.len() - 1].starts_with("replay: stormproof replay SP1:"), "{}", printed.out);
    let replayed = command(&registry(), &["replay", lines[lines.len() - 1].split(' ').next_back().unwrap()]);
    assert_eq!(replayed.exit, Exit::Passed);
    assert!(replayed.out.contains("it passes, as before\nthe fingerprint is equal"), "{}", replayed.out);
}

#[test]
fn json_has_exactly_the_published_keys() {
    let folder = Folder::new("json");
    let file = folder.write("calm.toml", CALM);
    let printed = command(&registry(), &["run", &file, "--seed", "3", "--json"]);
    let object: Value = serde_json::from_str(&printed.out).unwrap();
    let keys: Vec<&String> = object.as_object().unwrap().keys().collect();
    let mut published = [
        "scenario",
        "seed",
        "verdict",
        "exit",
        "signature",
        "oracle",
        "invariant",
        "virtual_time",
        "events",
        "fingerprint",
        "faults",
        "undecided",
        "warnings",
        "replay",
    ];
    published.sort_unstable();
    assert_eq!(keys, published);
    assert_eq!((&object["verdict"], &object["exit"], &object["seed"]), (&"passed".into(), &0.into(), &3.into()));
    assert_eq!(object["fingerprint"].as_str().map(str::len), Some(16));
    assert!(object["virtual_time"].as_f64().unwrap() > 1.0);
    for kind in ["power_loss", "loss"] {
        let counts = &object["faults"][kind];
        assert!(counts["asked"].as_u64().is_some() && counts["fired"].as_u64().is_some(), "{object}");
    }
}

#[test]
fn a_broken_invariant_exits_1_and_replays_the_same_way() {
    let folder = Folder::new("violated");
    let file = folder.write("T01.toml", &planted("T01", ""));
    let failing = (0..200).map(|seed| command(&registry(), &["run", &file, "--seed", &seed.to_string()]));
    let printed = failing.into_iter().find(|printed| printed.exit != Exit::Passed).expect("T01 is found");
    assert_eq!(printed.exit, Exit::Violated);
    assert!(printed.out.contains("VIOLATED  by promise, invariant K1\n  number "), "{}", printed.out);
    assert!(printed.out.contains("events that carried the facts"), "{}", printed.out);
    let token = printed.out.lines().last().unwrap().split(' ').next_back().unwrap();
    let replayed = command(&registry(), &["replay", token]);
    assert_eq!(replayed.exit, Exit::Violated);
    assert!(replayed.out.contains("it still fails the same way\nthe fingerprint is equal"), "{}", replayed.out);

    folder.write("T01.toml", &planted("T01", "").replace("requests = 40", "requests = 1"));
    let replayed = command(&registry(), &["replay", token]);
    assert!(replayed.err.contains("has changed since the token was made"), "{}", replayed.err);
    assert!(replayed.out.contains("the fingerprint differs"), "{}", replayed.out);
}

#[test]
fn a_panic_exits_4_and_names_the_message_the_place_and_the_process() {
    let folder = Folder::new("panics");
    let file = folder.write("T02.toml", &planted("T02", "caught_by = \"promise\""));
    let printed = command(&registry(), &["run", &file]);
    assert_eq!(printed.exit, Exit::Panicked, "{}", printed.out);
    assert!(printed.out.contains("cannot count to") && printed.out.contains("fixture.rs:"), "{}", printed.out);
    assert!(printed.out.contains("signature panic in sim/runner/tests/all/fixture.rs: teller # cannot count to #"));
    assert!(printed.out.contains("\n  while teller-") && printed.out.contains("last events"), "{}", printed.out);
}

#[test]
fn a_system_that_does_not_converge_exits_3_and_says_who_waits_for_what() {
    let folder = Folder::new("waits");
    let file = folder.write("T04.toml", &planted("T04", "caught_by = \"answered\""));
    let printed = command(&registry(), &["run", &file]);
    assert_eq!(printed.exit, Exit::NotConverged, "{}", printed.out);
    assert!(
        printed.out.contains("NOT CONVERGED  by answered, invariant LIVE\n  answered waits: number "),
        "{}",
        printed.out
    );
    assert!(printed.out.contains("signature answered/LIVE: number # waits for an answer"), "{}", printed.out);
    assert!(printed.out.contains("to teller-") && printed.out.contains("delivered, none answered"), "{}", printed.out);
}

#[test]
fn an_actor_with_state_outside_the_world_exits_5_and_the_first_difference_is_named() {
    let folder = Folder::new("differs");
    let file = folder.write("T03.toml", &planted("T03", ""));
    let printed = command(&registry(), &["run", &file, "--check-determinism"]);
    assert_eq!(printed.exit, Exit::NotDeterministic, "{}", printed.out);
    assert!(printed.out.contains("differs first at event"), "{}", printed.out);
    let calm = folder.write("calm.toml", CALM);
    let printed = command(&registry(), &["run", &calm, "--check-determinism"]);
    assert_eq!(printed.exit, Exit::Passed);
    assert!(printed.out.contains("went the same way, event by event"), "{}", printed.out);
}

#[test]
fn a_fault_that_meets_nobody_exits_6() {
    let folder = Folder::new("vacuous");
    // Messages are lost only where there are any: the target has no client.
    let fault = "[[fault]]\nkind = \"loss\"\nchance = 0.000001\nevery = \"0s..1ms\"\nlasts = \"1ms\"\nlimit = 3\n[swarm]\nfaults = false\n";
    let file = folder.write(
        "v.toml",
        &CALM.replace("[expect]", &format!("{fault}[expect]")).replace("chance = 0.1", "chance = 0.000001"),
    );
    let printed = command(&registry(), &["run", &file]);
    assert_eq!(printed.exit, Exit::Vacuous, "{}", printed.out);
    assert!(printed.out.contains("fault loss was asked for") && printed.out.contains("met nobody"), "{}", printed.out);
}

#[test]
fn an_oracle_that_is_named_and_judges_nothing_exits_6() {
    let folder = Folder::new("idle");
    let file = folder.write("idle.toml", &CALM.replace("\"answered\"]", "\"answered\", \"idle\"]"));
    let printed = command(&registry(), &["run", &file, "--seed", "3"]);
    assert_eq!(printed.exit, Exit::Vacuous, "{}", printed.out);
    assert!(printed.out.contains("oracle idle judged nothing"), "{}", printed.out);
}

#[test]
fn usage_errors_exit_2() {
    let folder = Folder::new("usage");
    let file = folder.write("calm.toml", CALM);
    for (args, why) in [
        (vec!["run"], "required arguments"),
        (vec!["rnu"], "unrecognized subcommand"),
        (vec!["run", "no/such.toml"], "cannot read scenario `no/such.toml`"),
        (vec!["run", &file, "--seed", "x"], "invalid value 'x'"),
        (vec!["run", &file, "--real"], "no real host"),
        (vec!["sweep", &file, "--seeds", "5..5"], "is empty"),
        (vec!["sweep", &file, "--shard", "3/2"], "as in 2/8"),
        (vec!["replay", "SP1:cut"], "was it cut?"),
        (vec!["defects", "P99"], "no planted defect `P99`; known: `T01`"),
        (vec!["check", env!("CARGO_MANIFEST_DIR")], "no *.toml file"),
    ] {
        let printed = command(&registry(), &args);
        // The crate's own folder does hold a manifest, which is no scenario.
        let expected = if args[0] == "check" { "unknown key `package`" } else { why };
        assert_eq!(printed.exit, Exit::Usage, "{args:?}: {}", printed.err);
        assert!(printed.err.contains(expected), "{args:?}: {}", printed.err);
    }
}

#[test]
fn help_is_a_result_and_shows_examples() {
    for (args, shows) in [(vec!["--help"], "Exit codes:"), (vec!["sweep", "--help"], "--time 10m --shard 2/8")] {
        let printed = command(&registry(), &args);
        assert_eq!(printed.exit, Exit::Passed);
        assert!(printed.out.contains(shows) && printed.err.is_empty(), "{}", printed.out);
    }
}

#[test]
fn an_unrelated_role_in_the_registry_changes_no_fingerprint() {
    let folder = Folder::new("unrelated");
    let file = folder.write("calm.toml", CALM);
    let mut more = registry();
    more.roles.insert(0, UNRELATED);
    for seed in ["1", "2", "3"] {
        let args = ["run", &*file, "--seed", seed, "--json"];
        assert_eq!(command(&registry(), &args).out, command(&more, &args).out);
    }
}

#[test]
fn the_schema_and_the_list_name_everything_of_the_registry() {
    let schema: Value = serde_json::from_str(&command(&registry(), &["schema"]).out).unwrap();
    let properties = &schema["properties"];
    assert_eq!(properties["nodes"]["properties"]["teller"]["minimum"], 1);
    assert_eq!(properties["knobs"]["properties"]["teller"]["properties"]["pad"]["maximum"], 64);
    assert_eq!(properties["workload"]["items"]["oneOf"][0]["properties"]["name"]["const"], "burst");
    assert_eq!(
        properties["fault"]["items"]["properties"]["kind"]["enum"].as_array().map(Vec::len),
        Some(kernel::FaultKind::ALL.len())
    );
    assert_eq!(schema["additionalProperties"], false);
    let list: Value = serde_json::from_str(&command(&registry(), &["list", "--json"]).out).unwrap();
    assert_eq!(list["roles"][0]["knobs"][1]["default"], 250_000_000);
    assert_eq!(list["oracles"][0]["invariants"][0], "K1");
    let text = command(&registry(), &["list"]).out;
    for name in ["teller", "burst", "late_replay", "promise", "T01", "0..=64"] {
        assert!(text.contains(name), "{name} is not listed:\n{text}");
    }
}
