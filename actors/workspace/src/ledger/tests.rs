//! Writers and readers on a disk in memory, each a process of its own: what one of them leaves, the others meet.

use super::watermark::{SLOT, Watermarks};
use super::*;
use crate::lock::Held;
use crate::places::Places;
use crate::turn::Machine;
use contract::disk::{Stat, Storage};
use contract::host::{Identity, Liveness};
use contract::{Disk, Duration, File, Mark, Open, Pid, Time, Wall};
use std::collections::BTreeMap;

/// Files without crashes; calls that sync, or write, can be refused.
#[derive(Default)]
struct Memory {
    names: BTreeMap<String, usize>,
    files: Vec<Vec<u8>>,
    /// Syncs until one fails.
    syncs_left: Option<u32>,
    /// Bytes until the disk is full.
    room: Option<usize>,
}

impl Memory {
    fn contents(&mut self, name: &str) -> &mut Vec<u8> {
        let inode = self.names[&format!("w/{name}")];
        &mut self.files[inode]
    }
}

impl Storage for Memory {
    fn open(&mut self, path: &str, mode: Open) -> Result<File, DiskError> {
        if let Some(inode) = self.names.get(path) {
            return if mode == Open::CreateNew { Err(DiskError::Exists) } else { Ok(File(*inode as u32)) };
        }
        if matches!(mode, Open::Read | Open::Write) {
            return Err(DiskError::NotFound);
        }
        self.files.push(Vec::new());
        self.names.insert(path.to_owned(), self.files.len() - 1);
        Ok(File(self.files.len() as u32 - 1))
    }
    fn close(&mut self, _: File) {}
    fn append(&mut self, file: File, bytes: &[u8]) -> Result<usize, DiskError> {
        let count = self.room.map_or(bytes.len(), |room| room.min(bytes.len()));
        if count == 0 {
            return Err(DiskError::NoSpace);
        }
        self.room = self.room.map(|room| room - count);
        self.files[file.0 as usize].extend_from_slice(&bytes[..count]);
        Ok(count)
    }
    fn read_at(&mut self, file: File, offset: u64, into: &mut [u8]) -> Result<usize, DiskError> {
        let bytes = self.files[file.0 as usize].get(offset as usize..).unwrap_or_default();
        let count = into.len().min(bytes.len());
        into[..count].copy_from_slice(&bytes[..count]);
        Ok(count)
    }
    fn write_at(&mut self, file: File, offset: u64, bytes: &[u8]) -> Result<usize, DiskError> {
        let (content, offset) = (&mut self.files[file.0 as usize], offset as usize);
        let len = content.len().max(offset + bytes.len());
        content.resize(len, 0);
        content[offset..offset + bytes.len()].copy_from_slice(bytes);
        Ok(bytes.len())
    }
    fn truncate(&mut self, file: File, len: u64) -> Result<(), DiskError> {
        self.files[file.0 as usize].resize(len as usize, 0);
        Ok(())
    }
    fn len(&mut self, file: File) -> Result<u64, DiskError> {
        Ok(self.files[file.0 as usize].len() as u64)
    }
    fn sync(&mut self, _: File) -> Result<(), DiskError> {
        match &mut self.syncs_left {
            Some(0) => Err(DiskError::Io),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
    fn sync_dir(&mut self, _: &str) -> Result<(), DiskError> {
        Ok(())
    }
    fn rename(&mut self, from: &str, to: &str) -> Result<(), DiskError> {
        let inode = self.names.remove(from).ok_or(DiskError::NotFound)?;
        self.names.insert(to.to_owned(), inode);
        Ok(())
    }
    fn link(&mut self, _: &str, _: &str) -> Result<(), DiskError> {
        Err(DiskError::Invalid)
    }
    fn unlink(&mut self, path: &str) -> Result<(), DiskError> {
        self.names.remove(path).map(drop).ok_or(DiskError::NotFound)
    }
    fn mkdir(&mut self, _: &str) -> Result<(), DiskError> {
        Ok(())
    }
    fn list(&mut self, _: &str) -> Result<Vec<String>, DiskError> {
        Ok(Vec::new())
    }
    fn stat(&mut self, path: &str) -> Result<Stat, DiskError> {
        let inode = *self.names.get(path).ok_or(DiskError::NotFound)?;
        Ok(Stat { len: self.files[inode].len() as u64, directory: false, inode: inode as u64 })
    }
}

/// A process on that disk.
struct Process<'m> {
    disk: &'m mut Memory,
    boot: u64,
}

impl Machine for Process<'_> {
    fn disk(&mut self) -> Disk<'_> {
        Disk::new(self.disk)
    }
    fn identity(&self) -> Identity {
        Identity { pid: Pid(1), started: 1, boot: self.boot, host: 1 }
    }
    fn liveness(&self, _: Pid) -> Liveness {
        Liveness::Dead
    }
    fn now(&self) -> Time {
        Time::ZERO
    }
    fn wall(&self) -> Wall {
        Wall::default()
    }
    fn random(&mut self) -> u64 {
        0
    }
    fn mark(&mut self, _: Mark) {}
    fn sleep(&mut self, _: Duration) {}
}

