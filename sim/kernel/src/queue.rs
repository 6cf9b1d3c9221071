//! The event queue: a calendar whose day length follows the load.
//!
//! Events come out in the order of `(time, sequence)`, whatever the length of a day, so that adapting it
//! cannot change a run. Today's events are sorted; each of the next [`DAYS`] days names the slots of its
//! events in one cache line, and what does not fit there in a list through the slab; later events lie in
//! one list an era of that many days, and are dealt out when it begins.
//!
//! What decides the speed under load is memory: a freed slot is the next one filled, and a day's dates and
//! events are read all at once when it begins, so that their cache misses overlap instead of following
//! one another.

use std::collections::BTreeMap;

/// Days within reach, each with a line of its own.
const DAYS: usize = 1 << 12;
/// Initial length of a day: 2^17 ns.
const FIRST_SHIFT: u32 = 17;
/// Pops between two looks at the length of a day.
const ADAPT_EVERY: u32 = 2048;
/// A day should hold about this many events.
const DAY_LEAST: u32 = 6;
const DAY_MOST: u32 = 16;
/// So few events are in the cache anyhow, and need no touch.
const CACHED: usize = 1024;
/// The end of a list.
const NONE: u32 = u32::MAX;

/// A day: how many slots are named, their numbers, and the head of the list of the others, plus one.
/// All zero is an empty day, so that a new calendar costs no more than the days that are used.
type Day = [u32; 16];
/// Slots named in the line itself.
const NAMED: usize = 14;

/// An event that can be read a little, so that it is in the cache when it is handled.
pub trait Touch {
    /// Reads some of it.
    fn touch(&self);
}

/// One event's date, and its list.
#[derive(Clone, Copy, Debug)]
struct Date {
    time: u64,
    sequence: u64,
    next: u32,
}

/// An event in a cache line of its own: one miss brings all of it.
#[derive(Clone, Debug)]
#[repr(align(64))]
struct Line<E>(Option<E>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    time: u64,
    sequence: u64,
    slot: u32,
}

/// Events by time.
#[derive(Clone, Debug)]
pub struct Queue<E> {
    dates: Vec<Date>,
    events: Vec<Line<E>>,
    free: u32,
    /// Today's events, latest first.
    today: Vec<Entry>,
    /// The current day since the start of time: `time >> shift`.
    day: u64,
    shift: u32,
    days: Vec<Day>,
    occupied: Vec<u64>,
    eras: BTreeMap<u64, u32>,
    sequence: u64,
    len: usize,
    pops: u32,
    days_taken: u32,
}

impl<E> Default for Queue<E> {
    fn default() -> Self {
        Queue {
            dates: Vec::new(),
            events: Vec::new(),
            free: NONE,
            today: Vec::new(),
            day: 0,
            shift: FIRST_SHIFT,
            days: vec![[0; 16]; DAYS],
            occupied: vec![0; DAYS / 64],
            eras: BTreeMap::new(),
            sequence: 0,
            len: 0,
            pops: 0,
            days_taken: 0,
        }
    }
}

