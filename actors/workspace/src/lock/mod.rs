//! Workspace locks: one holder at a time, a live holder is never broken, a dead one is taken over (L1, L2, L3).
//!
//! A locker has a *ticket*, a file that says who it is ([`ticket`]). A lock is taken with one `link` of the ticket to
//! the lock's name: it is published together with its content, or not at all. Who finds it taken waits, with doubled
//! and jittered pauses, for as long as its patience lasts; a holder that runs is never broken. A holder that is dead
//! is replaced at once ([`takeover`]).
//!
//! ```text
//!            link: ok                                  stat: my file, unlink
//!   Wanted ------------------------------------> Held ----------------------> Free
//!     |  EEXIST                                   ^
//!     +--> look: gone ---> link again             |
//!     |    look: alive --> pause, link again      |
//!     |         patience is over: Contention      |
//!     +--> look: dead --> guard, look again: the same, replace by rename
//! ```

pub mod sweep;
mod takeover;
pub mod ticket;
pub mod token;

use crate::places::Places;
use crate::planted::Defect;
use crate::turn::{Step, Turn};
use contract::{DiskError, Duration, Mark, Open, Time, mark};
use std::fmt;
use takeover::Judged;
use ticket::{Content, Ticket};
use token::{Life, Token};

/// How long to wait for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For a lock that a live process holds, before [`LockError::Contention`].
    pub patience: Duration,
    /// Between the first two attempts; doubled after each.
    pub first: Duration,
    /// Between two attempts, at most.
    pub longest: Duration,
    /// For an empty lock file to be filled by the older version that made it.
    pub empty: Duration,
}

impl Default for Limits {
    /// As spec 002 has them.
    fn default() -> Self {
        Limits {
            patience: Duration::from_secs(30),
            first: Duration::from_millis(2),
            longest: Duration::from_secs(1),
            empty: Duration::from_secs(10),
        }
    }
}

/// Someone who takes locks: a process, or one thread of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locker {
    /// The workspace.
    pub places: Places,
    /// What it links.
    pub ticket: Ticket,
    /// Its patience.
    pub limits: Limits,
}

/// A lock that is held until [`release`], or until its holder's process ends.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a lock that nobody releases is held until the process ends"]
pub struct Held {
    /// The lock's file.
    pub path: String,
    /// Which file that is.
    pub inode: u64,
    /// Whether it was taken from a dead holder, who may have left its work half done.
    pub recovered: bool,
}

/// Why a lock was not taken, or not released.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LockError {
    /// A process that runs holds it; ask again, or end that process.
    Contention {
        /// The lock's file.
        path: String,
        /// Who.
        holder: Token,
    },
    /// The lock file holds something that no version wrote. Nobody breaks it: someone has to look.
    Unreadable {
        /// The lock's file.
        path: String,
    },
    /// More processes died while they took this lock over than guards can be nested.
    TooDeep {
        /// The innermost guard's file.
        path: String,
    },
    /// The lock is not this holder's any more: someone removed or replaced the file by hand.
    Lost {
        /// The lock's file.
        path: String,
    },
    /// The disk refused; ask again.
    Disk {
        /// Which file it was about.
        path: String,
        /// What it said.
        error: DiskError,
    },
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LockError::Contention { path, holder } => {
                write!(f, "LOCK_CONTENTION: {path} is held by process {}, which runs", holder.owner.pid.0)
            }
            LockError::Unreadable { path } => {
                write!(f, "LOCK_UNREADABLE: {path} is no lock file of this or an older version")
            }
            LockError::TooDeep { path } => write!(f, "LOCK_TOO_DEEP: too many processes died taking {path} over"),
            LockError::Lost { path } => write!(f, "LOCK_LOST: {path} was removed or replaced by hand"),
            LockError::Disk { path, error } => write!(f, "{path}: {error}"),
        }
    }
}

impl std::error::Error for LockError {}

/// A locker with a new ticket in `places`, which must be [prepared](crate::prepare::prepare).
///
/// # Errors
/// Whatever the disk says.
pub fn locker(turn: &mut Turn<'_>, places: &Places, limits: Limits) -> Step<Result<Locker, DiskError>> {
    match Ticket::make(turn, places)? {
        Ok(ticket) => {
            turn.mark(mark!("lock.ticket", token = ticket.token.to_string()))?;
            Ok(Ok(Locker { places: places.clone(), ticket, limits }))
        }
        Err(error) => Ok(Err(error)),
    }
}

