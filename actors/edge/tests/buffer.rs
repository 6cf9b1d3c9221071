//! The buffer alone: each failure of spec 000 as a directed schedule, and crashes at every effect.

#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod support;

use contract::cell::{Blueprint, blueprint};
use contract::{DiskError, Duration};
use edge::buffer::{Buffer, Config};
use edge::message::drain::{self, Answer, Ask, Page, PassId};
use edge::message::{Record, ingest};
use edge::places::Places;
use edge::planted::Planted;
use std::collections::BTreeSet;
use std::sync::Arc;
use support::{Rig, addr};

const CLIENT: u32 = 9;
const A: u32 = 1;
const B: u32 = 2;

fn config(defects: &[&str]) -> Config {
    let defects: BTreeSet<String> = defects.iter().map(|id| (*id).to_owned()).collect();
    Config {
        places: Places::of("edge-0"),
        workers: vec![addr(A), addr(B)],
        segment_bytes: 4_096,
        record_bytes_max: 64,
        records_max: 100,
        volatile_max: 3,
        batch_records: 2,
        batch_bytes: 1_000,
        gate_timeout: Duration::from_secs(1),
        planted: Planted::among(&defects).unwrap(),
    }
}

fn plan(config: Config) -> Arc<dyn Blueprint> {
    blueprint::<Buffer>(Arc::new(config))
}

fn rig() -> Rig {
    Rig::new(plan(config(&[])))
}

/// What a worker and a client do, in few words.
trait Play {
    fn ingest(&mut self, id: u64) -> Option<ingest::Answer>;
    fn ask(&mut self, worker: u32, ask: Ask) -> Option<Answer>;
    fn open(&mut self, worker: u32) -> Page;
    fn rest_of(&mut self, worker: u32, page: Page) -> (PassId, Vec<u64>);
    fn commit(&mut self, worker: u32, pass: PassId, delivered: &[u64], failed: &[u64]) -> Option<Answer>;
    fn staging(&self) -> Vec<u64>;
    fn active(&self) -> Vec<u64>;
    fn assert_unbroken(&self);
}

impl Play for Rig {
    fn ingest(&mut self, id: u64) -> Option<ingest::Answer> {
        let record = Record { id, taken_at: contract::Wall::default(), payload: vec![id as u8; 8].into() };
        self.send(CLIENT, ingest::Request { record, reply_to: addr(CLIENT) }).ok()?;
        self.take::<ingest::Reply>().into_iter().find(|(_, reply)| reply.id == id).map(|(_, reply)| reply.answer)
    }
    fn ask(&mut self, worker: u32, ask: Ask) -> Option<Answer> {
        // Each question is a new call: the number of marks so far tells them apart.
        let call = self.world.disk.calls.len() as u64 * 1_000 + self.world.marks.len() as u64;
        self.send(worker, drain::Request { call, reply_to: addr(worker), ask }).ok()?;
        self.take::<drain::Reply>().pop().map(|(_, reply)| reply.answer)
    }
    fn open(&mut self, worker: u32) -> Page {
        match self.ask(worker, Ask::Open) {
            Some(Answer::Page(page)) => page,
            other => panic!("no page but {other:?}"),
        }
    }
    fn rest_of(&mut self, worker: u32, page: Page) -> (PassId, Vec<u64>) {
        let mut ids: Vec<u64> = page.records.iter().map(|record| record.id).collect();
        let (pass, mut next) = (page.pass, page.next);
        while let Some(from) = next {
            let Some(Answer::Page(page)) = self.ask(worker, Ask::Page { pass, from }) else { panic!("no page") };
            ids.extend(page.records.iter().map(|record| record.id));
            next = page.next;
        }
        (pass, ids)
    }
    fn commit(&mut self, worker: u32, pass: PassId, delivered: &[u64], failed: &[u64]) -> Option<Answer> {
        // The primary has them before the worker says so.
        let stored = contract::mark!("custody.stored", place = "primary-0/ledger", ids = delivered.to_vec());
        self.world.custody.observe(&stored).unwrap();
        self.ask(worker, Ask::Commit { pass, delivered: delivered.to_vec(), failed: failed.to_vec() })
    }
    fn staging(&self) -> Vec<u64> {
        self.world.custody.at("edge-0/staging")
    }
    fn active(&self) -> Vec<u64> {
        self.world.custody.at("edge-0/active")
    }
    fn assert_unbroken(&self) {
        assert_eq!(self.world.broken, None);
    }
}

