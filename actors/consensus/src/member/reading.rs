//! Questions that wait until it is sure that nothing newer is missing: reads, and watches that have found nothing. A
//! replica that is cut off turns them away, so that nobody takes its silence for peace.

use super::applying::text;
use super::serving::Serving;
use super::{Member, Timer};
use crate::rcs::Store;
use crate::rcs::message::{Answer, Keys, Read, Reply, Watch};
use contract::{Addr, Context, Halt, Time, mark};
use std::collections::BTreeMap;

/// Questions by their contexts, which are never used twice.
#[derive(Clone, Debug)]
pub(super) struct Reads {
    next: u64,
    waiting: BTreeMap<u64, Waiting>,
}

#[derive(Clone, Debug)]
struct Waiting {
    question: Question,
    reply_to: Addr<Reply>,
    call: u64,
    until: Time,
    /// What must have been applied, once that is known.
    index: Option<u64>,
}

/// What is answered from the store once that is new enough.
#[derive(Clone, Debug)]
pub(super) enum Question {
    Read(Read),
    /// How far nothing has changed.
    Watch(Watch),
}

impl Question {
    fn answer(&self, store: &Store) -> Answer {
        match self {
            Question::Read(read) => store.read(read),
            Question::Watch(watch) => store.changes(watch),
        }
    }

    /// The history's operation and its key, if this is one.
    fn traced(&self) -> Option<(u64, &contract::Blob)> {
        match self {
            Question::Read(Read { traced, keys: Keys::One(key), .. }) if *traced != 0 => Some((*traced, key)),
            _ => None,
        }
    }
}

impl Reads {
    /// Contexts begin with a random number, so that those of another incarnation are others.
    pub(super) fn new(first: u64) -> Self {
        Reads { next: first, waiting: BTreeMap::new() }
    }

    /// When the first of them has waited long enough.
    pub(super) fn until(&self) -> Option<Time> {
        self.waiting.values().map(|waiting| waiting.until).min()
    }
}

impl Serving {
    pub(super) fn on_read(
        &mut self,
        read: Read,
        (reply_to, call): (Addr<Reply>, u64),
        ctx: &mut Context<'_, Member>,
    ) -> Result<(), Halt> {
        if !read.linearizable {
            let answer = self.store.read(&read);
            ctx.send(reply_to, Reply { call, answer });
            return Ok(());
        }
        self.confirm(Question::Read(read), (reply_to, call), ctx)
    }

    /// Answers from the store as soon as that shows all that was committed by now.
    pub(super) fn confirm(
        &mut self,
        question: Question,
        (reply_to, call): (Addr<Reply>, u64),
        ctx: &mut Context<'_, Member>,
    ) -> Result<(), Halt> {
        if self.reads.waiting.len() >= self.config.reads {
            ctx.mark(mark!("member.reads_full"));
            ctx.send(reply_to, Reply { call, answer: Answer::Retry { leader: None } });
            return Ok(());
        }
        let context = self.reads.next;
        self.reads.next = context.wrapping_add(1);
        let until = ctx.now() + self.config.tuning.election_most;
        self.reads.waiting.insert(context, Waiting { question, reply_to, call, until, index: None });
        self.schedule_waits(ctx);
        self.turn(ctx, |core, turn| core.read(context, turn))
    }

    pub(super) fn read_at(&mut self, context: u64, index: u64, ctx: &mut Context<'_, Member>) {
        if let Some(waiting) = self.reads.waiting.get_mut(&context) {
            waiting.index = Some(index);
        }
        self.serve_reads(ctx);
    }

    pub(super) fn read_lost(&mut self, context: u64, ctx: &mut Context<'_, Member>) {
        if let Some(Waiting { reply_to, call, .. }) = self.reads.waiting.remove(&context) {
            let leader = self.hint().filter(|_| !self.core.leads());
            ctx.send(reply_to, Reply { call, answer: Answer::Retry { leader } });
        }
    }

    /// Answers the reads whose index has been applied.
    pub(super) fn serve_reads(&mut self, ctx: &mut Context<'_, Member>) {
        let applied = self.applied;
        let ready = |waiting: &Waiting| waiting.index.is_some_and(|index| index <= applied);
        let contexts: Vec<u64> =
            self.reads.waiting.iter().filter(|(_, waiting)| ready(waiting)).map(|(context, _)| *context).collect();
        for context in contexts {
            let Some(Waiting { question, reply_to, call, .. }) = self.reads.waiting.remove(&context) else { continue };
            let answer = question.answer(&self.store);
            if let (Some((op, key)), Answer::Range(_)) = (question.traced(), &answer) {
                ctx.mark(mark!("apply", op = op, key = text(key), version = self.store.stamp(key)));
            }
            ctx.send(reply_to, Reply { call, answer });
        }
    }

    /// Who waited too long is sent away, and watches that have waited long enough hear how far nothing has changed.
    pub(super) fn end_waits(&mut self, ctx: &mut Context<'_, Member>) -> Result<(), Halt> {
        let now = ctx.now();
        let over: Vec<u64> =
            self.reads.waiting.iter().filter(|(_, it)| it.until <= now).map(|(context, _)| *context).collect();
        for context in over {
            self.core.forget_read(context);
            self.read_lost(context, ctx);
        }
        self.end_polls(now, ctx)?;
        self.schedule_waits(ctx);
        Ok(())
    }

    pub(super) fn schedule_waits(&self, ctx: &mut Context<'_, Member>) {
        let first = self.reads.until().into_iter().chain(self.polls.until()).min();
        match first {
            Some(first) => {
                ctx.set_timer(Timer::Wait, first.since(ctx.now()).max(contract::Duration::from_micros(1)));
            }
            None => ctx.cancel_timer(Timer::Wait),
        }
    }
}
