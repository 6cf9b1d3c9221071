//! The core's state, its clockwork and the door for messages.

use super::durable::Durable;
use super::effect::{Effect, Tuning, Turn};
use super::leading::Leadership;
use super::log::Log;
use super::types::{Appended, Body, Configuration, Entry, Envelope, Hard, MemberId, Position, Snapshot};
use crate::planted::Planted;
use contract::{Blob, Duration, Time, mark};
use std::collections::BTreeSet;

/// One member's Raft: plain data, driven by calls.
#[derive(Clone, Debug)]
pub struct Core {
    pub(super) me: MemberId,
    pub(super) tuning: Tuning,
    pub(super) planted: Planted,
    pub(super) hard: Hard,
    pub(super) log: Log,
    /// The log up to here is committed.
    pub(super) commit: u64,
    /// The log up to here was handed out to be applied.
    pub(super) handed: u64,
    pub(super) durable: Durable,
    pub(super) role: Role,
    /// Who leads in this term, if known.
    pub(super) leader: Option<MemberId>,
    /// When a leader was last heard; at first, when this core began. Votes are refused for a while after it.
    pub(super) heard: Time,
    /// When to stand for election, unless a leader is heard before.
    pub(super) election_at: Time,
    pub(super) following: Following,
}

/// What a member is in its term.
#[derive(Clone, Debug)]
pub enum Role {
    /// It follows whoever leads.
    Follower,
    /// It asks for votes.
    Candidate(Campaign),
    /// It leads.
    Leader(Box<Leadership>),
}

/// An election that this member stands in.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// Only asking whether an election could be won.
    pub(super) pre: bool,
    pub(super) granted: BTreeSet<MemberId>,
    pub(super) refused: BTreeSet<MemberId>,
}

/// What a follower knows of its leader's log. Begins anew with each term.
#[derive(Clone, Debug, Default)]
pub(super) struct Following {
    /// Its log equals the leader's up to here.
    pub(super) verified: u64,
    /// It has said so up to here.
    pub(super) told: u64,
    /// The last round that it heard of.
    pub(super) round: u64,
    /// A snapshot of which some pages are here.
    pub(super) incoming: Option<(super::SnapshotMeta, Vec<Option<Blob>>)>,
    /// Reads that the leader was asked about.
    pub(super) reads: BTreeSet<u64>,
}

/// What a disk gave back.
#[derive(Clone, Debug)]
pub struct Recovered {
    /// Term, vote and claim.
    pub hard: Hard,
    /// The snapshot; the genesis without pages if there is none yet.
    pub snapshot: Snapshot,
    /// The place before the first entry.
    pub before: Position,
    /// The kept entries.
    pub entries: Vec<Entry>,
}

/// Why a proposal was not taken. Ask the leader, or ask again later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// This member does not lead, or is handing over.
    NotLeader,
    /// It leads, and too much waits to be committed, or the step is not possible yet.
    NotNow,
    /// It is so already, or would leave nobody to decide.
    Pointless,
}

impl Core {
    /// A member as its disk gives it back, at `turn.now`.
    pub fn new(me: MemberId, recovered: Recovered, tuning: Tuning, planted: Planted, turn: &mut Turn<'_>) -> Self {
        assert!(tuning.election_least > tuning.heartbeat, "a leader is heard before its followers lose patience");
        assert!(tuning.election_most > tuning.election_least, "elections come at different times");
        let log = Log::new(recovered.snapshot, recovered.before, recovered.entries);
        let covered = log.snapshot.meta.at.index;
        let mut core = Core {
            me,
            tuning,
            planted,
            hard: recovered.hard,
            durable: Durable::new(recovered.hard, log.last().index),
            log,
            commit: covered,
            handed: covered,
            role: Role::Follower,
            leader: None,
            heard: turn.now,
            election_at: Time::MAX,
            following: Following::default(),
        };
        if !core.log.snapshot.pages.is_empty() {
            turn.effects.push(Effect::Install(core.log.snapshot.clone()));
        }
        core.settle_claim(turn);
        core.wait_for_leader(turn);
        core
    }

    /// When [`Core::tick`] wants to be called.
    pub fn deadline(&self) -> Time {
        match &self.role {
            Role::Leader(leadership) => leadership.deadline(),
            _ => self.election_at,
        }
    }

    /// Time has passed.
    pub fn tick(&mut self, turn: &mut Turn<'_>) {
        if matches!(self.role, Role::Leader(_)) {
            self.lead_on(turn);
        } else if turn.now >= self.election_at {
            self.stand(true, false, turn);
        }
    }

    /// A message came. Whether it is for this cluster and this disk was checked before.
    pub fn receive(&mut self, from: MemberId, term: u64, body: Body, turn: &mut Turn<'_>) {
        assert!(from != self.me, "nobody writes to himself");
        match body {
            Body::PreVote { last } => return self.on_pre_vote(from, term, last, turn),
            Body::PreVoteReply { granted: true } => return self.on_pre_vote_granted(from, term, turn),
            _ => {}
        }
        // A candidate that has lost touch must not unseat a leader that others hear (thesis, section 4.2.3). Leases
        // rely on it, also where something else has raised this member's term since it heard its leader.
        let waits = matches!(body, Body::Vote { transfer: false, .. }) && self.hears_leader(turn.now);
        if waits && term >= self.hard.term {
            turn.effects.push(Effect::Mark(mark!("raft.vote_ignored")));
            return;
        }
        if term > self.hard.term {
            self.follow(term, None, turn);
        }
        if term < self.hard.term {
            return self.answer_old(from, &body, turn);
        }
        self.dispatch(from, body, turn);
        assert!(self.hard.term >= term, "terms never fall");
    }

