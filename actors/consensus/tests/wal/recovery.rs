//! Each row of the recovery table.

use super::rig::{Rig, append, entries, entry, hard, meta};
use consensus::raft::{Hard, Position};
use consensus::wal::message::Write;
use contract::{DiskError, Duration};

/// Entries 1 to 6 in three writes, sealed; the offset at which each write begins, and the end.
fn three_writes() -> (Rig, String, Vec<usize>) {
    let mut rig = Rig::new();
    let file = rig.file();
    let mut ends = vec![rig.world.disk.bytes(&file).len()];
    for seq in 1..=3 {
        assert_eq!(rig.write(seq, append(seq, 2 * seq - 1..=2 * seq)), [seq]);
        ends.push(rig.world.disk.bytes(&file).len());
    }
    (rig, file, ends)
}

fn sealed(rig: &mut Rig) {
    rig.wait(Duration::from_secs(1));
    assert_eq!(rig.count("wal.sealed"), 1);
}

fn flip(rig: &mut Rig, file: &str, at: usize) {
    rig.world.disk.change(file, |bytes| bytes[at] ^= 4);
}

fn claim(term: u64, index: u64, of: u64) -> Hard {
    Hard { claim: Some(Position { term, index }), ..hard(of) }
}

#[test]
fn a_torn_tail_is_cut_off() {
    let (whole, file, ends) = three_writes();
    for end in ends[2] + 1..ends[3] {
        let mut rig = Rig::new();
        rig.world.disk = whole.world.disk.clone();
        rig.world.disk.change(&file, |bytes| bytes.truncate(end));
        let held = rig.restart();
        assert_eq!((held.hard, held.last), (hard(2), 4), "cut at {end}");
        assert_eq!(rig.count("wal.tail_cut"), 1);
        assert_eq!(rig.write(1, append(5, 5..=5)), [1]);
        assert_eq!(rig.power_loss().last, 5);
        assert_eq!(rig.world.disk.paths().len(), 1, "nothing is set aside");
    }
}

#[test]
fn rot_before_other_writes_is_claimed_and_its_file_set_aside() {
    let (mut rig, file, ends) = three_writes();
    flip(&mut rig, &file, ends[1] + 40);
    let held = rig.restart();
    assert_eq!((held.hard, held.first, held.last), (claim(3, 6, 3), 1, 2));
    assert_eq!(rig.log(), entries(1, 1..=2));
    assert_eq!(rig.count("wal.rot"), 1);
    let now = rig.file();
    assert_eq!(rig.world.disk.paths(), [&format!("damaged-2-{file}"), &now]);
    // The claim stays until the member says otherwise.
    assert_eq!(rig.power_loss().hard, claim(3, 6, 3));
    assert_eq!(rig.write(1, append(3, 3..=6)), [1]);
    assert_eq!(rig.power_loss().hard, hard(3));
}

#[test]
fn rot_in_the_last_write_is_claimed_once_the_log_is_sealed() {
    let (mut rig, file, ends) = three_writes();
    sealed(&mut rig);
    flip(&mut rig, &file, ends[2] + 40);
    let held = rig.restart();
    assert_eq!((held.hard, held.last), (claim(3, 6, 3), 4));
}

#[test]
fn rot_in_a_vote_loses_no_vote_once_the_log_is_sealed() {
    let (mut rig, file, ends) = three_writes();
    rig.write(4, Write { hard: hard(9), ..Write::default() });
    sealed(&mut rig);
    flip(&mut rig, &file, ends[3] + 20);
    let held = rig.restart();
    assert_eq!((held.hard, held.last), (hard(9), 6), "no entry is gone, so that nothing is claimed");
}

#[test]
fn a_claim_never_becomes_smaller() {
    let (mut rig, file, ends) = three_writes();
    let earlier = Hard { claim: Some(Position { term: 7, index: 1 }), ..hard(8) };
    rig.write(4, Write { hard: earlier, ..Write::default() });
    flip(&mut rig, &file, ends[1] + 40);
    assert_eq!(rig.restart().hard, earlier);
}

#[test]
fn a_seal_that_did_not_end_is_no_rot() {
    let (mut rig, file, ends) = three_writes();
    sealed(&mut rig);
    // The filler before the seal did not reach the disk, the seal did.
    rig.world.disk.change(&file, |bytes| bytes[ends[3]..ends[3] + 400].fill(0));
    let held = rig.restart();
    assert_eq!((held.hard, held.last), (hard(3), 6));
    assert_eq!(rig.world.disk.paths().len(), 1);
}

#[test]
fn a_head_may_rot_since_there_are_two() {
    let (mut rig, file, _) = three_writes();
    flip(&mut rig, &file, 20);
    let disk = rig.open().disk;
    let held = rig.restart();
    assert_eq!((held.disk, held.hard, held.last), (disk, hard(3), 6));
}

#[test]
fn without_a_head_the_disk_is_another_one() {
    let (mut rig, file, ends) = three_writes();
    let disk = rig.open().disk;
    rig.world.disk.change(&file, |bytes| bytes[..ends[0]].fill(0));
    let held = rig.restart();
    assert_ne!(held.disk, disk);
    assert_eq!((held.hard, held.last, rig.count("wal.disk_forgotten")), (Hard::default(), 0, 1));
    assert!(rig.world.disk.paths().contains(&format!("damaged-2-{file}").as_str()));
}

#[test]
fn a_bad_sector_at_the_end_makes_the_disk_another_one() {
    let (mut rig, file, ends) = three_writes();
    let disk = rig.open().disk;
    rig.world.disk.spoil(&file, ends[3] - 10..ends[3]);
    assert_ne!(rig.restart().disk, disk);
}

