//! Reads that see every write before them, without a log entry (thesis, section 6.4): ReadIndex and leases.

use super::core::{Core, Role};
use super::effect::{Effect, Turn};
use super::types::{Body, MemberId};
use crate::planted::Defect;
use contract::time::nanos;
use contract::{Duration, Time, mark};

/// A read that waits for a majority to confirm who leads.
#[derive(Clone, Copy, Debug)]
pub(super) struct PendingRead {
    context: u64,
    /// The follower that asked; `None` for this member itself.
    asker: Option<MemberId>,
    index: u64,
    /// The round that confirms it; `None` until one begins.
    pub(super) round: Option<u64>,
}

impl Core {
    /// Asks from where on the state machine can answer a read. `context` is never used again, not even after a
    /// restart: a late answer to another read must not pass for this one's. Ends with [`Effect::ReadAt`],
    /// [`Effect::ReadLost`] or [`Core::forget_read`].
    pub fn read(&mut self, context: u64, turn: &mut Turn<'_>) {
        if self.planted.has(Defect::P34) {
            turn.effects.push(Effect::ReadAt { context, index: 0 });
            return;
        }
        match (&self.role, self.leader) {
            (Role::Leader(_), _) => self.queue_read(context, None, turn),
            (_, Some(leader)) => {
                self.following.reads.insert(context);
                self.say(leader, self.hard.term, Body::ReadIndex { context }, turn);
            }
            _ => turn.effects.push(Effect::ReadLost { context }),
        }
    }

    /// Nobody waits for this read any more.
    pub fn forget_read(&mut self, context: u64) {
        self.following.reads.remove(&context);
        if let Role::Leader(leadership) = &mut self.role {
            leadership.reads.retain(|read| read.context != context || read.asker.is_some());
        }
    }

    fn queue_read(&mut self, context: u64, asker: Option<MemberId>, turn: &mut Turn<'_>) {
        let leased = self.has_lease(turn.now);
        let commit = self.commit;
        let Role::Leader(leadership) = &mut self.role else { return };
        // Everything that was committed before this term is before its first entry.
        let read = PendingRead { context, asker, index: commit.max(leadership.start), round: None };
        if leased {
            turn.effects.push(Effect::Mark(mark!("raft.lease_read")));
            return self.answer_read(read, turn);
        }
        let idle = leadership.reads.is_empty();
        leadership.reads.push_back(read);
        if idle {
            self.begin_round(turn);
        }
    }

    /// Whether nobody else can lead yet: a majority has promised not to vote for a while, counted from when they
    /// were asked, and shorter by what two clocks may differ.
    fn has_lease(&self, now: Time) -> bool {
        let Role::Leader(leadership) = &self.role else { return false };
        if !self.tuning.lease_reads || leadership.handed_over {
            return false;
        }
        let configuration = self.configuration();
        let began = |member: &MemberId| {
            if *member == self.me { now } else { leadership.progress.get(member).map_or(Time::ZERO, |p| p.round_at) }
        };
        let mut rounds: Vec<Time> = configuration.voters.iter().map(began).collect();
        rounds.sort_unstable_by(|a, b| b.cmp(a));
        let Some(&since) = rounds.get(configuration.majority() - 1) else { return false };
        let promised = nanos(self.tuning.election_least);
        let margin = (u128::from(promised) * u128::from(self.tuning.drift_ppm) * 2 / 1_000_000) as u64;
        since > Time::ZERO && now < since + Duration::from_nanos(promised.saturating_sub(margin))
    }

    /// Answers the reads that a majority has confirmed since they came.
    pub(super) fn confirm_reads(&mut self, turn: &mut Turn<'_>) {
        let (me, configuration) = (self.me, self.configuration().clone());
        let mut confirmed = Vec::new();
        let Role::Leader(leadership) = &mut self.role else { return };
        while let Some(read) = leadership.reads.front().copied() {
            let Some(round) = read.round else { break };
            let heard = |member: &&MemberId| {
                **member == me || leadership.progress.get(member).is_some_and(|progress| progress.round >= round)
            };
            if configuration.voters.iter().filter(heard).count() < configuration.majority() {
                break;
            }
            leadership.reads.pop_front();
            confirmed.push(read);
        }
        let more = leadership.reads.front().is_some_and(|read| read.round.is_none());
        for read in confirmed {
            self.answer_read(read, turn);
        }
        if more {
            self.begin_round(turn);
        }
    }

    fn answer_read(&mut self, read: PendingRead, turn: &mut Turn<'_>) {
        let PendingRead { context, asker, index, .. } = read;
        match asker {
            None => turn.effects.push(Effect::ReadAt { context, index }),
            Some(asker) => self.say(asker, self.hard.term, Body::ReadIndexReply { context, index }, turn),
        }
    }

    pub(super) fn on_read_index(&mut self, from: MemberId, context: u64, turn: &mut Turn<'_>) {
        if self.leads() {
            self.queue_read(context, Some(from), turn);
        }
    }

    pub(super) fn on_read_index_reply(&mut self, context: u64, index: u64, turn: &mut Turn<'_>) {
        if self.following.reads.remove(&context) {
            turn.effects.push(Effect::ReadAt { context, index });
        }
    }

    /// Leadership is lost, and with it the reads that wait for its confirmation.
    pub(super) fn lose_reads(&mut self, turn: &mut Turn<'_>) {
        let Role::Leader(leadership) = &mut self.role else { return };
        for read in leadership.reads.drain(..).filter(|read| read.asker.is_none()) {
            turn.effects.push(Effect::ReadLost { context: read.context });
        }
    }

    /// The leader that was asked leads no more.
    pub(super) fn lose_forwarded(&mut self, turn: &mut Turn<'_>) {
        for context in std::mem::take(&mut self.following.reads) {
            turn.effects.push(Effect::ReadLost { context });
        }
    }
}
