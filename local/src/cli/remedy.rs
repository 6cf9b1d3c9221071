//! What to do about a failure: the commands that resolve it, as they can be pasted, and the exit code.

use super::shown;
use crate::error::Error;
use ::workspace::atomic::FileError;
use ::workspace::format::Status;
use ::workspace::format::migrate::MigrateError;
use ::workspace::ledger::LedgerError;
use ::workspace::lock::LockError;
use ::workspace::snapshot::SnapshotError;
use contract::DiskError;
use std::path::Path;

/// The commands, each behind what it is for. `again` is the command line that failed.
pub fn remedies(error: &Error, dir: &Path, again: &[String]) -> Vec<String> {
    let here = quoted(&dir.display().to_string());
    let again = again.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
    match error {
        Error::Directory(..) => vec![format!("look at it:          ls -ld {here}")],
        Error::Format(status) => format(*status, &here),
        Error::AlreadyThere => vec![format!("look at it:          stormproof workspace status {here}")],
        Error::RestoreUnfinished => vec![format!("finish it:           stormproof workspace repair {here}")],
        Error::Lock(error) | Error::File(FileError::Lock(error) | FileError::Stuck(error)) => {
            lock(error, dir, &here, &again)
        }
        Error::LockName(_) => vec!["take another name:   stormproof workspace lock --help".to_owned()],
        Error::Unfit(_) => vec!["see the form:        stormproof workspace append --help".to_owned()],
        Error::Append(error) => ledger(&error.error, &here, &again),
        Error::Ledger(error) => ledger(error, &here, &again),
        Error::File(FileError::Name) => vec!["take another name out of a-z, 0-9, - and _".to_owned()],
        Error::File(FileError::Damaged { .. }) => back(&here),
        Error::File(FileError::Disk { error, .. } | FileError::Unknown { error, .. }) => disk(*error, &here, &again),
        Error::Snapshot(error) => snapshot(error, &here, &again),
        Error::Migrate(MigrateError::Disk(failed)) => disk(failed.error, &here, &again),
        Error::Migrate(MigrateError::Status(status)) => format(*status, &here),
        Error::Migrate(MigrateError::Damaged { line, .. } | MigrateError::TooLong { event: line }) => {
            vec![format!("look at it:          sed -n {line}p {here}/events.jsonl")]
        }
        Error::Projection(_) => vec![
            format!("make room or rights: df -h {here}; ls -l {here}/projection.sqlite"),
            format!("build it anew:       rm -f {here}/projection.sqlite* && stormproof workspace project {here}"),
        ],
        Error::Disk(failed) => disk(failed.error, &here, &again),
        Error::Abandoned => vec![format!("see what is there:   stormproof workspace log {here}")],
    }
}

/// The exit code of a failure.
pub fn code(error: &Error) -> u8 {
    match error {
        Error::Format(Status::Missing) | Error::AlreadyThere | Error::LockName(_) | Error::Unfit(_) => 2,
        Error::File(FileError::Name) => 2,
        Error::Snapshot(SnapshotError::BadName(_) | SnapshotError::Exists(_) | SnapshotError::Unknown(_)) => 2,
        Error::Format(Status::Unreadable) | Error::File(FileError::Damaged { .. }) => 1,
        Error::Snapshot(SnapshotError::Damaged(..)) | Error::Lock(LockError::Unreadable { .. }) => 1,
        Error::Migrate(MigrateError::Damaged { .. } | MigrateError::TooLong { .. }) => 1,
        Error::Format(_) | Error::Migrate(MigrateError::Status(_)) => 4,
        Error::Snapshot(SnapshotError::InUse(_)) | Error::RestoreUnfinished => 3,
        Error::Lock(LockError::Disk { .. }) => 7,
        Error::Lock(_) | Error::File(FileError::Lock(_)) => 3,
        Error::Ledger(error) => of_ledger(error),
        Error::Append(error) => of_ledger(&error.error),
        _ => 7,
    }
}

fn of_ledger(error: &LedgerError) -> u8 {
    match error {
        LedgerError::Damaged { .. } => 1,
        LedgerError::Unfit(_) => 2,
        LedgerError::Replaced { .. } => 3,
        LedgerError::Disk { .. } => 7,
    }
}

