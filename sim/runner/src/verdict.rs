//! What one run found, as people and machines read it.

use crate::engine::End;
use crate::exit::Exit;
use crate::explore::{Fork, Strategy, fork};
use crate::judge::Judge;
use crate::panics::without_numbers;
use crate::scenario::Scenario;
use crate::token::Token;
use contract::Time;
use contract::mark::Name;
use kernel::{FaultCount, FaultKind};
use serde::ser::{SerializeMap, SerializeStruct};
use serde::{Serialize, Serializer};

/// The invariant that a run breaks which does not converge.
pub const LIVE: &str = "LIVE";

/// The signature of a run that took too much of the machine's time.
pub const WALL_CLOCK: &str = "wall clock: the run took longer than its limit";

/// What one run found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The scenario's path.
    pub scenario: String,
    /// Of the scenario's text.
    pub hash: u64,
    /// The seed.
    pub seed: u64,
    /// The strategy that planned the run.
    pub strategy: Strategy,
    /// Where other seeds took over.
    pub forks: Vec<Fork>,
    /// How it ended.
    pub exit: Exit,
    /// What makes two failures the same.
    pub signature: Option<String>,
    /// The oracle that found it, or waits for it.
    pub oracle: Option<String>,
    /// The invariant that is broken.
    pub invariant: Option<String>,
    /// The facts, a sentence a line.
    pub facts: Vec<String>,
    /// The events that carried the facts.
    pub evidence: Vec<u64>,
    /// The oracles that judged nothing in a run that passed.
    pub idle: Vec<&'static str>,
    /// How many facts an oracle could judge neither way, for each that left some open.
    pub undecided: Vec<(&'static str, u64)>,
    /// What is no failure and yet worth knowing: a run that did not converge and could not have.
    pub warnings: Vec<String>,
    /// How much time passed in the run, in nanoseconds.
    pub virtual_time: u64,
    /// How many events were handled; in a real run how many marks were seen.
    pub events: u64,
    /// Over every event; a real run has none.
    pub fingerprint: Option<u64>,
    /// Asked and fired, by kind.
    pub faults: Vec<(FaultKind, FaultCount)>,
    /// How often each kind of mark was seen.
    pub coverage: Vec<(Name, u64)>,
}

/// What a run measured beside its end.
pub struct Measured {
    /// In nanoseconds.
    pub virtual_time: u64,
    /// Events or marks.
    pub events: u64,
    /// Over every event.
    pub fingerprint: Option<u64>,
    /// Asked and fired, by kind.
    pub faults: Vec<(FaultKind, FaultCount)>,
}

impl Verdict {
    /// Puts together how a run ended, what its judges say and what was measured.
    pub fn new(scenario: &Scenario, seed: u64, end: &End, judge: &Judge, measured: Measured) -> Verdict {
        let mut verdict = Verdict {
            scenario: scenario.path.clone(),
            hash: scenario.hash,
            seed,
            strategy: scenario.strategy,
            forks: scenario.forks.clone(),
            exit: Exit::Passed,
            signature: None,
            oracle: None,
            invariant: None,
            facts: Vec::new(),
            evidence: Vec::new(),
            idle: Vec::new(),
            undecided: judge.undecided(),
            warnings: Vec::new(),
            virtual_time: measured.virtual_time,
            events: measured.events,
            fingerprint: measured.fingerprint,
            faults: measured.faults,
            coverage: judge.coverage().iter().map(|(kind, count)| (kind.clone(), *count)).collect(),
        };
        match end {
            End::Violated => verdict.violated(judge),
            End::NotConverged => verdict.not_converged(judge),
            End::Exhausted => {
                verdict.exit = Exit::NotConverged;
                verdict.signature = Some("livelock: the run used up its events".to_owned());
                verdict.facts = vec![format!(
                    "{} events and no end: some actor goes round in circles (see `--trace`; `limits.events` sets the limit)",
                    measured.events
                )];
            }
            End::Late => {
                verdict.exit = Exit::NotConverged;
                verdict.signature = Some(WALL_CLOCK.to_owned());
                // Where it stood depends on the machine: it is no part of what two runs have in common.
                verdict.fingerprint = None;
                verdict.facts = vec![format!(
                    "given up after {} events, at {} of virtual time (`--run-limit` sets how long a run may take)",
                    measured.events,
                    Time(measured.virtual_time)
                )];
            }
            End::Panicked(caught) => {
                verdict.exit = Exit::Panicked;
                verdict.signature = Some(caught.signature());
                verdict.facts = vec![format!("{} ({})", caught.message, caught.place)];
            }
            End::Converged | End::Hopeless => verdict.vacuous(judge),
        }
        verdict
    }

