//! The primary ledger alone: once each, durable before the answer, and what a boot makes of the file.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod support;

use contract::cell::{Blueprint, blueprint};
use contract::{DiskError, Duration};
use edge::ledger::{Config, Ledger};
use edge::message::Record;
use edge::message::ledger::{Answer, Ask, Reply, Request};
use edge::places::Places;
use std::collections::BTreeSet;
use std::sync::Arc;
use support::{Rig, addr};

const UPLINK: u32 = 3;

fn config() -> Config {
    Config {
        places: Places::of("primary-0"),
        record_bytes_max: 64,
        group_wait: Duration::ZERO,
        group_records: 3,
        scan_records: 4,
        scan_bytes: 100,
    }
}

fn plan(config: Config) -> Arc<dyn Blueprint> {
    blueprint::<Ledger>(Arc::new(config))
}

fn rig() -> Rig {
    Rig::new(plan(config()))
}

fn submit(rig: &mut Rig, id: u64) -> Option<Answer> {
    let ask = Ask::Submit(Record { id, taken_at: contract::Wall::default(), payload: vec![id as u8; 20].into() });
    rig.send(UPLINK, Request { call: id, reply_to: addr(UPLINK), ask }).ok()?;
    rig.take::<Reply>().pop().map(|(_, reply)| reply.answer)
}

fn scan(rig: &mut Rig) -> Vec<(u64, u64)> {
    let mut all = Vec::new();
    let mut from_lsn = 1;
    loop {
        let ask = Ask::Scan { from_lsn, limit: 100 };
        rig.send(UPLINK, Request { call: 1, reply_to: addr(UPLINK), ask }).unwrap();
        let Some((_, Reply { answer: Answer::Rows { rows, next }, .. })) = rig.take::<Reply>().pop() else {
            panic!("no rows")
        };
        assert!(rows.len() <= 4);
        all.extend(rows.iter().map(|row| (row.lsn, row.record.id)));
        match next {
            Some(next) => from_lsn = next,
            None => return all,
        }
    }
}

#[test]
fn records_get_dense_numbers_once_each_and_survive_power_loss() {
    let mut rig = rig();
    for (id, lsn) in [(7, 1), (5, 2), (9, 3)] {
        assert_eq!(submit(&mut rig, id), Some(Answer::Applied { lsn }));
    }
    assert_eq!(submit(&mut rig, 5), Some(Answer::Duplicate { lsn: 2 }));
    rig.power_loss();
    rig.boot().unwrap();
    assert_eq!(scan(&mut rig), [(1, 7), (2, 5), (3, 9)]);
    assert_eq!(submit(&mut rig, 9), Some(Answer::Duplicate { lsn: 3 }));
    assert_eq!(submit(&mut rig, 6), Some(Answer::Applied { lsn: 4 }));
    assert_eq!(rig.world.broken, None);
}

#[test]
fn a_refused_append_changes_nothing_and_its_torn_tail_is_cut_off() {
    let mut rig = rig();
    submit(&mut rig, 1);
    rig.world.disk.fail("append", "", 1, DiskError::NoSpace);
    assert_eq!(submit(&mut rig, 2), Some(Answer::Unavailable));
    rig.world.disk.fail("truncate", "", 1, DiskError::Io);
    assert_eq!(submit(&mut rig, 2), Some(Answer::Unavailable));
    assert_eq!(submit(&mut rig, 2), Some(Answer::Applied { lsn: 2 }));
    rig.power_loss();
    rig.boot().unwrap();
    assert_eq!(scan(&mut rig), [(1, 1), (2, 2)]);
    assert_eq!(rig.count("ledger.tail_repaired"), 0);
}

#[test]
fn a_failed_sync_halts_before_any_answer_and_the_next_boot_does_not_trust_the_cache() {
    let mut rig = rig();
    submit(&mut rig, 1);
    rig.world.disk.fail("sync", "", 1, DiskError::Io);
    assert_eq!(submit(&mut rig, 2), None);
    assert!(!rig.is_up());
    assert_eq!(rig.count("ledger.applied"), 1);
    rig.boot().unwrap();
    assert_eq!(scan(&mut rig), [(1, 1), (2, 2)], "the cache still has it");
    assert_eq!(submit(&mut rig, 2), Some(Answer::Duplicate { lsn: 2 }));
    submit(&mut rig, 3);
    rig.power_loss();
    rig.boot().unwrap();
    assert_eq!(scan(&mut rig), [(1, 1), (2, 2), (3, 3)], "it was written once more");
    assert_eq!(rig.count("ledger.hole"), 1, "where the first copy should be there is a hole");
    assert_eq!(rig.world.broken, None);
}

