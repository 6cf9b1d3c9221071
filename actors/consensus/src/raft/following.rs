//! The follower's side of replication: entries, conflicts, and snapshots page by page.

use super::core::Core;
use super::effect::{Effect, Turn};
use super::types::{Appended, Body, Entry, MemberId, Position, Snapshot, SnapshotMeta};
use contract::{Blob, mark};

/// A snapshot has at most so many pages.
const PAGES_MAX: u32 = 1 << 14;

impl Core {
    /// A leader of this term speaks.
    fn hear(&mut self, from: MemberId, round: u64, turn: &mut Turn<'_>) {
        assert!(self.leader.is_none_or(|leader| leader == from), "a term has one leader (Election Safety)");
        self.follow(self.hard.term, Some(from), turn);
        self.heard = turn.now;
        self.following.round = self.following.round.max(round);
        // A leader has every committed entry (Leader Completeness).
        self.following.verified = self.following.verified.max(self.commit);
    }

    pub(super) fn on_append(
        &mut self,
        from: MemberId,
        (previous, entries): (Position, Vec<Entry>),
        commit: u64,
        round: u64,
        turn: &mut Turn<'_>,
    ) {
        self.hear(from, round, turn);
        if !are_dense(previous, &entries) {
            turn.effects.push(Effect::Mark(mark!("raft.malformed")));
            return;
        }
        let (previous, entries) = self.beyond_commit(previous, entries);
        if self.log.term_at(previous.index) != Some(previous.term) {
            turn.effects.push(Effect::Mark(mark!("raft.conflict")));
            let common = self.log.common(previous.index, previous.term);
            let Some(hint) = common else { unreachable!("the committed prefix is common, and its end is kept") };
            assert!(hint.index >= self.commit, "the committed prefix is common");
            let body = Body::AppendReply { round, outcome: Appended::Conflict(hint) };
            return self.say(from, self.hard.term, body, turn);
        }
        let end = previous.index + entries.len() as u64;
        for entry in entries {
            self.take(entry, turn);
        }
        self.following.verified = self.following.verified.max(end);
        self.commit_to(commit.min(self.following.verified), turn);
        self.tell_matched(from, round, turn);
    }

    fn tell_matched(&mut self, leader: MemberId, round: u64, turn: &mut Turn<'_>) {
        let matched = self.durable.index.min(self.following.verified);
        self.following.told = self.following.told.max(matched);
        let body = Body::AppendReply { round, outcome: Appended::Matched(matched) };
        self.say(leader, self.hard.term, body, turn);
    }

    /// What of a message lies behind the committed prefix: the rest is the same everywhere.
    fn beyond_commit(&self, previous: Position, mut entries: Vec<Entry>) -> (Position, Vec<Entry>) {
        if previous.index >= self.commit {
            return (previous, entries);
        }
        let known = (self.commit - previous.index).min(entries.len() as u64);
        entries.drain(..known as usize);
        let Some(term) = self.log.term_at(self.commit) else { unreachable!("the end of the committed prefix is kept") };
        (Position { term, index: self.commit }, entries)
    }

    /// Keeps an entry, unless it is there; one that contradicts it goes, with all after it.
    fn take(&mut self, entry: Entry, turn: &mut Turn<'_>) {
        let index = entry.at.index;
        match self.log.term_at(index) {
            Some(term) if term == entry.at.term => return,
            Some(_) => {
                assert!(index > self.commit, "a committed entry is never overwritten");
                assert!(index > self.following.verified, "what was compared with this leader stays");
                turn.effects.push(Effect::Mark(mark!("raft.truncated")));
                self.log.truncate(index);
                self.durable.cut(index);
            }
            None => {}
        }
        self.log.push(entry);
    }

    pub(super) fn on_page(
        &mut self,
        from: MemberId,
        (meta, page, pages, data): (SnapshotMeta, u32, u32, Blob),
        round: u64,
        turn: &mut Turn<'_>,
    ) {
        self.hear(from, round, turn);
        if meta.at.index <= self.commit {
            return self.tell_matched(from, round, turn);
        }
        if page >= pages || pages > PAGES_MAX {
            turn.effects.push(Effect::Mark(mark!("raft.malformed")));
            return;
        }
        let index = meta.at.index;
        let same = |(known, held): &(SnapshotMeta, Vec<_>)| *known == meta && held.len() == pages as usize;
        if !self.following.incoming.as_ref().is_some_and(same) {
            self.following.incoming = Some((meta, vec![None; pages as usize]));
        }
        let Some((_, held)) = &mut self.following.incoming else { unreachable!("it was just set") };
        held[page as usize] = Some(data);
        let wanted = held.iter().position(Option::is_none).unwrap_or(held.len()) as u32;
        if wanted == pages {
            self.install(turn);
        }
        self.say(from, self.hard.term, Body::PageReply { round, index, wanted }, turn);
    }

    /// All pages are here: the log becomes the snapshot (Raft, section 7).
    fn install(&mut self, turn: &mut Turn<'_>) {
        let Some((meta, held)) = self.following.incoming.take() else { return };
        let at = meta.at;
        assert!(at.index > self.commit, "a snapshot brings something new");
        if self.log.term_at(at.index) == Some(at.term) {
            self.following.verified = self.following.verified.max(at.index);
            return self.commit_to(at.index, turn);
        }
        let pages: Vec<Blob> = held.into_iter().flatten().collect();
        let snapshot = Snapshot { meta, pages: pages.into() };
        self.log.restore(&snapshot);
        self.durable.restored(at.index);
        self.commit = at.index;
        self.handed = at.index;
        self.following.verified = at.index;
        self.following.told = 0;
        turn.effects.push(Effect::Mark(mark!("raft.snapshot_installed")));
        turn.effects.push(Effect::Install(snapshot));
    }
}

/// Whether the entries follow on `previous` and on one another.
fn are_dense(previous: Position, entries: &[Entry]) -> bool {
    let mut last = previous;
    entries.iter().all(|entry| {
        let follows = entry.at.index == last.index + 1 && entry.at.term >= last.term;
        last = entry.at;
        follows
    })
}
