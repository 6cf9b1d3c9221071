//! Strategies: each finds what is planted, each failure comes back by its token, and nothing depends on threads.

use crate::fixture::{CALM, Folder, command, planted, registry};
use runner::engine::Phase;
use runner::explore::states::Seen;
use runner::explore::{Fork, Strategy, again, lessons, multiverse};
use runner::run::{self, Keep};
use runner::{Exit, Scenario, draw};
use serde_json::Value;

fn calm() -> Scenario {
    Scenario::parse("calm.toml", CALM, &registry()).unwrap_or_else(|errors| panic!("{}", errors.render(false)))
}

/// The defect is rare: the power goes once in a run, at a time that is drawn.
fn rare() -> String {
    planted("T01", "caught_by = \"promise\"").replace("every = \"200ms..2s\"", "every = \"1s..15s\"\nlimit = 1")
}

fn token(replay: &str) -> String {
    replay.strip_prefix("stormproof replay ").unwrap().trim_matches('\'').to_owned()
}

#[test]
fn every_strategy_finds_the_defect_and_its_token_brings_the_failure_back() {
    let folder = Folder::new("explore-finds");
    let file = folder.write("rare.toml", &rare());
    for strategy in Strategy::ALL {
        let printed = command(&registry(), &["explore", &file, "--strategy", strategy.name(), "--json"]);
        assert_eq!(printed.exit, Exit::Passed, "{}: {}{}", strategy.name(), printed.out, printed.err);
        let report: Value = serde_json::from_str(&printed.out).unwrap();
        let failure = &report["failures"][0];
        assert_eq!(failure["oracle"], "promise");
        let token = token(failure["replay"].as_str().unwrap());
        let named = matches!(strategy, Strategy::Biased | Strategy::Pct);
        assert_eq!(token.contains(&format!(":by={}", strategy.name())), named, "{token}");
        let again = command(&registry(), &["replay", &token]);
        assert_eq!(again.exit, Exit::Violated, "{}", again.out);
        assert!(again.out.contains("it still fails the same way"), "{token}: {}", again.out);
        assert!(again.out.contains("the fingerprint is equal"), "{token}: {}", again.out);
    }
}

#[test]
fn what_is_found_does_not_depend_on_threads() {
    let folder = Folder::new("explore-threads");
    let file = folder.write("rare.toml", &rare());
    for strategy in Strategy::ALL {
        let found = |jobs: &str| {
            let args = ["explore", &file, "--strategy", strategy.name(), "--budget", "40000events", "--all", "--json"];
            let printed = command(&registry(), &[&args[..], &["--jobs", jobs]].concat());
            let mut report: Value = serde_json::from_str(&printed.out).unwrap();
            report.as_object_mut().unwrap().remove("seconds");
            report
        };
        let (one, four) = (found("1"), found("4"));
        assert_eq!(one, four, "{}", strategy.name());
        let events = one["events"].as_u64().unwrap();
        assert!((40_000..60_000).contains(&events), "the budget was {events}");
    }
}

#[test]
fn a_failure_of_a_fork_replays_and_shrinks_to_a_file_that_fails_the_same_way() {
    let folder = Folder::new("explore-forks");
    let file = folder.write("rare.toml", &rare());
    let scenario = Scenario::load(&file, &registry()).unwrap_or_else(|_| panic!("the file is sound"));
    // With nothing known, every state is new.
    let seen = Seen::default();
    let universe = |seed| multiverse::explore(&scenario, &registry(), seed, &seen, true, None).unwrap();
    let forked = (0..500).map(universe).find(|universe| universe.verdict.failed() && universe.runs > 1);
    let forked = forked.expect("some universe fails in a fork only");
    let verdict = &forked.verdict;
    assert!(!verdict.forks.is_empty() && verdict.forks.is_sorted());
    let root = run::run(&scenario, &registry(), verdict.seed, Keep::LITTLE).unwrap().verdict;
    assert!(!root.failed(), "the root passes, {:?}", root.signature);
    let out = folder.path("small.toml");
    let shrunk = command(&registry(), &["shrink", &verdict.token().to_string(), "--out", &out]);
    assert_eq!(shrunk.exit, Exit::Passed, "{}{}", shrunk.out, shrunk.err);
    let small = Scenario::load(&out, &registry()).unwrap_or_else(|_| panic!("the shrunk file is sound"));
    assert!(small.forks.len() <= verdict.forks.len());
    assert_eq!(small.expect.signature, verdict.signature);
    let again = command(&registry(), &["replay", &out]);
    assert!(again.out.contains("it still fails the same way"), "{}", again.out);
}