#[test]
fn the_name_of_an_empty_ledger_is_made_anew_until_it_is_durable() {
    let mut rig = Rig::off(plan(config()), support::disk::FakeDisk::default());
    rig.world.disk.fail("sync_dir", "", 1, DiskError::Io);
    assert!(rig.boot().is_err());
    rig.boot().unwrap();
    submit(&mut rig, 1);
    rig.power_loss();
    rig.boot().unwrap();
    assert_eq!(scan(&mut rig), [(1, 1)]);
}

#[test]
fn grouped_submissions_share_one_sync_and_are_answered_after_it() {
    let mut rig = Rig::new(plan(Config { group_wait: Duration::from_millis(5), ..config() }));
    let syncs = |rig: &Rig| rig.world.disk.calls.iter().filter(|call| call.starts_with("sync ")).count();
    let before = syncs(&rig);
    assert_eq!(submit(&mut rig, 1), None);
    assert_eq!(submit(&mut rig, 1), None, "a repetition joins its original");
    assert_eq!(submit(&mut rig, 2), None);
    rig.wait(Duration::from_millis(5)).unwrap();
    let answers: Vec<_> = rig.take::<Reply>().into_iter().map(|(_, reply)| reply.answer).collect();
    assert_eq!(answers, [1, 1, 2].map(|lsn| Answer::Applied { lsn }));
    assert_eq!(syncs(&rig), before + 1);
    submit(&mut rig, 3);
    submit(&mut rig, 4);
    assert_eq!(submit(&mut rig, 5), Some(Answer::Applied { lsn: 5 }), "a full group does not wait");
    assert_eq!(rig.count("ledger.duplicate"), 1);
}

#[test]
fn too_long_a_record_and_an_unreadable_page_are_refused() {
    let mut rig = rig();
    let ask = Ask::Submit(Record { id: 1, taken_at: contract::Wall::default(), payload: vec![0; 65].into() });
    rig.send(UPLINK, Request { call: 1, reply_to: addr(UPLINK), ask }).unwrap();
    assert_eq!(rig.take::<Reply>()[0].1.answer, Answer::TooLong);
    submit(&mut rig, 2);
    rig.world.disk.fail("read", "", 1, DiskError::Io);
    rig.send(UPLINK, Request { call: 2, reply_to: addr(UPLINK), ask: Ask::Scan { from_lsn: 0, limit: 0 } }).unwrap();
    assert_eq!(rig.take::<Reply>()[0].1.answer, Answer::Unavailable);
    rig.send(UPLINK, Request { call: 2, reply_to: addr(UPLINK), ask: Ask::Scan { from_lsn: 9, limit: 1 } }).unwrap();
    assert_eq!(rig.take::<Reply>()[0].1.answer, Answer::Rows { rows: vec![], next: None });
}

#[test]
fn rot_in_the_middle_stops_the_ledger_and_rot_that_is_repaired_by_a_copy_does_not() {
    let mut rig = rig();
    (1..=3).for_each(|id| drop(submit(&mut rig, id)));
    let len = rig.world.disk.bytes("ledger.log").unwrap().len();
    rig.world.disk.bytes("ledger.log").unwrap()[len / 2] ^= 1;
    rig.kill();
    assert!(rig.boot().unwrap_err().contains("lsn 2"));
    assert_eq!(rig.count("ledger.rot"), 1);
    rig.world.disk.bytes("ledger.log").unwrap()[len / 2] ^= 1;
    rig.boot().unwrap();
    assert_eq!(scan(&mut rig).len(), 3);
}

#[test]
fn a_crash_at_every_effect_and_in_the_recovery_loses_no_applied_record() {
    for cut in 0..60 {
        for power in [false, true] {
            for second in [None, Some(cut % 4), Some(4 + cut % 3)] {
                let mut rig = rig();
                let mut told = BTreeSet::new();
                rig.world.disk.fuel = Some(cut);
                rig.world.disk.fail("append", "", u32::from(cut % 2 == 0), DiskError::NoSpace);
                for id in 1..=6 {
                    if rig.is_up() && matches!(submit(&mut rig, id), Some(Answer::Applied { .. })) {
                        told.insert(id);
                    }
                }
                rig.world.disk.relieve();
                if power {
                    rig.power_loss();
                } else {
                    rig.kill();
                }
                if let Some(fuel) = second {
                    let _ = rig.boot_with_fuel(fuel);
                    if power { rig.power_loss() } else { rig.kill() }
                }
                rig.boot().unwrap();
                let rows = scan(&mut rig);
                let ids: BTreeSet<u64> = rows.iter().map(|row| row.1).collect();
                assert!(told.is_subset(&ids), "cut {cut}, power {power}, {second:?}: told {told:?}, has {rows:?}");
                assert_eq!(ids.len(), rows.len(), "no record is there twice");
                assert_eq!(rig.world.broken, None);
            }
        }
    }
}
