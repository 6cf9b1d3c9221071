//! A holder: campaigns for a lock under a lease, writes to the resource behind it, and lets it go again.
//!
//! ```text
//!              Next                 the key is created, or was ours
//!   idle ---------------> campaign ---------------------------------> holding
//!    ^  ^                    |  lease, transaction                     | renews; writes with its token
//!    |  +--- not ours -------+                                         |
//!    +------------- the lease may be over, a later holder wrote, or it has had it for long enough
//! ```
//!
//! The lock is the key `elections/{name}`: who creates it has it, until its lease ends. The revision that created it is
//! the fencing token (spec: every write of a holder carries it). A holder counts its lease from the moment at which it
//! *sent* the question that was answered, by its monotonic clock, and leaves out what two clocks may differ by. What it
//! still has under way when it stops may arrive later: the token decides then.

use crate::planted::Planted;
use crate::rcs::client::{Client, Config as Service, Ended, Outcome};
use crate::rcs::lease::Lease;
use crate::rcs::message::{
    Answer, Compare, Done, Keys, Operation, Range, Refusal, Relation, Reply, Row, Step, StepDone, Target, Transaction,
};
use crate::resource::message as resource;
use contract::calls::{Calls, Retry};
use contract::time::nanos;
use contract::{Actor, Addr, Blob, Context, Duration, Halt, Mark, ProcessId, Time, inbox, mark};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a holder is given.
#[derive(Clone, Debug)]
pub struct Config {
    /// Which holder it is.
    pub index: u32,
    /// How it asks the service.
    pub service: Arc<Service>,
    /// What the lock protects.
    pub resource: Addr<resource::Request>,
    /// How it asks the resource.
    pub retry: Retry,
    /// The lock's name.
    pub lock: String,
    /// How often it wants to have held the lock.
    pub rounds: u64,
    /// The lease's time to live, as it is asked for.
    pub ttl: Duration,
    /// By how much two clocks may differ in rate, in millionths.
    pub drift_ppm: u64,
    /// How long it keeps the lock, on average.
    pub hold: Duration,
    /// Time between two tries to get it, on average.
    pub patience: Duration,
    /// Time between two writes to the resource, on average.
    pub write_every: Duration,
    /// The defects that are switched on.
    pub planted: Planted,
}

inbox! {
    /// What a holder accepts.
    pub enum Inbox {
        /// From members.
        Reply(Reply),
        /// From the resource.
        Written(resource::Reply),
    }
}

/// The holder's timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// Time for the next try.
    Next,
    /// A question to the service has not been answered.
    Retry,
    /// Time to renew the lease.
    Renew,
    /// The lease may be over.
    Expire,
    /// It has had the lock for long enough.
    Leave,
    /// Time for the next write.
    Write,
    /// Some write has not been answered.
    Writes,
}

/// The shortest time between two looks at a clock.
const LOOK: Duration = Duration::from_millis(5);

/// One holder.
#[derive(Clone, Debug)]
pub struct Holder {
    config: Arc<Config>,
    service: Client,
    /// What it has asked the service for, by ticket.
    asked: BTreeMap<u64, Asked>,
    writes: Calls<u64, resource::Request>,
    /// Unlike every other incarnation's.
    nonce: u64,
    /// Times that it has held the lock.
    rounds: u64,
    /// Names the writes.
    written: u64,
    lease: Option<Lease>,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It does not want the lock now.
    Idle,
    /// It wants it, and one question is open about that.
    Campaign,
    /// It believes that it has it.
    Holding {
        /// The revision that created the key.
        token: u64,
    },
}

/// What it has asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// A lease to campaign with.
    Lease,
    /// The lock.
    Lock,
    /// That this lease goes on.
    Renewal(Lease),
    /// That the lock is free again.
    End,
}

impl Actor for Holder {
    type Config = Arc<Config>;
    type Inbox = Inbox;
    type Timer = Timer;

