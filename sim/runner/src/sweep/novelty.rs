//! How rare new behaviour has become, after Good and Turing.
//!
//! What a run shows is a set of traits: each kind of mark with its count in powers of two, each kind of fault with
//! how often it fired, likewise, and the signature of its failure. The chance that the next run shows a trait that
//! no run has shown is estimated by the share of the traits that one run alone has shown: traits seen once, divided
//! by runs. A run may show several new traits at once; then the estimate is too high, never too low.
//! (I. J. Good, Biometrika 40, 1953; for fuzzers M. Boehme, "STADS", ACM TOSEM 27, 2018.)

use crate::verdict::Verdict;
use std::collections::BTreeMap;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Fewer runs say nothing.
pub const RUNS_MIN: u64 = 1_000;
/// The usual limit of `--until-quiet`.
pub const USUAL_CHANCE: f64 = 1e-3;
/// Traits that are told apart; memory is bounded.
const TRAITS_MAX: usize = 1 << 16;

/// The traits of the runs so far.
#[derive(Clone, Debug, Default)]
pub struct Novelty {
    /// By hash; whether more than one run showed it.
    traits: BTreeMap<u64, bool>,
    once: u64,
    runs: u64,
    /// Traits that found no room.
    cut: u64,
}

impl Novelty {
    /// Adds a run.
    pub fn add(&mut self, verdict: &Verdict) {
        self.runs += 1;
        for (mark, count) in &verdict.coverage {
            self.show(xxh3_64_with_seed(mark.as_bytes(), magnitude(*count)));
        }
        for (kind, count) in verdict.faults.iter().filter(|(_, count)| count.fired > 0) {
            self.show(xxh3_64_with_seed(kind.name().as_bytes(), 100 + magnitude(count.fired)));
        }
        if let Some(signature) = &verdict.signature {
            self.show(xxh3_64_with_seed(signature.as_bytes(), 200));
        }
    }

    /// Traits that were seen, and those of them that one run alone showed.
    pub fn seen_and_once(&self) -> (usize, u64) {
        (self.traits.len(), self.once)
    }

    /// The estimated chance that the next run shows something new; `None` after too few runs.
    pub fn chance(&self) -> Option<f64> {
        (self.runs >= RUNS_MIN).then(|| (self.once + self.cut) as f64 / self.runs as f64)
    }

    fn show(&mut self, name: u64) {
        if let Some(again) = self.traits.get_mut(&name) {
            self.once -= u64::from(!std::mem::replace(again, true));
        } else if self.traits.len() < TRAITS_MAX {
            self.traits.insert(name, false);
            self.once += 1;
        } else {
            self.cut += 1;
        }
    }
}

/// The number's length in bits.
fn magnitude(count: u64) -> u64 {
    u64::from(u64::BITS - count.leading_zeros())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(names: impl IntoIterator<Item = u64>) -> Novelty {
        let mut novelty = Novelty::default();
        for name in names {
            novelty.runs += 1;
            novelty.show(name);
        }
        novelty
    }

    #[test]
    fn the_estimate_is_the_share_of_runs_that_showed_what_no_other_did() {
        assert_eq!(shown((0..999).map(|_| 7)).chance(), None, "too few runs");
        assert_eq!(shown((0..1_000).map(|_| 7)).chance(), Some(0.0));
        assert_eq!(shown((0..2_000).map(|run| run % 1_900)).chance(), Some(0.9));
        assert_eq!(shown(0..1_000).chance(), Some(1.0));
    }

    #[test]
    fn what_finds_no_room_is_never_quiet() {
        let novelty = shown((0..200_000).map(|run| run % 100_000));
        assert_eq!(novelty.traits.len(), TRAITS_MAX);
        assert!(novelty.chance() > Some(0.3), "{:?}", novelty.chance());
    }

    #[test]
    fn counts_are_told_apart_by_powers_of_two() {
        assert_eq!([0, 1, 2, 3, 4, u64::MAX].map(magnitude), [0, 1, 2, 2, 3, 64]);
    }
}
