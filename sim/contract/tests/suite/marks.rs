//! Marks and histories: what is stated is what an oracle reads.

use contract::history::{self, Done, Entry, Op, Outcome};
use contract::{Mark, Value, mark};

#[test]
fn a_mark_gives_each_fact_back_by_name_and_type() {
    let stated = mark!("edge.acked", id = 7_u64, place = "active", late = false, ids = vec![1_u64, 2]);
    assert_eq!(stated.kind, "edge.acked");
    assert_eq!(stated.number("id"), Some(7));
    assert_eq!(stated.text("place"), Some("active"));
    assert_eq!(stated.flag("late"), Some(false));
    assert_eq!(stated.numbers("ids"), [1, 2]);
    assert_eq!((stated.number("place"), stated.text("id"), stated.get("absent")), (None, None, None));
}

#[test]
fn a_mark_reads_as_one_line() {
    let stated = mark!("a.b", n = 1_u64, t = "x y", l = vec![1_u64, 2], f = true);
    assert_eq!(stated.to_string(), r#"a.b n=1 t="x y" l=[1 2] f=true"#);
}

#[test]
fn a_list_of_other_things_leaves_out_what_is_no_number() {
    let mixed = Value::List(vec![Value::Number(1), Value::Text("two".into()), Value::Number(3)]);
    assert_eq!(Mark::new("a.b").with("ids", mixed).numbers("ids"), [1, 3]);
}

#[test]
fn an_invocation_and_its_completion_are_read_back() {
    let op = Op { id: 5, action: "append", input: Value::Number(9) };
    let read = history::read(&op.into_mark());
    assert_eq!(read, Some(Entry::Invoke { id: 5, action: "append".into(), input: Value::Number(9) }));
    for outcome in [Outcome::Ok, Outcome::Failed, Outcome::Unknown] {
        let done = Done { id: 5, outcome, output: Value::Flag(true) };
        assert_eq!(
            history::read(&done.into_mark()),
            Some(Entry::Complete { id: 5, outcome, output: Value::Flag(true) })
        );
    }
}

#[test]
fn what_is_no_history_is_not_read_as_one() {
    assert_eq!(history::read(&mark!("edge.acked", id = 5_u64)), None);
    assert_eq!(history::read(&mark!("history.invoke", id = 5_u64)), None, "it lacks its action");
    let unheard = mark!("history.complete", id = 5_u64, outcome = "maybe", output = 0_u64);
    assert_eq!(history::read(&unheard), None);
}