#[test]
fn a_record_is_accepted_after_its_bytes_and_its_name_are_synced() {
    let mut rig = rig();
    assert_eq!(rig.ingest(1), Some(ingest::Answer::Accepted));
    let calls = ["create active.log", "sync_dir .", "append active.log", "sync active.log"];
    assert_eq!(rig.world.disk.calls[rig.world.disk.calls.len() - 4..], calls);
    rig.power_loss();
    rig.boot().unwrap();
    assert_eq!(rig.staging(), [1]);
    rig.assert_unbroken();
}

#[test]
fn a_repeated_record_is_accepted_again_and_kept_once() {
    let mut rig = rig();
    for _ in 0..3 {
        assert_eq!(rig.ingest(1), Some(ingest::Answer::Accepted));
    }
    let page = rig.open(A);
    assert_eq!(page.records.len(), 1);
    assert_eq!(rig.ingest(1), Some(ingest::Answer::Accepted), "staging has it");
    assert!(rig.active().is_empty());
}

#[test]
fn with_the_active_log_failing_quarantine_takes_the_record() {
    let mut rig = rig();
    rig.ingest(1);
    rig.world.disk.fail("append", "active.log", 1, DiskError::NoSpace);
    assert_eq!(rig.ingest(2), Some(ingest::Answer::Accepted));
    assert_eq!(rig.world.custody.at("edge-0/quarantine"), [2]);
    // The torn tail is cut off before the active log goes on.
    assert_eq!(rig.ingest(3), Some(ingest::Answer::Accepted));
    assert_eq!(rig.active(), [1, 3]);
    let page = rig.open(A);
    let (_, ids) = rig.rest_of(A, page);
    assert_eq!(ids, [1, 3, 2]);
    rig.assert_unbroken();
}

#[test]
fn with_every_file_failing_a_record_is_pending_until_one_takes_it() {
    let mut rig = rig();
    rig.world.disk.fail("create", "", 2, DiskError::NoSpace);
    assert_eq!(rig.ingest(1), Some(ingest::Answer::Pending));
    assert!(rig.world.custody.accepted().is_empty());
    assert_eq!(rig.ingest(1), Some(ingest::Answer::Accepted));
    rig.assert_unbroken();
}

#[test]
fn the_write_error_list_is_bounded() {
    let mut rig = rig();
    rig.world.disk.fail("create", "", 100, DiskError::NoSpace);
    let answers: Vec<_> = (1..=4).map(|id| rig.ingest(id).unwrap()).collect();
    use ingest::Answer::{Full, Pending};
    assert_eq!(answers, [Pending, Pending, Pending, Full]);
    assert_eq!(rig.ingest(1), Some(Pending), "one that has a place keeps it");
}

#[test]
fn a_pass_makes_volatile_records_durable_and_then_releases_their_acks() {
    let mut rig = rig();
    rig.world.disk.fail("create", "", 2, DiskError::NoSpace);
    rig.ingest(1);
    rig.send(A, drain::Request { call: 7, reply_to: addr(A), ask: Ask::Open }).unwrap();
    let calls = rig.world.disk.calls.clone();
    let synced = calls.iter().rposition(|call| call == "sync staging.new").unwrap();
    let renamed = calls.iter().rposition(|call| call == "rename staging.log").unwrap();
    assert!(synced < renamed && calls[renamed + 1] == "sync_dir .", "{calls:?}");
    let acked = rig.take::<ingest::Reply>();
    assert_eq!(acked.len(), 1);
    assert_eq!(acked[0].1.answer, ingest::Answer::Accepted);
    rig.power_loss();
    rig.boot().unwrap();
    assert_eq!(rig.staging(), [1]);
    rig.assert_unbroken();
}

#[test]
fn after_a_failed_sync_nothing_is_appended_behind_it_and_nothing_accepted_is_lost() {
    let mut rig = rig();
    rig.ingest(1);
    rig.world.disk.fail("sync", "active.log", 1, DiskError::Io);
    rig.ingest(2);
    rig.ingest(3);
    assert_eq!(rig.world.custody.at("edge-0/quarantine"), [2, 3]);
    let page = rig.open(A);
    let (_, ids) = rig.rest_of(A, page);
    assert_eq!(ids, [1, 2, 3]);
    rig.power_loss();
    rig.boot().unwrap();
    assert_eq!(rig.staging(), [1, 2, 3]);
    rig.assert_unbroken();
}