    fn boot(config: &Arc<Config>, ctx: &mut Context<'_, Self>) -> Result<Self, Halt> {
        assert!(config.service.retry.deadline.is_some(), "a holder gives up some time");
        let mut holder = Holder {
            service: Client::new(Arc::clone(&config.service), ctx),
            asked: BTreeMap::new(),
            writes: Calls::new(config.retry),
            nonce: ctx.random(),
            rounds: 0,
            written: ctx.random(),
            lease: None,
            phase: Phase::Idle,
            config: Arc::clone(config),
        };
        holder.rest(ctx);
        Ok(holder)
    }

    fn on_message(&mut self, from: ProcessId, message: Inbox, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        match message {
            Inbox::Reply(reply) => {
                if let Some(ended) = self.service.on_reply(from, reply, ctx) {
                    self.on_ended(ended, ctx);
                }
                self.service.schedule(Timer::Retry, ctx);
            }
            Inbox::Written(reply) => self.on_written(reply, ctx),
        }
        Ok(())
    }

    fn on_timer(&mut self, timer: Timer, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        match timer {
            Timer::Next => self.campaign(ctx),
            Timer::Retry => {
                for ended in self.service.poll(ctx) {
                    self.on_ended(ended, ctx);
                }
            }
            Timer::Renew => self.renew(ctx),
            Timer::Expire => self.watch_the_clock(ctx),
            Timer::Leave => self.leave(ctx),
            Timer::Write => self.write(ctx),
            Timer::Writes => {
                // A write that is given up may still arrive: the resource looks at its token.
                drop(self.writes.poll(ctx));
                self.writes.schedule(Timer::Writes, ctx);
            }
        }
        self.service.schedule(Timer::Retry, ctx);
        Ok(())
    }
}

impl Holder {
    fn ask(&mut self, what: Asked, operation: Operation, ctx: &mut Context<'_, Self>) {
        let ticket = self.service.write(operation, 0, ctx);
        self.asked.insert(ticket, what);
    }

    fn on_ended(&mut self, ended: Ended, ctx: &mut Context<'_, Self>) {
        let Some(what) = self.asked.remove(&ended.ticket) else { unreachable!("every ticket was asked for") };
        match (what, ended.outcome) {
            (Asked::End, _) => {}
            (Asked::Lease | Asked::Lock, Outcome::Unknown | Outcome::Unsent) => self.rest(ctx),
            (Asked::Lease, Outcome::Answered(Answer::Done { done: Done::Granted { lease, ttl_ms }, .. })) => {
                let Config { drift_ppm, planted, .. } = *self.config;
                self.lease = Some(Lease::granted(lease, ttl_ms, ended.sent, ctx.wall(), drift_ppm, planted));
                self.state_held(self.lease, ctx);
                self.campaign(ctx);
            }
            (Asked::Lock, Outcome::Answered(Answer::Done { done: Done::Transacted { steps, .. }, .. })) => {
                match &steps[..] {
                    [StepDone::Put, StepDone::Range(range)] | [StepDone::Range(range)] => self.look(range, ctx),
                    steps => panic!("a campaign for {} was answered {steps:?}", self.config.lock),
                }
            }
            (Asked::Lock, Outcome::Answered(Answer::Refused(Refusal::NoLease))) => {
                self.lease = None;
                self.rest(ctx);
            }
            (Asked::Renewal(lease), outcome) => self.renewed(lease, &outcome, ended.sent, ctx),
            (what, outcome) => panic!("{what:?} for {} was answered {outcome:?}", self.config.lock),
        }
    }

    /// Waits for the next try, or says that there is none.
    fn rest(&mut self, ctx: &mut Context<'_, Self>) {
        self.phase = Phase::Idle;
        if self.rounds < self.config.rounds {
            let patience = self.config.patience;
            let wait = ctx.random_between(patience / 2, patience + patience / 2);
            ctx.set_timer(Timer::Next, wait);
        } else {
            ctx.mark(mark!("workload.done", client = self.config.index));
        }
    }

