//! Shrinking: the result fails the same way, says so, and loses nothing more; the writer's files read back.

use crate::fixture::{CALM, Folder, command, planted, registry};
use runner::run::{self, Keep};
use runner::scenario::write::{Comments, write};
use runner::{Exit, Scenario, draw, units};
use serde_json::Value as Json;
use std::time::Duration;
use toml::{Table, Value};

/// The first seed of a file that fails.
fn failing_seed(file: &str) -> String {
    let fails = |seed: &String| command(&registry(), &["run", file, "--seed", seed]).exit != Exit::Passed;
    (0..300).map(|seed| seed.to_string()).find(fails).expect("some seed fails")
}

fn shrunk(file: &str, seed: &str, more: &[&str]) -> Json {
    let args = [&["shrink", file, "--seed", seed, "--json"], more].concat();
    let printed = command(&registry(), &args);
    assert_eq!(printed.exit, Exit::Passed, "{}", printed.err);
    serde_json::from_str(&printed.out).unwrap()
}

/// The signature with which a scenario's own seed fails; `None` if it passes or is no scenario.
fn signature(text: &str) -> Option<String> {
    let scenario = Scenario::parse("shrunk.toml", text, &registry()).ok()?;
    run::run(&scenario, &registry(), scenario.seed?, Keep::LITTLE).ok()?.verdict.signature
}

#[test]
fn a_broken_promise_shrinks_to_a_commented_file_that_breaks_it_again() {
    let folder = Folder::new("shrink");
    let file = folder.write("T01.toml", &planted("T01", ""));
    let (seed, out) = (failing_seed(&file), folder.path("small.toml"));
    let printed = command(&registry(), &["shrink", &file, "--seed", &seed, "--out", &out]);
    assert_eq!(printed.exit, Exit::Passed, "{}", printed.err);
    assert!(printed.out.contains("certified 1-minimal"), "{}", printed.out);
    assert!(printed.err.contains(" runs  ") && printed.err.contains(" -> "), "{}", printed.err);
    let text = std::fs::read_to_string(&out).unwrap();
    assert!(text.starts_with("# Fails: promise/K1: a kept number is gone after a restart\n# number "), "{text}");
    assert!(text.contains("# Certified 1-minimal by ") && text.contains("\n# At "), "{text}");
    let last = printed.out.lines().last().unwrap();
    assert_eq!(last, format!("replay: stormproof replay {out}"));
    assert_eq!(command(&registry(), &["check", &out]).exit, Exit::Passed);
    let replayed = command(&registry(), &["replay", &out]);
    assert_eq!(replayed.exit, Exit::Violated);
    assert!(replayed.out.contains("it still fails the same way"), "{}", replayed.out);
}

#[test]
fn a_certified_file_fails_no_more_without_any_one_part() {
    let folder = Folder::new("minimal");
    for defect in ["T01", "T02", "T04"] {
        let file = folder.write(&format!("{defect}.toml"), &planted(defect, "caught_by = \"promise\""));
        let result = shrunk(&file, &failing_seed(&file), &[]);
        assert_eq!(result["minimal"], true, "{result}");
        let text = result["text"].as_str().unwrap();
        let fails = signature(text);
        assert_eq!(fails.as_deref(), result["signature"].as_str(), "{text}");
        let smaller = removals(&text.parse().unwrap());
        assert!(smaller.len() >= 3, "a removal of each kind is tried: {}", smaller.len());
        for (what, table) in smaller {
            assert_ne!(signature(&table.to_string()), fails, "without {what} it still fails:\n{text}");
        }
    }
}

#[test]
fn what_shrinks_is_much_smaller_and_counted_before_and_after() {
    let folder = Folder::new("sizes");
    let file = folder.write("T01.toml", &planted("T01", ""));
    let result = shrunk(&file, &failing_seed(&file), &[]);
    let (before, after) = (&result["before"], &result["after"]);
    assert_eq!((&before["requests"], &before["nodes"]), (&40.into(), &4.into()));
    assert_eq!(
        (&after["requests"], &after["nodes"], &after["occurrences"]),
        (&1.into(), &2.into(), &1.into()),
        "{result}"
    );
    assert!(after["events"].as_u64() < before["events"].as_u64(), "{result}");
    assert!(result["runs"].as_u64() > Some(10) && result["seconds"].as_f64().is_some(), "{result}");
}

