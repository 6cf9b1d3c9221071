//! Sessions: the last answer to each client, so that an operation that comes again is not done again
//! (Ongaro's thesis, section 6.3).
//!
//! Which session goes when there are too many is decided by the log alone: the one whose last entry is oldest.

use crate::rcs::message::{Answer, OperationId, Refusal};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The number of its last operation; 0 before the first.
    pub number: u64,
    /// What that one was answered; none before the first.
    pub answer: Option<Answer>,
    /// The log index of its last entry.
    pub used: u64,
}

/// The sessions that are remembered, by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sessions {
    sessions: BTreeMap<u64, Session>,
    /// The same by [`Session::used`].
    by_use: BTreeMap<u64, u64>,
}

/// What is to be done about an operation.
pub enum Entry {
    /// It is new: do it, then [`Sessions::answered`].
    New,
    /// It was done before, and this came of it.
    Repeated(Answer),
    /// It is not done.
    Refused(Refusal),
}

impl Sessions {
    /// Begins a session; of more than `most`, the one that was used least recently is forgotten.
    pub fn open(&mut self, number: u64, most: usize) {
        self.restore(number, Session { number: 0, answer: None, used: number });
        while self.sessions.len() > most {
            let Some((_, oldest)) = self.by_use.pop_first() else { unreachable!("every session has its place") };
            self.sessions.remove(&oldest);
        }
    }

    /// Looks for the operation, which stands at `index` of the log.
    pub fn enter(&mut self, id: OperationId, index: u64) -> Entry {
        if id.number == 0 {
            return Entry::Refused(Refusal::Invalid("a session's operations are counted from 1".to_owned()));
        }
        let Some(session) = self.sessions.get_mut(&id.session) else {
            return Entry::Refused(Refusal::NoSession);
        };
        self.by_use.remove(&session.used);
        session.used = index;
        self.by_use.insert(index, id.session);
        match &session.answer {
            Some(_) if id.number < session.number => Entry::Refused(Refusal::Overtaken),
            Some(answer) if id.number == session.number => Entry::Repeated(answer.clone()),
            _ => Entry::New,
        }
    }

    /// Remembers the answer to an operation that was new.
    pub fn answered(&mut self, id: OperationId, answer: Answer) {
        let Some(session) = self.sessions.get_mut(&id.session) else { unreachable!("it was just entered") };
        assert!(id.number > session.number, "an operation is done once");
        session.number = id.number;
        session.answer = Some(answer);
    }

    /// Takes a session of a snapshot.
    pub fn restore(&mut self, number: u64, session: Session) {
        self.by_use.insert(session.used, number);
        self.sessions.insert(number, session);
        assert!(self.sessions.len() == self.by_use.len(), "each session was used last by an entry of its own");
    }

    /// Whether one was used last at `index` or has that number.
    pub fn has(&self, number: u64, index: u64) -> bool {
        self.sessions.contains_key(&number) || self.by_use.contains_key(&index)
    }

    /// All, in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &Session)> {
        self.sessions.iter().map(|(number, session)| (*number, session))
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.sessions.len()
    }
}