    /// The next step towards the lock: a lease that will last, then the key.
    fn campaign(&mut self, ctx: &mut Context<'_, Self>) {
        self.phase = Phase::Campaign;
        let lasts = |lease: &Lease| lease.until().since(ctx.now()) > self.config.ttl / 2;
        match self.lease.filter(lasts) {
            Some(lease) => {
                let transaction = self.create(lease.number);
                self.ask(Asked::Lock, Operation::Transact(transaction), ctx);
            }
            None => {
                let ttl_ms = u64::try_from(self.config.ttl.as_millis()).unwrap_or(u64::MAX);
                self.ask(Asked::Lease, Operation::Grant { ttl_ms }, ctx);
            }
        }
    }

    /// Creates the key if it is not there, and tells what is there in the end.
    fn create(&self, lease: u64) -> Transaction {
        let key = self.key();
        let look = Step::Range { keys: Keys::One(key.clone()), limit: 0 };
        Transaction {
            compare: vec![Compare { key: key.clone(), target: Target::Created(0), relation: Relation::Equal }],
            then: vec![Step::Put { key, value: self.name().as_bytes().into(), lease }, look.clone()],
            otherwise: vec![look],
        }
    }

    /// Whose key it is. A campaign whose outcome was unknown may have created it.
    fn look(&mut self, found: &Range, ctx: &mut Context<'_, Self>) {
        let lease = self.lease.map_or(0, |lease| lease.number);
        let mine = |row: &&Row| *row.value == *self.name().as_bytes() && row.lease == lease;
        match found.rows.first().filter(mine).map(|row| row.created) {
            Some(token) if self.believes(ctx) => self.acquire(token, ctx),
            _ => self.rest(ctx),
        }
    }

    fn acquire(&mut self, token: u64, ctx: &mut Context<'_, Self>) {
        self.phase = Phase::Holding { token };
        if let Some(lease) = &mut self.lease {
            lease.fence(token);
        }
        ctx.mark(self.about(mark!("lock.acquired"), token));
        let hold = self.config.hold;
        let wait = ctx.random_between(hold / 2, hold + hold / 2);
        ctx.set_timer(Timer::Leave, wait);
        self.renew_later(ctx);
        self.watch_the_clock(ctx);
        self.write(ctx);
    }

    /// Whether it believes that its lease goes on.
    fn believes(&self, ctx: &Context<'_, Self>) -> bool {
        self.lease.is_some_and(|lease| lease.is_held(ctx.now(), ctx.wall()))
    }

    fn watch_the_clock(&mut self, ctx: &mut Context<'_, Self>) {
        match self.lease.filter(|_| self.believes(ctx)) {
            Some(lease) => ctx.set_timer(Timer::Expire, lease.until().since(ctx.now()).max(LOOK)),
            None => self.lose(ctx),
        }
    }

    /// A third of the time to live after the last renewal that was answered was sent, or after this one.
    fn renew_later(&mut self, ctx: &mut Context<'_, Self>) {
        let Some(lease) = self.lease else { return };
        let due = lease.renew_at().since(ctx.now());
        let wait = if due.is_zero() { self.config.ttl / 3 } else { due };
        ctx.set_timer(Timer::Renew, wait);
    }

    fn renew(&mut self, ctx: &mut Context<'_, Self>) {
        if let (Phase::Holding { .. }, Some(lease)) = (self.phase, self.lease) {
            self.ask(Asked::Renewal(lease), Operation::Renew { lease: lease.number }, ctx);
            self.renew_later(ctx);
        }
    }

