//! What goes through the queue: a range as a JSON object, a result as a line that says whose, and a line a run.

use crate::registry::Registry;
use crate::scenario::Scenario;
use crate::sweep::record;
use crate::verdict::{Verdict, hex};
use contract::time::{Duration, nanos};
use serde::{Deserialize, Serialize};

/// Seeds of one scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Range {
    /// Its number in the sweep.
    pub number: u64,
    /// The scenario's path.
    pub scenario: String,
    /// Of the scenario's text.
    pub hash: String,
    /// The first seed.
    pub first: u64,
    /// From one seed to the next: more than 1 in a shard.
    pub step: u64,
    /// How many.
    pub count: u64,
}

impl Range {
    /// The range of these seeds, which are evenly spaced.
    pub fn new(number: u64, scenario: &Scenario, seeds: &[u64]) -> Range {
        let step = if let [first, second, ..] = seeds { second - first } else { 1 };
        Range {
            number,
            scenario: scenario.path.clone(),
            hash: hex(scenario.hash),
            first: seeds.first().copied().unwrap_or(0),
            step,
            count: seeds.len() as u64,
        }
    }

    /// Its seeds, in order; an end beyond the last number there is ends it.
    pub fn seeds(&self) -> impl Iterator<Item = u64> {
        let seed = |index: u64| self.first.checked_add(index.checked_mul(self.step)?);
        (0..self.count).map_while(seed)
    }

    /// As bytes.
    pub fn write(&self) -> Vec<u8> {
        serde_json::json!(self).to_string().into_bytes()
    }

    /// Reads what [`Range::write`] wrote.
    pub fn read(body: &[u8]) -> Result<Range, String> {
        serde_json::from_slice(body).map_err(|error| format!("the queue holds what is no range of seeds: {error}"))
    }
}

/// The first line of a result.
#[derive(Serialize, Deserialize)]
struct Head {
    worker: String,
    wall_nanos: u64,
    /// Why there are no runs.
    failure: Option<String>,
}

/// What a worker has to say about a range.
pub(super) struct Outcome {
    /// The time that it took.
    pub wall: Duration,
    /// Its runs, in the order of the seeds, or why there are none.
    pub verdicts: Result<Vec<Verdict>, String>,
}

impl Outcome {
    /// As bytes.
    pub fn write(&self, worker: &str) -> Result<Vec<u8>, String> {
        let failure = self.verdicts.as_ref().err().cloned();
        let head = Head { worker: worker.to_owned(), wall_nanos: nanos(self.wall), failure };
        let mut body = serde_json::to_vec(&head).map_err(|error| error.to_string())?;
        body.push(b'\n');
        for verdict in self.verdicts.iter().flatten() {
            record::write(&mut body, verdict).map_err(|error| error.to_string())?;
        }
        Ok(body)
    }

    /// Reads the result of exactly these seeds of the scenario.
    pub fn read(body: &[u8], scenario: &Scenario, seeds: &[u64], registry: &Registry) -> Result<Outcome, String> {
        let mut lines = body.split_inclusive(|byte| *byte == b'\n');
        let head = lines.next().ok_or("a result without a line")?;
        let head: Head = serde_json::from_slice(head).map_err(|error| format!("a result's first line: {error}"))?;
        let by = |why: String| format!("{} says: {why}", head.worker);
        let wall = Duration::from_nanos(head.wall_nanos);
        if let Some(why) = &head.failure {
            return Ok(Outcome { wall, verdicts: Err(by(why.clone())) });
        }
        let read = |seed: &u64| {
            let line = lines.next().ok_or_else(|| format!("no run of seed {seed}"))?;
            record::read(line, scenario, *seed, registry)
        };
        let verdicts = seeds.iter().map(read).collect::<Result<Vec<_>, String>>().map_err(by)?;
        Ok(Outcome { wall, verdicts: Ok(verdicts) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: u64, step: u64, count: u64) -> Range {
        Range { number: 3, scenario: "a.toml".to_owned(), hash: hex(7), first, step, count }
    }

    #[test]
    fn a_range_is_read_as_it_was_written() {
        let range = range(5, 3, 4);
        assert_eq!(Range::read(&range.write()), Ok(range.clone()));
        assert_eq!(range.seeds().collect::<Vec<_>>(), [5, 8, 11, 14]);
    }

    #[test]
    fn no_bytes_make_a_range_panic() {
        let whole = range(u64::MAX - 1, u64::MAX, u64::MAX).write();
        for length in 0..whole.len() {
            assert!(Range::read(&whole[..length]).is_err(), "{length} of {} bytes", whole.len());
        }
        let range = Range::read(&whole).unwrap();
        assert_eq!(range.seeds().collect::<Vec<_>>(), [u64::MAX - 1]);
    }
}
