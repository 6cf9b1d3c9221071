//! A member that belongs to its cluster: the core, the store, and whoever waits for either.

use super::hello::Hello;
use super::polls::Polls;
use super::reading::Reads;
use super::relay::Relay;
use super::{Config, Member, Timer};
use crate::raft::{self, Body, Change, Core, Effect, Envelope, MemberId, NotTaken, Recovered, Snapshot, Turn};
use crate::rcs::message::{Answer, Ask, OperationId, Reply, Request};
use crate::rcs::{Command, Store};
use crate::wal::message::{Founding, Write};
use contract::{Addr, Context, Halt, Time, mark};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The core, the store, and whoever waits.
#[derive(Clone, Debug)]
pub(super) struct Serving {
    pub(super) config: Arc<Config>,
    pub(super) founding: Founding,
    pub(super) core: Core,
    pub(super) store: Store,
    /// The log up to here has been applied to the store.
    pub(super) applied: u64,
    /// Proposals of this leadership: by index, the term and who waits for the answer.
    pub(super) proposals: BTreeMap<u64, (u64, Vec<Waiter>)>,
    /// The operations among them, so that a repeated question does not go into the log again.
    pub(super) in_log: BTreeMap<(u64, u64), u64>,
    pub(super) reads: Reads,
    pub(super) polls: Polls,
    pub(super) relay: Relay,
    /// When each lease's time will have passed, while this member leads.
    pub(super) leases: BTreeMap<u64, Time>,
    /// New disks of known machines, that wait to be taken in.
    newcomers: BTreeMap<u32, MemberId>,
}

/// Who waits for the answer to an operation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiter {
    pub(super) reply_to: Addr<Reply>,
    pub(super) call: u64,
    pub(super) id: OperationId,
}

/// Tells a client to ask again, here or elsewhere.
pub(super) fn retry(request: &Request, leader: Option<u32>, ctx: &mut Context<'_, Member>) {
    ctx.send(request.reply_to, Reply { call: request.call, answer: Answer::Retry { leader } });
}

impl Serving {
    pub(super) fn new(
        config: &Arc<Config>,
        disk: u64,
        founding: &Founding,
        recovered: Recovered,
        ctx: &mut Context<'_, Member>,
    ) -> Result<Self, Halt> {
        let me = MemberId { slot: config.me, disk };
        assert!(founding.cluster != 0 && disk != 0, "a disk that belongs to a cluster has its id and the cluster's");
        let applied = recovered.snapshot.meta.at.index;
        if recovered.hard.claim.is_some() {
            ctx.mark(mark!("member.lost_entries"));
        }
        let (now, mut effects) = (ctx.now(), Vec::new());
        let core = {
            let cell = RefCell::new(&mut *ctx);
            let mut turn = Turn {
                now,
                random: &mut || cell.borrow_mut().random(),
                choose: &mut |site| cell.borrow_mut().choose(site),
                effects: &mut effects,
            };
            Core::new(me, recovered, config.tuning, config.planted, &mut turn)
        };
        let mut serving = Serving {
            config: Arc::clone(config),
            founding: founding.clone(),
            core,
            store: Store::new(config.limits, config.planted),
            applied,
            proposals: BTreeMap::new(),
            in_log: BTreeMap::new(),
            reads: Reads::new(ctx.random()),
            polls: Polls::default(),
            relay: Relay::new(ctx.random()),
            leases: BTreeMap::new(),
            newcomers: BTreeMap::new(),
        };
        serving.carry_out(effects, ctx)?;
        serving.schedule(ctx);
        Ok(serving)
    }

