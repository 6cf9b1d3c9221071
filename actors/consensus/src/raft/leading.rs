//! The leader's side of replication: who has what, who gets what next, and what is committed by it.

use super::core::{Core, NotTaken, Role};
use super::effect::{Effect, Turn};
use super::reads::PendingRead;
use super::types::{Appended, Body, Entry, MemberId, Payload, Position, Snapshot};
use crate::planted::Defect;
use contract::{Blob, Duration, Time, mark};
use std::collections::{BTreeMap, VecDeque};

/// What a leader knows beside its log.
#[derive(Clone, Debug)]
pub struct Leadership {
    pub(super) progress: BTreeMap<MemberId, Progress>,
    /// The index of this term's first entry.
    pub(super) start: u64,
    /// The last round that was begun.
    pub(super) round: u64,
    /// When the last rounds began.
    rounds: VecDeque<(u64, Time)>,
    heartbeat_at: Time,
    pub(super) reads: VecDeque<PendingRead>,
    pub(super) transfer: Option<Transfer>,
    /// When it last committed something, made something durable itself, or had nothing to commit.
    moved: Time,
    /// Another member was told to stand: from then on this one's lease is worth nothing.
    pub(super) handed_over: bool,
}

/// A hand-over that is under way: no proposals are taken meanwhile.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transfer {
    pub(super) to: MemberId,
    pub(super) until: Time,
}

/// What a leader knows of one other member.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    /// The next entry to send.
    next: u64,
    /// It has everything up to here, durably, as far as is known.
    pub(super) matched: u64,
    state: State,
    /// The last index of each message with entries that is on its way.
    in_flight: VecDeque<u64>,
    /// When it was last heard.
    pub(super) heard: Time,
    /// The last round that it has answered, and when that round began.
    pub(super) round: u64,
    pub(super) round_at: Time,
}

/// How a member is sent to.
#[derive(Clone, Debug)]
enum State {
    /// It is not known where its log leaves the leader's: one message at a time.
    Probe { waiting: bool },
    /// Messages follow one another without waiting.
    Replicate,
    /// It lacks what is not kept any more.
    Pages { snapshot: Snapshot, wanted: u32 },
}

/// A leader whose disk hangs and that commits nothing leads on for so many of the longest election timeouts.
const HANGS: u32 = 4;
/// Rounds whose beginning is remembered.
const ROUNDS: usize = 64;

impl Progress {
    fn new(next: u64, now: Time) -> Self {
        let state = State::Probe { waiting: false };
        Progress { next, matched: 0, state, in_flight: VecDeque::new(), heard: now, round: 0, round_at: Time::ZERO }
    }

    /// It has everything up to `matched`.
    fn has(&mut self, matched: u64) {
        self.matched = self.matched.max(matched);
        self.next = self.next.max(self.matched + 1);
        while self.in_flight.pop_front_if(|last| *last <= matched).is_some() {}
        let whole = match &self.state {
            State::Pages { snapshot, .. } => matched >= snapshot.meta.at.index,
            _ => true,
        };
        if whole {
            self.state = State::Replicate;
        }
    }

    /// The two logs may agree up to `common`, and not beyond. That may be less than it had once: its disk was damaged
    /// (its claim stands for what it lost), or this answer is an old one, which costs a message.
    fn conflicts(&mut self, common: u64) {
        if !matches!(self.state, State::Pages { .. }) {
            self.matched = self.matched.min(common);
            self.next = common + 1;
            self.state = State::Probe { waiting: false };
            self.in_flight.clear();
        }
    }
}

impl Leadership {
    pub(super) fn new(
        others: impl Iterator<Item = MemberId>,
        start: u64,
        term: u64,
        now: Time,
        heartbeat: Duration,
    ) -> Self {
        assert!(term > 0 && start > 0, "nobody leads before the first term");
        Leadership {
            progress: others.map(|member| (member, Progress::new(start, now))).collect(),
            start,
            round: 0,
            rounds: VecDeque::new(),
            heartbeat_at: now + heartbeat,
            reads: VecDeque::new(),
            transfer: None,
            moved: now,
            handed_over: false,
        }
    }

    pub(super) fn deadline(&self) -> Time {
        self.transfer.map_or(self.heartbeat_at, |transfer| self.heartbeat_at.min(transfer.until))
    }
}

impl Core {
    /// Takes a command into the log. It is committed when it comes out of [`Effect::Commit`] with this position; it
    /// may also be lost, or committed by another leader.
    ///
    /// # Errors
    /// When it is not taken now.
    pub fn propose(&mut self, command: Blob, turn: &mut Turn<'_>) -> Result<Position, NotTaken> {
        let waiting = self.log.last().index - self.commit;
        let Role::Leader(leadership) = &self.role else { return Err(NotTaken::NotLeader) };
        if leadership.transfer.is_some() || waiting >= self.tuning.uncommitted as u64 {
            return Err(NotTaken::NotNow);
        }
        let at = self.append_own(Payload::Command(command), turn);
        self.replicate_all(turn);
        Ok(at)
    }

