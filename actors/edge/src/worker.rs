//! A recovery worker: drains its node's buffer through the uplink, pass by pass.
//!
//! ```text
//!          timer or nudge        a page             all delivered or failed, last page
//!   Idle ----------------> Opening ----> Delivering ------------------------------> Committing
//!    ^                        |          |   ^  | page done                              |
//!    |   empty, busy, refused |    stale |   +--+ ask for the next                       |
//!    +------------------------+----------+-----------------------------------------------+
//! ```
//! A worker keeps nothing on disk: a pass that it loses is taken over by another, and what it has
//! delivered twice is known to the primary.

use crate::message::drain::{Answer, Ask, PassId};
use crate::message::{Record, drain, uplink};
use contract::calls::{Calls, Retry};
use contract::{Actor, Addr, Context, Duration, Halt, ProcessId, inbox, mark};
use std::collections::VecDeque;
use std::sync::Arc;

/// What a worker is given.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its node's buffer.
    pub buffer: Addr<drain::Request>,
    /// Its node's uplink.
    pub uplink: Addr<uplink::Request>,
    /// Time between two passes, on average.
    pub drain_every: Duration,
    /// Submissions in flight, at most.
    pub window: usize,
    /// How a record is submitted; after the deadline it has failed.
    pub submit: Retry,
    /// How the buffer is asked; after the deadline the pass is given up.
    pub ask: Retry,
}

inbox! {
    /// What a worker accepts.
    pub enum Inbox {
        /// From the buffer.
        Drain(drain::Reply),
        /// From the uplink.
        Uplink(uplink::Reply),
        /// From the buffer, unasked.
        Nudge(drain::Nudge),
    }
}

/// The worker's timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// Time for a pass.
    Drain,
    /// The buffer has not answered.
    Ask,
    /// Some submission has not been answered.
    Submit,
}

/// Where the worker is in its pass.
#[derive(Clone, Debug)]
enum State {
    /// Between two passes.
    Idle,
    /// The buffer was asked for a pass.
    Opening,
    /// Records are on their way to the primary.
    Delivering(Pass),
    /// The buffer was told how the pass went.
    Committing,
}

/// A pass whose records are being delivered.
#[derive(Clone, Debug)]
struct Pass {
    id: PassId,
    /// Of this page, not yet submitted.
    waiting: VecDeque<Record>,
    /// Where the next page starts.
    next: Option<u64>,
    /// The next page was asked for.
    turning: bool,
    delivered: Vec<u64>,
    failed: Vec<u64>,
}

/// One recovery worker.
#[derive(Clone, Debug)]
pub struct Worker {
    config: Arc<Config>,
    state: State,
    asks: Calls<u64, drain::Request>,
    submissions: Calls<u64, uplink::Request>,
    next_call: u64,
}

impl Actor for Worker {
    type Config = Arc<Config>;
    type Inbox = Inbox;
    type Timer = Timer;

    fn boot(config: &Arc<Config>, ctx: &mut Context<'_, Self>) -> Result<Self, Halt> {
        assert!(config.window > 0, "knobs have their least values");
        assert!(config.ask.deadline.is_some() && config.submit.deadline.is_some(), "a worker never waits for ever");
        let mut worker = Worker {
            config: Arc::clone(config),
            state: State::Idle,
            asks: Calls::new(config.ask),
            submissions: Calls::new(config.submit),
            // Random, so that an answer to an earlier incarnation answers nothing of this one.
            next_call: ctx.random(),
        };
        worker.rest(ctx);
        Ok(worker)
    }

    fn on_message(&mut self, _: ProcessId, message: Inbox, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        match message {
            Inbox::Drain(reply) => self.on_answer(reply, ctx),
            Inbox::Uplink(reply) => self.on_submitted(&reply, ctx),
            Inbox::Nudge(drain::Nudge) => self.open(ctx),
        }
        self.check();
        Ok(())
    }

    fn on_timer(&mut self, timer: Timer, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        match timer {
            Timer::Drain => self.open(ctx),
            Timer::Ask => self.on_ask_due(ctx),
            Timer::Submit => self.on_submit_due(ctx),
        }
        self.check();
        Ok(())
    }
}

impl Worker {
    fn open(&mut self, ctx: &mut Context<'_, Self>) {
        if matches!(self.state, State::Idle) {
            self.state = State::Opening;
            ctx.cancel_timer(Timer::Drain);
            self.ask(Ask::Open, ctx);
        }
    }

    /// Between two passes: nothing is outstanding, the next pass is due after a while.
    fn rest(&mut self, ctx: &mut Context<'_, Self>) {
        self.state = State::Idle;
        self.asks = Calls::new(self.config.ask);
        self.submissions = Calls::new(self.config.submit);
        ctx.cancel_timer(Timer::Ask);
        ctx.cancel_timer(Timer::Submit);
        let every = self.config.drain_every;
        let wait = ctx.random_between(every / 2, every + every / 2);
        ctx.set_timer(Timer::Drain, wait);
    }

