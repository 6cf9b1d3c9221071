//! Sweeps: independent of threads, sharded, grouped, and readable by machines.

use crate::fixture::{CALM, Folder, command, planted, registry};
use runner::Exit;
use serde_json::Value;

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn a_sweep_gives_the_same_bytes_with_1_and_with_8_threads() {
    let folder = Folder::new("threads");
    let calm = folder.write("calm.toml", CALM);
    let faulty = folder.write("faulty.toml", &planted("T01", "").replace("defect = \"T01\"", ""));
    let sweep = |jobs: &str| {
        let out = folder.path(jobs);
        let args = ["sweep", &calm, &faulty, "--seeds", "0..100", "--jobs", jobs, "--out", &out, "--recheck", "10"];
        let printed = command(&registry(), &args);
        assert_eq!(printed.exit, Exit::Passed, "{}", printed.out);
        read(&format!("{out}/results.jsonl"))
    };
    let (one, eight) = (sweep("1"), sweep("8"));
    assert_eq!(one.lines().count(), 200);
    assert!(one == eight, "results depend on the number of threads");
    let seeds: Vec<u64> = one.lines().take(100).map(seed).collect();
    assert_eq!(seeds, (0..100).collect::<Vec<_>>());
}

fn seed(line: &str) -> u64 {
    let object: Value = serde_json::from_str(line).unwrap();
    object["seed"].as_u64().unwrap()
}

