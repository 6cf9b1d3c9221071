//! What operators ask.

use super::message::{Answer, Ask, Reply, Request, Status};
use super::{Member, Phase};
use crate::raft::{Change, NotTaken};
use contract::{Context, Halt};

impl Member {
    pub(super) fn on_admin(&mut self, request: &Request, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        let Request { call, reply_to, ref ask } = *request;
        let Phase::Serving(serving) = &mut self.phase else {
            ctx.send(reply_to, Reply { call, answer: Answer::NotLeader { leader: None } });
            return Ok(());
        };
        let done = match *ask {
            Ask::Status => {
                let core = &serving.core;
                let status = Status {
                    me: core.me(),
                    term: core.term(),
                    leader: core.leader(),
                    configuration: core.configuration().clone(),
                    commit: core.commit(),
                };
                ctx.send(reply_to, Reply { call, answer: Answer::Status(status) });
                return Ok(());
            }
            Ask::AddLearner(member) => {
                serving.turn(ctx, |core, turn| core.change(Change::AddLearner(member), turn))?.map(drop)
            }
            Ask::Promote(member) => {
                serving.turn(ctx, |core, turn| core.change(Change::Promote(member), turn))?.map(drop)
            }
            Ask::Remove(member) => serving.turn(ctx, |core, turn| core.change(Change::Remove(member), turn))?.map(drop),
            Ask::Transfer(member) => serving.turn(ctx, |core, turn| core.transfer(member, turn))?,
        };
        let leader = serving.hint();
        let answer = match done {
            Ok(()) => Answer::Accepted,
            Err(NotTaken::NotLeader) => Answer::NotLeader { leader },
            Err(NotTaken::NotNow) => {
                Answer::Refused("another change is under way, or the learner has not caught up: ask again".to_owned())
            }
            Err(NotTaken::Pointless) => Answer::Refused("it is so already, or it would leave nobody".to_owned()),
        };
        ctx.send(reply_to, Reply { call, answer });
        Ok(())
    }
}
