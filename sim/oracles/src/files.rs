//! Files that are saved as a whole (A1 to A4): whole, kept, never going back, without residue.
//!
//! | mark | stated by | when |
//! |---|---|---|
//! | `file.writing {file, version, digest, boot}` | a writer | this version may become visible from now on |
//! | `file.saved {file, version, digest, weak}` | a writer | the save is about to be acknowledged; `weak`: its name may be lost with the power |
//! | `file.reading {file, boot}` | a reader | it begins to read the file |
//! | `file.read {file, version, digest, weak}` | a reader | this is what it is about to tell; version 0 for no file |
//! | `file.damaged {file}` | anyone | the file holds something that is no version of it |
//! | `file.residue {workspace, count}` | a sweeper | so many files of nobody are left after its sweep |
//!
//! - **A1** What is read is, whole, what some writer wrote as that version.
//! - **A2** A read that began after a save was acknowledged shows that version or a later one.
//! - **A3** No version is written again after it was acknowledged, and no read shows an older version than one that
//!   ended before it began.
//! - **A4** In the end the last sweep, after the last process that ended, has left nothing.
//!
//! What is weak holds until the machine has another `boot`: then it has lost its power. A read is judged by what was
//! known when it began, so that a slow one may show what was true then. Each fact costs the logarithm of the number of
//! versions of its file; an exit costs the number of workspaces.

use crate::fact::Reader;
use crate::oracle::{Oracle, Violation};
use contract::{Observed, ProcessId};
use std::collections::{BTreeMap, BTreeSet};

/// The oracle; see the module.
#[derive(Clone, Debug, Default)]
pub struct Files {
    files: BTreeMap<String, File>,
    residue: BTreeMap<String, Residue>,
    /// Nobody waits for these any more: they stay broken for good.
    excused: BTreeSet<ProcessId>,
    judged: u64,
}

#[derive(Clone, Debug, Default)]
struct File {
    /// What was written as which version.
    written: BTreeSet<(u64, u64)>,
    /// The digests of the versions that were acknowledged, and the event.
    acked: BTreeMap<u64, (u64, u64)>,
    /// What no power loss takes back.
    strong: Floors,
    /// What holds now.
    now: Floors,
    /// What held when each reader began.
    began: BTreeMap<ProcessId, Floors>,
    /// The boot of its machine.
    boot: u64,
}

/// The highest versions, and the events that showed them.
#[derive(Clone, Copy, Debug, Default)]
struct Floors {
    acked: (u64, u64),
    read: (u64, u64),
}

/// What sweeps of one workspace have said.
#[derive(Clone, Debug, Default)]
struct Residue {
    sweepers: BTreeSet<ProcessId>,
    count: u64,
    /// A sweeper ended since.
    outdated: bool,
    event: u64,
}

impl Files {
    /// As in a scenario file.
    pub const NAME: &'static str = "files";
    /// What it may report.
    pub const INVARIANTS: &'static [&'static str] = &["A1", "A2", "A3", "A4", Violation::MARKS];

    /// A judge that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    fn file(&mut self, name: &str) -> &mut File {
        self.files.entry(name.to_owned()).or_default()
    }

    /// An incarnation of the process ended: what it was about to do nobody has cleared up yet.
    fn ended(&mut self, process: ProcessId) {
        for residue in self.residue.values_mut().filter(|residue| residue.sweepers.contains(&process)) {
            residue.outdated = true;
        }
    }

    fn unswept(&self) -> Option<(&str, &Residue)> {
        let waits = |residue: &Residue| residue.sweepers.iter().any(|process| !self.excused.contains(process));
        let unclean = |residue: &Residue| (residue.outdated || residue.count > 0) && waits(residue);
        self.residue.iter().find(|(_, residue)| unclean(residue)).map(|(name, residue)| (&**name, residue))
    }
}

impl File {
    /// Somebody deals with the file in this boot of its machine: what was weak before another one is gone.
    fn in_boot(&mut self, boot: u64) {
        if std::mem::replace(&mut self.boot, boot) != boot {
            self.now = self.strong;
            self.began.clear();
            drop(self.acked.split_off(&(self.strong.acked.0 + 1)));
        }
    }

    fn writing(&mut self, name: &str, version: u64, digest: u64, seen: &Observed) -> Result<(), Violation> {
        self.written.insert((version, digest));
        let (acked, event) = self.now.acked;
        if version > acked {
            return Ok(());
        }
        Err(broken("A3", "version written after it was acknowledged")
            .because(format!("version {version} of {name} is written at {} after version {acked}", seen.at))
            .seen_in(&[event, seen.event]))
    }

