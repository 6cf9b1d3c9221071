//! What a program does with the ledger: mend its end, append what several editors want in one batch, read.

use super::Outcome;
use crate::ledger::{self, Cursor, DOMAIN, LedgerError, NewEvent, Tail};
use crate::lock::{self, Held, Locker};
use crate::message::{Answer, Ask, Request};
use crate::planted::Defect;
use crate::turn::{Step, Turn};

/// What a program remembers of the ledger between two operations.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// Its files and its end, as this program knew it last.
    pub tail: Option<Tail>,
    /// The lock, if it is kept for the next batch.
    pub held: Option<Held>,
    /// Where the last reader went on.
    pub cursor: Option<Cursor>,
}

/// Mends the end of the ledger, if it needs it.
pub fn open(turn: &mut Turn<'_>, locker: &Locker) -> Step<Outcome> {
    if turn.has(Defect::P11) {
        let tail = ledger::catch_up(turn, &locker.places, None)?.ok();
        return Ok(Outcome::Ledger(Memory { tail, ..Memory::default() }, Vec::new()));
    }
    // Whoever appends first looks again: a lock that is not free now is no reason not to start.
    let Ok(held) = lock::acquire(turn, locker, DOMAIN)? else {
        return Ok(Outcome::Ledger(Memory::default(), Vec::new()));
    };
    let tail = ledger::catch_up(turn, &locker.places, None)?.ok();
    Ok(match lock::release(turn, locker, &held)? {
        Ok(()) => Outcome::Ledger(Memory { tail, ..Memory::default() }, Vec::new()),
        Err(error) => Outcome::Stuck(error.to_string()),
    })
}

/// Appends what `requests` ask for as one batch; keeps the lock afterwards if `keep` and if all went well.
pub fn append(
    turn: &mut Turn<'_>,
    locker: &Locker,
    memory: &Memory,
    requests: &[Request],
    keep: bool,
) -> Step<Outcome> {
    let held = match &memory.held {
        Some(held) => held.clone(),
        None => match lock::acquire(turn, locker, DOMAIN)? {
            Ok(held) => held,
            Err(error) => return Ok(Outcome::Ledger(memory.clone(), failed(requests, &error.to_string()))),
        },
    };
    let events: Vec<NewEvent> = requests.iter().flat_map(wanted).cloned().collect();
    let (mut after, answers) = match ledger::append(turn, &locker.places, &held, memory.tail, &events)? {
        Ok(appended) => {
            let tail = Some(appended.tail);
            (Memory { tail, held: None, cursor: memory.cursor }, numbered(requests, appended.first))
        }
        Err(error) => (Memory { tail: None, held: None, cursor: memory.cursor }, failed(requests, &error.to_string())),
    };
    if keep && after.tail.is_some() {
        after.held = Some(held);
        return Ok(Outcome::Ledger(after, answers));
    }
    Ok(match lock::release(turn, locker, &held)? {
        Ok(()) => Outcome::Ledger(after, answers),
        Err(error) => Outcome::Stuck(error.to_string()),
    })
}

/// Reads one page. It is the answer if the event `from` is in it, or if there is no further one; else it says where the
/// next one begins, so that a long way to `from` is many short operations.
pub fn read(turn: &mut Turn<'_>, locker: &Locker, memory: &Memory, from: u64, bytes: usize) -> Step<Outcome> {
    let cursor = memory.cursor.filter(|cursor| cursor.next <= from).unwrap_or(Cursor::START);
    let (after, answer) = match ledger::read(turn, &locker.places, cursor, bytes)? {
        Ok(page) if page.more && page.cursor.next <= from => (Some(page.cursor), None),
        Ok(page) => {
            let answer = Answer::Events { next: page.cursor.next, more: page.more, events: page.events };
            (Some(page.cursor), Some(answer))
        }
        Err(error) => {
            let replaced = matches!(error, LedgerError::Replaced { .. });
            ((!replaced).then_some(cursor), Some(Answer::Failed { why: error.to_string() }))
        }
    };
    let memory = Memory { tail: memory.tail, held: None, cursor: after };
    Ok(answer.map_or(Outcome::Onward(memory.clone()), |answer| Outcome::Ledger(memory, vec![answer])))
}

/// The events that a request wants appended.
pub fn wanted(request: &Request) -> &[NewEvent] {
    match &request.ask {
        Ask::Append { events } => events,
        _ => &[],
    }
}

fn failed(requests: &[Request], why: &str) -> Vec<Answer> {
    requests.iter().map(|_| Answer::Failed { why: why.to_owned() }).collect()
}

/// Each request's events have numbers of their own, in the order of the batch.
fn numbered(requests: &[Request], first: u64) -> Vec<Answer> {
    let mut next = first;
    let answers = requests.iter().map(|request| {
        let first = next;
        next += wanted(request).len() as u64;
        Answer::Appended { first }
    });
    answers.collect()
}