#[test]
fn boot_does_not_trust_what_a_failed_sync_left_in_the_cache() {
    let mut rig = rig();
    rig.ingest(1);
    rig.world.disk.fail("sync", "active.log", 1, DiskError::Io);
    rig.world.disk.fail("create", "quarantine.log", 1, DiskError::NoSpace);
    assert_eq!(rig.ingest(2), Some(ingest::Answer::Pending));
    rig.kill();
    rig.boot().unwrap();
    assert_eq!(rig.staging(), [1, 2], "record 2 is read from the cache");
    rig.power_loss();
    rig.boot().unwrap();
    assert_eq!(rig.staging(), [1, 2], "and it was written again, not only synced again");
    rig.assert_unbroken();
}

#[test]
fn pages_cover_the_pass_and_the_commit_unlinks_staging() {
    let mut rig = rig();
    (1..=5).for_each(|id| assert_eq!(rig.ingest(id), Some(ingest::Answer::Accepted)));
    let page = rig.open(A);
    assert_eq!(page.records.len(), 2);
    let (pass, ids) = rig.rest_of(A, page);
    assert_eq!(ids, [1, 2, 3, 4, 5]);
    assert_eq!(rig.commit(A, pass, &[1, 2, 4, 5], &[3]), Some(Answer::Committed));
    assert_eq!((rig.staging(), rig.active()), (vec![], vec![3]));
    assert_eq!(rig.world.disk.paths(), ["active.log"]);
    rig.assert_unbroken();
}

#[test]
fn a_pass_whose_commit_speaks_of_too_few_or_unknown_records_loses_none() {
    let mut rig = rig();
    (1..=3).for_each(|id| assert_eq!(rig.ingest(id), Some(ingest::Answer::Accepted)));
    let page = rig.open(A);
    assert_eq!(rig.commit(A, page.pass, &[1, 77], &[88]), Some(Answer::Committed));
    assert_eq!(rig.active(), [2, 3]);
    assert_eq!(rig.count("edge.commit_inexact"), 1);
    rig.assert_unbroken();
}

#[test]
fn a_record_that_is_requeued_by_two_passes_is_yielded_once_by_the_third() {
    let mut rig = rig();
    (1..=2).for_each(|id| assert_eq!(rig.ingest(id), Some(ingest::Answer::Accepted)));
    let page = rig.open(A);
    rig.world.disk.fail("create", "", 2, DiskError::NoSpace);
    assert_eq!(rig.ingest(3), Some(ingest::Answer::Pending));
    assert_eq!(rig.commit(A, page.pass, &[], &[1, 2]), Some(Answer::Aborted), "record 3 is volatile");
    assert_eq!(rig.active(), [1, 2]);
    let page = rig.open(A);
    let (pass, ids) = rig.rest_of(A, page);
    assert_eq!(ids, [1, 2, 3]);
    assert_eq!(rig.commit(A, pass, &[3], &[1, 2]), Some(Answer::Committed));
    let page = rig.open(A);
    let (_, ids) = rig.rest_of(A, page);
    assert_eq!(ids, [1, 2]);
    rig.assert_unbroken();
}

/// Spec 000, failure 1: the disk fills while failed records are re-queued.
fn teardown_race(defects: &[&str]) -> Rig {
    let mut rig = Rig::new(plan(config(defects)));
    (1..=2).for_each(|id| assert_eq!(rig.ingest(id), Some(ingest::Answer::Accepted)));
    let page = rig.open(A);
    rig.world.disk.fail("create", "", 100, DiskError::NoSpace);
    rig.commit(A, page.pass, &[1], &[2]);
    rig.world.disk.relieve();
    rig
}

#[test]
fn a_commit_whose_requeue_goes_to_memory_keeps_staging() {
    let mut rig = teardown_race(&[]);
    assert_eq!(rig.count("edge.commit_aborted"), 1);
    assert_eq!(rig.staging(), [1, 2]);
    let page = rig.open(B);
    assert_eq!(rig.count("edge.staging_resumed"), 1);
    let (pass, ids) = rig.rest_of(B, page);
    assert_eq!(ids, [1, 2]);
    assert_eq!(rig.commit(B, pass, &[1, 2], &[]), Some(Answer::Committed));
    rig.assert_unbroken();
}

