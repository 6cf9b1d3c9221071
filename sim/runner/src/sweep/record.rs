//! A run as a line of `results.jsonl`: what `run --json` prints, and what a sweep needs to go on after it.

use crate::exit::Exit;
use crate::explore::{Strategy, fork};
use crate::registry::Registry;
use crate::scenario::Scenario;
use crate::verdict::Verdict;
use contract::mark::Name;
use kernel::{FaultCount, FaultKind};
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeMap;
use std::io::{self, Write};

#[derive(Serialize)]
struct Written<'a> {
    #[serde(flatten)]
    verdict: &'a Verdict,
    facts: &'a [String],
    evidence: &'a [u64],
    idle: &'a [&'static str],
    #[serde(serialize_with = "as_map")]
    coverage: &'a [(Name, u64)],
}

#[derive(Deserialize)]
struct Read {
    scenario: String,
    seed: u64,
    strategy: Option<String>,
    forks: Option<String>,
    verdict: String,
    signature: Option<String>,
    oracle: Option<String>,
    invariant: Option<String>,
    /// In seconds. Exact to the nanosecond up to a hundred days.
    virtual_time: f64,
    events: u64,
    fingerprint: Option<String>,
    faults: BTreeMap<String, Count>,
    undecided: BTreeMap<String, u64>,
    warnings: Vec<String>,
    facts: Vec<String>,
    evidence: Vec<u64>,
    idle: Vec<String>,
    coverage: BTreeMap<String, u64>,
}

#[derive(Deserialize)]
struct Count {
    asked: u64,
    fired: u64,
}

/// Writes the line.
pub fn write(out: &mut dyn Write, verdict: &Verdict) -> io::Result<()> {
    let Verdict { facts, evidence, idle, coverage, .. } = verdict;
    serde_json::to_writer(&mut *out, &Written { verdict, facts, evidence, idle, coverage }).map_err(io::Error::from)?;
    out.write_all(b"\n")
}

/// Reads the line of this seed of the scenario; an error says what is wrong with it.
pub fn read(line: &[u8], scenario: &Scenario, seed: u64, registry: &Registry) -> Result<Verdict, String> {
    let read: Read = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    if read.scenario != scenario.path || read.seed != seed {
        let found = format!("seed {} of {}", read.seed, read.scenario);
        return Err(format!("it has {found} where seed {seed} of {} belongs", scenario.path));
    }
    let oracle = |name: &str| {
        let known = registry.oracles.iter().find(|kind| kind.name == name);
        known.map(|kind| kind.name).ok_or_else(|| format!("there is no oracle `{name}`"))
    };
    let fault = |(name, count): (&String, &Count)| {
        let kind = FaultKind::from_name(name).ok_or_else(|| format!("there is no fault `{name}`"))?;
        Ok((kind, FaultCount { asked: count.asked, fired: count.fired }))
    };
    let mut faults = read.faults.iter().map(fault).collect::<Result<Vec<_>, String>>()?;
    faults.sort_by_key(|(kind, _)| *kind);
    let strategy = read.strategy.as_deref().map_or(Ok(Strategy::default()), |name| {
        Strategy::from_name(name).ok_or_else(|| format!("there is no strategy `{name}`"))
    })?;
    let undecided = read.undecided.iter().map(|(name, count)| Ok((oracle(name)?, *count)));
    let fingerprint = read.fingerprint.map(|text| u64::from_str_radix(&text, 16)).transpose();
    Ok(Verdict {
        scenario: read.scenario,
        hash: scenario.hash,
        seed,
        strategy,
        forks: read.forks.as_deref().map_or(Ok(Vec::new()), fork::parse)?,
        exit: Exit::from_word(&read.verdict).ok_or_else(|| format!("no run ends as `{}`", read.verdict))?,
        signature: read.signature,
        oracle: read.oracle,
        invariant: read.invariant,
        facts: read.facts,
        evidence: read.evidence,
        idle: read.idle.iter().map(|name| oracle(name)).collect::<Result<_, _>>()?,
        undecided: undecided.collect::<Result<_, String>>()?,
        warnings: read.warnings,
        virtual_time: (read.virtual_time * 1e9).round() as u64,
        events: read.events,
        fingerprint: fingerprint.map_err(|error| format!("its fingerprint: {error}"))?,
        faults,
        coverage: read.coverage.into_iter().map(|(mark, count)| (mark.into(), count)).collect(),
    })
}

fn as_map<S: Serializer>(counts: &&[(Name, u64)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(counts.iter().map(|(name, count)| (name, count)))
}
