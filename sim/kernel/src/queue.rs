//! The event queue: a calendar whose day length follows the load.
//!
//! Events come out in the order of `(time, sequence)`, whatever the length of a day, so that adapting it
//! cannot change a run. Today's events are sorted; the other days of this year wait unsorted in a bucket
//! each; later years wait in one bucket a year, and are dealt out to days when their year begins.

use std::collections::BTreeMap;

/// Days in a year.
const DAYS: usize = 4096;
/// Initial length of a day: 2^17 ns, half a second a year.
const FIRST_SHIFT: u32 = 17;
/// Pops between two looks at the length of a day.
const ADAPT_EVERY: u32 = 2048;
/// A day should hold about this many events.
const DAY_LEAST: u32 = 3;
const DAY_MOST: u32 = 14;
/// Emptied buckets kept for reuse while they are still in the cache.
const SPARE_MOST: usize = 64;

#[derive(Clone, Debug)]
struct Item<E> {
    time: u64,
    sequence: u64,
    event: E,
}

impl<E> Item<E> {
    #[inline]
    fn order(&self) -> (u64, u64) {
        (self.time, self.sequence)
    }
}

/// Events by time.
#[derive(Clone, Debug)]
pub struct Queue<E> {
    /// Today's events, latest first.
    today: Vec<Item<E>>,
    /// The current day since the start of time: `time >> shift`.
    day: u64,
    shift: u32,
    /// The later days of this year.
    days: Vec<Vec<Item<E>>>,
    occupied: [u64; DAYS / 64],
    years: BTreeMap<u64, Vec<Item<E>>>,
    spare: Vec<Vec<Item<E>>>,
    sequence: u64,
    len: usize,
    pops: u32,
    days_taken: u32,
}

impl<E> Default for Queue<E> {
    fn default() -> Self {
        Queue {
            today: Vec::new(),
            day: 0,
            shift: FIRST_SHIFT,
            days: std::iter::repeat_with(Vec::new).take(DAYS).collect(),
            occupied: [0; DAYS / 64],
            years: BTreeMap::new(),
            spare: Vec::new(),
            sequence: 0,
            len: 0,
            pops: 0,
            days_taken: 0,
        }
    }
}

impl<E> Queue<E> {
    /// Events that wait for their time.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Schedules `event`. Of equal times the one pushed first comes first.
    #[inline]
    pub fn push(&mut self, time: u64, event: E) {
        let sequence = self.sequence;
        self.sequence += 1;
        self.len += 1;
        self.place(Item { time, sequence, event });
    }

    /// The time of the next event.
    #[inline]
    pub fn next_time(&mut self) -> Option<u64> {
        if self.today.is_empty() && !self.advance() {
            return None;
        }
        self.today.last().map(|item| item.time)
    }

    /// Takes the next event.
    #[inline]
    pub fn pop(&mut self) -> Option<(u64, E)> {
        if self.today.is_empty() && !self.advance() {
            return None;
        }
        let item = self.today.pop()?;
        self.len -= 1;
        self.pops += 1;
        Some((item.time, item.event))
    }

    /// Lets `change` edit, drop or move every event that waits. For crashes and pauses: rare.
    pub fn revise(&mut self, mut change: impl FnMut(u64, &mut E) -> Revision) {
        let all = self.drain();
        for mut item in all {
            match change(item.time, &mut item.event) {
                Revision::Keep => {}
                Revision::Drop => continue,
                Revision::Move(time) => item.time = time,
            }
            self.len += 1;
            self.place(item);
        }
    }

    #[inline]
    fn place(&mut self, item: Item<E>) {
        let day = item.time >> self.shift;
        if day <= self.day {
            let at = self.today.partition_point(|other| other.order() > item.order());
            self.today.insert(at, item);
        } else if day / DAYS as u64 == self.day / DAYS as u64 {
            let place = day as usize % DAYS;
            let bucket = &mut self.days[place];
            if bucket.is_empty() {
                self.occupied[place / 64] |= 1 << (place % 64);
                if bucket.capacity() == 0
                    && let Some(spare) = self.spare.pop()
                {
                    *bucket = spare;
                }
            }
            bucket.push(item);
        } else {
            self.years.entry(day / DAYS as u64).or_default().push(item);
        }
    }

    /// Goes on to the next day that has events.
    #[inline(never)]
    fn advance(&mut self) -> bool {
        if self.len == 0 {
            return false;
        }
        if self.pops >= ADAPT_EVERY {
            self.adapt();
            if !self.today.is_empty() {
                return true;
            }
        }
        let Some(day) = self.next_occupied() else {
            self.begin_year();
            return true;
        };
        self.day = day;
        let place = day as usize % DAYS;
        self.occupied[place / 64] &= !(1 << (place % 64));
        let emptied = std::mem::replace(&mut self.today, std::mem::take(&mut self.days[place]));
        if self.spare.len() < SPARE_MOST {
            self.spare.push(emptied);
        }
        self.today.sort_unstable_by_key(|item| std::cmp::Reverse(item.order()));
        self.days_taken += 1;
        true
    }

