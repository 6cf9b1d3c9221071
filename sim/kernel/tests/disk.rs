//! What a simulated disk keeps: by process death, by power loss, by failed syncs.

use contract::{DiskError, Open, ProcessId};
use kernel::disk::{Doer, FileSystem, Ino};
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

const ME: ProcessId = ProcessId(0);

fn at(stamp: u64) -> Doer {
    Doer { process: ME, stamp, event: stamp }
}

/// A sync called at `event` that ends at `ends`.
fn until(ends: u64, event: u64) -> Doer {
    Doer { process: ME, stamp: ends, event }
}

fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

fn contents(disk: &FileSystem, path: &str) -> Option<Vec<u8>> {
    let ino = disk.resolve(path).ok()?;
    let mut bytes = vec![0; disk.len(ino).ok()?];
    disk.read(ino, 0, &mut bytes).ok()?;
    Some(bytes)
}

fn create(disk: &mut FileSystem, path: &str, stamp: u64) -> Ino {
    disk.open(path, Open::CreateNew, at(stamp)).expect("the name is new").0
}

/// A disk with a file `f` whose name is durable.
fn with_file() -> (FileSystem, Ino) {
    let mut disk = FileSystem::new(1 << 30);
    let file = create(&mut disk, "f", 1);
    disk.sync(kernel::disk::ROOT, until(2, 1)).expect("the root can be synced");
    (disk, file)
}

#[test]
fn a_synced_file_without_a_synced_name_can_vanish_and_can_stay() {
    let mut outcomes = std::collections::BTreeSet::new();
    for seed in 0..64 {
        let mut disk = FileSystem::new(1 << 30);
        let file = create(&mut disk, "f", 1);
        disk.write(file, 0, b"data", at(2)).expect("a file takes bytes");
        disk.sync(file, until(3, 2)).expect("a file can be synced");
        disk.power_loss(4, &mut rng(seed));
        outcomes.insert(contents(&disk, "f"));
    }
    assert_eq!(outcomes.into_iter().collect::<Vec<_>>(), [None, Some(b"data".to_vec())]);
}

#[test]
fn unsynced_bytes_can_be_kept_lost_torn_and_turned_to_zeros() {
    let (mut kept, mut lost, mut torn, mut zeros) = (0, 0, 0, 0);
    for seed in 0..400 {
        let (mut disk, file) = with_file();
        disk.write(file, 0, &[7; 4096], at(5)).expect("a file takes bytes");
        disk.power_loss(9, &mut rng(seed));
        let bytes = contents(&disk, "f").expect("the name was durable");
        match bytes.iter().filter(|byte| **byte == 7).count() {
            4096 => kept += 1,
            0 if bytes.is_empty() => lost += 1,
            _ => torn += 1,
        }
        zeros += usize::from(bytes.chunks(512).any(|sector| sector.iter().all(|byte| *byte == 0)));
    }
    assert!(kept > 20 && lost > 20 && torn > 20 && zeros > 20, "{kept} kept, {lost} lost, {torn} torn, {zeros} zeros");
}

#[test]
fn later_writes_can_survive_earlier_ones() {
    let survivors = (0..400).filter(|seed| {
        let (mut disk, file) = with_file();
        disk.write(file, 0, &[1; 10], at(5)).expect("a file takes bytes");
        disk.write(file, 10, &[2; 10], at(6)).expect("a file takes bytes");
        disk.power_loss(9, &mut rng(*seed));
        let bytes = contents(&disk, "f").expect("the name was durable");
        bytes.len() == 20 && bytes[..10] == [0; 10] && bytes[10..] == [2; 10]
    });
    assert!(survivors.count() > 5, "reordering is one of the outcomes");
}

