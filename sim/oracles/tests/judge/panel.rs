//! The panel: several oracles over one run, by name, and copies that go on by themselves.

use crate::story::observed;
use contract::{Mark, Observed, ProcessId, Time, Value};
use oracles::{Panel, UnknownOracle, all};

const STORY: &str = "
client history.invoke id=1 action=ingest input=17
edge custody.stored place=edge-0/active ids=[17]
edge custody.accepted id=17 by=edge-0/
client history.complete id=1 outcome=ok output=0
";

#[test]
fn the_registry_is_what_scenarios_name() {
    let names: Vec<&str> = all().iter().map(|kind| kind.name).collect();
    assert_eq!(names, ["custody", "exactly_once", "convergence"]);
    for kind in all() {
        assert_eq!((kind.make)().name(), kind.name);
        assert_eq!((kind.make)().judged(), 0);
        assert!(!kind.about.is_empty() && !kind.invariants.is_empty());
    }
}

#[test]
fn a_panel_asks_every_oracle() {
    let mut panel = Panel::new(&all());
    panel.observe_all(&observed(STORY)).expect("a legal history");
    let waiting: Vec<&str> = panel.pending().iter().map(|(oracle, _)| *oracle).collect();
    assert_eq!(waiting, ["custody", "exactly_once", "convergence"]);
    assert_eq!(panel.judged(), [("custody", 1), ("exactly_once", 1), ("convergence", 1)]);
    let violation = panel.finish().expect_err("the acknowledged record is in no ledger");
    assert_eq!(violation.signature(), "exactly_once/E2: acknowledged record not in the ledger");
    assert_eq!(violation.events, [2, 5]);
}

#[test]
fn a_panel_by_name_hears_only_those() {
    let mut panel = Panel::by_name(&all(), &["exactly_once"]).expect("a known name");
    let bad = observed("edge custody.accepted id=17 by=edge-0/");
    panel.observe_all(&bad).expect("custody is not on this panel");
    let error = Panel::by_name(&all(), &["custody", "fold"]).expect_err("an unknown name");
    assert_eq!(error.to_string(), r#"no oracle is named "fold"; there are custody, exactly_once, convergence"#);
    assert_eq!(error, UnknownOracle { name: "fold".into(), known: vec!["custody", "exactly_once", "convergence"] });
}

#[test]
fn copies_go_on_by_themselves() {
    let mut panel = Panel::new(&all());
    panel.observe_all(&observed(STORY)).expect("a legal history");
    let mut healed = panel.clone();
    healed.observe_all(&observed("primary ledger.applied id=17 lsn=0")).expect("legal");
    healed.observe_all(&observed("edge custody.removed place=edge-0/active")).expect("legal");
    healed.observe_all(&observed("client workload.done client=0")).expect("legal");
    assert_eq!(healed.pending(), []);
    assert_eq!(healed.finish(), Ok(()));
    assert_eq!(panel.pending().len(), 3, "the original saw none of it");
    panel.observe_all(&observed("edge custody.removed place=edge-0/active")).expect_err("here nobody else has it");
}

#[test]
fn long_histories_cost_little_for_each_fact() {
    let mut panel = Panel::new(&all());
    let mut facts = 0u64;
    let mut tell = |process: u32, mark: Mark| {
        facts += 1;
        let seen = Observed { at: Time(facts), process: ProcessId(process), incarnation: 1, event: facts, mark };
        panel.observe(&seen).expect("a legal history");
    };
    for id in 0..25_000u64 {
        tell(9, Mark::new("history.invoke").with("id", id).with("action", "ingest").with("input", id));
        tell(1, Mark::new("custody.stored").with("place", "edge-0/active").with("ids", vec![id]));
        tell(1, Mark::new("custody.accepted").with("id", id).with("by", "edge-0/"));
        tell(9, Mark::new("history.complete").with("id", id).with("outcome", "ok").with("output", 0u64));
        tell(1, Mark::new("custody.moved").with("from", "edge-0/active").with("to", "edge-0/staging"));
        tell(3, Mark::new("ledger.applied").with("id", id).with("lsn", id));
        tell(3, Mark::new("ledger.duplicate").with("id", id));
        tell(1, Mark::new("custody.removed").with("place", "edge-0/staging"));
    }
    tell(9, Mark::new("history.invoke").with("id", 99_999u64).with("action", "scan").with("input", 0u64));
    let output: Value = (0..25_000u64).collect();
    tell(9, Mark::new("history.complete").with("id", 99_999u64).with("outcome", "ok").with("output", output));
    tell(9, Mark::new("workload.done").with("client", 0u64));
    assert_eq!(facts, 200_003);
    assert_eq!(panel.pending(), []);
    assert_eq!(panel.finish(), Ok(()));
}
