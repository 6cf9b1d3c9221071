//! The asking side: keeps asking until a member answers or the time is up, and never does anything twice.
//!
//! Plain data, as [`contract::calls`]: the actor owns the timer, hands in replies and gets back what has ended.
//!
//! - Each write runs in a session that no other open write uses, so that any number of writes may be open at a time. A
//!   session is opened when all are in use, and used again.
//! - A question stays with the member that answered last. It goes to the next one after a wait (exponential, with
//!   jitter), and at once to the leader that a member names.
//! - A write whose time is up has an unknown outcome; the session's next write then settles that it is not done later.
//! - A watch is a long poll: it is asked again only when the members must have answered.

use super::message::{Answer, Ask, Done, Operation, OperationId, Read, Refusal, Reply, Request, Watch};
use contract::calls::Retry;
use contract::{Actor, Addr, Context, Duration, ProcessId, Time};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a client is given.
#[derive(Clone, Debug)]
pub struct Config {
    /// The members, by slot.
    pub members: Vec<Addr<Request>>,
    /// How often and how long a write or a read is asked.
    pub retry: Retry,
    /// A watch without an answer is asked again after this: longer than a member lets it wait.
    pub poll: Duration,
}

/// The open questions of one actor to the Routing Coordination Service.
#[derive(Clone, Debug)]
pub struct Client {
    config: Arc<Config>,
    /// The slot of the member that is asked first.
    member: usize,
    last_call: u64,
    lanes: Vec<Lane>,
    questions: BTreeMap<u64, Question>,
}

/// How a question ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// As [`Client::write`], [`Client::read`] or [`Client::watch`] named it.
    pub ticket: u64,
    /// When it was sent for the first time: from then on the holder counts a lease that it began or renewed.
    pub sent: Time,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The answer; never [`Answer::Retry`].
    Answered(Answer),
    /// No answer in time, or its session was forgotten: a write may have been done, or may still be.
    Unknown,
    /// A write that was never sent, because no session could be opened in time: it is not done.
    Unsent,
}

/// A session, or the place of one.
#[derive(Clone, Copy, Debug, Default)]
struct Lane {
    session: Option<u64>,
    number: u64,
    busy: bool,
}

#[derive(Clone, Debug)]
struct Question {
    ticket: u64,
    kind: Kind,
    ask: Ask,
    /// The slot of the member that was asked last.
    to: usize,
    attempts: u32,
    /// How often members have named another one since the last wait.
    hops: usize,
    /// The member that was silent last. Others may name it for ever, if they hear it and this client does not.
    silent: Option<usize>,
    /// The member that was asked last has answered that it does not serve.
    turned_away: bool,
    sent: Time,
    next: Time,
    expires: Option<Time>,
}

#[derive(Clone, Debug)]
enum Kind {
    /// A session for this write is being opened.
    Opening { lane: usize, operation: Operation, traced: u64 },
    /// A write.
    Writing { lane: usize },
    /// A read.
    Reading,
    /// A long poll.
    Watching,
}

impl Client {
    /// Nothing is asked yet.
    pub fn new<A: Actor>(config: Arc<Config>, ctx: &mut Context<'_, A>) -> Self {
        assert!(!config.members.is_empty(), "there is somebody to ask");
        let member = ctx.random_below(config.members.len() as u64) as usize;
        // Random, so that an answer to an earlier incarnation answers nothing of this one.
        let last_call = ctx.random();
        Client { config, member, last_call, lanes: Vec::new(), questions: BTreeMap::new() }
    }

