//! Hands: each thread that works in the workspace has its own open directory, its own randomness and its own ticket.
//!
//! A ticket costs a sync, so hands are kept for the next one who needs one. At the end their tickets are removed.

use crate::error::Error;
use ::workspace::lock::{self, Limits, Locker};
use ::workspace::places::Places;
use ::workspace::turn::{Machine, Step, Turn};
use contract::host::{Host, Identity, Liveness};
use contract::{Disk, Duration, Mark, Pid, Time, Wall};
use host::Local;
use host::local::Silent;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Files that one hand has open at once, at most: two of the ledger, and what is copied.
const OPEN_FILES_MAX: usize = 16;

/// The machine under one hand.
pub struct Here(Local);

impl Machine for Here {
    fn disk(&mut self) -> Disk<'_> {
        Disk::new(self.0.storage())
    }
    fn identity(&self) -> Identity {
        self.0.identity()
    }
    fn liveness(&self, pid: Pid) -> Liveness {
        self.0.liveness(pid)
    }
    fn now(&self) -> Time {
        self.0.now()
    }
    fn wall(&self) -> Wall {
        self.0.wall()
    }
    fn random(&mut self) -> u64 {
        self.0.random()
    }
    fn mark(&mut self, mark: Mark) {
        self.0.mark(mark);
    }
    fn sleep(&mut self, time: Duration) {
        self.0.sleep(time);
    }
}

impl Here {
    /// The directory that a workspace's directory is in.
    pub fn open(parent: &Path) -> Result<Here, Error> {
        let opened = Local::open(parent, OPEN_FILES_MAX, Box::new(Silent));
        opened.map(Here).map_err(|error| Error::Directory(parent.to_owned(), error.to_string()))
    }

    /// Runs an operation to its end.
    pub fn run<T>(&mut self, operation: impl FnOnce(&mut Turn<'_>) -> Step<T>) -> T {
        Turn::through(self, operation)
    }
}

/// A machine and a ticket.
pub struct Hand {
    pub here: Here,
    pub locker: Locker,
}

/// The hands of one workspace that are not at work.
pub struct Hands {
    parent: PathBuf,
    places: Places,
    limits: Limits,
    idle: Mutex<Vec<Hand>>,
}

impl Hands {
    /// None yet.
    pub fn new(parent: PathBuf, places: Places, limits: Limits) -> Hands {
        Hands { parent, places, limits, idle: Mutex::new(Vec::new()) }
    }

    /// The paths of the workspace.
    pub fn places(&self) -> &Places {
        &self.places
    }

    /// The directory that the workspace's directory is in.
    pub fn parent(&self) -> &Path {
        &self.parent
    }

    /// An idle hand, or a new one.
    pub fn take(&self) -> Result<Hand, Error> {
        // Whoever panicked while it had the list left the list whole.
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(hand) = idle {
            return Ok(hand);
        }
        let mut here = Here::open(&self.parent)?;
        let locker = here.run(|turn| lock::locker(turn, &self.places, self.limits));
        let locker = locker.map_err(|error| Error::disk("write a ticket in", &self.places.temporaries(), error))?;
        Ok(Hand { here, locker })
    }

    /// Keeps a hand for the next one.
    pub fn give_back(&self, hand: Hand) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(hand);
    }

    /// Lends a hand to `work`.
    pub fn lend<T>(&self, work: impl FnOnce(&mut Hand) -> Result<T, Error>) -> Result<T, Error> {
        let mut hand = self.take()?;
        let done = work(&mut hand);
        self.give_back(hand);
        done
    }
}

impl Drop for Hands {
    fn drop(&mut self) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        for Hand { here, locker } in idle.iter_mut() {
            // A ticket that stays is swept once this process has ended.
            let _ = here.run(|turn| turn.unlink(&locker.ticket.path));
        }
    }
}
