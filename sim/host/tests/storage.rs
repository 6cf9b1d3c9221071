//! The contract's disk on a real directory, call by call.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test of the real world uses it, and fails by panicking"
)]

mod common;

use common::Scratch;
use contract::disk::Storage;
use contract::{Disk, DiskError, File, Open};
use host::disk_fill::SmallDisk;
use host::storage::DirStorage;

fn disk() -> (Scratch, DirStorage) {
    let dir = Scratch::new();
    let storage = DirStorage::open_dir(&dir.0, 8).unwrap();
    (dir, storage)
}

fn write_file(disk: &mut DirStorage, path: &str, bytes: &[u8]) -> File {
    let file = disk.open(path, Open::Create).unwrap();
    Disk::new(disk).append_all(file, bytes).unwrap();
    file
}

#[test]
fn opening_follows_the_mode() {
    let (_dir, mut disk) = disk();
    assert_eq!(disk.open("a", Open::Read), Err(DiskError::NotFound));
    assert_eq!(disk.open("a", Open::Write), Err(DiskError::NotFound));
    let file = disk.open("a", Open::CreateNew).unwrap();
    assert_eq!(disk.open("a", Open::CreateNew), Err(DiskError::Exists));
    assert_eq!(disk.append(file, b"x"), Ok(1));
    let again = disk.open("a", Open::Create).unwrap();
    assert_eq!(disk.len(again), Ok(1), "Create keeps what is there");
    let reader = disk.open("a", Open::Read).unwrap();
    assert_eq!(disk.append(reader, b"y"), Err(DiskError::BadHandle));
    assert_eq!(disk.write_at(reader, 0, b"y"), Err(DiskError::BadHandle));
    assert_eq!(disk.truncate(reader, 0), Err(DiskError::BadHandle));
    disk.mkdir("d").unwrap();
    for mode in [Open::Read, Open::Write, Open::Create] {
        assert_eq!(disk.open("d", mode), Err(DiskError::IsDirectory));
    }
    assert_eq!(disk.open("d", Open::CreateNew), Err(DiskError::Exists));
    assert_eq!(disk.open("a/b", Open::Create), Err(DiskError::NotDirectory));
    assert_eq!(disk.open("none/b", Open::Create), Err(DiskError::NotFound));
}

#[test]
fn appending_and_writing_at_an_offset_do_not_disturb_each_other() {
    let (_dir, mut disk) = disk();
    let file = write_file(&mut disk, "f", b"0123456789");
    assert_eq!(disk.write_at(file, 2, b"ab"), Ok(2));
    assert_eq!(disk.append(file, b"X"), Ok(1));
    assert_eq!(disk.write_at(file, 0, b"Z"), Ok(1));
    let other = disk.open("f", Open::Write).unwrap();
    assert_eq!(disk.append(other, b"Y"), Ok(1));
    assert_eq!(disk.append(file, b"W"), Ok(1), "the end is where others moved it");
    assert_eq!(Disk::new(&mut disk).read_all(file).unwrap(), b"Z1ab456789XYW");
    assert_eq!(disk.write_at(file, 15, b"!"), Ok(1));
    assert_eq!(Disk::new(&mut disk).read_range(file, 11, 9).unwrap(), b"YW\0\0!", "a hole reads as zeros");
    assert_eq!(disk.read_at(file, 99, &mut [0; 4]), Ok(0));
    disk.truncate(file, 3).unwrap();
    disk.truncate(file, 5).unwrap();
    assert_eq!(Disk::new(&mut disk).read_all(file).unwrap(), b"Z1a\0\0");
    assert_eq!(disk.read_at(file, u64::MAX, &mut [0; 4]), Err(DiskError::Invalid));
}

#[test]
fn names_can_be_linked_renamed_and_removed() {
    let (_dir, mut disk) = disk();
    let file = write_file(&mut disk, "a", b"one");
    disk.link("a", "b").unwrap();
    assert_eq!(disk.stat("a").unwrap(), disk.stat("b").unwrap());
    assert_eq!(disk.link("a", "b"), Err(DiskError::Exists));
    assert_eq!(disk.link("none", "c"), Err(DiskError::NotFound));
    write_file(&mut disk, "c", b"three");
    let replaced = disk.stat("c").unwrap();
    disk.rename("a", "c").unwrap();
    assert_ne!(disk.stat("c").unwrap().inode, replaced.inode);
    assert_eq!(disk.list("").unwrap(), ["b", "c"]);
    disk.unlink("b").unwrap();
    disk.unlink("c").unwrap();
    assert_eq!(disk.unlink("c"), Err(DiskError::NotFound));
    assert_eq!(disk.append(file, b"!"), Ok(1), "an open file outlives its names");
    disk.mkdir("d").unwrap();
    assert_eq!(disk.mkdir("d"), Err(DiskError::Exists));
    assert_eq!(disk.unlink("d"), Err(DiskError::IsDirectory));
    assert!(disk.stat("d").unwrap().directory);
    assert_eq!(disk.stat("d").unwrap().len, 0);
    write_file(&mut disk, "d/inner", b"");
    assert_eq!(disk.list("d").unwrap(), ["inner"]);
    assert_eq!(disk.list("d/inner"), Err(DiskError::NotDirectory));
    disk.mkdir("e").unwrap();
    assert_eq!(disk.rename("d/inner", "e"), Err(DiskError::IsDirectory));
}