#[test]
fn a_rename_over_a_file_shows_the_old_or_the_new_one() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..64 {
        let (mut disk, file) = with_file();
        disk.write(file, 0, b"old", at(5)).expect("a file takes bytes");
        disk.sync(file, until(6, 5)).expect("a file can be synced");
        let new = create(&mut disk, "f.tmp", 7);
        disk.write(new, 0, b"new", at(8)).expect("a file takes bytes");
        disk.sync(new, until(9, 8)).expect("a file can be synced");
        disk.rename("f.tmp", "f", at(10)).expect("both are files");
        assert_eq!(contents(&disk, "f").as_deref(), Some(&b"new"[..]), "atomic to observers");
        disk.power_loss(11, &mut rng(seed));
        seen.insert(contents(&disk, "f").expect("the name never goes away"));
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [b"new".to_vec(), b"old".to_vec()]);
}

#[test]
fn a_deleted_file_can_come_back_while_its_directory_is_not_synced() {
    let back = (0..64).filter(|seed| {
        let (mut disk, file) = with_file();
        disk.write(file, 0, b"data", at(5)).expect("a file takes bytes");
        disk.sync(file, until(6, 5)).expect("a file can be synced");
        disk.unlink("f", at(7)).expect("the file is there");
        assert_eq!(disk.used(), 0, "its space is free at once");
        disk.power_loss(8, &mut rng(*seed));
        contents(&disk, "f").is_some_and(|bytes| bytes == b"data" && disk.used() == 4)
    });
    let back = back.count();
    assert!((5..60).contains(&back), "{back} of 64 came back");
}

#[test]
fn a_dead_process_did_nothing_later_and_left_the_page_cache() {
    let (mut disk, file) = with_file();
    disk.write(file, 0, b"before", at(5)).expect("a file takes bytes");
    disk.write(file, 6, b" after", at(20)).expect("a file takes bytes");
    disk.rename("f", "g", at(30)).expect("the file is there");
    disk.cut(ME, 10);
    assert_eq!(contents(&disk, "f").as_deref(), Some(&b"before"[..]), "visible though never synced");
    assert_eq!(contents(&disk, "g"), None);
    assert_eq!(disk.used(), 6);
}

#[test]
fn a_sync_cut_short_promises_nothing() {
    let lost = (0..64).filter(|seed| {
        let (mut disk, file) = with_file();
        disk.write(file, 0, b"data", at(5)).expect("a file takes bytes");
        disk.sync(file, until(50, 5)).expect("a file can be synced");
        disk.cut(ME, 10);
        disk.power_loss(10, &mut rng(*seed));
        contents(&disk, "f").expect("the name was durable") != b"data"
    });
    assert!(lost.count() > 10);
}

#[test]
fn what_a_failed_sync_abandoned_is_not_saved_by_the_next_sync() {
    for seed in 0..64 {
        let (mut disk, file) = with_file();
        disk.write(file, 0, b"first", at(5)).expect("a file takes bytes");
        disk.abandon(file, 5).expect("the file is there");
        disk.write(file, 5, b"second", at(6)).expect("a file takes bytes");
        disk.sync(file, until(7, 6)).expect("reports success");
        assert_eq!(contents(&disk, "f").as_deref(), Some(&b"firstsecond"[..]), "the cache still shows it");
        disk.power_loss(8, &mut rng(seed));
        assert_eq!(contents(&disk, "f").as_deref(), Some(&b"\0\0\0\0\0second"[..]));
    }
}

#[test]
fn errors_are_those_of_posix() {
    let (mut disk, file) = with_file();
    disk.mkdir("d", at(3)).expect("the name is new");
    assert_eq!(disk.open("f", Open::CreateNew, at(4)), Err(DiskError::Exists));
    assert_eq!(disk.open("none", Open::Write, at(4)), Err(DiskError::NotFound));
    assert_eq!(disk.open("f/x", Open::Create, at(4)), Err(DiskError::NotDirectory));
    assert_eq!(disk.open("../f", Open::Create, at(4)), Err(DiskError::Invalid));
    assert_eq!(disk.open("d", Open::Read, at(4)), Err(DiskError::IsDirectory));
    assert_eq!(disk.link("f", "d", at(4)), Err(DiskError::Exists));
    assert_eq!(disk.rename("none", "f", at(4)), Err(DiskError::NotFound));
    assert_eq!(disk.list("d"), Ok(vec![]));
    assert_eq!(disk.list("").map(|names| names.len()), Ok(2));
    disk.link("f", "d/second", at(5)).expect("the name is new");
    disk.unlink("f", at(6)).expect("the file is there");
    disk.write(file, 0, b"x", at(7)).expect("the inode lives");
    assert_eq!(contents(&disk, "d/second").as_deref(), Some(&b"x"[..]));
    assert_eq!(disk.unlink("d", at(8)), Err(DiskError::IsDirectory));
}

