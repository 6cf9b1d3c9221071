//! What a shrunk file says in words: what fails, where it comes from, and what each fault does in its run.

use super::Size;
use crate::run::Finished;
use crate::scenario::Scenario;
use crate::scenario::write::Comments;
use contract::time::nanos;
use kernel::Decision;

/// Longer sentences are cut: a comment is read at a glance.
const WIDTH: usize = 116;

/// What the words are about.
pub struct Story<'a> {
    /// The scenario that was given.
    pub origin: &'a Scenario,
    /// Its seed.
    pub seed: u64,
    /// What is left of it.
    pub result: &'a Scenario,
    /// The run of what is left.
    pub last: &'a Finished,
    /// The size of the run that was given.
    pub before: Size,
    /// The size of the last run.
    pub after: Size,
    /// Runs that it took.
    pub runs: u64,
    /// Whether no single removal fails.
    pub minimal: bool,
}

/// The comments of the file.
pub fn comments(story: &Story<'_>) -> Comments {
    let faults = (0..story.result.faults.len()).map(|slot| fault(story, slot as u32)).collect();
    Comments { head: head(story), faults }
}

fn head(story: &Story<'_>) -> Vec<String> {
    let verdict = &story.last.verdict;
    let mut lines = vec![format!("Fails: {}", verdict.signature.as_deref().unwrap_or_default())];
    lines.extend(verdict.facts.iter().flat_map(|fact| wrapped(fact)));
    let rows = story.before.rows().into_iter().zip(story.after.rows());
    let left = rows.filter(|((_, before), _)| *before > 0).map(|((name, before), (_, after))| {
        if before == after { format!("{name} {before}") } else { format!("{name} {before} -> {after}") }
    });
    let left = left.collect::<Vec<_>>().join(", ");
    lines.extend(wrapped(&format!("Shrunk from {}, seed {}: {left}.", story.origin.path, story.seed)));
    let runs = story.runs;
    lines.extend(wrapped(&if story.minimal {
        format!(
            "Certified 1-minimal by {runs} runs: with one fault, occurrence, message, request, node, knob or departure \
             of timing less, or a storm shorter by 100ms, it no longer fails this way, or a knob less makes its run longer."
        )
    } else {
        format!("Not certified 1-minimal: the time was up after {runs} runs. This is the smallest so far.")
    }));
    lines
}

fn fault(story: &Story<'_>, slot: u32) -> Vec<String> {
    let world = &story.last.world;
    let mine: Vec<&Decision> = world.decisions().iter().filter(|decision| decision.slot == slot).collect();
    let fired = world.slot_counts()[slot as usize].fired;
    let kind = story.result.faults[slot as usize].kind;
    let mut lines = Vec::new();
    for decision in &mine {
        let (at, node) = (seconds(decision.at), &world.plan().nodes[decision.node.0 as usize].name);
        if !decision.message {
            let lasts = seconds(nanos(world.lasting(decision)));
            lines.extend(wrapped(&format!("At {at} on {node}, for {lasts}: {}.", kind.about())));
        } else if story.result.faults[slot as usize].messages.is_some() {
            lines.push(format!("At {at} it meets message {:016x} from {node}.", decision.key));
        }
    }
    lines.push(match fired {
        1 => "It takes effect once.".to_owned(),
        fired => format!("It takes effect {fired} times."),
    });
    lines
}

/// Nanoseconds as seconds, to the microsecond.
fn seconds(nanos: u64) -> String {
    let text = format!("{}.{:06}", nanos / 1_000_000_000, nanos / 1_000 % 1_000_000);
    format!("{}s", text.trim_end_matches('0').trim_end_matches('.'))
}

/// A sentence in lines of a comment's width.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.len() - 1;
        if lines[last].len() + 1 + word.len() > WIDTH && !lines[last].is_empty() {
            lines.push(word.to_owned());
        } else {
            let line = &mut lines[last];
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}