/// Spec 000, failure 2: a drain with the active log missing and an entry in memory.
fn ghost_window(defects: &[&str]) -> Rig {
    let mut rig = Rig::new(plan(config(defects)));
    rig.world.disk.fail("create", "", 2, DiskError::NoSpace);
    rig.ingest(1);
    rig.open(A);
    rig
}

/// Spec 000, failure 3: a late commit finds the staging of another pass.
fn interleaved_lifecycle(defects: &[&str]) -> Rig {
    let mut rig = Rig::new(plan(config(defects)));
    rig.ingest(1);
    let late = rig.open(A);
    rig.wait(Duration::from_secs(2)).unwrap();
    let taken_over = rig.open(B);
    rig.commit(B, taken_over.pass, &[1], &[]);
    rig.ingest(2);
    rig.open(B);
    let answer = rig.commit(A, late.pass, &[1], &[]);
    if defects.is_empty() {
        assert_eq!(answer, Some(Answer::Stale));
        assert_eq!(rig.count("edge.gate_taken_over"), 1);
    }
    rig
}

/// An aborted commit leaves staging; then new records, and a second drain.
fn staging_clobbered(defects: &[&str]) -> Rig {
    let mut rig = Rig::new(plan(config(defects)));
    rig.ingest(1);
    let page = rig.open(A);
    rig.world.disk.fail("append", "active.log", 1, DiskError::Io);
    rig.commit(A, page.pass, &[], &[1]);
    rig.world.disk.relieve();
    rig.kill();
    rig.boot().unwrap();
    rig.ingest(2);
    rig.open(A);
    rig
}

#[test]
fn each_failure_of_the_specification_is_harmless_in_the_correct_build() {
    for schedule in [teardown_race, ghost_window, interleaved_lifecycle, staging_clobbered] {
        schedule(&[]).assert_unbroken();
    }
}

#[cfg(feature = "planted")]
#[test]
fn each_planted_defect_breaks_its_invariant_in_its_directed_schedule() {
    type Schedule = fn(&[&str]) -> Rig;
    let table: [(&str, Schedule, &str); 4] = [
        ("P01", teardown_race, "E3: record 2 was only in edge-0/staging"),
        ("P02", ghost_window, "E1: record 1 is in no place"),
        ("P03", interleaved_lifecycle, "E3: record 2 was only in edge-0/staging"),
        ("P04", staging_clobbered, "E1: record 1 is in no place after edge-0/active was renamed over"),
    ];
    for (defect, schedule, expected) in table {
        let broken = schedule(&[defect]).world.broken.unwrap_or_default();
        assert!(broken.starts_with(expected), "{defect}: {broken:?}");
    }
}

#[cfg(not(feature = "planted"))]
#[test]
fn a_build_without_defects_says_so() {
    let wanted = BTreeSet::from(["P03".to_owned()]);
    assert!(Planted::among(&wanted).unwrap_err().0.contains("feature `planted`"));
    assert!(Planted::among(&BTreeSet::from(["P99".to_owned()])).is_ok());
}

#[test]
fn a_sealed_active_log_and_a_staging_that_stays_do_not_block_each_other() {
    let mut rig = rig();
    rig.ingest(1);
    let page = rig.open(A);
    rig.ingest(2);
    rig.world.disk.fail("sync", "active.log", 1, DiskError::Io);
    rig.ingest(3);
    assert_eq!(rig.commit(A, page.pass, &[1], &[]), Some(Answer::Aborted), "the writer is not healthy");
    let page = rig.open(A);
    let (pass, ids) = rig.rest_of(A, page);
    assert_eq!(ids, [1, 2, 3]);
    assert_eq!(rig.commit(A, pass, &[1, 2, 3], &[]), Some(Answer::Committed));
    assert!(rig.world.disk.paths().is_empty());
    rig.assert_unbroken();
}

#[test]
fn a_drain_that_the_disk_refuses_leaves_everything_where_it_was() {
    for (call, path) in [("rename", ""), ("create", "staging.new"), ("append", "staging.new"), ("sync", "staging.new")]
    {
        let mut rig = rig();
        rig.ingest(1);
        rig.world.disk.fail("append", "active.log", 1, DiskError::Io);
        rig.ingest(2);
        rig.world.disk.fail(call, path, 1, DiskError::NoSpace);
        assert_eq!(rig.ask(A, Ask::Open), Some(Answer::Unavailable(DiskError::NoSpace)), "{call} {path}");
        let page = rig.open(B);
        let (_, ids) = rig.rest_of(B, page);
        assert_eq!(ids, [1, 2], "{call} {path}");
        rig.assert_unbroken();
    }
}

