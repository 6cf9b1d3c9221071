//! What a sweep leaves of each failure: a folder with its smallest scenario, its page, its token and its facts,
//! and a scenario file among the regressions.

#![allow(clippy::disallowed_methods, reason = "the folders belong to whoever starts the sweep")]

use crate::draw;
use crate::exit::Exit;
use crate::explain::{Report, page};
use crate::explore;
use crate::registry::Registry;
use crate::run::Keep;
use crate::scenario::Scenario;
use crate::shrink;
use crate::sweep::tally::Tally;
use crate::token::Token;
use crate::verdict::Verdict;
use contract::time::Duration;
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Signatures of a sweep that are shrunk and explained: each may take its whole time.
pub const FINDINGS_MAX: usize = 20;

const MINIMAL: &str = "minimal.toml";

/// The first failure of one signature.
#[derive(Clone, Copy)]
pub struct Finding<'a> {
    /// Its scenario.
    pub scenario: &'a Scenario,
    /// Its run.
    pub verdict: &'a Verdict,
    signature: &'a str,
}

/// How hard to shrink.
#[derive(Clone, Copy)]
pub struct Effort {
    /// Begins no run after so long; zero leaves shrinking out.
    pub time: Duration,
    /// Worker threads.
    pub jobs: usize,
}

/// The first failure of each signature, in the order of the scenarios and of the seeds.
pub fn all<'a>(scenarios: &'a [Scenario], tallies: &'a [Tally]) -> Vec<Finding<'a>> {
    let mut seen = BTreeMap::new();
    let mut findings = Vec::new();
    for (scenario, tally) in scenarios.iter().zip(tallies) {
        for (signature, group) in tally.failures() {
            if seen.insert(signature, ()).is_none() {
                findings.push(Finding { scenario, verdict: &group.first, signature });
            }
        }
    }
    findings
}

impl Finding<'_> {
    /// The scenario as the run was planned and forked.
    fn planned(&self, registry: &Registry) -> Result<Scenario, String> {
        let Verdict { seed, strategy, forks, .. } = self.verdict;
        explore::again(self.scenario, registry, *seed, *strategy, forks).map_err(|error| error.to_string())
    }

    /// A short name for the signature, and its digest: two signatures with one name have two folders.
    pub fn name(&self) -> String {
        format!("{}-{:08x}", self.slug(), Token::digest(self.signature))
    }

    fn slug(&self) -> String {
        const WORDS_MAX: usize = 6;
        let words = self.signature.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        let words: Vec<String> = words.take(WORDS_MAX).map(str::to_ascii_lowercase).collect();
        if words.is_empty() { "failure".to_owned() } else { words.join("_") }
    }

    /// Whether the same failure can be had again, by which everything but its facts is made.
    pub fn repeats(&self) -> bool {
        self.verdict.exit != Exit::NotDeterministic && !self.verdict.is_late()
    }

    /// The text of the smallest scenario, or why there is none. A folder that has one is not asked twice.
    pub fn minimal(&self, folder: Option<&Path>, registry: &Registry, effort: Effort) -> Result<String, String> {
        let kept = folder.and_then(|folder| std::fs::read_to_string(folder.join(self.name()).join(MINIMAL)).ok());
        if let Some(kept) = kept {
            return Ok(kept);
        }
        if !self.repeats() {
            return Err("not shrunk: the run does not repeat".to_owned());
        }
        if effort.time.is_zero() {
            return Err("not shrunk: --shrink-time is 0".to_owned());
        }
        let options = shrink::Options { time: Some(effort.time), jobs: effort.jobs };
        let planned = self.planned(registry)?;
        let shrunk = shrink::shrink(&planned, registry, self.verdict.seed, &options, &mut |_| {});
        shrunk.map(|shrunk| shrunk.text).map_err(|refusal| format!("not shrunk: {}", refusal.why()))
    }

    /// Writes the finding's folder below `folder`, whole or not at all; nothing if it is there already.
    pub fn write(&self, folder: &Path, minimal: &Result<String, String>, registry: &Registry) -> Result<(), String> {
        let (path, temporary) = (folder.join(self.name()), folder.join(format!(".{}", self.name())));
        if path.exists() {
            return Ok(());
        }
        let write = || -> io::Result<()> {
            if temporary.exists() {
                std::fs::remove_dir_all(&temporary)?;
            }
            std::fs::create_dir_all(&temporary)?;
            std::fs::write(temporary.join("token"), format!("{}\n", self.verdict.token()))?;
            std::fs::write(temporary.join("facts.txt"), self.facts(minimal.as_ref().err()))?;
            if let Ok(text) = minimal {
                std::fs::write(temporary.join(MINIMAL), text)?;
            }
            if let Some(page) = self.page(&path, minimal.as_ref().ok(), registry) {
                std::fs::write(temporary.join("report.html"), page)?;
            }
            std::fs::rename(&temporary, &path)
        };
        write().map_err(|error| format!("cannot write {}: {error}", path.display()))
    }

    fn facts(&self, not_shrunk: Option<&String>) -> String {
        let Verdict { seed, facts, .. } = self.verdict;
        let mut lines = vec![self.signature.to_owned(), format!("{}, seed {seed}", self.scenario.path)];
        lines.extend(facts.iter().cloned());
        lines.extend(not_shrunk.cloned());
        lines.push(self.verdict.replay());
        lines.join("\n") + "\n"
    }

    /// The page of the smallest run, or of the run as it was found.
    fn page(&self, path: &Path, minimal: Option<&String>, registry: &Registry) -> Option<String> {
        if !self.repeats() {
            return None;
        }
        let file = path.join(MINIMAL).to_string_lossy().replace('\\', "/");
        let read = minimal.and_then(|text| Scenario::parse(&file, text, registry).ok());
        let planned = self.planned(registry).ok()?;
        let scenario = read.as_ref().unwrap_or(&planned);
        let seed = read.as_ref().and_then(|read| read.seed).unwrap_or(self.verdict.seed);
        let drawn = draw::draw(scenario, seed, Keep::ALL.trace, true).ok()?;
        Some(page::html(&Report::new(scenario, registry, &drawn, |_| {})))
    }

    /// Saves the smallest scenario in the folder of regressions, beside what is there; `None` if the folder has this
    /// failure already.
    pub fn save(&self, folder: &Path, minimal: &str, registry: &Registry) -> Result<Option<PathBuf>, String> {
        let names = [format!("{}.toml", self.slug()), format!("{}.toml", self.name())];
        for path in names.map(|name| folder.join(name)) {
            let broken = |error: io::Error| format!("cannot save {}: {error}", path.display());
            std::fs::create_dir_all(folder).map_err(broken)?;
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(mut file) => {
                    file.write_all(minimal.as_bytes()).map_err(broken)?;
                    return Ok(Some(path));
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    let there = Scenario::load(&path.to_string_lossy(), registry);
                    if there.is_ok_and(|there| there.expect.signature.as_deref() == Some(self.signature)) {
                        return Ok(None);
                    }
                }
                Err(error) => return Err(broken(error)),
            }
        }
        Err(format!("{} has other files under both names of `{}`: rename them", folder.display(), self.signature))
    }
}
