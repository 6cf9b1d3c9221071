//! The sequential model: what the store is, written as plainly as possible and without regard to cost.
//!
//! It keeps every past state whole and finds changes by comparing neighbours. It shares with the store the messages and
//! the check of a request's form ([`Limits::check`]), nothing else; a test holds each against the other, command by command.

use super::command::Command;
use super::limits::{ITEM_BYTES, Limits};
use super::message::{
    Answer, Change, Compare, Done, Keys, Operation, OperationId, Range, Read, Refusal, Relation, Row, Step, StepDone,
    Target, Transaction, Watch,
};
use contract::Blob;
use std::collections::BTreeMap;

type State = BTreeMap<Blob, Row>;

/// The model.
#[derive(Clone, Debug)]
pub struct Model {
    limits: Limits,
    /// The state at each revision; those at 0 and 1 are empty.
    past: Vec<State>,
    compacted: u64,
    /// Time to live and renewals of each lease that runs.
    leases: BTreeMap<u64, (u64, u64)>,
    sessions: BTreeMap<u64, Session>,
}

#[derive(Clone, Debug)]
struct Session {
    number: u64,
    answer: Answer,
    used: u64,
}

impl Model {
    /// An empty store.
    pub fn new(limits: Limits) -> Self {
        Model { limits, past: vec![State::new(); 2], compacted: 0, leases: BTreeMap::new(), sessions: BTreeMap::new() }
    }

    /// Does what entry `index` says; the answer to the client, if it was a client's.
    pub fn apply(&mut self, index: u64, command: &Command) -> Option<Answer> {
        let answer = match command {
            Command::Client { id, operation } => Some(self.client(index, *id, operation)),
            Command::Expire { lease, renewals } => {
                if self.leases.get(lease).is_some_and(|(_, count)| count == renewals) {
                    self.end(*lease);
                }
                None
            }
        };
        self.compacted = self.compacted.max(self.revision().saturating_sub(self.limits.history));
        answer
    }

    /// The answer to a read.
    pub fn read(&self, read: &Read) -> Answer {
        if let Err(refusal) = self.limits.check_keys(&read.keys) {
            return Answer::Refused(refusal);
        }
        let revision = if read.revision == 0 { self.revision() } else { read.revision };
        if revision > self.revision() {
            return Answer::Refused(Refusal::Future);
        }
        if revision < self.compacted {
            return Answer::Refused(Refusal::Compacted(self.compacted));
        }
        let mut room = self.limits.answer_bytes;
        Answer::Range(range(&self.past[revision as usize], revision, &read.keys, read.limit, &mut room))
    }

    /// What a watcher may be told.
    pub fn changes(&self, watch: &Watch) -> Answer {
        if let Err(refusal) = self.limits.check_keys(&watch.keys) {
            return Answer::Refused(refusal);
        }
        if watch.from < self.compacted {
            return Answer::Refused(Refusal::Compacted(self.compacted));
        }
        let (mut changes, mut bytes, mut until) = (Vec::new(), 0, watch.from.saturating_sub(1));
        for revision in watch.from..=self.revision() {
            let new = self.changes_in(revision, &watch.keys);
            bytes += new.iter().map(change_bytes).sum::<usize>();
            let wanted = watch.limit == 0 || (changes.len() + new.len()) as u64 <= watch.limit;
            let fits = wanted && bytes <= self.limits.answer_bytes;
            if !(fits || changes.is_empty() || new.is_empty()) {
                break;
            }
            changes.extend(new);
            until = revision;
        }
        Answer::Changes { from: watch.from, until, changes }
    }

    fn revision(&self) -> u64 {
        self.past.len() as u64 - 1
    }

    fn now(&self) -> &State {
        &self.past[self.past.len() - 1]
    }