/// A disk with a durable file of `len` sevens.
fn with_sevens(len: usize) -> (FileSystem, Ino) {
    let (mut disk, file) = with_file();
    disk.write(file, 0, &vec![7; len], at(3)).expect("a file takes bytes");
    disk.sync(file, until(4, 3)).expect("a file can be synced");
    (disk, file)
}

fn met(disk: &FileSystem, file: Ino) -> Vec<(usize, bool)> {
    disk.blemishes(file, 0..usize::MAX).map(|blemish| (blemish.slot, blemish.unreadable)).collect()
}

#[test]
fn a_bit_rots_until_what_is_written_over_it_is_durable() {
    let (mut disk, file) = with_sevens(2_000);
    let byte = disk.rot(file, [u64::MAX / 2, 99], 5, 10).expect("all of it is durable");
    let rotten = contents(&disk, "f").expect("the name is durable");
    assert_eq!(rotten.iter().filter(|byte| **byte != 7).count(), 1);
    assert!(rotten[byte] != 7 && (rotten[byte] ^ 7).is_power_of_two());
    assert_eq!(met(&disk, file), [(5, false)]);
    assert_eq!(disk.blemishes(file, 0..byte).count() + disk.blemishes(file, byte + 1..2_000).count(), 0);

    disk.write(file, 0, &[7; 2_000], at(20)).expect("a file takes bytes");
    assert_eq!(met(&disk, file), [], "the page cache hides it");
    let lost = (0..64).find(|seed| {
        let mut left = disk.clone();
        left.power_loss(21, &mut rng(*seed));
        contents(&left, "f").expect("the name is durable")[byte] == rotten[byte] && met(&left, file) == [(5, false)]
    });
    assert!(lost.is_some(), "where the write is lost, it is there again");

    disk.sync(file, until(22, 20)).expect("a file can be synced");
    disk.write(file, 0, b"x", at(30)).expect("a file takes bytes");
    disk.power_loss(31, &mut rng(1));
    assert_eq!(met(&disk, file), [], "and where it is durable, it is gone for good");
}

#[test]
fn a_bad_sector_is_readable_again_only_when_all_of_it_is_written_over() {
    let (mut disk, file) = with_sevens(2_000);
    let start = disk.spoil(file, 0, 3, 10).expect("all of it is durable");
    assert_eq!((start, met(&disk, file)), (0, vec![(3, true)]));
    for (from, len, blemishes) in [(0, 511, 1), (1, 600, 1), (0, 512, 0)] {
        let (mut disk, stamp) = (disk.clone(), 20);
        disk.write(file, from, &vec![1; len], at(stamp)).expect("a file takes bytes");
        disk.sync(file, until(21, stamp)).expect("a file can be synced");
        disk.power_loss(30, &mut rng(1));
        assert_eq!(met(&disk, file).len(), blemishes, "{len} bytes from {from}");
    }
}

#[test]
fn only_what_is_durable_rots() {
    let (mut disk, file) = with_file();
    assert_eq!(disk.rot(file, [1, 2], 0, 4), None, "there is nothing");
    disk.write(file, 0, &[7; 100], at(5)).expect("a file takes bytes");
    assert_eq!(disk.spoil(file, 1, 0, 6), None, "it is not on the disk yet");
    disk.sync(file, until(7, 5)).expect("a file can be synced");
    assert!(disk.spoil(file, 1, 0, 7).is_some());
}

