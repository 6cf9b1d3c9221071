//! The file protocols of the consensus, the edge and the workspace under all short sequences and all crashes; and that each sync in them is needed.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use consensus::files::WalFiles;
use contract::disk::{Stat, Storage};
use contract::file_protocol::Event;
use contract::{Disk, DiskError, File, FileProtocol, Open};
use edge::files::{BufferFiles, LedgerFiles};
use kernel::Profile;
use runner::exhaust::{Options, Report, explore};
use workspace::files as shared;

/// A torn append that is cut back and written again by a start that is itself cut has more states than most.
const STATES_MAX: usize = 300_000;

fn run<P: FileProtocol>(protocol: &P, profile: Profile, length: usize) -> Report {
    explore(protocol, &Options { profile, length, states_max: STATES_MAX, ..Options::default() }, &mut |_| {})
}

fn assert_right<P: FileProtocol>(protocol: &P) {
    for (word, profile) in Profile::ALL {
        // The command tries three operations; two are enough to keep this test quick.
        let report = run(protocol, profile, 2);
        assert_eq!(report.failure, None, "{word}");
        assert_eq!(report.counts.omitted, 0, "{word}");
        assert!(report.counts.sequences > 10 && report.counts.states > 100, "{:?}", report.counts);
    }
}

#[test]
fn the_append_processs_files_are_right_under_every_profile() {
    assert_right(&WalFiles);
}

#[test]
fn the_buffers_files_are_right_under_every_profile() {
    assert_right(&BufferFiles);
}

#[test]
fn the_ledgers_file_is_right_under_every_profile() {
    assert_right(&LedgerFiles);
}

#[test]
fn the_workspaces_ledger_is_right_under_every_profile() {
    assert_right(&shared::LedgerFiles);
}

#[test]
fn the_workspaces_saved_files_are_right_under_every_profile() {
    assert_right(&shared::SaveFiles);
}

#[test]
fn the_workspaces_locks_are_right_under_every_profile() {
    assert_right(&shared::LockFiles);
}

#[test]
fn the_workspaces_restores_are_right_under_every_profile() {
    assert_right(&shared::RestoreFiles);
}

#[test]
fn the_workspaces_migration_is_right_under_every_profile() {
    assert_right(&shared::MigrateFiles);
}

/// A sync that is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Skip {
    File,
    Directory,
}

/// A protocol whose syncs of one kind do nothing: in operations, or in recoveries.
struct Without<P> {
    protocol: P,
    skip: Skip,
    in_recovery: bool,
}

struct Lies<'l, 'd>(&'l mut Disk<'d>, Skip);

impl Storage for Lies<'_, '_> {
    fn sync(&mut self, file: File) -> Result<(), DiskError> {
        if self.1 == Skip::File { Ok(()) } else { self.0.sync(file) }
    }
    fn sync_dir(&mut self, path: &str) -> Result<(), DiskError> {
        if self.1 == Skip::Directory { Ok(()) } else { self.0.sync_dir(path) }
    }
    fn open(&mut self, path: &str, mode: Open) -> Result<File, DiskError> {
        self.0.open(path, mode)
    }
    fn close(&mut self, file: File) {
        self.0.close(file);
    }
    fn append(&mut self, file: File, bytes: &[u8]) -> Result<usize, DiskError> {
        self.0.append(file, bytes)
    }
    fn read_at(&mut self, file: File, offset: u64, into: &mut [u8]) -> Result<usize, DiskError> {
        self.0.read_at(file, offset, into)
    }
    fn write_at(&mut self, file: File, offset: u64, bytes: &[u8]) -> Result<usize, DiskError> {
        self.0.write_at(file, offset, bytes)
    }
    fn truncate(&mut self, file: File, len: u64) -> Result<(), DiskError> {
        self.0.truncate(file, len)
    }
    fn len(&mut self, file: File) -> Result<u64, DiskError> {
        self.0.len(file)
    }
    fn rename(&mut self, from: &str, to: &str) -> Result<(), DiskError> {
        self.0.rename(from, to)
    }
    fn link(&mut self, existing: &str, to: &str) -> Result<(), DiskError> {
        self.0.link(existing, to)
    }
    fn unlink(&mut self, path: &str) -> Result<(), DiskError> {
        self.0.unlink(path)
    }
    fn mkdir(&mut self, path: &str) -> Result<(), DiskError> {
        self.0.mkdir(path)
    }
    fn list(&mut self, path: &str) -> Result<Vec<String>, DiskError> {
        self.0.list(path)
    }
    fn stat(&mut self, path: &str) -> Result<Stat, DiskError> {
        self.0.stat(path)
    }
}

impl<P: FileProtocol> FileProtocol for Without<P> {
    type Op = P::Op;
    type Ack = P::Ack;
    type State = P::State;
    type Found = P::Found;
    type Model = P::Model;

