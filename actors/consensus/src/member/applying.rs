//! What is committed changes the store; what the store says of it goes to who waits, to watchers and to oracles.

use super::serving::{Serving, Waiter};
use super::{Member, Timer};
use crate::raft::{Entry, Payload, Snapshot};
use crate::rcs::message::{Answer, Reply};
use crate::rcs::store::{Applied, LeaseEvent};
use crate::rcs::{Command, Store};
use contract::{Blob, Context, Duration, Halt, mark};

impl Serving {
    pub(super) fn apply(&mut self, entries: Vec<Entry>, ctx: &mut Context<'_, Member>) -> Result<(), Halt> {
        for entry in entries {
            self.apply_one(entry, ctx)?;
        }
        self.serve_reads(ctx);
        self.serve_polls(ctx);
        self.take_snapshot();
        Ok(())
    }

    fn apply_one(&mut self, entry: Entry, ctx: &mut Context<'_, Member>) -> Result<(), Halt> {
        let (at, digest) = (entry.at, digest(&entry));
        assert!(at.index == self.applied + 1, "entries are applied in order, each once");
        self.applied = at.index;
        ctx.mark(mark!("log.committed", log = "rcs", index = at.index, digest = digest));
        let waiting = self.proposals.remove(&at.index);
        let Payload::Command(bytes) = entry.payload else { return Ok(()) };
        let command = Command::decode(&bytes)
            .map_err(|error| Halt::new(format!("entry {} is not a command of this version: {error}", at.index)))?;
        let applied = self.store.apply(at.index, &command);
        self.state(&command, &applied, ctx);
        self.note_lease(&applied, ctx);
        if let Some((term, waiters)) = waiting {
            let answer = applied.answer.filter(|_| term == at.term);
            for waiter in waiters {
                self.in_log.remove(&(waiter.id.session, waiter.id.number));
                self.answer(waiter, answer.clone(), ctx);
            }
        }
        Ok(())
    }

    fn answer(&mut self, waiter: Waiter, answer: Option<Answer>, ctx: &mut Context<'_, Member>) {
        let answer = answer.unwrap_or(Answer::Retry { leader: None });
        ctx.send(waiter.reply_to, Reply { call: waiter.call, answer });
    }

    /// Says what the command did, for the oracles.
    fn state(&self, command: &Command, applied: &Applied, ctx: &mut Context<'_, Member>) {
        if applied.repeated {
            ctx.mark(mark!("rcs.repeated"));
        }
        if let Command::Client { id, .. } = command
            && id.traced != 0
            && !applied.repeated
        {
            for (key, version) in &applied.points {
                ctx.mark(mark!("apply", op = id.traced, key = text(key), version = *version));
            }
        }
        for (revision, key) in &applied.changed {
            ctx.mark(mark!("store.changed", revision = *revision, key = text(key)));
        }
        if let Some(revision) = applied.compacted {
            ctx.mark(mark!("store.compacted", revision = revision));
        }
        if let Some(LeaseEvent::Ended { lease }) = applied.lease {
            let expired = matches!(command, Command::Expire { .. });
            ctx.mark(mark!("lease.ended", lease = lease, why = if expired { "expired" } else { "revoked" }));
        } else if matches!(command, Command::Expire { .. }) {
            ctx.mark(mark!("rcs.expiry_overtaken"));
        }
    }

    /// The store becomes what the snapshot shows.
    pub(super) fn install(&mut self, snapshot: &Snapshot, ctx: &mut Context<'_, Member>) -> Result<(), Halt> {
        let store = Store::from_pages(self.config.limits, self.config.planted, &snapshot.pages)
            .map_err(|error| Halt::new(format!("a snapshot cannot be read: {error}")))?;
        assert!(store.revision() >= self.store.revision(), "a snapshot does not lead back");
        self.store = store;
        self.applied = snapshot.meta.at.index;
        self.proposals.clear();
        self.in_log.clear();
        self.serve_reads(ctx);
        self.serve_polls(ctx);
        Ok(())
    }

    fn take_snapshot(&mut self) {
        if self.applied >= self.core.snapshot_index() + self.config.snapshot_entries {
            let pages = self.store.pages(self.config.tuning.page_bytes);
            self.core.snapshot_taken(self.applied, pages);
        }
    }

    /// A new leader gives every lease its whole time: it does not know when the last one began.
    pub(super) fn begin_leases(&mut self, ctx: &mut Context<'_, Member>) {
        let now = ctx.now();
        let config = &self.config;
        self.leases =
            self.store.leases().map(|(number, lease)| (number, now + config.patience(lease.ttl_ms))).collect();
        self.schedule_leases(ctx);
    }

    fn note_lease(&mut self, applied: &Applied, ctx: &mut Context<'_, Member>) {
        match applied.lease {
            Some(LeaseEvent::Runs { lease, ttl_ms, .. }) if self.core.leads() => {
                self.leases.insert(lease, ctx.now() + self.config.patience(ttl_ms));
                self.schedule_leases(ctx);
            }
            Some(LeaseEvent::Ended { lease }) => drop(self.leases.remove(&lease)),
            _ => {}
        }
    }

    fn schedule_leases(&self, ctx: &mut Context<'_, Member>) {
        match self.leases.values().min() {
            Some(first) => ctx.set_timer(Timer::Lease, first.since(ctx.now()).max(Duration::from_micros(1))),
            None => ctx.cancel_timer(Timer::Lease),
        }
    }

    /// Proposes the end of leases whose time has passed. Only the log ends them.
    pub(super) fn end_leases(&mut self, ctx: &mut Context<'_, Member>) -> Result<(), Halt> {
        let now = ctx.now();
        let over: Vec<u64> = self.leases.iter().filter(|(_, at)| **at <= now).map(|(lease, _)| *lease).collect();
        for lease in over {
            let known = self.store.lease(lease).map(|lease| lease.renewals);
            let Some(renewals) = known else {
                self.leases.remove(&lease);
                continue;
            };
            self.propose(&Command::Expire { lease, renewals }, None, ctx)?;
            // If that is lost, it is said again.
            if let Some(at) = self.leases.get_mut(&lease) {
                *at = now + self.config.tuning.election_most;
            }
        }
        self.schedule_leases(ctx);
        Ok(())
    }
}

/// What an entry says, in one number (FNV-1a), so that two replicas can be compared.
fn digest(entry: &Entry) -> u64 {
    let bytes: Blob = match &entry.payload {
        Payload::Noop => Blob::from(Vec::new()),
        Payload::Command(bytes) => bytes.clone(),
        Payload::Configure(configuration) => format!("{configuration:?}").into_bytes().into(),
    };
    let start = 0xcbf2_9ce4_8422_2325 ^ entry.at.term;
    bytes.iter().fold(start, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// A key as oracles and people see it.
pub(super) fn text(key: &[u8]) -> String {
    String::from_utf8_lossy(key).into_owned()
}