#[test]
fn a_phantom_write_is_lost_though_a_sync_succeeded_and_counts_only_then() {
    for synced in [true, false] {
        let (mut disk, file) = with_sevens(10);
        disk.write(file, 10, b"phantom", at(20)).expect("a file takes bytes");
        disk.forget_last(file, 4);
        if synced {
            assert_eq!(disk.sync(file, until(22, 20)), Ok(true), "it reports a success that is none");
        }
        let loss = disk.power_loss(30, &mut rng(1));
        assert_eq!(loss.phantoms, if synced { vec![4] } else { vec![] });
        assert_eq!(contents(&disk, "f"), Some(vec![7; 10]));
    }
}

#[test]
fn astray_is_never_where_it_belongs_and_never_in_a_file_of_others() {
    let (mut disk, file) = with_sevens(2_000);
    let other = create(&mut disk, "other", 5);
    disk.write(other, 0, &[1; 600], Doer { process: ProcessId(1), ..at(6) }).expect("a file takes bytes");
    let mut seen = std::collections::BTreeSet::new();
    for bits in 0..64 {
        seen.insert(disk.elsewhere(ME, (file, 600..700), bits << 58).expect("there are other sectors"));
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [(file, 0), (file, 1_024), (file, 1_536)]);
    assert_eq!(disk.elsewhere(ProcessId(1), (other, 0..600), 0), None);
}

#[derive(Clone, Debug)]
enum Op {
    Append(u8, usize),
    Overwrite(u8, usize, usize),
    Truncate(usize),
    Sync,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        (1u8..255, 1usize..3_000).prop_map(|(byte, len)| Op::Append(byte, len)),
        (1u8..255, 0usize..4_000, 1usize..2_000).prop_map(|(byte, from, len)| Op::Overwrite(byte, from, len)),
        (0usize..6_000).prop_map(Op::Truncate),
        Just(Op::Sync),
    ]
}

proptest! {
    /// Whatever was done since the last sync, bytes that nothing touched since are as they were synced;
    /// and the space in use is what the files hold.
    #[test]
    fn synced_bytes_survive_every_power_loss(ops in prop::collection::vec(op(), 1..30), seed: u64) {
        let (mut disk, file) = with_file();
        let (mut model, mut synced) = (Vec::<u8>::new(), Vec::<u8>::new());
        let mut untouched = Vec::<bool>::new();
        let mut time = 10;
        for op in ops {
            time += 10;
            match op {
                Op::Append(byte, len) => {
                    disk.write(file, model.len(), &vec![byte; len], at(time)).expect("there is room");
                    model.resize(model.len() + len, byte);
                }
                Op::Overwrite(byte, from, len) => {
                    disk.write(file, from, &vec![byte; len], at(time)).expect("there is room");
                    model.resize(model.len().max(from + len), 0);
                    model[from..from + len].fill(byte);
                    untouched.iter_mut().skip(from).take(len).for_each(|it| *it = false);
                }
                Op::Truncate(len) => {
                    disk.resize(file, len, at(time)).expect("there is room");
                    model.resize(len, 0);
                    untouched.iter_mut().skip(len).for_each(|it| *it = false);
                }
                Op::Sync => {
                    disk.sync(file, until(time + 5, time)).expect("a file can be synced");
                    synced = model.clone();
                    untouched = vec![true; synced.len()];
                }
            }
            prop_assert_eq!(contents(&disk, "f").expect("visible"), model.clone());
            prop_assert_eq!(disk.used(), model.len() as u64);
        }
        disk.power_loss(time + 10, &mut rng(seed));
        let after = contents(&disk, "f").expect("the name was durable");
        for (place, byte) in synced.iter().enumerate().filter(|(place, _)| untouched[*place]) {
            prop_assert_eq!(after.get(place), Some(byte), "synced byte {} of {}", place, synced.len());
        }
        prop_assert_eq!(disk.used(), after.len() as u64);
    }
}
