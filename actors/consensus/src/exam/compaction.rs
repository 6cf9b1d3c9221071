//! Compaction: what is gone is said to be gone, and what is not can still be read.

use super::step::{Step, done, expect, refused, row};
use crate::rcs::message::{Done, Operation, Refusal};

/// That something was refused because it is gone, from a revision on that is not before the compaction.
fn gone(notes: &super::step::Notes, answer: &crate::rcs::message::Answer) -> super::step::Judgement {
    let from = notes.of("compacted");
    refused(answer, |it| matches!(it, Refusal::Compacted(first) if *first >= from), "what is compacted")
}

pub(super) fn steps() -> Vec<Step> {
    vec![
        Step::new(
            "what is to be kept is written",
            |notes| notes.put("kept", "old"),
            |notes, answer| {
                notes.note("compacted", super::step::transacted(answer, true)?.0);
                Ok(())
            },
        ),
        Step::new(
            "... and written again",
            |notes| notes.put("kept", "new"),
            |notes, answer| {
                notes.note("kept", super::step::transacted(answer, true)?.0);
                Ok(())
            },
        ),
        Step::new(
            "the past is compacted",
            |notes| notes.operate(Operation::Compact { revision: notes.of("compacted") }),
            |_, answer| expect(*done(answer)?.1 == Done::Compacted, "a compaction"),
        ),
        Step::new(
            "what is compacted cannot be read",
            |notes| notes.read("a", notes.of("first")),
            |notes, answer| gone(notes, answer),
        ),
        Step::new(
            "what is compacted cannot be watched",
            |notes| notes.watch("w/", notes.of("w1"), 100),
            |notes, answer| gone(notes, answer),
        ),
        Step::new(
            "the revision of the compaction can be read",
            |notes| notes.read("kept", notes.of("compacted")),
            |_, answer| expect(*row(answer)?.value == *b"old", "the old value"),
        ),
        Step::new(
            "what is newer can be watched",
            |notes| notes.watch("kept", notes.of("compacted") + 1, 100),
            |notes, answer| {
                let (_, changes) = super::step::changes(answer, notes.of("compacted") + 1)?;
                let revisions: Vec<u64> = changes.iter().map(|change| super::step::told(change).1).collect();
                expect(revisions == [notes.of("kept")], "one change")
            },
        ),
        Step::new(
            "what is compacted is not compacted again",
            |notes| notes.operate(Operation::Compact { revision: notes.of("compacted") }),
            |notes, answer| gone(notes, answer),
        ),
        Step::new(
            "the future is not compacted",
            |notes| notes.operate(Operation::Compact { revision: notes.of("compacted") + 1_000_000 }),
            |_, answer| refused(answer, |it| *it == Refusal::Future, "a revision of the future"),
        ),
    ]
}
