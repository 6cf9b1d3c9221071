//! What the processes of a cluster stated, collected from their pipes.

use contract::Observed;
use std::io::{BufRead, BufReader, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A longer line is not a mark.
const LINE_MAX: u64 = 8 << 20;

/// Marks in the order of their arrival; those of one incarnation are in the order of their statement.
#[derive(Debug)]
pub(crate) struct Log {
    marks: Mutex<Vec<Observed>>,
    marks_max: usize,
    foreign_lines: AtomicU64,
    lost: AtomicU64,
}

impl Log {
    pub(crate) fn new(marks_max: usize) -> Self {
        Log { marks: Mutex::default(), marks_max, foreign_lines: AtomicU64::new(0), lost: AtomicU64::new(0) }
    }

    /// Adds a mark; beyond the limit it is counted as lost.
    pub(crate) fn push(&self, observed: Observed) {
        let mut marks = self.marks();
        if marks.len() < self.marks_max {
            marks.push(observed);
        } else {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn marks(&self) -> MutexGuard<'_, Vec<Observed>> {
        // A push leaves the vector whole whatever happens.
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lines that were not marks of the process they came from: something else wrote to its standard output.
    pub(crate) fn foreign_lines(&self) -> u64 {
        self.foreign_lines.load(Ordering::Relaxed)
    }

    /// Marks beyond the limit.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// All marks in the order of their times; equal times in the order of processes and incarnations.
    pub(crate) fn merged(&self) -> Vec<Observed> {
        let mut marks = std::mem::take(&mut *self.marks());
        // Stable, so the marks of one incarnation keep their order.
        marks.sort_by_key(|seen| (seen.at, seen.process, seen.incarnation));
        marks
    }

    /// Reads the lines of one incarnation until its pipe ends; whether it stated its own exit. A line
    /// without its newline was cut by the process's death: it was never stated.
    pub(crate) fn read_lines(&self, pipe: impl Read, is_own: impl Fn(&Observed) -> bool) -> bool {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        let mut exit_stated = false;
        loop {
            line.clear();
            match (&mut pipe).take(LINE_MAX).read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => return exit_stated,
                Ok(_) => {}
            }
            if line.pop() != Some(b'\n') {
                continue;
            }
            match serde_json::from_slice::<Observed>(&line) {
                Ok(seen) if is_own(&seen) => {
                    exit_stated |= seen.mark.kind == "system.exit";
                    self.push(seen);
                }
                _ => {
                    self.foreign_lines.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::{ProcessId, Time, mark};

    fn seen(at: u64, process: u32, note: u64) -> Observed {
        let mark = mark!("test.note", note = note, list = vec![1_u64, 2], word = "a \"b\"\n", flag = true);
        Observed { at: Time(at), process: ProcessId(process), incarnation: 1, event: 0, mark }
    }

    fn line(seen: &Observed) -> String {
        serde_json::to_string(seen).unwrap() + "\n"
    }

    #[test]
    fn marks_survive_the_pipe_and_a_torn_line_was_never_stated() {
        let log = Log::new(100);
        let mut text = line(&seen(5, 1, 1)) + "running 1 test\n" + &line(&seen(6, 2, 2)) + &line(&seen(7, 1, 3));
        text.truncate(text.len() - 1);
        assert!(!log.read_lines(text.as_bytes(), |seen| seen.process == ProcessId(1)));
        assert_eq!(*log.marks(), [seen(5, 1, 1)]);
        assert_eq!(log.foreign_lines(), 2);
    }

    #[test]
    fn merging_orders_by_time_and_keeps_each_stream() {
        let log = Log::new(4);
        [seen(9, 2, 1), seen(5, 1, 2), seen(9, 1, 3), seen(9, 1, 4), seen(1, 1, 5)]
            .into_iter()
            .for_each(|s| log.push(s));
        assert_eq!(log.lost(), 1);
        assert_eq!(log.merged(), [seen(5, 1, 2), seen(9, 1, 3), seen(9, 1, 4), seen(9, 2, 1)]);
    }
}
