//! Compaction: what is gone is said to be gone, and what is not can still be read.

use super::step::{Judgement, Notes, Step, Trouble, changes, done, expect, refused, row, told, transacted};
use crate::rcs::message::{Answer, Done, Operation, Refusal};

/// That something was refused because it is gone, from a revision on that is not before the compaction.
fn gone(notes: &Notes, answer: &Answer) -> Judgement {
    let from = notes.of("compacted");
    refused(answer, |it| matches!(it, Refusal::Compacted(first) if *first >= from), "what is compacted")
}

pub(super) fn steps() -> Vec<Step> {
    vec![
        Step::new(
            "what is to be kept is written",
            |notes| notes.put("kept", "old"),
            |notes, answer| {
                notes.note("compacted", transacted(answer, true)?.0);
                Ok(())
            },
        ),
        Step::new(
            "... and written again",
            |notes| notes.put("kept", "new"),
            |notes, answer| {
                notes.note("kept", transacted(answer, true)?.0);
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
            |notes, answer| match answer {
                // A member that lags has not compacted yet.
                Answer::Changes { .. } => Err(Trouble::NotYet),
                _ => gone(notes, answer),
            },
        ),
        Step::new(
            "the revision of the compaction can be read",
            |notes| notes.read("kept", notes.of("compacted")),
            |_, answer| expect(*row(answer)?.value == *b"old", "the old value"),
        ),
        Step::new(
            "what is newer can be watched",
            |notes| notes.watch("kept", notes.of("compacted") + 1, 100),
            |notes, answer| match changes(answer, notes.of("compacted") + 1)?.1 {
                [] => Err(Trouble::NotYet),
                [change] => expect(told(change).1 == notes.of("kept"), "the second write"),
                _ => expect(false, "one change"),
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
