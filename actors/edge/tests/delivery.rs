//! The uplink and the worker alone: what is carried, what is given up, and whose answers are ignored.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod support;

use contract::Duration;
use contract::calls::Retry;
use contract::cell::blueprint;
use edge::message::drain::{self, Ask, Page, PassId};
use edge::message::{Record, ledger, uplink};
use edge::uplink::Uplink;
use edge::worker::Worker;
use std::sync::Arc;
use support::{Rig, addr};

const PRIMARY: u32 = 5;
const WORKER: u32 = 6;
const BUFFER: u32 = 7;
const UPLINK: u32 = 8;

fn record(id: u64) -> Record {
    Record { id, taken_at: contract::Wall::default(), payload: vec![1].into() }
}

fn uplink(down: Duration) -> Rig {
    let config = edge::uplink::Config {
        primary: addr(PRIMARY),
        up: Duration::from_secs(10),
        down,
        queue_max: 2,
        timeout: Duration::from_secs(1),
    };
    Rig::new(blueprint::<Uplink>(Arc::new(config)))
}

fn submit(rig: &mut Rig, call: u64) {
    rig.send(WORKER, uplink::Request { call, reply_to: addr(WORKER), record: record(call) }).unwrap();
}

/// The calls under which submissions were carried on.
fn carried(rig: &mut Rig) -> Vec<u64> {
    rig.take::<ledger::Request>().into_iter().map(|(_, request)| request.call).collect()
}

fn answer(rig: &mut Rig, call: u64, answer: ledger::Answer) -> Vec<uplink::Reply> {
    rig.send(PRIMARY, ledger::Reply { call, answer }).unwrap();
    rig.take::<uplink::Reply>().into_iter().map(|(_, reply)| reply).collect()
}

#[test]
fn the_uplink_carries_a_submission_and_its_answer_once() {
    let mut rig = uplink(Duration::ZERO);
    submit(&mut rig, 1);
    let call = carried(&mut rig)[0];
    let delivered = uplink::Reply { call: 1, answer: uplink::Answer::Delivered { lsn: 4 } };
    assert_eq!(answer(&mut rig, call, ledger::Answer::Duplicate { lsn: 4 }), [delivered]);
    assert_eq!(answer(&mut rig, call, ledger::Answer::Duplicate { lsn: 4 }), []);
    assert_eq!(rig.count("uplink.late_answer"), 1);
}

#[test]
fn a_retry_is_carried_under_the_same_call_and_takes_no_second_place_in_the_queue() {
    let mut rig = uplink(Duration::ZERO);
    for call in [1, 2, 2, 1] {
        submit(&mut rig, call);
    }
    let calls = carried(&mut rig);
    assert_eq!((calls[0], calls[1]), (calls[3], calls[2]));
    submit(&mut rig, 3);
    let refused = rig.take::<uplink::Reply>();
    assert_eq!(refused[0].1, uplink::Reply { call: 3, answer: uplink::Answer::Unavailable });
    assert_eq!(rig.count("uplink.full"), 1);
}

#[test]
fn what_is_never_answered_leaves_the_queue_after_the_timeout() {
    let mut rig = uplink(Duration::ZERO);
    submit(&mut rig, 1);
    submit(&mut rig, 2);
    rig.wait(Duration::from_secs(2)).unwrap();
    carried(&mut rig);
    submit(&mut rig, 3);
    assert_eq!(carried(&mut rig).len(), 1);
}

#[test]
fn a_link_that_goes_down_forgets_what_is_in_flight_and_refuses_until_it_is_up() {
    let mut rig = uplink(Duration::from_secs(10));
    while rig.count("uplink.down") == 0 {
        submit(&mut rig, 1);
        rig.wait(Duration::from_millis(500)).unwrap();
    }
    let last = carried(&mut rig).pop().unwrap();
    assert_eq!(answer(&mut rig, last, ledger::Answer::Applied { lsn: 1 }), []);
    submit(&mut rig, 2);
    assert_eq!(rig.take::<uplink::Reply>()[0].1.answer, uplink::Answer::Unavailable);
    rig.wait(Duration::from_secs(15)).unwrap();
    assert!(rig.count("uplink.up") > 0);
}

fn worker() -> Rig {
    let retry = |millis| Retry {
        first: Duration::from_millis(100),
        longest: Duration::from_millis(200),
        deadline: Some(Duration::from_millis(millis)),
    };
    let config = edge::worker::Config {
        buffer: addr(BUFFER),
        uplink: addr(UPLINK),
        drain_every: Duration::from_secs(100),
        window: 2,
        submit: retry(1_000),
        ask: retry(2_000),
    };
    let mut rig = Rig::new(blueprint::<Worker>(Arc::new(config)));
    rig.send(BUFFER, drain::Nudge).unwrap();
    rig
}

