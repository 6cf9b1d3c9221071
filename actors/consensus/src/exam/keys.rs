//! One key: when it was created, when it was changed last, how often since, and what it was before.

use super::step::{Notes, Step, expect, nothing, range, row, transacted};
use crate::rcs::message::{Answer, Keys, Row, Step as Part, StepDone};

fn is(row: &Row, value: &str, created: u64, modified: u64, version: u64) -> bool {
    *row.value == *value.as_bytes() && (row.created, row.modified, row.version) == (created, modified, version)
}

/// Writes `a` and notes the revision, which must be above that of `after`.
fn write(name: &'static str, value: &'static str, after: Option<&'static str>) -> Step {
    let check = move |notes: &mut Notes, answer: &Answer| {
        let (revision, steps) = transacted(answer, true)?;
        notes.note(name, revision);
        expect(steps == [StepDone::Put], "one step that wrote")?;
        expect(after.is_none_or(|after| revision > notes.of(after)), "a later revision")
    };
    Step::new(format!("write {name} is done"), move |notes| notes.put("a", value), check)
}

/// Reads `a`.
fn shows(
    name: &'static str,
    at: Option<&'static str>,
    check: impl Fn(&Notes, &Row) -> bool + Send + Sync + 'static,
) -> Step {
    let ask = move |notes: &mut Notes| notes.read("a", at.map_or(0, |at| notes.of(at)));
    Step::new(name, ask, move |notes, answer| {
        let shown = range(answer)?.revision;
        expect(at.is_none_or(|at| shown == notes.of(at)), "the revision that was asked for")?;
        expect(check(notes, row(answer)?), name)
    })
}

pub(super) fn steps() -> Vec<Step> {
    let delete = |notes: &mut Notes, name: &str| {
        let keys = Keys::One(notes.key(name));
        notes.transact(Vec::new(), vec![Part::Delete(keys)], Vec::new())
    };
    vec![
        Step::new("a key that was never written is not there", |notes| notes.read("a", 0), |_, answer| nothing(answer)),
        write("first", "one", None),
        shows("a first write creates version 1", None, |notes, row| {
            is(row, "one", notes.of("first"), notes.of("first"), 1) && row.lease == 0
        }),
        write("second", "two", Some("first")),
        shows("a second write keeps the creation and makes version 2", None, |notes, row| {
            is(row, "two", notes.of("first"), notes.of("second"), 2)
        }),
        shows("the past can be read", Some("first"), |notes, row| {
            is(row, "one", notes.of("first"), notes.of("first"), 1)
        }),
        Step::new(
            "a deletion says how many keys it deleted",
            move |notes| delete(notes, "a"),
            |notes, answer| {
                let (revision, steps) = transacted(answer, true)?;
                notes.note("deleted", revision);
                expect(steps == [StepDone::Deleted(1)] && revision > notes.of("second"), "one deletion")
            },
        ),
        Step::new("a deleted key is not there", |notes| notes.read("a", 0), |_, answer| nothing(answer)),
        shows("before its deletion it still is", Some("second"), |notes, row| {
            is(row, "two", notes.of("first"), notes.of("second"), 2)
        }),
        Step::new(
            "at its deletion it is not",
            |notes| notes.read("a", notes.of("deleted")),
            |_, answer| nothing(answer),
        ),
        Step::new(
            "the deletion of nothing deletes nothing",
            move |notes| delete(notes, "a"),
            |_, answer| expect(transacted(answer, true)?.1 == [StepDone::Deleted(0)], "no deletion"),
        ),
        write("third", "three", Some("deleted")),
        shows("a new life begins with version 1", None, |notes, row| {
            is(row, "three", notes.of("third"), notes.of("third"), 1)
        }),
    ]
}