    /// A verdict of a run whose repetition differed.
    pub fn not_deterministic(mut self, difference: Vec<String>) -> Verdict {
        self.exit = Exit::NotDeterministic;
        self.signature = Some("two runs of one seed differ".to_owned());
        (self.oracle, self.invariant) = (None, None);
        self.facts = difference;
        self
    }

    /// Whether the machine's time decided how it ended, so that no other run need be the same.
    pub fn is_late(&self) -> bool {
        self.signature.as_deref() == Some(WALL_CLOCK)
    }

    /// Whether something is wrong with the system under test, or with the simulator.
    pub fn failed(&self) -> bool {
        !matches!(self.exit, Exit::Passed | Exit::Vacuous)
    }

    /// The one line that brings this run back.
    pub fn token(&self) -> Token {
        Token {
            path: self.scenario.clone(),
            hash: self.hash as u32,
            seed: self.seed,
            strategy: self.strategy,
            forks: self.forks.clone(),
            signature: self.signature.as_deref().map(Token::digest),
            fingerprint: self.fingerprint.unwrap_or(0),
        }
    }

    /// The command that brings this run back.
    pub fn replay(&self) -> String {
        format!("stormproof replay {}", self.token().quoted())
    }

    fn violated(&mut self, judge: &Judge) {
        self.exit = Exit::Violated;
        let Some(violation) = judge.violation() else { return };
        self.signature = Some(violation.signature());
        self.oracle = Some(violation.oracle.to_owned());
        self.invariant = Some(violation.invariant.to_owned());
        self.facts = vec![violation.facts.clone()];
        self.evidence.clone_from(&violation.events);
    }

    fn not_converged(&mut self, judge: &Judge) {
        self.exit = Exit::NotConverged;
        let pending = judge.pending();
        if let Some((oracle, sentence)) = pending.first() {
            self.signature = Some(format!("{oracle}/{LIVE}: {}", without_numbers(sentence)));
            self.oracle = Some((*oracle).to_owned());
        }
        self.invariant = Some(LIVE.to_owned());
        self.facts = pending.into_iter().map(|(oracle, sentence)| format!("{oracle} waits: {sentence}")).collect();
    }

    /// A run that passed proves nothing about a fault that was asked for and met nobody.
    fn vacuous(&mut self, judge: &Judge) {
        let unmet = self.faults.iter().filter(|(_, count)| count.asked > 0 && count.fired == 0);
        let unmet = unmet
            .map(|(kind, count)| format!("fault {} was asked for {} times and met nobody", kind.name(), count.asked));
        let idle = judge.idle_oracles();
        self.facts = unmet.chain(idle.iter().map(|oracle| format!("oracle {oracle} judged nothing"))).collect();
        self.idle = idle;
        if !self.facts.is_empty() {
            self.exit = Exit::Vacuous;
        }
    }
}

/// The machine-readable object of one run; its keys are part of the command line's contract.
impl Serialize for Verdict {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Verdict", 16)?;
        object.serialize_field("scenario", &self.scenario)?;
        object.serialize_field("seed", &self.seed)?;
        // What is usual is not said.
        if self.strategy != Strategy::default() {
            object.serialize_field("strategy", self.strategy.name())?;
        }
        if !self.forks.is_empty() {
            object.serialize_field("forks", &fork::show(&self.forks))?;
        }
        object.serialize_field("verdict", self.exit.word())?;
        object.serialize_field("exit", &self.exit.code())?;
        object.serialize_field("signature", &self.signature)?;
        object.serialize_field("oracle", &self.oracle)?;
        object.serialize_field("invariant", &self.invariant)?;
        object.serialize_field("virtual_time", &Seconds(self.virtual_time))?;
        object.serialize_field("events", &self.events)?;
        object.serialize_field("fingerprint", &self.fingerprint.map(hex))?;
        object.serialize_field("faults", &Faults(&self.faults))?;
        object.serialize_field("undecided", &Undecided(&self.undecided))?;
        object.serialize_field("warnings", &self.warnings)?;
        object.serialize_field("replay", &self.replay())?;
        object.end()
    }
}

/// A fingerprint as text: JSON numbers are not exact beyond 53 bits.
pub fn hex(fingerprint: u64) -> String {
    format!("{fingerprint:016x}")
}

/// Nanoseconds as seconds.
pub struct Seconds(pub u64);

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0 as f64 / 1e9)
    }
}

/// Counts by oracle as a map.
struct Undecided<'a>(&'a [(&'static str, u64)]);

impl Serialize for Undecided<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}

/// Counts by kind as a map.
pub struct Faults<'a>(pub &'a [(FaultKind, FaultCount)]);

impl Serialize for Faults<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Count {
            asked: u64,
            fired: u64,
        }
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (kind, count) in self.0 {
            map.serialize_entry(kind.name(), &Count { asked: count.asked, fired: count.fired })?;
        }
        map.end()
    }
}