fn places() -> Places {
    Places::of("w")
}

fn run<T>(disk: &mut Memory, boot: u64, operation: impl FnOnce(&mut Turn<'_>) -> Step<T>) -> T {
    Turn::through(&mut Process { disk, boot }, operation)
}

/// A writer in boot 1 appends events with these keys as one batch.
fn write(disk: &mut Memory, known: Option<Tail>, keys: &[&str]) -> Result<Appended, AppendError> {
    let held = Held { path: String::new(), inode: 0, recovered: false };
    let event =
        |key: &&str| NewEvent { domain: "tx".to_owned(), key: (*key).to_owned(), payload: "{\"a\": 1}".to_owned() };
    let events: Vec<NewEvent> = keys.iter().map(event).collect();
    run(disk, 1, |turn| append(turn, &places(), &held, known, &events))
}

/// The keys that a reader in that boot finds.
fn keys(disk: &mut Memory, boot: u64) -> Result<Vec<String>, LedgerError> {
    let (mut keys, mut cursor) = (Vec::new(), Cursor::START);
    loop {
        let page = run(disk, boot, |turn| read(turn, &places(), cursor, 100))?;
        keys.extend(page.events.into_iter().map(|event| event.key));
        cursor = page.cursor;
        if !page.more {
            return Ok(keys);
        }
    }
}

#[test]
fn two_writers_continue_each_others_numbers() {
    let mut disk = Memory::default();
    let first = write(&mut disk, None, &["a", "b"]).unwrap();
    let second = write(&mut disk, None, &["c"]).unwrap();
    assert_eq!((first.first, second.first), (1, 3));
    // The first one knows an end that is not the end any more.
    let third = write(&mut disk, Some(first.tail), &["d"]).unwrap();
    assert_eq!((third.first, third.tail.last(), third.sums.len()), (4, 4, 1));
    assert_eq!(keys(&mut disk, 1).unwrap(), ["a", "b", "c", "d"]);
    assert_eq!(keys(&mut disk, 2).unwrap(), ["a", "b", "c", "d"], "another boot has no watermark");
    let verified = run(&mut disk, 1, |turn| verify(turn, &places(), 50)).unwrap();
    assert_eq!((verified.events, verified.end), (4, disk.contents("events.jsonl").len() as u64));
}

#[test]
fn what_lies_behind_the_watermark_of_this_boot_is_not_read_and_is_cut() {
    let mut disk = Memory::default();
    write(&mut disk, None, &["a"]).unwrap();
    let (behind, _) =
        batch::write(&[NewEvent { domain: String::new(), key: "x".to_owned(), payload: "1".to_owned() }], 2, 0)
            .unwrap();
    disk.contents("events.jsonl").extend_from_slice(&behind);
    assert_eq!(keys(&mut disk, 1).unwrap(), ["a"], "its writer died before its sync ended, for all that is known");
    assert_eq!(keys(&mut disk, 2).unwrap(), ["a", "x"], "after a boot all that is whole is durable");
    assert_eq!(write(&mut disk, None, &["b"]).unwrap().first, 2);
    assert_eq!(keys(&mut disk, 1).unwrap(), ["a", "b"]);
    let telemetry = String::from_utf8(disk.contents("telemetry.jsonl").clone()).unwrap();
    assert!(telemetry.contains("CORRUPT_TAIL_RECOVERY"), "{telemetry}");
}

#[test]
fn a_failed_sync_takes_the_batch_back() {
    let mut disk = Memory::default();
    let tail = write(&mut disk, None, &["a"]).unwrap().tail;
    let before = disk.contents("events.jsonl").clone();
    disk.syncs_left = Some(0);
    let error = write(&mut disk, Some(tail), &["b"]).unwrap_err();
    assert!(error.unknown, "the truncation was not synced either: {error}");
    disk.syncs_left = None;
    assert_eq!((keys(&mut disk, 1).unwrap().len(), disk.contents("events.jsonl").clone()), (1, before.clone()));
    disk.room = Some(40);
    let error = write(&mut disk, None, &["b"]).unwrap_err();
    assert!(!error.unknown && error.to_string().contains("nothing was appended"), "{error}");
    assert_eq!(*disk.contents("events.jsonl"), before, "a part of the line was written");
    disk.room = None;
    assert_eq!(write(&mut disk, None, &["b"]).unwrap().first, 2);
}

#[test]
fn a_ledger_shorter_than_its_watermark_is_damaged_and_stays_as_it_is() {
    let mut disk = Memory::default();
    write(&mut disk, None, &["a", "b"]).unwrap();
    write(&mut disk, None, &["c"]).unwrap();
    disk.contents("events.jsonl").truncate(150);
    for boot in [1, 2] {
        let known = run(&mut disk, boot, |turn| catch_up(turn, &places(), None));
        assert!(matches!(known, Err(LedgerError::Damaged { .. })), "boot {boot}: {known:?}");
    }
    assert!(matches!(keys(&mut disk, 1), Err(LedgerError::Damaged { .. })));
    assert_eq!(disk.contents("events.jsonl").len(), 150);
}

#[test]
fn rot_in_the_middle_is_found_by_readers_and_by_the_first_writer_of_a_boot() {
    let mut disk = Memory::default();
    write(&mut disk, None, &["a"]).unwrap();
    let second = write(&mut disk, None, &["b"]).unwrap().tail.end() as usize;
    write(&mut disk, None, &["c"]).unwrap();
    disk.contents("events.jsonl")[second - 30] ^= 1;
    assert!(matches!(keys(&mut disk, 1), Err(LedgerError::Damaged { at, .. }) if (at as usize) < second));
    assert!(matches!(run(&mut disk, 2, |turn| catch_up(turn, &places(), None)), Err(LedgerError::Damaged { .. })));
}

#[test]
fn a_ledger_that_was_replaced_is_looked_at_anew() {
    let mut disk = Memory::default();
    let tail = write(&mut disk, None, &["a", "b"]).unwrap().tail;
    let cursor = run(&mut disk, 1, |turn| read(turn, &places(), Cursor::START, 100)).unwrap().cursor;
    let copy: Vec<u8> =
        batch::write(&[NewEvent { domain: String::new(), key: "z".to_owned(), payload: "1".to_owned() }], 1, 0)
            .unwrap()
            .0;
    run(&mut disk, 1, |turn| replaced(turn, &places())).unwrap();
    disk.open("w/other", Open::Create).unwrap();
    disk.contents("other").extend_from_slice(&copy);
    disk.rename("w/other", "w/events.jsonl").unwrap();
    let begun = run(&mut disk, 1, |turn| read(turn, &places(), cursor, 100));
    assert!(matches!(begun, Err(LedgerError::Replaced { .. })), "{begun:?}");
    assert_eq!(write(&mut disk, Some(tail), &["b"]).unwrap().first, 2);
    assert_eq!(keys(&mut disk, 1).unwrap(), ["z", "b"]);
}

#[test]
fn a_torn_watermark_leaves_the_one_before_it() {
    let mut disk = Memory::default();
    write(&mut disk, None, &["a"]).unwrap();
    let older = disk.contents("events.watermark").clone();
    write(&mut disk, None, &["b"]).unwrap();
    let newer = disk.contents("events.watermark").clone();
    let slot = (0..2).find(|slot| older.chunks(SLOT).nth(*slot) != newer.chunks(SLOT).nth(*slot));
    disk.contents("events.watermark")[slot.unwrap() * SLOT + 20] = b'?';
    let torn = disk.contents("events.watermark").clone();
    assert_eq!(Watermarks::parse(&torn).newest(1, 0).unwrap().1.last, 1);
    assert_eq!(keys(&mut disk, 1).unwrap(), ["a"], "nobody was told of the second one");
    assert_eq!(write(&mut disk, None, &["c"]).unwrap().first, 2);
}