    /// Deals out the events of the next year that has any; its first day begins.
    fn begin_year(&mut self) {
        let Some((_, items)) = self.years.pop_first() else {
            unreachable!("waiting events are today, this year or later");
        };
        let first = items.iter().map(|item| item.time).min().unwrap_or(0);
        self.day = first >> self.shift;
        self.days_taken += 1;
        for item in items {
            self.place(item);
        }
    }

    /// The first day after today, in this year, that has events.
    fn next_occupied(&self) -> Option<u64> {
        let start = self.day as usize % DAYS;
        let mut bits = self.occupied[start / 64] & (u64::MAX << (start % 64));
        for word in start / 64..self.occupied.len() {
            if word > start / 64 {
                bits = self.occupied[word];
            }
            if bits != 0 {
                let place = word * 64 + bits.trailing_zeros() as usize;
                return Some(self.day + (place - start) as u64);
            }
        }
        None
    }

    /// Chooses a length at which a day holds a handful of events.
    fn adapt(&mut self) {
        let a_day = self.pops / self.days_taken.max(1);
        (self.pops, self.days_taken) = (0, 0);
        let mut shift = self.shift;
        let mut expected = a_day;
        while expected > DAY_MOST && shift > 4 {
            expected /= 2;
            shift -= 1;
        }
        if a_day < DAY_LEAST && shift < 34 {
            shift += 1;
        }
        if shift != self.shift {
            let all = self.drain();
            self.len = all.len();
            self.shift = shift;
            self.day = all.iter().map(|item| item.time).min().unwrap_or(0) >> shift;
            for item in all {
                self.place(item);
            }
        }
    }

    fn drain(&mut self) -> Vec<Item<E>> {
        let mut all = std::mem::take(&mut self.today);
        for (place, bucket) in self.days.iter_mut().enumerate() {
            if self.occupied[place / 64] & (1 << (place % 64)) != 0 {
                all.append(bucket);
            }
        }
        for items in std::mem::take(&mut self.years).into_values() {
            all.extend(items);
        }
        self.occupied = [0; DAYS / 64];
        assert!(all.len() == self.len, "every waiting event is somewhere");
        self.len = 0;
        all
    }
}

/// What [`Queue::revise`] does with an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revision {
    /// Nothing.
    Keep,
    /// It never happens.
    Drop,
    /// It happens at that time instead, which must not be past.
    Move(u64),
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn drain(queue: &mut Queue<u32>) -> Vec<(u64, u32)> {
        let mut out = Vec::new();
        while let Some(item) = queue.pop() {
            out.push(item);
        }
        out
    }

    proptest! {
        #[test]
        fn comes_out_in_order_of_time_and_of_pushing(
            steps in prop::collection::vec((0u64..3, 0u64..40_000_000_000, prop::bool::ANY), 1..6000)
        ) {
            let mut queue = Queue::default();
            let mut model: Vec<(u64, u32)> = Vec::new();
            let (mut now, mut taken, mut expected) = (0, Vec::new(), Vec::new());
            for (number, (scale, offset, pop)) in steps.into_iter().enumerate() {
                let time = now + offset / [1, 1_000, 1_000_000][scale as usize];
                queue.push(time, number as u32);
                model.push((time, number as u32));
                if pop {
                    let (time, event) = queue.pop().expect("one was pushed");
                    now = time;
                    taken.push((time, event));
                    model.sort();
                    expected.push(model.remove(0));
                }
            }
            model.sort();
            expected.extend(model);
            taken.extend(drain(&mut queue));
            prop_assert_eq!(taken, expected);
        }
    }

    #[test]
    fn the_width_follows_the_load_and_the_order_stays() {
        let mut queue = Queue::default();
        let mut seen = 0;
        let mut last = (0, 0);
        let mut next = 1u64;
        for number in 0..20_000u32 {
            queue.push(u64::from(number % 977) * 10_000, number);
        }
        while let Some((time, _)) = queue.pop() {
            assert!(time >= last.0);
            last = (time, seen);
            seen += 1;
            if seen < 200_000 {
                next = next.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                queue.push(time + 1_000_000 + next % 9_000_000, seen);
            }
        }
        assert!(
            queue.shift < FIRST_SHIFT,
            "twenty thousand in ten milliseconds want narrow days, got 2^{}",
            queue.shift
        );
        assert_eq!(seen, 200_000 - 1 + 20_000);
    }

    #[test]
    fn revised_events_move_or_vanish() {
        let mut queue = Queue::default();
        for number in 0..10 {
            queue.push(u64::from(number), number);
        }
        queue.revise(|time, event| match *event % 3 {
            0 => Revision::Drop,
            1 => Revision::Move(time + 100),
            _ => Revision::Keep,
        });
        assert_eq!(drain(&mut queue), [(2, 2), (5, 5), (8, 8), (101, 1), (104, 4), (107, 7)]);
    }
}
