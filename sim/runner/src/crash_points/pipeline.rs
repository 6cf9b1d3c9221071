//! One producer, several workers, results in the order of production: how much is in flight is bounded, and
//! what comes out does not depend on the number of workers.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex};

/// What a worker made of an item.
pub struct Done<R> {
    /// The result.
    pub result: R,
    /// Whether nothing after it is wanted.
    pub is_last: bool,
}

/// Takes the next item; `false` when no more are wanted.
pub type Feed<'f, J> = &'f mut dyn FnMut(J) -> bool;

/// Runs `work` over what `produce` makes, on `workers` threads, and hands results to `collect` in order, up
/// to and including the first that is the last.
pub fn run<J: Send, R: Send>(
    workers: usize,
    produce: impl FnOnce(Feed<'_, J>) + Send,
    work: impl Fn(J) -> Done<R> + Sync,
    mut collect: impl FnMut(R),
) {
    let workers = workers.max(1);
    let last = AtomicU64::new(u64::MAX);
    std::thread::scope(|scope| {
        let (items, queue) = mpsc::sync_channel::<(u64, J)>(workers);
        // Owned by the workers: when all of them are gone, the producer notices.
        let queue = Arc::new(Mutex::new(queue));
        let (results, collected) = mpsc::sync_channel::<(u64, R)>(4 * workers);
        for _ in 0..workers {
            let (queue, results, last, work) = (Arc::clone(&queue), results.clone(), &last, &work);
            scope.spawn(move || worker(&queue, &results, last, work));
        }
        drop((queue, results));
        let last = &last;
        scope.spawn(move || {
            let mut number = 0;
            produce(&mut |item| {
                number += 1;
                last.load(Relaxed) >= number - 1 && items.send((number - 1, item)).is_ok()
            });
        });
        in_order(&collected, last, &mut collect);
    });
}

fn worker<J, R>(
    queue: &Mutex<Receiver<(u64, J)>>,
    results: &SyncSender<(u64, R)>,
    last: &AtomicU64,
    work: &impl Fn(J) -> Done<R>,
) {
    loop {
        // A poisoned lock means that another worker panicked; the scope passes that on.
        let Ok(next) = queue.lock().map(|queue| queue.recv()) else { return };
        let Ok((number, item)) = next else { return };
        if number > last.load(Relaxed) {
            continue;
        }
        let Done { result, is_last } = work(item);
        if is_last {
            last.fetch_min(number, Relaxed);
        }
        if results.send((number, result)).is_err() {
            return;
        }
    }
}

fn in_order<R>(results: &Receiver<(u64, R)>, last: &AtomicU64, collect: &mut impl FnMut(R)) {
    let mut waiting = BTreeMap::new();
    let mut next = 0;
    for (number, result) in results {
        waiting.insert(number, result);
        // Nothing before the last one is ever left out, so that the order has no gaps up to it.
        while let Some(result) = waiting.remove(&next).filter(|_| next <= last.load(Relaxed)) {
            collect(result);
            next += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn squares(workers: usize, stop_at: u64) -> (Vec<u64>, u64) {
        let produced = AtomicU64::new(0);
        let mut seen = Vec::new();
        let produce = |feed: Feed<'_, u64>| {
            for item in 0..10_000 {
                produced.fetch_add(1, Relaxed);
                if !feed(item) {
                    return;
                }
            }
        };
        let work = |item: u64| Done { result: item * item, is_last: item >= stop_at };
        run(workers, produce, work, |square| seen.push(square));
        (seen, produced.into_inner())
    }

    #[test]
    fn results_come_in_order_whatever_the_number_of_workers() {
        for workers in [1, 2, 8] {
            let (seen, produced) = squares(workers, u64::MAX);
            assert_eq!(produced, 10_000);
            assert!(seen.iter().copied().eq((0..10_000).map(|item| item * item)), "{workers} workers");
        }
    }

    #[test]
    fn the_first_that_is_the_last_ends_it_and_production_stops_soon_after() {
        for workers in [1, 2, 8] {
            let (seen, produced) = squares(workers, 100);
            assert_eq!(seen, (0..=100).map(|item| item * item).collect::<Vec<u64>>(), "{workers} workers");
            assert!(produced < 1_000, "{produced} were produced for 101");
        }
    }
}
