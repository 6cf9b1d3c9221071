//! Histories as EDN: the lines are pinned, since another program reads them.

use crate::linearizability::generate;
use crate::story::observed;
use crate::teller::{runner, steps};
use oracles::edn::EdnError;
use oracles::write_edn;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn exported(story: &str) -> String {
    let mut out = Vec::new();
    write_edn(&mut out, &observed(story)).expect("a good history");
    String::from_utf8(out).expect("EDN is text")
}

#[test]
fn registers() {
    let story = "client history.invoke id=1 action=write input=[k 1]
        edge custody.stored place=p ids=[]
        client history.complete id=1 outcome=ok output=true
        client history.invoke id=2 action=read input=k
        client history.complete id=2 outcome=ok output=1
        client history.invoke id=3 action=cas input=[k 1 []]
        client history.complete id=3 outcome=ok output=true
        client history.invoke id=4 action=cas input=[k 1 2]
        client history.complete id=4 outcome=ok output=false
        client history.invoke id=5 action=read input=k
        client history.complete id=5 outcome=ok output=[]";
    assert_eq!(
        exported(story),
        r#"{:index 0, :type :invoke, :process 0, :f :write, :value ["k" 1], :time 1000000}
{:index 1, :type :ok, :process 0, :f :write, :value ["k" 1], :time 3000000}
{:index 2, :type :invoke, :process 0, :f :read, :value ["k" nil], :time 4000000}
{:index 3, :type :ok, :process 0, :f :read, :value ["k" 1], :time 5000000}
{:index 4, :type :invoke, :process 0, :f :cas, :value ["k" [1 nil]], :time 6000000}
{:index 5, :type :ok, :process 0, :f :cas, :value ["k" [1 nil]], :time 7000000}
{:index 6, :type :invoke, :process 0, :f :cas, :value ["k" [1 2]], :time 8000000}
{:index 7, :type :fail, :process 0, :f :cas, :value ["k" [1 2]], :time 9000000}
{:index 8, :type :invoke, :process 0, :f :read, :value ["k" nil], :time 10000000}
{:index 9, :type :ok, :process 0, :f :read, :value ["k" nil], :time 11000000}
"#
    );
}

#[test]
fn transactions() {
    let story = "client history.invoke id=1 action=txn input=[[append x 1] [r y []]]
        client history.complete id=1 outcome=ok output=[[append x 1] [r y [3 4]]]
        client history.invoke id=2 action=txn input=[[r x []]]
        client history.complete id=2 outcome=fail output=[]";
    assert_eq!(
        exported(story),
        r#"{:index 0, :type :invoke, :process 0, :f :txn, :value [[:append "x" 1] [:r "y" nil]], :time 1000000}
{:index 1, :type :ok, :process 0, :f :txn, :value [[:append "x" 1] [:r "y" [3 4]]], :time 2000000}
{:index 2, :type :invoke, :process 0, :f :txn, :value [[:r "x" nil]], :time 3000000}
{:index 3, :type :fail, :process 0, :f :txn, :value [[:r "x" nil]], :time 4000000}
"#
    );
}

#[test]
fn unknown_outcomes_use_their_process_up() {
    let story = "client history.invoke id=1 action=ingest input=17
        client history.invoke id=2 action=ingest input=18446744073709551615
        client history.complete id=1 outcome=info output=0
        client2 history.invoke id=3 action=scan/all input=true
        client system.exit reason=crash
        client2 history.complete id=3 outcome=ok output=[17 a\"b\\c]
        client2 history.invoke id=4 action=ingest input=19";
    assert_eq!(
        exported(story),
        r#"{:index 0, :type :invoke, :process 0, :f :ingest, :value 17, :time 1000000}
{:index 1, :type :invoke, :process 1, :f :ingest, :value 18446744073709551615N, :time 2000000}
{:index 2, :type :info, :process 0, :f :ingest, :value 17, :time 3000000}
{:index 3, :type :invoke, :process 2, :f :scan-all, :value true, :time 4000000}
{:index 4, :type :info, :process 1, :f :ingest, :value 18446744073709551615N, :time 5000000}
{:index 5, :type :ok, :process 2, :f :scan-all, :value [17 "a\"b\\c"], :time 6000000}
{:index 6, :type :invoke, :process 2, :f :ingest, :value 19, :time 7000000}
{:index 7, :type :info, :process 2, :f :ingest, :value 19, :time 7000000}
"#
    );
}

#[test]
fn a_history_that_makes_no_sense_is_refused() {
    let story = "client history.complete id=1 outcome=ok output=0";
    let error = write_edn(&mut Vec::new(), &observed(story)).expect_err("nothing was invoked");
    assert!(matches!(&error, EdnError::Marks(violation) if violation.invariant == "MARKS"), "{error}");
}

#[test]
fn a_process_has_one_operation_at_a_time_and_none_after_an_unknown_one() {
    runner(200)
        .run(&steps(120), |steps| {
            let facts = generate(&steps);
            let mut out = Vec::new();
            write_edn(&mut out, &facts).expect("a good history");
            let text = String::from_utf8(out).expect("EDN is text");
            // Whether each process has an operation open; `None` once it is used up.
            let mut processes: BTreeMap<&str, Option<bool>> = BTreeMap::new();
            for (index, line) in text.lines().enumerate() {
                let field = |name: &str| line.split(name).nth(1).and_then(|rest| rest.split([',', '}']).next());
                prop_assert_eq!(field(":index "), Some(&*index.to_string()));
                let open = processes.entry(field(":process ").expect("a process")).or_insert(Some(false));
                match field(":type :").expect("a type") {
                    "invoke" => prop_assert_eq!(open.replace(true), Some(false), "{}", line),
                    "info" => prop_assert_eq!(open.take(), Some(true), "{}", line),
                    _ => prop_assert_eq!(open.replace(false), Some(true), "{}", line),
                }
            }
            prop_assert!(processes.values().all(|open| *open != Some(true)), "{}", text);
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}
