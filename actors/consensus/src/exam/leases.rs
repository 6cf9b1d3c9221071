//! Leases: they end on request or in time, and take their keys with them; and locks, whose tokens grow.

use super::step::{Notes, Step, Trouble, changes, done, expect, nothing, range, refused, row, told, transacted};
use crate::rcs::message::{Answer, Done, Operation, Refusal, Relation, StepDone, Target};

/// Longer than any fault lasts, in milliseconds.
const LONG: u64 = 600_000;
/// The shortest that engines grant, in milliseconds.
const SHORT: u64 = 1_000;

fn grant(note: &'static str, ttl_ms: u64) -> Step {
    Step::new(
        format!("lease {note} is granted"),
        move |notes| notes.operate(Operation::Grant { ttl_ms }),
        move |notes, answer| match done(answer)?.1 {
            Done::Granted { lease, ttl_ms: granted } if *lease != 0 => {
                notes.note(note, *lease);
                expect(*granted >= ttl_ms, "no shorter lease than was asked for")
            }
            _ => expect(false, "a lease"),
        },
    )
}

fn put(name: &'static str, lease: Option<&'static str>) -> Step {
    Step::new(
        format!("{name} is written under {}", lease.unwrap_or("no lease")),
        move |notes| {
            let put = notes.put_part(name, "x", lease.map_or(0, |lease| notes.of(lease)));
            notes.transact(Vec::new(), vec![put], Vec::new())
        },
        move |notes, answer| {
            notes.note(name, transacted(answer, true)?.0);
            Ok(())
        },
    )
}

fn revoke(lease: &'static str) -> Step {
    Step::new(
        format!("lease {lease} is revoked"),
        move |notes| notes.operate(Operation::Revoke { lease: notes.of(lease) }),
        |_, answer| expect(*done(answer)?.1 == Done::Revoked, "an end of the lease"),
    )
}

/// An operation on a lease that has ended.
fn too_late(name: &'static str, operation: fn(&Notes) -> Operation) -> Step {
    Step::new(
        name,
        move |notes| {
            let operation = operation(notes);
            notes.operate(operation)
        },
        |_, answer| refused(answer, |it| *it == Refusal::NoLease, "no such lease"),
    )
}

pub(super) fn steps() -> Vec<Step> {
    [revoked(), expired(), detached(), locks()].into_iter().flatten().collect()
}

fn revoked() -> Vec<Step> {
    vec![
        grant("long", LONG),
        put("e/x", Some("long")),
        Step::new(
            "a key shows its lease",
            |notes| notes.read("e/x", 0),
            |notes, answer| expect(row(answer)?.lease == notes.of("long"), "the lease"),
        ),
        Step::new(
            "a lease can be compared",
            |notes| {
                let compare = vec![notes.compare("e/x", Target::Lease(notes.of("long")), Relation::Equal)];
                notes.transact(compare, Vec::new(), Vec::new())
            },
            |_, answer| transacted(answer, true).map(drop),
        ),
        Step::new(
            "a lease is renewed",
            |notes| notes.operate(Operation::Renew { lease: notes.of("long") }),
            |_, answer| expect(matches!(done(answer)?.1, Done::Renewed { ttl_ms } if *ttl_ms >= LONG), "a renewal"),
        ),
        revoke("long"),
        Step::new("the end of a lease deletes its keys", |notes| notes.read("e/x", 0), |_, answer| nothing(answer)),
        Step::new(
            "... which a watch tells",
            |notes| notes.watch("e/x", notes.of("e/x") + 1, 100),
            |notes, answer| {
                match changes(answer, notes.of("e/x") + 1)?.1 {
                    // A member that lags has nothing to tell yet.
                    [] => Err(Trouble::NotYet),
                    [change] => expect(told(change).2.is_none(), "a deletion"),
                    _ => expect(false, "one deletion"),
                }
            },
        ),
        too_late("an ended lease is not renewed", |notes| Operation::Renew { lease: notes.of("long") }),
        too_late("an ended lease is not revoked", |notes| Operation::Revoke { lease: notes.of("long") }),
        too_late("an ended lease takes no keys", |notes| {
            let then = vec![notes.put_part("e/late", "x", notes.of("long"))];
            Operation::Transact(crate::rcs::message::Transaction { then, ..Default::default() })
        }),
        Step::new("... and none was written", |notes| notes.read("e/late", 0), |_, answer| nothing(answer)),
    ]
}

fn expired() -> Vec<Step> {
    vec![
        grant("brief", SHORT),
        Step::new(
            "every lease has a number of its own",
            |notes| notes.read("a", 0),
            |notes, _| expect(notes.of("brief") != notes.of("long"), "another lease"),
        ),
        // The lease may be over by now: then there is nothing to wait for.
        Step::new(
            "a key is written under a lease that is not renewed",
            |notes| {
                let put = notes.put_part("e/y", "x", notes.of("brief"));
                notes.transact(Vec::new(), vec![put], Vec::new())
            },
            |_, answer| match answer {
                Answer::Refused(Refusal::NoLease) => Ok(()),
                _ => transacted(answer, true).map(drop),
            },
        ),
        Step::new(
            "a lease that is not renewed ends",
            |notes| notes.read("e/y", 0),
            |_, answer| if range(answer)?.rows.is_empty() { Ok(()) } else { Err(Trouble::NotYet) },
        ),
        Step::new(
            "... and is not renewed any more",
            |notes| notes.operate(Operation::Renew { lease: notes.of("brief") }),
            |_, answer| match answer {
                // Its key was never written, and it runs.
                Answer::Done { .. } => Err(Trouble::NotYet),
                _ => refused(answer, |it| *it == Refusal::NoLease, "no such lease"),
            },
        ),
    ]
}

fn detached() -> Vec<Step> {
    vec![
        grant("shed", LONG),
        put("e/z", Some("shed")),
        put("e/z", None),
        revoke("shed"),
        Step::new(
            "a key that was written without a lease is not its lease's any more",
            |notes| notes.read("e/z", 0),
            |_, answer| expect(row(answer)?.lease == 0, "no lease"),
        ),
    ]
}

/// Creates the lock if it is not there, and tells who has it.
fn campaign(name: &'static str, lease: &'static str, wins: bool) -> Step {
    Step::new(
        name,
        move |notes| {
            let compare = vec![notes.compare("elections/l", Target::Created(0), Relation::Equal)];
            let then = vec![notes.put_part("elections/l", lease, notes.of(lease)), notes.range_part("elections/l")];
            let otherwise = vec![notes.range_part("elections/l")];
            notes.transact(compare, then, otherwise)
        },
        move |notes, answer| {
            let (_, steps) = transacted(answer, wins)?;
            let Some(StepDone::Range(range)) = steps.last() else { return expect(false, "who has the lock") };
            let [holder] = &range.rows[..] else { return expect(false, "one holder") };
            if wins {
                notes.note(name, holder.created);
            }
            expect((holder.lease == notes.of(lease)) == wins, "the winner's lease")
        },
    )
}

fn locks() -> Vec<Step> {
    vec![
        grant("one", LONG),
        grant("two", LONG),
        campaign("the first to campaign has the lock", "one", true),
        campaign("the second has it not", "two", false),
        revoke("one"),
        campaign("when the first lets go the second has it", "two", true),
        Step::new(
            "a later holder has a higher token",
            |notes| notes.read("elections/l", 0),
            |notes, answer| {
                let first = notes.of("the first to campaign has the lock");
                expect(row(answer)?.created > first, "a creation after the first one")
            },
        ),
        revoke("two"),
    ]
}
