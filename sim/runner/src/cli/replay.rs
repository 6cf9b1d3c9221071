//! `stormproof replay`: the same failure, another one, or none; of a recording also where the run departs from it.

#![allow(clippy::disallowed_methods, reason = "recordings are files of whoever asks for their replay")]

use super::{ReplayArgs, Session, run};
use crate::console::Tone;
use crate::exit::Exit;
use crate::recording::{self, Divergence, Recording};
use crate::run::Keep;
use crate::scenario::Scenario;
use crate::token::{Token, quoted_for_shell};
use crate::verdict::{Verdict, hex};
use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64;

/// What the earlier run found.
struct Earlier {
    /// `Err` holds the digest from a token, `Ok` the whole text from a file; `None` for a run that passed.
    signature: Option<Result<String, u32>>,
    fingerprint: Option<u64>,
}

/// What has become of a failure; its words are part of the command line's contract.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Failure {
    /// The same signature.
    Same,
    /// Another signature.
    Another,
    /// It passes now.
    Gone,
    /// It passed then.
    New,
    /// It passes, as it did.
    None,
}

/// The machine-readable result for a recording: the keys of a run, and these.
#[derive(Serialize)]
struct Replayed<'a> {
    #[serde(flatten)]
    verdict: &'a Verdict,
    failure: Failure,
    same_fingerprint: bool,
    divergence: Option<&'a Divergence>,
}

/// Runs it again and compares.
pub fn replay(session: &mut Session<'_, '_>, args: &ReplayArgs) -> Exit {
    let bytes = if Token::is_one(&args.token_or_file) { None } else { std::fs::read(&args.token_or_file).ok() };
    if let Some(bytes) = bytes.filter(|bytes| Recording::is_one(&args.token_or_file, bytes)) {
        return recorded(session, args, &bytes).unwrap_or_else(|exit| exit);
    }
    let (scenario, seed, earlier) = match find(session, &args.token_or_file) {
        Ok(found) => found,
        Err(exit) => return exit,
    };
    let finished = match run::one(session, &scenario, seed, args.json, Keep::of(args.trace)) {
        Ok(finished) => finished,
        Err(exit) => return exit,
    };
    let verdict = &finished.verdict;
    run::report(session, &finished, verdict, args.json, args.trace);
    if !args.json {
        session.console.say("");
        for line in compare(&earlier, verdict) {
            session.console.say(line);
        }
    }
    run::replay_line(session, verdict, args.json);
    verdict.exit
}

/// Runs a recording's scenario again, as its text was, and compares event by event.
fn recorded(session: &mut Session<'_, '_>, args: &ReplayArgs, bytes: &[u8]) -> Result<Exit, Exit> {
    let file = &args.token_or_file;
    let recording = Recording::decode(bytes)
        .map_err(|why| session.refused(format!("{file} is no recording that can be replayed: {why}")))?;
    let scenario =
        Scenario::parse(&recording.path, &recording.text, session.registry).map_err(|errors| session.wrong(&errors))?;
    if std::fs::read(&recording.path).map(|text| xxh3_64(&text)).ok() != Some(scenario.hash) {
        session.console.note(format!("{} is not what was recorded; the recorded text is run", recording.path));
    }
    let keep = if args.trace { Keep::ALL } else { recording::KEEP };
    let finished = run::one(session, &scenario, recording.seed, args.json, keep)?;
    let verdict = &finished.verdict;
    let divergence = recording.divergence(&scenario, &finished);
    let earlier = Earlier { signature: recording.signature.clone().map(Ok), fingerprint: Some(recording.fingerprint) };
    if args.json {
        let failure = failure(&earlier, verdict.signature.as_deref());
        let same_fingerprint = verdict.fingerprint == earlier.fingerprint;
        let replayed = Replayed { verdict, failure, same_fingerprint, divergence: divergence.as_ref() };
        session.console.say(run::to_json(&replayed));
        return Ok(verdict.exit);
    }
    run::report(session, &finished, verdict, false, args.trace);
    session.console.say("");
    for line in compare(&earlier, verdict) {
        session.console.say(line);
    }
    match divergence {
        None => session.console.say(format!("the run is the recorded one, event by event: {}", equality(&recording))),
        Some(divergence) => {
            for line in divergence.lines() {
                let line = session.console.paint(Tone::Doubtful, line);
                session.console.say(line);
            }
        }
    }
    session.say_command("replay: ", &format!("stormproof replay {}", quoted_for_shell(file)));
    Ok(verdict.exit)
}

/// How much of a run was compared.
fn equality(recording: &Recording) -> String {
    format!("{} of {} events compared", recording.samples.all.len(), recording.events)
}

fn find(session: &mut Session<'_, '_>, what: &str) -> Result<(Scenario, u64, Earlier), Exit> {
    if !Token::is_one(what) {
        let scenario = session.load(what)?;
        let seed = scenario.seed.unwrap_or(0);
        let signature = scenario.expect.signature.clone().map(Ok);
        return Ok((scenario, seed, Earlier { signature, fingerprint: None }));
    }
    let (scenario, token) = session.named(what)?;
    let earlier = Earlier { signature: token.signature.map(Err), fingerprint: Some(token.fingerprint) };
    Ok((scenario, token.seed, earlier))
}

/// What has become of the earlier run's failure.
fn failure(earlier: &Earlier, now: Option<&str>) -> Failure {
    match (&earlier.signature, now) {
        (Some(Ok(text)), Some(now)) if text == now => Failure::Same,
        (Some(Err(digest)), Some(now)) if *digest == Token::digest(now) => Failure::Same,
        (Some(_), Some(_)) => Failure::Another,
        (Some(_), None) => Failure::Gone,
        (None, Some(_)) => Failure::New,
        (None, None) => Failure::None,
    }
}

fn compare(earlier: &Earlier, verdict: &Verdict) -> Vec<String> {
    let now = verdict.signature.as_deref();
    let words = now.unwrap_or_default();
    let mut lines = vec![match failure(earlier, now) {
        Failure::Same => "it still fails the same way".to_owned(),
        Failure::Another => format!("it fails in another way now: {words}"),
        Failure::Gone => "it no longer fails".to_owned(),
        Failure::New => format!("it fails now: {words}"),
        Failure::None => "it passes, as before".to_owned(),
    }];
    match (earlier.fingerprint, verdict.fingerprint) {
        (Some(before), Some(now)) if before == now => lines.push(format!("the fingerprint is equal: {}", hex(now))),
        (Some(before), Some(now)) => {
            lines.push(format!(
                "the fingerprint differs: {} then, {} now; code or scenario have changed",
                hex(before),
                hex(now)
            ));
        }
        _ => {}
    }
    lines
}
