//! Judges every message and every commit against the five properties of the paper's figure 3.

use crate::disk::Disk;
use consensus::raft::{Appended, Body, Entry, MemberId, Payload, Position};
use std::collections::{BTreeMap, BTreeSet};

/// What has been seen so far.
#[derive(Clone, Debug, Default)]
pub struct Judge {
    /// Who led in each term.
    leaders: BTreeMap<u64, MemberId>,
    /// Every entry that was ever seen, and the term of the one before it.
    made: BTreeMap<Position, Payload>,
    after: BTreeMap<Position, u64>,
    /// The leader of a term said that this index holds an entry of that term.
    sent: BTreeMap<(u64, u64), u64>,
    /// What was applied at each index, and in which term of the one who applied it first.
    committed: BTreeMap<u64, (Entry, u64)>,
    /// Reads that were begun, and what was committed by then.
    reads: BTreeMap<u64, u64>,
    /// Broken properties. With a planted defect a test wants to see them; without one it wants none.
    pub broken: BTreeSet<String>,
}

impl Judge {
    fn demand(&mut self, holds: bool, said: impl FnOnce() -> String) {
        if !holds {
            self.broken.insert(said());
        }
    }

    /// `member` says that it leads in `term`; its log ends at `last`, its first own entry included.
    pub fn leads(&mut self, member: MemberId, term: u64, last: Position) {
        let first = *self.leaders.entry(term).or_insert(member);
        self.demand(first == member, || format!("Election Safety: {first:?} and {member:?} lead in term {term}"));
        let newest = self.committed.iter().filter(|(_, (_, when))| *when < term).map(|(index, _)| *index).max();
        let misses = newest.filter(|newest| *newest >= last.index);
        self.demand(misses.is_none(), || format!("Leader Completeness: term {term} lacks {misses:?}"));
    }

    /// A message is sent.
    pub fn sent(&mut self, from: MemberId, term: u64, body: &Body) {
        let Body::Append { previous, entries, .. } = body else { return };
        let leader = self.leaders.get(&term).copied();
        self.demand(leader == Some(from), || format!("Election Safety: {from:?} leads in term {term} unelected"));
        self.leader_has(term, *previous);
        let mut last = *previous;
        for entry in entries {
            self.leader_has(term, entry.at);
            self.made(last, entry);
            last = entry.at;
        }
    }

    /// Entries were written, the first one after `previous` if that is known.
    pub fn written(&mut self, entries: &[Entry]) {
        for pair in entries.windows(2) {
            self.made(pair[0].at, &pair[1]);
        }
    }

    /// Before a message goes out, what it depends on is durable (figure 2, "persistent state").
    pub fn promises(&mut self, disk: &Disk, (to, term): (MemberId, u64), body: &Body) {
        match body {
            Body::PreVote { .. } | Body::PreVoteReply { .. } => return,
            Body::VoteReply { granted: true } => {
                self.demand(disk.hard.vote == Some(to), || format!("a vote for {to:?} in term {term} is not durable"));
            }
            Body::AppendReply { outcome: Appended::Matched(index), .. } if *index > disk.base() => {
                let leaders = self.sent.get(&(term, *index)).copied();
                let durable = disk.position(*index).map(|at| at.term);
                let has = durable.is_some() && (leaders.is_none() || leaders == durable);
                self.demand(has, || format!("entry {index} is acknowledged in term {term} and not durable"));
            }
            _ => {}
        }
        self.demand(disk.hard.term >= term, || format!("term {term} is not durable"));
    }

    fn leader_has(&mut self, term: u64, at: Position) {
        if at.index == 0 {
            return;
        }
        let said = *self.sent.entry((term, at.index)).or_insert(at.term);
        self.demand(said == at.term, || format!("Leader Append-Only: term {term} changed entry {}", at.index));
        let other = self.committed.get(&at.index).filter(|(entry, when)| *when <= term && entry.at != at).is_some();
        self.demand(!other, || format!("Leader Completeness: term {term} has another entry at {}", at.index));
    }

    fn made(&mut self, previous: Position, entry: &Entry) {
        let payload = self.made.entry(entry.at).or_insert_with(|| entry.payload.clone()).clone();
        self.demand(payload == entry.payload, || format!("Log Matching: two entries are {:?}", entry.at));
        let before = *self.after.entry(entry.at).or_insert(previous.term);
        self.demand(before == previous.term, || format!("Log Matching: {:?} follows on two entries", entry.at));
    }

    /// An entry is applied by a member in `term`.
    pub fn applied(&mut self, entry: &Entry, term: u64) {
        let first = self.committed.entry(entry.at.index).or_insert_with(|| (entry.clone(), term));
        first.1 = first.1.min(term);
        let same = first.0 == *entry;
        self.demand(same, || format!("State Machine Safety: two entries are committed at {}", entry.at.index));
    }

    /// The last committed index.
    pub fn committed(&self) -> u64 {
        self.committed.last_key_value().map_or(0, |(index, _)| *index)
    }

    /// The commands that are committed up to `index`.
    pub fn commands(&self, index: u64) -> Vec<u64> {
        let entries = self.committed.range(..=index).map(|(_, (entry, _))| entry);
        entries.filter_map(command).collect()
    }

    /// A read begins.
    pub fn asks(&mut self, context: u64) {
        let committed = self.committed();
        let used = self.reads.insert(context, committed);
        assert!(used.is_none(), "contexts are never used twice");
    }

    /// A read may be answered when `index` is applied.
    pub fn reads(&mut self, context: u64, index: u64) {
        let Some(wanted) = self.reads.remove(&context) else {
            self.broken.insert(format!("read {context} is answered twice"));
            return;
        };
        self.demand(index >= wanted, || format!("read {context} at {index} is stale: {wanted} was committed"));
    }
}

/// The number that a command carries.
pub fn command(entry: &Entry) -> Option<u64> {
    let Payload::Command(bytes) = &entry.payload else { return None };
    let bytes: [u8; 8] = bytes[..8].try_into().ok()?;
    Some(u64::from_le_bytes(bytes))
}
