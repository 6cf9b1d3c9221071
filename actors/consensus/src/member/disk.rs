//! The member's side of the append process: a session, what is there, and numbered writes that are sent until they
//! are durable.

use crate::raft::{Entry, Recovered, Snapshot, SnapshotMeta};
use crate::wal::message::{Answer, Ask, Held, Reply, Request, Write};
use contract::{Actor, Addr, Blob, Context, Inbox};
use std::collections::BTreeMap;

/// A session with the append process, or the wish for one.
#[derive(Clone, Debug)]
pub(super) struct Disk {
    log: Addr<Request>,
    nonce: u64,
    stage: Stage,
}

/// How far a session is.
#[derive(Clone, Debug)]
enum Stage {
    /// Asked for.
    Opening,
    /// It reads what is there.
    Loading(Box<Loading>),
    /// It writes.
    Writing(Writing),
}

/// What is read back, and how far.
#[derive(Clone, Debug)]
struct Loading {
    session: u64,
    held: Held,
    pages: Vec<Blob>,
    entries: Vec<Entry>,
}

/// Writes that are not durable yet, by number, each with all that has to be sent for it.
#[derive(Clone, Debug)]
struct Writing {
    session: u64,
    /// Writes before the core's first one.
    base: u64,
    waiting: BTreeMap<u64, Vec<Ask>>,
}

/// What came of an answer.
#[derive(Debug)]
pub(super) enum News {
    /// Nothing that the member need know.
    None,
    /// Everything is read: what the disk is, and what it held.
    Loaded(Box<(Held, Recovered)>),
    /// The cluster's founding is durable.
    Founded,
    /// The core's writes up to this number are durable.
    Saved(u64),
    /// The append process has begun anew: so must the member.
    Ended,
}

