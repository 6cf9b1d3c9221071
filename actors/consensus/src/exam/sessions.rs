//! Sessions: what is asked again is done once and answered as before.

use super::step::{Notes, Step, done, expect, range, refused, row, transacted};
use crate::rcs::message::{Answer, Ask, Done, Operation, OperationId, Refusal, Relation, Target, Transaction};

fn open(random: u64) -> Ask {
    Ask::Do { id: OperationId { session: random, number: 0, traced: 0 }, operation: Operation::OpenSession }
}

fn session_of(answer: &Answer) -> Option<u64> {
    match done(answer) {
        Ok((_, Done::Session(session))) => Some(*session),
        _ => None,
    }
}

/// Opens the session in which everything else happens.
pub(super) fn opening() -> Vec<Step> {
    vec![
        Step::new(
            "a session is opened",
            |_| open(1),
            |notes, answer| {
                notes.note("abandoned", session_of(answer).unwrap_or_default());
                expect(session_of(answer).is_some(), "a session")
            },
        ),
        Step::new(
            "another session has another number",
            |_| open(2),
            |notes, answer| {
                let session = session_of(answer).unwrap_or_default();
                notes.enter(session);
                expect(session_of(answer).is_some_and(|session| session != notes.of("abandoned")), "another session")
            },
        ),
    ]
}

/// Creates the key; only the first time can that succeed.
fn create(notes: &Notes, id: OperationId) -> Ask {
    let compare = vec![notes.compare("once", Target::Created(0), Relation::Equal)];
    let then = vec![notes.put_part("once", "mine", 0)];
    Ask::Do { id, operation: Operation::Transact(Transaction { compare, then, otherwise: Vec::new() }) }
}

pub(super) fn repetitions() -> Vec<Step> {
    vec![
        Step::new(
            "a compare and swap succeeds",
            |notes| {
                let _ = notes.operate(Operation::OpenSession);
                create(notes, notes.last())
            },
            |notes, answer| {
                let (revision, _) = transacted(answer, true)?;
                notes.note("once", revision);
                notes.answer = Some(answer.clone());
                Ok(())
            },
        ),
        Step::new(
            "a compare and swap that is asked again reports its own success",
            |notes| create(notes, notes.last()),
            |notes, answer| expect(notes.answer.as_ref() == Some(answer), "the same answer as before"),
        ),
        Step::new(
            "... and was done once",
            |notes| notes.read("once", 0),
            |notes, answer| {
                let row = row(answer)?;
                expect(row.version == 1 && row.modified == notes.of("once"), "version 1 of that revision")
            },
        ),
        Step::new(
            "an operation before the last one is overtaken",
            |notes| {
                let last = notes.last();
                create(notes, OperationId { number: last.number - 1, ..last })
            },
            |_, answer| refused(answer, |it| *it == Refusal::Overtaken, "overtaken"),
        ),
        Step::new(
            "a session that nobody opened is refused",
            |notes| create(notes, OperationId { session: u64::MAX - 6, number: 1, traced: 0 }),
            |_, answer| refused(answer, |it| *it == Refusal::NoSession, "no such session"),
        ),
        Step::new(
            "a session is not disturbed by another one",
            |notes| create(notes, OperationId { session: notes.of("abandoned"), number: 1, traced: 0 }),
            |_, answer| transacted(answer, false).map(drop),
        ),
        Step::new(
            "refused and failed operations have changed nothing",
            |notes| notes.read("once", 0),
            |notes, answer| {
                expect(range(answer)?.rows.len() == 1 && row(answer)?.modified == notes.of("once"), "the key as it was")
            },
        ),
    ]
}
