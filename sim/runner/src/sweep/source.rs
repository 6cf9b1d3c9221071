//! Which seeds a chunk has: a pure function of its number, so that threads only share a counter.

#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "a sweep may be limited by the machine's time")]

use crate::scenario::Scenario;
use crate::sweep::{Options, USUAL_SEEDS};
use std::ops::Range;
use std::time::Instant;

/// Seeds of one shard in a chunk: enough that handing out costs nothing, few enough that threads end together.
pub const CHUNK: u64 = 16;

/// One of several machines that share a range of seeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Which, from 0.
    pub index: u64,
    /// How many.
    pub count: u64,
}

impl Shard {
    /// All seeds.
    pub const WHOLE: Shard = Shard { index: 0, count: 1 };

    /// Reads `I/N` with I from 1 to N.
    pub fn parse(text: &str) -> Result<Shard, String> {
        let bad = || format!("`{text}` is not a shard: write I/N with I from 1 to N, as in 2/8");
        let (index, count) = text.split_once('/').ok_or_else(bad)?;
        let (index, count): (u64, u64) = (index.parse().map_err(|_| bad())?, count.parse().map_err(|_| bad())?);
        if index >= 1 && index <= count { Ok(Shard { index: index - 1, count }) } else { Err(bad()) }
    }

    /// The seeds of a range that belong to it.
    pub fn of(self, range: Range<u64>) -> impl Iterator<Item = u64> {
        let offset = (self.index + self.count - range.start % self.count) % self.count;
        let first = range.start.saturating_add(offset);
        (first..range.end.max(first)).step_by(usize::try_from(self.count).unwrap_or(usize::MAX))
    }
}

/// Hands out chunks.
pub struct Source {
    ranges: Vec<Range<u64>>,
    shard: Shard,
    /// Seeds of the shard in a chunk.
    chunk: u64,
    /// Going round all scenarios instead of one after the other.
    round: bool,
    /// Until then.
    deadline: Option<Instant>,
}

impl Source {
    /// The chunks of a sweep.
    pub fn new(scenarios: &[Scenario], options: &Options) -> Source {
        let range = |scenario: &Scenario| {
            let of_file = || scenario.seeds.clone().or_else(|| scenario.saved_seed().map(|seed| seed..seed + 1));
            let range = options.seeds.clone().or_else(of_file).unwrap_or(USUAL_SEEDS);
            let endless = options.time.is_some() || (options.quiet_below.is_some() && options.seeds.is_none());
            if endless { range.start..u64::MAX } else { range }
        };
        Source {
            ranges: scenarios.iter().map(range).collect(),
            shard: options.shard,
            chunk: options.chunk,
            round: options.goes_round(),
            deadline: options.time.map(|time| Instant::now() + time),
        }
    }

    /// The scenario and the seeds of a chunk; `None` when there is nothing left to do.
    pub fn chunk(&self, number: u64) -> Option<(usize, impl Iterator<Item = u64> + use<>)> {
        let (file, index) = if self.round { self.round(number)? } else { self.in_order(number)? };
        let range = &self.ranges[file];
        let start = range.start.checked_add(index.checked_mul(self.width())?)?;
        let end = start.saturating_add(self.width()).min(range.end);
        Some((file, self.shard.of(start..end)))
    }

    /// Whether the machine's time for the sweep is over. Asked before a chunk's number is taken, so that
    /// every number that was taken has a chunk.
    pub fn time_is_up(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// How many runs there will be, where that is known.
    pub fn planned(&self) -> Option<u64> {
        let count = |range: &Range<u64>| self.shard.of(range.clone()).size_hint().0 as u64;
        (!self.round).then(|| self.ranges.iter().map(count).sum())
    }

    fn round(&self, number: u64) -> Option<(usize, u64)> {
        let files = self.ranges.len() as u64;
        let index = number.checked_div(files)?;
        let left = |range: &Range<u64>| index < (range.end - range.start).div_ceil(self.width());
        self.ranges.iter().any(left).then_some(((number % files) as usize, index))
    }

    fn in_order(&self, number: u64) -> Option<(usize, u64)> {
        let mut rest = number;
        for (file, range) in self.ranges.iter().enumerate() {
            let chunks = (range.end - range.start).div_ceil(self.width());
            if rest < chunks {
                return Some((file, rest));
            }
            rest -= chunks;
        }
        None
    }

    fn width(&self) -> u64 {
        self.chunk.saturating_mul(self.shard.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_partition_any_range() {
        for (start, end) in [(0, 100), (7, 8), (13, 217), (u64::MAX - 40, u64::MAX)] {
            for count in [1, 2, 3, 7, 64] {
                let shards = (0..count).map(|index| Shard { index, count });
                let mut seeds: Vec<u64> = shards.flat_map(|shard| shard.of(start..end)).collect();
                seeds.sort_unstable();
                assert_eq!(seeds, (start..end).collect::<Vec<_>>(), "{start}..{end} in {count} shards");
            }
        }
    }

    #[test]
    fn the_chunks_of_a_shard_are_its_seeds_in_order() {
        let source = Source {
            ranges: vec![3..1_000, 0..5],
            shard: Shard { index: 1, count: 3 },
            chunk: CHUNK,
            round: false,
            deadline: None,
        };
        let mut seen = [Vec::new(), Vec::new()];
        for (file, seeds) in (0..).map_while(|number| source.chunk(number)) {
            seen[file].extend(seeds);
        }
        assert_eq!(seen[0], (3..1_000).filter(|seed| seed % 3 == 1).collect::<Vec<_>>());
        assert_eq!(seen[1], [1, 4]);
        assert_eq!(source.planned(), Some((seen[0].len() + seen[1].len()) as u64));
    }

    #[test]
    fn going_round_ends_with_the_longest_range() {
        let source =
            Source { ranges: vec![0..40, 0..5], shard: Shard::WHOLE, chunk: CHUNK, round: true, deadline: None };
        let chunks: Vec<(usize, Vec<u64>)> =
            (0..).map_while(|number| source.chunk(number)).map(|(file, seeds)| (file, seeds.collect())).collect();
        assert_eq!(chunks.iter().map(|(file, _)| *file).collect::<Vec<_>>(), [0, 1, 0, 1, 0, 1]);
        let of = |file| chunks.iter().filter(move |chunk| chunk.0 == file).flat_map(|chunk| chunk.1.clone());
        assert!(of(0).eq(0..40) && of(1).eq(0..5));
    }

    #[test]
    fn a_shard_is_written_from_one() {
        assert_eq!(Shard::parse("2/8"), Ok(Shard { index: 1, count: 8 }));
        for bad in ["0/8", "9/8", "1", "a/b", "1/0"] {
            assert!(Shard::parse(bad).unwrap_err().contains("as in 2/8"), "{bad}");
        }
    }
}
