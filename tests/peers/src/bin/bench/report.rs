//! What was measured, in the form of the JSON file.

use serde::Serialize;

#[derive(Debug, Serialize)]
pub struct Report {
    pub quick: bool,
    pub skipped: Vec<Skipped>,
    pub sections: Vec<Measured>,
    pub floors: Vec<Floor>,
}

#[derive(Debug, Serialize)]
pub struct Skipped {
    pub contestant: String,
    pub how_to_build: String,
}

/// One section of the plan.
#[derive(Debug, Serialize)]
pub struct Measured {
    pub id: &'static str,
    pub title: &'static str,
    pub unit: &'static str,
    pub rows: Vec<Row>,
}

#[derive(Debug, Serialize)]
pub struct Row {
    pub contestant: String,
    /// Units done in each round.
    pub units: u64,
    /// Time for one unit, a value for each round.
    pub nanos: Vec<f64>,
    /// How many times Stormproof's time that is, a value for each round that both took part in.
    pub times_stormproof: Vec<f64>,
    /// The digest of the first round; the same seed must give it in every round.
    pub checksum: serde_json::Value,
    pub repeats: bool,
}

#[derive(Debug, Serialize)]
pub struct Floor {
    pub name: &'static str,
    pub required: f64,
    /// Whether the measured value must be at least or at most what is required.
    pub bound: Bound,
    pub measured: Option<Spread>,
    pub verdict: Verdict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bound {
    AtLeast,
    AtMost,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Met,
    Missed,
    NotMeasured,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Spread {
    /// Of no values there is none.
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median = if sorted.len().is_multiple_of(2) {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        } else {
            sorted[middle]
        };
        Some(Self { median, min, max })
    }
}

impl Report {
    pub fn row(&self, section: &str, contestant: &str) -> Option<&Row> {
        self.sections
            .iter()
            .find(|measured| measured.id == section)?
            .rows
            .iter()
            .find(|row| row.contestant == contestant)
    }
}

#[cfg(test)]
mod tests {
    use super::Spread;

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        let spread = Spread::of(&[4.0, 1.0, 3.0, 2.0]).expect("there are values");
        assert_eq!((spread.min, spread.median, spread.max), (1.0, 2.5, 4.0));
        assert_eq!(Spread::of(&[]), None);
    }
}
