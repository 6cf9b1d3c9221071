//! Elections: pre-vote, votes, and what a member that has lost entries may say in them.

use super::core::{Campaign, Core, Role};
use super::effect::{Effect, Turn};
use super::leading::Leadership;
use super::types::{Body, Hard, MemberId, Payload, Position};
use contract::mark;
use std::collections::BTreeSet;

impl Core {
    /// The end of the log as elections see it: what was lost counts as had.
    fn claimed(&self) -> Position {
        self.hard.claim.map_or(self.log.last(), |claim| claim.max(self.log.last()))
    }

    /// Stands for election, or asks whether it should.
    pub(super) fn stand(&mut self, pre: bool, transfer: bool, turn: &mut Turn<'_>) {
        self.wait_for_leader(turn);
        let may = self.is_wanted() && self.hard.claim.is_none();
        if !may {
            if self.hard.claim.is_some() {
                turn.effects.push(Effect::Mark(mark!("raft.claim_waits")));
            }
            return;
        }
        let known = self.leader.take().is_some();
        if known {
            self.lose_forwarded(turn);
            self.following = super::core::Following::default();
            turn.effects.push(Effect::Leader { leader: None, term: self.hard.term });
        }
        let granted = if pre { BTreeSet::from([self.me]) } else { BTreeSet::new() };
        self.role = Role::Candidate(Campaign { pre, granted, refused: BTreeSet::new() });
        let last = self.log.last();
        if pre {
            self.ask_all(self.hard.term + 1, &Body::PreVote { last }, turn);
            self.count_pre_votes(turn);
        } else {
            self.hard = Hard { term: self.hard.term + 1, vote: Some(self.me), ..self.hard };
            self.following = super::core::Following::default();
            turn.effects.push(Effect::Mark(mark!("raft.stood")));
            self.ask_all(self.hard.term, &Body::Vote { last, transfer }, turn);
        }
    }

    /// Whether it may be needed as a leader. So may one that an uncommitted change removes: others can lack the
    /// change and need its vote, which only a log as long as its own gets (thesis, section 4.2.2). It does not count
    /// itself then.
    fn is_wanted(&self) -> bool {
        let leaves = || self.log.configuration_before().voters.contains(&self.me);
        self.configuration().voters.contains(&self.me) || (!self.configuration_is_committed() && leaves())
    }

    fn ask_all(&mut self, term: u64, body: &Body, turn: &mut Turn<'_>) {
        let others: Vec<MemberId> = self.configuration().voters.iter().copied().filter(|&m| m != self.me).collect();
        for to in others {
            self.say(to, term, body.clone(), turn);
        }
    }

    /// The own vote counts when it is durable.
    pub(super) fn count_own_vote(&mut self, turn: &mut Turn<'_>) {
        if !self.hard_is_durable() || self.hard.vote != Some(self.me) {
            return;
        }
        if let Role::Candidate(campaign) = &mut self.role
            && !campaign.pre
            && campaign.granted.insert(self.me)
        {
            self.count_votes(turn);
        }
    }

    pub(super) fn on_pre_vote(&mut self, from: MemberId, term: u64, last: Position, turn: &mut Turn<'_>) {
        let granted = term > self.hard.term && last >= self.claimed() && !self.hears_leader(turn.now);
        let said = if granted { term } else { self.hard.term };
        self.say(from, said, Body::PreVoteReply { granted }, turn);
    }

    pub(super) fn on_pre_vote_granted(&mut self, from: MemberId, term: u64, turn: &mut Turn<'_>) {
        let wanted = self.hard.term + 1;
        if let Role::Candidate(campaign) = &mut self.role
            && campaign.pre
            && term == wanted
        {
            campaign.granted.insert(from);
            self.count_pre_votes(turn);
        }
    }

    fn count_pre_votes(&mut self, turn: &mut Turn<'_>) {
        if self.has_majority() {
            self.stand(false, false, turn);
        }
    }

    /// Whether a majority of the voters has granted.
    fn has_majority(&self) -> bool {
        let Role::Candidate(campaign) = &self.role else { return false };
        let configuration = self.configuration();
        campaign.granted.intersection(&configuration.voters).count() >= configuration.majority()
    }

    pub(super) fn on_vote(&mut self, from: MemberId, last: Position, turn: &mut Turn<'_>) {
        let free = self.hard.vote.is_none_or(|vote| vote == from) && self.leader.is_none();
        let granted = free && last >= self.claimed();
        if granted {
            self.hard.vote = Some(from);
            self.role = Role::Follower;
            self.wait_for_leader(turn);
        }
        self.say(from, self.hard.term, Body::VoteReply { granted }, turn);
    }

    pub(super) fn on_vote_reply(&mut self, from: MemberId, granted: bool, turn: &mut Turn<'_>) {
        let Role::Candidate(campaign) = &mut self.role else { return };
        if campaign.pre {
            return;
        }
        if granted {
            campaign.granted.insert(from);
        } else {
            campaign.refused.insert(from);
        }
        self.count_votes(turn);
    }

    fn count_votes(&mut self, turn: &mut Turn<'_>) {
        if self.has_majority() {
            self.take_office(turn);
        }
    }

    /// Won: the first entry of the term is a no-op, with which everything before it will be committed.
    fn take_office(&mut self, turn: &mut Turn<'_>) {
        assert!(self.hard_is_durable() && self.hard.vote == Some(self.me), "a leader has voted for itself, durably");
        assert!(self.hard.claim.is_none(), "who has lost entries does not lead");
        let start = self.log.last().index + 1;
        let others = self.configuration().all().filter(|&member| member != self.me);
        let leadership = Leadership::new(others, start, self.hard.term, turn.now, self.tuning.heartbeat);
        self.role = Role::Leader(Box::new(leadership));
        self.leader = Some(self.me);
        turn.effects.push(Effect::Mark(mark!("raft.elected", term = self.hard.term)));
        turn.effects.push(Effect::Leader { leader: self.leader, term: self.hard.term });
        self.append_own(Payload::Noop, turn);
        self.begin_round(turn);
    }

    pub(super) fn on_timeout_now(&mut self, from: MemberId, turn: &mut Turn<'_>) {
        if self.leader == Some(from) && matches!(self.role, Role::Follower) {
            turn.effects.push(Effect::Mark(mark!("raft.handed_over")));
            self.stand(false, true, turn);
        }
    }
}