fn format(status: Status, here: &str) -> Vec<String> {
    match status {
        Status::Missing => vec![format!("make one:            stormproof workspace init {here}")],
        Status::NeedsMigration { .. } => {
            vec![format!("bring it up to date: stormproof workspace migrate {here}")]
        }
        Status::Ready => vec![format!("look at it:          stormproof workspace status {here}")],
        Status::TooNew { .. } | Status::TooOld { .. } => {
            vec![format!("take that program:   grep tool {here}/format.json")]
        }
        // A migration takes lines of every format that it knows for what they are.
        Status::Unreadable => vec![format!(
            "write it anew:       mv {here}/format.json {here}/format.json.bad && stormproof workspace migrate {here}"
        )],
    }
}

fn lock(error: &LockError, dir: &Path, here: &str, again: &str) -> Vec<String> {
    match error {
        LockError::Contention { holder, .. } => vec![
            format!("see who that is:     ps -o pid,lstart,args -p {}", holder.owner.pid.0),
            format!("wait longer:         {}", patient(again)),
            format!("end it:              kill {}", holder.owner.pid.0),
        ],
        LockError::Unreadable { path } | LockError::TooDeep { path } => {
            let path = quoted(&shown(dir, path));
            vec![format!("look at it:          cat {path}"), format!("when nobody uses it: rm {path} && {again}")]
        }
        LockError::Lost { .. } => vec![format!("see what is there:   stormproof workspace verify {here}")],
        LockError::Disk { error, .. } => disk(*error, here, again),
    }
}

/// The same command with ten times the usual patience.
fn patient(again: &str) -> String {
    match again.split_once(" -- ") {
        _ if again.contains("--patience") => again.to_owned(),
        Some((ours, command)) => format!("{ours} --patience 300 -- {command}"),
        None => format!("{again} --patience 300"),
    }
}

fn ledger(error: &LedgerError, here: &str, again: &str) -> Vec<String> {
    match error {
        LedgerError::Disk { error, .. } => disk(*error, here, again),
        LedgerError::Damaged { .. } => back(here),
        LedgerError::Replaced { .. } => vec![format!("ask again:           {again}")],
        LedgerError::Unfit(_) => vec!["see the form:        stormproof workspace append --help".to_owned()],
    }
}

fn back(here: &str) -> Vec<String> {
    vec![
        format!("keep what is there:  cp -a {here} {here}.damaged"),
        format!("see the snapshots:   ls {here}/snapshots"),
        format!("go back to one:      stormproof workspace restore SNAPSHOT {here}"),
    ]
}

fn snapshot(error: &SnapshotError, here: &str, again: &str) -> Vec<String> {
    match error {
        SnapshotError::BadName(_) => vec![format!("let the date be it:  stormproof workspace snapshot {here}")],
        SnapshotError::Exists(id) => vec![
            format!("let the date be it:  stormproof workspace snapshot {here}"),
            format!("remove the old one:  stormproof workspace snapshot {here} --remove {id}"),
        ],
        SnapshotError::Unknown(_) => vec![format!("see which there are: ls {here}/snapshots")],
        SnapshotError::InUse(_) => vec![format!("finish the restore:  stormproof workspace repair {here}")],
        SnapshotError::Damaged(id, _) => vec![
            format!("restore another one: ls {here}/snapshots"),
            format!("remove it:           stormproof workspace snapshot {here} --remove {id}"),
        ],
        SnapshotError::Disk(failed) => disk(failed.error, here, again),
    }
}

fn disk(error: DiskError, here: &str, again: &str) -> Vec<String> {
    let look = match error {
        DiskError::NoSpace => format!("make room:           df -h {here}; df -i {here}"),
        DiskError::ReadOnly => format!("see how it mounted:  findmnt -T {here}"),
        DiskError::TooManyOpen => "allow more files:    ulimit -n 4096".to_owned(),
        DiskError::Io => "see what the kernel says: dmesg | tail".to_owned(),
        _ => format!("see the rights:      ls -la {here}"),
    };
    vec![look, format!("ask again:           {again}")]
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
