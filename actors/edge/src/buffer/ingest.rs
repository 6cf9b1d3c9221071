//! Taking records: durable first, then the promise.

use super::{Buffer, Volatile};
use crate::message::Record;
use crate::message::ingest::{Answer, Reply, Request};
use contract::{Addr, Context, mark};

impl Buffer {
    pub(super) fn on_ingest(&mut self, request: Request, ctx: &mut Context<'_, Self>) {
        let Request { record, reply_to } = request;
        let id = record.id;
        let answer = self.take(record, reply_to, ctx);
        if answer == Answer::Accepted {
            assert!(self.is_durable(id), "a promise is made only for what a file holds");
            self.config.places.accepted(id, "buffer", ctx);
        }
        ctx.send(reply_to, Reply { id, answer });
    }

    fn take(&mut self, mut record: Record, asker: Addr<Reply>, ctx: &mut Context<'_, Self>) -> Answer {
        let id = record.id;
        if record.payload.len() > self.config.record_bytes_max {
            ctx.mark(mark!("edge.record_too_long", id = id, bytes = record.payload.len()));
            return Answer::TooLong;
        }
        if self.is_durable(id) {
            ctx.mark(mark!("edge.asked_again", id = id));
            return Answer::Accepted;
        }
        if !self.volatile.contains_key(&id) && self.is_full() {
            ctx.mark(mark!("edge.full"));
            self.nudge(ctx);
            return Answer::Full;
        }
        record.taken_at = ctx.wall();
        if self.store(std::slice::from_ref(&record), ctx).is_some() {
            self.volatile.remove(&id);
            return Answer::Accepted;
        }
        self.keep_in_memory(record, asker, ctx)
    }

    /// Whether a new record must wait for a drain.
    fn is_full(&self) -> bool {
        self.active.len() + self.quarantine.len() >= self.config.segment_bytes
            || self.in_custody() >= self.config.records_max
    }

    fn keep_in_memory(&mut self, record: Record, asker: Addr<Reply>, ctx: &mut Context<'_, Self>) -> Answer {
        let id = record.id;
        assert!(!self.is_durable(id), "only what no file took is kept in memory");
        self.nudge(ctx);
        if self.volatile.len() >= self.config.volatile_max && !self.volatile.contains_key(&id) {
            ctx.mark(mark!("edge.volatile_full"));
            return Answer::Full;
        }
        ctx.mark(mark!("edge.volatile", id = id));
        self.volatile.insert(id, Volatile { record, asker: Some(asker) });
        Answer::Pending
    }

    /// The records are durable now: those of them that someone waits for are accepted.
    pub(super) fn release(&mut self, entries: Vec<Volatile>, ctx: &mut Context<'_, Self>) {
        for Volatile { record: Record { id, .. }, asker } in entries {
            if let Some(asker) = asker {
                self.config.places.accepted(id, "buffer", ctx);
                ctx.send(asker, Reply { id, answer: Answer::Accepted });
            }
        }
    }
}