    /// How a renewal ended. What it promises holds even when this holder has stopped to act on the lease.
    fn renewed(&mut self, mut lease: Lease, outcome: &Outcome, sent: Time, ctx: &mut Context<'_, Self>) {
        let acts = self.lease.is_some_and(|now| now.number == lease.number);
        match outcome {
            Outcome::Answered(Answer::Done { done: Done::Renewed { .. }, .. }) => {
                lease.renewed(sent, ctx.wall());
                self.state_held(Some(lease), ctx);
                if let (Phase::Holding { token }, Some(held), true) = (self.phase, &mut self.lease, acts) {
                    held.renewed(sent, ctx.wall());
                    if self.believes(ctx) {
                        ctx.mark(self.about(mark!("lock.acquired"), token));
                        self.renew_later(ctx);
                    }
                    self.watch_the_clock(ctx);
                }
            }
            Outcome::Answered(Answer::Refused(Refusal::NoLease)) if acts => {
                self.lease = None;
                self.lose(ctx);
            }
            Outcome::Answered(Answer::Refused(Refusal::NoLease)) | Outcome::Unknown | Outcome::Unsent => {}
            Outcome::Answered(answer) => panic!("a renewal for {} was answered {answer:?}", self.config.lock),
        }
    }

    /// States for how long the service has promised to keep the lease.
    fn state_held(&self, lease: Option<Lease>, ctx: &mut Context<'_, Self>) {
        let Some(lease) = lease else { return };
        let span = nanos(lease.until().since(ctx.now()));
        if span > 0 {
            ctx.mark(mark!("lease.held", lease = lease.number, span = span, drift_ppm = self.config.drift_ppm));
        }
    }

    fn write(&mut self, ctx: &mut Context<'_, Self>) {
        let (Phase::Holding { token }, Some(lease)) = (self.phase, self.lease) else { return };
        if !self.believes(ctx) {
            return self.lose(ctx);
        }
        self.written = self.written.wrapping_add(1);
        let lock = self.config.lock.clone();
        let request =
            resource::Request { call: self.written, reply_to: ctx.addr(), lock, token: lease.token(), traced: token };
        self.writes.begin(self.written, self.config.resource, request, ctx);
        self.writes.schedule(Timer::Writes, ctx);
        let every = self.config.write_every;
        let wait = ctx.random_between(every / 2, every + every / 2);
        ctx.set_timer(Timer::Write, wait);
    }

    fn on_written(&mut self, reply: resource::Reply, ctx: &mut Context<'_, Self>) {
        let Some(call) = self.writes.finish(reply.call) else { return };
        self.writes.schedule(Timer::Writes, ctx);
        if !reply.taken && self.phase == (Phase::Holding { token: call.message.traced }) {
            self.lose(ctx);
        }
    }

    /// It no longer acts as the holder, whoever is.
    fn lose(&mut self, ctx: &mut Context<'_, Self>) {
        let Phase::Holding { token } = self.phase else { return };
        ctx.mark(self.about(mark!("lock.released"), token));
        self.rounds += 1;
        for timer in [Timer::Renew, Timer::Expire, Timer::Leave, Timer::Write] {
            ctx.cancel_timer(timer);
        }
        self.rest(ctx);
    }

    /// Lets the lock go: by the end of its lease, by its deletion, or by doing nothing more about it.
    fn leave(&mut self, ctx: &mut Context<'_, Self>) {
        let (Phase::Holding { token }, Some(lease)) = (self.phase, self.lease.take()) else { return };
        self.lose(ctx);
        match ctx.random_below(3) {
            0 => {
                ctx.mark(mark!("lease.given_up", lease = lease.number));
                self.ask(Asked::End, Operation::Revoke { lease: lease.number }, ctx);
            }
            1 => {
                let key = self.key();
                let same = Compare { key: key.clone(), target: Target::Created(token), relation: Relation::Equal };
                let delete = Step::Delete(Keys::One(key));
                let transaction = Transaction { compare: vec![same], then: vec![delete], otherwise: Vec::new() };
                self.ask(Asked::End, Operation::Transact(transaction), ctx);
            }
            _ => {}
        }
    }

    /// Unlike that of any other attempt, also of this holder.
    fn name(&self) -> String {
        format!("holder-{}.{:x}.{}", self.config.index, self.nonce, self.rounds)
    }

    fn key(&self) -> Blob {
        format!("elections/{}", self.config.lock).as_bytes().into()
    }

    fn about(&self, mark: Mark, token: u64) -> Mark {
        mark.with("lock", self.config.lock.as_str()).with("holder", self.name()).with("token", token)
    }
}
