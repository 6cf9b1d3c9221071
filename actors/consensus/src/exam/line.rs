//! One question at a time to a service of several members, exactly as it is given, until one of them answers it.
//!
//! The examination asks what [`crate::rcs::client`] takes care never to ask: operations again, out of order, and in
//! sessions that do not exist.

use crate::rcs::message::{Answer, Ask, Reply, Request};
use contract::{Actor, Addr, Context, Duration, Time};
use std::sync::Arc;

/// Where questions go.
#[derive(Clone, Debug)]
pub(super) struct Line {
    members: Arc<[Addr<Request>]>,
    /// After this another member is asked.
    silence: Duration,
    /// Whom it asks.
    at: usize,
    /// Names the last call.
    call: u64,
    open: Option<Open>,
}

/// The question without an answer.
#[derive(Clone, Debug)]
struct Open {
    ask: Ask,
    /// When to ask again; if nobody has said whom by then, the next member.
    again: Time,
    directed: bool,
}

/// Wait before a member is asked that another one has named, or that comes after one that does not serve.
const REDIRECTED: Duration = Duration::from_millis(20);

impl Line {
    /// A line on which nothing was asked yet.
    pub(super) fn new(members: Arc<[Addr<Request>]>, silence: Duration, random: u64) -> Self {
        assert!(!members.is_empty(), "there is somebody to ask");
        Line { members, silence, at: 0, call: random, open: None }
    }

    /// Asks.
    pub(super) fn ask<A: Actor>(&mut self, ask: Ask, ctx: &mut Context<'_, A>)
    where
        A::Inbox: From<Reply>,
    {
        assert!(self.open.is_none(), "one question at a time");
        self.call = self.call.wrapping_add(1);
        self.open = Some(Open { ask, again: ctx.now(), directed: true });
        self.send(ctx);
    }

    /// Takes a reply: the question and its answer; `None` if it answers nothing, or says to ask elsewhere.
    pub(super) fn hear<A: Actor>(&mut self, reply: Reply, ctx: &mut Context<'_, A>) -> Option<(Ask, Answer)> {
        let open = self.open.as_mut().filter(|_| self.call == reply.call)?;
        if let Answer::Retry { leader } = reply.answer {
            self.at = leader.map_or(self.at + 1, |slot| slot as usize) % self.members.len();
            (open.again, open.directed) = (ctx.now() + REDIRECTED, true);
            return None;
        }
        Some((self.open.take()?.ask, reply.answer))
    }

    /// The answer was old: the next question goes to another member.
    pub(super) fn elsewhere(&mut self) {
        self.at = (self.at + 1) % self.members.len();
    }

    /// Asks again if it is time.
    pub(super) fn poll<A: Actor>(&mut self, ctx: &mut Context<'_, A>)
    where
        A::Inbox: From<Reply>,
    {
        let Some(open) = self.open.as_ref().filter(|open| open.again <= ctx.now()) else { return };
        if !open.directed {
            self.elsewhere();
        }
        self.send(ctx);
    }

    /// Sets `timer` for the next poll, or stops it.
    pub(super) fn schedule<A: Actor>(&self, timer: A::Timer, ctx: &mut Context<'_, A>) {
        match &self.open {
            // At least a microsecond: a timer that a rounding clock fires early would spin on the rest.
            Some(open) => ctx.set_timer(timer, open.again.since(ctx.now()).max(Duration::from_micros(1))),
            None => ctx.cancel_timer(timer),
        }
    }

    fn send<A: Actor>(&mut self, ctx: &mut Context<'_, A>)
    where
        A::Inbox: From<Reply>,
    {
        let Some(open) = self.open.as_mut() else { return };
        (open.again, open.directed) = (ctx.now() + self.silence, false);
        let request = Request { call: self.call, reply_to: ctx.addr(), ask: open.ask.clone() };
        ctx.send(self.members[self.at], request);
    }
}