    /// Gives the core one event and does what it wants done.
    pub(super) fn turn<R>(
        &mut self,
        ctx: &mut Context<'_, Member>,
        event: impl FnOnce(&mut Core, &mut Turn<'_>) -> R,
    ) -> Result<R, Halt> {
        let (now, mut effects) = (ctx.now(), Vec::new());
        let result = {
            let cell = RefCell::new(&mut *ctx);
            let mut turn = Turn {
                now,
                random: &mut || cell.borrow_mut().random(),
                choose: &mut |site| cell.borrow_mut().choose(site),
                effects: &mut effects,
            };
            event(&mut self.core, &mut turn)
        };
        self.carry_out(effects, ctx)?;
        self.schedule(ctx);
        Ok(result)
    }

    fn schedule(&mut self, ctx: &mut Context<'_, Member>) {
        let wait = self.core.deadline().since(ctx.now());
        ctx.set_timer(Timer::Core, wait.max(contract::Duration::from_micros(1)));
    }

    fn carry_out(&mut self, effects: Vec<Effect>, ctx: &mut Context<'_, Member>) -> Result<(), Halt> {
        for effect in effects {
            match effect {
                Effect::Send { to, term, body } => self.send(to, term, body, ctx),
                Effect::Commit(entries) => self.apply(entries, ctx)?,
                Effect::Install(snapshot) => self.install(&snapshot, ctx)?,
                Effect::ReadAt { context, index } => self.read_at(context, index, ctx),
                Effect::ReadLost { context } => self.read_lost(context, ctx),
                Effect::Leader { leader, term } => self.on_leader(leader, term, ctx),
                Effect::Mark(mark) => ctx.mark(mark),
            }
        }
        Ok(())
    }

    fn send(&mut self, to: MemberId, term: u64, body: Body, ctx: &mut Context<'_, Member>) {
        if let Some(peer) = self.config.peers.get(to.slot as usize) {
            ctx.send(*peer, self.core.envelope(self.founding.cluster, to, term, body));
        }
    }

    pub(super) fn on_peer(&mut self, envelope: Envelope, ctx: &mut Context<'_, Member>) -> Result<(), Halt> {
        let Envelope { cluster, from, to, term, body } = envelope;
        let me = self.core.me();
        if cluster != self.founding.cluster || to != me || from.slot == me.slot {
            ctx.mark(mark!("member.stranger"));
            return Ok(());
        }
        self.turn(ctx, |core, turn| core.receive(from, term, body, turn))
    }

    pub(super) fn saved(&mut self, seq: u64, ctx: &mut Context<'_, Member>) -> Result<(), Halt> {
        self.turn(ctx, |core, turn| core.saved(seq, turn))
    }

    pub(super) fn tick(&mut self, ctx: &mut Context<'_, Member>) -> Result<(), Halt> {
        self.turn(ctx, |core, turn| core.tick(turn))?;
        self.tend_configuration(ctx)
    }

    /// The next write for the append process, if it is not busy enough.
    pub(super) fn next_write(&mut self) -> Option<(u64, Write, Option<Snapshot>)> {
        if self.core.writes_on_their_way() < self.config.writes { self.core.next_write() } else { None }
    }

    /// Who leads now may be another, so that nothing proposed here before is sure any more.
    fn on_leader(&mut self, leader: Option<MemberId>, term: u64, ctx: &mut Context<'_, Member>) {
        let leads = leader == Some(self.core.me());
        assert!(term <= self.core.term(), "terms never fall");
        let hint = leader.filter(|_| !leads).map(|leader| leader.slot);
        self.in_log.clear();
        for waiter in std::mem::take(&mut self.proposals).into_values().flat_map(|(_, waiters)| waiters) {
            ctx.send(waiter.reply_to, Reply { call: waiter.call, answer: Answer::Retry { leader: hint } });
        }
        self.leases.clear();
        if leads {
            self.begin_leases(ctx);
        }
    }

    /// The slot of the leader, for clients.
    pub(super) fn hint(&self) -> Option<u32> {
        self.core.leader().map(|leader| leader.slot)
    }

    pub(super) fn on_client(&mut self, request: &Request, ctx: &mut Context<'_, Member>) -> Result<(), Halt> {
        let Request { call, reply_to, ref ask } = *request;
        match ask {
            Ask::Read(read) => self.on_read(read.clone(), (reply_to, call), ctx),
            Ask::Watch(watch) => {
                self.on_watch(watch.clone(), (reply_to, call), ctx);
                Ok(())
            }
            Ask::Do { id, operation } => {
                if let Err(refusal) = self.store.limits().check(operation) {
                    ctx.send(reply_to, Reply { call, answer: Answer::Refused(refusal) });
                    return Ok(());
                }
                let waiter = Waiter { reply_to, call, id: *id };
                if self.joins(waiter) {
                    return Ok(());
                }
                let command = Command::Client { id: *id, operation: operation.clone() };
                if !self.propose(&command, Some(waiter), ctx)? {
                    self.pass_on(request, ctx);
                }
                Ok(())
            }
        }
    }

    /// A repeated question waits for the entry that is in the log already. One that came by another way waits beside it:
    /// an answer may be able to go back by one of them only.
    fn joins(&mut self, waiter: Waiter) -> bool {
        let Some(index) = self.in_log.get(&(waiter.id.session, waiter.id.number)) else { return false };
        match self.proposals.get_mut(index) {
            Some((_, waiters)) => {
                waiters.retain(|other| other.reply_to != waiter.reply_to);
                waiters.push(waiter);
            }
            None => return false,
        }
        true
    }

    /// Whether the command went into the log.
    pub(super) fn propose(
        &mut self,
        command: &Command,
        waiter: Option<Waiter>,
        ctx: &mut Context<'_, Member>,
    ) -> Result<bool, Halt> {
        if !self.core.leads() {
            return Ok(false);
        }
        let bytes =
            command.encode().map_err(|error| Halt::new(format!("a command that passed its limits: {error}")))?;
        let taken = self.turn(ctx, |core, turn| core.propose(bytes, turn))?;
        match taken {
            Ok(at) => {
                if let Some(waiter) = waiter {
                    self.in_log.insert((waiter.id.session, waiter.id.number), at.index);
                    self.proposals.insert(at.index, (at.term, vec![waiter]));
                }
                Ok(true)
            }
            Err(NotTaken::NotLeader | NotTaken::NotNow | NotTaken::Pointless) => {
                ctx.mark(mark!("member.busy"));
                Ok(false)
            }
        }
    }

    /// Whether this member stands in the configuration that it knows.
    pub(super) fn is_member(&self) -> bool {
        self.core.configuration().has(self.core.me())
    }

    pub(super) fn hello(&self) -> Hello {
        Hello { from: self.core.me(), founding: Some(self.founding.clone()) }
    }

    /// Somebody who stands in no configuration made himself known.
    pub(super) fn on_newcomer(&mut self, from: MemberId) {
        if !self.core.configuration().has(from) {
            self.newcomers.insert(from.slot, from);
        }
    }

    /// A leader takes in new disks of known machines, and lets learners vote that have caught up.
    fn tend_configuration(&mut self, ctx: &mut Context<'_, Member>) -> Result<(), Halt> {
        if !self.core.leads() {
            self.newcomers.clear();
            return Ok(());
        }
        let configuration = self.core.configuration().clone();
        self.newcomers.retain(|_, member| !configuration.has(*member));
        let replaced = self.newcomers.values().find_map(|new| {
            let old = configuration.all().find(|old| old.slot == new.slot)?;
            // No more voters go than the cluster can do without.
            let spare =
                !configuration.voters.contains(&old) || configuration.voters.len() > self.founding.genesis.majority();
            spare.then_some(Change::Replace { old, new: *new })
        });
        let learner = configuration.learners.first().map(|learner| Change::Promote(*learner));
        let Some(change) = replaced.or(learner) else { return Ok(()) };
        if self.turn(ctx, |core, turn| core.change(change, turn))?.is_ok() {
            let promoted = matches!(change, raft::Change::Promote(_));
            ctx.mark(if promoted { mark!("member.promoted") } else { mark!("member.replaced") });
        }
        Ok(())
    }
}
