//! The operator: takes voters out and in again, hands leadership over, compacts, and replaces members that lost their
//! disks.
//!
//! ```text
//!   every ----> look: ask every member for its status ----> decide by what the leader said ----> act, one step
//!     ^                                                                                              |
//!     +----------------------------------------------------------------------------------------------+
//! ```
//!
//! It remembers nothing of what it has begun: whatever was lost on the way shows in the next status. Repairs come
//! before new mischief. It is done when its actions are used up and every member votes.

use crate::member::message as admin;
use crate::raft::{Configuration, MemberId};
use crate::rcs::client::{Client, Config as Service, Ended, Outcome};
use crate::rcs::message::{Answer, Keys, Operation, Read, Reply};
use contract::history::{self, Op};
use contract::{Actor, Addr, Context, Duration, Halt, ProcessId, Value, inbox, mark};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What an operator is given.
#[derive(Clone, Debug)]
pub struct Config {
    /// Which operator it is.
    pub index: u32,
    /// Where members are administered, by slot.
    pub members: Vec<Addr<admin::Request>>,
    /// How it asks the service that they are.
    pub service: Arc<Service>,
    /// How many times it does something of its own accord.
    pub actions: u64,
    /// Time between two looks, on average.
    pub every: Duration,
    /// How likely each kind of action is.
    pub mix: Mix,
    /// Revisions that a compaction leaves.
    pub keep_revisions: u64,
    /// Whether the run waits until every member votes: only where no member stays broken for good.
    pub awaited: bool,
}

/// Weights of the kinds of actions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mix {
    /// Removals of a voter, who is let in again later.
    pub removals: u64,
    /// Leadership handed over.
    pub transfers: u64,
    /// Compactions.
    pub compactions: u64,
}

inbox! {
    /// What an operator accepts.
    pub enum Inbox {
        /// From members, about themselves.
        Admin(admin::Reply),
        /// From members, as a service.
        Reply(Reply),
    }
}

/// The operator's timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// Time to look.
    Look,
    /// Who has not answered is not waited for.
    Decide,
    /// A question to the service has not been answered.
    Retry,
}

/// How long it waits for statuses.
const PATIENCE: Duration = Duration::from_millis(100);

/// One operator.
#[derive(Clone, Debug)]
pub struct Operator {
    config: Arc<Config>,
    service: Client,
    /// Its operation in the history, if the run waits for it.
    operation: u64,
    /// Names the question about everybody's status.
    look: u64,
    /// What each slot said since.
    statuses: BTreeMap<usize, admin::Status>,
    /// Actions so far.
    actions: u64,
    done: bool,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Act {
    /// Ask the leader for this.
    Admin(admin::Ask),
    /// Ask the service to forget.
    Compact,
}

impl Actor for Operator {
    type Config = Arc<Config>;
    type Inbox = Inbox;
    type Timer = Timer;

    fn boot(config: &Arc<Config>, ctx: &mut Context<'_, Self>) -> Result<Self, Halt> {
        let service = Client::new(Arc::clone(&config.service), ctx);
        let (config, operation, look) = (Arc::clone(config), ctx.random(), ctx.random());
        let statuses = BTreeMap::new();
        let operator = Operator { config, service, operation, look, statuses, actions: 0, done: false };
        if operator.config.awaited {
            ctx.invoke(Op { id: operation, action: "operate", input: Value::from(operator.config.actions) });
        }
        operator.pause(ctx);
        Ok(operator)
    }

    fn on_message(&mut self, from: ProcessId, message: Inbox, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        match message {
            Inbox::Admin(admin::Reply { call, answer: admin::Answer::Status(status) }) if call == self.look => {
                self.statuses.insert(status.me.slot as usize, status);
                if self.statuses.len() == self.config.members.len() {
                    ctx.set_timer(Timer::Decide, Duration::ZERO);
                }
            }
            Inbox::Admin(_) => {}
            Inbox::Reply(reply) => {
                if let Some(ended) = self.service.on_reply(from, reply, ctx) {
                    self.on_ended(&ended, ctx);
                }
                self.service.schedule(Timer::Retry, ctx);
            }
        }
        Ok(())
    }

    fn on_timer(&mut self, timer: Timer, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        match timer {
            Timer::Look => self.look(ctx),
            Timer::Decide => self.decide(ctx),
            // Whether it was compacted does not matter.
            Timer::Retry => drop(self.service.poll(ctx)),
        }
        self.service.schedule(Timer::Retry, ctx);
        Ok(())
    }
}

impl Operator {
    fn pause(&self, ctx: &mut Context<'_, Self>) {
        let every = self.config.every;
        let wait = ctx.random_between(every / 2, every + every / 2);
        ctx.set_timer(Timer::Look, wait);
    }

    fn look(&mut self, ctx: &mut Context<'_, Self>) {
        self.look = self.look.wrapping_add(1);
        self.statuses.clear();
        for &member in &self.config.members {
            ctx.send(member, admin::Request { call: self.look, reply_to: ctx.addr(), ask: admin::Ask::Status });
        }
        ctx.set_timer(Timer::Decide, PATIENCE);
    }