    /// Asks for `operation`, once. `traced` is the operation of the client's history that it is, 0 for none.
    pub fn write<A: Actor>(&mut self, operation: Operation, traced: u64, ctx: &mut Context<'_, A>) -> u64
    where
        A::Inbox: From<Reply>,
    {
        assert!(operation != Operation::OpenSession, "sessions are opened where they are needed");
        let ticket = self.next_call();
        let lane = self.free_lane();
        let expires = self.expires(ctx.now());
        match self.lanes[lane].session {
            Some(session) => {
                self.write_in(ticket, lane, session, (operation, traced), expires, ctx);
            }
            None => {
                let id = OperationId { session: ctx.random(), number: 0, traced: 0 };
                let ask = Ask::Do { id, operation: Operation::OpenSession };
                self.begin(ticket, ticket, Kind::Opening { lane, operation, traced }, ask, expires, ctx);
            }
        }
        ticket
    }

    /// Asks for a read.
    pub fn read<A: Actor>(&mut self, read: Read, ctx: &mut Context<'_, A>) -> u64
    where
        A::Inbox: From<Reply>,
    {
        let (ticket, expires) = (self.next_call(), self.expires(ctx.now()));
        self.begin(ticket, ticket, Kind::Reading, Ask::Read(read), expires, ctx);
        ticket
    }

    /// Asks for changes, until there are some, or the member has waited long enough and says how far there are none.
    pub fn watch<A: Actor>(&mut self, watch: Watch, ctx: &mut Context<'_, A>) -> u64
    where
        A::Inbox: From<Reply>,
    {
        let ticket = self.next_call();
        self.begin(ticket, ticket, Kind::Watching, Ask::Watch(watch), None, ctx);
        ticket
    }

    /// Forgets a question. A write may still be done.
    pub fn forget(&mut self, ticket: u64) {
        let calls = self.questions.iter().filter(|(_, question)| question.ticket == ticket).map(|(call, _)| *call);
        for call in calls.collect::<Vec<u64>>() {
            if let Some(question) = self.questions.remove(&call) {
                self.leave(&question.kind);
            }
        }
    }

    /// Takes a reply: how its question ended, if it did.
    pub fn on_reply<A: Actor>(&mut self, from: ProcessId, reply: Reply, ctx: &mut Context<'_, A>) -> Option<Ended>
    where
        A::Inbox: From<Reply>,
    {
        let asked = self.questions.get(&reply.call)?.to;
        if let Answer::Retry { leader } = reply.answer {
            // A member that was asked before may turn away late; another one is at it by now.
            if self.config.members[asked].process() == from {
                self.turned_away(reply.call, leader, ctx);
            }
            return None;
        }
        let question = self.questions.remove(&reply.call)?;
        if let Some(slot) = self.config.members.iter().position(|member| member.process() == from) {
            self.member = slot;
        }
        self.settle(question, reply.answer, ctx)
    }

    /// Asks again what is due, and says what has ended without an answer.
    pub fn poll<A: Actor>(&mut self, ctx: &mut Context<'_, A>) -> Vec<Ended>
    where
        A::Inbox: From<Reply>,
    {
        let now = ctx.now();
        let due = self.questions.iter().filter(|(_, question)| question.due() <= now).map(|(call, _)| *call);
        let mut ended = Vec::new();
        for call in due.collect::<Vec<u64>>() {
            let Some(mut question) = self.questions.remove(&call) else { continue };
            if question.expires.is_some_and(|expires| expires <= now) {
                self.leave(&question.kind);
                let unsent = matches!(question.kind, Kind::Opening { .. });
                let outcome = if unsent { Outcome::Unsent } else { Outcome::Unknown };
                ended.push(Ended { ticket: question.ticket, sent: question.sent, outcome });
                continue;
            }
            question.hops = 0;
            question.silent = (!question.turned_away).then_some(question.to).or(question.silent);
            self.avoid(question.to);
            self.send(call, &mut question, ctx);
            self.questions.insert(call, question);
        }
        ended
    }

    /// When [`Client::poll`] should next be called; `None` while nothing is open.
    pub fn next_due(&self) -> Option<Time> {
        self.questions.values().map(Question::due).min()
    }

    /// Sets `timer` for the next poll, or stops it.
    pub fn schedule<A: Actor>(&self, timer: A::Timer, ctx: &mut Context<'_, A>) {
        match self.next_due() {
            // At least a microsecond: a timer that a rounding clock fires early would spin on the rest.
            Some(due) => ctx.set_timer(timer, due.since(ctx.now()).max(Duration::from_micros(1))),
            None => ctx.cancel_timer(timer),
        }
    }

    /// Whether nothing is open.
    pub fn is_idle(&self) -> bool {
        self.questions.is_empty()
    }

    /// A member has the answer, or something that cannot be one.
    fn settle<A: Actor>(&mut self, question: Question, answer: Answer, ctx: &mut Context<'_, A>) -> Option<Ended>
    where
        A::Inbox: From<Reply>,
    {
        let Question { ticket, kind, sent, expires, .. } = question;
        let outcome = match (kind, answer) {
            (Kind::Opening { lane, operation, traced }, Answer::Done { done: Done::Session(session), .. }) => {
                self.lanes[lane] = Lane { session: Some(session), number: 0, busy: true };
                self.write_in(ticket, lane, session, (operation, traced), expires, ctx);
                return None;
            }
            (kind @ Kind::Opening { .. }, _) => {
                self.leave(&kind);
                Outcome::Unsent
            }
            (Kind::Writing { lane }, Answer::Refused(Refusal::NoSession)) => {
                self.lanes[lane] = Lane::default();
                Outcome::Unknown
            }
            (kind, answer) => {
                self.leave(&kind);
                Outcome::Answered(answer)
            }
        };
        Some(Ended { ticket, sent, outcome })
    }

    /// Sends a write in its session.
    fn write_in<A: Actor>(
        &mut self,
        ticket: u64,
        lane: usize,
        session: u64,
        (operation, traced): (Operation, u64),
        expires: Option<Time>,
        ctx: &mut Context<'_, A>,
    ) where
        A::Inbox: From<Reply>,
    {
        self.lanes[lane].number += 1;
        let id = OperationId { session, number: self.lanes[lane].number, traced };
        let call = self.next_call();
        self.begin(ticket, call, Kind::Writing { lane }, Ask::Do { id, operation }, expires, ctx);
    }

    fn begin<A: Actor>(
        &mut self,
        ticket: u64,
        call: u64,
        kind: Kind,
        ask: Ask,
        expires: Option<Time>,
        ctx: &mut Context<'_, A>,
    ) where
        A::Inbox: From<Reply>,
    {
        let now = ctx.now();
        let mut question = Question {
            ticket,
            kind,
            ask,
            to: self.member,
            attempts: 0,
            hops: 0,
            silent: None,
            turned_away: false,
            sent: now,
            next: now,
            expires,
        };
        self.send(call, &mut question, ctx);
        self.questions.insert(call, question);
    }

    /// Sends the question to the member of the moment.
    fn send<A: Actor>(&self, call: u64, question: &mut Question, ctx: &mut Context<'_, A>)
    where
        A::Inbox: From<Reply>,
    {
        question.to = self.member;
        question.turned_away = false;
        question.attempts = question.attempts.saturating_add(1);
        let wait = self.config.retry.wait(question.attempts, ctx.random());
        question.next =
            ctx.now() + if matches!(question.kind, Kind::Watching) { self.config.poll + wait } else { wait };
        let request = Request { call, reply_to: ctx.addr(), ask: question.ask.clone() };
        ctx.send(self.config.members[self.member], request);
    }

    /// The member does not serve: on to the leader that it names, at once, or to the next one after a wait.
    fn turned_away<A: Actor>(&mut self, call: u64, leader: Option<u32>, ctx: &mut Context<'_, A>)
    where
        A::Inbox: From<Reply>,
    {
        let Some(mut question) = self.questions.remove(&call) else { return };
        let named = leader.map(|slot| slot as usize).filter(|slot| *slot < self.config.members.len());
        // Members that name one another would be asked for ever: after as many hops as members the wait is kept.
        let worth = |slot: &usize| *slot != question.to && Some(*slot) != question.silent;
        match named.filter(|slot| worth(slot) && question.hops < self.config.members.len()) {
            Some(slot) => {
                self.member = slot;
                question.hops += 1;
                self.send(call, &mut question, ctx);
            }
            None => {
                self.avoid(question.to);
                question.turned_away = true;
                question.next = ctx.now() + self.config.retry.wait(question.attempts, ctx.random());
            }
        }
        self.questions.insert(call, question);
    }

    /// This member was of no use: the next one is asked, unless somebody else is by now.
    fn avoid(&mut self, slot: usize) {
        if self.member == slot {
            self.member = (slot + 1) % self.config.members.len();
        }
    }

    fn free_lane(&mut self) -> usize {
        let free = self.lanes.iter().position(|lane| !lane.busy).unwrap_or_else(|| {
            self.lanes.push(Lane::default());
            self.lanes.len() - 1
        });
        self.lanes[free].busy = true;
        free
    }

    fn leave(&mut self, kind: &Kind) {
        if let Kind::Opening { lane, .. } | Kind::Writing { lane } = kind {
            self.lanes[*lane].busy = false;
        }
    }

    fn expires(&self, now: Time) -> Option<Time> {
        self.config.retry.deadline.map(|deadline| now + deadline)
    }

    fn next_call(&mut self) -> u64 {
        self.last_call = self.last_call.wrapping_add(1);
        self.last_call
    }
}

impl Question {
    fn due(&self) -> Time {
        self.expires.map_or(self.next, |expires| expires.min(self.next))
    }
}
