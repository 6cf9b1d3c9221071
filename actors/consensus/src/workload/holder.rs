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

use super::lease::Lease;
use super::line::{Heard, Line};
use crate::planted::{Defect, Planted};
use crate::rcs::message::{
    Answer, Compare, Done, Keys, Operation, Range, Refusal, Relation, Reply, Request, Row, Step, StepDone, Target,
    Transaction,
};
use crate::resource::message as resource;
use contract::calls::{Calls, Retry};
use contract::{Actor, Addr, Blob, Context, Duration, Halt, Mark, ProcessId, inbox, mark};
use std::sync::Arc;

/// What a holder is given.
#[derive(Clone, Debug)]
pub struct Config {
    /// Which holder it is.
    pub index: u32,
    /// The members of the service.
    pub members: Vec<Addr<Request>>,
    /// What the lock protects.
    pub resource: Addr<resource::Request>,
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
    /// How it asks members and the resource.
    pub retry: Retry,
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
    /// The question has not been answered.
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

/// One holder.
#[derive(Clone, Debug)]
pub struct Holder {
    config: Arc<Config>,
    line: Line,
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
    /// It wants it.
    Campaign,
    /// It believes that it has it.
    Holding {
        /// The revision that created the key.
        token: u64,
    },
}

impl Actor for Holder {
    type Config = Arc<Config>;
    type Inbox = Inbox;
    type Timer = Timer;

