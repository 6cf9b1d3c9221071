//! `stormproof replay`: the same failure, another one, or none.

use super::{ReplayArgs, Session, run};
use crate::exit::Exit;
use crate::scenario::Scenario;
use crate::token::Token;
use crate::verdict::{Verdict, hex};

/// What the earlier run found.
struct Earlier {
    /// `Err` holds the digest from a token, `Ok` the whole text from a file; `None` for a run that passed.
    signature: Option<Result<String, u32>>,
    fingerprint: Option<u64>,
}

/// Runs it again and compares.
pub fn replay(session: &mut Session<'_, '_>, args: &ReplayArgs) -> Exit {
    let (scenario, seed, earlier) = match find(session, &args.token_or_file) {
        Ok(found) => found,
        Err(exit) => return exit,
    };
    let finished = match run::one(session, &scenario, seed, args.json, args.trace) {
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

fn compare(earlier: &Earlier, verdict: &Verdict) -> Vec<String> {
    let now = verdict.signature.as_deref();
    let same = match (&earlier.signature, now) {
        (Some(Ok(text)), Some(now)) => text == now,
        (Some(Err(digest)), Some(now)) => *digest == Token::digest(now),
        _ => false,
    };
    let mut lines = vec![match (&earlier.signature, now) {
        (Some(_), Some(_)) if same => "it still fails the same way".to_owned(),
        (Some(_), Some(now)) => format!("it fails in another way now: {now}"),
        (Some(_), None) => "it no longer fails".to_owned(),
        (None, Some(now)) => format!("it fails now: {now}"),
        (None, None) => "it passes, as before".to_owned(),
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
