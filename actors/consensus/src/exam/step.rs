//! A step of the examination, what is noted on the way, and the words that steps are written in.

use crate::rcs::message::{
    Answer, Ask, Change, Compare, Done, Keys, Operation, OperationId, Range, Read, Refusal, Relation, Row,
    Step as Part, StepDone, Target, Transaction, Watch,
};
use contract::Blob;
use std::collections::BTreeMap;
use std::fmt;

/// Asks, with what was noted before.
type Asker = dyn Fn(&mut Notes) -> Ask + Send + Sync;
/// Judges the answer, and notes what later steps need.
type Judge = dyn Fn(&mut Notes, &Answer) -> Judgement + Send + Sync;

/// A question and the judgement of its answer.
pub(super) struct Step {
    name: String,
    ask: Box<Asker>,
    check: Box<Judge>,
}

/// What an answer is worth.
pub(super) type Judgement = Result<(), Trouble>;

/// Why a step has not been passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// What is awaited has not happened; ask again.
    NotYet,
    /// Something else was expected: what.
    Wrong(String),
}

/// What the examiner has written down.
#[derive(Clone, Debug)]
pub(super) struct Notes {
    /// All keys of this examination begin so.
    prefix: String,
    /// The session in which it operates, and the number of its last operation.
    session: (u64, u64),
    numbers: BTreeMap<&'static str, u64>,
    /// An answer that must come again.
    pub(super) answer: Option<Answer>,
}

impl Step {
    pub(super) fn new(
        name: impl Into<String>,
        ask: impl Fn(&mut Notes) -> Ask + Send + Sync + 'static,
        check: impl Fn(&mut Notes, &Answer) -> Judgement + Send + Sync + 'static,
    ) -> Self {
        Step { name: name.into(), ask: Box::new(ask), check: Box::new(check) }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn ask(&self, notes: &mut Notes) -> Ask {
        (self.ask)(notes)
    }

    pub(super) fn check(&self, notes: &mut Notes, answer: &Answer) -> Judgement {
        (self.check)(notes, answer)
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Notes {
    pub(super) fn new(random: u64) -> Self {
        Notes { prefix: format!("exam/{random:x}/"), session: (0, 0), numbers: BTreeMap::new(), answer: None }
    }

    /// Notes in which everything stands, for naming steps before anything was noted.
    pub(super) fn made_up() -> Self {
        Notes { numbers: [("third", 3)].into(), ..Notes::new(0) }
    }

    /// Operates in this session from now on.
    pub(super) fn enter(&mut self, session: u64) {
        self.session = (session, 0);
    }

    /// The session and the number of the last operation.
    pub(super) fn last(&self) -> OperationId {
        OperationId { session: self.session.0, number: self.session.1, traced: 0 }
    }

    pub(super) fn note(&mut self, name: &'static str, number: u64) {
        self.numbers.insert(name, number);
    }

    /// What an earlier step has noted.
    pub(super) fn of(&self, name: &str) -> u64 {
        match self.numbers.get(name) {
            Some(number) => *number,
            None => panic!("no step before this one noted {name:?}"),
        }
    }

    /// A key of this examination.
    pub(super) fn key(&self, name: &str) -> Blob {
        format!("{}{name}", self.prefix).as_bytes().into()
    }

    /// The session's next operation.
    pub(super) fn operate(&mut self, operation: Operation) -> Ask {
        self.session.1 += 1;
        Ask::Do { id: self.last(), operation }
    }

    /// A transaction as the next operation.
    pub(super) fn transact(&mut self, compare: Vec<Compare>, then: Vec<Part>, otherwise: Vec<Part>) -> Ask {
        self.operate(Operation::Transact(Transaction { compare, then, otherwise }))
    }

    /// An unconditional write as the next operation.
    pub(super) fn put(&mut self, name: &str, value: &str) -> Ask {
        let put = self.put_part(name, value, 0);
        self.transact(Vec::new(), vec![put], Vec::new())
    }

    pub(super) fn put_part(&self, name: &str, value: &str, lease: u64) -> Part {
        Part::Put { key: self.key(name), value: value.as_bytes().into(), lease }
    }

    pub(super) fn range_part(&self, name: &str) -> Part {
        Part::Range { keys: Keys::One(self.key(name)), limit: 0 }
    }

    pub(super) fn compare(&self, name: &str, target: Target, relation: Relation) -> Compare {
        Compare { key: self.key(name), target, relation }
    }

    /// A linearizable read of one key as it was at `revision`; 0 for now.
    pub(super) fn read(&self, name: &str, revision: u64) -> Ask {
        read(Keys::One(self.key(name)), revision, 0)
    }

    /// A watch of all keys that begin so.
    pub(super) fn watch(&self, name: &str, from: u64, limit: u64) -> Ask {
        Ask::Watch(Watch { keys: Keys::Prefix(self.key(name)), from, limit })
    }
}

/// A linearizable read.
pub(super) fn read(keys: Keys, revision: u64, limit: u64) -> Ask {
    Ask::Read(Read { keys, revision, limit, linearizable: true, traced: 0 })
}

/// Wrong unless `holds`.
pub(super) fn expect(holds: bool, what: &str) -> Judgement {
    if holds { Ok(()) } else { Err(Trouble::Wrong(what.to_owned())) }
}

/// What was read.
pub(super) fn range(answer: &Answer) -> Result<&Range, Trouble> {
    match answer {
        Answer::Range(range) => Ok(range),
        _ => Err(Trouble::Wrong("a range".to_owned())),
    }
}

/// The only row that was read.
pub(super) fn row(answer: &Answer) -> Result<&Row, Trouble> {
    match &range(answer)?.rows[..] {
        [row] => Ok(row),
        _ => Err(Trouble::Wrong("one row".to_owned())),
    }
}

/// That nothing was read.
pub(super) fn nothing(answer: &Answer) -> Judgement {
    expect(range(answer)?.rows.is_empty(), "no row")
}

/// What came of an operation, and the revision.
pub(super) fn done(answer: &Answer) -> Result<(u64, &Done), Trouble> {
    match answer {
        Answer::Done { revision, done } => Ok((*revision, done)),
        _ => Err(Trouble::Wrong("an operation that is done".to_owned())),
    }
}

/// The revision of a transaction of which this was expected, and what its steps did.
pub(super) fn transacted(answer: &Answer, expected: bool) -> Result<(u64, &[StepDone]), Trouble> {
    match done(answer)? {
        (revision, Done::Transacted { held, steps }) if *held == expected => Ok((revision, steps)),
        _ => Err(Trouble::Wrong(format!("a transaction whose comparisons {}", if expected { "hold" } else { "fail" }))),
    }
}

/// That it was refused so.
pub(super) fn refused(answer: &Answer, as_expected: impl Fn(&Refusal) -> bool, what: &str) -> Judgement {
    expect(matches!(answer, Answer::Refused(refusal) if as_expected(refusal)), what)
}

/// The answer to a watch from `from` on: up to where it is complete, and the changes.
pub(super) fn changes(answer: &Answer, from: u64) -> Result<(u64, &[Change]), Trouble> {
    match answer {
        Answer::Changes { from: repeated, until, changes } if *repeated == from => Ok((*until, changes)),
        _ => Err(Trouble::Wrong(format!("changes from revision {from} on"))),
    }
}

/// A change's key and revision, and the value if it is a write.
pub(super) fn told(change: &Change) -> (&Blob, u64, Option<&Blob>) {
    match change {
        Change::Put(row) => (&row.key, row.modified, Some(&row.value)),
        Change::Deleted { key, revision } => (key, *revision, None),
    }
}
