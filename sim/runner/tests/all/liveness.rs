//! Liveness on copies: what only shows while a minority stays broken, and what nothing could have repaired.

use crate::fixture::{Folder, Printed, command, registry};
use crate::quorum::{QUORUM, needs_the_first, quorum_registry};
use contract::NodeId;
use runner::liveness::{AT_THE_END, all, draw, hopeless, leave_out};
use runner::{Exit, Scenario};
use serde_json::Value;
use std::collections::BTreeSet;

fn run(args: &[&str]) -> Printed {
    command(&quorum_registry(), args)
}

fn scenario(text: &str) -> Scenario {
    Scenario::parse("a.toml", text, &quorum_registry()).expect("the scenario is right")
}

fn nodes(ids: &[u32]) -> BTreeSet<NodeId> {
    ids.iter().copied().map(NodeId).collect()
}

#[test]
fn a_system_that_needs_a_majority_converges_around_every_core() {
    let folder = Folder::new("majority");
    let file = folder.write("quorum.toml", QUORUM);
    let printed = run(&["sweep", &file, "--seeds", "0..150", "--recheck", "10"]);
    assert_eq!(printed.exit, Exit::Passed, "{}", printed.out);
}

#[test]
fn a_client_that_needs_one_node_is_found_on_a_copy_only_and_the_report_says_for_whom_it_waits() {
    let folder = Folder::new("minority");
    let file = folder.write("T06.toml", &needs_the_first());
    let blind = folder.write("blind.toml", &format!("{}[swarm]\nliveness = false\n", needs_the_first()));
    let hidden = run(&["sweep", &blind, "--seeds", "0..60"]);
    assert!(hidden.out.contains("was missed by convergence in 60 seeds"), "{}", hidden.out);
    let found = run(&["sweep", &file, "--seeds", "0..60"]);
    assert_eq!(found.exit, Exit::Passed, "{}", found.out);

    let seeds = (0..120).map(|seed| run(&["run", &file, "--seed", &seed.to_string()]));
    let failures: Vec<Printed> = seeds.filter(|printed| printed.out.contains("NOT CONVERGED")).collect();
    assert!(failures.len() > 6, "{} of 120 seeds", failures.len());
    for printed in &failures {
        assert_eq!(printed.exit, Exit::NotConverged, "{}", printed.out);
        assert!(printed.out.contains("NOT CONVERGED  by convergence, invariant LIVE"), "{}", printed.out);
        assert!(printed.out.contains("judged on a copy of the run that was healed at "), "{}", printed.out);
        assert!(printed.out.contains("keeper-0 stays broken for good"), "{}", printed.out);
        assert!(printed.out.contains("writer-0/client sent "), "{}", printed.out);
        let token = printed.out.lines().last().unwrap().split(' ').next_back().unwrap();
        let replayed = run(&["replay", token]);
        assert_eq!(replayed.exit, Exit::NotConverged);
        assert!(replayed.out.contains("it still fails the same way\nthe fingerprint is equal"), "{}", replayed.out);
    }
    let seed = failures[0].out.lines().find_map(|line| line.strip_prefix("seed ")).unwrap().trim();
    let printed = run(&["run", &file, "--seed", seed, "--check-determinism"]);
    assert_eq!(printed.exit, Exit::NotConverged, "a second run and copied engines end alike: {}", printed.out);
    let all: String = failures.iter().map(|printed| &*printed.out).collect();
    for reason in ["lost (keeper-0/main is down), none answered", "lost (the link is cut by partition), none answered"]
    {
        assert!(all.contains(reason), "{reason}: {all}");
    }
}

#[test]
fn checks_are_drawn_by_the_seed_and_every_core_has_what_its_roles_need() {
    let scenario = scenario(QUORUM);
    let everybody = all(&scenario).len();
    let (mut counts, mut partial) = ([0; 3], 0);
    for seed in 0..400 {
        let drawn = runner::draw::draw(&scenario, seed, 0, false).expect("it can be built");
        let checks = draw(&scenario, &drawn);
        assert_eq!(checks, draw(&scenario, &drawn), "seed {seed}");
        assert!(checks.is_sorted_by_key(|check| check.at));
        counts[checks.iter().filter(|check| check.at != AT_THE_END).count()] += 1;
        for check in &checks {
            let keepers = check.core.iter().filter(|node| node.0 < 3).count();
            assert!(keepers >= 2 && check.core.contains(&NodeId(3)), "seed {seed}: {check:?}");
            assert!(check.at != AT_THE_END || check.core.len() < everybody, "the run itself heals everybody");
            assert!(check.at == AT_THE_END || check.at.0 <= 1 + drawn.safety.as_nanos() as u64);
            partial += u32::from(keepers == 2);
        }
    }
    assert!(counts.iter().all(|count| *count > 100), "{counts:?}");
    assert!(partial > 200, "{partial}");
}