#[test]
fn the_result_does_not_depend_on_the_number_of_threads() {
    let folder = Folder::new("threads");
    let file = folder.write("T01.toml", &planted("T01", ""));
    let seed = failing_seed(&file);
    let [one, three] = ["1", "3"].map(|jobs| shrunk(&file, &seed, &["--jobs", jobs]));
    assert_eq!(one["text"], three["text"]);
    assert_eq!(one["runs"], three["runs"]);
}

#[test]
fn when_the_time_is_up_the_best_so_far_is_written_and_not_certified() {
    let folder = Folder::new("late");
    let file = folder.write("T01.toml", &planted("T01", ""));
    let result = shrunk(&file, &failing_seed(&file), &["--time", "0s"]);
    let text = result["text"].as_str().unwrap();
    assert_eq!(result["minimal"], false);
    assert!(text.contains("# Not certified 1-minimal: the time was up after"), "{text}");
    assert_eq!(signature(text).as_deref(), result["signature"].as_str());
}

#[test]
fn a_run_that_passes_has_nothing_to_shrink() {
    let folder = Folder::new("sound");
    let file = folder.write("calm.toml", CALM);
    let printed = command(&registry(), &["shrink", &file, "--seed", "3"]);
    assert_eq!(printed.exit, Exit::Usage);
    assert!(printed.err.contains("seed 3 of") && printed.err.contains("nothing to shrink"), "{}", printed.err);
}

#[test]
fn a_token_brings_its_own_seed() {
    let folder = Folder::new("token");
    let file = folder.write("T01.toml", &planted("T01", ""));
    let seed = failing_seed(&file);
    let run = command(&registry(), &["run", &file, "--seed", &seed]);
    let token = run.out.lines().last().unwrap().split(' ').next_back().unwrap();
    let printed = command(&registry(), &["shrink", token, "--json"]);
    let result: Json = serde_json::from_str(&printed.out).unwrap();
    assert_eq!(result["seed"].to_string(), seed);
}

/// Every key of a scenario file at once.
const FULL: &str = r#"
title  = "says \"everything\" \\ once"
seed   = 7
seeds  = "0..9"
nodes  = { teller = 3 }
limits = { requests = 40, safety = "20s", liveness = "30s", events = 5000, restart = "1ms..2ms" }
[machines]
zones   = 2
pid_max = 99
[network]
latency      = "1ms..2ms"
buffer       = 7
codec_sample = 3
[disk]
sync     = "1us..3us"
capacity = "1MiB..64MiB"
inodes   = "100..5000"
profile  = "strict"
[knobs.teller]
pad = 3
[[workload]]
name  = "burst"
count = 2
rate  = 2.5
[[fault]]
kind        = "loss"
target      = "teller"
peers       = "burst"
chance      = 0.25
every       = "10ms..20ms"
limit       = 9
key         = 5
occurrences = [1, 3]
messages    = ["00000000000000ff", "ffffffffffffffff"]
[[fault]]
kind   = "delay_tail"
target = ["teller-0", "teller-2"]
amount = "1ms..1500us"
[[fault]]
kind  = "power_loss"
scope = "zone"
after = "system.boot"
at    = "3s"
lasts = "1s"
[[fault]]
kind   = "bit_rot"
target = "teller"
[budget]
damage       = { teller = 1 }
unsurvivable = true
[swarm]
faults     = false
knobs      = false
capacities = false
choices    = false
safety     = false
liveness   = false
[expect]
oracles   = ["promise", "answered"]
defect    = "T01"
caught_by = "promise"
signature = "a \"quoted\" line"
"#;

