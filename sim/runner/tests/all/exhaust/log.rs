//! An append-only log of records, kept in right and in wrong ways.

use super::{assert_right, caught};
use contract::codec::{RecordAt, read_record, write_record};
use contract::file_protocol::Event;
use contract::{Disk, DiskError, File, FileProtocol, Open};
use kernel::Profile;

const NAME: &str = "log";

/// What is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Nothing.
    Careful,
    /// The ack comes before the sync, which the next operation makes.
    AckFirst,
    /// A recovery leaves a torn tail where it is, and goes on behind it.
    NoTailRepair,
    /// The file's name is never synced.
    NoDirectorySync,
    /// After a refused append the next one goes on behind what it left.
    NoRepairOfRefused,
}

struct Log(Way);

#[derive(Clone)]
struct Running {
    file: File,
    good: u64,
}

/// The records that must be found, and those that may be.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Model {
    sure: Vec<u8>,
    cut: Option<u8>,
}

fn parse(bytes: &[u8]) -> (Vec<u8>, usize) {
    let (mut records, mut at) = (Vec::new(), 0);
    while let RecordAt::Record(body, next) = read_record(bytes, at) {
        records.push(body[0]);
        at = next;
    }
    (records, at)
}

impl Log {
    fn start(&self, disk: &mut Disk<'_>) -> Result<(Running, Vec<u8>), DiskError> {
        let file = disk.open(NAME, Open::Create)?;
        if self.0 != Way::NoDirectorySync {
            disk.sync_dir(".")?;
        }
        let bytes = disk.read_all(file)?;
        let (records, end) = parse(&bytes);
        let mut good = bytes.len() as u64;
        if self.0 != Way::NoTailRepair && end < bytes.len() {
            good = end as u64;
            disk.truncate(file, good)?;
        }
        disk.sync(file)?;
        Ok((Running { file, good }, records))
    }

    fn append(&self, running: &mut Running, record: u8, disk: &mut Disk<'_>) -> Result<(), DiskError> {
        if self.0 == Way::AckFirst {
            disk.sync(running.file)?;
        }
        if self.0 != Way::NoRepairOfRefused && disk.len(running.file)? > running.good {
            disk.truncate(running.file, running.good)?;
        }
        let mut bytes = Vec::new();
        write_record(&[record; 20], &mut bytes).map_err(|_| DiskError::Invalid)?;
        disk.append_all(running.file, &bytes)?;
        if self.0 != Way::AckFirst {
            disk.sync(running.file)?;
        }
        running.good += bytes.len() as u64;
        Ok(())
    }
}

impl FileProtocol for Log {
    type Op = u8;
    type Ack = Result<(), DiskError>;
    type State = Running;
    type Found = Vec<u8>;
    type Model = Model;

    fn name(&self) -> &'static str {
        "log"
    }
    fn about(&self) -> &'static str {
        "an append-only log"
    }
    fn operations(&self, step: usize) -> Vec<u8> {
        vec![step as u8 + 1]
    }
    fn recover(&self, disk: &mut Disk<'_>) -> Result<(Running, Vec<u8>), String> {
        self.start(disk).map_err(|error| error.to_string())
    }
    fn apply(&self, running: &mut Running, record: &u8, disk: &mut Disk<'_>) -> Result<Self::Ack, String> {
        Ok(self.append(running, *record, disk))
    }
    fn judge(&self, model: &mut Model, event: Event<'_, Self>) -> Result<(), String> {
        match event {
            Event::Acknowledged(record, Ok(())) => model.sure.push(*record),
            Event::Acknowledged(record, Err(_)) | Event::Cut(record) => model.cut = Some(*record),
            Event::Found(found) => {
                let more: Vec<u8> = model.sure.iter().copied().chain(model.cut).collect();
                if *found != model.sure && *found != more {
                    return Err(format!("neither {:?} nor {more:?}", model.sure));
                }
                *model = Model { sure: found.clone(), cut: None };
            }
        }
        Ok(())
    }
}

#[test]
fn a_careful_log_is_right_under_every_profile() {
    assert_right(&Log(Way::Careful));
}

#[test]
fn an_ack_before_the_sync_is_caught_under_every_profile() {
    for (_, profile) in Profile::ALL {
        let failure = caught(&Log(Way::AckFirst), profile);
        assert_eq!(failure.steps, ["1. 1 -> Ok(())"]);
        assert_eq!(failure.crash.unwrap().changes, ["write of bytes 0..36 in log: lost"]);
    }
}

#[test]
fn a_torn_tail_that_stays_is_caught_by_one_more_append() {
    let failure = caught(&Log(Way::NoTailRepair), Profile::PosixMin);
    assert_eq!(failure.steps.len(), 1, "{failure:#?}");
    assert_eq!(failure.then.last().unwrap(), "4 -> Ok(())", "{failure:#?}");
}

#[test]
fn a_file_whose_name_is_never_synced_is_caught() {
    // A strict disk writes the name before the first synced record.
    for (_, profile) in Profile::ALL.into_iter().filter(|(_, profile)| *profile != Profile::Strict) {
        let failure = caught(&Log(Way::NoDirectorySync), profile);
        assert!(failure.crash.unwrap().changes.contains(&"add log in .: lost".to_owned()));
    }
}

#[test]
fn a_refused_append_that_leaves_half_a_record_is_caught_with_the_next_one() {
    let failure = caught(&Log(Way::NoRepairOfRefused), Profile::Strict);
    let refused = "1. 1 (a call found no space) -> Err(NoSpace)";
    assert_eq!(failure.steps, [refused, "2. 2 -> Ok(())"], "{failure:#?}");
}
