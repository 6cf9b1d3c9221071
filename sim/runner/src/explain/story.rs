//! The causal slice as plain text, oldest first.

use super::causes::{Near, Slice};
use super::difference::phrase;
use super::model::{Deed, Effect, Run};
use super::report::Report;
use contract::Time;
use kernel::What;
use std::fmt::Write;

/// The whole report as text.
pub fn text(report: &Report) -> String {
    let mut out = String::new();
    let run = &report.failing;
    let _ = writeln!(out, "{}", report.sentence);
    for fact in &run.verdict.facts {
        let _ = writeln!(out, "  {fact}");
    }
    if let Some(about) = report.about {
        let _ = writeln!(out, "  {} promises: {about}", run.verdict.oracle.as_deref().unwrap_or("the oracle"));
    }
    let _ = writeln!(out);
    tell(&mut out, run, &report.slice);
    compare(&mut out, report);
    let _ = writeln!(out, "replay: {}", run.verdict.replay());
    out
}

fn tell(out: &mut String, run: &Run, slice: &Slice) {
    if slice.evidence.is_empty() {
        let _ =
            writeln!(out, "nothing is broken, so that there is nothing to explain; `--perfetto` shows the whole run\n");
        return;
    }
    let (direct, cone) = (slice.count(Near::Direct), slice.count(Near::Before));
    let all = run.events.len();
    let _ =
        writeln!(out, "how it came to it: {direct} direct causes, of {cone} events that happened before it, of {all}");
    let told: Vec<usize> = (0..all).filter(|index| slice.near[*index] >= Near::Direct).collect();
    let begin = beginning(run, slice, &told);
    if begin > 0 {
        let _ = writeln!(out, "          {begin} earlier ones, before the first fault or fact of it, are not told");
    }
    for &index in &told[begin..] {
        let event = &run.events[index];
        let sign = if slice.near[index] == Near::Evidence { "*" } else { " " };
        let _ =
            writeln!(out, "{sign}{:>7}  {}  {} {}", event.number, Time(event.at), run.place(event), phrase(run, event));
        if !event.text.is_empty() && !matches!(event.what, What::Refuse | What::Halt) {
            let _ = writeln!(out, "{:22}{}", "", event.text);
        }
        for effect in event.effects.iter().filter(|effect| matters(effect)) {
            let _ = writeln!(out, "{:22}- {}", "", effect.words(run));
        }
    }
    let _ = writeln!(out, "(* carried the facts)\n");
}

/// Where a story begins: a few steps before the first of its events that a fault or a fact of the verdict
/// touches. Before it everything goes its usual way.
fn beginning(run: &Run, slice: &Slice, told: &[usize]) -> usize {
    const RUN_UP: usize = 4;
    let matters = |index: &usize| {
        let event = &run.events[*index];
        slice.near[*index] == Near::Evidence || event.what == What::Strike || !event.met.is_empty()
    };
    told.iter().position(matters).unwrap_or_default().saturating_sub(RUN_UP)
}

/// Reads are left out where they succeed: they explain little and are many.
fn matters(effect: &Effect) -> bool {
    match &effect.deed {
        Deed::Disk(call) => call.outcome.is_err() || call.is_change() || call.is_durable_point(),
        _ => true,
    }
}

fn compare(out: &mut String, report: &Report) {
    let Some(passing) = &report.passing else {
        if report.failing.verdict.failed() {
            let _ = writeln!(out, "no passing run was found nearby, in {} tries", report.tried);
        }
        return;
    };
    let _ = writeln!(out, "the nearest passing run is {}", passing.words);
    if let Some(difference) = &passing.difference {
        let _ = writeln!(out, "the first difference is at {}, in the {}", Time(difference.at), difference.part);
        let _ = writeln!(out, "  failing: {}", difference.here_says);
        let _ = writeln!(out, "  passing: {}", difference.there_says);
    }
    let _ = writeln!(out);
}
