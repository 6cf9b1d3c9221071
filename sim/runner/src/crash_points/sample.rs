//! Which second crashes are tried: all of them, or a sample spread evenly over the square and drawn from the seed.

use super::boundary::Force;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// How many second crashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Second {
    /// Every one.
    All,
    /// At most so many.
    Sample(u64),
}

impl Second {
    /// Reads `all` or a number.
    pub fn parse(text: &str) -> Result<Second, String> {
        let bad = || format!("`{text}` is no sample: write a number of second crashes, or all");
        if text == "all" { Ok(Second::All) } else { text.parse().map(Second::Sample).map_err(|_| bad()) }
    }

    /// The numbers below `total` that are tried, in order, each once.
    pub fn of(self, total: u64, seed: u64) -> Vec<u64> {
        let count = match self {
            Second::Sample(most) if most < total => most,
            _ => return (0..total).collect(),
        };
        let edge = |stratum: u64| (u128::from(stratum) * u128::from(total) / u128::from(count)) as u64;
        let draw = |stratum: u64| {
            let (first, end) = (edge(stratum), edge(stratum + 1));
            first + xxh3_64_with_seed(&stratum.to_le_bytes(), seed) % (end - first)
        };
        (0..count).map(draw).collect()
    }
}

/// What can be the second crash after one first crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// Which boundary was struck first.
    pub boundary: usize,
    /// How.
    pub force: Force,
    /// Boundaries inside the recovery.
    pub places: u32,
}

/// A second crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pick {
    /// How the first boundary is struck.
    pub first: Force,
    /// Which boundary of the recovery is struck.
    pub place: usize,
    /// How.
    pub second: Force,
}

/// At every boundary of a recovery both forces strike.
const FORCES: [Force; 2] = [Force::Crash, Force::Power(0)];

/// The size of the square.
pub fn square(recoveries: &[Recovery]) -> u64 {
    recoveries.iter().map(|recovery| u64::from(recovery.places) * FORCES.len() as u64).sum()
}

/// The second crashes with these numbers, by first boundary, in the order of the recoveries.
pub fn picks(recoveries: &[Recovery], numbers: &[u64]) -> Vec<(usize, Vec<Pick>)> {
    let mut by_boundary: Vec<(usize, Vec<Pick>)> = Vec::new();
    let (mut start, mut next) = (0, numbers.iter().copied().peekable());
    for recovery in recoveries {
        let end = start + u64::from(recovery.places) * FORCES.len() as u64;
        while let Some(number) = next.next_if(|number| *number < end) {
            let within = (number - start) as usize;
            let (place, second) = (within / FORCES.len(), FORCES[within % FORCES.len()]);
            let pick = Pick { first: recovery.force, place, second };
            match by_boundary.last_mut().filter(|(boundary, _)| *boundary == recovery.boundary) {
                Some((_, picks)) => picks.push(pick),
                None => by_boundary.push((recovery.boundary, vec![pick])),
            }
        }
        start = end;
    }
    by_boundary
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_in_order_without_repetition_and_reaches_every_part() {
        let drawn = Second::Sample(100).of(12_345, 7);
        assert_eq!(drawn.len(), 100);
        assert!(drawn.windows(2).all(|pair| pair[0] < pair[1]) && drawn[99] < 12_345);
        assert!(drawn.windows(2).all(|pair| pair[1] - pair[0] < 250), "a gap of two strata at most");
        assert_ne!(drawn, Second::Sample(100).of(12_345, 8), "another seed draws others");
        assert_eq!(Second::Sample(9).of(5, 0), Second::All.of(5, 0));
        assert_eq!(Second::Sample(0).of(5, 0), Vec::<u64>::new());
    }

    #[test]
    fn every_number_is_one_pick_and_all_numbers_are_the_whole_square() {
        let power = Force::Power(1);
        let recoveries = [
            Recovery { boundary: 3, force: Force::Crash, places: 2 },
            Recovery { boundary: 3, force: power, places: 1 },
            Recovery { boundary: 4, force: Force::Crash, places: 0 },
            Recovery { boundary: 6, force: power, places: 1 },
        ];
        assert_eq!(square(&recoveries), 8);
        let pick = |first, place, second| Pick { first, place, second };
        let whole = picks(&recoveries, &Second::All.of(8, 0));
        assert_eq!(
            whole.iter().map(|(boundary, picks)| (*boundary, picks.len())).collect::<Vec<_>>(),
            [(3, 6), (6, 2)]
        );
        assert_eq!(whole[0].1[3], pick(Force::Crash, 1, Force::Power(0)));
        assert_eq!(whole[0].1[4], pick(power, 0, Force::Crash));
        assert_eq!(
            picks(&recoveries, &[3, 7]),
            [(3, vec![pick(Force::Crash, 1, Force::Power(0))]), (6, vec![pick(power, 0, Force::Power(0))]),]
        );
    }
}
