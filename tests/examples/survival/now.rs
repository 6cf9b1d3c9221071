//! This build: runs an earlier build's failures again, and says what has become of them.

use crate::past::Failure;
use runner::recording::Recording;
use runner::run::{self, Keep};
use runner::verdict::{Verdict, hex};
use runner::{Registry, Scenario, recording};

/// What has become of a failure.
pub struct Fate {
    /// Whether every event is the same.
    pub same_run: bool,
    same_failure: bool,
    /// What the run ends with now.
    pub words: String,
    /// Where the run first departs from its recording.
    pub departs: Option<String>,
}

impl Fate {
    /// Whether it still fails the same way.
    pub fn survives(&self) -> bool {
        self.same_failure
    }

    fn of(failure: &Failure, verdict: &Verdict) -> Fate {
        let words = match &verdict.signature {
            Some(now) => format!("fails with `{now}`"),
            None => "passes".to_owned(),
        };
        Fate {
            same_run: verdict.fingerprint.map(hex).as_ref() == Some(&failure.fingerprint),
            same_failure: verdict.signature.as_ref() == Some(&failure.signature),
            words,
            departs: None,
        }
    }

    fn lost(words: String) -> Fate {
        Fate { same_run: false, same_failure: false, words, departs: None }
    }
}

/// Of the token: the scenario's file as it is today.
pub fn by_token(registry: &Registry, failure: &Failure) -> Fate {
    match std::fs::read_to_string(&failure.path) {
        Ok(text) => by_text(registry, failure, &text, failure.seed),
        Err(error) => Fate::lost(format!("is unreadable: {error}")),
    }
}

/// Of the recording: the scenario's text as it was. A build that wrote none leaves the text alone.
pub fn by_recording(registry: &Registry, failure: &Failure) -> Fate {
    let Some(bytes) = &failure.recording else { return by_text(registry, failure, &failure.text, failure.seed) };
    let recording = match Recording::decode(bytes) {
        Ok(recording) => recording,
        Err(why) => return Fate::lost(format!("is unreadable: {why}")),
    };
    let Ok(scenario) = Scenario::parse(&recording.path, &recording.text, registry) else {
        return Fate::lost("is not understood any more".to_owned());
    };
    match run::run(&scenario, registry, recording.seed, recording::KEEP) {
        Ok(finished) => {
            let departs = recording.divergence(&scenario, &finished);
            let place = |it: recording::Divergence| format!("at event {} of {}, {}", it.event, it.process, it.field);
            Fate { departs: departs.map(place), ..Fate::of(failure, &finished.verdict) }
        }
        Err(error) => Fate::lost(format!("cannot be built: {error}")),
    }
}

/// Of the shrunk file, where there is one.
pub fn by_shrunk(registry: &Registry, failure: &Failure) -> Option<Fate> {
    failure.shrunk.as_ref().map(|text| by_text(registry, failure, text, failure.seed))
}

fn by_text(registry: &Registry, failure: &Failure, text: &str, seed: u64) -> Fate {
    let Ok(scenario) = Scenario::parse(&failure.path, text, registry) else {
        return Fate::lost("is not understood any more".to_owned());
    };
    match run::run(&scenario, registry, seed, Keep::LITTLE) {
        Ok(finished) => Fate::of(failure, &finished.verdict),
        Err(error) => Fate::lost(format!("cannot be built: {error}")),
    }
}
