//! Looking after a workspace: status, verification, repair, snapshots, migrations.

use crate::TOOL;
use crate::error::Error;
use crate::hand::{Hand, Here};
use crate::open::{Options, Workspace};
use ::workspace::atomic::{self, FileError};
use ::workspace::date;
use ::workspace::format::migrate::{self, Migrated};
use ::workspace::format::{self, Status};
use ::workspace::ledger::{self, DOMAIN};
use ::workspace::lock::sweep::sweep;
use ::workspace::lock::ticket::{self, Content};
use ::workspace::lock::token::Life;
use ::workspace::places::Places;
use ::workspace::snapshot::manifest::Manifest;
use ::workspace::snapshot::{self, restore};
use ::workspace::turn::{Step, Turn};
use ::workspace::whole;
use serde::Serialize;
use std::path::Path;

/// Bytes of the ledger that are read at once where all of it is.
const PAGE: usize = 1 << 20;
/// A lock file has a line of about 200 bytes; a longer one than this is not read.
const LOCK_BYTES_MAX: u64 = 4_096;

/// What is in a workspace, and who is at work in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Overview {
    /// The number of the last event.
    pub events: u64,
    /// The ledger's settled length in bytes.
    pub bytes: u64,
    /// The saved files, by name.
    pub files: Vec<String>,
    /// The snapshots, by name.
    pub snapshots: Vec<String>,
    /// The locks that are taken.
    pub locks: Vec<TakenLock>,
    /// Unfinished files, alive or not.
    pub temporaries: u64,
}

/// A lock that somebody holds, or held when it died.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TakenLock {
    /// Its domain.
    pub domain: String,
    /// The process number of its holder; none where the lock file does not say.
    pub pid: Option<u32>,
    /// Whether the holder runs, as far as can be known here.
    pub alive: bool,
}

/// One thing that was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Which: `ledger`, `state/totals`, `snapshot before-upgrade`.
    pub what: String,
    /// What is there, or what is wrong.
    pub found: Result<String, Error>,
}

/// What a repair did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Repaired {
    /// The snapshot of the restore that was finished.
    pub restored: Option<String>,
    /// Bytes of unacknowledged appends that were cut off.
    pub cut: u64,
    /// Files of unfinished snapshots that were removed.
    pub unfinished_snapshots: u64,
    /// Files of dead processes that are left because the disk refused to remove them.
    pub residue_left: u64,
}

impl Workspace {
    /// What is there and who is at work.
    ///
    /// # Errors
    /// When the ledger is damaged, or the disk refuses.
    pub fn overview(&self) -> Result<Overview, Error> {
        let (mut here, places) = (Here::open(self.hands().parent())?, self.places());
        let verified = here.run(|turn| ledger::verify(turn, places, PAGE))?;
        let files = here.run(|turn| snapshot::domains(turn, places))?;
        let files = files.iter().filter_map(|domain| domain.strip_prefix("state-").map(str::to_owned)).collect();
        let snapshots = here.run(|turn| snapshot::list(turn, places))?;
        let locks = here.run(|turn| locks(turn, places))?;
        let temporaries = here.run(|turn| turn.list(&places.temporaries()));
        let temporaries = temporaries.map_or(0, |names| names.len() as u64);
        Ok(Overview { events: verified.events, bytes: verified.end, files, snapshots, locks, temporaries })
    }

    /// Reads every line, every saved file and every snapshot; repairs nothing.
    ///
    /// # Errors
    /// When the directory cannot be listed; what is wrong inside is in the list.
    pub fn verify(&self) -> Result<Vec<Checked>, Error> {
        let (mut here, places) = (Here::open(self.hands().parent())?, self.places());
        let ledger = here.run(|turn| ledger::verify(turn, places, PAGE));
        let found = ledger.map(|sound| format!("{} events, {} bytes", sound.events, sound.end)).map_err(Error::from);
        let mut checked = vec![Checked { what: "ledger".to_owned(), found }];
        for domain in here.run(|turn| snapshot::domains(turn, places))? {
            let Some(name) = domain.strip_prefix("state-") else { continue };
            checked.push(Checked { what: format!("state/{name}"), found: self.check_file(name) });
        }
        for id in here.run(|turn| snapshot::list(turn, places))? {
            let found = here.run(|turn| snapshot::verify(turn, places, &id)).map_err(Error::from);
            let found = found.map(|manifest| format!("{} files, {}", manifest.files.len(), manifest.created_at));
            checked.push(Checked { what: format!("snapshot {id}"), found });
        }
        Ok(checked)
    }

    fn check_file(&self, name: &str) -> Result<String, Error> {
        match self.load(name)? {
            Some(loaded) => Ok(format!("version {}", loaded.version)),
            None => Err(Error::File(FileError::Damaged { path: self.places().state(name) })),
        }
    }

    /// Finishes what crashes cut short and removes what they left. Opening a workspace does what is needed to use it;
    /// this does the rest at once.
    ///
    /// # Errors
    /// When the ledger is damaged, a lock is held, or the disk refuses. What was promised to nobody stays, then.
    pub fn repair(&self) -> Result<Repaired, Error> {
        let restored = self.finish_restore()?;
        self.under(&[DOMAIN.to_owned()], |Hand { here, locker }| {
            let places = &locker.places;
            let before = here.run(|turn| whole::length(turn, &places.ledger()))?;
            let tail = here.run(|turn| ledger::catch_up(turn, places, None))?;
            here.run(|turn| ledger::forget(turn, tail));
            let unfinished_snapshots = here.run(|turn| snapshot::sweep(turn, places))?;
            let swept = here.run(|turn| sweep(turn, locker));
            let residue_left = swept.map_err(|error| Error::disk("sweep", places.root(), error))?;
            let cut = before.saturating_sub(tail.end());
            Ok(Repaired { restored, cut, unfinished_snapshots, residue_left })
        })
    }

