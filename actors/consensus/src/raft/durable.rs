//! What is durable, and what may be said because of it.
//!
//! Terms and votes are durable before any message of their term goes out; entries are durable before a follower
//! says that it has them and before a leader counts its own copy (Raft, figure 2). Messages that only need the term
//! do not wait for entries: heartbeats and their answers flow while a sync of entries hangs.

use super::core::{Core, Role};
use super::effect::{Effect, Turn};
use super::types::{Appended, Body, Hard, MemberId, Snapshot};
use crate::wal::message::Write;
use std::collections::VecDeque;

/// Messages that wait for a write, at most; the oldest go first, as if the network had lost them.
const HELD_MAX: usize = 256;

/// The bookkeeping of writes.
#[derive(Clone, Debug)]
pub(super) struct Durable {
    /// The log up to this index is durable.
    pub(super) index: u64,
    /// Entries up to this index have been given to a write.
    taken: u64,
    /// The state that the last write carried.
    hard: Hard,
    /// The number of the first write that carried it.
    hard_seq: u64,
    /// Whether a snapshot waits to be written.
    pub(super) snapshot: bool,
    /// The next write's number.
    next_seq: u64,
    /// Writes up to this number are durable.
    saved: u64,
    /// Writes on their way: number, and last index of the log that they make durable.
    writes: VecDeque<(u64, u64)>,
    /// Messages, by the write that they wait for.
    held: VecDeque<(u64, MemberId, u64, Body)>,
}

impl Durable {
    /// All that was read back is durable; writes of this session begin with 1.
    pub(super) fn new(hard: Hard, last_index: u64) -> Self {
        Durable {
            index: last_index,
            taken: last_index,
            hard,
            hard_seq: 0,
            snapshot: false,
            next_seq: 1,
            saved: 0,
            writes: VecDeque::new(),
            held: VecDeque::new(),
        }
    }

    /// The log was cut before `index`: what was written of the rest counts for nothing.
    pub(super) fn cut(&mut self, index: u64) {
        let last = index - 1;
        self.index = self.index.min(last);
        self.taken = self.taken.min(last);
        for (_, written) in &mut self.writes {
            *written = (*written).min(last);
        }
    }

    /// A snapshot of this log waits to be written. Entries before `first` are not kept: where they were not written
    /// yet, because the disk is slow and a majority was not, the snapshot stands for them.
    pub(super) fn compacted(&mut self, first: u64) {
        assert!(first > 0, "indices begin with 1");
        self.taken = self.taken.max(first - 1);
        self.snapshot = true;
    }

    /// The log became a snapshot, which the next write carries.
    pub(super) fn restored(&mut self, index: u64) {
        self.cut(1);
        self.taken = index;
        self.snapshot = true;
    }
}

impl Core {
    /// What is to be made durable next, with its number and a new snapshot if there is one; `None` if all is written.
    pub fn next_write(&mut self) -> Option<(u64, Write, Option<Snapshot>)> {
        let last = self.log.last().index;
        let durable = &self.durable;
        if durable.hard == self.hard && durable.taken == last && !durable.snapshot {
            return None;
        }
        let from = durable.taken + 1;
        let entries =
            if from <= last { self.log.slice(from, usize::MAX, self.tuning.append_bytes) } else { Vec::new() };
        let snapshot = durable.snapshot.then(|| self.log.snapshot.clone());
        let durable = &mut self.durable;
        if durable.hard != self.hard {
            durable.hard = self.hard;
            durable.hard_seq = durable.next_seq;
        }
        durable.taken += entries.len() as u64;
        durable.snapshot = false;
        let seq = durable.next_seq;
        durable.next_seq += 1;
        durable.writes.push_back((seq, durable.taken));
        assert!(durable.taken <= last, "only entries of the log are written");
        let named = snapshot.as_ref().map(|snapshot| (snapshot.meta.clone(), snapshot.pages.len() as u32));
        let write = Write { hard: self.hard, entries, snapshot: named, keep_from: self.log.first_index() };
        Some((seq, write, snapshot))
    }

    /// Writes that are not durable yet.
    pub fn writes_on_their_way(&self) -> usize {
        self.durable.writes.len()
    }

    /// Every write up to `seq` is durable.
    pub fn saved(&mut self, seq: u64, turn: &mut Turn<'_>) {
        let durable = &mut self.durable;
        assert!(seq < durable.next_seq, "only what was written is durable");
        durable.saved = durable.saved.max(seq);
        while let Some(&(written, last)) = durable.writes.front().filter(|(written, _)| *written <= seq) {
            assert!(written <= durable.saved, "writes become durable in their order");
            durable.index = durable.index.max(last);
            durable.writes.pop_front();
        }
        self.note_movement(turn.now);
        self.release(turn);
        self.count_own_vote(turn);
        self.settle_claim(turn);
        match self.role {
            Role::Leader(_) => self.advance_commit(turn),
            _ => self.tell_durable(turn),
        }
    }

    /// Whether this member's term and vote are durable.
    pub(super) fn hard_is_durable(&self) -> bool {
        self.durable.hard == self.hard && self.durable.saved >= self.durable.hard_seq
    }

    /// Sends as soon as this member's term and vote are durable.
    pub(super) fn say(&mut self, to: MemberId, term: u64, body: Body, turn: &mut Turn<'_>) {
        assert!(to != self.me, "nobody writes to himself");
        if self.hard_is_durable() {
            turn.effects.push(Effect::Send { to, term, body });
        } else {
            let durable = &mut self.durable;
            let gate = if durable.hard == self.hard { durable.hard_seq } else { durable.next_seq };
            durable.held.push_back((gate, to, term, body));
            if durable.held.len() > HELD_MAX {
                durable.held.pop_front();
            }
        }
    }

    fn release(&mut self, turn: &mut Turn<'_>) {
        let durable = &mut self.durable;
        while let Some((_, to, term, body)) = durable.held.pop_front_if(|held| held.0 <= durable.saved) {
            // What was said in an earlier term interests nobody any more.
            let old = term < self.hard.term;
            if !old {
                turn.effects.push(Effect::Send { to, term, body });
            }
        }
    }

    /// A follower tells its leader how much of the common log is durable now.
    fn tell_durable(&mut self, turn: &mut Turn<'_>) {
        let matched = self.durable.index.min(self.following.verified);
        let Some(leader) = self.leader.filter(|leader| *leader != self.me) else { return };
        if matched > self.following.told {
            self.following.told = matched;
            let body = Body::AppendReply { round: self.following.round, outcome: Appended::Matched(matched) };
            self.say(leader, self.hard.term, body, turn);
        }
    }

    /// The claim ends when the durable log is at least as up to date as what was lost.
    pub(super) fn settle_claim(&mut self, turn: &mut Turn<'_>) {
        let Some(claim) = self.hard.claim else { return };
        let index = self.durable.index;
        let has = self.log.term_at(index).is_some_and(|term| super::Position { term, index } >= claim);
        if has {
            self.hard.claim = None;
            turn.effects.push(Effect::Mark(contract::mark!("raft.claim_settled")));
        }
    }
}
