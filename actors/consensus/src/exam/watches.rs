//! Watches: every change once, in order, whole revisions, and the truth about how far an answer reaches.

use super::step::{Judgement, Notes, Step, Trouble, changes, expect, told, transacted};
use crate::rcs::message::{Answer, Keys, Step as Part};

/// Key, note of its revision, value if it is a write.
type Told = (&'static str, &'static str, Option<&'static str>);

const ALL: [Told; 6] = [
    ("w/a", "w1", Some("one")),
    ("w/b", "w2", Some("two")),
    ("w/a", "w3", None),
    ("w/b", "w4", Some("four")),
    ("w/c", "w4", Some("four")),
    ("w/a", "w5", Some("five")),
];

/// That the answer tells exactly these changes. A member that lags may tell the first of them, if it does not claim more.
fn tells(notes: &Notes, answer: &Answer, from: u64, expected: &[Told]) -> Result<u64, Trouble> {
    let (until, changes) = changes(answer, from)?;
    let is = |change, (key, note, value): &Told| {
        let value = value.map(|value| value.as_bytes().into());
        told(change) == (&notes.key(key), notes.of(note), value.as_ref())
    };
    let begins = changes.len() <= expected.len() && changes.iter().zip(expected).all(|(change, told)| is(change, told));
    expect(begins, &format!("exactly {expected:?} from revision {from} on"))?;
    if let Some((_, next, _)) = expected.get(changes.len()) {
        expect(until < notes.of(next), "an answer that claims no more than it tells")?;
        return Err(Trouble::NotYet);
    }
    Ok(until)
}

fn write(note: &'static str, then: fn(&Notes) -> Vec<Part>) -> Step {
    Step::new(
        format!("change {note} is made"),
        move |notes| {
            let then = then(notes);
            notes.transact(Vec::new(), then, Vec::new())
        },
        move |notes, answer| {
            notes.note(note, transacted(answer, true)?.0);
            Ok(())
        },
    )
}

fn watch(name: &'static str, from: &'static str, limit: u64, expected: &'static [Told]) -> Step {
    Step::new(
        name,
        move |notes| notes.watch("w/", notes.of(from), limit),
        move |notes, answer| tells(notes, answer, notes.of(from), expected).map(drop),
    )
}

pub(super) fn steps() -> Vec<Step> {
    let mut steps = vec![
        write("w1", |notes| vec![notes.put_part("w/a", "one", 0)]),
        write("w2", |notes| vec![notes.put_part("w/b", "two", 0)]),
        write("w3", |notes| vec![Part::Delete(Keys::One(notes.key("w/a")))]),
        write("w4", |notes| vec![notes.put_part("w/b", "four", 0), notes.put_part("w/c", "four", 0)]),
        write("elsewhere", |notes| vec![notes.put_part("elsewhere", "x", 0)]),
        write("w5", |notes| vec![notes.put_part("w/a", "five", 0)]),
        watch("a watch tells every change of its keys in order and nothing else", "w1", 100, &ALL),
        watch("a watch may begin in the middle of what is past", "w3", 100, ALL.split_at(2).1),
    ];
    steps.extend(pages());
    steps.push(Step::new(
        "a watch waits for what has not happened and then says that nothing has",
        |notes| notes.watch("w/", notes.of("w5") + 1, 100),
        |notes, answer| tells(notes, answer, notes.of("w5") + 1, &[]).map(drop),
    ));
    steps
}

/// An answer that is cut says how far it reaches, and the next one goes on there.
fn pages() -> Vec<Step> {
    let cut = |notes: &mut Notes, answer: &Answer| -> Judgement {
        let until = tells(notes, answer, notes.of("w1"), ALL.split_at(2).0)?;
        expect(until < notes.of("w3"), "an answer that does not claim what it was cut of")?;
        notes.note("resumed", until + 1);
        Ok(())
    };
    vec![
        Step::new("an answer that is cut does not claim the rest", |notes| notes.watch("w/", notes.of("w1"), 2), cut),
        watch("a watch that resumes where it was cut goes on there", "resumed", 100, ALL.split_at(2).1),
        Step::new(
            "changes of one revision are not parted",
            |notes| notes.watch("w/", notes.of("w4"), 1),
            |notes, answer| {
                let until = tells(notes, answer, notes.of("w4"), &ALL[3..5])?;
                expect(until < notes.of("w5"), "an answer that does not claim what it was cut of")
            },
        ),
    ]
}
