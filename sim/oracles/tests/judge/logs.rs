//! Logs of a real cluster: written, read back, refused with the line, merged.

use crate::story::observed;
use contract::Time;
use oracles::log::LogReason;
use oracles::{Panel, all, merge_logs, read_log, write_log};

const STORY: &str = r#"
client history.invoke id=1 action=ingest input=17
edge custody.stored place=edge-0/active ids=[17 18446744073709551615]
edge edge.volatile rare=true words=[a b] none=[]
edge#2 custody.accepted id=17 by=edge-0/
"#;

fn written(story: &str) -> Vec<u8> {
    let mut log = Vec::new();
    observed(story).iter().for_each(|seen| write_log(&mut log, seen).expect("memory takes all"));
    log
}

#[test]
fn what_is_written_is_read_back() {
    let log = written(STORY);
    assert_eq!(log.iter().filter(|&&byte| byte == b'\n').count(), 4);
    assert_eq!(read_log(&*log).expect("a good log"), observed(STORY));
}

#[test]
fn the_form_of_a_line_is_pinned() {
    let log = written("edge custody.stored place=edge-0/active ids=[17]");
    let line = r#"{"at":1000000,"process":1,"incarnation":1,"event":1,"mark":{"kind":"custody.stored","facts":[["place","edge-0/active"],["ids",[17]]]}}"#;
    assert_eq!(String::from_utf8(log).expect("JSON is text"), format!("{line}\n"));
}

#[test]
fn a_last_line_that_a_kill_cut_was_never_heard() {
    let log = written(STORY);
    for cut in 1..40 {
        assert_eq!(read_log(&log[..log.len() - 1 - cut]).expect("only the tail is torn").len(), 3);
    }
    assert_eq!(read_log(&log[..log.len() - 1]).expect("only the line end is missing").len(), 4);
}

#[test]
fn a_line_that_is_no_mark_is_named() {
    let mut log = written(STORY);
    log.extend_from_slice(b"\n  \nthread main panicked\n");
    let error = read_log(&*log).expect_err("line 7 is no mark");
    assert_eq!(error.line, 7);
    assert!(matches!(error.reason, LogReason::NotAMark(_)));
    assert!(error.to_string().starts_with("line 7: not a mark: expected"), "{error}");
}

#[test]
fn a_line_of_wrong_type_is_named() {
    let log = String::from_utf8(written(STORY)).expect("JSON is text").replacen("\"process\":1,", "\"process\":-1,", 1);
    assert_eq!(read_log(log.as_bytes()).expect_err("no process is negative").line, 2);
}

#[test]
fn a_log_that_goes_back_in_time_is_refused() {
    let mut log = written("edge system.exit reason=crash\nedge#2 system.boot");
    log.extend(written("edge system.boot"));
    let error = read_log(&*log).expect_err("line 3 is early");
    assert_eq!(error.to_string(), "line 3: its time 0.001000s is before that of the line above, 0.002000s");
}

#[test]
fn logs_are_merged_by_time_and_keep_their_own_order() {
    let edge = observed("\nedge a\n\nedge b\nedge c");
    let mut client = observed("client d\nclient e\n\n\nclient f");
    client[1].at = Time(2_000_000);
    let merged = merge_logs(vec![edge, client]);
    let kinds: Vec<&str> = merged.iter().map(|seen| &*seen.mark.kind).collect();
    assert_eq!(kinds, ["d", "a", "e", "b", "c", "f"]);
}

#[test]
fn merged_logs_are_judged_like_a_simulated_run() {
    let edge = written(
        "\nedge custody.stored place=edge-0/active ids=[17]\nedge custody.accepted id=17 by=edge-0/\n\n\nedge custody.removed place=edge-0/active",
    );
    let client = written(
        "client history.invoke id=1 action=ingest input=17\n\n\nclient history.complete id=1 outcome=ok output=0",
    );
    let primary = written("\n\n\n\nprimary ledger.applied id=17 lsn=0");
    let read = |log: &[u8]| read_log(log).expect("a good log");
    let mut panel = Panel::new(&all());
    panel.observe_all(&merge_logs(vec![read(&edge), read(&client), read(&primary)])).expect("a legal run");
    let without_the_primary = merge_logs(vec![read(&edge), read(&client)]);
    let violation = Panel::new(&all()).observe_all(&without_the_primary).expect_err("nobody else has record 17");
    assert_eq!(violation.invariant, "E1");
}
