//! The examination is passed by the store, and by nothing that answers otherwise.

use super::script;
use super::step::{Notes, Trouble};
use crate::planted::Planted;
use crate::rcs::message::{Answer, Ask, Change, Done, Range, Refusal, StepDone};
use crate::rcs::{Command, Limits, Store};

/// Asks the store the whole script; each answer goes through `lie`. Why it was not passed, if it was not.
fn examine(lie: impl Fn(&mut Answer)) -> Result<(), String> {
    let mut store = Store::new(Limits::default(), Planted::default());
    let (mut index, mut notes) = (0, Notes::new(7));
    for step in script() {
        let mut tries = 0;
        loop {
            let mut answer = ask(&mut store, &mut index, step.ask(&mut notes));
            lie(&mut answer);
            match step.check(&mut notes, &answer) {
                Ok(()) => break,
                Err(Trouble::Wrong(expected)) => return Err(format!("{step:?}: expected {expected}, got {answer:?}")),
                Err(Trouble::NotYet) => pass_time(&mut store, &mut index),
            }
            tries += 1;
            if tries > 3 {
                return Err(format!("{step:?}: waited in vain, got {answer:?}"));
            }
        }
    }
    Ok(())
}

fn ask(store: &mut Store, index: &mut u64, ask: Ask) -> Answer {
    match ask {
        Ask::Read(read) => store.read(&read),
        Ask::Watch(watch) => store.changes(&watch),
        Ask::Do { id, operation } => {
            *index += 1;
            store.apply(*index, &Command::Client { id, operation }).answer.unwrap()
        }
    }
}

/// The brief leases end.
fn pass_time(store: &mut Store, index: &mut u64) {
    let brief: Vec<(u64, u64)> =
        store.leases().filter(|(_, it)| it.ttl_ms < 10_000).map(|(lease, it)| (lease, it.renewals)).collect();
    for (lease, renewals) in brief {
        *index += 1;
        store.apply(*index, &Command::Expire { lease, renewals });
    }
}

/// All that was read in one answer.
fn ranges(answer: &mut Answer) -> Vec<&mut Range> {
    match answer {
        Answer::Range(range) => vec![range],
        Answer::Done { done: Done::Transacted { steps, .. }, .. } => steps
            .iter_mut()
            .filter_map(|step| match step {
                StepDone::Range(range) => Some(range),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    }
}

#[test]
fn the_store_passes() {
    assert_eq!(examine(|_| {}), Ok(()));
}

/// A lie and its name.
type Lie = (&'static str, fn(&mut Answer));

const LIES: [Lie; 20] = [
    ("comparisons turn out the other way", |answer| {
        if let Answer::Done { done: Done::Transacted { held, .. }, .. } = answer {
            *held = !*held;
        }
    }),
    ("creations are told one too high", |answer| {
        ranges(answer).into_iter().flat_map(|range| &mut range.rows).for_each(|row| row.created += 1);
    }),
    ("changes are told one too high", |answer| {
        ranges(answer).into_iter().flat_map(|range| &mut range.rows).for_each(|row| row.modified += 1);
    }),
    ("versions are told one too high", |answer| {
        ranges(answer).into_iter().flat_map(|range| &mut range.rows).for_each(|row| row.version += 1);
    }),
    ("values are empty", |answer| {
        ranges(answer).into_iter().flat_map(|range| &mut range.rows).for_each(|row| row.value = [][..].into());
    }),
    ("no key has a lease", |answer| {
        ranges(answer).into_iter().flat_map(|range| &mut range.rows).for_each(|row| row.lease = 0);
    }),
    ("nothing is ever read", |answer| ranges(answer).into_iter().for_each(|range| range.rows.clear())),
    ("there is never more", |answer| ranges(answer).into_iter().for_each(|range| range.more = false)),
    ("there is always more", |answer| ranges(answer).into_iter().for_each(|range| range.more = true)),
    ("keys come in another order", |answer| ranges(answer).into_iter().for_each(|range| range.rows.reverse())),
    ("a range shows another revision", |answer| ranges(answer).into_iter().for_each(|range| range.revision += 1)),
    ("an operation's revision is one too low", |answer| {
        if let Answer::Done { revision, .. } = answer {
            *revision -= 1;
        }
    }),
    ("deletions are counted twice", |answer| {
        if let Answer::Done { done: Done::Transacted { steps, .. }, .. } = answer {
            steps.iter_mut().for_each(|step| {
                if let StepDone::Deleted(count) = step {
                    *count *= 2;
                }
            });
        }
    }),
    ("the last change is kept back", |answer| {
        if let Answer::Changes { changes, .. } = answer {
            changes.pop();
        }
    }),
    ("changes come in another order", |answer| {
        if let Answer::Changes { changes, .. } = answer {
            changes.reverse();
        }
    }),
    ("a deletion is told as a write", |answer| {
        if let Answer::Changes { changes, .. } = answer {
            changes.retain(|change| matches!(change, Change::Put(_)));
        }
    }),
    ("an answer claims more than it tells", |answer| {
        if let Answer::Changes { until, .. } = answer {
            *until += 1_000;
        }
    }),
    ("what is gone is said to be in the future", |answer| {
        if let Answer::Refused(refusal @ Refusal::Compacted(_)) = answer {
            *refusal = Refusal::Future;
        }
    }),
    ("a refusal is said to be a success", |answer| {
        if let Answer::Refused(_) = answer {
            *answer = Answer::Done { revision: 1, done: Done::Transacted { held: true, steps: Vec::new() } };
        }
    }),
    ("leases are shorter than was asked for", |answer| {
        if let Answer::Done { done: Done::Granted { ttl_ms, .. }, .. } = answer {
            *ttl_ms /= 2;
        }
    }),
];

#[test]
fn whoever_lies_fails() {
    for (name, lie) in LIES {
        let why = examine(lie).expect_err(name);
        println!("{name}: {why}");
    }
}
