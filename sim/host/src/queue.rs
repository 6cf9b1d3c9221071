//! What waits to be sent to one peer: bounded in frames and bytes, the oldest dropped first.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Encoded frames for one peer, filled by process threads and emptied by the link's task.
///
/// When it is full the oldest frames go: what was asked longest ago has most likely been asked again.
#[derive(Debug)]
pub(crate) struct OutQueue {
    frames_max: usize,
    bytes_max: usize,
    waiting: Mutex<Waiting>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    frames: VecDeque<Vec<u8>>,
    bytes: usize,
}

impl OutQueue {
    pub(crate) fn new(frames_max: usize, bytes_max: usize) -> Self {
        assert!(frames_max > 0 && bytes_max > 0, "a queue holds something");
        OutQueue { frames_max, bytes_max, waiting: Mutex::default(), filled: Notify::new() }
    }

    /// Adds a frame and returns how many older ones it pushed out. A single frame always fits.
    pub(crate) fn push(&self, frame: Vec<u8>) -> u64 {
        let mut dropped = 0;
        let mut waiting = self.lock();
        while !waiting.frames.is_empty()
            && (waiting.frames.len() >= self.frames_max || waiting.bytes + frame.len() > self.bytes_max)
        {
            waiting.pop();
            dropped += 1;
        }
        waiting.bytes += frame.len();
        waiting.frames.push_back(frame);
        assert!(waiting.frames.len() <= self.frames_max, "the queue keeps its bound");
        drop(waiting);
        self.filled.notify_one();
        dropped
    }

    /// Moves frames to the end of `batch` until it holds `enough` bytes; returns how many.
    pub(crate) fn take(&self, batch: &mut Vec<u8>, enough: usize) -> u64 {
        let mut taken = 0;
        let mut waiting = self.lock();
        while batch.len() < enough
            && let Some(frame) = waiting.pop()
        {
            batch.extend_from_slice(&frame);
            taken += 1;
        }
        taken
    }

    /// Waits until something waits. For one consumer; may be dropped and asked again.
    pub(crate) async fn ready(&self) {
        while self.lock().frames.is_empty() {
            self.filled.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing panics between two changes of the queue but its own assertion, after which it is whole.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn pop(&mut self) -> Option<Vec<u8>> {
        let frame = self.frames.pop_front()?;
        self.bytes -= frame.len();
        Some(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_frames_go_when_either_bound_is_reached() {
        let queue = OutQueue::new(3, 10);
        let dropped: Vec<u64> = (0..5_u8).map(|byte| queue.push(vec![byte; 2])).collect();
        assert_eq!(dropped, [0, 0, 0, 1, 1]);
        assert_eq!(queue.push(vec![9; 7]), 2);
        let mut batch = Vec::new();
        assert_eq!(queue.take(&mut batch, 1 << 20), 2);
        assert_eq!(batch, [4, 4, 9, 9, 9, 9, 9, 9, 9]);
    }

    #[test]
    fn a_frame_larger_than_the_byte_bound_still_goes_alone() {
        let queue = OutQueue::new(3, 10);
        queue.push(vec![1; 4]);
        assert_eq!(queue.push(vec![2; 50]), 1);
        let mut batch = Vec::new();
        assert_eq!(queue.take(&mut batch, 1), 1);
        assert_eq!(batch.len(), 50);
    }

    #[test]
    fn a_batch_ends_when_it_is_large_enough() {
        let queue = OutQueue::new(10, 1000);
        (0..4).for_each(|_| assert_eq!(queue.push(vec![0; 10]), 0));
        let mut batch = Vec::new();
        assert_eq!(queue.take(&mut batch, 15), 2);
        assert_eq!(queue.take(&mut batch, 15), 0);
    }
}