    fn ask(&mut self, ask: Ask, ctx: &mut Context<'_, Self>) {
        assert!(self.asks.is_empty(), "the buffer is asked one thing at a time");
        let call = self.call();
        let request = drain::Request { call, reply_to: ctx.addr(), ask };
        self.asks.begin(call, self.config.buffer, request, ctx);
        self.asks.schedule(Timer::Ask, ctx);
    }

    fn on_answer(&mut self, reply: drain::Reply, ctx: &mut Context<'_, Self>) {
        if self.asks.finish(reply.call).is_none() {
            ctx.mark(mark!("worker.late_answer"));
            return;
        }
        self.asks.schedule(Timer::Ask, ctx);
        match (&mut self.state, reply.answer) {
            (State::Opening, Answer::Page(page)) => {
                let drain::Page { pass: id, records, next } = page;
                let (waiting, turning) = (records.into(), false);
                let pass = Pass { id, waiting, next, turning, delivered: Vec::new(), failed: Vec::new() };
                self.state = State::Delivering(pass);
                self.deliver(ctx);
            }
            (State::Delivering(pass), Answer::Page(page)) if page.pass == pass.id => {
                pass.waiting = page.records.into();
                pass.next = page.next;
                pass.turning = false;
                self.deliver(ctx);
            }
            (_, Answer::Committed) => {
                ctx.mark(mark!("worker.committed"));
                self.rest(ctx);
            }
            // Empty, busy, unavailable, stale, aborted, or an answer that fits no question: try again later.
            _ => self.rest(ctx),
        }
    }

    /// Submits what the window allows; when the page is through, turns it, or commits after the last one.
    fn deliver(&mut self, ctx: &mut Context<'_, Self>) {
        while self.submissions.len() < self.config.window {
            let State::Delivering(pass) = &mut self.state else { return };
            let Some(record) = pass.waiting.pop_front() else { break };
            let call = self.call();
            let request = uplink::Request { call, reply_to: ctx.addr(), record };
            self.submissions.begin(call, self.config.uplink, request, ctx);
        }
        self.submissions.schedule(Timer::Submit, ctx);
        let State::Delivering(pass) = &mut self.state else { return };
        if !self.submissions.is_empty() || pass.turning {
            return;
        }
        assert!(pass.waiting.is_empty(), "a page is through when nothing of it waits");
        let ask = match pass.next {
            Some(from) => {
                pass.turning = true;
                Ask::Page { pass: pass.id, from }
            }
            None => {
                let delivered = std::mem::take(&mut pass.delivered);
                let failed = std::mem::take(&mut pass.failed);
                let commit = Ask::Commit { pass: pass.id, delivered, failed };
                self.state = State::Committing;
                commit
            }
        };
        self.ask(ask, ctx);
    }

    fn on_submitted(&mut self, reply: &uplink::Reply, ctx: &mut Context<'_, Self>) {
        let State::Delivering(pass) = &mut self.state else {
            ctx.mark(mark!("worker.late_answer"));
            return;
        };
        if reply.answer == uplink::Answer::Unavailable {
            // The call goes on asking until its deadline.
            return;
        }
        let Some(call) = self.submissions.finish(reply.call) else {
            ctx.mark(mark!("worker.late_answer"));
            return;
        };
        match reply.answer {
            uplink::Answer::Delivered { .. } => pass.delivered.push(call.message.record.id),
            _ => {
                ctx.mark(mark!("worker.rejected", id = call.message.record.id));
                pass.failed.push(call.message.record.id);
            }
        }
        self.deliver(ctx);
    }

    fn on_ask_due(&mut self, ctx: &mut Context<'_, Self>) {
        let given_up = self.asks.poll(ctx);
        if given_up.is_empty() {
            self.asks.schedule(Timer::Ask, ctx);
            return;
        }
        // The buffer may have opened the pass: its gate notices our silence.
        ctx.mark(mark!("worker.gave_up"));
        self.rest(ctx);
    }

    fn on_submit_due(&mut self, ctx: &mut Context<'_, Self>) {
        let expired = self.submissions.poll(ctx);
        if let State::Delivering(pass) = &mut self.state {
            pass.failed.extend(expired.iter().map(|(_, call)| call.message.record.id));
            self.deliver(ctx);
        }
    }

    fn call(&mut self) -> u64 {
        self.next_call = self.next_call.wrapping_add(1);
        self.next_call
    }

    fn check(&self) {
        assert!(self.submissions.len() <= self.config.window, "submissions stay inside the window");
        let asking = matches!(self.state, State::Opening | State::Committing);
        assert!(!asking || self.asks.len() == 1, "who waits for the buffer has asked it");
        assert!(!matches!(self.state, State::Idle) || self.submissions.is_empty(), "an idle worker delivers nothing");
    }
}