#[test]
fn a_bad_sector_in_the_middle_is_rot() {
    let (mut rig, file, ends) = three_writes();
    // Several sectors, so that the damage reaches neither of its neighbours.
    rig.write(4, append(4, 7..=90));
    rig.write(5, append(5, 91..=91));
    rig.world.disk.spoil(&file, ends[3] + 512..ends[3] + 513);
    let held = rig.restart();
    assert_eq!((held.hard, held.last), (claim(5, 91, 5), 6));
}

#[test]
fn a_disk_that_reads_nothing_is_asked_again_later() {
    let (mut rig, file, ends) = three_writes();
    let mut dead = rig.world.disk.clone();
    dead.spoil(&file, 0..ends[3]);
    let sound = std::mem::replace(&mut rig.world.disk, dead);
    assert_eq!(rig.start(), Err("disk: input/output error (EIO)".to_owned()));
    rig.world.disk = sound;
    assert_eq!(rig.restart().last, 6);
}

#[test]
fn a_misdirected_reading_is_not_believed() {
    let (mut rig, file, _) = three_writes();
    let wrong = vec![0x55; rig.world.disk.bytes(&file).len()];
    rig.world.disk.misread(&file, wrong);
    assert_eq!(rig.restart().last, 6);
    assert_eq!(rig.count("wal.rot"), 0);
}

#[test]
fn a_record_in_the_wrong_place_is_damage() {
    let (mut rig, file, ends) = three_writes();
    // The last write landed on the one before it; where it belongs the file is as long as if it had been written.
    rig.world.disk.change(&file, |bytes| {
        let last = bytes[ends[2]..].to_vec();
        bytes[ends[2]..].fill(0);
        bytes[ends[1]..][..last.len()].copy_from_slice(&last);
    });
    let held = rig.restart();
    assert_eq!((held.hard, held.last), (hard(1), 2), "this is what stays open: nothing followed");
    let (mut rig, file, ends) = three_writes();
    sealed(&mut rig);
    rig.world.disk.change(&file, |bytes| {
        let last = bytes[ends[2]..ends[3]].to_vec();
        bytes[ends[2]..ends[3]].fill(0);
        bytes[ends[1]..][..last.len()].copy_from_slice(&last);
    });
    let held = rig.restart();
    assert_eq!((held.hard, held.last), (claim(3, 6, 3), 2));
}

/// A snapshot up to 6, with entries 5 to 9 kept, sealed.
fn with_snapshot() -> (Rig, String) {
    let mut rig = Rig::new();
    rig.write(1, append(1, 1..=7));
    let write = Write { hard: hard(1), snapshot: Some((meta(1, 6), 2)), keep_from: 5, ..Write::default() };
    assert_eq!(rig.snapshot(2, write), [2]);
    assert_eq!(rig.write(3, append(2, 8..=9)), [3]);
    let file = rig.file();
    (rig, file)
}

#[test]
fn a_rotten_snapshot_takes_the_log_with_it_and_is_claimed() {
    let (mut rig, file) = with_snapshot();
    flip(&mut rig, "snap-6-1", 300);
    let held = rig.restart();
    assert_eq!((held.hard, held.snapshot, held.first, held.last), (claim(2, 9, 2), None, 1, 0));
    let now = rig.file();
    assert_eq!(rig.world.disk.paths(), ["damaged-3-snap-6-1", &format!("damaged-3-{file}"), &now]);
}

#[test]
fn a_lost_snapshot_is_no_loss_while_the_log_goes_back_to_its_start() {
    let mut rig = Rig::new();
    rig.write(1, append(1, 1..=7));
    let write = Write { hard: hard(1), snapshot: Some((meta(1, 6), 2)), keep_from: 1, ..Write::default() };
    assert_eq!(rig.snapshot(2, write), [2]);
    flip(&mut rig, "snap-6-1", 300);
    let held = rig.restart();
    assert_eq!((held.hard, held.snapshot, held.first, held.last), (hard(1), None, 1, 7));
}

#[test]
fn rot_in_what_the_snapshot_covers_loses_nothing() {
    let mut rig = Rig::new();
    rig.write(1, append(1, 1..=6));
    let write = Write { hard: hard(1), snapshot: Some((meta(1, 6), 2)), keep_from: 2, ..Write::default() };
    assert_eq!(rig.snapshot(2, write), [2]);
    assert_eq!(rig.write(3, append(2, 7..=9)), [3]);
    let file = rig.file();
    let at = find(rig.world.disk.bytes(&file), b"command 4 of term 1");
    flip(&mut rig, &file, at);
    let held = rig.restart();
    assert_eq!((held.hard, held.first, held.last), (hard(2), 7, 9));
    assert_eq!(rig.log(), entries(2, 7..=9));
}

fn find(bytes: &[u8], wanted: &[u8]) -> usize {
    bytes.windows(wanted.len()).position(|window| window == wanted).unwrap()
}

#[test]
fn a_start_leaves_one_log_file_and_its_snapshot() {
    let (mut rig, file) = with_snapshot();
    rig.world.disk.fail("unlink", 9, DiskError::Io);
    rig.restart();
    assert!(rig.world.disk.paths().contains(&file.as_str()), "the old file could not be removed");
    rig.world.disk.relieve();
    rig.restart();
    assert_eq!(rig.world.disk.paths().len(), 2);
    assert_eq!(rig.log(), [entries(1, 5..=7), entries(2, 8..=9)].concat());
    assert_eq!(rig.world.disk.paths()[0], "snap-6-1");
    assert_eq!(rig.log().last(), Some(&entry(2, 9)));
}