    fn changes_in(&self, revision: u64, keys: &Keys) -> Vec<Change> {
        let Some(before) = revision.checked_sub(1).map(|before| &self.past[before as usize]) else { return Vec::new() };
        let after = &self.past[revision as usize];
        let mut names: Vec<&Blob> = before.keys().chain(after.keys()).filter(|key| keys.contains(key)).collect();
        names.sort();
        names.dedup();
        let changed = names.into_iter().filter(|key| before.get(*key) != after.get(*key));
        let change = |key: &Blob| match after.get(key) {
            Some(row) => Change::Put(row.clone()),
            None => Change::Deleted { key: key.clone(), revision },
        };
        changed.map(change).collect()
    }

    fn client(&mut self, index: u64, id: OperationId, operation: &Operation) -> Answer {
        if *operation == Operation::OpenSession {
            let answer = self.done(Done::Session(index));
            self.sessions.insert(index, Session { number: 0, answer: answer.clone(), used: index });
            if self.sessions.len() > self.limits.sessions {
                let oldest = self.sessions.iter().min_by_key(|(_, session)| session.used).map(|(number, _)| *number);
                self.sessions.retain(|number, _| Some(*number) != oldest);
            }
            return answer;
        }
        if id.number == 0 {
            return Answer::Refused(Refusal::Invalid("a session's operations are counted from 1".to_owned()));
        }
        let Some(session) = self.sessions.get_mut(&id.session) else { return Answer::Refused(Refusal::NoSession) };
        session.used = index;
        if id.number < session.number {
            return Answer::Refused(Refusal::Overtaken);
        }
        if id.number == session.number {
            return session.answer.clone();
        }
        let done = self.operate(index, operation);
        let answer = done.map_or_else(Answer::Refused, |done| self.done(done));
        self.sessions.insert(id.session, Session { number: id.number, answer: answer.clone(), used: index });
        answer
    }

    fn done(&self, done: Done) -> Answer {
        Answer::Done { revision: self.revision(), done }
    }

    fn operate(&mut self, index: u64, operation: &Operation) -> Result<Done, Refusal> {
        self.limits.check(operation)?;
        match operation {
            Operation::OpenSession => unreachable!("it is done before sessions are looked at"),
            Operation::Transact(transaction) => self.transact(transaction),
            Operation::Grant { ttl_ms } => {
                let running = self.leases.len();
                if running >= self.limits.leases {
                    let why = format!("{running} leases run; there is room for no more until one ends");
                    return Err(Refusal::Invalid(why));
                }
                let ttl_ms = (*ttl_ms).max(self.limits.ttl_least_ms);
                self.leases.insert(index, (ttl_ms, 0));
                Ok(Done::Granted { lease: index, ttl_ms })
            }
            Operation::Renew { lease } => {
                let (ttl_ms, renewals) = self.leases.get_mut(lease).ok_or(Refusal::NoLease)?;
                *renewals += 1;
                Ok(Done::Renewed { ttl_ms: *ttl_ms })
            }
            Operation::Revoke { lease } => {
                self.leases.get(lease).ok_or(Refusal::NoLease)?;
                self.end(*lease);
                Ok(Done::Revoked)
            }
            Operation::Compact { revision } if *revision > self.revision() => Err(Refusal::Future),
            Operation::Compact { revision } if *revision <= self.compacted => Err(Refusal::Compacted(self.compacted)),
            Operation::Compact { revision } => {
                self.compacted = *revision;
                Ok(Done::Compacted)
            }
        }
    }

    /// All keys of the lease go; so many at a time as fit an answer.
    fn end(&mut self, lease: u64) {
        self.leases.remove(&lease);
        loop {
            let mut room = self.limits.answer_bytes;
            let mut next = self.now().clone();
            let keys: Vec<Blob> = next.values().filter(|row| row.lease == lease).map(|row| row.key.clone()).collect();
            if keys.is_empty() {
                return;
            }
            for key in keys {
                let bytes = ITEM_BYTES + key.len();
                if bytes > room {
                    break;
                }
                room -= bytes;
                next.remove(&key);
            }
            self.past.push(next);
        }
    }

