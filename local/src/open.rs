//! The workspace of one directory, opened by one program.

use crate::TOOL;
use crate::append::{Appender, Pace};
use crate::error::Error;
use crate::hand::{Hand, Hands, Here};
use ::workspace::atomic::{self, Loaded, Saved};
use ::workspace::format::{self, CURRENT, Status};
use ::workspace::ledger::{self, Cursor, NewEvent, Page};
use ::workspace::lock::{self, Held, Limits};
use ::workspace::places::Places;
use ::workspace::prepare::prepare;
use ::workspace::snapshot::{self, restore};
use contract::Duration;
use serde_json::Value;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// How patient a program is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How long to wait for locks, and how often to look.
    pub limits: Limits,
    /// How the ledger's lock is shared between processes.
    pub pace: Pace,
}

impl Default for Options {
    /// As [`Limits`], but looking more often: on a local disk a look costs microseconds.
    fn default() -> Self {
        let limits = Limits { longest: Duration::from_millis(25), ..Limits::default() };
        Options { limits, pace: Pace::default() }
    }
}

/// An open workspace. Threads share it; each call blocks until it is done.
pub struct Workspace {
    path: PathBuf,
    hands: Hands,
    appender: Appender,
}

impl Workspace {
    /// Makes a workspace in the directory `path`, which is made if it is missing, and opens it.
    ///
    /// # Errors
    /// [`Error::AlreadyThere`], or when the directory cannot be used.
    pub fn init(path: &Path) -> Result<Workspace, Error> {
        let workspace = Workspace::at(path, Options::default())?;
        let places = workspace.places().clone();
        let mut here = Here::open(workspace.hands.parent())?;
        match here.run(|turn| format::status(turn, &places))? {
            Status::Missing => {}
            Status::Ready => return Err(Error::AlreadyThere),
            other => return Err(Error::Format(other)),
        }
        here.run(|turn| prepare(turn, &places)).map_err(|error| Error::disk("make", places.root(), error))?;
        // Two programs may get here at once; the second to take the lock finds the work done.
        workspace.under(&["events".to_owned()], |hand| {
            match hand.here.run(|turn| format::status(turn, &places))? {
                Status::Missing => Ok(hand.here.run(|turn| format::write(turn, &places, CURRENT, CURRENT, TOOL))?),
                _ => Err(Error::AlreadyThere),
            }
        })?;
        Ok(workspace)
    }

    /// Opens the workspace in the directory `path`.
    ///
    /// # Errors
    /// [`Error::Format`] when there is none, or none that this program may use without a migration.
    pub fn open(path: &Path) -> Result<Workspace, Error> {
        Workspace::open_with(path, Options::default())
    }

    /// Opens the workspace in the directory `path`, and finishes what a crash cut short.
    ///
    /// # Errors
    /// As [`Workspace::open`].
    pub fn open_with(path: &Path, options: Options) -> Result<Workspace, Error> {
        let workspace = Workspace::unchecked(path, options)?;
        match workspace.format()? {
            Status::Ready => Ok(workspace),
            other => Err(Error::Format(other)),
        }
    }

    /// Opens a workspace of any format that this program knows of, and finishes what a crash cut short.
    pub(crate) fn unchecked(path: &Path, options: Options) -> Result<Workspace, Error> {
        if !path.is_dir() {
            return Err(Error::Format(Status::Missing));
        }
        let workspace = Workspace::at(path, options)?;
        match workspace.format()? {
            Status::Ready | Status::NeedsMigration { .. } => {}
            other if !workspace.restore_is_unfinished()? => return Err(Error::Format(other)),
            _ => {}
        }
        let places = workspace.places();
        let prepared = Here::open(workspace.hands.parent())?.run(|turn| prepare(turn, places));
        prepared.map_err(|error| Error::disk("prepare", places.root(), error))?;
        workspace.finish_restore()?;
        Ok(workspace)
    }

    /// Opens what a snapshot is about to replace ([`Workspace::restore`]): ledger and format may be damaged.
    ///
    /// # Errors
    /// When there is no snapshot, or a newer program wrote the workspace.
    pub fn open_to_restore(path: &Path, options: Options) -> Result<Workspace, Error> {
        let workspace = Workspace::at(path, options)?;
        let places = workspace.places();
        if !path.is_dir() || workspace.snapshots()?.is_empty() {
            return Err(Error::Format(Status::Missing));
        }
        if let refused @ Status::TooNew { .. } = workspace.format()?
            && !workspace.restore_is_unfinished()?
        {
            return Err(Error::Format(refused));
        }
        let prepared = Here::open(workspace.hands.parent())?.run(|turn| prepare(turn, places));
        prepared.map_err(|error| Error::disk("prepare", places.root(), error))?;
        Ok(workspace)
    }