impl Disk {
    /// Asks for a session.
    pub(super) fn open<A: Actor>(log: Addr<Request>, ctx: &mut Context<'_, A>) -> Self
    where
        A::Inbox: Inbox + From<Reply>,
    {
        let disk = Disk { log, nonce: ctx.random(), stage: Stage::Opening };
        disk.say_again(ctx);
        disk
    }

    /// Says again what was not answered.
    pub(super) fn say_again<A: Actor>(&self, ctx: &mut Context<'_, A>)
    where
        A::Inbox: Inbox + From<Reply>,
    {
        match &self.stage {
            Stage::Opening => self.ask(0, Ask::Open { nonce: self.nonce }, ctx),
            Stage::Loading(loading) => {
                if let Some(ask) = loading.next() {
                    self.ask(loading.session, ask, ctx);
                }
            }
            Stage::Writing(writing) => {
                for ask in writing.waiting.values().flatten() {
                    self.ask(writing.session, ask.clone(), ctx);
                }
            }
        }
    }

    fn ask<A: Actor>(&self, session: u64, ask: Ask, ctx: &mut Context<'_, A>)
    where
        A::Inbox: Inbox + From<Reply>,
    {
        let reply_to = ctx.addr();
        ctx.send(self.log, Request { reply_to, session, ask });
    }

    /// Takes an answer. Late ones, of other sessions or to repeated questions, change nothing.
    pub(super) fn on_reply<A: Actor>(&mut self, reply: Reply, ctx: &mut Context<'_, A>) -> News
    where
        A::Inbox: Inbox + From<Reply>,
    {
        let Reply { session, answer } = reply;
        match (&mut self.stage, answer) {
            (Stage::Opening, Answer::Opened { nonce, held }) if nonce == self.nonce => {
                let loading = Loading { session, held, pages: Vec::new(), entries: Vec::new() };
                self.stage = Stage::Loading(Box::new(loading));
                self.load_on(ctx)
            }
            (Stage::Loading(loading), answer) if loading.session == session => match answer {
                Answer::Ended => News::Ended,
                answer => {
                    if loading.take(answer) {
                        self.load_on(ctx)
                    } else {
                        News::None
                    }
                }
            },
            (Stage::Writing(writing), answer) if writing.session == session => match answer {
                Answer::Ended => News::Ended,
                Answer::Saved { seq } => writing.saved(seq),
                _ => News::None,
            },
            _ => News::None,
        }
    }

    fn load_on<A: Actor>(&mut self, ctx: &mut Context<'_, A>) -> News
    where
        A::Inbox: Inbox + From<Reply>,
    {
        let Stage::Loading(loading) = &mut self.stage else { return News::None };
        if loading.next().is_some() {
            self.say_again(ctx);
            return News::None;
        }
        let Loading { session, held, pages, entries } = (**loading).clone();
        let base = u64::from(held.founding.is_none());
        self.stage = Stage::Writing(Writing { session, base, waiting: BTreeMap::new() });
        let recovered = recovered(&held, pages, entries);
        News::Loaded(Box::new((held, recovered)))
    }

    /// Makes the founding durable: the first write of a disk that belongs nowhere.
    pub(super) fn found<A: Actor>(&mut self, founding: crate::wal::message::Founding, ctx: &mut Context<'_, A>)
    where
        A::Inbox: Inbox + From<Reply>,
    {
        let Stage::Writing(writing) = &mut self.stage else { unreachable!("a disk is read before it is written") };
        assert!(writing.base == 1, "a disk belongs to one cluster for good");
        if writing.waiting.is_empty() {
            writing.waiting.insert(1, vec![Ask::Found { seq: 1, founding }]);
            self.say_again(ctx);
        }
    }

    /// Sends the core's write `seq`.
    pub(super) fn write<A: Actor>(
        &mut self,
        (seq, write, snapshot): (u64, Write, Option<Snapshot>),
        ctx: &mut Context<'_, A>,
    ) where
        A::Inbox: Inbox + From<Reply>,
    {
        let Stage::Writing(writing) = &mut self.stage else { unreachable!("a disk is read before it is written") };
        let (session, seq) = (writing.session, seq + writing.base);
        let pages = snapshot.iter().flat_map(|snapshot| snapshot.pages.iter().cloned()).enumerate();
        let mut asks: Vec<Ask> = pages.map(|(page, data)| Ask::Stage { seq, page: page as u32, data }).collect();
        asks.push(Ask::Write { seq, write });
        let replaced = writing.waiting.insert(seq, asks.clone());
        assert!(replaced.is_none(), "a number stands for one write");
        for ask in asks {
            self.ask(session, ask, ctx);
        }
    }

    /// Whether something was said that has not been answered.
    pub(super) fn is_waiting(&self) -> bool {
        match &self.stage {
            Stage::Opening | Stage::Loading(_) => true,
            Stage::Writing(writing) => !writing.waiting.is_empty(),
        }
    }
}

impl Loading {
    /// What to ask next; `None` when all is here.
    fn next(&self) -> Option<Ask> {
        let pages = self.held.snapshot.as_ref().map_or(0, |(_, pages)| *pages);
        let page = self.pages.len() as u32;
        if page < pages {
            return Some(Ask::Page { page });
        }
        let from = self.held.first + self.entries.len() as u64;
        (from <= self.held.last).then_some(Ask::Entries { from })
    }

    /// Whether the answer was the awaited one.
    fn take(&mut self, answer: Answer) -> bool {
        match answer {
            Answer::Page { page, data } if page as usize == self.pages.len() => self.pages.push(data),
            Answer::Entries { from, entries } if from == self.held.first + self.entries.len() as u64 => {
                self.entries.extend(entries);
            }
            _ => return false,
        }
        true
    }
}

impl Writing {
    fn saved(&mut self, seq: u64) -> News {
        let still = self.waiting.split_off(&(seq + 1));
        let known = !self.waiting.is_empty();
        self.waiting = still;
        match seq.checked_sub(self.base) {
            _ if !known => News::None,
            Some(0) => News::Founded,
            Some(seq) => News::Saved(seq),
            None => News::None,
        }
    }
}

/// What was read, as the core wants it: the place before its first entry is known by the snapshot, or by the first
/// kept entry, which the snapshot covers.
fn recovered(held: &Held, pages: Vec<Blob>, mut entries: Vec<Entry>) -> Recovered {
    let genesis = held.founding.as_ref().map(|founding| founding.genesis.clone()).unwrap_or_default();
    let none = SnapshotMeta { configuration: genesis, ..SnapshotMeta::default() };
    let meta = held.snapshot.as_ref().map_or(none, |(meta, _)| meta.clone());
    let before = match entries.first() {
        Some(first) if first.at.index <= meta.at.index => entries.remove(0).at,
        _ => meta.at,
    };
    assert!(entries.first().is_none_or(|first| first.at.index == before.index + 1), "kept entries are dense");
    Recovered { hard: held.hard, snapshot: Snapshot { meta, pages: pages.into() }, before, entries }
}
