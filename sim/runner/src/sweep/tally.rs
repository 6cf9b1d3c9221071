//! What a sweep knows of one scenario.

use crate::exit::Exit;
use crate::scenario::Scenario;
use crate::sweep::novelty::Novelty;
use crate::verdict::Verdict;
use contract::mark::Name;
use contract::time::Duration;
use kernel::{FaultCount, FaultKind};
use std::collections::{BTreeMap, BTreeSet};

/// Signatures that are told apart. A scenario with more has one cause in many shapes; memory is bounded.
const GROUPS_MAX: usize = 1_000;

/// Sums over the runs of one scenario, in the order of the seeds.
#[derive(Clone, Debug)]
pub struct Tally {
    /// The scenario's path.
    pub path: String,
    /// What it is about.
    pub title: String,
    /// Runs so far.
    pub runs: u64,
    /// Runs that passed, vacuous ones included.
    pub passed: u64,
    /// Runs in which a fault that was asked for met nobody, or an oracle judged nothing.
    pub vacuous: u64,
    /// Runs that passed with a warning.
    pub warned: u64,
    /// The first of them: its seed and its warning.
    pub warning: Option<(u64, String)>,
    /// Failures of one signature, by that signature.
    pub groups: BTreeMap<String, Group>,
    /// Failures whose signature found no room.
    pub unlisted: u64,
    /// How rare new behaviour has become.
    pub novelty: Novelty,
    /// Whether the sweep was interrupted.
    pub cut_short: bool,
    /// Asked and fired, by kind.
    pub faults: BTreeMap<FaultKind, FaultCount>,
    /// How often each mark was seen.
    pub coverage: BTreeMap<Name, u64>,
    /// Events of all runs.
    pub events: u64,
    /// Virtual time of all runs, in nanoseconds.
    pub virtual_time: u128,
    /// Time of the machine, summed over the threads.
    pub wall: Duration,
    idle: BTreeMap<&'static str, u64>,
    asks: BTreeSet<FaultKind>,
    /// Whether it reproduces one failure: a run without it is as good as any.
    saved: bool,
    quiet_below: Option<f64>,
    negative: Option<Negative>,
}

/// Failures with one signature.
#[derive(Clone, Debug)]
pub struct Group {
    /// How many.
    pub count: u64,
    /// The first, by seed.
    pub first: Verdict,
}

/// What a negative scenario looks for.
#[derive(Clone, Debug)]
struct Negative {
    defect: &'static str,
    catcher: Option<&'static str>,
    /// The first failure: the search is over.
    found: Option<Verdict>,
}

impl Tally {
    /// Nothing run yet. It is over once the chance of something new is below `quiet_below`.
    pub fn new(scenario: &Scenario, quiet_below: Option<f64>) -> Tally {
        let asks: BTreeSet<FaultKind> = scenario.faults.iter().map(|fault| fault.kind).collect();
        let negative = |defect| Negative { defect, catcher: scenario.expect.caught_by, found: None };
        Tally {
            path: scenario.path.clone(),
            title: scenario.title.clone(),
            runs: 0,
            passed: 0,
            vacuous: 0,
            warned: 0,
            warning: None,
            groups: BTreeMap::new(),
            unlisted: 0,
            novelty: Novelty::default(),
            cut_short: false,
            faults: asks.iter().map(|&kind| (kind, FaultCount::default())).collect(),
            coverage: BTreeMap::new(),
            events: 0,
            virtual_time: 0,
            wall: Duration::ZERO,
            idle: BTreeMap::new(),
            asks,
            saved: scenario.saved_seed().is_some(),
            quiet_below,
            negative: scenario.expect.defect.map(negative),
        }
    }

    /// Adds the next run.
    pub fn add(&mut self, verdict: &Verdict) {
        assert!(!self.is_over(), "nothing is added to a search that is over");
        self.runs += 1;
        self.novelty.add(verdict);
        self.events += verdict.events;
        self.virtual_time += u128::from(verdict.virtual_time);
        for (kind, count) in &verdict.faults {
            let sum = self.faults.entry(*kind).or_default();
            sum.asked += count.asked;
            sum.fired += count.fired;
        }
        for (mark, count) in &verdict.coverage {
            *self.coverage.entry(mark.clone()).or_default() += count;
        }
        if verdict.failed() {
            self.fail(verdict);
        } else {
            self.passed += 1;
            self.vacuous += u64::from(verdict.exit == Exit::Vacuous);
            if let Some(warning) = verdict.warnings.first() {
                self.warned += 1;
                self.warning.get_or_insert_with(|| (verdict.seed, warning.clone()));
            }
            for oracle in &verdict.idle {
                *self.idle.entry(oracle).or_default() += 1;
            }
        }
    }

    /// A negative scenario is decided by its first failure, any other once its behaviour is known well enough.
    pub fn is_over(&self) -> bool {
        self.found().is_some() || self.is_quiet()
    }

