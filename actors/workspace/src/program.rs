//! A program that shares a workspace with others of its machine, as an actor: one operation at a time, one call to the
//! disk a turn, so that the others come between any two.
//!
//! ```text
//!   Starting --directories, ticket, ledger's end, sweep--> Idle --request--> Serving --answered--> Idle
//!      | the disk refuses: again later                       +--- time ---> Sweeping ------------> Idle
//!                                                   a lock that cannot be given back: halt
//! ```
//!
//! Appends that wait together become one batch with one sync. While more of them wait than one batch takes, the ledger's
//! lock is kept for a few batches.

use crate::lock::{Limits, Locker};
use crate::message::{Reply, Request};
use crate::places::Places;
use crate::planted::Planted;
use crate::turn::{Journal, Over, Turn};
use crate::work::{self, Memory, Outcome, Work};
use contract::{Actor, Context, Duration, Halt, ProcessId, inbox, mark};
use std::collections::VecDeque;
use std::sync::Arc;

/// What a program is given.
#[derive(Clone, Debug)]
pub struct Config {
    /// The workspace.
    pub places: Places,
    /// How long it waits for locks.
    pub limits: Limits,
    /// Requests that wait, at most; further ones are dropped and come again.
    pub queue_max: usize,
    /// Events of one batch, at most, unless one request has more.
    pub batch_events: usize,
    /// Batches for which the ledger's lock is kept, at most.
    pub batches_kept: usize,
    /// About how many bytes of the ledger are read at a time.
    pub read_bytes: usize,
    /// Time between two sweeps.
    pub sweep_every: Duration,
    /// Time before another attempt to start.
    pub start_again: Duration,
    /// Defects that are switched on.
    pub planted: Planted,
}

inbox! {
    /// What a program accepts.
    pub enum Inbox {
        /// From editors.
        Request(Request),
    }
}

/// The program's timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// The next turn of the operation.
    Turn,
    /// Time to sweep.
    Sweep,
}

/// One program.
#[derive(Clone, Debug)]
pub struct Program {
    config: Arc<Config>,
    /// Who it is to the locks, once it has started.
    locker: Option<Locker>,
    /// The operation, and what it has been answered so far.
    work: Option<(Work, Journal)>,
    queue: VecDeque<Request>,
    sweep_due: bool,
    ledger: Memory,
    /// Batches since the ledger's lock was taken.
    kept: usize,
}

impl Actor for Program {
    type Config = Arc<Config>;
    type Inbox = Inbox;
    type Timer = Timer;

    fn boot(config: &Arc<Config>, ctx: &mut Context<'_, Self>) -> Result<Self, Halt> {
        assert!(config.queue_max > 0, "knobs have their least values");
        let mut program = Program {
            config: Arc::clone(config),
            locker: None,
            work: None,
            queue: VecDeque::new(),
            sweep_due: false,
            ledger: Memory::default(),
            kept: 0,
        };
        program.begin(Work::Start, ctx);
        Ok(program)
    }

    fn on_message(&mut self, _: ProcessId, message: Inbox, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        let Inbox::Request(request) = message;
        if self.queue.len() < self.config.queue_max && !self.is_under_way(request.call) {
            self.queue.push_back(request);
            self.go_on(ctx);
        }
        Ok(())
    }

    fn on_timer(&mut self, timer: Timer, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        match timer {
            Timer::Turn => self.turn(ctx)?,
            Timer::Sweep => {
                self.sweep_due = true;
                self.go_on(ctx);
            }
        }
        Ok(())
    }
}

impl Program {
    fn is_under_way(&self, call: u64) -> bool {
        let served = self.work.as_ref().is_some_and(|(work, _)| work.calls().contains(&call));
        served || self.queue.iter().any(|request| request.call == call)
    }

    /// Takes up the next operation if there is none under way.
    fn go_on(&mut self, ctx: &mut Context<'_, Self>) {
        if self.work.is_some() {
            return;
        }
        let batch = work::group(self.queue.iter(), self.config.batch_events);
        assert!(self.ledger.held.is_none() || batch > 0, "a lock is kept for a batch that waits");
        if self.ledger.held.is_none() && std::mem::take(&mut self.sweep_due) {
            self.begin(Work::Sweep, ctx);
        } else if batch > 0 {
            self.append(batch, ctx);
        } else if let Some(request) = self.queue.pop_front() {
            self.begin(Work::Serve(request), ctx);
        }
    }

    /// Appends what the next so many requests ask for.
    fn append(&mut self, count: usize, ctx: &mut Context<'_, Self>) {
        let requests = self.queue.drain(..count).collect();
        self.kept = if self.ledger.held.is_some() { self.kept + 1 } else { 1 };
        // Nobody but this program takes requests from the queue: the next batch is still there then.
        let more = work::group(self.queue.iter(), self.config.batch_events) > 0;
        self.begin(Work::Append(requests, more && self.kept < self.config.batches_kept), ctx);
    }

    fn begin(&mut self, work: Work, ctx: &mut Context<'_, Self>) {
        assert!(self.work.is_none(), "a program does one thing at a time");
        self.work = Some((work, Journal::default()));
        ctx.set_timer(Timer::Turn, Duration::ZERO);
    }

    /// One turn of the operation.
    fn turn(&mut self, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        let Some((work, mut journal)) = self.work.take() else { return Ok(()) };
        let mut turn = Turn::once(ctx, &mut journal, self.config.planted);
        match work::run(&mut turn, &self.config, self.locker.as_ref(), &self.ledger, &work) {
            Err(Over { after }) => {
                self.work = Some((work, journal));
                ctx.set_timer(Timer::Turn, after);
                Ok(())
            }
            Ok(outcome) => self.end(work, outcome, ctx),
        }
    }

    fn end(&mut self, work: Work, outcome: Outcome, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        match outcome {
            Outcome::Started(locker) => {
                self.locker = Some(locker);
                self.sweep_due = true;
                self.begin(Work::Open, ctx);
                return Ok(());
            }
            Outcome::NotStarted(error) => {
                ctx.mark(mark!("program.not_started", why = error.to_string()));
                self.work = Some((work, Journal::default()));
                ctx.set_timer(Timer::Turn, self.config.start_again);
                return Ok(());
            }
            Outcome::Swept => ctx.set_timer(Timer::Sweep, self.config.sweep_every),
            Outcome::Onward(memory) => {
                self.ledger = memory;
                self.begin(work, ctx);
                return Ok(());
            }
            Outcome::Ledger(memory, answers) => {
                self.ledger = memory;
                for ((call, reply_to), answer) in work.askers().into_iter().zip(answers) {
                    ctx.send(reply_to, Reply { call, answer });
                }
            }
            Outcome::Answered(answer) => {
                for (call, reply_to) in work.askers() {
                    ctx.send(reply_to, Reply { call, answer: answer.clone() });
                }
            }
            Outcome::Stuck(why) => return Err(Halt::new(why)),
        }
        self.go_on(ctx);
        Ok(())
    }
}
