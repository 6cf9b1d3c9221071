//! Operations for a leader whom the client may not reach: a follower passes them on and the answers back.
//!
//! The client is told at the same time whom to ask, so that it needs no go-between where it can do without one. Done
//! twice is done once: both ways lead to the same operation of the same session.

use super::Member;
use super::serving::{Serving, retry};
use crate::rcs::message::{Answer, Reply, Request};
use contract::plan::Directory;
use contract::{Addr, Context, mark};
use std::collections::BTreeMap;

/// Who waits for the answers to what was passed on.
#[derive(Clone, Debug)]
pub(super) struct Relay {
    next: u64,
    waiting: BTreeMap<u64, (Addr<Reply>, u64)>,
}

impl Relay {
    /// Calls begin with a random number, so that those of another incarnation are others.
    pub(super) fn new(first: u64) -> Self {
        Relay { next: first, waiting: BTreeMap::new() }
    }
}

impl Serving {
    /// This member does not lead: the leader shall hear of it, and the client of the leader.
    pub(super) fn pass_on(&mut self, request: &Request, ctx: &mut Context<'_, Member>) {
        let leader = self.hint().filter(|_| !self.core.leads());
        let asker = request.reply_to.process();
        // What another member has passed on goes no further: members may believe in one another in a circle.
        let of_client = self.config.peers.iter().all(|peer| peer.process() != asker);
        if let Some(peer) = leader.and_then(|slot| self.config.peers.get(slot as usize)).filter(|_| of_client) {
            let call = self.relay.next;
            self.relay.next = call.wrapping_add(1);
            self.relay.waiting.insert(call, (request.reply_to, request.call));
            if self.relay.waiting.len() > self.config.reads {
                // Its client asks again if it still waits.
                self.relay.waiting.pop_first();
            }
            let passed = Request { call, reply_to: ctx.addr(), ask: request.ask.clone() };
            ctx.send(Directory::known(peer.process()), passed);
        }
        retry(request, leader, ctx);
    }

    /// What the leader has answered.
    pub(super) fn on_relayed(&mut self, reply: Reply, ctx: &mut Context<'_, Member>) {
        let Some((reply_to, call)) = self.relay.waiting.remove(&reply.call) else { return };
        // Whom to ask instead the client was told already.
        if !matches!(reply.answer, Answer::Retry { .. }) {
            ctx.mark(mark!("member.relayed"));
            ctx.send(reply_to, Reply { call, answer: reply.answer });
        }
    }
}