    fn saved(&mut self, name: &str, version: u64, digest: u64, weak: bool, seen: &Observed) -> Result<(), Violation> {
        let (known, event) = *self.acked.entry(version).or_insert((digest, seen.event));
        if known != digest || !self.written.contains(&(version, digest)) {
            return Err(broken("A3", "version acknowledged as something else")
                .because(format!("version {version} of {name} was acknowledged as {known} and as {digest}"))
                .seen_in(&[event, seen.event]));
        }
        self.now.acked = self.now.acked.max((version, seen.event));
        if !weak {
            self.strong.acked = self.strong.acked.max((version, seen.event));
        }
        Ok(())
    }

    fn read(&mut self, name: &str, version: u64, digest: u64, weak: bool, seen: &Observed) -> Result<(), Violation> {
        let owed = self.began.remove(&seen.process).unwrap_or_default();
        if version < owed.acked.0 {
            return Err(broken("A2", "acknowledged save not found")
                .of_loss()
                .because(format!("{name} was saved as version {}, and read as {version} at {}", owed.acked.0, seen.at))
                .seen_in(&[owed.acked.1, seen.event]));
        }
        if version < owed.read.0 {
            return Err(broken("A3", "file went back behind what was read")
                .because(format!("{name} was read as version {} and as {version} at {}", owed.read.0, seen.at))
                .seen_in(&[owed.read.1, seen.event]));
        }
        let acked = self.acked.get(&version).is_none_or(|(acked, _)| *acked == digest);
        if version > 0 && !(acked && self.written.contains(&(version, digest))) {
            return Err(broken("A1", "content read that nobody wrote as that version")
                .because(format!("version {version} of {name} was read as {digest} at {}", seen.at))
                .seen_in(&[seen.event]));
        }
        self.now.read = self.now.read.max((version, seen.event));
        if !weak {
            self.strong.read = self.strong.read.max((version, seen.event));
        }
        Ok(())
    }
}

fn broken(invariant: &'static str, shape: &str) -> Violation {
    Violation::new(Files::NAME, invariant, shape)
}

impl Oracle for Files {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn observe(&mut self, seen: &Observed) -> Result<(), Violation> {
        let reader = Reader::new(Self::NAME, seen);
        let content = || Ok((reader.text("file")?, reader.number("version")?, reader.number("digest")?));
        match &*seen.mark.kind {
            "file.writing" => {
                let (name, version, digest) = content()?;
                let file = self.file(name);
                file.in_boot(reader.number("boot")?);
                file.writing(name, version, digest, seen)
            }
            "file.saved" => {
                self.judged += 1;
                let (name, version, digest) = content()?;
                self.file(name).saved(name, version, digest, reader.flag("weak")?, seen)
            }
            "file.reading" => {
                let file = self.file(reader.text("file")?);
                file.in_boot(reader.number("boot")?);
                file.began.insert(seen.process, file.now);
                Ok(())
            }
            "file.read" => {
                self.judged += 1;
                let (name, version, digest) = content()?;
                self.file(name).read(name, version, digest, reader.flag("weak")?, seen)
            }
            "file.damaged" => Err(broken("A1", "file holds no version of it")
                .of_loss()
                .because(format!("{} was found damaged at {}", reader.text("file")?, seen.at))
                .seen_in(&[seen.event])),
            "file.residue" => {
                self.judged += 1;
                let residue = self.residue.entry(reader.text("workspace")?.to_owned()).or_default();
                residue.sweepers.insert(seen.process);
                (residue.count, residue.outdated, residue.event) = (reader.number("count")?, false, seen.event);
                Ok(())
            }
            "system.exit" => {
                self.ended(seen.process);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn finish(&mut self) -> Result<(), Violation> {
        let Some((name, residue)) = self.unswept() else { return Ok(()) };
        Err(broken("A4", "residue left in the end")
            .because(format!("the last sweep of {name} left {} files of nobody, or was too early", residue.count))
            .seen_in(&[residue.event]))
    }

    fn pending(&self) -> Option<String> {
        let (name, residue) = self.unswept()?;
        Some(format!("waiting for a sweep of {name}; the last left {} files (A4)", residue.count))
    }

    fn excuse(&mut self, process: ProcessId) {
        self.excused.insert(process);
    }

    fn judged(&self) -> u64 {
        self.judged
    }

    fn clone_box(&self) -> Box<dyn Oracle> {
        Box::new(self.clone())
    }
}