#[test]
fn names_that_cannot_be_synced_after_a_rename_halt_the_buffer() {
    let mut rig = rig();
    rig.ingest(1);
    rig.world.disk.fail("sync_dir", "", 1, DiskError::Io);
    let halt = rig.send(A, drain::Request { call: 1, reply_to: addr(A), ask: Ask::Open }).unwrap_err();
    assert!(halt.contains("directory"), "{halt}");
    rig.boot().unwrap();
    assert_eq!(rig.staging(), [1]);
    rig.assert_unbroken();
}

#[test]
fn backpressure_begins_at_the_segment_size_and_ends_with_a_drain() {
    let mut rig = Rig::new(plan(Config { segment_bytes: 45, ..config(&[]) }));
    rig.ingest(1);
    rig.ingest(2);
    assert_eq!(rig.ingest(3), Some(ingest::Answer::Full));
    assert_eq!(rig.count("edge.full"), 1);
    rig.open(A);
    assert_eq!(rig.ingest(3), Some(ingest::Answer::Accepted));
}

#[test]
fn too_long_a_record_is_refused_for_good() {
    let mut rig = rig();
    let record = Record { id: 1, taken_at: contract::Wall::default(), payload: vec![0; 65].into() };
    rig.send(CLIENT, ingest::Request { record, reply_to: addr(CLIENT) }).unwrap();
    assert_eq!(rig.take::<ingest::Reply>()[0].1.answer, ingest::Answer::TooLong);
    assert!(rig.world.disk.paths().is_empty());
}

#[test]
fn strangers_get_no_page_and_commit_nothing() {
    let mut rig = rig();
    rig.ingest(1);
    let page = rig.open(A);
    let stranger = PassId { epoch: page.pass.epoch ^ 1, number: page.pass.number };
    assert_eq!(rig.ask(B, Ask::Page { pass: page.pass, from: 0 }), Some(Answer::Stale));
    assert_eq!(rig.ask(A, Ask::Page { pass: stranger, from: 0 }), Some(Answer::Stale));
    assert_eq!(rig.commit(A, stranger, &[1], &[]), Some(Answer::Stale));
    assert_eq!(rig.staging(), [1]);
    let Some(Answer::Page(past)) = rig.ask(A, Ask::Page { pass: page.pass, from: u64::MAX }) else { panic!("no page") };
    assert!(past.records.is_empty() && past.next.is_none());
    assert!(matches!(rig.ask(B, Ask::Open), Some(Answer::Busy { holder }) if holder == page.pass));
}

#[test]
fn a_torn_tail_is_repaired_and_rot_is_kept_aside() {
    let mut rig = rig();
    (1..=3).for_each(|id| assert_eq!(rig.ingest(id), Some(ingest::Answer::Accepted)));
    rig.world.disk.bytes("active.log").unwrap().extend([1, 2, 3]);
    rig.kill();
    rig.boot().unwrap();
    assert_eq!((rig.staging(), rig.count("edge.tail_repaired"), rig.count("edge.rot")), (vec![1, 2, 3], 1, 0));

    let mut rig = self::rig();
    (1..=3).for_each(|id| assert_eq!(rig.ingest(id), Some(ingest::Answer::Accepted)));
    rig.world.disk.bytes("active.log").unwrap()[20] ^= 1;
    rig.kill();
    rig.boot().unwrap();
    assert_eq!(rig.count("edge.rot"), 1);
    assert_eq!(rig.staging(), [2, 3], "what can be read is kept");
    assert_eq!(rig.world.disk.paths(), ["rot-0.log", "staging.log"]);
    assert!(rig.world.broken.is_some(), "and the loss of record 1 is stated, not hidden");
}

