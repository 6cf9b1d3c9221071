//! What a program does: each kind of operation, from its first call to its outcome.

mod ledger;

use crate::atomic::{self, Durability, FileError, Loaded, Saved};
use crate::lock::{self, LockError, Locker};
use crate::message::{Answer, Ask, Reply, Request};
use crate::prepare::prepare;
use crate::program::Config;
use crate::turn::{Step, Turn};
use contract::{Addr, DiskError, Duration, Open};
use ledger::wanted;
use serde_json::Value;

pub use ledger::Memory;

/// An operation.
#[derive(Clone, Debug)]
pub enum Work {
    /// Make the directories and a ticket.
    Start,
    /// Remove what nobody needs any more.
    Sweep,
    /// Mend the ledger's end.
    Open,
    /// Append what these ask for as one batch; the flag says whether the lock is kept for another one.
    Append(Vec<Request>, bool),
    /// Do what somebody asked for.
    Serve(Request),
}

/// How an operation ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The program can work.
    Started(Locker),
    /// It cannot yet.
    NotStarted(DiskError),
    /// The sweep is over.
    Swept,
    /// What is known of the ledger now, and the answers to those who asked, in their order.
    Ledger(Memory, Vec<Answer>),
    /// The same operation is to go on from there.
    Onward(Memory),
    /// This is the answer.
    Answered(Answer),
    /// The program holds a lock that it cannot give back, and has to end.
    Stuck(String),
}

impl Work {
    /// The requests that it serves.
    pub fn calls(&self) -> Vec<u64> {
        self.askers().into_iter().map(|(call, _)| call).collect()
    }

    /// Who waits for its answer.
    pub fn askers(&self) -> Vec<(u64, Addr<Reply>)> {
        match self {
            Work::Start | Work::Sweep | Work::Open => Vec::new(),
            Work::Append(requests, _) => requests.iter().map(|request| (request.call, request.reply_to)).collect(),
            Work::Serve(request) => vec![(request.call, request.reply_to)],
        }
    }
}

impl Outcome {
    fn refused(error: &FileError) -> Outcome {
        match error {
            FileError::Stuck(error) => Outcome::Stuck(error.to_string()),
            error => Outcome::Answered(Answer::Failed { why: error.to_string() }),
        }
    }
}

/// How many of the requests at the head of a queue make the next batch of at most `events` events, at least one: what
/// does not ask for an append ends it.
pub fn group<'r>(queue: impl Iterator<Item = &'r Request>, events: usize) -> usize {
    let mut sum = 0;
    let fits = queue.map(|request| wanted(request).len()).enumerate().take_while(|(nth, count)| {
        sum += count;
        *count > 0 && (*nth == 0 || sum <= events)
    });
    fits.count()
}

/// Runs an operation of a program that remembers this of the ledger.
pub fn run(
    turn: &mut Turn<'_>,
    config: &Config,
    locker: Option<&Locker>,
    memory: &Memory,
    work: &Work,
) -> Step<Outcome> {
    let Some(locker) = locker else { return start(turn, config) };
    match work {
        Work::Start => start(turn, config),
        Work::Sweep => {
            // What is left now is found again by the next sweep.
            let _ = lock::sweep::sweep(turn, locker)?;
            Ok(Outcome::Swept)
        }
        Work::Open => ledger::open(turn, locker),
        Work::Append(requests, keep) => ledger::append(turn, locker, memory, requests, *keep),
        Work::Serve(request @ Request { ask, .. }) => match ask {
            Ask::Append { .. } => ledger::append(turn, locker, memory, std::slice::from_ref(request), false),
            Ask::Read { from } => ledger::read(turn, locker, memory, *from, config.read_bytes),
            Ask::Save { name, text } => save(turn, locker, name, text),
            Ask::Load { name } => load(turn, locker, name),
            Ask::Hold { domain, time } => hold(turn, locker, domain, *time),
            Ask::Litter { domain } => litter(turn, locker, domain),
        },
    }
}

fn start(turn: &mut Turn<'_>, config: &Config) -> Step<Outcome> {
    if let Err(error) = prepare(turn, &config.places)? {
        return Ok(Outcome::NotStarted(error));
    }
    Ok(match lock::locker(turn, &config.places, config.limits)? {
        Ok(locker) => Outcome::Started(locker),
        Err(error) => Outcome::NotStarted(error),
    })
}

fn save(turn: &mut Turn<'_>, locker: &Locker, name: &str, text: &str) -> Step<Outcome> {
    Ok(match atomic::save(turn, locker, name, &Value::from(text))? {
        Ok(Saved { version, durability }) => {
            Outcome::Answered(Answer::Saved { version, weak: durability == Durability::NameWeak })
        }
        Err(error) => Outcome::refused(&error),
    })
}

fn load(turn: &mut Turn<'_>, locker: &Locker, name: &str) -> Step<Outcome> {
    Ok(match atomic::load(turn, locker, name)? {
        Ok(Some(Loaded { version, data })) => {
            let text = data.as_str().unwrap_or_default().to_owned();
            Outcome::Answered(Answer::Loaded { version, text })
        }
        Ok(None) => Outcome::Answered(Answer::Loaded { version: 0, text: String::new() }),
        Err(error) => Outcome::refused(&error),
    })
}

fn hold(turn: &mut Turn<'_>, locker: &Locker, domain: &str, time: Duration) -> Step<Outcome> {
    let held = match lock::acquire(turn, locker, domain)? {
        Ok(held) => held,
        Err(error) => return Ok(Outcome::Answered(Answer::Failed { why: error.to_string() })),
    };
    turn.wait(time)?;
    Ok(match lock::release(turn, locker, &held)? {
        Ok(()) => Outcome::Answered(Answer::Done),
        Err(error) => Outcome::Stuck(error.to_string()),
    })
}

/// Done when the file is there, or another lock is in its place.
fn litter(turn: &mut Turn<'_>, locker: &Locker, domain: &str) -> Step<Outcome> {
    let path = locker.places.lock(domain);
    let answer = match turn.open(&path, Open::CreateNew)? {
        Ok(file) => {
            turn.close(file)?;
            Answer::Done
        }
        Err(DiskError::Exists) => Answer::Done,
        Err(error) => Answer::Failed { why: LockError::Disk { path, error }.to_string() },
    };
    Ok(Outcome::Answered(answer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::NewEvent;
    use contract::ProcessId;
    use contract::plan::Directory;

    /// A request for so many events, or another one for none.
    fn request(events: usize) -> Request {
        let event = NewEvent { domain: String::new(), key: String::new(), payload: "1".to_owned() };
        let ask = if events > 0 { Ask::Append { events: vec![event; events] } } else { Ask::Read { from: 1 } };
        Request { call: 1, reply_to: Directory::known(ProcessId(0)), ask }
    }

    #[test]
    fn appends_at_the_head_of_the_queue_make_a_batch_until_it_is_full() {
        for (sizes, most, expected) in [
            (&[][..], 8, 0),
            (&[0, 3], 8, 0),
            (&[3, 3, 0, 3], 8, 2),
            (&[3, 3, 3], 8, 2),
            (&[4, 4, 1], 8, 2),
            (&[9, 1], 8, 1),
            (&[1, 8], 8, 1),
        ] {
            let queue: Vec<Request> = sizes.iter().map(|size| request(*size)).collect();
            assert_eq!(group(queue.iter(), most), expected, "{sizes:?}");
        }
    }
}