#[test]
fn a_forked_run_goes_as_its_root_up_to_the_fork_and_the_same_by_steps() {
    let registry = registry();
    let mut scenario = calm();
    let at = contract::Time(1_500_000_000);
    scenario.forks = vec![Fork { at, seed: 77 }, Fork { at: contract::Time(2_500_000_000), seed: 78 }];
    let (mut parted, mut forked) = (0, 0);
    for seed in 0..20 {
        let drawn = draw::draw(&scenario, seed, Keep::LITTLE.trace, false).unwrap();
        let mut forks = run::checked(&scenario, &registry, &drawn);
        let mut root = run::checked(&calm(), &registry, &drawn);
        while root.world().now() < at && !matches!(root.phase(), Phase::Over(_)) {
            assert_eq!(root.world().fingerprint(), forks.world().fingerprint());
            root.advance();
            forks.advance();
        }
        let mut steps = run::checked(&scenario, &registry, &drawn);
        while !matches!(steps.phase(), Phase::Over(_)) {
            steps.step();
        }
        let (one, other) = (forks.run().world, steps.run().world);
        assert_eq!(one.fingerprint(), other.fingerprint(), "seed {seed}");
        let plain = run::run(&calm(), &registry, seed, Keep::LITTLE).unwrap().verdict;
        forked += u64::from(plain.virtual_time > at.0);
        parted += u64::from(plain.fingerprint != Some(one.fingerprint()));
    }
    assert!(parted > 10 && parted <= forked, "{parted} of {forked} runs went another way");
}

#[test]
fn a_biased_run_has_faults_that_wait_for_marks_that_were_stated() {
    let (scenario, registry) = (calm(), registry());
    let lessons = lessons::learn(&scenario, &registry).unwrap();
    let plan = |seed| Strategy::Biased.plan(&scenario, seed, &lessons).into_owned();
    let mut waits = std::collections::BTreeMap::new();
    for seed in 0..200 {
        let planned = plan(seed);
        assert_eq!(planned.faults[0].after, plan(seed).faults[0].after, "a plan depends on its seed alone");
        assert_eq!(planned.faults[1].after, None, "messages are met by chance");
        *waits.entry(planned.faults[0].after.clone()).or_insert(0) += 1;
    }
    let never = waits.remove(&None).unwrap_or(0);
    assert!((60..140).contains(&never), "{never} of 200 wait for nothing");
    assert!(waits.len() >= 3, "several kinds of marks: {waits:?}");
    assert!(waits.contains_key(&Some("system.boot".to_owned())) && waits.values().all(|count| *count > 5), "{waits:?}");
}

#[test]
fn a_priority_schedule_is_late_messages_and_nothing_else() {
    let (scenario, registry) = (calm(), registry());
    let lessons = lessons::learn(&scenario, &registry).unwrap();
    let mut struck = 0;
    for seed in 0..20 {
        let planned = again(&scenario, &registry, seed, Strategy::Pct, &[]).unwrap();
        let quick = Strategy::Pct.plan(&scenario, seed, &lessons);
        assert_eq!(planned.faults, quick.faults, "a token brings the plan back");
        assert_eq!(planned.faults[..2], scenario.faults[..]);
        let added = &planned.faults[2..];
        assert!(!added.is_empty() && added.iter().all(|fault| fault.scripted));
        let late = |name: &str| added.iter().all(|fault| fault.kind.name() == name);
        assert!(late("delay_tail") || late("slow_receiver"));
        let verdict = run::run(&planned, &registry, seed, Keep::LITTLE).unwrap().verdict;
        assert!(!verdict.failed(), "{:?}", verdict.signature);
        let fired = |(kind, count): &(kernel::FaultKind, kernel::FaultCount)| *kind == added[0].kind && count.fired > 0;
        struck += u64::from(verdict.faults.iter().any(fired));
    }
    assert!(struck >= 18, "messages were late in {struck} of 20 runs");
}

#[test]
fn a_sweep_by_a_strategy_is_the_same_on_any_threads_and_goes_on() {
    let folder = Folder::new("explore-sweep");
    let file =
        folder.write("rare.toml", &rare().replace("defect = \"T01\"", "").replace("caught_by = \"promise\"", ""));
    for strategy in Strategy::ALL {
        let out = |jobs: &str| folder.path(&format!("{}-{jobs}", strategy.name()));
        let sweep = |jobs: &str, more: &[&str]| {
            let out = out(jobs);
            let args =
                ["sweep", &file, "--seeds", "0..40", "--strategy", strategy.name(), "--jobs", jobs, "--out", &out];
            let printed = command(&registry(), &[&args[..], more].concat());
            assert_eq!(printed.exit, Exit::Passed, "{}{}", printed.out, printed.err);
            std::fs::read_to_string(format!("{out}/results.jsonl")).unwrap()
        };
        let (one, four) = (sweep("1", &["--recheck", "8"]), sweep("4", &["--recheck", "8"]));
        assert!(one == four && one.lines().count() == 40, "{}", strategy.name());
        assert_eq!(one, sweep("1", &["--recheck", "8", "--resume"]), "all of it is done");
    }
}

#[test]
fn forks_in_a_file_are_checked() {
    let folder = Folder::new("explore-file");
    let wrong = folder.write("wrong.toml", &format!("forks = \"7\"\n{CALM}"));
    let printed = command(&registry(), &["check", &wrong]);
    assert_eq!(printed.exit, Exit::Usage);
    assert!(printed.err.contains("`7` is not a fork"), "{}", printed.err);
    let budget = command(&registry(), &["explore", &wrong, "--budget", "soon"]);
    assert!(budget.exit == Exit::Usage && budget.err.contains("1000000events"), "{}", budget.err);
}
