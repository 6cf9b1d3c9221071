//! Watches that wait for changes.

use super::Member;
use super::reading::Question;
use super::serving::Serving;
use crate::rcs::message::{Answer, Reply, Watch};
use contract::{Addr, Context, Halt, Time, mark};

/// Watches that nothing has happened to yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Polls(Vec<Poll>);

#[derive(Clone, Debug)]
struct Poll {
    watch: Watch,
    reply_to: Addr<Reply>,
    call: u64,
    until: Time,
}

impl Polls {
    /// When the first of them has waited long enough.
    pub(super) fn until(&self) -> Option<Time> {
        self.0.iter().map(|poll| poll.until).min()
    }
}

/// Whether an answer to a watch says anything that is worth sending at once.
fn is_news(answer: &Answer) -> bool {
    !matches!(answer, Answer::Changes { changes, .. } if changes.is_empty())
}

impl Serving {
    pub(super) fn on_watch(
        &mut self,
        watch: Watch,
        (reply_to, call): (Addr<Reply>, u64),
        ctx: &mut Context<'_, Member>,
    ) {
        let answer = self.store.changes(&watch);
        if is_news(&answer) {
            ctx.send(reply_to, Reply { call, answer });
            return;
        }
        if self.core.leader().is_none() {
            // It may lag behind for ever: the watcher had better ask another.
            ctx.mark(mark!("member.poll_without_leader"));
            ctx.send(reply_to, Reply { call, answer: Answer::Retry { leader: None } });
            return;
        }
        // A repeated question waits no longer than the first one.
        if self.polls.0.iter().any(|poll| (poll.reply_to, poll.call) == (reply_to, call)) {
            return;
        }
        if self.polls.0.len() >= self.config.polls {
            ctx.mark(mark!("member.polls_full"));
            ctx.send(reply_to, Reply { call, answer: Answer::Retry { leader: None } });
            return;
        }
        let until = ctx.now() + self.config.poll;
        self.polls.0.push(Poll { watch, reply_to, call, until });
        self.schedule_waits(ctx);
    }

    /// Something has changed: whoever waited for it hears of it.
    pub(super) fn serve_polls(&mut self, ctx: &mut Context<'_, Member>) {
        let store = &self.store;
        self.polls.0.retain(|poll| {
            let answer = store.changes(&poll.watch);
            let news = is_news(&answer);
            if news {
                ctx.send(poll.reply_to, Reply { call: poll.call, answer });
            }
            !news
        });
    }

    /// Nothing has changed for them as far as this replica knows: it makes sure that it knows.
    pub(super) fn end_polls(&mut self, now: Time, ctx: &mut Context<'_, Member>) -> Result<(), Halt> {
        let (over, waiting) = std::mem::take(&mut self.polls.0).into_iter().partition(|poll| poll.until <= now);
        self.polls.0 = waiting;
        let over: Vec<Poll> = over;
        for Poll { watch, reply_to, call, .. } in over {
            self.confirm(Question::Watch(watch), (reply_to, call), ctx)?;
        }
        Ok(())
    }
}
