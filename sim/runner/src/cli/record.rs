//! `--record` of `run`, `sweep` and `shrink`: writes a recording of a failure.

#![allow(clippy::disallowed_methods, reason = "recordings are files of whoever asks for them")]

use super::Session;
use crate::exit::Exit;
use crate::explore::{Strategy, again};
use crate::recording::Recording;
use crate::scenario::write::Comments;
use crate::scenario::{self, Scenario};
use crate::shrink::Shrunk;
use crate::verdict::Verdict;
use std::path::Path;
use xxhash_rust::xxh3::xxh3_64;

/// Runs a failure again and writes its recording; a run that did not fail leaves none, and says so.
pub fn failure(session: &mut Session<'_, '_>, file: &Path, scenario: &Scenario, verdict: &Verdict) -> Result<(), Exit> {
    if !verdict.failed() {
        session.console.note(format!("nothing recorded: seed {} of {} does not fail", verdict.seed, scenario.path));
        return Ok(());
    }
    let expected = (verdict.signature.as_deref(), verdict.fingerprint);
    let (by, forks) = (verdict.strategy, &verdict.forks);
    if by == Strategy::Uniform && forks.is_empty() {
        let text = text_of(scenario).map_err(|why| session.broken(why))?;
        return write(session, file, scenario, &text, verdict.seed, expected);
    }
    // What was run is not what the file says: the recording holds the scenario that the strategy made of it.
    let explored = again(scenario, session.registry, verdict.seed, by, forks);
    let explored = explored.map_err(|error| session.refused(error))?;
    let text = scenario::write::write(&explored, &Comments::default());
    write(session, file, &explored, &text, verdict.seed, expected)
}

/// Writes a recording of what a search ended with; `out` is the shrunk scenario's file.
pub fn shrunk(session: &mut Session<'_, '_>, file: &Path, shrunk: &Shrunk, out: Option<&Path>) -> Result<(), Exit> {
    let mut scenario = shrunk.scenario.clone();
    if let Some(out) = out {
        scenario.path = out.to_string_lossy().replace('\\', "/");
    }
    write(session, file, &scenario, &shrunk.text, shrunk.seed, (Some(&shrunk.signature), None))
}

/// The text that a scenario was read from.
fn text_of(scenario: &Scenario) -> Result<String, String> {
    let path = &scenario.path;
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("cannot read {path} for the recording: {error}"))?;
    if xxh3_64(text.as_bytes()) == scenario.hash {
        Ok(text)
    } else {
        Err(format!("{path} has changed while it ran: run it again with --record"))
    }
}

/// Writes a recording of a run that is known to end as `expected`: with that signature and fingerprint.
fn write(
    session: &mut Session<'_, '_>,
    file: &Path,
    scenario: &Scenario,
    text: &str,
    seed: u64,
    expected: (Option<&str>, Option<u64>),
) -> Result<(), Exit> {
    let recording = Recording::make(scenario, text, session.registry, seed).map_err(|error| session.refused(error))?;
    let same = recording.signature.as_deref() == expected.0
        && expected.1.is_none_or(|fingerprint| fingerprint == recording.fingerprint);
    if !same {
        let path = &scenario.path;
        session.console.note(format!(
            "error: seed {seed} of {path} went another way when it was recorded: check it with \
             `stormproof run {path} --seed {seed} --check-determinism`"
        ));
        return Err(Exit::NotDeterministic);
    }
    let bytes = recording.encode().map_err(|error| session.refused(format!("cannot be recorded: {error}")))?;
    let written = std::fs::write(file, &bytes);
    written.map_err(|error| session.broken(format!("cannot write {}: {error}", file.display())))?;
    let Recording { events, samples, .. } = recording;
    session.console.note(format!(
        "recorded {} of {events} events in {} ({} KiB)",
        samples.all.len(),
        file.display(),
        bytes.len().div_ceil(1024)
    ));
    Ok(())
}
