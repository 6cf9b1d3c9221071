//! The format of a workspace's files: what this program reads, what it can bring up to date, what it must refuse.
//!
//! `format.json` holds two numbers. `format` is the version that the files have. `minimum` is the oldest version that
//! a program must know to touch them: a newer program may write a format that older ones can still use, and says so.
//! During a migration `minimum` is already the new version while `format` is still the old one, so that old programs
//! keep out and new ones see that the migration has to be finished.
//!
//! | `minimum` | `format` | status |
//! |---|---|---|
//! | above [`CURRENT`] | any | [`Status::TooNew`]: refused, a downgrade |
//! | else | at least [`CURRENT`] | [`Status::Ready`] |
//! | else | [`MINIMUM`] to [`CURRENT`] - 1 | [`Status::NeedsMigration`] |
//! | else | below [`MINIMUM`] | [`Status::TooOld`]: refused |
//!
//! A ledger without a `format.json` is of format 1, whose programs wrote none.

pub mod migrate;

use crate::places::Places;
use crate::turn::{Step, Turn};
use crate::whole::{self, Failed, ok, on};
use contract::DiskError;
use serde::{Deserialize, Serialize};

/// The version that this program writes.
pub const CURRENT: u32 = 2;
/// The oldest version that it can bring up to date.
pub const MINIMUM: u32 = 1;

/// A longer `format.json` is none, in bytes.
const BYTES_MAX: u64 = 4_096;

/// What `format.json` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Format {
    /// The version of the files.
    pub format: u32,
    /// The oldest version that a program must know to touch them.
    pub minimum: u32,
    /// The program that wrote this.
    pub tool: String,
}

/// Whether this program may use a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Here is no workspace.
    Missing,
    /// It may.
    Ready,
    /// After a migration.
    NeedsMigration {
        /// From which version.
        from: u32,
    },
    /// Only a newer program may.
    TooNew {
        /// The version that a program must know.
        minimum: u32,
    },
    /// Only an older program may; one in between can bring it up to date.
    TooOld {
        /// The version of the files.
        format: u32,
    },
    /// `format.json` does not say.
    Unreadable,
}

impl Status {
    /// What those two numbers mean to a program of version `current` that can migrate from `oldest`.
    pub const fn of(format: u32, minimum: u32, current: u32, oldest: u32) -> Status {
        if minimum > current {
            Status::TooNew { minimum }
        } else if format >= current {
            Status::Ready
        } else if format >= oldest {
            Status::NeedsMigration { from: format }
        } else {
            Status::TooOld { format }
        }
    }
}

/// Whether this program may use the workspace.
///
/// # Errors
/// When the disk refuses.
pub fn status(turn: &mut Turn<'_>, places: &Places) -> Step<Result<Status, Failed>> {
    if let Some(bytes) = ok!(whole::read(turn, &places.format(), BYTES_MAX)?) {
        return Ok(Ok(match serde_json::from_slice(&bytes) {
            Ok(Format { format, minimum, .. }) => Status::of(format, minimum, CURRENT, MINIMUM),
            Err(_) => Status::Unreadable,
        }));
    }
    match turn.stat(&places.ledger())? {
        Ok(_) => Ok(Ok(Status::of(1, 1, CURRENT, MINIMUM))),
        Err(DiskError::NotFound) => Ok(Ok(Status::Missing)),
        Err(error) => Ok(Err(on("look at", &places.ledger())(error))),
    }
}

/// Writes `format.json`: the files have version `format`, and a program must know `minimum` to touch them.
///
/// # Errors
/// When the disk refuses.
pub fn write(turn: &mut Turn<'_>, places: &Places, format: u32, minimum: u32, tool: &str) -> Step<Result<(), Failed>> {
    let text = serde_json::to_string(&Format { format, minimum, tool: tool.to_owned() });
    // Numbers and a text have a JSON form.
    let text = text.expect("plain data can be written as JSON");
    whole::replace(turn, places, places.root(), &places.format(), format!("{text}\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every row of the table, for a program that knows versions 2 to 4.
    #[test]
    fn the_two_numbers_decide() {
        for (format, minimum, status) in [
            (4, 4, Status::Ready),
            (5, 4, Status::Ready),
            (9, 2, Status::Ready),
            (5, 5, Status::TooNew { minimum: 5 }),
            (2, 5, Status::TooNew { minimum: 5 }),
            (3, 3, Status::NeedsMigration { from: 3 }),
            (2, 4, Status::NeedsMigration { from: 2 }),
            (1, 1, Status::TooOld { format: 1 }),
            (0, 0, Status::TooOld { format: 0 }),
        ] {
            assert_eq!(Status::of(format, minimum, 4, 2), status, "format {format}, minimum {minimum}");
        }
    }
}
