//! Transactions: every comparison, several keys at once, all or nothing, and what cannot be done at all.

use super::step::{Notes, Step, expect, refused, row, transacted};
use crate::rcs::message::{Compare, Keys, Refusal, Relation, Step as Part, StepDone, Target};
use Relation::{Equal, Greater, Less, NotEqual};

/// A comparison of `a`, which was created and changed last by the write `third`, or of a key that is not there.
type Case = (&'static str, fn(&Notes) -> Target, Relation, bool);

const OF_A: [Case; 18] = [
    ("a", |notes| Target::Created(notes.of("third")), Equal, true),
    ("a", |notes| Target::Created(notes.of("third")), NotEqual, false),
    ("a", |notes| Target::Created(notes.of("third") + 1), Less, true),
    ("a", |notes| Target::Created(notes.of("third")), Less, false),
    ("a", |notes| Target::Created(notes.of("third") - 1), Greater, true),
    ("a", |notes| Target::Modified(notes.of("third")), Equal, true),
    ("a", |notes| Target::Modified(notes.of("third")), Greater, false),
    ("a", |notes| Target::Modified(notes.of("third") + 1), Less, true),
    ("a", |_| Target::Version(1), Equal, true),
    ("a", |_| Target::Version(1), NotEqual, false),
    ("a", |_| Target::Version(2), Less, true),
    ("a", |_| Target::Version(0), Greater, true),
    ("a", |_| Target::Value(b"three"[..].into()), Equal, true),
    ("a", |_| Target::Value(b"four"[..].into()), NotEqual, true),
    ("a", |_| Target::Value(b"two"[..].into()), Less, true),
    ("a", |_| Target::Value(b"four"[..].into()), Greater, true),
    ("a", |_| Target::Lease(0), Equal, true),
    ("a", |_| Target::Lease(7), Equal, false),
];

const OF_NOTHING: [Case; 6] = [
    ("nobody", |_| Target::Created(0), Equal, true),
    ("nobody", |_| Target::Modified(0), Equal, true),
    ("nobody", |_| Target::Version(0), Equal, true),
    ("nobody", |_| Target::Created(0), Greater, false),
    ("nobody", |_| Target::Value(b"x"[..].into()), Equal, false),
    ("nobody", |_| Target::Value(b"x"[..].into()), NotEqual, false),
];

fn compared((key, target, relation, holds): Case) -> Step {
    let made_up = target(&Notes::made_up());
    Step::new(
        format!("{key} compares {relation:?} with {made_up:?}: {holds}"),
        move |notes| {
            let compare = vec![notes.compare(key, target(notes), relation)];
            notes.transact(compare, Vec::new(), Vec::new())
        },
        move |_, answer| transacted(answer, holds).map(drop),
    )
}

/// `a` as it is now, and no `b`.
fn a_and_no_b(notes: &Notes) -> Vec<Compare> {
    vec![notes.compare("a", Target::Modified(notes.of("third")), Equal), notes.compare("b", Target::Created(0), Equal)]
}

pub(super) fn steps() -> Vec<Step> {
    let cases = OF_A.into_iter().chain(OF_NOTHING).map(compared);
    cases.chain(several_keys()).chain(impossible()).collect()
}

fn several_keys() -> Vec<Step> {
    vec![
        Step::new(
            "a swap of two keys is done in one revision",
            |notes| {
                let then = vec![notes.put_part("a", "both", 0), notes.put_part("b", "both", 0)];
                notes.transact(a_and_no_b(notes), then, Vec::new())
            },
            |notes, answer| {
                let (revision, steps) = transacted(answer, true)?;
                notes.note("both", revision);
                expect(steps == [StepDone::Put, StepDone::Put], "two writes")
            },
        ),
        Step::new(
            "... and one of its keys shows that revision",
            |notes| notes.read("a", 0),
            |notes, answer| expect(row(answer)?.modified == notes.of("both"), "the revision of the swap"),
        ),
        Step::new(
            "... as the other one does",
            |notes| notes.read("b", 0),
            |notes, answer| expect(row(answer)?.created == notes.of("both"), "the revision of the swap"),
        ),
        Step::new(
            "a swap of which one comparison fails does the other branch, and tells what is there",
            |notes| {
                let then = vec![notes.put_part("a", "never", 0), notes.put_part("b", "never", 0)];
                let otherwise = vec![notes.range_part("a"), notes.range_part("b")];
                notes.transact(a_and_no_b(notes), then, otherwise)
            },
            |notes, answer| {
                let (_, steps) = transacted(answer, false)?;
                let is_old = |step: &StepDone| match step {
                    StepDone::Range(range) => {
                        matches!(&range.rows[..], [row] if row.modified == notes.of("both") && *row.value == *b"both")
                    }
                    _ => false,
                };
                expect(steps.len() == 2 && steps.iter().all(is_old), "both keys as they were")
            },
        ),
        Step::new(
            "a step reads what the steps before it have written",
            |notes| {
                let then = vec![notes.put_part("c", "new", 0), notes.range_part("c")];
                notes.transact(Vec::new(), then, Vec::new())
            },
            |_, answer| match transacted(answer, true)? {
                (revision, [StepDone::Put, StepDone::Range(range)]) => {
                    let own = matches!(&range.rows[..], [row] if row.modified == revision && *row.value == *b"new");
                    expect(own, "the row that it wrote")
                }
                _ => expect(false, "a write and a read"),
            },
        ),
    ]
}

fn impossible() -> Vec<Step> {
    let invalid = |name: &'static str, then: fn(&Notes) -> Vec<Part>| {
        Step::new(
            name,
            move |notes| {
                let then = then(notes);
                notes.transact(Vec::new(), then, Vec::new())
            },
            |_, answer| refused(answer, |it| matches!(it, Refusal::Invalid(_)), "an invalid transaction"),
        )
    };
    vec![
        invalid("a key is not changed twice", |notes| vec![notes.put_part("d", "1", 0), notes.put_part("d", "2", 0)]),
        invalid("a key that is deleted is not written", |notes| {
            vec![notes.put_part("d", "1", 0), Part::Delete(Keys::Prefix(notes.key("")))]
        }),
        invalid("a key is not empty", |_| vec![Part::Put { key: [][..].into(), value: [][..].into(), lease: 0 }]),
        Step::new(
            "what could not be done was not done in part",
            |notes| notes.read("d", 0),
            |_, answer| super::step::nothing(answer),
        ),
    ]
}