    fn at(path: &Path, options: Options) -> Result<Workspace, Error> {
        let unusable = |why: &dyn std::fmt::Display| Error::Directory(path.to_owned(), why.to_string());
        let absolute = std::path::absolute(path).map_err(|error| unusable(&error))?;
        // Through the real path, `a/..` has a name too.
        let absolute = std::fs::canonicalize(&absolute).unwrap_or(absolute);
        let name = absolute.file_name().and_then(|name| name.to_str()).ok_or_else(|| unusable(&"it has no name"))?;
        let parent = absolute.parent().ok_or_else(|| unusable(&"it is in no directory"))?;
        let hands = Hands::new(parent.to_owned(), Places::of(name), options.limits);
        Ok(Workspace { path: absolute.clone(), hands, appender: Appender::new(options.pace) })
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends events, all of them or none, and returns their numbers once they are durable. Calls of several threads
    /// share a write and a sync.
    ///
    /// # Errors
    /// When nothing was acknowledged; the error says whether the events may be there all the same.
    pub fn append(&self, events: &[NewEvent]) -> Result<Range<u64>, Error> {
        self.appender.append(&self.hands, events)
    }

    /// Reads events from `cursor` on, about `bytes` of them; takes no lock.
    ///
    /// # Errors
    /// When the ledger is damaged or cannot be read.
    pub fn read(&self, cursor: Cursor, bytes: usize) -> Result<Page, Error> {
        let page = Here::open(self.hands.parent())?.run(|turn| ledger::read(turn, self.places(), cursor, bytes));
        Ok(page?)
    }

    /// Saves `data` as the next version of the file `name`: readers and restarts see the old or the new one.
    ///
    /// # Errors
    /// When it was not acknowledged.
    pub fn save(&self, name: &str, data: &Value) -> Result<Saved, Error> {
        self.hands.lend(|Hand { here, locker }| {
            if here.run(|turn| restore::unfinished(turn, self.hands.places()))? {
                return Err(Error::RestoreUnfinished);
            }
            Ok(here.run(|turn| atomic::save(turn, locker, name, data))?)
        })
    }

    /// Reads the file `name`; `None` if it was never saved.
    ///
    /// # Errors
    /// When it is damaged or cannot be read.
    pub fn load(&self, name: &str) -> Result<Option<Loaded>, Error> {
        self.hands.lend(|Hand { here, locker }| Ok(here.run(|turn| atomic::load(turn, locker, name))?))
    }

    /// Takes the lock `domain`, which no other thread or process has until it is released. The domain `events` is the
    /// ledger's, and `state-<name>` that of a saved file.
    ///
    /// # Errors
    /// [`lock::LockError::Contention`] naming the holder, when live processes held it for all of the patience.
    pub fn lock(&self, domain: &str) -> Result<Lock<'_>, Error> {
        if !atomic::is_name(domain) {
            return Err(Error::LockName(domain.to_owned()));
        }
        let mut hand = self.hands.take()?;
        let Hand { here, locker } = &mut hand;
        match here.run(|turn| lock::acquire(turn, locker, domain)) {
            Ok(held) => Ok(Lock { workspace: self, held: Some((hand, held)) }),
            Err(error) => {
                self.hands.give_back(hand);
                Err(error.into())
            }
        }
    }

    /// Whether this program may use the workspace.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn format(&self) -> Result<Status, Error> {
        Ok(Here::open(self.hands.parent())?.run(|turn| format::status(turn, self.places()))?)
    }

    pub(crate) fn places(&self) -> &Places {
        self.hands.places()
    }

    pub(crate) fn hands(&self) -> &Hands {
        &self.hands
    }

    pub(crate) fn restore_is_unfinished(&self) -> Result<bool, Error> {
        Ok(Here::open(self.hands.parent())?.run(|turn| restore::unfinished(turn, self.places()))?)
    }

    /// Finishes a restore that a crash cut short.
    pub(crate) fn finish_restore(&self) -> Result<Option<String>, Error> {
        if !self.restore_is_unfinished()? {
            return Ok(None);
        }
        self.alone(|hand| Ok(hand.here.run(|turn| restore::finish(turn, self.places()))?))
    }

    /// Runs `work` while every lock is held that somebody could need who changes something.
    pub(crate) fn alone<T>(&self, work: impl FnOnce(&mut Hand) -> Result<T, Error>) -> Result<T, Error> {
        self.under(&["events".to_owned()], |hand| {
            // Listed under the first lock, without which nobody else takes the others together.
            let domains = hand.here.run(|turn| snapshot::domains(turn, self.places()))?;
            self.under(&domains[1..], work)
        })
    }

    /// Runs `work` under the locks of those domains, taken in this order.
    pub(crate) fn under<T>(
        &self,
        domains: &[String],
        work: impl FnOnce(&mut Hand) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.hands.lend(|hand| {
            let mut taken: Vec<Held> = Vec::new();
            let mut failed = None;
            for domain in domains {
                match hand.here.run(|turn| lock::acquire(turn, &hand.locker, domain)) {
                    Ok(held) => taken.push(held),
                    Err(error) => {
                        failed = Some(error.into());
                        break;
                    }
                }
            }
            let done = failed.map_or_else(|| work(hand), Err);
            for held in taken.iter().rev() {
                // What cannot be given back is free for others when this process ends.
                let _ = hand.here.run(|turn| lock::release(turn, &hand.locker, held));
            }
            done
        })
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        self.appender.close(&self.hands);
    }
}

/// A lock that is held; dropping it gives it back.
#[must_use = "a lock that is dropped at once guards nothing"]
pub struct Lock<'w> {
    workspace: &'w Workspace,
    held: Option<(Hand, Held)>,
}

impl Lock<'_> {
    /// Whether it was taken from a holder that died, who may have left its work half done.
    pub fn recovered(&self) -> bool {
        self.held.as_ref().is_some_and(|(_, held)| held.recovered)
    }

    /// Gives it back.
    ///
    /// # Errors
    /// When it was not this holder's any more, or may still be held.
    pub fn release(mut self) -> Result<(), Error> {
        self.give_back()
    }

    fn give_back(&mut self) -> Result<(), Error> {
        let Some((mut hand, held)) = self.held.take() else { return Ok(()) };
        let Hand { here, locker } = &mut hand;
        let released = here.run(|turn| lock::release(turn, locker, &held));
        self.workspace.hands.give_back(hand);
        Ok(released?)
    }
}

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        // What cannot be given back is free for others when this process ends.
        let _ = self.give_back();
    }
}