const PASS: PassId = PassId { epoch: 1, number: 1 };

/// The one question that the worker has asked the buffer; repetitions are the same.
fn asked(rig: &mut Rig) -> drain::Request {
    let all = rig.take::<drain::Request>();
    let (_, first) = all.first().expect("the buffer was asked").clone();
    assert!(all.iter().all(|(_, request)| request.call == first.call));
    first
}

fn tell(rig: &mut Rig, call: u64, answer: drain::Answer) {
    rig.send(BUFFER, drain::Reply { call, answer }).unwrap();
}

fn page(ids: &[u64], next: Option<u64>) -> drain::Answer {
    drain::Answer::Page(Page { pass: PASS, records: ids.iter().map(|id| record(*id)).collect(), next })
}

fn submitted(rig: &mut Rig) -> Vec<(u64, u64)> {
    rig.take::<uplink::Request>().into_iter().map(|(_, request)| (request.call, request.record.id)).collect()
}

fn deliver(rig: &mut Rig, call: u64) {
    rig.send(UPLINK, uplink::Reply { call, answer: uplink::Answer::Delivered { lsn: 1 } }).unwrap();
}

#[test]
fn a_pass_goes_page_by_page_inside_the_window_and_ends_with_a_commit() {
    let mut rig = worker();
    let open = asked(&mut rig);
    assert_eq!(open.ask, Ask::Open);
    tell(&mut rig, open.call, page(&[1, 2, 3], Some(3)));
    let first = submitted(&mut rig);
    assert_eq!(first.iter().map(|it| it.1).collect::<Vec<_>>(), [1, 2], "the window holds two");
    deliver(&mut rig, first[0].0);
    let third = submitted(&mut rig);
    deliver(&mut rig, third[0].0);
    deliver(&mut rig, first[1].0);
    let turn = asked(&mut rig);
    assert_eq!(turn.ask, Ask::Page { pass: PASS, from: 3 });
    tell(&mut rig, turn.call, page(&[4], None));
    let (call, _) = submitted(&mut rig)[0];
    rig.send(UPLINK, uplink::Reply { call, answer: uplink::Answer::Rejected }).unwrap();
    let commit = asked(&mut rig);
    assert_eq!(commit.ask, Ask::Commit { pass: PASS, delivered: vec![1, 3, 2], failed: vec![4] });
    tell(&mut rig, commit.call, drain::Answer::Committed);
    assert_eq!(rig.count("worker.committed"), 1);
}

#[test]
fn a_record_that_is_not_delivered_in_time_is_reported_as_failed() {
    let mut rig = worker();
    let open = asked(&mut rig);
    tell(&mut rig, open.call, page(&[1, 2], None));
    let calls = submitted(&mut rig);
    rig.send(UPLINK, uplink::Reply { call: calls[0].0, answer: uplink::Answer::Unavailable }).unwrap();
    rig.wait(Duration::from_millis(500)).unwrap();
    let again: Vec<u64> = submitted(&mut rig).into_iter().map(|(_, id)| id).collect();
    assert!(again.contains(&1) && again.contains(&2), "both are asked again: {again:?}");
    deliver(&mut rig, calls[1].0);
    rig.wait(Duration::from_millis(600)).unwrap();
    assert_eq!(asked(&mut rig).ask, Ask::Commit { pass: PASS, delivered: vec![2], failed: vec![1] });
    deliver(&mut rig, calls[0].0);
    assert_eq!(rig.count("worker.late_answer"), 1);
}

#[test]
fn a_silent_buffer_is_given_up_and_its_late_page_is_ignored() {
    let mut rig = worker();
    let open = asked(&mut rig);
    rig.wait(Duration::from_millis(2_100)).unwrap();
    assert_eq!(rig.count("worker.gave_up"), 1);
    rig.take::<drain::Request>();
    tell(&mut rig, open.call, page(&[1], None));
    assert!(submitted(&mut rig).is_empty());
    assert_eq!(rig.count("worker.late_answer"), 1);
}

#[test]
fn every_answer_without_records_ends_the_pass_and_a_nudge_begins_another() {
    let holder = PASS;
    let refused = drain::Answer::Unavailable(contract::DiskError::NoSpace);
    for end in [drain::Answer::Empty, drain::Answer::Busy { holder }, drain::Answer::Stale, refused] {
        let mut rig = worker();
        let open = asked(&mut rig);
        rig.send(BUFFER, drain::Nudge).unwrap();
        assert!(rig.take::<drain::Request>().is_empty(), "a nudge does not disturb a pass");
        tell(&mut rig, open.call, end);
        rig.send(BUFFER, drain::Nudge).unwrap();
        assert_ne!(asked(&mut rig).call, open.call);
    }
}