impl<E: Touch> Queue<E> {
    /// Events that wait for their time.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The events that wait, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &E> {
        self.events.iter().filter_map(|line| line.0.as_ref())
    }

    /// The events that wait, in no order, each with its time.
    pub fn dated(&self) -> impl Iterator<Item = (u64, &E)> {
        self.dates.iter().zip(&self.events).filter_map(|(date, line)| Some((date.time, line.0.as_ref()?)))
    }

    /// Schedules `event`. Of equal times the one pushed first comes first.
    #[inline]
    pub fn push(&mut self, time: u64, event: E) {
        let date = Date { time, sequence: self.sequence, next: NONE };
        self.sequence += 1;
        self.len += 1;
        let slot = self.free;
        if slot == NONE {
            self.dates.push(date);
            self.events.push(Line(Some(event)));
            return self.place(self.dates.len() as u32 - 1);
        }
        self.free = self.dates[slot as usize].next;
        self.dates[slot as usize] = date;
        self.events[slot as usize].0 = Some(event);
        self.place(slot);
    }

    /// The time of the next event.
    #[inline]
    pub fn next_time(&mut self) -> Option<u64> {
        if self.today.is_empty() && !self.advance() {
            return None;
        }
        self.today.last().map(|entry| entry.time)
    }

    /// Takes the next event.
    #[inline]
    pub fn pop(&mut self) -> Option<(u64, E)> {
        if self.today.is_empty() && !self.advance() {
            return None;
        }
        let Entry { time, slot, .. } = self.today.pop()?;
        self.len -= 1;
        self.pops += 1;
        let event = self.release(slot)?;
        Some((time, event))
    }

    /// Lets `change` edit, drop or move every event that waits. For crashes and pauses: rare.
    pub fn revise(&mut self, mut change: impl FnMut(u64, &mut E) -> Revision) {
        for slot in self.unlink_all() {
            let Some(event) = &mut self.events[slot as usize].0 else { continue };
            match change(self.dates[slot as usize].time, event) {
                Revision::Keep => {}
                Revision::Move(time) => self.dates[slot as usize].time = time,
                Revision::Drop => {
                    self.release(slot);
                    self.len -= 1;
                    continue;
                }
            }
            self.place(slot);
        }
    }

    #[inline]
    fn release(&mut self, slot: u32) -> Option<E> {
        self.dates[slot as usize].next = self.free;
        self.free = slot;
        self.events[slot as usize].0.take()
    }

    /// Puts a dated slot into today, into its day or into its era.
    #[inline]
    fn place(&mut self, slot: u32) {
        let Date { time, sequence, .. } = self.dates[slot as usize];
        let day = time >> self.shift;
        if day <= self.day {
            let entry = Entry { time, sequence, slot };
            let at = self.today.partition_point(|other| *other > entry);
            self.today.insert(at, entry);
        } else if day - self.day < DAYS as u64 {
            let bucket = day as usize % DAYS;
            let line = &mut self.days[bucket];
            let named = line[0] as usize;
            if named < NAMED {
                line[0] += 1;
                line[1 + named] = slot;
            } else {
                self.dates[slot as usize].next = line[15].wrapping_sub(1);
                line[15] = slot + 1;
            }
            self.occupied[bucket / 64] |= 1 << (bucket % 64);
        } else {
            let head = self.eras.entry(day / DAYS as u64).or_insert(NONE);
            self.dates[slot as usize].next = *head;
            *head = slot;
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
        }
        while self.today.is_empty() {
            let next = self.next_occupied();
            let era = self.eras.first_key_value().map(|(era, _)| *era);
            match (next, era) {
                (Some(day), Some(era)) if day / (DAYS as u64) < era => self.day = day,
                (_, Some(era)) => self.begin_era(era),
                (Some(day), None) => self.day = day,
                (None, None) => unreachable!("waiting events are today, in a day or in an era"),
            }
            self.take_day();
        }
        self.days_taken += 1;
        true
    }

    /// Deals out an era's events to its days, on its first day.
    fn begin_era(&mut self, era: u64) {
        self.day = era * DAYS as u64;
        let mut slot = self.eras.remove(&era).unwrap_or(NONE);
        while slot != NONE {
            let next = self.dates[slot as usize].next;
            self.place(slot);
            slot = next;
        }
    }

    fn take_day(&mut self) {
        let bucket = self.day as usize % DAYS;
        let line = std::mem::take(&mut self.days[bucket]);
        self.occupied[bucket / 64] &= !(1 << (bucket % 64));
        for &slot in &line[1..=line[0] as usize] {
            let Date { time, sequence, .. } = self.dates[slot as usize];
            self.today.push(Entry { time, sequence, slot });
        }
        let mut slot = line[15].wrapping_sub(1);
        while slot != NONE {
            let Date { time, sequence, next } = self.dates[slot as usize];
            self.today.push(Entry { time, sequence, slot });
            slot = next;
        }
        self.today.sort_unstable_by(|a, b| b.cmp(a));
        if self.len < CACHED {
            return;
        }
        for entry in &self.today {
            if let Some(event) = &self.events[entry.slot as usize].0 {
                event.touch();
            }
        }
    }

    /// The first day after today within reach that has events.
    fn next_occupied(&self) -> Option<u64> {
        let start = self.day as usize % DAYS;
        let words = self.occupied.len();
        for step in 0..=words {
            let word = (start / 64 + step) % words;
            let mut bits = self.occupied[word];
            if step == 0 {
                bits &= u64::MAX << (start % 64);
            } else if step == words {
                bits &= !(u64::MAX << (start % 64));
            }
            if bits != 0 {
                let bucket = word * 64 + bits.trailing_zeros() as usize;
                return Some(self.day + ((bucket + DAYS - start) % DAYS) as u64);
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
            let all = self.unlink_all();
            self.shift = shift;
            self.day = all.iter().map(|slot| self.dates[*slot as usize].time).min().unwrap_or(0) >> shift;
            for slot in all {
                self.place(slot);
            }
        }
    }

    /// Takes every waiting slot out of today, its day or its era.
    fn unlink_all(&mut self) -> Vec<u32> {
        let mut all: Vec<u32> = std::mem::take(&mut self.today).into_iter().map(|entry| entry.slot).collect();
        let mut lists: Vec<u32> = std::mem::take(&mut self.eras).into_values().collect();
        for line in self.days.iter_mut().filter(|line| line[0] > 0) {
            all.extend_from_slice(&line[1..=line[0] as usize]);
            lists.push(line[15].wrapping_sub(1));
            *line = [0; 16];
        }
        for mut slot in lists {
            while slot != NONE {
                all.push(slot);
                slot = self.dates[slot as usize].next;
            }
        }
        self.occupied.fill(0);
        assert!(all.len() == self.len, "every waiting event is somewhere");
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

    impl Touch for u32 {
        fn touch(&self) {}
    }

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
