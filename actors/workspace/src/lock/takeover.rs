//! Takeover: a dead holder's lock is replaced, and what is replaced is what was judged.
//!
//! Whoever wants to replace the lock of token `T` first takes the *guard* of `T`, a lock of its own whose name
//! contains `T`, and then looks at the lock again. Only who holds the guard replaces or removes the lock of `T`, and
//! `T` itself does nothing any more: so what was seen under the guard is what is replaced. The replacement is a
//! rename over the lock, without a moment in which the lock is free. A slow waiter, who judged `T` dead long ago,
//! gets the guard after all is done and finds another token.
//!
//! A guard's holder may die, too. Then its guard is taken over as any lock, under a guard with both names. Each level
//! costs a death in the middle of a takeover; there are at most [`DEPTH_MAX`].

use super::ticket::Content;
use super::token::Token;
use super::{Found, LockError, Locker, look, obtain, publish, release};
use crate::places::Places;
use crate::planted::Defect;
use crate::telemetry::tell;
use crate::turn::{Step, Turn};
use contract::{DiskError, Time, mark};
use serde_json::json;

/// Guards of guards; a name with so many fits into 255 bytes.
pub const DEPTH_MAX: usize = 8;

/// Which content of a lock file may be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// That of a holder who is dead.
    Dead(Token),
    /// This empty file.
    Empty(u64),
}

impl Judged {
    fn content(self) -> Content {
        match self {
            Judged::Dead(token) => Content::Taken(token),
            Judged::Empty(inode) => Content::Empty { inode },
        }
    }

    /// The part of a guard's name that says whom it is about.
    fn short(self) -> String {
        match self {
            Judged::Dead(token) => token.short(),
            Judged::Empty(inode) => format!("inode-{inode}"),
        }
    }

    fn whom(self) -> String {
        match self {
            Judged::Dead(token) => token.to_string(),
            Judged::Empty(inode) => format!("inode-{inode}"),
        }
    }
}

/// Replaces the lock at `path` if it still is what was judged; whether it is this locker's now.
pub fn replace(
    turn: &mut Turn<'_>,
    locker: &Locker,
    path: &str,
    judged: Judged,
    deadline: Time,
    depth: usize,
) -> Step<Result<bool, LockError>> {
    if turn.has(Defect::P07) {
        return remove_and_publish(turn, locker, path, judged);
    }
    let guard = guard(path, judged);
    if depth == DEPTH_MAX {
        return Ok(Err(LockError::TooDeep { path: guard }));
    }
    let held = match obtain(turn, locker, &guard, deadline, depth + 1)? {
        Ok(held) => held,
        Err(error) => return Ok(Err(error)),
    };
    let replaced = match look(turn, locker, path)? {
        Ok(Found::Content(content)) if content == judged.content() => swap(turn, locker, path, judged)?,
        // A rename that reported an error may have been made all the same.
        Ok(Found::Mine) => Ok(true),
        Ok(_) => Ok(false),
        Err(error) => Err(error),
    };
    // A guard that stays is swept later; whoever needs it meanwhile finds its holder alive and waits.
    let _ = release(turn, locker, &held)?;
    Ok(replaced)
}

/// The lock's name means this locker's ticket from the rename on.
fn swap(turn: &mut Turn<'_>, locker: &Locker, path: &str, judged: Judged) -> Step<Result<bool, LockError>> {
    let failed = |error| LockError::Disk { path: path.to_owned(), error };
    let second = locker.places.temporary(&format!("{}.{:016x}", locker.ticket.token, turn.random()?));
    if let Err(error) = turn.link(&locker.ticket.path, &second)? {
        return Ok(Err(failed(error)));
    }
    if let Err(error) = turn.rename(&second, path)? {
        let _ = turn.unlink(&second)?;
        return Ok(Err(failed(error)));
    }
    tell_of(turn, locker, path, judged)?;
    Ok(Ok(true))
}

/// The planted way: between the look and the unlink the lock may have become another's.
fn remove_and_publish(
    turn: &mut Turn<'_>,
    locker: &Locker,
    path: &str,
    judged: Judged,
) -> Step<Result<bool, LockError>> {
    let failed = |error| LockError::Disk { path: path.to_owned(), error };
    if let Err(error) = turn.unlink(path)?
        && error != DiskError::NotFound
    {
        return Ok(Err(failed(error)));
    }
    match publish(turn, locker, path)? {
        Ok(_) => tell_of(turn, locker, path, judged).map(|()| Ok(true)),
        Err(DiskError::Exists) => Ok(Ok(false)),
        Err(error) => Ok(Err(failed(error))),
    }
}

fn tell_of(turn: &mut Turn<'_>, locker: &Locker, path: &str, judged: Judged) -> Step<()> {
    let (of, by) = (judged.whom(), locker.ticket.token.to_string());
    turn.mark(mark!("lock.broken", lock = path, of = of.as_str(), by = by.as_str()))?;
    tell(turn, &locker.places, "STALE_LOCK_RECOVERY", json!({ "lock": path, "of": of, "by": by }))
}

/// `locks/events.lock` of token `T` has the guard `locks/events.T.break`; that of `U` has `locks/events.T.U.break`.
fn guard(path: &str, judged: Judged) -> String {
    let stem = path.strip_suffix(Places::LOCK).or_else(|| path.strip_suffix(Places::GUARD)).unwrap_or(path);
    format!("{stem}.{}{}", judged.short(), Places::GUARD)
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::Pid;
    use contract::host::Identity;

    #[test]
    fn guards_nest_in_names_that_a_file_system_takes() {
        let owner = Identity { pid: Pid(u32::MAX), started: u64::MAX, boot: u64::MAX, host: u64::MAX };
        let mut path = Places::of("w").lock(&"d".repeat(100));
        for random in 0..DEPTH_MAX as u64 {
            let next = guard(&path, Judged::Dead(Token { owner, random: u64::MAX - random }));
            assert_ne!(next, path);
            path = next;
        }
        let name = path.rsplit('/').next().unwrap_or_default();
        assert!(name.len() <= 255, "{} bytes: {name}", name.len());
        assert_eq!(guard("w/locks/a.lock", Judged::Empty(7)), "w/locks/a.inode-7.break");
    }
}