    fn name(&self) -> &'static str {
        self.protocol.name()
    }
    fn about(&self) -> &'static str {
        self.protocol.about()
    }
    fn operations(&self, step: usize) -> Vec<P::Op> {
        self.protocol.operations(step)
    }
    fn recover(&self, disk: &mut Disk<'_>) -> Result<(P::State, P::Found), String> {
        if self.in_recovery {
            return self.protocol.recover(&mut Disk::new(&mut Lies(disk, self.skip)));
        }
        self.protocol.recover(disk)
    }
    fn tells_boots_apart(&self) -> bool {
        self.protocol.tells_boots_apart()
    }
    fn restart(&self, boot: u64, disk: &mut Disk<'_>) -> Result<(P::State, P::Found), String> {
        if self.in_recovery {
            return self.protocol.restart(boot, &mut Disk::new(&mut Lies(disk, self.skip)));
        }
        self.protocol.restart(boot, disk)
    }
    fn apply(&self, state: &mut P::State, op: &P::Op, disk: &mut Disk<'_>) -> Result<P::Ack, String> {
        if self.in_recovery {
            return self.protocol.apply(state, op, disk);
        }
        self.protocol.apply(state, op, &mut Disk::new(&mut Lies(disk, self.skip)))
    }
    fn judge(&self, model: &mut P::Model, event: Event<'_, Self>) -> Result<(), String> {
        let event = match event {
            Event::Acknowledged(op, ack) => Event::Acknowledged(op, ack),
            Event::Cut(op) => Event::Cut(op),
            Event::Found(found) => Event::Found(found),
        };
        self.protocol.judge(model, event)
    }
}

/// How many operations it takes to see that a kind of sync is missing; `None` if it is not seen.
fn seen_after<P: FileProtocol>(protocol: P, skip: Skip, in_recovery: bool) -> Option<usize> {
    let without = Without { protocol, skip, in_recovery };
    let failure = run(&without, Profile::PosixMin, 2).failure?;
    println!("{skip:?} in_recovery {in_recovery}: {failure:#?}");
    Some(failure.steps.len())
}

#[test]
fn the_append_process_needs_each_kind_of_sync() {
    assert_eq!(seen_after(WalFiles, Skip::File, false), Some(1));
    // Only a snapshot makes a new file, and only of a log that has an entry.
    assert_eq!(seen_after(WalFiles, Skip::Directory, false), Some(2));
    assert_eq!(seen_after(WalFiles, Skip::File, true), Some(1));
    assert_eq!(seen_after(WalFiles, Skip::Directory, true), Some(1));
}

#[test]
fn the_buffer_needs_each_kind_of_sync() {
    assert_eq!(seen_after(BufferFiles, Skip::File, false), Some(1));
    assert_eq!(seen_after(BufferFiles, Skip::Directory, false), Some(1));
    assert_eq!(seen_after(BufferFiles, Skip::File, true), Some(1));
    assert_eq!(seen_after(BufferFiles, Skip::Directory, true), Some(1));
}

#[test]
fn the_ledger_needs_each_kind_of_sync() {
    assert_eq!(seen_after(LedgerFiles, Skip::File, false), Some(1));
    // An operation syncs no directory: the name is made durable by the start.
    assert_eq!(seen_after(LedgerFiles, Skip::Directory, false), None);
    assert_eq!(seen_after(LedgerFiles, Skip::File, true), Some(1));
    assert_eq!(seen_after(LedgerFiles, Skip::Directory, true), Some(1));
}

#[test]
fn the_workspaces_ledger_needs_each_kind_of_sync() {
    assert_eq!(seen_after(shared::LedgerFiles, Skip::File, false), Some(1));
    // An operation syncs no directory: the name is made durable by the start.
    assert_eq!(seen_after(shared::LedgerFiles, Skip::Directory, false), None);
    assert_eq!(seen_after(shared::LedgerFiles, Skip::File, true), Some(1));
    assert_eq!(seen_after(shared::LedgerFiles, Skip::Directory, true), Some(1));
}

#[test]
fn the_workspaces_saved_files_need_each_kind_of_sync() {
    assert_eq!(seen_after(shared::SaveFiles, Skip::File, false), Some(1));
    assert_eq!(seen_after(shared::SaveFiles, Skip::Directory, false), Some(1));
    assert_eq!(seen_after(shared::SaveFiles, Skip::Directory, true), Some(1));
}

#[test]
fn the_workspaces_restores_need_each_kind_of_sync() {
    assert_eq!(seen_after(shared::RestoreFiles, Skip::File, false), Some(1));
    assert_eq!(seen_after(shared::RestoreFiles, Skip::Directory, false), Some(1));
    assert_eq!(seen_after(shared::RestoreFiles, Skip::Directory, true), Some(1));
}

#[test]
fn the_workspaces_migration_needs_each_kind_of_sync() {
    assert_eq!(seen_after(shared::MigrateFiles, Skip::File, false), Some(1));
    assert_eq!(seen_after(shared::MigrateFiles, Skip::Directory, false), Some(1));
}