/// Takes the lock of a domain such as `events`, waiting for it.
///
/// # Errors
/// [`LockError::Contention`] naming the holder when it was held by live processes for all of the patience.
pub fn acquire(turn: &mut Turn<'_>, locker: &Locker, domain: &str) -> Step<Result<Held, LockError>> {
    let deadline = turn.now()? + locker.limits.patience;
    obtain(turn, locker, &locker.places.lock(domain), deadline, 0)
}

/// Takes a lock file without waiting for a live holder.
fn acquire_path(turn: &mut Turn<'_>, locker: &Locker, path: &str) -> Step<Result<Held, LockError>> {
    let deadline = turn.now()?;
    let name = path.rsplit('/').next().unwrap_or(path);
    obtain(turn, locker, path, deadline, name.matches('.').count().saturating_sub(1))
}

/// Gives a lock back, trying as long as the patience lasts.
///
/// # Errors
/// The lock may still be held, and is seen as such until this process ends: it had better end.
pub fn release(turn: &mut Turn<'_>, locker: &Locker, held: &Held) -> Step<Result<(), LockError>> {
    let path = &held.path;
    match turn.stat(path)? {
        Ok(stat) if stat.inode == held.inode => {}
        Ok(_) | Err(DiskError::NotFound) => return Ok(Err(LockError::Lost { path: path.clone() })),
        Err(error) => return Ok(Err(LockError::Disk { path: path.clone(), error })),
    }
    // Said before it is done: afterwards another may already have it.
    turn.mark(mark!("lock.left", lock = path.as_str(), token = locker.ticket.token.to_string()))?;
    let deadline = turn.now()? + locker.limits.patience;
    let mut pause = locker.limits.first;
    loop {
        match turn.unlink(path)? {
            Ok(()) => return Ok(Ok(())),
            Err(error) if turn.now()? >= deadline => {
                return Ok(Err(LockError::Disk { path: path.clone(), error }));
            }
            Err(_) => turn.wait(pause)?,
        }
        pause = (pause * 2).min(locker.limits.longest);
    }
}

/// What an attempt finds at a lock's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    /// Nothing.
    Gone,
    /// This locker's own ticket: an earlier attempt or release ended half-way.
    Mine,
    /// Something.
    Content(Content),
}

/// What to do about a lock that is there.
enum Verdict {
    /// Replace this.
    Replace(Judged),
    /// Try again later.
    Wait,
    /// Give up.
    Refuse(LockError),
}

/// Takes the lock file `path`; `depth` counts the guards that this is one of.
fn obtain(
    turn: &mut Turn<'_>,
    locker: &Locker,
    path: &str,
    deadline: Time,
    depth: usize,
) -> Step<Result<Held, LockError>> {
    let token = locker.ticket.token.to_string();
    turn.mark(mark!("lock.wanted", lock = path, token = token.as_str()))?;
    let obtained = wait_for(turn, locker, path, deadline, depth)?;
    let said = if obtained.is_ok() { Mark::new("lock.taken") } else { Mark::new("lock.refused") };
    turn.mark(said.with("lock", path).with("token", token))?;
    Ok(obtained)
}

fn wait_for(
    turn: &mut Turn<'_>,
    locker: &Locker,
    path: &str,
    deadline: Time,
    depth: usize,
) -> Step<Result<Held, LockError>> {
    let held = |inode, recovered| Ok(Ok(Held { path: path.to_owned(), inode, recovered }));
    let mut pause = locker.limits.first;
    let mut empty = None;
    loop {
        match publish(turn, locker, path)? {
            Ok(inode) => return held(inode, false),
            Err(DiskError::Exists) => {}
            Err(error) => return Ok(Err(LockError::Disk { path: path.to_owned(), error })),
        }
        let content = match look(turn, locker, path)? {
            // Somebody has just given it back: one of those who wait makes progress.
            Ok(Found::Gone) => continue,
            Ok(Found::Mine) => return held(locker.ticket.inode, true),
            Ok(Found::Content(content)) => content,
            Err(error) => return Ok(Err(error)),
        };
        match judge(turn, locker, path, content, &mut empty, deadline)? {
            Verdict::Replace(judged) => match takeover::replace(turn, locker, path, judged, deadline, depth)? {
                Ok(true) => return held(locker.ticket.inode, true),
                Ok(false) => {}
                Err(error) => return Ok(Err(error)),
            },
            Verdict::Refuse(error) => return Ok(Err(error)),
            Verdict::Wait => {}
        }
        // Uniform in its upper half: waiters that met once shall not meet again.
        let half = pause / 2;
        let jitter = Duration::from_nanos(turn.random()? % (half.as_nanos() as u64 + 1));
        turn.wait(half + jitter)?;
        pause = (pause * 2).min(locker.limits.longest);
    }
}

