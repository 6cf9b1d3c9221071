//! The examination: a script of questions to the service, each with the answer that it must get.
//!
//! One script for every engine that speaks [`crate::rcs::message`]: our own replicas in the simulator and on real machines,
//! and a gateway to a real etcd. It asks nothing that these may answer differently: revisions are compared with one another
//! and not with numbers, since an engine may use some for itself. A wrong answer is a panic that says which step, what was
//! expected and what came. The questions repeat themselves and change members until they are answered, so that the script
//! holds while replicas crash.

mod compaction;
mod keys;
mod leases;
mod line;
mod ranges;
mod sessions;
mod step;
#[cfg(test)]
mod tests;
mod transactions;
mod watches;

use crate::rcs::message::{Reply, Request};
use contract::history::{Done, Op, Outcome};
use contract::{Actor, Addr, Context, Duration, Halt, ProcessId, Value, inbox, mark};
use line::Line;
use std::sync::Arc;
use step::{Notes, Step, Trouble};

/// What a candidate's examiner is given.
#[derive(Clone, Debug)]
pub struct Config {
    /// The members of the service.
    pub members: Arc<[Addr<Request>]>,
    /// Time between a question whose answer was too early and its repetition.
    pub patience: Duration,
    /// After this it asks another member; longer than a watch lasts.
    pub silence: Duration,
}

inbox! {
    /// What an examiner accepts.
    pub enum Inbox {
        /// From members.
        Reply(Reply),
    }
}

/// The examiner's timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// The question has not been answered.
    Retry,
    /// Time to ask the same again.
    Again,
}

/// Walks through the script.
#[derive(Clone, Debug)]
pub struct Examiner {
    config: Arc<Config>,
    line: Line,
    script: Arc<[Step]>,
    /// The step that is being asked.
    at: usize,
    notes: Notes,
    /// The examination, as an operation of the history.
    operation: u64,
}

impl Actor for Examiner {
    type Config = Arc<Config>;
    type Inbox = Inbox;
    type Timer = Timer;

    fn boot(config: &Arc<Config>, ctx: &mut Context<'_, Self>) -> Result<Self, Halt> {
        let line = Line::new(Arc::clone(&config.members), config.silence, ctx.random());
        // Keys and sessions of another life are not those of this one.
        let notes = Notes::new(ctx.random());
        let (config, script, operation) = (Arc::clone(config), script().into(), ctx.random());
        let mut examiner = Examiner { config, line, script, at: 0, notes, operation };
        ctx.invoke(Op { id: operation, action: "examine", input: Value::from(examiner.script.len()) });
        examiner.ask(ctx);
        Ok(examiner)
    }

    fn on_message(&mut self, _: ProcessId, message: Inbox, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        let Inbox::Reply(reply) = message;
        if let Some((ask, answer)) = self.line.hear(reply, ctx) {
            let step = &self.script[self.at];
            match step.check(&mut self.notes, &answer) {
                Ok(()) => self.pass(ctx),
                Err(Trouble::NotYet) => {
                    self.line.elsewhere();
                    ctx.set_timer(Timer::Again, self.config.patience);
                }
                Err(Trouble::Wrong(expected)) => panic!(
                    "step {} of {}, {step:?}: expected {expected}, got {answer:?} to {ask:?}",
                    self.at + 1,
                    self.script.len(),
                ),
            }
        }
        self.line.schedule(Timer::Retry, ctx);
        Ok(())
    }

    fn on_timer(&mut self, timer: Timer, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        match timer {
            Timer::Retry => self.line.poll(ctx),
            Timer::Again => self.ask(ctx),
        }
        self.line.schedule(Timer::Retry, ctx);
        Ok(())
    }
}

impl Examiner {
    fn ask(&mut self, ctx: &mut Context<'_, Self>) {
        let ask = self.script[self.at].ask(&mut self.notes);
        self.line.ask(ask, ctx);
        self.line.schedule(Timer::Retry, ctx);
    }

    fn pass(&mut self, ctx: &mut Context<'_, Self>) {
        ctx.mark(mark!("conformance.step", step = self.at, name = self.script[self.at].name()));
        self.at += 1;
        if self.at < self.script.len() {
            return self.ask(ctx);
        }
        ctx.complete(Done { id: self.operation, outcome: Outcome::Ok, output: Value::from(self.at) });
        ctx.mark(mark!("workload.done", client = 0_u64));
    }
}

/// All steps, in order. Later ones build on what earlier ones left.
fn script() -> Vec<Step> {
    let parts = [
        sessions::opening(),
        keys::steps(),
        transactions::steps(),
        sessions::repetitions(),
        ranges::steps(),
        watches::steps(),
        leases::steps(),
        compaction::steps(),
    ];
    parts.into_iter().flatten().collect()
}
