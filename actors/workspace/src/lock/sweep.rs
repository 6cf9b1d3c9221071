//! Residue: what dead processes, and failed operations of this one, have left in `tmp` and `locks` (A4).

use super::token::{Life, Token};
use super::{LockError, Locker, acquire_path, release};
use crate::places::Places;
use crate::turn::{Step, Turn};
use contract::{DiskError, mark};

/// Removes whatever provably belongs to nobody who acts: files of dead processes, and files of this locker, which
/// has no other operation under way. Returns how many of them are left because the disk refused.
///
/// # Errors
/// When a directory cannot be read.
pub fn sweep(turn: &mut Turn<'_>, locker: &Locker) -> Step<Result<u64, DiskError>> {
    let mut left = 0;
    let names = match turn.list(&locker.places.temporaries())? {
        Ok(names) => names,
        Err(error) => return Ok(Err(error)),
    };
    for name in names.iter() {
        let path = locker.places.temporary(name);
        if path != locker.ticket.path && is_residue(turn, locker, name)? {
            left += u64::from(!gone(turn.unlink(&path)?));
        }
    }
    let names = match turn.list(&locker.places.locks())? {
        Ok(names) => names,
        Err(error) => return Ok(Err(error)),
    };
    for name in names.iter().filter(|name| name.ends_with(Places::GUARD)) {
        left += u64::from(!clear(turn, locker, &format!("{}/{name}", locker.places.locks()))?);
    }
    let of = locker.places.root();
    turn.mark(mark!("file.residue", workspace = of, count = left))?;
    Ok(Ok(left))
}

/// A file without a token in its name is nobody's that this version knows, and is left alone.
fn is_residue(turn: &mut Turn<'_>, locker: &Locker, name: &str) -> Step<bool> {
    match Token::of_file(name) {
        Some(token) if token == locker.ticket.token => Ok(true),
        Some(token) => Ok(token.life(turn)? == Life::Dead),
        None => Ok(false),
    }
}

/// A guard is a lock: only who holds it may remove it. Whether nothing is left that is nobody's.
fn clear(turn: &mut Turn<'_>, locker: &Locker, path: &str) -> Step<bool> {
    match acquire_path(turn, locker, path)? {
        Ok(held) => Ok(release(turn, locker, &held)?.is_ok()),
        // Somebody is at work with it.
        Err(LockError::Contention { .. }) => Ok(true),
        Err(_) => Ok(false),
    }
}

fn gone(unlinked: Result<(), DiskError>) -> bool {
    matches!(unlinked, Ok(()) | Err(DiskError::NotFound))
}