/// Judges what a lock holds. An empty file is judged by how long this locker has seen it so, by its own clock, since
/// the file's date could have been set by a clock that was wrong; that is waited for, however short the patience is.
fn judge(
    turn: &mut Turn<'_>,
    locker: &Locker,
    path: &str,
    content: Content,
    empty: &mut Option<(u64, Time)>,
    deadline: Time,
) -> Step<Verdict> {
    let now = turn.now()?;
    let seen_empty = empty.take();
    Ok(match content {
        Content::Taken(token) if token.life(turn)? == Life::Dead => Verdict::Replace(Judged::Dead(token)),
        Content::Taken(_) if now < deadline => Verdict::Wait,
        Content::Taken(token) if turn.has(Defect::P05) => Verdict::Replace(Judged::Dead(token)),
        Content::Taken(holder) => Verdict::Refuse(LockError::Contention { path: path.to_owned(), holder }),
        Content::Empty { inode } => {
            let since = seen_empty.filter(|(known, _)| *known == inode).map_or(now, |(_, since)| since);
            *empty = Some((inode, since));
            let old = now.since(since) >= locker.limits.empty || turn.has(Defect::P06);
            if old { Verdict::Replace(Judged::Empty(inode)) } else { Verdict::Wait }
        }
        Content::Unreadable => Verdict::Refuse(LockError::Unreadable { path: path.to_owned() }),
    })
}

/// Publishes a lock: its name and its content appear together. Returns which file it is.
fn publish(turn: &mut Turn<'_>, locker: &Locker, path: &str) -> Step<Result<u64, DiskError>> {
    if turn.has(Defect::P06) {
        return create_then_write(turn, locker, path);
    }
    let linked = turn.link(&locker.ticket.path, path)?;
    Ok(linked.map(|()| locker.ticket.inode))
}

/// The planted way: for a moment the lock is there and nobody knows whose it is.
fn create_then_write(turn: &mut Turn<'_>, locker: &Locker, path: &str) -> Step<Result<u64, DiskError>> {
    let file = match turn.open(path, Open::CreateNew)? {
        Ok(file) => file,
        Err(error) => return Ok(Err(error)),
    };
    let written = turn.append(file, &ticket::line(locker.ticket.token, 0))?;
    turn.close(file)?;
    match written {
        Ok(()) => Ok(turn.stat(path)?.map(|stat| stat.inode)),
        Err(error) => Ok(Err(error)),
    }
}

/// Looks at what has the lock's name now.
fn look(turn: &mut Turn<'_>, locker: &Locker, path: &str) -> Step<Result<Found, LockError>> {
    let failed = |error| LockError::Disk { path: path.to_owned(), error };
    let inode = match turn.stat(path)? {
        Ok(stat) if stat.inode == locker.ticket.inode => return Ok(Ok(Found::Mine)),
        Ok(stat) if stat.len == 0 => return Ok(Ok(Found::Content(Content::Empty { inode: stat.inode }))),
        Ok(stat) => stat.inode,
        Err(DiskError::NotFound) => return Ok(Ok(Found::Gone)),
        Err(error) => return Ok(Err(failed(error))),
    };
    let file = match turn.open(path, Open::Read)? {
        Ok(file) => file,
        Err(DiskError::NotFound) => return Ok(Ok(Found::Gone)),
        Err(error) => return Ok(Err(failed(error))),
    };
    let bytes = turn.read_all(file)?;
    turn.close(file)?;
    Ok(bytes.map(|bytes| Found::Content(ticket::read(&bytes, inode))).map_err(failed))
}