#[test]
fn a_core_leaves_out_what_is_broken_and_a_run_is_hopeless_only_beyond_the_budget_or_with_too_few_whole_nodes_in_its_core()
 {
    let mut scenario = scenario(QUORUM);
    assert_eq!(leave_out(&scenario, &nodes(&[0, 1, 3]), &nodes(&[1])), nodes(&[0, 2, 3]), "what is broken stays so");
    assert_eq!(leave_out(&scenario, &nodes(&[0, 1, 3]), &nodes(&[2, 3])), nodes(&[0, 1, 3]), "2 is left out already");
    assert_eq!(leave_out(&scenario, &nodes(&[0, 1, 3]), &nodes(&[0, 1, 2])), nodes(&[0, 1, 3]), "nobody is better");
    let whole = all(&scenario);
    assert_eq!(hopeless(&scenario, &nodes(&[]), &whole), None);
    assert_eq!(hopeless(&scenario, &nodes(&[]), &nodes(&[0, 1, 3])), None, "a majority is enough");
    let beyond = hopeless(&scenario, &nodes(&[1]), &whole).expect("nothing may be damaged");
    assert_eq!(beyond, "faults destroyed data on keeper-1, more than the budget allows");
    scenario.budget.damage = vec![1, 0];
    assert_eq!(hopeless(&scenario, &nodes(&[1]), &whole), None, "the copies of the others are left");
    assert_eq!(hopeless(&scenario, &nodes(&[1]), &nodes(&[0, 2, 3])), None, "the core is whole");
    let lacks = hopeless(&scenario, &nodes(&[1]), &nodes(&[0, 1, 3])).expect("one whole keeper is no majority");
    assert_eq!(lacks, "a core needs 2 of 3 keeper nodes, and has 1 with their data whole");
    assert!(hopeless(&scenario, &nodes(&[0, 1]), &whole).is_some());
}

/// One keeper loses its only disk.
const SINGLE: &str = r#"
title  = "the only disk is lost"
nodes  = { single = 1 }
limits = { requests = 40, safety = "20s", liveness = "20s" }
[[workload]]
name = "writer"
[[fault]]
kind = "host_loss"
at   = "3s"
[budget]
unsurvivable = true
[swarm]
safety = false
[expect]
oracles = ["convergence"]
"#;

#[test]
fn a_run_that_nothing_could_repair_passes_with_a_warning() {
    let folder = Folder::new("hopeless");
    let file = folder.write("single.toml", SINGLE);
    let printed = run(&["run", &file, "--json"]);
    assert_eq!(printed.exit, Exit::Passed, "{}", printed.out);
    let object: Value = serde_json::from_str(&printed.out).unwrap();
    let warning = object["warnings"][0].as_str().expect("a warning").to_owned();
    assert!(warning.starts_with("hopeless: not converged"), "{warning}");
    assert!(warning.ends_with("faults destroyed data on single-0, more than the budget allows"), "{warning}");
    let printed = run(&["run", &file]);
    assert!(printed.out.contains(&format!("PASSED\n  warning: {warning}")), "{}", printed.out);

    let printed = run(&["sweep", &file, "--seeds", "0..20"]);
    assert_eq!(printed.exit, Exit::Passed, "{}", printed.out);
    let said = format!("20 of 20 runs passed with a warning, the first with seed 0: {warning}");
    assert!(printed.out.contains(&said), "{}", printed.out);
    let printed = run(&["sweep", &file, "--seeds", "0..20", "--json"]);
    let summary: Value = serde_json::from_str(printed.out.lines().last().unwrap()).unwrap();
    let scenario = &summary["scenarios"][0];
    assert_eq!((&scenario["warned"], &scenario["warning"]["seed"]), (&20.into(), &0.into()));
}

#[test]
fn what_an_oracle_could_not_decide_is_said() {
    let folder = Folder::new("undecided");
    let file = folder.write("unsure.toml", &QUORUM.replace("\"promise\"", "\"unsure\""));
    let printed = run(&["run", &file]);
    assert!(printed.out.contains("undecided: oracle unsure could judge 3 facts neither way"), "{}", printed.out);
    let object: Value = serde_json::from_str(&run(&["run", &file, "--json"]).out).unwrap();
    assert_eq!(object["undecided"]["unsure"], 3);
}

/// A teller keeps numbers, and its machine comes back empty.
const GONE: &str = r#"
title  = "what was kept is gone with its disk"
nodes  = { teller = 1 }
limits = { requests = 40, safety = "20s", liveness = "20s" }
[[workload]]
name = "burst"
[[fault]]
kind = "host_loss"
at   = "1s"
[swarm]
safety = false
knobs  = false
[expect]
oracles = ["promise"]
"#;

#[test]
fn a_loss_is_no_lie_where_faults_destroyed_more_than_the_budget_allows() {
    let judge = |budget: &str| {
        let text = format!("{GONE}[budget]\n{budget}\n");
        let scenario = Scenario::parse("gone.toml", &text, &registry()).expect("the file is sound");
        runner::run::run(&scenario, &registry(), 1, runner::run::Keep::LITTLE).expect("it can be built").verdict
    };
    let within = judge("damage = { teller = 1 }");
    assert_eq!((within.exit, within.invariant.as_deref()), (Exit::Violated, Some("K1")));
    let beyond = judge("unsurvivable = true");
    assert_eq!((beyond.exit, beyond.warnings.len()), (Exit::Passed, 1), "{:?}", beyond.facts);
    let warning = &beyond.warnings[0];
    assert!(
        warning.starts_with("hopeless: promise/K1: a kept number is gone after a restart, faults destroyed"),
        "{warning}"
    );
}
