//! Retry, back-off, deadlines and duplicate requests, once for all components.
//!
//! [`Calls`] is the asking side: it keeps each outstanding request, says when to send it again and when
//! to give up. [`Answers`] is the answering side: it recognises a request that it has answered before.
//! Both are plain data; the actor owns the timer.

use crate::actor::Actor;
use crate::address::Addr;
use crate::context::Context;
use crate::message::{Inbox, Message};
use crate::time::{Duration, Time};
use std::collections::{BTreeMap, VecDeque};

/// How often and how long to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Wait before the second attempt; doubled for each further one.
    pub first: Duration,
    /// No wait is longer.
    pub longest: Duration,
    /// After this the answer no longer matters; `None` asks for ever.
    pub deadline: Option<Duration>,
}

impl Retry {
    /// The wait after attempt number `attempt` (from 1): exponential, then uniform in its upper half (equal jitter).
    pub fn wait(&self, attempt: u32, random: u64) -> Duration {
        let doubled = self.first.saturating_mul(1 << attempt.saturating_sub(1).min(16));
        let cap = doubled.min(self.longest).max(Duration::from_nanos(2));
        let half = cap / 2;
        half + Duration::from_nanos(random % (half.as_nanos() as u64 + 1))
    }
}

/// One outstanding request.
#[derive(Clone, Debug)]
pub struct Call<M> {
    /// Who is asked.
    pub to: Addr<M>,
    /// What is asked; the same bytes in each attempt, with the same request id.
    pub message: M,
    /// Attempts so far.
    pub attempts: u32,
    next: Time,
    expires: Option<Time>,
}

/// The outstanding requests of one actor towards one protocol, by request id.
#[derive(Clone, Debug)]
pub struct Calls<K, M> {
    retry: Retry,
    pending: BTreeMap<K, Call<M>>,
}

impl<K: Copy + Ord, M: Message> Calls<K, M> {
    /// No requests yet.
    pub fn new(retry: Retry) -> Self {
        Calls { retry, pending: BTreeMap::new() }
    }

    /// Sends `message` and remembers it under `id`, replacing an older request with that id.
    pub fn begin<A: Actor>(&mut self, id: K, to: Addr<M>, message: M, ctx: &mut Context<'_, A>) {
        let now = ctx.now();
        let next = now + self.retry.wait(1, ctx.random());
        let expires = self.retry.deadline.map(|deadline| now + deadline);
        ctx.send(to, message.clone());
        self.pending.insert(id, Call { to, message, attempts: 1, next, expires });
    }

    /// The answer to `id` came: forgets the request. `None` for an answer to nothing (late or duplicate).
    pub fn finish(&mut self, id: K) -> Option<Call<M>> {
        self.pending.remove(&id)
    }

    /// Sends again what is due and returns what has passed its deadline, forgotten.
    pub fn poll<A: Actor>(&mut self, ctx: &mut Context<'_, A>) -> Vec<(K, Call<M>)> {
        let now = ctx.now();
        let due: Vec<K> = self.pending.iter().filter(|(_, call)| call.due() <= now).map(|(&id, _)| id).collect();
        let mut expired = Vec::new();
        for id in due {
            let Some(mut call) = self.pending.remove(&id) else { continue };
            if call.expires.is_some_and(|expires| expires <= now) {
                expired.push((id, call));
                continue;
            }
            call.attempts += 1;
            call.next = now + self.retry.wait(call.attempts, ctx.random());
            ctx.send(call.to, call.message.clone());
            self.pending.insert(id, call);
        }
        expired
    }

    /// When [`Calls::poll`] should next be called; `None` while nothing is outstanding.
    pub fn next_due(&self) -> Option<Time> {
        self.pending.values().map(Call::due).min()
    }

    /// Sets `timer` for the next poll, or stops it.
    pub fn schedule<A: Actor>(&self, timer: A::Timer, ctx: &mut Context<'_, A>)
    where
        A::Inbox: Inbox,
    {
        match self.next_due() {
            // At least a microsecond: a timer that a rounding clock fires early would spin on the rest.
            Some(due) => ctx.set_timer(timer, due.since(ctx.now()).max(Duration::from_micros(1))),
            None => ctx.cancel_timer(timer),
        }
    }

    /// Outstanding requests.
    pub fn len(&self) -> usize {
        self.pending.len()
    }

    /// Whether nothing is outstanding.
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// The outstanding ids, in order.
    pub fn ids(&self) -> impl Iterator<Item = K> + '_ {
        self.pending.keys().copied()
    }
}

impl<M> Call<M> {
    fn due(&self) -> Time {
        self.expires.map_or(self.next, |expires| expires.min(self.next))
    }
}

/// Answers already given, by client and request id, the newest `capacity` of them.
///
/// A window, not a proof: whoever needs exactly-once keeps the ids with the data.
#[derive(Clone, Debug)]
pub struct Answers<K, R> {
    capacity: usize,
    given: BTreeMap<K, R>,
    order: VecDeque<K>,
}

impl<K: Copy + Ord, R: Clone> Answers<K, R> {
    /// Remembers at most `capacity` answers.
    pub fn new(capacity: usize) -> Self {
        assert!(capacity > 0, "a window holds at least one answer");
        Answers { capacity, given: BTreeMap::new(), order: VecDeque::new() }
    }

    /// The answer given to `id` before.
    pub fn get(&self, id: K) -> Option<&R> {
        self.given.get(&id)
    }

    /// Remembers an answer, forgetting the oldest beyond the capacity.
    pub fn put(&mut self, id: K, answer: R) {
        if self.given.insert(id, answer).is_none() {
            self.order.push_back(id);
        }
        while self.order.len() > self.capacity {
            if let Some(oldest) = self.order.pop_front() {
                self.given.remove(&oldest);
            }
        }
        assert!(self.given.len() == self.order.len(), "each remembered answer has its place in the order");
    }
}
