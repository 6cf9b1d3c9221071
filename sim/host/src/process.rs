//! One process as an actix actor on its own arbiter, and the contract's [`Host`] that it sees.
//!
//! The actor's handlers run to completion on the arbiter's thread, which may block in the disk without
//! stopping anybody else. A message that the inbox refuses is counted and marked; a halt or a panic ends
//! the process, and nothing more of it runs.

use crate::alarms::Alarms;
use crate::marks::MarkSink;
use crate::net::{Content, Delivery, Mailbox, Router};
use crate::stats::{Count, Stats};
use crate::storage::DirStorage;
use crate::{clock, identity};
use actix::prelude::{Actor, AsyncContext, Context, Handler, Message, SpawnHandle};
use contract::cell::{Blueprint, Cell, Stop};
use contract::disk::Storage;
use contract::host::{Host, Identity, Liveness};
use contract::mark;
use contract::timer::Alarm;
use contract::{Duration, Halt, Mark, Observed, Payload, Pid, ProcessId, Time, Wall};
use rand_chacha::ChaCha8Rng;
use rand_core::Rng;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedSender;

/// How a process ended by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It was asked to stop, and did so between two events.
    Stopped,
    /// It could not go on.
    Halted(Halt),
    /// An assertion of its own failed.
    Panicked(String),
}

/// The system calls of one process incarnation.
pub(crate) struct ProcessHost {
    pub(crate) me: ProcessId,
    pub(crate) incarnation: u32,
    pub(crate) identity: Identity,
    pub(crate) router: Arc<Router>,
    pub(crate) storage: DirStorage,
    pub(crate) rng: ChaCha8Rng,
    pub(crate) marks: Box<dyn MarkSink>,
    pub(crate) stats: Arc<Stats>,
    pub(crate) alarms: Alarms,
}

impl Host for ProcessHost {
    fn me(&self) -> ProcessId {
        self.me
    }
    fn identity(&self) -> Identity {
        self.identity
    }
    fn liveness(&self, pid: Pid) -> Liveness {
        identity::liveness(pid)
    }
    fn now(&self) -> Time {
        clock::monotonic()
    }
    fn wall(&self) -> Wall {
        clock::wall()
    }
    fn random(&mut self) -> u64 {
        self.rng.next_u64()
    }
    fn send(&mut self, to: ProcessId, payload: Box<dyn Payload>) {
        if let Err(unsendable) = self.router.send(self.me, to, payload) {
            self.mark(mark!("system.unsendable", to = to.0, why = unsendable.0));
        }
    }
    fn arm(&mut self, alarm: Alarm, after: Duration) {
        self.alarms.arm(alarm, clock::monotonic() + after);
    }
    fn storage(&mut self) -> &mut dyn Storage {
        &mut self.storage
    }
    fn mark(&mut self, mark: Mark) {
        let at = clock::monotonic();
        self.marks.state(&Observed { at, process: self.me, incarnation: self.incarnation, event: 0, mark });
    }
    fn choose(&mut self, _site: &'static str) -> bool {
        false
    }
}

/// The actix actor around one process.
pub(crate) struct ProcessActor {
    host: ProcessHost,
    state: State,
    wake: Option<(Time, SpawnHandle)>,
    exits: UnboundedSender<(ProcessId, Exit)>,
    mailbox: usize,
}

enum State {
    /// Booted by whichever comes first: [`Boot`] or a message of a neighbour that booted earlier.
    Unborn(Arc<dyn Blueprint>),
    Running(Box<dyn Cell>),
    Gone,
}

/// Starts the process, after its whole node has been set up.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Boot;

/// Ends the process between two events.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Quit;

impl Message for Delivery {
    type Result = ();
}

impl Actor for ProcessActor {
    type Context = Context<Self>;
    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(self.mailbox);
    }
}

impl Handler<Boot> for ProcessActor {
    type Result = ();
    fn handle(&mut self, _: Boot, ctx: &mut Context<Self>) {
        self.boot();
        self.settle(ctx);
    }
}

impl Handler<Quit> for ProcessActor {
    type Result = ();
    fn handle(&mut self, _: Quit, ctx: &mut Context<Self>) {
        if !matches!(self.state, State::Gone) {
            self.exit(Exit::Stopped);
        }
        self.settle(ctx);
    }
}

impl Handler<Delivery> for ProcessActor {
    type Result = ();
    fn handle(&mut self, delivery: Delivery, ctx: &mut Context<Self>) {
        self.boot();
        let Delivery { from, content } = delivery;
        self.run(from, |cell, host| match content {
            Content::Value(payload) => cell.deliver(from, payload, host),
            Content::Bytes { protocol, body } => cell.deliver_bytes(from, protocol, &body, host),
        });
        self.settle(ctx);
    }
}

