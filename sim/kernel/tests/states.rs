//! The states that a crash may leave, one by one.

// A helper that fails fails its test.
#![allow(clippy::unwrap_used)]

use contract::{Open, ProcessId};
use kernel::disk::fates::{ByChance, Fate, Fates, Sector};
use kernel::disk::{Doer, FileSystem, Ino, ROOT};
use kernel::{DiskSettings, Profile, Settings};
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use std::collections::BTreeSet;

const LIMIT: usize = 200_000;

fn at(stamp: u64) -> Doer {
    Doer { process: ProcessId(0), stamp, event: stamp }
}

/// A disk with an empty file `f`, synced.
fn with_file(profile: Profile) -> (FileSystem, Ino) {
    let mut disk = FileSystem::of(&DiskSettings { profile, ..Settings::default().disk });
    let (file, _) = disk.open("f", Open::CreateNew, at(1)).unwrap();
    disk.sync(file, at(3)).unwrap();
    disk.sync(ROOT, at(3)).unwrap();
    (disk, file)
}

fn all(disk: &FileSystem) -> Vec<FileSystem> {
    let mut states = Vec::new();
    let omitted = disk.every_power_loss(LIMIT, &mut |fates| states.push(disk.after_power_loss(fates)));
    assert_eq!(omitted, 0);
    states
}

fn digests(disk: &FileSystem) -> BTreeSet<u128> {
    all(disk).iter().map(FileSystem::digest).collect()
}

fn bytes(disk: &FileSystem, path: &str) -> Option<Vec<u8>> {
    let ino = disk.resolve(path).ok()?;
    let mut bytes = vec![0; disk.len(ino).ok()?];
    disk.read(ino, 0, &mut bytes).ok()?;
    Some(bytes)
}