    /// Appends to the leader's own log (Leader Append-Only).
    pub(super) fn append_own(&mut self, payload: Payload, turn: &mut Turn<'_>) -> Position {
        assert!(self.leads(), "only a leader appends of its own");
        let at = Position { term: self.hard.term, index: self.log.last().index + 1 };
        if self.commit + 1 == at.index {
            self.note_movement(turn.now);
        }
        self.log.push(Entry { at, payload });
        self.follow_configuration(turn.now);
        at
    }

    /// Who is sent to follows from the configuration in force.
    fn follow_configuration(&mut self, now: Time) {
        let (members, me, last) = (self.configuration().clone(), self.me, self.log.last().index);
        let Role::Leader(leadership) = &mut self.role else { return };
        leadership.progress.retain(|member, _| members.has(*member));
        for member in members.all().filter(|member| *member != me) {
            leadership.progress.entry(member).or_insert_with(|| Progress::new(last, now));
        }
    }

    pub(super) fn replicate_all(&mut self, turn: &mut Turn<'_>) {
        let Role::Leader(leadership) = &self.role else { return };
        let members: Vec<MemberId> = leadership.progress.keys().copied().collect();
        for member in members {
            self.replicate(member, turn);
        }
    }

    /// Sends to `member` what it lacks, as far as it may be sent now.
    fn replicate(&mut self, member: MemberId, turn: &mut Turn<'_>) {
        let last = self.log.last().index;
        loop {
            let Some((progress, round)) = self.progress_of(member) else { return };
            let full = match &progress.state {
                State::Probe { waiting } => *waiting,
                State::Replicate => false,
                State::Pages { .. } => true,
            };
            let (next, flying) = (progress.next, progress.in_flight.len());
            if full || next > last || flying >= self.tuning.in_flight {
                return;
            }
            if next < self.log.first_index() {
                return self.begin_pages(member, turn);
            }
            let count = if (turn.choose)("raft.single_entry") { 1 } else { self.tuning.append_entries };
            let entries = self.log.slice(next, count, self.tuning.append_bytes);
            let end = next + entries.len() as u64 - 1;
            self.send_append(member, next, entries, round, turn);
            let Some((progress, _)) = self.progress_of(member) else { return };
            if let State::Probe { waiting } = &mut progress.state {
                *waiting = true;
            } else {
                progress.next = end + 1;
                progress.in_flight.push_back(end);
            }
        }
    }

    fn progress_of(&mut self, member: MemberId) -> Option<(&mut Progress, u64)> {
        let Role::Leader(leadership) = &mut self.role else { return None };
        let round = leadership.round;
        leadership.progress.get_mut(&member).map(|progress| (progress, round))
    }

    fn send_append(&mut self, to: MemberId, next: u64, entries: Vec<Entry>, round: u64, turn: &mut Turn<'_>) {
        let index = next - 1;
        let Some(term) = self.log.term_at(index) else { unreachable!("the entry before a kept one has its term") };
        let previous = Position { term, index };
        let body = Body::Append { previous, entries, commit: self.commit, round };
        self.say(to, self.hard.term, body, turn);
    }

    fn begin_pages(&mut self, member: MemberId, turn: &mut Turn<'_>) {
        let snapshot = self.log.snapshot.clone();
        assert!(!snapshot.pages.is_empty(), "what is not kept is in a snapshot");
        turn.effects.push(Effect::Mark(mark!("raft.snapshot_sent")));
        let Some((progress, round)) = self.progress_of(member) else { return };
        progress.in_flight.clear();
        progress.state = State::Pages { snapshot, wanted: 0 };
        self.send_page(member, round, turn);
    }

    fn send_page(&mut self, member: MemberId, round: u64, turn: &mut Turn<'_>) {
        let Some((progress, _)) = self.progress_of(member) else { return };
        let State::Pages { snapshot, wanted } = &progress.state else { return };
        let (page, pages) = (*wanted, snapshot.pages.len() as u32);
        // All pages are there: what is missing is the word that they are durable.
        let page = page.min(pages - 1);
        let (meta, data) = (snapshot.meta.clone(), snapshot.pages[page as usize].clone());
        self.say(member, self.hard.term, Body::Page { meta, page, pages, data, round }, turn);
    }

    /// A round: everybody hears that this leader still leads.
    pub(super) fn begin_round(&mut self, turn: &mut Turn<'_>) {
        let Role::Leader(leadership) = &mut self.role else { return };
        leadership.round += 1;
        let round = leadership.round;
        leadership.rounds.push_back((round, turn.now));
        while leadership.rounds.len() > ROUNDS {
            leadership.rounds.pop_front();
        }
        leadership.heartbeat_at = turn.now + self.tuning.heartbeat;
        for read in leadership.reads.iter_mut().filter(|read| read.round.is_none()) {
            read.round = Some(round);
        }
        let members: Vec<MemberId> = leadership.progress.keys().copied().collect();
        for member in members {
            self.greet(member, round, turn);
        }
        self.confirm_reads(turn);
    }

