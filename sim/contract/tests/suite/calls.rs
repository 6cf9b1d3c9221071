//! The asking side: retries with back-off and jitter, deadlines, late and duplicate answers.

use crate::fake::{Ask, FakeHost, Recorder, Ring};
use contract::calls::{Calls, Retry};
use contract::timer::Timers;
use contract::{Addr, Duration, ProcessId, Time, codec};
use proptest::prelude::*;

const RETRY: Retry = Retry {
    first: Duration::from_millis(100),
    longest: Duration::from_millis(800),
    deadline: Some(Duration::from_secs(5)),
};

/// The only way to an address from outside a plan is a decoder, as for a peer's `reply_to`.
fn address() -> Addr<Ask> {
    codec::decode(&codec::encode(&ProcessId(3)).expect("an identity encodes")).expect("an address is an identity")
}

fn ask(key: &str) -> Ask {
    Ask::Get { key: key.to_owned() }
}

struct Bench {
    host: FakeHost,
    timers: Timers<Ring>,
    calls: Calls<u64, Ask>,
}

impl Bench {
    fn new(retry: Retry) -> Self {
        Bench { host: FakeHost::default(), timers: Timers::default(), calls: Calls::new(retry) }
    }
    fn begin(&mut self, id: u64) {
        let calls = &mut self.calls;
        self.host.with(&mut self.timers, |ctx| calls.begin(id, address(), ask("k"), ctx));
    }
    /// Moves the clock to the next due time and polls; the ids that expired.
    fn poll_when_due(&mut self) -> Vec<u64> {
        self.host.now = self.calls.next_due().expect("something is outstanding");
        self.poll()
    }
    fn poll(&mut self) -> Vec<u64> {
        let calls = &mut self.calls;
        let expired = self.host.with(&mut self.timers, |ctx| calls.poll(ctx));
        expired.into_iter().map(|(id, _)| id).collect()
    }
}

#[test]
fn a_request_goes_out_at_once_and_again_only_when_due() {
    let mut bench = Bench::new(RETRY);
    bench.begin(1);
    assert_eq!(bench.host.sent.len(), 1);
    assert_eq!(bench.host.sent[0].0, ProcessId(3));
    assert!(bench.poll().is_empty());
    assert_eq!(bench.host.sent.len(), 1, "polled early, it waits");
    assert!(bench.poll_when_due().is_empty());
    assert_eq!(bench.host.sent.len(), 2);
    let mut attempts = bench.host.sent.iter().map(|(_, payload)| {
        let mut bytes = Vec::new();
        payload.encode(&mut bytes).expect("the message encodes");
        bytes
    });
    assert_eq!(attempts.next(), attempts.next(), "each attempt carries the same bytes");
}

#[test]
fn waits_double_up_to_the_longest_and_jitter_takes_at_most_half() {
    for random in [0, 1, u64::MAX / 3, u64::MAX] {
        let mut bench = Bench::new(Retry { deadline: None, ..RETRY });
        bench.host.next_random = Some(random);
        bench.begin(1);
        let mut waits = Vec::new();
        for _ in 0..6 {
            let before = bench.host.now;
            bench.poll_when_due();
            waits.push(bench.host.now.since(before).as_millis());
        }
        for (wait, cap) in waits.into_iter().zip([100, 200, 400, 800, 800, 800]) {
            assert!((cap / 2..=cap).contains(&wait), "waited {wait} ms where the cap is {cap} ms");
        }
    }
}

#[test]
fn after_the_deadline_the_request_is_given_back_and_not_sent_again() {
    let mut bench = Bench::new(RETRY);
    bench.begin(1);
    let mut expired = Vec::new();
    while expired.is_empty() {
        expired = bench.poll_when_due();
    }
    assert_eq!(expired, [1]);
    assert_eq!(bench.host.now, Time::ZERO + Duration::from_secs(5), "not before the deadline, and not after it");
    let sent = bench.host.sent.len();
    assert!(bench.calls.is_empty() && bench.calls.next_due().is_none());
    bench.poll();
    assert_eq!(bench.host.sent.len(), sent);
}

#[test]
fn a_long_pause_past_the_deadline_expires_without_another_attempt() {
    let mut bench = Bench::new(RETRY);
    bench.begin(1);
    bench.host.now = Time::ZERO + Duration::from_secs(60);
    assert_eq!(bench.poll(), [1]);
    assert_eq!(bench.host.sent.len(), 1);
}

#[test]
fn an_answer_ends_the_request_and_a_second_answer_finds_nothing() {
    let mut bench = Bench::new(RETRY);
    bench.begin(1);
    bench.begin(2);
    let call = bench.calls.finish(1).expect("the request was outstanding");
    assert_eq!((call.to, call.attempts, call.message), (address(), 1, ask("k")));
    assert!(bench.calls.finish(1).is_none(), "a duplicate answer");
    assert!(bench.calls.finish(9).is_none(), "an answer to nothing");
    assert_eq!(bench.calls.ids().collect::<Vec<_>>(), [2]);
    assert_eq!(bench.calls.len(), 1);
}

#[test]
fn the_same_id_again_replaces_the_request() {
    let mut bench = Bench::new(RETRY);
    bench.begin(1);
    let first_due = bench.calls.next_due();
    bench.host.now = Time::ZERO + Duration::from_secs(1);
    bench.begin(1);
    assert_eq!(bench.calls.len(), 1);
    assert!(bench.calls.next_due() > first_due);
}

#[test]
fn the_timer_follows_the_requests() {
    let mut bench = Bench::new(RETRY);
    bench.begin(1);
    let calls = &bench.calls;
    bench.host.with(&mut bench.timers, |ctx| calls.schedule::<Recorder>(Ring::Retry, ctx));
    let (_, after) = bench.host.armed[0];
    assert_eq!(Time::ZERO + after, bench.calls.next_due().expect("one request is outstanding"));
    bench.calls.finish(1);
    let calls = &bench.calls;
    bench.host.with(&mut bench.timers, |ctx| calls.schedule::<Recorder>(Ring::Retry, ctx));
    assert!(!bench.timers.is_set(Ring::Retry), "with nothing outstanding the timer stops");
}

proptest! {
    /// Whatever the settings, time never goes back, a wait is never longer than allowed, and nobody panics.
    #[test]
    fn any_settings_keep_their_bounds(
        first in 0_u64..=u64::MAX, longest in 0_u64..=u64::MAX, deadline in prop::option::of(1_u64..=u64::MAX),
        random in any::<u64>(),
    ) {
        let longest = Duration::from_nanos(longest);
        let mut bench = Bench::new(Retry {
            first: Duration::from_nanos(first),
            longest,
            deadline: deadline.map(Duration::from_nanos),
        });
        bench.host.next_random = Some(random);
        bench.begin(1);
        for _ in 0..40 {
            let Some(due) = bench.calls.next_due() else { break };
            prop_assert!(due >= bench.host.now);
            prop_assert!(due.since(bench.host.now) <= longest.max(Duration::from_nanos(2)));
            bench.poll_when_due();
        }
    }
}
