//! Ranges: in the order of keys, page by page at one revision, whatever is written meanwhile.

use super::step::{Judgement, Notes, Step, expect, range, read, refused, transacted};
use crate::rcs::message::{Answer, Keys, Refusal};
use contract::Blob;

const VALUES: [&str; 5] = ["p/0", "p/1", "p/2", "p/3", "p/4"];

/// That exactly these keys were read, as they were when all were written.
fn page(notes: &Notes, answer: &Answer, names: &[&str], more: bool) -> Judgement {
    let range = range(answer)?;
    let keys: Vec<Blob> = names.iter().map(|name| notes.key(name)).collect();
    expect(range.rows.iter().map(|row| row.key.clone()).collect::<Vec<_>>() == keys, &format!("the keys {names:?}"))?;
    let old = range.rows.iter().all(|row| row.modified == notes.of("written"));
    expect(old, "the revision of all rows to be that at which they were written together")?;
    expect(range.more == more, if more { "more keys" } else { "no more keys" })?;
    expect(range.revision == notes.of("shown"), "the revision of the first page")
}

/// The keys from behind this one to the end.
fn behind(notes: &Notes, name: &str) -> Keys {
    let from = [&notes.key(name)[..], &[0]].concat();
    Keys::Between(from.into(), notes.key("p0"))
}

pub(super) fn steps() -> Vec<Step> {
    vec![
        Step::new(
            "five keys are written at once",
            |notes| {
                let then = VALUES.iter().map(|name| notes.put_part(name, name, 0)).collect();
                notes.transact(Vec::new(), then, Vec::new())
            },
            |notes, answer| {
                notes.note("written", transacted(answer, true)?.0);
                Ok(())
            },
        ),
        Step::new(
            "a first page has as many keys as were asked for",
            |notes| read(Keys::Prefix(notes.key("p/")), 0, 2),
            |notes, answer| {
                notes.note("shown", range(answer)?.revision);
                page(notes, answer, &["p/0", "p/1"], true)
            },
        ),
        Step::new(
            "a key of a later page is written",
            |notes| notes.put("p/3", "later"),
            |_, answer| transacted(answer, true).map(drop),
        ),
        Step::new(
            "a key is added to a later page",
            |notes| notes.put("p/35", "later"),
            |_, answer| transacted(answer, true).map(drop),
        ),
        Step::new(
            "the next page shows the revision of the first one",
            |notes| read(behind(notes, "p/1"), notes.of("shown"), 2),
            |notes, answer| page(notes, answer, &["p/2", "p/3"], true),
        ),
        Step::new(
            "the last page says that it is the last",
            |notes| read(behind(notes, "p/3"), notes.of("shown"), 2),
            |notes, answer| page(notes, answer, &["p/4"], false),
        ),
        Step::new(
            "a range includes its first key and not its last",
            |notes| read(Keys::Between(notes.key("p/1"), notes.key("p/3")), notes.of("shown"), 0),
            |notes, answer| page(notes, answer, &["p/1", "p/2"], false),
        ),
        Step::new(
            "now there are six keys",
            |notes| read(Keys::Prefix(notes.key("p/")), 0, 0),
            |_, answer| expect(range(answer)?.rows.len() == 6, "six rows"),
        ),
        Step::new(
            "the future cannot be read",
            |notes| notes.read("a", notes.of("shown") + 1_000_000),
            |_, answer| refused(answer, |it| *it == Refusal::Future, "a revision of the future"),
        ),
    ]
}