#[test]
fn what_the_writer_writes_reads_back_the_same() {
    let open = FULL.split("[swarm]").next().unwrap();
    for text in [FULL, open, CALM] {
        let read = Scenario::parse("a.toml", text, &registry()).map_err(|errors| errors.render(false)).unwrap();
        let written = write(&read, &Comments::default());
        let again = Scenario::parse("a.toml", &written, &registry());
        let again = again.map_err(|errors| errors.render(false)).unwrap();
        assert_eq!(write(&again, &Comments::default()), written);
        assert_eq!((&again.title, again.seed, &again.seeds), (&read.title, read.seed, &read.seeds));
        assert_eq!((&again.expect, &again.budget), (&read.expect, &read.budget));
        assert_eq!(
            (&again.faults, &again.limits, &again.hardware, &again.swarm),
            (&read.faults, &read.limits, &read.hardware, &read.swarm)
        );
        for seed in 0..20 {
            let [one, other] = [&read, &again].map(|scenario| draw::draw(scenario, seed, 16, false).unwrap());
            assert_eq!((one.settings, one.knobs, one.safety), (other.settings, other.knobs, other.safety), "{written}");
        }
    }
}

#[test]
fn a_named_occurrence_strikes_when_it_would_have_struck_among_the_others() {
    let fixed = format!("{CALM}[swarm]\nfaults = false\nknobs = false\nsafety = false\n");
    let second = fixed.replace("kind  = \"power_loss\"", "kind  = \"power_loss\"\noccurrences = [2]");
    let strikes = |text: &str, seed: u64| {
        let scenario = Scenario::parse("a.toml", text, &registry()).unwrap();
        let finished = run::run(&scenario, &registry(), seed, Keep::LITTLE).unwrap();
        let decisions = finished.world.decisions().iter().filter(|decision| !decision.message && decision.slot == 0);
        decisions.map(|decision| (decision.key, decision.at, decision.node)).collect::<Vec<_>>()
    };
    // Two strikes while the clients are surely still at work.
    let early = |strikes: &Vec<(u64, u64, _)>| strikes.get(1).is_some_and(|(_, at, _)| *at < 1_500_000_000);
    let (seed, full) = (0..50).map(|seed| (seed, strikes(&fixed, seed))).find(|(_, full)| early(full)).unwrap();
    assert_eq!(strikes(&second, seed), [full[1]]);
}

#[test]
fn a_key_keeps_what_a_fault_draws_when_it_moves_in_the_file() {
    let fault = "[[fault]]\nkind = \"pause\"\nlimit = 1\nevery = \"1ms\"\nlasts = \"1ms\"\n";
    let keyed = CALM.replace("kind  = \"power_loss\"", "kind  = \"power_loss\"\nkey = 0");
    let moved = keyed.replacen("[[fault]]", &format!("{fault}[[fault]]"), 1);
    let first = |text: &str, slot: u32| {
        let scenario = Scenario::parse("a.toml", &format!("{text}[swarm]\nfaults = false\n"), &registry()).unwrap();
        let finished = run::run(&scenario, &registry(), 4, Keep::LITTLE).unwrap();
        let found = finished.world.decisions().iter().find(|decision| decision.slot == slot).copied();
        found.map(|decision| (decision.at, decision.node, finished.world.lasting(&decision)))
    };
    let before = first(&keyed, 0);
    assert!(before.is_some());
    assert_eq!(first(&moved, 1), before);
    assert_ne!(first(&moved.replace("key = 0", "key = 1"), 1), before);
}

#[test]
fn only_faults_of_messages_name_messages_and_what_they_name_are_identities() {
    for (line, why) in [
        ("kind = \"pause\"\nmessages = []", "fault `pause` has no `messages`"),
        ("kind = \"loss\"\nmessages = \"xyz\"", "`xyz` is no identity of a message"),
        ("kind = \"loss\"\noccurrences = [0]", "must hold whole numbers from 1"),
        ("kind = \"loss\"\noccurrences = 3", "`occurrences` must be a list of whole numbers from 1"),
        ("kind = \"loss\"\nat = \"1s\"\noccurrences = [1]", "both `occurrences` and `at`"),
    ] {
        let text = CALM.replacen("[expect]", &format!("[[fault]]\n{line}\n[expect]"), 1);
        let errors = Scenario::parse("a.toml", &text, &registry()).map(|_| ()).unwrap_err();
        assert!(errors.render(false).contains(why), "{}", errors.render(false));
    }
}