impl ProcessActor {
    pub(crate) fn new(
        host: ProcessHost,
        blueprint: Arc<dyn Blueprint>,
        mailbox: usize,
        exits: UnboundedSender<(ProcessId, Exit)>,
    ) -> Self {
        ProcessActor { host, state: State::Unborn(blueprint), wake: None, exits, mailbox }
    }

    /// Runs the actor's recovery, once.
    fn boot(&mut self) {
        let State::Unborn(blueprint) = &self.state else { return };
        let blueprint = Arc::clone(blueprint);
        self.host.mark(mark!("system.boot", pid = self.host.identity.pid.0));
        let host = &mut self.host;
        match catch_unwind(AssertUnwindSafe(|| blueprint.boot(host))) {
            Ok(Ok(cell)) => self.state = State::Running(cell),
            Ok(Err(halt)) => self.exit(Exit::Halted(halt)),
            Err(panic) => self.exit(Exit::Panicked(panic_text(&*panic))),
        }
    }

    /// Runs one handler. After a panic the state is never looked at again, which is what unwind safety asks.
    fn run(&mut self, from: ProcessId, handler: impl FnOnce(&mut dyn Cell, &mut ProcessHost) -> Result<(), Stop>) {
        let State::Running(cell) = &mut self.state else { return };
        let host = &mut self.host;
        match catch_unwind(AssertUnwindSafe(|| handler(&mut **cell, host))) {
            Ok(Ok(())) => {}
            Ok(Err(Stop::Refused(refused))) => {
                host.stats.add(Count::Refused, 1);
                host.mark(mark!("system.refused", from = from.0, why = format!("{refused:?}")));
            }
            Ok(Err(Stop::Halt(halt))) => self.exit(Exit::Halted(halt)),
            Err(panic) => self.exit(Exit::Panicked(panic_text(&*panic))),
        }
    }

    /// After each event: states what the disk failed, and sees to it that the next alarm wakes the process.
    fn settle(&mut self, ctx: &mut Context<Self>) {
        for (error, calls) in self.host.storage.take_faults() {
            self.host.mark(mark!("system.disk_error", error = error.to_string(), calls = calls));
        }
        let next = if matches!(self.state, State::Running(_)) { self.host.alarms.next() } else { None };
        if self.wake.map(|(at, _)| at) == next {
            return;
        }
        if let Some((_, handle)) = self.wake.take() {
            ctx.cancel_future(handle);
        }
        self.wake = next.map(|at| (at, ctx.run_later(at.since(clock::monotonic()), Self::on_wake)));
    }

    /// Fires what is due now; what a handler arms meanwhile, however short, waits for the next turn.
    fn on_wake(&mut self, ctx: &mut Context<Self>) {
        self.wake = None;
        for alarm in self.host.alarms.take_due(clock::monotonic()) {
            let me = self.host.me;
            self.run(me, |cell, host| cell.fire(alarm, host).map(|_fired| ()));
        }
        self.settle(ctx);
    }

    fn exit(&mut self, exit: Exit) {
        assert!(!matches!(self.state, State::Gone), "a process ends once");
        self.state = State::Gone;
        match &exit {
            Exit::Stopped => {}
            Exit::Halted(halt) => self.host.mark(mark!("system.exit", reason = "halt", why = halt.reason.as_str())),
            Exit::Panicked(text) => self.host.mark(mark!("system.exit", reason = "crash", why = text.as_str())),
        }
        // Without a receiver the node is gone already, and nobody waits for the news.
        let _ = self.exits.send((self.host.me, exit));
    }
}

/// The entrance of a process, for its neighbours and the network.
pub(crate) struct Entrance(pub(crate) actix::Addr<ProcessActor>);

impl Mailbox for Entrance {
    fn offer(&self, delivery: Delivery) -> bool {
        self.0.try_send(delivery).is_ok()
    }

    fn deliver(&self, delivery: Delivery) -> Pin<Box<dyn Future<Output = bool> + Send + '_>> {
        use actix::prelude::SendError;
        match self.0.try_send(delivery) {
            Ok(()) => Box::pin(std::future::ready(true)),
            Err(SendError::Closed(_)) => Box::pin(std::future::ready(false)),
            // Waits for room and for this one message to be handled: the reading stops meanwhile.
            Err(SendError::Full(delivery)) => {
                let sent = self.0.send(delivery);
                Box::pin(async move { sent.await.is_ok() })
            }
        }
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without text".to_owned())
}