    fn dispatch(&mut self, from: MemberId, body: Body, turn: &mut Turn<'_>) {
        match body {
            Body::PreVote { .. } | Body::PreVoteReply { .. } => {}
            Body::Vote { last, .. } => self.on_vote(from, last, turn),
            Body::VoteReply { granted } => self.on_vote_reply(from, granted, turn),
            Body::Append { previous, entries, commit, round } => {
                self.on_append(from, (previous, entries), commit, round, turn);
            }
            Body::AppendReply { round, outcome } => self.on_append_reply(from, round, outcome, turn),
            Body::Page { meta, page, pages, data, round } => {
                self.on_page(from, (meta, page, pages, data), round, turn);
            }
            Body::PageReply { round, index, wanted } => self.on_page_reply(from, round, (index, wanted), turn),
            Body::TimeoutNow => self.on_timeout_now(from, turn),
            Body::ReadIndex { context } => self.on_read_index(from, context, turn),
            Body::ReadIndexReply { context, index } => self.on_read_index_reply(context, index, turn),
        }
    }

    /// Whoever speaks in a term that has passed is told so, where an answer helps him.
    fn answer_old(&mut self, from: MemberId, body: &Body, turn: &mut Turn<'_>) {
        let answer = match body {
            Body::Append { .. } | Body::Page { .. } => Body::AppendReply { round: 0, outcome: Appended::Matched(0) },
            Body::Vote { .. } => Body::VoteReply { granted: false },
            _ => return,
        };
        self.say(from, self.hard.term, answer, turn);
    }

    /// Follows in `term`, which is this member's or a later one.
    pub(super) fn follow(&mut self, term: u64, leader: Option<MemberId>, turn: &mut Turn<'_>) {
        assert!(term >= self.hard.term, "terms never fall");
        let led = matches!(self.role, Role::Leader(_));
        if led {
            turn.effects.push(Effect::Mark(mark!("raft.stepped_down")));
            self.lose_reads(turn);
        }
        let rose = term > self.hard.term;
        if rose {
            self.hard = Hard { term, vote: None, ..self.hard };
        }
        let news = led || rose || self.leader != leader;
        self.role = Role::Follower;
        if news {
            self.lose_forwarded(turn);
            self.following = Following::default();
            self.leader = leader;
            turn.effects.push(Effect::Leader { leader, term });
        }
        self.wait_for_leader(turn);
        assert!(self.hard.term == term, "it follows in that term");
    }

    /// Draws the time at which it stands for election if no leader is heard.
    pub(super) fn wait_for_leader(&mut self, turn: &mut Turn<'_>) {
        let (least, most) = (self.tuning.election_least, self.tuning.election_most);
        let spread = contract::time::nanos(most - least);
        self.election_at = turn.now + least + Duration::from_nanos((turn.random)() % (spread + 1));
    }

    /// Whether a leader was heard so recently that no other one is wanted.
    pub(super) fn hears_leader(&self, now: Time) -> bool {
        matches!(self.role, Role::Leader(_)) || now < self.heard + self.tuning.election_least
    }

    /// What the log up to `index` is handed out to be applied.
    pub(super) fn commit_to(&mut self, index: u64, turn: &mut Turn<'_>) {
        let index = index.min(self.log.last().index);
        if index <= self.commit {
            return;
        }
        self.commit = index;
        self.note_movement(turn.now);
        let from = self.handed + 1;
        assert!(from >= self.log.first_index(), "what is not applied is kept");
        let count = (index - self.handed) as usize;
        turn.effects.push(Effect::Commit(self.log.slice(from, count, usize::MAX)));
        self.handed = index;
    }

    /// The state machine's state as of `at` was put into pages; entries that it covers may go.
    pub fn snapshot_taken(&mut self, index: u64, pages: Vec<Blob>) {
        assert!(index <= self.handed && !pages.is_empty(), "a snapshot shows what was applied");
        if index <= self.log.snapshot.meta.at.index {
            return;
        }
        let Some(term) = self.log.term_at(index) else { return };
        let configuration = self.log.configuration_at(index).clone();
        let meta = super::SnapshotMeta { at: Position { term, index }, configuration };
        self.log.compact(Snapshot { meta, pages: pages.into() }, self.tuning.keep_entries);
        self.durable.compacted(self.log.first_index());
    }

    /// This member.
    pub fn me(&self) -> MemberId {
        self.me
    }

    /// Its term.
    pub fn term(&self) -> u64 {
        self.hard.term
    }

    /// Who leads, as far as it knows.
    pub fn leader(&self) -> Option<MemberId> {
        self.leader
    }

    /// Whether it leads, as far as it knows.
    pub fn leads(&self) -> bool {
        matches!(self.role, Role::Leader(_))
    }

    /// The log up to here is committed.
    pub fn commit(&self) -> u64 {
        self.commit
    }

    /// The end of its log.
    pub fn last(&self) -> Position {
        self.log.last()
    }

    /// What the newest snapshot covers.
    pub fn snapshot_index(&self) -> u64 {
        self.log.snapshot.meta.at.index
    }

    /// The configuration in force, committed or not.
    pub fn configuration(&self) -> &Configuration {
        self.log.configuration().1
    }

    /// Whether the configuration in force is committed.
    pub fn configuration_is_committed(&self) -> bool {
        self.log.configuration().0 <= self.commit
    }

    /// A message of this member, as it travels.
    pub fn envelope(&self, cluster: u64, to: MemberId, term: u64, body: Body) -> Envelope {
        Envelope { cluster, from: self.me, to, term, body }
    }
}
