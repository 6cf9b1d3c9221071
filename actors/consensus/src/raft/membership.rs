//! Changes of the configuration, one voter at a time (thesis, chapter 4), and handing over leadership.

use super::core::{Core, NotTaken, Role};
use super::effect::{Effect, Turn};
use super::leading::Transfer;
use super::types::{Body, Configuration, MemberId, Payload, Position};
use contract::mark;
use serde::{Deserialize, Serialize};

/// One step of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// A new member listens.
    AddLearner(MemberId),
    /// A learner that has caught up becomes a voter.
    Promote(MemberId),
    /// A member goes.
    Remove(MemberId),
    /// A member whose disk is gone goes, and the new disk of the same machine listens.
    Replace {
        /// Who goes.
        old: MemberId,
        /// Who comes.
        new: MemberId,
    },
}

impl Core {
    /// Proposes one step. It is in force at once, and done when its entry is committed.
    ///
    /// # Errors
    /// [`NotTaken::NotNow`] while an earlier step is not committed, this term has committed nothing yet (the
    /// correction of 2015 to single-server changes), or a learner is not caught up.
    pub fn change(&mut self, change: Change, turn: &mut Turn<'_>) -> Result<Position, NotTaken> {
        let Role::Leader(leadership) = &self.role else { return Err(NotTaken::NotLeader) };
        let caught_up = |member: MemberId| leadership.progress.get(&member).is_some_and(|p| p.matched >= self.commit);
        let ready = self.commit >= leadership.start && self.configuration_is_committed();
        if !ready || leadership.transfer.is_some() {
            return Err(NotTaken::NotNow);
        }
        if let Change::Promote(member) = change
            && !caught_up(member)
        {
            return Err(NotTaken::NotNow);
        }
        let next = changed(self.configuration(), change).ok_or(NotTaken::Pointless)?;
        assert!(differs_by_one(self.configuration(), &next), "one voter changes at a time");
        turn.effects.push(Effect::Mark(mark!("raft.configuration_changed")));
        let at = self.append_own(Payload::Configure(next), turn);
        self.replicate_all(turn);
        Ok(at)
    }

    /// A leader that is no voter any more has done its duty when that is committed.
    pub(super) fn leave_if_removed(&mut self, turn: &mut Turn<'_>) {
        let removed = self.leads() && !self.configuration().voters.contains(&self.me);
        if removed && self.configuration_is_committed() {
            turn.effects.push(Effect::Mark(mark!("raft.leader_removed")));
            self.follow(self.hard.term, None, turn);
        }
    }

    /// Hands leadership to a voter. Proposals are refused until it stands, or for one election timeout.
    ///
    /// # Errors
    /// When this member does not lead, or `to` is no other voter.
    pub fn transfer(&mut self, to: MemberId, turn: &mut Turn<'_>) -> Result<(), NotTaken> {
        let other_voter = to != self.me && self.configuration().voters.contains(&to);
        let until = turn.now + self.tuning.election_least;
        let Role::Leader(leadership) = &mut self.role else { return Err(NotTaken::NotLeader) };
        if !other_voter {
            return Err(NotTaken::Pointless);
        }
        leadership.transfer = Some(Transfer { to, until });
        self.replicate_all(turn);
        self.hand_over(turn);
        Ok(())
    }

    /// Tells the successor to stand once it has the whole log.
    pub(super) fn hand_over(&mut self, turn: &mut Turn<'_>) {
        let last = self.log.last().index;
        let Role::Leader(leadership) = &mut self.role else { return };
        let Some(Transfer { to, .. }) = leadership.transfer else { return };
        if leadership.progress.get(&to).is_some_and(|progress| progress.matched == last) {
            leadership.handed_over = true;
            self.say(to, self.hard.term, Body::TimeoutNow, turn);
        }
    }
}

/// The configuration after a step; `None` if the step changes nothing or leaves no voter.
fn changed(now: &Configuration, change: Change) -> Option<Configuration> {
    let mut next = now.clone();
    match change {
        Change::AddLearner(member) => {
            let taken = now.all().any(|other| other.slot == member.slot);
            if taken || !next.learners.insert(member) {
                return None;
            }
        }
        Change::Promote(member) => {
            if !next.learners.remove(&member) || !next.voters.insert(member) {
                return None;
            }
        }
        Change::Remove(member) => {
            if !next.learners.remove(&member) && !next.voters.remove(&member) {
                return None;
            }
        }
        Change::Replace { old, new } => {
            let same_place = old.slot == new.slot && old != new;
            if !same_place || !(next.learners.remove(&old) || next.voters.remove(&old)) || !next.learners.insert(new) {
                return None;
            }
        }
    }
    (!next.voters.is_empty()).then_some(next)
}

fn differs_by_one(now: &Configuration, next: &Configuration) -> bool {
    now.voters.symmetric_difference(&next.voters).count() <= 1
}
