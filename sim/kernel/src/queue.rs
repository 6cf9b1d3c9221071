//! The event queue: a calendar whose bucket width follows the load.
//!
//! Entries come out in the order of `(time, sequence)`, whatever the width, so that adapting it cannot
//! change a run. Events live in a slab; a bucket is a linked list through it. What lies beyond the
//! calendar's horizon waits in a heap.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

const BUCKETS: usize = 4096;
const NONE: u32 = u32::MAX;
/// Initial bucket width: 2^17 ns, a horizon of half a second.
const FIRST_SHIFT: u32 = 17;
/// Pops between two looks at the width.
const ADAPT_EVERY: u32 = 2048;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    time: u64,
    sequence: u64,
    slot: u32,
}

#[derive(Clone, Debug)]
struct Slot<E> {
    time: u64,
    sequence: u64,
    next: u32,
    event: Option<E>,
}

/// Where an event lies in the slab, until it is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(u32);

/// Events by time.
#[derive(Clone, Debug)]
pub struct Queue<E> {
    slots: Vec<Slot<E>>,
    free: u32,
    /// The bucket being emptied, latest first.
    near: Vec<Entry>,
    /// The calendar day that `near` is: `time >> shift`.
    day: u64,
    shift: u32,
    heads: Vec<u32>,
    occupied: [u64; BUCKETS / 64],
    far: BinaryHeap<Reverse<Entry>>,
    sequence: u64,
    queued: usize,
    pops: u32,
    days_taken: u32,
    far_pushes: u32,
}

impl<E> Default for Queue<E> {
    fn default() -> Self {
        Queue {
            slots: Vec::new(),
            free: NONE,
            near: Vec::new(),
            day: 0,
            shift: FIRST_SHIFT,
            heads: vec![NONE; BUCKETS],
            occupied: [0; BUCKETS / 64],
            far: BinaryHeap::new(),
            sequence: 0,
            queued: 0,
            pops: 0,
            days_taken: 0,
            far_pushes: 0,
        }
    }
}

impl<E> Queue<E> {
    /// Events that wait for their time.
    pub fn len(&self) -> usize {
        self.queued
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.queued == 0
    }

    /// Schedules `event`. Of equal times the one pushed first comes first.
    #[inline]
    pub fn push(&mut self, time: u64, event: E) {
        let sequence = self.sequence;
        self.sequence += 1;
        let slot = self.allocate(time, sequence, event);
        self.queued += 1;
        self.place(Entry { time, sequence, slot });
    }

    /// The time of the next event.
    #[inline]
    pub fn next_time(&mut self) -> Option<u64> {
        if self.near.is_empty() && !self.advance() {
            return None;
        }
        self.near.last().map(|entry| entry.time)
    }

    /// Takes the next event out of the order; it stays in its place until [`Queue::take`].
    #[inline]
    pub fn pop(&mut self) -> Option<(u64, Place)> {
        if self.near.is_empty() && !self.advance() {
            return None;
        }
        let entry = self.near.pop()?;
        self.queued -= 1;
        self.pops += 1;
        Some((entry.time, Place(entry.slot)))
    }

    /// The event at a place, for as long as it was not taken.
    pub fn peek(&self, place: Place) -> Option<&E> {
        self.slots[place.0 as usize].event.as_ref()
    }

    /// Moves a popped event out and frees its place.
    #[inline]
    pub fn take(&mut self, place: Place) -> Option<E> {
        let slot = &mut self.slots[place.0 as usize];
        let event = slot.event.take();
        slot.next = self.free;
        self.free = place.0;
        event
    }

    /// Replaces events in place by the result of `change` (`None`: dropped; its time passes as nothing),
    /// and schedules again, at a new time, those for which `change` asks it. For crashes and pauses: rare.
    pub fn revise(&mut self, mut change: impl FnMut(u64, &mut E) -> Revision) {
        let mut moved = Vec::new();
        for slot in &mut self.slots {
            let Some(event) = &mut slot.event else { continue };
            match change(slot.time, event) {
                Revision::Keep => {}
                Revision::Drop => slot.event = None,
                Revision::Move(time) => {
                    assert!(time >= slot.time, "an event is only put off");
                    moved.extend(slot.event.take().map(|event| (time, slot.sequence, event)));
                }
            }
        }
        // The order among the moved is the order in which they were first scheduled.
        moved.sort_by_key(|(time, sequence, _)| (*time, *sequence));
        for (time, _, event) in moved {
            self.push(time, event);
        }
    }

    #[inline]
    fn allocate(&mut self, time: u64, sequence: u64, event: E) -> u32 {
        let filled = Slot { time, sequence, next: NONE, event: Some(event) };
        if self.free == NONE {
            self.slots.push(filled);
            return self.slots.len() as u32 - 1;
        }
        let slot = self.free;
        self.free = self.slots[slot as usize].next;
        self.slots[slot as usize] = filled;
        slot
    }

