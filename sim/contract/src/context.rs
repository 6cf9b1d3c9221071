//! Everything an actor may do to the world, and all it may learn of it.

use crate::actor::Actor;
use crate::address::{Addr, Pid, ProcessId};
use crate::disk::Disk;
use crate::history;
use crate::host::{Host, Identity, Liveness};
use crate::mark::Mark;
use crate::message::Message;
use crate::time::{Duration, Time, Wall, nanos};
use crate::timer::Timers;

/// The handle that a handler works with; it lives as long as the handler runs.
pub struct Context<'c, A: Actor> {
    host: &'c mut dyn Host,
    timers: &'c mut Timers<A::Timer>,
}

impl<'c, A: Actor> Context<'c, A> {
    /// For hosts: a context over one event of one process.
    pub fn new(host: &'c mut dyn Host, timers: &'c mut Timers<A::Timer>) -> Self {
        Context { host, timers }
    }

    /// This process.
    pub fn me(&self) -> ProcessId {
        self.host.me()
    }

    /// The address at which this actor accepts `M`; checked by the compiler.
    ///
    /// ```
    /// # contract::inbox! { pub enum Inbox { Greeted(Hello) } }
    /// # #[derive(Clone, Debug, serde::Serialize, serde::Deserialize)] pub struct Hello;
    /// # contract::message!(Hello = "doc.hello/1");
    /// fn own_address<A: contract::Actor<Inbox = Inbox>>(ctx: &contract::Context<'_, A>) -> contract::Addr<Hello> {
    ///     ctx.addr()
    /// }
    /// ```
    /// An actor whose inbox has no such variant cannot give out the address:
    /// ```compile_fail,E0277
    /// # contract::inbox! { pub enum Inbox { Greeted(Hello) } }
    /// # #[derive(Clone, Debug, serde::Serialize, serde::Deserialize)] pub struct Hello;
    /// # #[derive(Clone, Debug, serde::Serialize, serde::Deserialize)] pub struct Bye;
    /// # contract::message!(Hello = "doc.hello/1");
    /// # contract::message!(Bye = "doc.bye/1");
    /// fn own_address<A: contract::Actor<Inbox = Inbox>>(ctx: &contract::Context<'_, A>) -> contract::Addr<Bye> {
    ///     ctx.addr()
    /// }
    /// ```
    pub fn addr<M: Message>(&self) -> Addr<M>
    where
        A::Inbox: From<M>,
    {
        Addr::new(self.host.me())
    }

    /// The node's monotonic clock.
    pub fn now(&self) -> Time {
        self.host.now()
    }

    /// The node's idea of the date; it may jump.
    pub fn wall(&self) -> Wall {
        self.host.wall()
    }

    /// Sixty-four uniform random bits of this process's stream.
    pub fn random(&mut self) -> u64 {
        self.host.random()
    }

    /// A uniform number below `bound`, which must not be zero (Lemire's multiply-shift; bias below 2^-32 for small bounds).
    pub fn random_below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "no number lies below zero");
        ((u128::from(self.host.random()) * u128::from(bound)) >> 64) as u64
    }

    /// A uniform duration in `from..=to`.
    pub fn random_between(&mut self, from: Duration, to: Duration) -> Duration {
        assert!(from <= to, "an interval ends after it starts");
        from + Duration::from_nanos(self.random_below(nanos(to - from).saturating_add(1).max(1)))
    }

    /// Sends `message`. It may be lost, duplicated, delayed and reordered; see [`crate::calls`].
    ///
    /// ```
    /// # use contract::{Actor, Addr, Context};
    /// # #[derive(Clone, Debug, serde::Serialize, serde::Deserialize)] pub struct Hello;
    /// # contract::message!(Hello = "doc.hello/1");
    /// fn greet<A: Actor>(to: Addr<Hello>, ctx: &mut Context<'_, A>) {
    ///     ctx.send(to, Hello);
    /// }
    /// ```
    /// A message that the receiver does not accept does not compile:
    /// ```compile_fail,E0308
    /// # use contract::{Actor, Addr, Context};
    /// # #[derive(Clone, Debug, serde::Serialize, serde::Deserialize)] pub struct Hello;
    /// # #[derive(Clone, Debug, serde::Serialize, serde::Deserialize)] pub struct Bye;
    /// # contract::message!(Hello = "doc.hello/1");
    /// # contract::message!(Bye = "doc.bye/1");
    /// fn greet<A: Actor>(to: Addr<Hello>, ctx: &mut Context<'_, A>) {
    ///     ctx.send(to, Bye);
    /// }
    /// ```
    pub fn send<M: Message>(&mut self, to: Addr<M>, message: M) {
        self.host.send(to.process(), Box::new(message));
    }

    /// Sets `timer` to fire once after `after`, replacing an earlier setting.
    pub fn set_timer(&mut self, timer: A::Timer, after: Duration) {
        let alarm = self.timers.set(timer);
        self.host.arm(alarm, after);
    }

    /// Stops `timer`; nothing happens if it is not set.
    pub fn cancel_timer(&mut self, timer: A::Timer) {
        self.timers.cancel(timer);
    }

    /// Whether `timer` is set.
    pub fn timer_is_set(&self, timer: A::Timer) -> bool {
        self.timers.is_set(timer)
    }

    /// The disk. Calls block; in the simulator they take virtual time.
    pub fn disk(&mut self) -> Disk<'_> {
        Disk::new(self.host.storage())
    }

    /// This incarnation, as the operating system knows it.
    pub fn identity(&self) -> Identity {
        self.host.identity()
    }

    /// Whether a process of this node runs.
    pub fn liveness(&self, pid: Pid) -> Liveness {
        self.host.liveness(pid)
    }

    /// Reports a fact to oracles and coverage; see [`mark!`](crate::mark!).
    pub fn mark(&mut self, mark: Mark) {
        self.host.mark(mark);
    }

    /// Records that a client operation begins; see [`history`].
    pub fn invoke(&mut self, op: history::Op) {
        self.host.mark(op.into_mark());
    }

    /// Records how a client operation ended; see [`history`].
    pub fn complete(&mut self, done: history::Done) {
        self.host.mark(done.into_mark());
    }

    /// Whether to take the rare legal choice at `site` (FoundationDB's BUGGIFY): a smaller batch, an early
    /// timeout, a minimal quorum. Always `false` on a real host.
    pub fn choose(&mut self, site: &'static str) -> bool {
        self.host.choose(site)
    }
}