    /// One message to `member` at least.
    fn greet(&mut self, member: MemberId, round: u64, turn: &mut Turn<'_>) {
        let first = self.log.first_index();
        let Some((progress, _)) = self.progress_of(member) else { return };
        match &mut progress.state {
            State::Pages { .. } => self.send_page(member, round, turn),
            state => {
                if let State::Probe { waiting } = state {
                    *waiting = false;
                }
                let next = progress.next;
                if next < first {
                    return self.begin_pages(member, turn);
                }
                self.send_append(member, next, Vec::new(), round, turn);
                self.replicate(member, turn);
            }
        }
    }

    /// A leader's clockwork: rounds, the end of a hand-over, and whether a majority is still there.
    pub(super) fn lead_on(&mut self, turn: &mut Turn<'_>) {
        let (me, patience) = (self.me, self.tuning.election_most);
        let configuration = self.configuration().clone();
        let Role::Leader(leadership) = &mut self.role else { return };
        if leadership.transfer.is_some_and(|transfer| turn.now >= transfer.until) {
            leadership.transfer = None;
            turn.effects.push(Effect::Mark(mark!("raft.transfer_failed")));
        }
        let there = |member: &&MemberId| {
            **member == me || leadership.progress.get(member).is_some_and(|p| turn.now < p.heard + patience)
        };
        if configuration.voters.iter().filter(there).count() < configuration.majority() {
            turn.effects.push(Effect::Mark(mark!("raft.majority_lost")));
            return self.follow(self.hard.term, None, turn);
        }
        let waits = self.durable.index < self.log.last().index && self.commit < self.log.last().index;
        if waits && turn.now >= leadership.moved + patience * HANGS {
            // Its heartbeats flow, so that nobody else would ever stand; another's disk may be sound.
            turn.effects.push(Effect::Mark(mark!("raft.hung_leader_gave_up")));
            return self.follow(self.hard.term, None, turn);
        }
        if turn.now >= leadership.heartbeat_at {
            self.begin_round(turn);
            self.hand_over(turn);
        }
    }

    /// A leader's log or disk goes on.
    pub(super) fn note_movement(&mut self, now: Time) {
        if let Role::Leader(leadership) = &mut self.role {
            leadership.moved = now;
        }
    }

    /// `from` answered a message of round `round`.
    fn note_answer(&mut self, from: MemberId, round: u64, now: Time) -> Option<&mut Progress> {
        let Role::Leader(leadership) = &mut self.role else { return None };
        let began = leadership.rounds.iter().find(|(number, _)| *number == round).map(|(_, began)| *began);
        let progress = leadership.progress.get_mut(&from)?;
        progress.heard = now;
        if round > progress.round && round <= leadership.round {
            progress.round = round;
            progress.round_at = began.unwrap_or(progress.round_at);
        }
        Some(progress)
    }

    pub(super) fn on_append_reply(&mut self, from: MemberId, round: u64, outcome: Appended, turn: &mut Turn<'_>) {
        let last = self.log.last().index;
        let common = match outcome {
            // Below what is kept, the snapshot has to be sent.
            Appended::Conflict(hint) => self.log.common(hint.index, hint.term).map_or(0, |at| at.index),
            Appended::Matched(_) => 0,
        };
        let Some(progress) = self.note_answer(from, round, turn.now) else { return };
        match outcome {
            Appended::Matched(matched) if matched > last => {
                turn.effects.push(Effect::Mark(mark!("raft.malformed")));
                return;
            }
            Appended::Matched(matched) => progress.has(matched),
            Appended::Conflict(_) => progress.conflicts(common),
        }
        self.advance_commit(turn);
        self.confirm_reads(turn);
        self.hand_over(turn);
        self.replicate(from, turn);
    }

    pub(super) fn on_page_reply(&mut self, from: MemberId, round: u64, page: (u64, u32), turn: &mut Turn<'_>) {
        let (index, asked) = page;
        let Some(progress) = self.note_answer(from, round, turn.now) else { return };
        let mut more = false;
        if let State::Pages { snapshot, wanted } = &mut progress.state
            && snapshot.meta.at.index == index
        {
            more = asked > *wanted && (asked as usize) < snapshot.pages.len();
            *wanted = asked;
        }
        if more && let Some((_, round)) = self.progress_of(from) {
            self.send_page(from, round, turn);
        }
        self.confirm_reads(turn);
    }

    /// Commits what a majority has, if it is of this term (Raft, section 5.4.2 and figure 8).
    pub(super) fn advance_commit(&mut self, turn: &mut Turn<'_>) {
        let Role::Leader(leadership) = &self.role else { return };
        let configuration = self.configuration();
        let have = |member: &MemberId| {
            if *member == self.me {
                self.durable.index
            } else {
                leadership.progress.get(member).map_or(0, |p| p.matched)
            }
        };
        let mut copies: Vec<u64> = configuration.voters.iter().map(have).collect();
        copies.sort_unstable_by(|a, b| b.cmp(a));
        let Some(&index) = copies.get(configuration.majority() - 1) else { return };
        let of_this_term = index >= leadership.start || self.planted.has(Defect::P31);
        if index > self.commit && of_this_term {
            self.commit_to(index, turn);
            self.replicate_all(turn);
            self.leave_if_removed(turn);
        }
    }
}