    /// Takes a snapshot while the whole workspace stands still; without a name it is called after the date.
    ///
    /// # Errors
    /// When the name is bad or taken, a lock is held, or the disk refuses; then there is no snapshot.
    pub fn snapshot(&self, name: Option<&str>) -> Result<(String, Manifest), Error> {
        let ready = self.format()? == Status::Ready;
        self.alone(|Hand { here, locker }| {
            let places = &locker.places;
            let id = match name {
                Some(name) => name.to_owned(),
                None => here.run(|turn| Ok(date::iso(turn.wall()?))).replace(':', ""),
            };
            if ready {
                // Only what is settled belongs into it.
                let tail = here.run(|turn| ledger::catch_up(turn, places, None))?;
                here.run(|turn| ledger::forget(turn, tail));
            }
            let manifest = here.run(|turn| snapshot::take(turn, places, &id, TOOL))?;
            Ok((id, manifest))
        })
    }

    /// The snapshots, by name.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn snapshots(&self) -> Result<Vec<String>, Error> {
        Ok(Here::open(self.hands().parent())?.run(|turn| snapshot::list(turn, self.places()))?)
    }

    /// Removes a snapshot.
    ///
    /// # Errors
    /// When there is none of that name, when an unfinished restore needs it, or the disk refuses.
    pub fn remove_snapshot(&self, id: &str) -> Result<(), Error> {
        self.under(&[DOMAIN.to_owned()], |Hand { here, locker }| {
            Ok(here.run(|turn| snapshot::remove(turn, &locker.places, id))?)
        })?;
        // The contract's disk removes no directories; what cannot be removed is empty and does no harm.
        let folder = self.path().join("snapshots").join(id);
        let _ = std::fs::remove_dir(folder.join("state"));
        let _ = std::fs::remove_dir(folder);
        Ok(())
    }

    /// Puts ledger and saved files back to a snapshot; event numbers and versions go back with it.
    ///
    /// # Errors
    /// When there is no such snapshot or it is damaged: then nothing was changed. When the disk refuses half-way: the
    /// restore is finished at the next opening, and nothing can be changed before.
    pub fn restore(&self, id: &str) -> Result<Manifest, Error> {
        self.alone(|Hand { here, locker }| {
            let manifest = here.run(|turn| restore::restore(turn, &locker.places, id))?;
            self.drop_projection();
            Ok(manifest)
        })
    }

    /// Brings the workspace at `path` up to date, after a snapshot named `before-format-<current>`, the way back.
    ///
    /// # Errors
    /// When there is nothing to migrate, the old files are damaged, or the disk refuses; it is as it was, then, or the
    /// migration has to be run again.
    pub fn migrate(path: &Path, options: Options) -> Result<Migrated, Error> {
        let workspace = Workspace::unchecked(path, options)?;
        let status = workspace.format()?;
        if !matches!(status, Status::NeedsMigration { .. }) {
            return Err(Error::Format(status));
        }
        let id = format!("before-format-{}", format::CURRENT);
        // A migration that was cut short took it already, before it changed anything.
        if !workspace.snapshots()?.contains(&id) {
            workspace.snapshot(Some(&id))?;
        }
        workspace.drop_projection();
        workspace.under(&[DOMAIN.to_owned()], |Hand { here, locker }| {
            Ok(here.run(|turn| migrate::migrate(turn, &locker.places, TOOL))?)
        })
    }

    /// Removes the projection, which is made again when somebody asks for it.
    pub(crate) fn drop_projection(&self) {
        for ending in ["", "-wal", "-shm", "-journal"] {
            // What stays is found out when it is next compared with the ledger.
            let _ = std::fs::remove_file(self.path().join(format!("{PROJECTION}{ending}")));
        }
    }
}

/// The projection's file, below the workspace.
pub const PROJECTION: &str = "projection.sqlite";

/// The locks that are taken, and whether their holders run.
fn locks(turn: &mut Turn<'_>, places: &Places) -> Step<Result<Vec<TakenLock>, whole::Failed>> {
    let mut locks = Vec::new();
    let names = match turn.list(&places.locks())? {
        Ok(names) => names,
        Err(error) => return Ok(Err(whole::Failed { what: "list", path: places.locks(), error })),
    };
    for domain in names.iter().filter_map(|name| name.strip_suffix(Places::LOCK)) {
        let bytes = match whole::read(turn, &places.lock(domain), LOCK_BYTES_MAX)? {
            Ok(Some(bytes)) => bytes,
            // Released meanwhile, or not a lock; the latter shows when somebody wants it.
            Ok(None) | Err(_) => continue,
        };
        let (pid, alive) = match ticket::read(&bytes, 0) {
            Content::Taken(token) => (Some(token.owner.pid.0), token.life(turn)? == Life::Alive),
            Content::Empty { .. } | Content::Unreadable => (None, true),
        };
        locks.push(TakenLock { domain: domain.to_owned(), pid, alive });
    }
    Ok(Ok(locks))
}

/// A saved file's name as a lock domain has it.
pub fn is_name(name: &str) -> bool {
    atomic::is_name(name)
}