    #[inline]
    fn place(&mut self, entry: Entry) {
        let day = entry.time >> self.shift;
        if day <= self.day {
            let at = self.near.partition_point(|other| *other > entry);
            self.near.insert(at, entry);
        } else if day - self.day < BUCKETS as u64 {
            self.link(day, entry.slot);
        } else {
            self.far_pushes += 1;
            self.far.push(Reverse(entry));
        }
    }

    #[inline]
    fn link(&mut self, day: u64, slot: u32) {
        let bucket = day as usize % BUCKETS;
        self.slots[slot as usize].next = self.heads[bucket];
        self.heads[bucket] = slot;
        self.occupied[bucket / 64] |= 1 << (bucket % 64);
    }

    /// Fills `near` with the next day that has events.
    #[cold]
    #[inline(never)]
    fn advance(&mut self) -> bool {
        if self.queued == 0 {
            return false;
        }
        if self.pops >= ADAPT_EVERY {
            self.adapt();
            if !self.near.is_empty() {
                return true;
            }
        }
        self.day = match (self.next_occupied(), self.far.peek()) {
            (Some(day), _) => day,
            (None, Some(Reverse(first))) => first.time >> self.shift,
            (None, None) => unreachable!("queued events are in a bucket or in the heap"),
        };
        self.pull_far();
        self.take_day();
        self.days_taken += 1;
        true
    }

    fn take_day(&mut self) {
        let bucket = self.day as usize % BUCKETS;
        let mut slot = std::mem::replace(&mut self.heads[bucket], NONE);
        self.occupied[bucket / 64] &= !(1 << (bucket % 64));
        while slot != NONE {
            let Slot { time, sequence, next, .. } = self.slots[slot as usize];
            self.near.push(Entry { time, sequence, slot });
            slot = next;
        }
        self.near.sort_unstable_by(|a, b| b.cmp(a));
    }

    /// Brings what has come within the horizon from the heap into the calendar.
    fn pull_far(&mut self) {
        while let Some(Reverse(first)) = self.far.peek() {
            let day = first.time >> self.shift;
            if day >= self.day + BUCKETS as u64 {
                break;
            }
            let slot = first.slot;
            self.far.pop();
            self.link(day, slot);
        }
    }

    /// The first day after today with a non-empty bucket.
    fn next_occupied(&self) -> Option<u64> {
        let start = self.day as usize % BUCKETS;
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
                return Some(self.day + ((bucket + BUCKETS - start) % BUCKETS) as u64);
            }
        }
        None
    }

    /// Chooses a width at which a day holds a handful of events and most pushes fall within the horizon.
    fn adapt(&mut self) {
        let a_day = self.pops / self.days_taken.max(1);
        let many_far = self.far_pushes > self.pops / 8;
        let shift = if a_day > 24 && self.shift > 4 {
            self.shift - 1
        } else if (many_far && a_day < 12 || a_day < 2) && self.shift < 30 {
            self.shift + 1
        } else {
            self.shift
        };
        (self.pops, self.days_taken, self.far_pushes) = (0, 0, 0);
        if shift != self.shift {
            self.rebuild(shift);
        }
    }

    fn rebuild(&mut self, shift: u32) {
        let mut all: Vec<Entry> = std::mem::take(&mut self.near);
        for head in &mut self.heads {
            let mut slot = std::mem::replace(head, NONE);
            while slot != NONE {
                let Slot { time, sequence, next, .. } = self.slots[slot as usize];
                all.push(Entry { time, sequence, slot });
                slot = next;
            }
        }
        self.occupied = [0; BUCKETS / 64];
        all.extend(std::mem::take(&mut self.far).into_iter().map(|Reverse(entry)| entry));
        assert!(all.len() == self.queued, "a rebuild loses nothing");
        let first = all.iter().map(|entry| entry.time).min().unwrap_or(0);
        self.shift = shift;
        self.day = first >> shift;
        for entry in all {
            self.place(entry);
        }
        self.far_pushes = 0;
    }
}

/// What [`Queue::revise`] does with an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revision {
    /// Nothing.
    Keep,
    /// It never happens.
    Drop,
    /// It happens later, at that time.
    Move(u64),
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn drain(queue: &mut Queue<u32>) -> Vec<(u64, u32)> {
        let mut out = Vec::new();
        while let Some((time, place)) = queue.pop() {
            if let Some(event) = queue.take(place) {
                out.push((time, event));
            }
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
                    let (time, place) = queue.pop().expect("one was pushed");
                    now = time;
                    taken.push((time, queue.take(place).expect("nothing was dropped")));
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
        while let Some((time, place)) = queue.pop() {
            assert!(time >= last.0);
            last = (time, seen);
            queue.take(place);
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