/// Every scenario that has one part less, by what it lacks. Worked out on the text, apart from the code under test.
fn removals(whole: &Table) -> Vec<(String, Table)> {
    let mut smaller = Vec::new();
    let mut without = |what: String, change: &dyn Fn(&mut Table)| {
        let mut table = whole.clone();
        change(&mut table);
        smaller.push((what, table));
    };
    let faults = whole.get("fault").and_then(Value::as_array).map_or(0, Vec::len);
    for index in 0..faults {
        without(format!("fault {index}"), &|table| drop(list(table, "fault").remove(index)));
        for key in ["occurrences", "messages"] {
            let items = whole["fault"][index].get(key).and_then(Value::as_array).map_or(0, Vec::len);
            for item in (0..items).filter(|_| items > 1) {
                without(format!("item {item} of {key} of fault {index}"), &|table| {
                    list(list(table, "fault")[index].as_table_mut().unwrap(), key).remove(item);
                });
            }
        }
    }
    if whole["limits"]["requests"].as_integer() > Some(1) {
        without("one request".into(), &|table| lower(part(table, "limits"), "requests"));
    }
    let storm = units::duration(whole["limits"]["safety"].as_str().unwrap()).unwrap();
    if let Some(shorter) = storm.checked_sub(Duration::from_millis(100)).filter(|time| !time.is_zero()) {
        let shorter = units::show_nanos(shorter.as_nanos() as u64);
        without("100ms of the storm".into(), &|table| {
            part(table, "limits").insert("safety".into(), Value::String(shorter.clone()));
        });
    }
    for role in whole["nodes"].as_table().unwrap().keys() {
        without(format!("a node of {role}"), &|table| {
            lower(part(table, "nodes"), role);
            let last = format!("{role}-{}", table["nodes"].get(role).and_then(Value::as_integer).unwrap_or(0));
            forget(table, &last);
        });
    }
    for knob in whole.get("knobs").and_then(|knobs| knobs.get("teller")?.as_table()).into_iter().flat_map(Table::keys) {
        without(format!("knob {knob}"), &|table| drop(part(part(table, "knobs"), "teller").remove(knob)));
    }
    without("a client".into(), &|table| {
        let clients = list(table, "workload");
        match clients[0].get("count").and_then(Value::as_integer) {
            Some(count) => drop(clients[0].as_table_mut().unwrap().insert("count".into(), Value::Integer(count - 1))),
            None => drop(clients.remove(0)),
        }
    });
    for (section, key, least) in [
        ("network", "latency", "500us"),
        ("network", "local", "5us"),
        ("disk", "read", "5us"),
        ("disk", "write", "5us"),
        ("disk", "sync", "100us"),
        ("limits", "restart", "50ms"),
    ] {
        if whole.get(section).and_then(|table| table.get(key)).is_none() {
            without(format!("the width of {key}"), &|table| {
                table.entry(section).or_insert(Value::Table(Table::new()));
                part(table, section).insert(key.into(), Value::String(least.into()));
            });
        }
    }
    smaller
}

fn part<'t>(table: &'t mut Table, key: &str) -> &'t mut Table {
    table.get_mut(key).unwrap().as_table_mut().unwrap()
}

fn list<'t>(table: &'t mut Table, key: &str) -> &'t mut Vec<Value> {
    table.get_mut(key).unwrap().as_array_mut().unwrap()
}

/// One less; what has none left goes.
fn lower(table: &mut Table, key: &str) {
    match table[key].as_integer().unwrap() {
        1 => drop(table.remove(key)),
        count => drop(table.insert(key.into(), Value::Integer(count - 1))),
    }
}

/// No fault strikes a node that is gone.
fn forget(table: &mut Table, node: &str) {
    let Some(faults) = table.get_mut("fault").and_then(Value::as_array_mut) else { return };
    faults.retain(|fault| fault.get("target").and_then(Value::as_str) != Some(node));
}
