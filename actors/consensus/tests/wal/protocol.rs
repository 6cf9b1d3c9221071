//! Sessions, order, and what a refusing disk means to a member.

use super::rig::{Rig, append, entries, entry, hard, meta, pages, saved};
use consensus::raft::{Configuration, MemberId};
use consensus::wal::Config;
use consensus::wal::message::{Answer, Ask, Founding, Held, Write};
use contract::{DiskError, Duration};

fn founding(cluster: u64) -> Founding {
    let voters = [MemberId { slot: 1, disk: 9 }].into();
    Founding { cluster, genesis: Configuration { voters, ..Configuration::default() } }
}

#[test]
fn a_new_disk_has_an_id_and_nothing_else() {
    let mut rig = Rig::new();
    let held = rig.open();
    assert_ne!(held.disk, 0);
    let empty = Held { disk: held.disk, founding: None, hard: hard_none(), snapshot: None, first: 1, last: 0 };
    assert_eq!(held, empty);
    assert_eq!(rig.power_loss(), empty);
}

fn hard_none() -> consensus::raft::Hard {
    consensus::raft::Hard::default()
}

#[test]
fn what_is_answered_is_durable() {
    let mut rig = Rig::new();
    let asked = rig.ask(Ask::Found { seq: 1, founding: founding(5) }).unwrap();
    assert_eq!(saved(asked), [1]);
    assert_eq!(rig.write(2, append(3, 1..=2)), [2]);
    assert_eq!(rig.write(3, append(4, 3..=3)), [3]);
    assert_eq!(rig.write(4, Write { hard: hard(9), ..Write::default() }), [4]);
    let held = rig.power_loss();
    assert_eq!((held.founding, held.hard, held.first, held.last), (Some(founding(5)), hard(9), 1, 3));
    assert_eq!(rig.log(), [entry(3, 1), entry(3, 2), entry(4, 3)]);
}

#[test]
fn one_write_is_one_append_and_one_sync() {
    let mut rig = Rig::new();
    let file = rig.file();
    rig.write(1, append(1, 1..=1));
    rig.world.disk.calls.clear();
    rig.write(2, append(1, 2..=9));
    assert_eq!(rig.world.disk.calls, [format!("append {file}"), format!("sync {file}")]);
}

#[test]
fn an_overwritten_suffix_stays_overwritten() {
    let mut rig = Rig::new();
    rig.write(1, append(1, 1..=5));
    rig.write(2, append(2, 3..=3));
    let expected = [entry(1, 1), entry(1, 2), entry(2, 3)];
    assert_eq!(rig.log(), expected);
    rig.power_loss();
    assert_eq!(rig.log(), expected);
}

#[test]
fn writes_are_done_in_the_order_of_their_numbers() {
    let mut rig = Rig::new();
    assert!(rig.write(3, append(1, 3..=3)).is_empty());
    assert!(rig.write(2, append(1, 2..=2)).is_empty());
    assert_eq!(rig.write(1, append(1, 1..=1)), [1, 2, 3]);
    assert_eq!(rig.log(), entries(1, 1..=3));
}

#[test]
fn a_repeated_write_is_answered_and_not_done_again() {
    let mut rig = Rig::new();
    rig.write(1, append(1, 1..=1));
    rig.write(2, append(1, 2..=2));
    rig.world.disk.calls.clear();
    assert_eq!(rig.write(1, append(1, 1..=1)), [2]);
    assert_eq!(rig.world.disk.calls, [""; 0]);
    assert_eq!(rig.log(), entries(1, 1..=2));
}

#[test]
fn a_write_too_far_ahead_is_not_remembered() {
    let mut rig = Rig::with(Config { window: 2, ..Config::default() });
    assert!(rig.write(3, append(1, 3..=3)).is_empty());
    assert_eq!(rig.count("wal.too_early"), 1);
    assert!(rig.write(2, append(1, 2..=2)).is_empty());
    assert_eq!(rig.write(1, append(1, 1..=1)), [1, 2]);
}

#[test]
fn a_new_session_ends_the_one_before() {
    let mut rig = Rig::new();
    let old = rig.session;
    assert!(rig.write(2, append(1, 2..=2)).is_empty());
    rig.open();
    let new = std::mem::replace(&mut rig.session, old);
    assert_ne!(old, new);
    assert_eq!(rig.ask(Ask::Write { seq: 1, write: append(1, 1..=1) }).unwrap(), [(old, Answer::Ended)]);
    rig.session = new;
    // What the old session had not come to is forgotten.
    assert_eq!(rig.write(1, append(2, 1..=1)), [1]);
    assert_eq!(rig.log(), [entry(2, 1)]);
}

