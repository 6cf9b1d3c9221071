//! The ledger as a table in SQLite: for queries, derived, and never the truth.
//!
//! No protocol reads it. The number of the last event in it changes in the same transaction as the events do, so that
//! each is applied once. It notes the checksum of that event: a projection of another ledger (a restored one, say), or
//! one that is damaged or gone, is simply built again.
//!
//! | table | columns |
//! |---|---|
//! | `events` | `id` (primary key), `domain`, `at` (ms since 1970), `key`, `payload` (JSON text) |
//! | `applied` | one row: up to where the ledger was applied |

use crate::admin::PROJECTION;
use crate::error::Error;
use crate::open::Workspace;
use ::workspace::ledger::{Cursor, Event};
use rusqlite::{Connection, TransactionBehavior, params};
use std::path::PathBuf;
use std::time::Duration;

/// Bytes of the ledger that are applied in one transaction, about.
const PAGE: usize = 1 << 20;
/// How long to wait for another process that brings the projection up to date.
const PATIENCE: Duration = Duration::from_secs(30);

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS events (
    id INTEGER PRIMARY KEY, domain TEXT NOT NULL, at INTEGER NOT NULL, key TEXT NOT NULL, payload TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS events_by_key ON events (domain, key);
CREATE TABLE IF NOT EXISTS applied (
    one INTEGER PRIMARY KEY CHECK (one = 1), last INTEGER NOT NULL, crc INTEGER NOT NULL, cursor TEXT NOT NULL);";

/// A projection that was brought up to date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Projected {
    /// Its file.
    pub path: PathBuf,
    /// The number of the last event in it.
    pub events: u64,
    /// How many were added now.
    pub added: u64,
    /// Whether an older projection was thrown away.
    pub rebuilt: bool,
}

/// Up to where the ledger was applied.
struct Applied {
    last: u64,
    crc: u32,
    /// Where the page begins that the last event is on: it is read again, and compared.
    cursor: Cursor,
}

/// Why the events in the file are not the beginning of this ledger, or that cannot be known.
enum Unfit {
    /// Throw it away.
    Stale,
    /// The ledger is at fault.
    Failed(Error),
}

impl From<rusqlite::Error> for Unfit {
    /// Whatever SQLite says of a file that can be made again, making it again is the answer; the new one must work.
    fn from(_: rusqlite::Error) -> Self {
        Unfit::Stale
    }
}

impl Workspace {
    /// Brings the projection up to date with the ledger, or builds it.
    ///
    /// # Errors
    /// When the ledger is damaged, or SQLite cannot keep a new file.
    pub fn project(&self) -> Result<Projected, Error> {
        let path = self.path().join(PROJECTION);
        let existed = path.exists();
        match self.advance(&path) {
            Ok((events, added)) => return Ok(Projected { path, events, added, rebuilt: false }),
            Err(Unfit::Failed(error)) => return Err(error),
            Err(Unfit::Stale) => self.drop_projection(),
        }
        match self.advance(&path) {
            Ok((events, added)) => Ok(Projected { path, events, added, rebuilt: existed }),
            Err(Unfit::Failed(error)) => Err(error),
            Err(Unfit::Stale) => Err(Error::Projection(format!("SQLite cannot keep {}", path.display()))),
        }
    }

    /// Applies what is missing; returns the last event's number, and how many were added.
    fn advance(&self, path: &PathBuf) -> Result<(u64, u64), Unfit> {
        let mut sqlite = Connection::open(path)?;
        sqlite.busy_timeout(PATIENCE)?;
        sqlite.execute_batch("PRAGMA synchronous = NORMAL;")?;
        sqlite.execute_batch(SCHEMA)?;
        let transaction = sqlite.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut known = applied(&transaction)?;
        let (mut cursor, mut last) = known.as_ref().map_or((Cursor::START, 0), |known| (known.cursor, known.last));
        let before = last;
        loop {
            let page = match self.read(cursor, PAGE) {
                Ok(page) => page,
                // Where the projection points to there may be nothing that it knows.
                Err(_) if known.is_some() => return Err(Unfit::Stale),
                Err(error) => return Err(Unfit::Failed(error)),
            };
            if let Some(Applied { last, crc, .. }) = known.take()
                && !page.events.iter().any(|event| (event.id, event.crc) == (last, crc))
            {
                return Err(Unfit::Stale);
            }
            let new: Vec<&Event> = page.events.iter().filter(|event| event.id > last).collect();
            insert(&transaction, &new, cursor)?;
            last = new.last().map_or(last, |newest| newest.id);
            cursor = page.cursor;
            if !page.more {
                break;
            }
        }
        transaction.commit()?;
        Ok((last, last - before))
    }
}

fn applied(sqlite: &Connection) -> Result<Option<Applied>, Unfit> {
    let mut found = sqlite.prepare("SELECT last, crc, cursor FROM applied")?;
    let mut rows = found.query([])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let (last, crc, cursor): (u64, u32, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
    let cursor = serde_json::from_str(&cursor).map_err(|_| Unfit::Stale)?;
    Ok(Some(Applied { last, crc, cursor }))
}

fn insert(sqlite: &Connection, events: &[&Event], cursor: Cursor) -> Result<(), Unfit> {
    let Some(newest) = events.last() else { return Ok(()) };
    let mut row = sqlite.prepare_cached("INSERT INTO events VALUES (?, ?, ?, ?, ?)")?;
    for event in events {
        row.execute(params![event.id, event.domain, event.at, event.key, event.payload])?;
    }
    let cursor = serde_json::to_string(&cursor).map_err(|_| Unfit::Stale)?;
    let sql = "INSERT OR REPLACE INTO applied VALUES (1, ?, ?, ?)";
    sqlite.execute(sql, params![newest.id, newest.crc, cursor])?;
    Ok(())
}
