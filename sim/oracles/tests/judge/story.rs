//! Histories as text: one mark a line, with the verdict written where it must fall.
//!
//! ```text
//! edge    custody.stored place=edge-0/active ids=[17]
//! edge#2  custody.found place=edge-0/active ids=[]      <- E1
//! pending record 17
//! finish  <- E2
//! ```
//!
//! `edge#2` is the second incarnation; `<- E1` says that this line, and no earlier one, breaks E1;
//! `pending TEXT` that at this point the oracle waits for something with these words, `pending nothing`
//! that it waits for nothing; `excuse client` that this process stays broken; `finish` ends the run. `# ...` is a comment. Numbers are numbers, `[...]`
//! is a list, everything else is text. A line's number is its event and its time in milliseconds.

use contract::{Mark, Observed, ProcessId, Time, Value};
use oracles::{Oracle, OracleKind, Violation, all};
use std::borrow::Cow;

/// Tells `story` to a fresh oracle and fails unless every verdict falls where it is written.
pub fn check(oracle: &str, story: &str) {
    let mut judge = judge(oracle);
    for (index, line) in story.lines().enumerate() {
        let number = index as u64 + 1;
        let (line, verdict) = split_verdict(line);
        let told = tell(&mut *judge, line, number);
        match (told, verdict) {
            (Ok(()), None) => {}
            (Err(violation), Some(invariant)) => {
                assert_eq!(violation.invariant, invariant, "line {number}: {violation}");
                check_evidence(oracle, &violation, line, number);
                return;
            }
            (Err(violation), None) => panic!("line {number} is legal, yet: {violation}\n{story}"),
            (Ok(()), Some(invariant)) => panic!("line {number} breaks {invariant}, and nobody noticed\n{story}"),
        }
    }
}

/// A fresh oracle of that name.
pub fn judge(oracle: &str) -> Box<dyn Oracle> {
    let kinds = all();
    let kind: &OracleKind = kinds.iter().find(|kind| kind.name == oracle).expect("the story's oracle exists");
    (kind.make)()
}

fn tell(judge: &mut dyn Oracle, line: &str, number: u64) -> Result<(), Violation> {
    match line.split_once(' ').map_or((line, ""), |(word, rest)| (word, rest.trim())) {
        ("" | "#", _) => Ok(()),
        ("finish", _) => judge.finish(),
        ("excuse", name) => {
            judge.excuse(process(name, number));
            Ok(())
        }
        ("pending", words) => {
            let pending = judge.pending();
            let as_told = match &pending {
                None => words == "nothing",
                Some(sentence) => sentence.contains(words),
            };
            assert!(as_told, "line {number}: waits for {words:?} was told, and it waits for {pending:?}");
            Ok(())
        }
        (process, rest) => judge.observe(&parse(process, rest, number)),
    }
}

/// What a report needs of every violation.
fn check_evidence(oracle: &str, violation: &Violation, line: &str, number: u64) {
    let kinds = all();
    let kind = kinds.iter().find(|kind| kind.name == oracle).expect("the story's oracle exists");
    assert_eq!(violation.oracle, oracle);
    assert!(kind.invariants.contains(&violation.invariant), "{} is declared", violation.invariant);
    assert!(!violation.facts.is_empty() && !violation.shape.is_empty());
    let digits = violation.shape.chars().any(|c| c.is_ascii_digit());
    assert!(!digits, "a shape has no identities: {}", violation.shape);
    assert!(violation.events.is_sorted(), "oldest first: {:?}", violation.events);
    if line != "finish" {
        assert_eq!(violation.events.last(), Some(&number), "the offending mark is the last of the evidence");
    }
}

fn split_verdict(line: &str) -> (&str, Option<&str>) {
    match line.split_once("<-") {
        Some((line, verdict)) => (line.trim(), Some(verdict.trim())),
        None => (line.trim(), None),
    }
}

/// The facts of a story without verdicts.
pub fn observed(story: &str) -> Vec<Observed> {
    let lines = story.lines().enumerate().map(|(index, line)| (index as u64 + 1, line.trim()));
    let marks = lines.filter(|(_, line)| !line.is_empty());
    marks
        .map(|(number, line)| {
            let (process, rest) = line.split_once(' ').expect("a process and a mark");
            parse(process, rest.trim(), number)
        })
        .collect()
}

fn process(name: &str, number: u64) -> ProcessId {
    ProcessId(match name {
        "edge" => 1,
        "other" => 2,
        "primary" => 3,
        "second" => 4,
        "client" => 10,
        "client2" => 11,
        name => panic!("line {number}: nobody is called {name}"),
    })
}

fn parse(process: &str, mark: &str, number: u64) -> Observed {
    let (name, incarnation) = process.split_once('#').unwrap_or((process, "1"));
    let (kind, facts) = mark.split_once(' ').unwrap_or((mark, ""));
    Observed {
        at: Time(number * 1_000_000),
        process: self::process(name, number),
        incarnation: incarnation.parse().expect("an incarnation"),
        event: number,
        mark: Mark { kind: Cow::Owned(kind.to_owned()), facts: parse_facts(facts) },
    }
}

fn parse_facts(text: &str) -> Vec<(Cow<'static, str>, Value)> {
    let mut facts = Vec::new();
    let mut rest = text.trim();
    while let Some((name, after)) = rest.split_once('=') {
        let end = if after.starts_with('[') { list_len(after) } else { 0 };
        let end = end + after[end..].find(' ').unwrap_or(after.len() - end);
        facts.push((Cow::Owned(name.trim().to_owned()), parse_value(&after[..end])));
        rest = after[end..].trim();
    }
    assert!(rest.is_empty(), "not a fact: {rest}");
    facts
}

/// How many bytes the list takes that `text` begins with.
fn list_len(text: &str) -> usize {
    let mut depth = 0;
    let close = text.find(|c| {
        depth += i32::from(c == '[') - i32::from(c == ']');
        depth == 0
    });
    close.expect("a closed list") + 1
}

fn parse_value(text: &str) -> Value {
    if let Some(list) = text.strip_prefix('[') {
        return parse_list(list.strip_suffix(']').expect("a closed list"));
    }
    match text {
        "true" => Value::Flag(true),
        "false" => Value::Flag(false),
        text => text.parse().map_or_else(|_| Value::Text(text.to_owned()), Value::Number),
    }
}

fn parse_list(text: &str) -> Value {
    let mut values = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let end = if rest.starts_with('[') { list_len(rest) } else { rest.find(' ').unwrap_or(rest.len()) };
        values.push(parse_value(&rest[..end]));
        rest = rest[end..].trim();
    }
    Value::List(values)
}