#[test]
fn a_member_that_asks_again_gets_the_same_session() {
    let mut rig = Rig::new();
    let first = rig.ask(Ask::Open { nonce: 77 }).unwrap();
    assert_eq!(rig.ask(Ask::Open { nonce: 77 }).unwrap(), first);
    let second = rig.ask(Ask::Open { nonce: 78 }).unwrap();
    assert_ne!(first[0].0, second[0].0);
}

#[test]
fn a_restart_ends_the_session() {
    let mut rig = Rig::new();
    let old = rig.session;
    rig.start().unwrap();
    assert_eq!(rig.ask(Ask::Entries { from: 1 }).unwrap(), [(old, Answer::Ended)]);
}

#[test]
fn a_full_disk_is_a_slow_disk() {
    for error in [DiskError::NoSpace, DiskError::Io] {
        let mut rig = Rig::new();
        rig.write(1, append(1, 1..=1));
        rig.world.disk.fail("append", 3, error);
        assert!(rig.write(2, append(1, 2..=2)).is_empty());
        // Later writes wait for it.
        assert!(rig.write(3, append(1, 3..=3)).is_empty());
        assert_eq!(saved(rig.wait(3 * rig.config.retry_after)), [2, 3]);
        assert_eq!(rig.count("wal.append_failed"), 3);
        rig.power_loss();
        assert_eq!(rig.log(), entries(1, 1..=3));
    }
}

#[test]
fn a_refused_snapshot_leaves_the_log_as_it_was() {
    for call in ["create", "append"] {
        let mut rig = Rig::new();
        rig.write(1, append(1, 1..=5));
        rig.world.disk.fail(call, 1, DiskError::NoSpace);
        let write = Write { hard: hard(1), snapshot: Some((meta(1, 4), 2)), keep_from: 5, ..Write::default() };
        assert!(rig.snapshot(2, write).is_empty());
        assert_eq!(saved(rig.wait(rig.config.retry_after)), [2]);
        assert_eq!(rig.log(), [entry(1, 5)]);
    }
}

#[test]
fn a_failed_sync_halts_and_the_next_start_writes_anew() {
    let mut rig = Rig::new();
    rig.write(1, append(1, 1..=1));
    rig.world.disk.fail("sync", 1, DiskError::Io);
    let halted = rig.ask(Ask::Write { seq: 2, write: append(1, 2..=2) });
    assert_eq!(halted, Err("cannot sync the log: input/output error (EIO)".to_owned()));
    // The page cache has it, the disk may not: a start that believes it makes it durable first.
    assert_eq!(rig.restart().last, 2);
    assert_eq!(rig.power_loss().last, 2);
}

#[test]
fn a_failed_rename_or_directory_sync_halts() {
    for call in ["rename", "sync_dir"] {
        let mut rig = Rig::new();
        rig.write(1, append(1, 1..=5));
        rig.world.disk.fail(call, 1, DiskError::Io);
        let write = Write { hard: hard(1), snapshot: Some((meta(1, 4), 1)), ..Write::default() };
        rig.ask(Ask::Stage { seq: 2, page: 0, data: vec![1].into() }).unwrap();
        rig.ask(Ask::Write { seq: 2, write }).unwrap_err();
        assert_eq!(rig.restart().last, 5);
        assert_eq!(rig.log(), entries(1, 1..=5));
    }
}

#[test]
fn a_snapshot_replaces_the_log_before_it() {
    let mut rig = Rig::new();
    rig.write(1, append(1, 1..=9));
    let write = Write { hard: hard(1), snapshot: Some((meta(1, 6), 2)), keep_from: 5, ..Write::default() };
    assert_eq!(rig.snapshot(2, write), [2]);
    for held in [rig.open(), rig.power_loss()] {
        assert_eq!((held.first, held.last, held.snapshot), (5, 9, Some((meta(1, 6), 2))));
    }
    assert_eq!(rig.log(), entries(1, 5..=9));
    for (page, data) in (0..).zip(pages(6)) {
        let session = rig.session;
        assert_eq!(rig.ask(Ask::Page { page }).unwrap(), [(session, Answer::Page { page, data })]);
    }
    let next = Write { hard: hard(1), snapshot: Some((meta(1, 9), 2)), keep_from: 10, ..Write::default() };
    assert_eq!(rig.snapshot(1, next), [1]);
    let file = rig.file();
    assert_eq!(rig.world.disk.paths(), ["snap-9-1", &file]);
    assert!(rig.log().is_empty());
    assert_eq!((rig.open().first, rig.power_loss().last), (10, 9));
}