    fn transact(&mut self, transaction: &Transaction) -> Result<Done, Refusal> {
        let Transaction { compare, then, otherwise } = transaction;
        let held = compare.iter().all(|compare| holds(self.now().get(&compare.key), compare));
        let branch = if held { then } else { otherwise };
        self.check(branch)?;
        let (before, mut after) = (self.now(), self.now().clone());
        let (old, new) = (self.revision(), self.revision() + 1);
        let mut room = self.limits.answer_bytes;
        let mut steps = Vec::new();
        for step in branch {
            steps.push(match step {
                Step::Put { key, value, lease } => {
                    let (created, version) = after.get(key).map_or((new, 0), |row| (row.created, row.version));
                    let (key, value, lease) = (key.clone(), value.clone(), *lease);
                    let row = Row { key: key.clone(), value, created, modified: new, version: version + 1, lease };
                    after.insert(key, row);
                    StepDone::Put
                }
                Step::Delete(keys) => {
                    let there = after.len();
                    after.retain(|key, _| !keys.contains(key));
                    StepDone::Deleted((there - after.len()) as u64)
                }
                Step::Range { keys, limit } => {
                    let shown = if after == *before { old } else { new };
                    StepDone::Range(range(&after, shown, keys, *limit, &mut room))
                }
            });
        }
        if after != *before {
            self.past.push(after);
        }
        Ok(Done::Transacted { held, steps })
    }

    /// Leases must run, and what changes must fit an answer.
    fn check(&self, branch: &[Step]) -> Result<(), Refusal> {
        let mut bytes = 0;
        for step in branch {
            match step {
                Step::Put { lease, .. } if *lease != 0 && !self.leases.contains_key(lease) => {
                    return Err(Refusal::NoLease);
                }
                Step::Put { key, value, .. } => bytes += ITEM_BYTES + key.len() + value.len(),
                Step::Delete(keys) => {
                    let gone = self.now().keys().filter(|key| keys.contains(key));
                    bytes += gone.map(|key| ITEM_BYTES + key.len()).sum::<usize>();
                }
                Step::Range { .. } => {}
            }
        }
        if bytes <= self.limits.answer_bytes {
            return Ok(());
        }
        let most = self.limits.answer_bytes;
        Err(Refusal::Invalid(format!("it changes more than {most} bytes at once: change fewer keys at a time")))
    }
}

fn holds(row: Option<&Row>, compare: &Compare) -> bool {
    let number = |property: fn(&Row) -> u64, with: &u64| relates(&row.map_or(0, property), compare.relation, with);
    match &compare.target {
        Target::Created(revision) => number(|row| row.created, revision),
        Target::Modified(revision) => number(|row| row.modified, revision),
        Target::Version(version) => number(|row| row.version, version),
        Target::Lease(lease) => number(|row| row.lease, lease),
        Target::Value(value) => row.is_some_and(|row| relates(&row.value, compare.relation, value)),
    }
}

fn relates<T: Ord>(left: &T, relation: Relation, right: &T) -> bool {
    match relation {
        Relation::Equal => left == right,
        Relation::NotEqual => left != right,
        Relation::Less => left < right,
        Relation::Greater => left > right,
    }
}

/// The first keys that fit into `room` bytes, which shrinks.
fn range(state: &State, revision: u64, keys: &Keys, limit: u64, room: &mut usize) -> Range {
    let mut range = Range { revision, rows: Vec::new(), more: false };
    for row in state.values().filter(|row| keys.contains(&row.key)) {
        let bytes = ITEM_BYTES + row.key.len() + row.value.len();
        if bytes > *room || (limit > 0 && range.rows.len() as u64 == limit) {
            range.more = true;
            break;
        }
        *room -= bytes;
        range.rows.push(row.clone());
    }
    range
}

fn change_bytes(change: &Change) -> usize {
    match change {
        Change::Put(row) => ITEM_BYTES + row.key.len() + row.value.len(),
        Change::Deleted { key, .. } => ITEM_BYTES + key.len(),
    }
}
