//! The compositions of disk calls that everyone uses, over a disk that writes and reads short.

use crate::fake::MemoryStorage;
use contract::disk::{Disk, Open, Storage};
use contract::{DiskError, Halt};
use proptest::prelude::*;

#[test]
fn an_append_that_runs_out_of_space_leaves_a_prefix_and_says_so() {
    let mut storage = MemoryStorage { chunk: 3, capacity: Some(5), ..Default::default() };
    let mut disk = Disk::new(&mut storage);
    let file = disk.open("log", Open::Create).expect("creates");
    assert_eq!(disk.append_all(file, b"abcdefgh"), Err(DiskError::NoSpace));
    assert_eq!(disk.read_all(file), Ok(b"abcde".to_vec()), "the caller must cut this prefix away");
}

#[test]
fn appending_nothing_makes_no_call() {
    let mut storage = MemoryStorage::default();
    let mut disk = Disk::new(&mut storage);
    let file = disk.open("log", Open::Create).expect("creates");
    assert_eq!(disk.append_all(file, b""), Ok(()));
    assert_eq!(storage.calls, 0);
}

#[test]
fn a_range_past_the_end_is_cut_at_the_end() {
    let mut storage = MemoryStorage { chunk: 2, ..Default::default() };
    let mut disk = Disk::new(&mut storage);
    let file = disk.open("log", Open::Create).expect("creates");
    disk.append_all(file, b"0123456789").expect("appends");
    assert_eq!(disk.read_range(file, 7, 10), Ok(b"789".to_vec()));
    assert_eq!(disk.read_range(file, 20, 10), Ok(Vec::new()));
}

#[test]
fn only_absence_means_that_a_name_does_not_exist() {
    let mut storage = MemoryStorage::default();
    storage.files.insert("here".into(), Vec::new());
    assert_eq!(Disk::new(&mut storage).exists("here"), Ok(true));
    assert_eq!(Disk::new(&mut storage).exists("gone"), Ok(false));
    storage.stat_error = Some(DiskError::Io);
    assert_eq!(Disk::new(&mut storage).exists("gone"), Err(DiskError::Io), "a broken disk is not an absent file");
}

#[test]
fn a_disk_error_that_ends_a_process_says_which() {
    assert_eq!(Halt::from(DiskError::NoSpace).reason, "disk: no space left on device (ENOSPC)");
    assert_eq!(Halt::from(DiskError::Other(17)).reason, "disk: system error 17");
}

proptest! {
    #[test]
    fn what_was_appended_is_read_back_however_short_the_calls(
        parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..10),
        chunk in 0_usize..7, offset in 0_usize..200, len in 0_usize..200,
    ) {
        let mut storage = MemoryStorage { chunk, ..Default::default() };
        let mut disk = Disk::new(&mut storage);
        let file = disk.open("log", Open::CreateNew).expect("creates");
        for part in &parts {
            disk.append_all(file, part).expect("appends");
        }
        let all = parts.concat();
        prop_assert_eq!(&disk.read_all(file).expect("reads"), &all);
        let start = offset.min(all.len());
        let expected = &all[start..(start + len).min(all.len())];
        prop_assert_eq!(disk.read_range(file, offset as u64, len).expect("reads"), expected);
    }
}

/// More than one chunk of `read_range`, which reads 64 KiB at a time.
#[test]
fn a_long_file_is_read_whole() {
    let mut storage = MemoryStorage::default();
    let content: Vec<u8> = (0..200_000_u32).map(|at| at as u8).collect();
    storage.files.insert("long".into(), content.clone());
    let file = storage.open("long", Open::Read).expect("opens");
    assert_eq!(Disk::new(&mut storage).read_all(file), Ok(content));
    assert!(storage.calls >= 3, "never more than a chunk at once");
}