    /// Whether new behaviour has become as rare as was asked for.
    pub fn is_quiet(&self) -> bool {
        self.quiet_below.is_some_and(|limit| self.novelty.chance().is_some_and(|chance| chance < limit))
    }

    /// What was found out about new behaviour, if somebody asked.
    pub fn rarity(&self) -> Option<String> {
        let limit = self.quiet_below?;
        let (seen, once) = self.novelty.seen_and_once();
        let counts = format!("{seen} traits, {once} of them seen in one run only");
        Some(match self.novelty.chance() {
            None => format!("too few runs to estimate the chance of something new: {counts}"),
            Some(chance) => {
                let word = if self.is_quiet() { "quiet" } else { "not yet quiet" };
                format!(
                    "{word}: the next run shows something new with a chance of {chance:.1e} (limit {limit:.1e}; {counts})"
                )
            }
        })
    }

    /// What the sweep says of the scenario, and why if it is not well.
    pub fn outcome(&self) -> (Exit, Vec<String>) {
        match &self.negative {
            Some(negative) if negative.found.is_some() || !self.cut_short => negative.outcome(self.runs),
            Some(_) => (Exit::Vacuous, vec![self.interruption()]),
            None => self.positive_outcome(),
        }
    }

    /// What the warnings say in a sentence, if there are any.
    pub fn warnings(&self) -> Option<String> {
        let (seed, warning) = self.warning.as_ref()?;
        Some(format!(
            "{} of {} runs passed with a warning, the first with seed {seed}: {warning}",
            self.warned, self.runs
        ))
    }

    /// The failures, the earliest first.
    pub fn failures(&self) -> Vec<(&str, &Group)> {
        let mut failures: Vec<(&str, &Group)> =
            self.groups.iter().map(|(signature, group)| (&**signature, group)).collect();
        failures.sort_by_key(|(signature, group)| (group.first.seed, *signature));
        failures
    }

    /// The failure that a negative scenario found.
    pub fn found(&self) -> Option<&Verdict> {
        self.negative.as_ref()?.found.as_ref()
    }

    /// Whether it looks for a planted defect.
    pub fn is_negative(&self) -> bool {
        self.negative.is_some()
    }

    fn fail(&mut self, verdict: &Verdict) {
        let signature = verdict.signature.clone().unwrap_or_else(|| verdict.exit.word().to_owned());
        if let Some(group) = self.groups.get_mut(&signature) {
            group.count += 1;
        } else if self.groups.len() < GROUPS_MAX {
            self.groups.insert(signature, Group { count: 1, first: verdict.clone() });
        } else {
            self.unlisted += 1;
        }
        if let Some(negative) = &mut self.negative {
            negative.found = Some(verdict.clone());
        }
    }

    fn interruption(&self) -> String {
        format!("interrupted after {} runs, in which nothing failed", self.runs)
    }

    fn positive_outcome(&self) -> (Exit, Vec<String>) {
        let worst = self.groups.values().fold(Exit::Passed, |exit, group| exit.or_graver(group.first.exit));
        if worst != Exit::Passed {
            let why =
                format!("{} more failed runs, of more than {GROUPS_MAX} signatures, are not listed", self.unlisted);
            return (worst, if self.unlisted > 0 { vec![why] } else { Vec::new() });
        }
        if self.cut_short {
            return (Exit::Vacuous, vec![self.interruption()]);
        }
        if self.saved {
            return (Exit::Passed, Vec::new());
        }
        let unmet = self.asks.iter().filter(|kind| self.faults.get(kind).is_none_or(|count| count.fired == 0));
        let unmet = unmet.map(|kind| {
            format!("fault {} never fired in {} runs: ask for it more often, or run more seeds", kind.name(), self.runs)
        });
        let idle = self.idle.iter().filter(|(_, runs)| **runs == self.passed);
        let idle = idle.map(|(oracle, runs)| format!("oracle {oracle} judged nothing in {runs} runs"));
        let why: Vec<String> = unmet.chain(idle).collect();
        (if why.is_empty() { Exit::Passed } else { Exit::Vacuous }, why)
    }
}

impl Negative {
    fn outcome(&self, runs: u64) -> (Exit, Vec<String>) {
        let (defect, catcher) = (self.defect, self.catcher.unwrap_or("any oracle"));
        let Some(found) = &self.found else {
            return (Exit::Violated, vec![format!("defect {defect} was missed by {catcher} in {runs} seeds")]);
        };
        let by = found.oracle.as_deref().unwrap_or(found.exit.word());
        if self.catcher.is_none_or(|catcher| catcher == by) {
            return (
                Exit::Passed,
                vec![format!("defect {defect} caught by {by} after {runs} seeds (seed {})", found.seed)],
            );
        }
        let why =
            format!("defect {defect} was to be caught by {catcher}, but seed {} was first stopped by {by}", found.seed);
        (Exit::Violated.or_graver(found.exit), vec![why])
    }
}