/// Runs of zeros, of sevens and of anything else, as `7*512 ?*188`: what a file looks like.
fn shape(bytes: &[u8]) -> String {
    let letter = |byte: u8| match byte {
        0 => '0',
        7 => '7',
        _ => '?',
    };
    let runs = bytes.chunk_by(|a, b| letter(*a) == letter(*b));
    let words = runs.filter(|run| run.len() > 5).map(|run| format!("{}*{}", letter(run[0]), run.len().div_ceil(4)));
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn an_append_over_two_sectors_is_torn_in_every_place_under_posix_min() {
    let (mut disk, file) = with_file(Profile::PosixMin);
    disk.write(file, 0, &[7; 700], at(5)).unwrap();
    assert_eq!(digests(&disk).len(), 8);
    let files: Vec<Vec<u8>> = all(&disk).iter().map(|state| bytes(state, "f").unwrap()).collect();
    let clear: BTreeSet<String> =
        files.iter().filter(|bytes| bytes.iter().all(|byte| [0, 7].contains(byte))).map(|bytes| shape(bytes)).collect();
    // In quarters of bytes: 128 of the first sector, 47 of the second.
    assert_eq!(clear.into_iter().collect::<Vec<_>>(), ["", "0*128 7*47", "0*175", "7*128", "7*128 0*47", "7*175"]);
    let garbled = |range: std::ops::Range<usize>| {
        files.iter().any(|bytes| {
            let wrong =
                bytes.get(range.clone()).is_some_and(|part| part.iter().filter(|byte| **byte != 7).count() > 100);
            wrong && bytes.iter().enumerate().all(|(at, byte)| range.contains(&at) || *byte == 7)
        })
    };
    assert!(garbled(0..512) && garbled(512..700), "garbage in either sector");
}

#[test]
fn the_same_append_is_all_or_nothing_where_lengths_follow_the_data() {
    for profile in [Profile::Ext4Ordered, Profile::Ext4Noauto, Profile::BtrfsLike, Profile::Strict] {
        let (mut disk, file) = with_file(profile);
        disk.write(file, 0, &[7; 700], at(5)).unwrap();
        let lengths: BTreeSet<usize> = all(&disk).iter().map(|state| bytes(state, "f").unwrap().len()).collect();
        assert_eq!(lengths, BTreeSet::from([0, 700]), "{profile:?}");
    }
}

#[test]
fn names_survive_out_of_order_only_where_no_journal_keeps_it() {
    for (_, profile) in Profile::ALL {
        let (mut disk, _) = with_file(profile);
        disk.open("a", Open::CreateNew, at(5)).unwrap();
        disk.open("b", Open::CreateNew, at(6)).unwrap();
        let lists: BTreeSet<Vec<String>> = all(&disk).iter().map(|state| state.list("").unwrap()).collect();
        let has = |names: &[&str]| lists.contains(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        let unordered = matches!(profile, Profile::PosixMin | Profile::BtrfsLike);
        assert_eq!(has(&["b", "f"]), unordered, "{profile:?}");
        assert!(has(&["f"]) && has(&["a", "f"]) && has(&["a", "b", "f"]), "{profile:?}");
    }
}

#[test]
fn the_death_of_a_process_loses_nothing_and_forgets_nothing() {
    let (mut disk, file) = with_file(Profile::PosixMin);
    disk.write(file, 0, &[7; 700], at(5)).unwrap();
    let left = disk.after_death();
    assert_eq!(bytes(&left, "f"), Some(vec![7; 700]));
    assert_eq!(left.digest(), disk.digest());
    assert_eq!(digests(&left), digests(&disk), "the power may still go");
    let synced = all(&disk).into_iter().find(|state| bytes(state, "f") == Some(vec![7; 700])).unwrap();
    assert_ne!(synced.digest(), left.digest(), "what is pending is part of the state");
}

#[test]
fn digests_do_not_depend_on_the_numbers_of_inodes() {
    let (one, _) = with_file(Profile::PosixMin);
    let (mut other, _) = with_file(Profile::PosixMin);
    other.open("g", Open::CreateNew, at(5)).unwrap();
    other.rename("g", "f", at(6)).unwrap();
    other.sync(ROOT, at(7)).unwrap();
    let last = all(&other).pop().unwrap();
    assert_eq!(last.digest(), all(&one).pop().unwrap().digest());
}

#[test]
fn a_limit_says_how_much_it_left_out() {
    let (mut disk, _) = with_file(Profile::PosixMin);
    for (name, stamp) in ["a", "b", "c", "d", "e"].iter().zip(5..) {
        disk.open(name, Open::CreateNew, at(stamp)).unwrap();
    }
    let mut visited = Vec::new();
    let omitted = disk.every_power_loss(10, &mut |fates| visited.push(disk.after_power_loss(fates)));
    assert_eq!((visited.len(), omitted), (10, 2_u64.pow(5) - 10));
    assert_eq!(visited[0].list("").unwrap().len(), 6, "everything kept comes first");
}

/// A few changes of two files, some of them synced. Every write lies in one sector.
fn change(disk: &mut FileSystem, (kind, which, offset, len): (u8, u8, u16, u16), stamp: u64) {
    let (path, other) = [("f", "g"), ("g", "f")][which as usize % 2];
    let doer = at(stamp);
    // What does not apply, such as renaming a file that is not there, changes nothing.
    let _ = match kind {
        0 | 1 => disk
            .open(path, Open::Create, doer)
            .and_then(|(ino, _)| disk.write(ino, usize::from(offset), &vec![stamp as u8; usize::from(len)], doer)),
        2 => disk.resolve(path).and_then(|ino| disk.resize(ino, usize::from(len), doer)),
        3 => disk.rename(path, other, doer),
        4 => disk.unlink(path, doer),
        5 => disk.resolve(path).and_then(|ino| disk.sync(ino, doer)).map(drop),
        _ => disk.sync(ROOT, doer).map(drop),
    };
}

/// Fates by chance, with the one garbage that is tried.
fn by_chance(disk: &FileSystem, seed: u64) -> Fates {
    let mut fates = disk.fates(99, &mut ByChance(&mut ChaCha8Rng::seed_from_u64(seed)));
    for fate in fates.iter_mut().flat_map(|(_, fates)| fates) {
        if let Fate::Torn(tear) = fate {
            for sector in &mut tear.sectors {
                if let Sector::Garbage(seed) = sector {
                    *seed = 1;
                }
            }
        }
    }
    fates
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_chance_leaves_of_writes_of_one_sector_is_tried(
        steps in prop::collection::vec((0_u8..7, 0_u8..2, 0_u16..250, 1_u16..250), 1..6)
    ) {
        for (word, profile) in Profile::ALL {
            let (mut disk, _) = with_file(profile);
            for (step, stamp) in steps.iter().zip(10..) {
                change(&mut disk, *step, stamp);
            }
            let tried = digests(&disk);
            for seed in 0..40 {
                let left = disk.after_power_loss(&by_chance(&disk, seed));
                prop_assert!(tried.contains(&left.digest()), "{} with seed {}", word, seed);
            }
        }
    }
}

#[test]
fn a_sync_that_is_cut_takes_nothing_from_one_that_ends_later() {
    let by = |process: u32, event: u64, stamp: u64| Doer { process: ProcessId(process), stamp, event };
    let mut disk = FileSystem::of(&DiskSettings { profile: Profile::PosixMin, ..Settings::default().disk });
    disk.open("f", Open::CreateNew, at(1)).unwrap();
    disk.sync(ROOT, by(1, 2, 10)).unwrap();
    disk.sync(ROOT, by(2, 3, 6)).unwrap();
    let kept = |disk: &FileSystem| all(disk).iter().all(|left| left.resolve("f").is_ok());
    disk.cut(ProcessId(2), 5);
    assert!(kept(&disk), "the first process was told that its sync succeeded");
    disk.cut(ProcessId(1), 9);
    assert!(!kept(&disk), "both died before their syncs ended");
}