    fn decide(&mut self, ctx: &mut Context<'_, Self>) {
        let leads = |status: &&admin::Status| status.leader == Some(status.me);
        let leader = self.statuses.values().filter(leads).max_by_key(|status| status.term).cloned();
        if let Some(leader) = leader {
            let members = self.statuses.values().map(|status| status.me);
            match repair(&leader.configuration, members) {
                Some(ask) => self.act(Act::Admin(ask), leader.me, ctx),
                None if leader.configuration.voters.len() < self.config.members.len() => {}
                None if self.actions < self.config.actions => {
                    self.actions += 1;
                    let act = self.draw(&leader.configuration, ctx);
                    self.act(act, leader.me, ctx);
                }
                None => self.finish(ctx),
            }
        }
        self.pause(ctx);
    }

    fn draw(&self, configuration: &Configuration, ctx: &mut Context<'_, Self>) -> Act {
        let Mix { removals, transfers, compactions } = self.config.mix;
        let voters: Vec<MemberId> = configuration.voters.iter().copied().collect();
        let voter = voters[ctx.random_below(voters.len() as u64) as usize];
        // Of two voters none can be spared.
        let removals = if voters.len() > 2 { removals } else { 0 };
        let drawn = ctx.random_below((removals + transfers + compactions).max(1));
        if drawn < removals {
            Act::Admin(admin::Ask::Remove(voter))
        } else if drawn < removals + transfers {
            Act::Admin(admin::Ask::Transfer(voter))
        } else {
            Act::Compact
        }
    }

    fn act(&mut self, act: Act, leader: MemberId, ctx: &mut Context<'_, Self>) {
        match act {
            Act::Admin(ask) => {
                // Its answer tells nothing that the next status does not.
                let call = self.look.wrapping_add(1 << 63);
                let request = admin::Request { call, reply_to: ctx.addr(), ask };
                ctx.send(self.config.members[leader.slot as usize], request);
            }
            Act::Compact => {
                let keys = Keys::Prefix([][..].into());
                self.service.read(Read { keys, revision: 0, limit: 1, linearizable: false, traced: 0 }, ctx);
                self.service.schedule(Timer::Retry, ctx);
            }
        }
    }

    /// The newest revision is known, so that the past can be compacted. How that ends does not matter.
    fn on_ended(&mut self, ended: &Ended, ctx: &mut Context<'_, Self>) {
        if let Outcome::Answered(Answer::Range(range)) = &ended.outcome {
            let revision = range.revision.saturating_sub(self.config.keep_revisions);
            if revision > 0 {
                self.service.write(Operation::Compact { revision }, 0, ctx);
            }
        }
    }

    fn finish(&mut self, ctx: &mut Context<'_, Self>) {
        if std::mem::replace(&mut self.done, true) {
            return;
        }
        if self.config.awaited {
            ctx.complete(history::Done {
                id: self.operation,
                outcome: history::Outcome::Ok,
                output: Value::from(self.actions),
            });
        }
        ctx.mark(mark!("workload.done", client = self.config.index));
    }
}

/// The next step towards a cluster in which each of these members, and none that lost its disk, votes.
fn repair(configuration: &Configuration, members: impl Iterator<Item = MemberId>) -> Option<admin::Ask> {
    members.map(|now| repair_slot(configuration, now)).find(Option::is_some).flatten()
}

fn repair_slot(configuration: &Configuration, now: MemberId) -> Option<admin::Ask> {
    match configuration.all().find(|member| member.slot == now.slot) {
        Some(member) if member != now => Some(admin::Ask::Remove(member)),
        Some(member) if configuration.learners.contains(&member) => Some(admin::Ask::Promote(member)),
        Some(_) => None,
        None => Some(admin::Ask::AddLearner(now)),
    }
}

#[cfg(test)]
mod tests {
    use super::{admin::Ask, repair};
    use crate::raft::{Configuration, MemberId};

    fn id(slot: u32, disk: u64) -> MemberId {
        MemberId { slot, disk }
    }

    #[test]
    fn a_member_that_lost_its_disk_is_removed_added_as_another_and_promoted() {
        let now = [id(0, 1), id(1, 9), id(2, 3)];
        let next = |voters: &[MemberId], learners: &[MemberId]| {
            let voters = voters.iter().copied().collect();
            repair(&Configuration { voters, learners: learners.iter().copied().collect() }, now.into_iter())
        };
        assert_eq!(next(&[id(0, 1), id(1, 2), id(2, 3)], &[]), Some(Ask::Remove(id(1, 2))));
        assert_eq!(next(&[id(0, 1), id(2, 3)], &[]), Some(Ask::AddLearner(id(1, 9))));
        assert_eq!(next(&[id(0, 1), id(2, 3)], &[id(1, 9)]), Some(Ask::Promote(id(1, 9))));
        assert_eq!(next(&[id(0, 1), id(1, 9), id(2, 3)], &[]), None);
    }

    #[test]
    fn a_member_that_does_not_answer_is_left_as_it_is() {
        let voters = [id(0, 1), id(1, 2), id(2, 3)].into_iter().collect();
        let configuration = Configuration { voters, ..Configuration::default() };
        assert_eq!(repair(&configuration, [id(0, 1), id(2, 3)].into_iter()), None);
    }
}