#[test]
fn a_snapshot_of_another_history_replaces_all_of_the_log() {
    let mut rig = Rig::new();
    rig.write(1, append(1, 1..=9));
    let write = Write { hard: hard(3), entries: entries(3, 8..=8), snapshot: Some((meta(3, 7), 2)), keep_from: 8 };
    assert_eq!(rig.snapshot(2, write), [2]);
    rig.power_loss();
    assert_eq!(rig.log(), [entry(3, 8)]);
}

#[test]
fn a_snapshot_waits_for_its_pages() {
    let mut rig = Rig::new();
    rig.write(1, append(1, 1..=2));
    let write = Write { hard: hard(1), snapshot: Some((meta(1, 2), 2)), keep_from: 3, ..Write::default() };
    let stage = |page| Ask::Stage { seq: 2, page, data: vec![page as u8].into() };
    assert!(rig.ask(stage(1)).unwrap().is_empty());
    assert!(rig.write(2, write).is_empty());
    assert_eq!(saved(rig.ask(stage(0)).unwrap()), [2]);
}

#[test]
fn what_cannot_be_ends_the_session_and_changes_nothing() {
    let write = |entries| Write { hard: hard(1), entries, ..Write::default() };
    let cases = [
        write(entries(1, 4..=4)),
        write([entries(1, 3..=3), entries(1, 5..=5)].concat()),
        Write { keep_from: 2, ..write(Vec::new()) },
        Write { snapshot: Some((meta(1, 2), 0)), ..write(Vec::new()) },
    ];
    for case in cases {
        let mut rig = Rig::new();
        rig.write(1, append(1, 1..=2));
        let session = rig.session;
        let asked = rig.ask(Ask::Write { seq: 2, write: case.clone() }).unwrap();
        assert_eq!(asked, [(session, Answer::Ended)], "{case:?}");
        assert_eq!(rig.log(), entries(1, 1..=2), "{case:?}");
    }
}

#[test]
fn a_disk_belongs_to_one_cluster() {
    let mut rig = Rig::new();
    assert_eq!(saved(rig.ask(Ask::Found { seq: 1, founding: founding(5) }).unwrap()), [1]);
    assert_eq!(saved(rig.ask(Ask::Found { seq: 2, founding: founding(5) }).unwrap()), [2]);
    let session = rig.session;
    assert_eq!(rig.ask(Ask::Found { seq: 3, founding: founding(6) }).unwrap(), [(session, Answer::Ended)]);
    assert_eq!(rig.power_loss().founding, Some(founding(5)));
}

#[test]
fn entries_come_in_pages_and_none_are_left_out() {
    let mut rig = Rig::with(Config { reply_bytes: 120, ..Config::default() });
    rig.write(1, append(1, 1..=20));
    let answer = rig.ask(Ask::Entries { from: 3 }).unwrap().pop();
    let Some((_, Answer::Entries { from: 3, entries: page })) = answer else { panic!("{answer:?}") };
    assert_eq!(page, entries(1, 3..=4));
    assert_eq!(rig.log(), entries(1, 1..=20));
}

#[test]
fn a_log_that_grows_long_is_written_anew() {
    let mut rig = Rig::with(Config { file_bytes: 2_000, ..Config::default() });
    let before = rig.file();
    for seq in 1..100 {
        assert_eq!(rig.write(seq, Write { hard: hard(seq), ..Write::default() }), [seq]);
    }
    let file = rig.file();
    assert_ne!(file, before);
    assert!(rig.world.disk.bytes(&file).len() < 2_100);
    assert_eq!(rig.power_loss().hard, hard(99));
}

#[test]
fn a_quiet_log_is_sealed_once() {
    let mut rig = Rig::new();
    rig.write(1, append(1, 1..=1));
    rig.wait(Duration::from_secs(5));
    assert_eq!(rig.count("wal.sealed"), 1);
    rig.write(2, append(1, 2..=2));
    rig.world.disk.fail("append", 2, DiskError::NoSpace);
    rig.wait(Duration::from_secs(5));
    assert_eq!(rig.count("wal.sealed"), 2);
}