    fn boot(config: &Arc<Config>, ctx: &mut Context<'_, Self>) -> Result<Self, Halt> {
        assert!(config.retry.deadline.is_some(), "a holder gives up some time");
        let line = Line::new(config.members.clone(), config.retry, config.index as usize, ctx.random());
        let mut holder = Holder {
            line,
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

    fn on_message(&mut self, _: ProcessId, message: Inbox, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        match message {
            Inbox::Reply(reply) => {
                if let Some(heard) = self.line.hear(reply, ctx) {
                    self.on_answer(&heard, ctx);
                }
                self.line.schedule(Timer::Retry, ctx);
            }
            Inbox::Written(reply) => self.on_written(reply, ctx),
        }
        Ok(())
    }

    fn on_timer(&mut self, timer: Timer, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        match timer {
            Timer::Next => self.campaign(ctx),
            Timer::Retry => {
                if self.line.poll(ctx).is_some() && self.phase == Phase::Campaign {
                    self.rest(ctx);
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
        self.line.schedule(Timer::Retry, ctx);
        Ok(())
    }
}

impl Holder {
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

    /// The next step towards the lock: a session, a lease that will last, the key.
    fn campaign(&mut self, ctx: &mut Context<'_, Self>) {
        self.phase = Phase::Campaign;
        if !self.line.is_free() {
            return self.rest(ctx);
        }
        if !self.line.has_session() {
            return self.line.open_session(ctx);
        }
        match self.lease.filter(|lease| lease.remaining(ctx) > lease.ttl() / 2) {
            Some(lease) => {
                let transaction = self.create(lease.id());
                self.line.operate(Operation::Transact(transaction), 0, ctx);
            }
            None => {
                let ttl_ms = u64::try_from(self.config.ttl.as_millis()).unwrap_or(u64::MAX);
                self.line.operate(Operation::Grant { ttl_ms }, 0, ctx);
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

    fn on_answer(&mut self, heard: &Heard, ctx: &mut Context<'_, Self>) {
        match &heard.answer {
            Answer::Done { done: Done::Session(_), .. } => self.go_on(ctx),
            Answer::Done { done: Done::Granted { lease, ttl_ms }, .. } => {
                let ttl = Duration::from_millis(*ttl_ms);
                self.lease = Some(Lease::granted(*lease, ttl, heard.asked, self.config.drift_ppm, ctx));
                self.state_held(ctx);
                self.go_on(ctx);
            }
            Answer::Done { done: Done::Renewed { ttl_ms }, .. } => self.renewed(heard, *ttl_ms, ctx),
            Answer::Done { done: Done::Transacted { steps, .. }, .. } if self.phase == Phase::Campaign => {
                let found = match &steps[..] {
                    [StepDone::Put, StepDone::Range(range)] | [StepDone::Range(range)] => range,
                    other => panic!("a campaign for {} was answered {other:?}", self.config.lock),
                };
                self.look(found, ctx);
            }
            Answer::Refused(Refusal::NoLease) => {
                self.lease = None;
                self.lose(ctx);
            }
            Answer::Refused(Refusal::NoSession) => self.go_on(ctx),
            Answer::Done { .. } => {}
            other => panic!("a holder of {} was answered {other:?}", self.config.lock),
        }
    }

    /// After a step that only prepared another one.
    fn go_on(&mut self, ctx: &mut Context<'_, Self>) {
        match self.phase {
            Phase::Idle => {}
            Phase::Campaign => self.campaign(ctx),
            Phase::Holding { .. } => self.renew(ctx),
        }
    }

    /// Whose key it is.
    fn look(&mut self, found: &Range, ctx: &mut Context<'_, Self>) {
        let lease = self.lease.map_or(0, |lease| lease.id());
        let mine = |row: &&Row| *row.value == *self.name().as_bytes() && row.lease == lease;
        match found.rows.first().filter(mine).map(|row| row.created) {
            Some(token) if self.believes(ctx) => self.acquire(token, ctx),
            _ => self.rest(ctx),
        }
    }

    fn acquire(&mut self, token: u64, ctx: &mut Context<'_, Self>) {
        self.phase = Phase::Holding { token };
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
        self.lease.is_some_and(|lease| !self.left(&lease, ctx).is_zero())
    }

    /// What is left of the lease, as this holder judges it.
    fn left(&self, lease: &Lease, ctx: &Context<'_, Self>) -> Duration {
        if self.config.planted.has(Defect::P32) { lease.remaining_by_wall(ctx) } else { lease.remaining(ctx) }
    }

    fn watch_the_clock(&mut self, ctx: &mut Context<'_, Self>) {
        match self.lease.map(|lease| self.left(&lease, ctx)).filter(|left| !left.is_zero()) {
            Some(left) => ctx.set_timer(Timer::Expire, left),
            None => self.lose(ctx),
        }
    }

    fn renew_later(&mut self, ctx: &mut Context<'_, Self>) {
        let third = self.lease.map_or(self.config.ttl, |lease| lease.ttl()) / 3;
        let wait = ctx.random_between(third / 2, third);
        ctx.set_timer(Timer::Renew, wait);
    }

    fn renew(&mut self, ctx: &mut Context<'_, Self>) {
        let (Phase::Holding { .. }, Some(lease)) = (self.phase, self.lease) else { return };
        if !self.line.is_free() {
            self.renew_later(ctx);
        } else if self.line.has_session() {
            self.line.operate(Operation::Renew { lease: lease.id() }, 0, ctx);
            self.renew_later(ctx);
        } else {
            self.line.open_session(ctx);
        }
    }

    fn renewed(&mut self, heard: &Heard, ttl_ms: u64, ctx: &mut Context<'_, Self>) {
        let (Phase::Holding { token }, Some(lease)) = (self.phase, self.lease) else { return };
        let ttl = Duration::from_millis(ttl_ms);
        self.lease = Some(Lease::granted(lease.id(), ttl, heard.asked, self.config.drift_ppm, ctx));
        self.state_held(ctx);
        self.watch_the_clock(ctx);
        if self.phase == (Phase::Holding { token }) {
            ctx.mark(self.about(mark!("lock.acquired"), token));
        }
    }

    /// States for how long the service has promised to keep the lease.
    fn state_held(&self, ctx: &mut Context<'_, Self>) {
        let Some(lease) = self.lease else { return };
        let span = contract::time::nanos(lease.remaining(ctx));
        if span > 0 {
            ctx.mark(mark!("lease.held", lease = lease.id(), span = span, drift_ppm = self.config.drift_ppm));
        }
    }

    fn write(&mut self, ctx: &mut Context<'_, Self>) {
        let Phase::Holding { token } = self.phase else { return };
        if !self.believes(ctx) {
            return self.lose(ctx);
        }
        self.written = self.written.wrapping_add(1);
        let carried = (!self.config.planted.has(Defect::P32)).then_some(token);
        let lock = self.config.lock.clone();
        let request =
            resource::Request { call: self.written, reply_to: ctx.addr(), lock, token: carried, traced: token };
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
        if let Phase::Holding { token } = self.phase {
            ctx.mark(self.about(mark!("lock.released"), token));
            self.rounds += 1;
            for timer in [Timer::Renew, Timer::Expire, Timer::Leave, Timer::Write] {
                ctx.cancel_timer(timer);
            }
        }
        if self.phase != Phase::Idle {
            self.rest(ctx);
        }
    }

    /// Lets the lock go: by the end of its lease, by its deletion, or by doing nothing more about it.
    fn leave(&mut self, ctx: &mut Context<'_, Self>) {
        let (Phase::Holding { token }, Some(lease)) = (self.phase, self.lease) else { return };
        self.lose(ctx);
        self.lease = None;
        if !self.line.is_free() || !self.line.has_session() {
            return;
        }
        match ctx.random_below(3) {
            0 => {
                ctx.mark(mark!("lease.given_up", lease = lease.id()));
                self.line.operate(Operation::Revoke { lease: lease.id() }, 0, ctx);
            }
            1 => {
                let key = self.key();
                let same = Compare { key: key.clone(), target: Target::Created(token), relation: Relation::Equal };
                let delete = Step::Delete(Keys::One(key));
                let transaction = Transaction { compare: vec![same], then: vec![delete], otherwise: Vec::new() };
                self.line.operate(Operation::Transact(transaction), 0, ctx);
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