#[test]
fn shards_together_are_the_whole() {
    let folder = Folder::new("shards");
    let file = folder.write("calm.toml", CALM);
    let sweep = |shard: &str, name: &str| {
        let out = folder.path(name);
        command(&registry(), &["sweep", &file, "--seeds", "5..60", "--shard", shard, "--out", &out]);
        read(&format!("{out}/results.jsonl")).lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let whole = sweep("1/1", "whole");
    let mut parts: Vec<String> = (1..=3).flat_map(|i| sweep(&format!("{i}/3"), &format!("part{i}"))).collect();
    parts.sort_by_key(|line| seed(line));
    assert_eq!(parts, whole);
}

#[test]
fn failures_are_grouped_by_signature_with_the_first_seed() {
    let folder = Folder::new("groups");
    // A teller that panics in a scenario that expects no defect: the registry's switch is by scenario.
    let file = folder.write("groups.toml", &planted("T02", "caught_by = \"promise\""));
    let printed = command(&registry(), &["sweep", &file, "--seeds", "0..50", "--json"]);
    assert_eq!(printed.exit, Exit::Violated, "the wrong end came first: {}", printed.out);
    let summary: Value = serde_json::from_str(printed.out.lines().last().unwrap()).unwrap();
    let scenario = &summary["scenarios"][0];
    assert!(
        scenario["why"][0]
            .as_str()
            .unwrap()
            .contains("was to be caught by promise, but seed 0 was first stopped by panicked")
    );
    assert_eq!(scenario["failures"][0]["first_seed"], 0);
    assert!(scenario["failures"][0]["signature"].as_str().unwrap().starts_with("panic in "));
}

#[test]
fn a_negative_scenario_passes_when_its_oracle_catches_it_first() {
    let folder = Folder::new("negative");
    let file = folder.write("T01.toml", &planted("T01", "caught_by = \"promise\""));
    let printed = command(&registry(), &["sweep", &file, "--seeds", "0..1000"]);
    assert_eq!(printed.exit, Exit::Passed, "{}", printed.out);
    assert!(printed.out.contains("defect T01 caught by promise after "), "{}", printed.out);
    let harmless = planted("T01", "caught_by = \"promise\"").replace("power_loss", "pause");
    let file = folder.write("missed.toml", &harmless);
    let printed = command(&registry(), &["sweep", &file, "--seeds", "0..20"]);
    assert_eq!(printed.exit, Exit::Violated);
    assert!(printed.out.contains("defect T01 was missed by promise in 20 seeds"), "{}", printed.out);
}

#[test]
fn a_fault_kind_that_never_fires_fails_the_sweep_with_6() {
    let folder = Folder::new("never");
    let never = "[[fault]]\nkind = \"late_replay\"\nevery = \"10h\"\n[expect]";
    let file = folder.write("never.toml", &CALM.replace("[expect]", never));
    let printed = command(&registry(), &["sweep", &file, "--seeds", "0..30"]);
    assert_eq!(printed.exit, Exit::Vacuous, "{}", printed.out);
    assert!(printed.out.contains("fault late_replay never fired in 30 runs"), "{}", printed.out);
}

#[test]
fn a_sweep_that_is_not_deterministic_exits_5() {
    let folder = Folder::new("recheck");
    let file = folder.write("T03.toml", &planted("T03", ""));
    let printed = command(&registry(), &["sweep", &file, "--seeds", "0..4", "--recheck", "1", "--jobs", "1"]);
    assert_eq!(printed.exit, Exit::NotDeterministic, "{}", printed.out);
    assert!(printed.out.contains("two runs of one seed differ"), "{}", printed.out);
}

#[test]
fn stopping_after_failures_does_not_depend_on_threads() {
    let folder = Folder::new("stops");
    // Nobody can answer: there is no liveness to speak of.
    let file = folder.write(
        "late.toml",
        &CALM.replace("liveness = \"30s\"", "liveness = \"1ns\"").replace("requests = 40", "requests = 4000"),
    );
    let sweep = |jobs: &str| {
        let out = folder.path(jobs);
        let args = ["sweep", &file, "--seeds", "0..60", "--jobs", jobs, "--out", &out, "--stop-after-failures", "3"];
        let printed = command(&registry(), &args);
        assert_eq!(printed.exit, Exit::NotConverged, "{}", printed.out);
        read(&format!("{out}/results.jsonl"))
    };
    let (one, four) = (sweep("1"), sweep("4"));
    assert_eq!(one.lines().filter(|line| line.contains("not_converged")).count(), 3);
    assert!(one == four, "where a sweep stops depends on the number of threads");
}

#[test]
fn junit_and_github_show_each_failure_with_its_replay_line() {
    let folder = Folder::new("reports");
    let file = folder.write("a&b.toml", &planted("T01", "caught_by = \"promise\"").replace("power_loss", "pause"));
    let calm = folder.write("calm.toml", CALM);
    let (junit, summary) = (folder.path("junit.xml"), folder.path("summary.md"));
    let args = ["sweep", &file, &calm, "--seeds", "0..40", "--junit", &junit, "--github", "--github-summary", &summary];
    let printed = command(&registry(), &args);
    assert_eq!(printed.exit, Exit::Violated, "{}", printed.out);
    let xml = read(&junit);
    assert_eq!(valid(&xml), Ok(2), "{xml}");
    assert!(
        xml.contains("<failure type=\"violated\" message=\"defect T01 was missed by promise in 40 seeds\">"),
        "{xml}"
    );
    assert!(xml.contains("tests=\"2\" failures=\"1\"") && xml.contains("name=\"a&amp;b\""), "{xml}");
    assert!(
        printed.out.lines().any(|line| line.starts_with("::error file=") && line.contains("missed")),
        "{}",
        printed.out
    );
    assert!(read(&summary).contains("| passed | 40 |"), "{}", read(&summary));
}

/// Checks the rules of junit-10.xsd that concern the elements of a sweep; returns the number of test cases.
fn valid(xml: &str) -> Result<usize, String> {
    let mut open: Vec<&str> = Vec::new();
    let mut cases = 0;
    let body = xml.split_once("?>").ok_or("no declaration")?.1;
    for tag in body.split('<').skip(1) {
        let (tag, text) = tag.split_once('>').ok_or_else(|| format!("unclosed <{tag}"))?;
        if text.contains('>') {
            return Err(format!("a bare > after <{tag}>"));
        }
        if let Some(name) = tag.strip_prefix('/') {
            if open.pop() != Some(name) {
                return Err(format!("</{name}> closes something else"));
            }
        } else {
            let name = tag.split(' ').next().unwrap_or_default();
            element(open.last().copied(), name, tag)?;
            cases += usize::from(name == "testcase");
            open.push(name);
        }
    }
    if open.is_empty() { Ok(cases) } else { Err(format!("open at the end: {open:?}")) }
}

/// Checks where an element stands, and its attributes.
fn element(parent: Option<&str>, name: &str, tag: &str) -> Result<(), String> {
    let (parents, required): (&[Option<&str>], &[&str]) = match name {
        "testsuites" => (&[None], &["tests", "failures", "errors", "time"]),
        "testsuite" => (&[Some("testsuites")], &["name", "tests", "failures", "errors", "time"]),
        "testcase" => (&[Some("testsuite")], &["classname", "name", "time"]),
        "failure" => (&[Some("testcase")], &["type", "message"]),
        "system-out" => (&[Some("testcase")], &[]),
        _ => return Err(format!("there is no element <{name}>")),
    };
    if !parents.contains(&parent) {
        return Err(format!("<{name}> stands in {parent:?}"));
    }
    let parts: Vec<&str> = tag[name.len()..].split('"').collect();
    let attributes = || parts.chunks_exact(2).map(|pair| (pair[0].trim().trim_end_matches('='), pair[1]));
    if !attributes().map(|(key, _)| key).eq(required.iter().copied()) {
        return Err(format!("<{tag}> has not exactly {required:?}"));
    }
    for (key, value) in attributes() {
        let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
        let fits = match key {
            "tests" | "failures" | "errors" => is_number(value),
            "time" => value
                .split_once('.')
                .is_some_and(|(whole, rest)| is_number(whole) && is_number(rest) && rest.len() <= 3),
            _ => !value.is_empty(),
        };
        if !fits {
            return Err(format!("{key} is `{value}` in <{tag}>"));
        }
    }
    Ok(())
}

#[test]
fn the_junit_rules_reject_what_ci_systems_do() {
    let suite = |inner: &str| {
        let counts = "tests=\"1\" failures=\"0\" errors=\"0\" time=\"0.100\"";
        format!("<?xml?><testsuites {counts}><testsuite name=\"s\" {counts}>{inner}</testsuite></testsuites>")
    };
    let case = "<testcase classname=\"c\" name=\"n\" time=\"1.000\">";
    assert_eq!(valid(&suite(&format!("{case}<system-out>x</system-out></testcase>"))), Ok(1));
    for (wrong, why) in [
        ("<testcase classname=\"\" name=\"n\" time=\"1.000\"></testcase>", "classname is ``"),
        ("<testcase classname=\"c\" name=\"n\" time=\"1s\"></testcase>", "time is `1s`"),
        ("<testcase classname=\"c\" name=\"n\" file=\"f\" time=\"1.000\"></testcase>", "has not exactly"),
        ("<failure type=\"t\" message=\"m\"></failure>", "stands in"),
        ("<note></note>", "there is no element"),
        (case, "closes something else"),
    ] {
        assert!(valid(&suite(wrong)).is_err_and(|error| error.contains(why)), "{wrong}");
    }
}

#[test]
fn defects_reports_seeds_to_detection_over_disjoint_ranges() {
    let folder = Folder::new("defects");
    let file: &'static str = folder.write("T01.toml", &planted("T01", "")).leak();
    let mut known = registry();
    known.defects.truncate(1);
    known.defects[0].scenario = file;
    let printed = command(&known, &["defects", "--ranges", "5", "--budget", "200", "--json"]);
    assert_eq!(printed.exit, Exit::Passed, "{}{}", printed.out, printed.err);
    let object: Value = serde_json::from_str(&printed.out).unwrap();
    assert_eq!((&object["missed"], &object["first_by"]["promise"]), (&0.into(), &5.into()), "{object}");
    assert!(
        object["seeds_median"].as_u64() <= object["seeds_max"].as_u64() && object["seeds_median"].as_u64() >= Some(1)
    );
    let one = command(&known, &["defects", "T01", "--ranges", "5", "--budget", "200", "--jobs", "1", "--json"]);
    assert_eq!(one.out, printed.out, "detection depends on the number of threads");
}