/// A life with everything in it; stops when the process is cut.
fn life(rig: &mut Rig, told: &mut BTreeSet<u64>) {
    let accept = |rig: &mut Rig, id: u64, told: &mut BTreeSet<u64>| {
        if rig.is_up() && rig.ingest(id) == Some(ingest::Answer::Accepted) {
            told.insert(id);
        }
    };
    (1..=2).for_each(|id| accept(rig, id, told));
    rig.world.disk.fail("sync", "active.log", 1, DiskError::Io);
    rig.world.disk.fail("create", "quarantine.log", 1, DiskError::NoSpace);
    (3..=5).for_each(|id| accept(rig, id, told));
    if !rig.is_up() {
        return;
    }
    let Some(Answer::Page(page)) = rig.ask(A, Ask::Open) else { return };
    rig.world.disk.fail("append", "active.log", 1, DiskError::NoSpace);
    rig.commit(A, page.pass, &[1, 2], &[3, 4, 5]);
    if !rig.is_up() {
        return;
    }
    accept(rig, 6, told);
    let Some(Answer::Page(page)) = (if rig.is_up() { rig.ask(B, Ask::Open) } else { None }) else { return };
    rig.commit(B, page.pass, &[], &[1, 2, 3, 4, 5, 6]);
}

/// Every record that a client was told is accepted is in staging after a boot, or at the primary.
fn check_after_crash(rig: &mut Rig, told: &BTreeSet<u64>, at: &str) {
    rig.world.disk.relieve();
    rig.boot().unwrap();
    let held: BTreeSet<u64> = rig.staging().into_iter().chain(rig.world.custody.at("primary-0/ledger")).collect();
    assert!(told.is_subset(&held), "{at}: told {told:?}, held {held:?}");
}

#[test]
fn a_crash_at_every_effect_and_at_every_effect_of_the_recovery_loses_nothing() {
    let mut whole = rig();
    life(&mut whole, &mut BTreeSet::new());
    whole.assert_unbroken();
    let effects = (whole.world.disk.calls.len() + whole.world.marks.len()) as u32 + 20;
    let mut points = 0;
    for cut in 0..effects {
        for power in [false, true] {
            for second in [None, Some(cut % 7), Some(7 + cut % 5)] {
                let mut rig = rig();
                let mut told = BTreeSet::new();
                rig.world.disk.fuel = Some(cut);
                life(&mut rig, &mut told);
                if power {
                    rig.power_loss();
                } else {
                    rig.kill();
                }
                rig.world.disk.relieve();
                if let Some(fuel) = second {
                    let _ = rig.boot_with_fuel(fuel);
                    if power { rig.power_loss() } else { rig.kill() }
                }
                check_after_crash(&mut rig, &told, &format!("cut {cut}, power {power}, second {second:?}"));
                points += 1;
            }
        }
    }
    assert!(points > 300, "{points} crash points");
}

#[test]
fn random_lives_with_random_errors_and_crashes_break_no_invariant() {
    for seed in 1..400_u64 {
        let mut rig = rig();
        let mut told = BTreeSet::new();
        let mut random = seed;
        let mut below = |bound: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % bound
        };
        let mut pass: Option<(u32, PassId, Vec<u64>)> = None;
        for step in 0..60 {
            if !rig.is_up() && rig.boot().is_err() {
                rig.world.disk.relieve();
                rig.boot().unwrap();
            }
            match below(12) {
                0..4 => {
                    let id = 1 + below(20);
                    if rig.ingest(id) == Some(ingest::Answer::Accepted) {
                        told.insert(id);
                    }
                }
                4..7 => {
                    let worker = 1 + below(2) as u32;
                    if let Some(Answer::Page(page)) = rig.ask(worker, Ask::Open) {
                        let ids = page.records.iter().map(|record| record.id).collect();
                        pass = Some((worker, page.pass, ids));
                    }
                }
                7..9 => {
                    if let Some((worker, id, ids)) = pass.clone() {
                        let (delivered, failed): (Vec<u64>, Vec<u64>) = ids.iter().partition(|_| below(2) == 0);
                        rig.commit(worker, id, &delivered, &failed);
                    }
                }
                9 => {
                    let call = ["create", "append", "sync", "rename", "unlink", "sync_dir", "truncate", "read"]
                        [below(8) as usize];
                    let error = [DiskError::NoSpace, DiskError::Io][below(2) as usize];
                    rig.world.disk.fail(call, "", 1 + below(3) as u32, error);
                }
                10 => rig.wait(Duration::from_millis(400)).unwrap(),
                _ => {
                    if below(2) == 0 {
                        rig.kill();
                    } else {
                        rig.power_loss();
                    }
                }
            }
            assert_eq!(rig.world.broken, None, "seed {seed}, step {step}");
        }
        rig.power_loss();
        check_after_crash(&mut rig, &told, &format!("seed {seed}"));
        rig.assert_unbroken();
    }
}
