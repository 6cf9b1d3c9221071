//! The intermittent uplink: carries submissions to the primary while it is up, and drops what is under way
//! when it goes down.
//!
//! ```text
//!        after `up`, jittered: everything in flight is forgotten
//!   Up ----------------------------------------------------------> Down
//!     <----------------------------------------------------------
//!                     after `down`, jittered
//! ```

use crate::message::{ledger, uplink as wire};
use contract::{Actor, Addr, Context, Duration, Halt, ProcessId, Time, inbox, mark};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What an uplink is given.
#[derive(Clone, Debug)]
pub struct Config {
    /// The primary's ledger.
    pub primary: Addr<ledger::Request>,
    /// How long it is up at a time, on average.
    pub up: Duration,
    /// How long it is down at a time, on average; zero for never.
    pub down: Duration,
    /// Submissions in flight, at most.
    pub queue_max: usize,
    /// A submission without an answer is forgotten after this.
    pub timeout: Duration,
}

inbox! {
    /// What an uplink accepts.
    pub enum Inbox {
        /// From workers.
        Submit(wire::Request),
        /// From the primary.
        Ledger(ledger::Reply),
    }
}

/// The uplink's timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// The link goes up or down.
    Switch,
    /// The oldest submission in flight may be too old.
    Expire,
}

/// Whether anything gets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    /// Submissions are carried.
    Up,
    /// Submissions are refused.
    Down,
}

/// A submission that was carried to the primary and not answered yet.
#[derive(Clone, Copy, Debug)]
struct InFlight {
    asker: (ProcessId, u64),
    reply_to: Addr<wire::Reply>,
    since: Time,
}

/// The uplink of one edge node.
#[derive(Clone, Debug)]
pub struct Uplink {
    config: Arc<Config>,
    link: Link,
    in_flight: BTreeMap<u64, InFlight>,
    /// The call in flight for a worker's call: a retry is carried again under the same one.
    by_asker: BTreeMap<(ProcessId, u64), u64>,
    next_call: u64,
}

impl Actor for Uplink {
    type Config = Arc<Config>;
    type Inbox = Inbox;
    type Timer = Timer;

    fn boot(config: &Arc<Config>, ctx: &mut Context<'_, Self>) -> Result<Self, Halt> {
        assert!(config.queue_max > 0, "knobs have their least values");
        let uplink = Uplink {
            config: Arc::clone(config),
            link: Link::Up,
            in_flight: BTreeMap::new(),
            by_asker: BTreeMap::new(),
            // Random, so that an answer to an earlier incarnation answers nothing of this one.
            next_call: ctx.random(),
        };
        if !config.down.is_zero() {
            let lasts = jittered(config.up, ctx);
            ctx.set_timer(Timer::Switch, lasts);
        }
        Ok(uplink)
    }

    fn on_message(&mut self, from: ProcessId, message: Inbox, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        match message {
            Inbox::Submit(request) => self.on_submit(from, request, ctx),
            Inbox::Ledger(reply) => self.on_reply(&reply, ctx),
        }
        self.check();
        Ok(())
    }

    fn on_timer(&mut self, timer: Timer, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        match timer {
            Timer::Switch => self.switch(ctx),
            Timer::Expire => self.expire(ctx),
        }
        self.check();
        Ok(())
    }
}

impl Uplink {
    fn on_submit(&mut self, from: ProcessId, request: wire::Request, ctx: &mut Context<'_, Self>) {
        let wire::Request { call, reply_to, record } = request;
        let asker = (from, call);
        let known = self.by_asker.get(&asker).copied();
        let full = known.is_none() && self.in_flight.len() >= self.config.queue_max;
        if self.link == Link::Down || full {
            ctx.mark(if full { mark!("uplink.full") } else { mark!("uplink.refused") });
            ctx.send(reply_to, wire::Reply { call, answer: wire::Answer::Unavailable });
            return;
        }
        let carried = known.unwrap_or_else(|| {
            self.next_call = self.next_call.wrapping_add(1);
            self.next_call
        });
        self.in_flight.insert(carried, InFlight { asker, reply_to, since: ctx.now() });
        self.by_asker.insert(asker, carried);
        if !ctx.timer_is_set(Timer::Expire) {
            ctx.set_timer(Timer::Expire, self.config.timeout);
        }
        let ask = ledger::Ask::Submit(record);
        ctx.send(self.config.primary, ledger::Request { call: carried, reply_to: ctx.addr(), ask });
    }

    fn on_reply(&mut self, reply: &ledger::Reply, ctx: &mut Context<'_, Self>) {
        // Nothing is in flight while the link is down, so an answer that comes then is dropped here, too.
        let Some(InFlight { asker, reply_to, .. }) = self.in_flight.remove(&reply.call) else {
            ctx.mark(mark!("uplink.late_answer"));
            return;
        };
        self.by_asker.remove(&asker);
        let answer = match reply.answer {
            ledger::Answer::Applied { lsn } | ledger::Answer::Duplicate { lsn } => wire::Answer::Delivered { lsn },
            ledger::Answer::TooLong => wire::Answer::Rejected,
            // Rows answer no submission: a primary that sends them is not understood.
            ledger::Answer::Unavailable | ledger::Answer::Rows { .. } => wire::Answer::Unavailable,
        };
        ctx.send(reply_to, wire::Reply { call: asker.1, answer });
    }

    fn switch(&mut self, ctx: &mut Context<'_, Self>) {
        let average = match self.link {
            Link::Up => {
                ctx.mark(mark!("uplink.down", dropped = self.in_flight.len()));
                self.link = Link::Down;
                self.in_flight.clear();
                self.by_asker.clear();
                self.config.down
            }
            Link::Down => {
                ctx.mark(mark!("uplink.up"));
                self.link = Link::Up;
                self.config.up
            }
        };
        let lasts = jittered(average, ctx);
        ctx.set_timer(Timer::Switch, lasts);
    }

    fn expire(&mut self, ctx: &mut Context<'_, Self>) {
        let now = ctx.now();
        let timeout = self.config.timeout;
        self.in_flight.retain(|_, it| now.since(it.since) < timeout);
        let in_flight = &self.in_flight;
        self.by_asker.retain(|_, call| in_flight.contains_key(call));
        if let Some(oldest) = self.in_flight.values().map(|it| it.since).min() {
            // At least a millisecond: expiring in batches costs less than one timer each.
            ctx.set_timer(Timer::Expire, (oldest + timeout).since(now).max(Duration::from_millis(1)));
        }
    }

    fn check(&self) {
        assert!(self.in_flight.len() <= self.config.queue_max, "the queue is bounded");
        assert!(self.in_flight.len() == self.by_asker.len(), "each submission in flight has one asker");
    }
}

/// Half to one and a half of `average`.
fn jittered(average: Duration, ctx: &mut Context<'_, Uplink>) -> Duration {
    ctx.random_between(average / 2, average + average / 2)
}
