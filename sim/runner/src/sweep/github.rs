//! A sweep as GitHub shows it: annotations at the scenario files, and the job's summary.

use crate::exit::Exit;
use crate::sweep::junit;
use crate::sweep::tally::Tally;
use std::fmt::Write;

/// Workflow commands, one for each failure.
pub fn annotations(tallies: &[Tally]) -> Vec<String> {
    let mut lines = Vec::new();
    for tally in tallies {
        let (exit, why) = tally.outcome();
        if exit == Exit::Passed {
            continue;
        }
        for reason in why {
            lines.push(annotation(&tally.path, exit.word(), &reason));
        }
        for (signature, group) in tally.failures() {
            let facts = group.first.facts.join("\n");
            let text =
                format!("{facts}\n{} runs, first seed {}\n{}", group.count, group.first.seed, group.first.replay());
            lines.push(annotation(&tally.path, signature, &text));
        }
    }
    lines
}

/// The job's summary, as Markdown.
pub fn summary(tallies: &[Tally]) -> String {
    let mut text =
        String::from("## Stormproof\n\n| scenario | result | runs | vacuous | events |\n|---|---|---|---|---|\n");
    for tally in tallies {
        let row = format!("{} | {} | {} | {}", tally.outcome().0.word(), tally.runs, tally.vacuous, tally.events);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "| `{}` | {row} |", tally.path);
    }
    for tally in tallies {
        if let Some(warnings) = tally.warnings() {
            let _ = writeln!(text, "\n`{}`: {warnings}", tally.path);
        }
    }
    for tally in tallies.iter().filter(|tally| tally.outcome().0 != Exit::Passed) {
        let _ = writeln!(text, "\n### `{}`\n\n{}\n", tally.path, junit::summary(tally));
        for reason in tally.outcome().1 {
            let _ = writeln!(text, "- {reason}");
        }
        for (signature, group) in tally.failures() {
            let first = &group.first;
            let _ = writeln!(
                text,
                "- {signature}: {} runs, first seed {}\n\n```sh\n{}\n```",
                group.count,
                first.seed,
                first.replay()
            );
        }
    }
    text
}

fn annotation(path: &str, title: &str, text: &str) -> String {
    format!("::error file={},title={}::{}", property(path), property(title), data(text))
}

/// GitHub's escapes for the text of a command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// GitHub's escapes for a property of a command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_cannot_end_the_command_early() {
        let line = annotation("a,b.toml", "custody/E1: gone", "one\ntwo 100%");
        assert_eq!(line, "::error file=a%2Cb.toml,title=custody/E1%3A gone::one%0Atwo 100%25");
    }
}
