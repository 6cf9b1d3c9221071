//! The panel: several oracles over one run, by name, and copies that go on by themselves.

use crate::story::observed;
use contract::{Mark, Observed, ProcessId, Time, Value};
use oracles::{Panel, UnknownOracle, all};

const NAMES: [&str; 19] = [
    "custody",
    "exactly_once",
    "agreement",
    "durability",
    "prefix",
    "fold",
    "linearization_points",
    "linearizability",
    "causal",
    "sessions",
    "cycles",
    "watch",
    "mutual_exclusion",
    "leases",
    "locks",
    "files",
    "ledger",
    "bounded_growth",
    "convergence",
];

const STORY: &str = "
client history.invoke id=1 action=ingest input=17
edge custody.stored place=edge-0/active ids=[17]
edge custody.accepted id=17 by=edge-0/
client history.complete id=1 outcome=ok output=0
";

#[test]
fn the_registry_is_what_scenarios_name() {
    let names: Vec<&str> = all().iter().map(|kind| kind.name).collect();
    assert_eq!(names, NAMES);
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
    let judged: Vec<(&str, u64)> = panel.judged().into_iter().filter(|(_, judged)| *judged > 0).collect();
    assert_eq!(judged, [("custody", 1), ("exactly_once", 1), ("convergence", 1)]);
    assert_eq!(panel.judged().len(), NAMES.len());
    assert_eq!(panel.undecided(), []);
    let violation = panel.finish().expect_err("the acknowledged record is in no ledger");
    assert_eq!(violation.signature(), "exactly_once/E2: acknowledged record not in the ledger");
    assert_eq!(violation.events, [2, 5]);
}

#[test]
fn a_panel_by_name_hears_only_those() {
    let mut panel = Panel::by_name(&all(), &["exactly_once"]).expect("a known name");
    let bad = observed("edge custody.accepted id=17 by=edge-0/");
    panel.observe_all(&bad).expect("custody is not on this panel");
    let error = Panel::by_name(&all(), &["custody", "unfold"]).expect_err("an unknown name");
    assert_eq!(error.to_string(), format!(r#"no oracle is named "unfold"; there are {}"#, NAMES.join(", ")));
    assert_eq!(error, UnknownOracle { name: "unfold".into(), known: NAMES.to_vec() });
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

#[test]
fn long_histories_of_every_kind_cost_little_for_each_fact() {
    let mut panel = Panel::new(&all());
    let mut facts = 0u64;
    let mut tell = |process: u32, mark: Mark| {
        facts += 1;
        let seen = Observed { at: Time(facts), process: ProcessId(process), incarnation: 1, event: facts, mark };
        panel.observe(&seen).expect("a legal history");
    };
    let list = |values: Vec<Value>| Value::List(values);
    let invoke = |id: u64, action: &'static str, input: Value| {
        Mark::new("history.invoke").with("id", id).with("action", action).with("input", input)
    };
    let complete = |id: u64, output: Value| {
        Mark::new("history.complete").with("id", id).with("outcome", "ok").with("output", output)
    };
    tell(10, Mark::new("lock.ticket").with("token", "t"));
    tell(5, Mark::new("watch.started").with("watcher", "w").with("from", 1u64));
    for id in 1..=8_000u64 {
        let key = Value::from(id % 7);
        tell(1, Mark::new("log.committed").with("log", "a").with("index", id).with("digest", id));
        tell(1, Mark::new("log.acked").with("log", "a").with("index", id).with("digest", id));
        tell(2, Mark::new("log.read").with("log", "a").with("from", id).with("digests", vec![id]));
        tell(2, Mark::new("stream.delivered").with("stream", "s").with("consumer", "c").with("lsn", id - 1));
        tell(1, Mark::new("fold.applied").with("machine", "m").with("lsn", id).with("digest", id));
        tell(1, Mark::new("lock.acquired").with("lock", "l").with("holder", "h").with("token", id).with("hard", true));
        tell(3, Mark::new("resource.write").with("resource", "r").with("token", id));
        tell(1, Mark::new("lock.released").with("lock", "l").with("holder", "h").with("token", id));
        tell(1, Mark::new("lease.held").with("lease", id).with("span", 1u64));
        tell(2, Mark::new("lease.ended").with("lease", id).with("why", "expired"));
        tell(1, Mark::new("gauge").with("name", "queue").with("value", id));
        tell(4, Mark::new("session.wrote").with("session", "s").with("key", "k").with("version", id));
        tell(1, Mark::new("store.changed").with("revision", id).with("key", "k"));
        tell(5, Mark::new("watch.event").with("watcher", "w").with("revision", id).with("key", "k"));
        tell(6, invoke(id * 3, "write", list(vec![key.clone(), Value::from(id)])));
        tell(1, Mark::new("apply").with("op", id * 3).with("key", key.clone()).with("version", id));
        tell(6, complete(id * 3, Value::from(true)));
        tell(7, invoke(id * 3 + 1, "read", key.clone()));
        tell(1, Mark::new("apply").with("op", id * 3 + 1).with("key", key.clone()).with("version", id));
        tell(7, complete(id * 3 + 1, Value::from(id)));
        tell(10, Mark::new("lock.wanted").with("lock", "f").with("token", "t"));
        tell(10, Mark::new("lock.taken").with("lock", "f").with("token", "t"));
        let file = |kind: &'static str| Mark::new(kind).with("file", "f").with("boot", 1u64).with("weak", false);
        tell(10, file("file.writing").with("version", id).with("digest", id));
        tell(10, file("file.saved").with("version", id).with("digest", id));
        tell(10, file("file.reading"));
        tell(10, file("file.read").with("version", id).with("digest", id));
        tell(10, Mark::new("ledger.acked").with("ledger", "g").with("first", id).with("digests", vec![id]));
        tell(10, Mark::new("ledger.reading").with("ledger", "g"));
        tell(10, Mark::new("ledger.read").with("ledger", "g").with("from", id).with("digests", vec![id]));
        tell(10, Mark::new("lock.left").with("lock", "f").with("token", "t"));
        // Ten transactions append to each key, and each reads what it appends to.
        let list_key = Value::from(1_000 + id / 10);
        let seen: Value = (id / 10 * 10..=id).filter(|value| *value > 0).collect();
        let micros = |seen: Value| {
            let append = list(vec![Value::from("append"), list_key.clone(), Value::from(id)]);
            list(vec![append, list(vec![Value::from("r"), list_key.clone(), seen])])
        };
        tell(8, invoke(id * 3 + 2, "txn", micros(list(vec![]))));
        tell(8, complete(id * 3 + 2, micros(seen)));
    }
    for client in [6, 7, 8] {
        tell(client, Mark::new("workload.done").with("client", u64::from(client)));
    }
    assert_eq!(facts, 256_005);
    let of_records = ["custody", "exactly_once", "bounded_growth"];
    let idle: Vec<&str> = panel.judged().iter().filter(|(_, judged)| *judged == 0).map(|(oracle, _)| *oracle).collect();
    assert_eq!(idle, of_records, "no limit was stated and no record kept");
    assert_eq!((panel.pending(), panel.undecided()), (vec![], vec![]));
    assert_eq!(panel.finish(), Ok(()));
}
