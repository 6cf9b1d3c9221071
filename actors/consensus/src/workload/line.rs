//! One question at a time to a service of several members, and a session for those that change something.
//!
//! ```text
//!             ask                 answer to it
//!   free -------------> asking -----------------> free
//!                       |  ^ again after a wait: to the leader that a member named, else to the next member
//!                       |  |
//!                       +--+      deadline -----> free, outcome unknown
//! ```
//!
//! A repetition carries the same call and the same operation, so that it is done once. Whoever gives an operation up
//! has to begin a new session: what the old one still has under way must not be mistaken for the next operation.

use crate::rcs::message::{Answer, Ask, Done, Operation, OperationId, Refusal, Reply, Request};
use contract::calls::Retry;
use contract::{Actor, Addr, Context, Duration, Time};

/// A line to the members of one service.
#[derive(Clone, Debug)]
pub struct Line {
    members: Vec<Addr<Request>>,
    retry: Retry,
    /// Whom it asks.
    at: usize,
    /// Names the next call.
    next: u64,
    open: Option<Open>,
    session: Session,
}

/// The question without an answer.
#[derive(Clone, Debug)]
struct Open {
    call: u64,
    ask: Ask,
    attempts: u32,
    /// A member has answered and said whom to ask; else the one that was asked is silent.
    redirected: bool,
    began: Time,
    again: Time,
    expires: Option<Time>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Session {
    /// `None` before it is opened and after an operation was given up.
    id: Option<u64>,
    /// Operations so far.
    number: u64,
}

/// An answer, with the time at which its question was first sent.
#[derive(Clone, Debug)]
pub struct Heard {
    /// The answer; never [`Answer::Retry`].
    pub answer: Answer,
    /// What was asked.
    pub ask: Ask,
    /// What the answer says was so at some moment since then.
    pub asked: Time,
}

impl Line {
    /// A line that asks the members in turn, beginning at number `first`.
    pub fn new(members: Vec<Addr<Request>>, retry: Retry, first: usize, random: u64) -> Self {
        assert!(!members.is_empty(), "there is somebody to ask");
        let at = first % members.len();
        Line { members, retry, at, next: random, open: None, session: Session::default() }
    }

    /// Whether nothing is being asked.
    pub fn is_free(&self) -> bool {
        self.open.is_none()
    }

    /// Whether there is a session, so that [`Line::operate`] may be called.
    pub fn has_session(&self) -> bool {
        self.session.id.is_some()
    }

    /// Begins a session; [`Line::hear`] keeps its number.
    pub fn open_session<A: Actor>(&mut self, ctx: &mut Context<'_, A>)
    where
        A::Inbox: From<Reply>,
    {
        let id = OperationId { session: ctx.random(), ..OperationId::default() };
        self.ask(Ask::Do { id, operation: Operation::OpenSession }, ctx);
    }

    /// Asks for the session's next operation. `traced` is the history's operation, 0 for none.
    pub fn operate<A: Actor>(&mut self, operation: Operation, traced: u64, ctx: &mut Context<'_, A>)
    where
        A::Inbox: From<Reply>,
    {
        let session = self.session.id.expect("whoever operates has waited for a session");
        self.session.number += 1;
        let id = OperationId { session, number: self.session.number, traced };
        self.ask(Ask::Do { id, operation }, ctx);
    }

    /// Asks.
    pub fn ask<A: Actor>(&mut self, ask: Ask, ctx: &mut Context<'_, A>)
    where
        A::Inbox: From<Reply>,
    {
        assert!(self.open.is_none(), "one question at a time");
        self.next = self.next.wrapping_add(1);
        let now = ctx.now();
        let expires = self.retry.deadline.map(|deadline| now + deadline);
        self.open =
            Some(Open { call: self.next, ask, attempts: 0, redirected: false, began: now, again: now, expires });
        self.send(ctx);
    }

    /// Takes a reply; `None` if it answers nothing that is asked now, or says to ask again.
    pub fn hear<A: Actor>(&mut self, reply: Reply, ctx: &mut Context<'_, A>) -> Option<Heard>
    where
        A::Inbox: From<Reply>,
    {
        let open = self.open.as_mut().filter(|open| open.call == reply.call)?;
        if let Answer::Retry { leader } = reply.answer {
            self.at = leader.map_or(self.at + 1, |slot| slot as usize) % self.members.len();
            open.redirected = true;
            open.again = ctx.now() + half_to_whole(self.retry.first / 8, ctx);
            return None;
        }
        let Open { ask, began, .. } = self.open.take()?;
        self.learn(&ask, &reply.answer);
        Some(Heard { answer: reply.answer, ask, asked: began })
    }

    /// Asks again what is due; what was asked if it is given up.
    pub fn poll<A: Actor>(&mut self, ctx: &mut Context<'_, A>) -> Option<Ask>
    where
        A::Inbox: From<Reply>,
    {
        let now = ctx.now();
        let open = self.open.as_ref()?;
        if open.expires.is_some_and(|expires| expires <= now) {
            let ask = self.open.take()?.ask;
            if matches!(ask, Ask::Do { .. }) {
                self.session = Session::default();
            }
            return Some(ask);
        }
        if open.again <= now {
            if !open.redirected {
                self.at = (self.at + 1) % self.members.len();
            }
            self.send(ctx);
        }
        None
    }

    /// Sets `timer` for the next poll, or stops it.
    pub fn schedule<A: Actor>(&self, timer: A::Timer, ctx: &mut Context<'_, A>) {
        let Some(open) = &self.open else { return ctx.cancel_timer(timer) };
        let due = open.expires.map_or(open.again, |expires| expires.min(open.again));
        ctx.set_timer(timer, due.since(ctx.now()).max(Duration::from_micros(1)));
    }

    fn send<A: Actor>(&mut self, ctx: &mut Context<'_, A>)
    where
        A::Inbox: From<Reply>,
    {
        let Some(open) = self.open.as_mut() else { return };
        open.attempts += 1;
        open.redirected = false;
        let doubled = self.retry.first.saturating_mul(1 << (open.attempts - 1).min(16));
        open.again = ctx.now() + half_to_whole(doubled.min(self.retry.longest), ctx);
        let request = Request { call: open.call, reply_to: ctx.addr(), ask: open.ask.clone() };
        ctx.send(self.members[self.at], request);
    }

    fn learn(&mut self, ask: &Ask, answer: &Answer) {
        match (ask, answer) {
            (Ask::Do { .. }, Answer::Done { done: Done::Session(id), .. }) => {
                self.session = Session { id: Some(*id), number: 0 };
            }
            (Ask::Do { .. }, Answer::Refused(Refusal::NoSession | Refusal::Overtaken)) => {
                self.session = Session::default();
            }
            _ => {}
        }
    }
}

/// Equal jitter: somewhere in the upper half.
fn half_to_whole<A: Actor>(wait: Duration, ctx: &mut Context<'_, A>) -> Duration {
    ctx.random_between(wait / 2, wait)
}
