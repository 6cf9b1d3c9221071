//! One member's session: its writes come in any order, more than once, and are done in the order of their numbers.

use super::message::{Founding, Reply, Write};
use contract::{Addr, Blob};
use std::collections::BTreeMap;

/// Something to be made durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// Remember the cluster.
    Found(Founding),
    /// Do a write.
    Write(Write),
}

/// A session.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its id.
    pub id: u64,
    /// What the member called it when it asked for it.
    pub nonce: u64,
    /// Where its answers go.
    pub member: Addr<Reply>,
    /// The number of the last durable write.
    done: u64,
    /// What came and is not done, by number.
    tasks: BTreeMap<u64, Task>,
    /// Pages of snapshots by the number of the write that names them.
    staged: BTreeMap<u64, BTreeMap<u32, Blob>>,
}

impl Session {
    /// A session in which nothing was written.
    pub fn new(id: u64, nonce: u64, member: Addr<Reply>) -> Self {
        Session { id, nonce, member, done: 0, tasks: BTreeMap::new(), staged: BTreeMap::new() }
    }

    /// The number of the last durable write.
    pub fn done(&self) -> u64 {
        self.done
    }

    /// Whether a write of that number is to be done, and not too far ahead to be remembered.
    pub fn awaits(&self, seq: u64, window: u64) -> bool {
        seq > self.done && seq - self.done <= window
    }

    /// Remembers what is to be done as number `seq`; the first one counts.
    pub fn add(&mut self, seq: u64, task: Task) {
        assert!(seq > self.done, "what is done is not done again");
        self.tasks.entry(seq).or_insert(task);
    }

    /// Remembers a page for the write of that number.
    pub fn stage(&mut self, seq: u64, page: u32, data: Blob) {
        assert!(seq > self.done, "what is done needs no pages");
        self.staged.entry(seq).or_default().insert(page, data);
    }

    /// Takes the next task, with the pages that it names, if all of it is there.
    pub fn take_next(&mut self) -> Option<(Task, Vec<Blob>)> {
        let seq = self.done + 1;
        let mut pages = Vec::new();
        if let Task::Write(Write { snapshot: Some((_, count)), .. }) = self.tasks.get(&seq)? {
            let staged = self.staged.get(&seq);
            pages.extend((0..*count).map_while(|page| staged?.get(&page).cloned()));
            if pages.len() != *count as usize {
                return None;
            }
        }
        Some((self.tasks.remove(&seq)?, pages))
    }

    /// The task that was taken could not be done yet.
    pub fn put_back(&mut self, task: Task) {
        let before = self.tasks.insert(self.done + 1, task);
        assert!(before.is_none(), "a task is taken before it is put back");
    }

    /// The task that was taken is durable.
    pub fn finish(&mut self) {
        self.done += 1;
        self.staged.remove(&self.done);
    }
}