#[test]
fn syncing_takes_files_and_directories() {
    let (_dir, mut disk) = disk();
    let file = write_file(&mut disk, "f", b"x");
    assert_eq!(disk.sync(file), Ok(()));
    assert_eq!(disk.sync_dir(""), Ok(()));
    assert_eq!(disk.sync_dir("."), Ok(()));
    assert_eq!(disk.sync_dir("f"), Err(DiskError::NotDirectory));
    assert_eq!(disk.sync_dir("none"), Err(DiskError::NotFound));
}

#[test]
fn no_path_leaves_the_data_directory() {
    let (dir, mut disk) = disk();
    for path in ["..", "../x", "a/../../x", "/etc/hostname", "a\0b"] {
        assert_eq!(disk.open(path, Open::Create), Err(DiskError::Invalid), "{path}");
        assert_eq!(disk.mkdir(path), Err(DiskError::Invalid), "{path}");
        assert_eq!(disk.list(path), Err(DiskError::Invalid), "{path}");
        assert_eq!(disk.rename("a", path), Err(DiskError::Invalid), "{path}");
    }
    std::os::unix::fs::symlink("/etc/hostname", dir.0.join("outside")).unwrap();
    assert!(matches!(disk.open("outside", Open::Read), Err(DiskError::Other(_))), "symbolic links are not followed");
    assert_eq!(disk.open("./a//b/.", Open::Create), Err(DiskError::NotFound), "a is missing, the path is legal");
}

#[test]
fn handles_are_bounded_and_never_mean_another_file() {
    let (_dir, mut disk) = disk();
    let files: Vec<File> = (0..8).map(|_| disk.open("f", Open::Create).unwrap()).collect();
    assert_eq!(disk.open("f", Open::Read), Err(DiskError::TooManyOpen));
    disk.close(files[3]);
    disk.close(files[3]);
    let new = disk.open("g", Open::Create).unwrap();
    assert!(!files.contains(&new));
    assert_eq!(disk.len(files[3]), Err(DiskError::BadHandle));
    assert_eq!(disk.sync(files[3]), Err(DiskError::BadHandle));
    assert_eq!(disk.take_faults().len(), 0, "errors of the caller are not the device's");
}

#[test]
fn a_full_disk_says_so_after_short_writes_and_can_be_relieved() {
    let mut small = match SmallDisk::new(256 * 1024) {
        Ok(small) => small,
        Err(skipped) => return println!("skipped: {skipped}"),
    };
    let mut disk = DirStorage::open_dir(&small.data_dir(), 8).unwrap();
    let file = disk.open("f", Open::Create).unwrap();
    let (mut written, mut short) = (0, false);
    let error = loop {
        match disk.append(file, &[7; 10_000]) {
            Ok(bytes) => {
                written += bytes;
                short |= bytes < 10_000;
            }
            Err(error) => break error,
        }
    };
    assert_eq!((error, short), (DiskError::NoSpace, true));
    assert_eq!(disk.len(file), Ok(written as u64), "what was reported as written is there");
    assert_eq!(disk.take_faults().get(&DiskError::NoSpace), Some(&1));
    disk.truncate(file, 4096).unwrap();
    small.fill().unwrap();
    assert!(small.is_full());
    assert_eq!(disk.append(file, &[7; 5000]), Err(DiskError::NoSpace));
    disk.unlink("f").unwrap();
    disk.close(file);
    small.fill().unwrap();
    let file = disk.open("g", Open::Create).unwrap();
    assert_eq!(disk.append(file, b"x"), Err(DiskError::NoSpace), "filled again, after something was freed");
    small.relieve().unwrap();
    assert_eq!(disk.append(file, b"x"), Ok(1));
    assert_eq!(disk.list("").unwrap(), ["g"], "the ballast is not among the actor's files");
}
