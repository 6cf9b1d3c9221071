//! Durable data that is destroyed, and what each file system leaves of data that was never durable.

use super::keeper::{self, BLOCKS_FILE, LOG, judge_block, judge_log};
use super::storage::{keepers, keepers_that_lose_power};
use super::{Experiment, Run, Shown, usual};
use contract::NodeId;
use kernel::{FaultKind, Profile};

pub const ALL: &[Experiment] = &[
    usual(FaultKind::BitRot, bit_rot),
    usual(FaultKind::LatentError, latent_error),
    usual(FaultKind::MisdirectedWrite, misdirected_write),
    usual(FaultKind::MisdirectedRead, misdirected_read),
    usual(FaultKind::PhantomWrite, phantom_write),
    usual(FaultKind::HostLoss, host_loss),
    Experiment { kind: FaultKind::PowerLoss, how: "posix-min", show: posix_min },
    Experiment { kind: FaultKind::PowerLoss, how: "ext4-ordered", show: ext4_ordered },
    Experiment { kind: FaultKind::PowerLoss, how: "ext4-noauto", show: ext4_noauto },
    Experiment { kind: FaultKind::PowerLoss, how: "btrfs-like", show: btrfs_like },
    Experiment { kind: FaultKind::PowerLoss, how: "strict", show: strict },
];

/// What was struck is damaged, and nothing else.
fn only_the_struck_is_damaged(run: &Run) {
    assert_eq!(run.world.damaged().iter().copied().collect::<Vec<_>>(), [NodeId(0)]);
    run.others_are_well();
    assert_eq!(run.marks(2, "keeper.bad").count(), 0);
}

/// What the keeper found wrong while it ran.
fn bad(run: &Run, what: &str) -> usize {
    run.marks(0, "keeper.bad").filter(|seen| seen.mark.text("what") == Some(what)).count()
}

/// Blocks of a node that are not what they should be, as they lie there at the end.
fn bad_blocks(run: &Run, node: u32) -> usize {
    let bytes = run.world.read_file(NodeId(node), BLOCKS_FILE).unwrap_or_default();
    bytes.chunks(2048).enumerate().filter(|(number, block)| judge_block(*number, block).is_err()).count()
}

fn bit_rot() -> Shown {
    let run = keepers(FaultKind::BitRot, 1, |spec| spec.chance_ppm = 800_000);
    assert_eq!(run.marks(0, "probe.error").count(), 0, "rotten bytes are read without an error");
    let (records, log) = (bad(&run, "record"), run.world.read_file(NodeId(0), LOG).unwrap_or_default());
    let (_, _, wrong) = judge_log(&log);
    assert!(records > 0 && wrong > 0, "{records} reads of {wrong} rotten records");
    only_the_struck_is_damaged(&run);
    run.shown(format!("{wrong} records rotten at rest, met by {records} reads without an error"))
}

fn latent_error() -> Shown {
    let run = keepers(FaultKind::LatentError, 2, |spec| spec.chance_ppm = 800_000);
    let errors = run.errors("read");
    assert!(!errors.is_empty() && errors.iter().all(|error| error.contains("EIO")), "{errors:?}");
    assert_eq!(run.marks(0, "probe.error").count(), errors.len(), "only reads fail");
    assert_eq!(errors.len() as u64, run.count.fired);
    assert_eq!(run.marks(0, "keeper.bad").count(), 0, "and none gives wrong bytes");
    only_the_struck_is_damaged(&run);
    run.shown(format!("EIO at {} reads, at no write", errors.len()))
}

fn misdirected_write() -> Shown {
    let run = keepers(FaultKind::MisdirectedWrite, 3, |spec| spec.chance_ppm = 100_000);
    assert_eq!(run.marks(0, "probe.error").count(), 0, "every write reports success");
    let log = run.world.read_file(NodeId(0), LOG).unwrap_or_default();
    let ((_, holes, wrong), stale) = (judge_log(&log), bad(&run, "stale"));
    assert!(holes > 0, "what should have been written is not there");
    assert!(wrong > 0, "and what was there is overwritten");
    assert!(bad(&run, "record") + bad(&run, "alien") + stale > 0, "reads meet it");
    only_the_struck_is_damaged(&run);
    run.shown(format!(
        "{} writes astray: {holes} records missing, {wrong} written over, {stale} stale blocks read",
        run.count.fired
    ))
}

fn misdirected_read() -> Shown {
    let run = keepers(FaultKind::MisdirectedRead, 4, |spec| spec.chance_ppm = 200_000);
    assert_eq!(run.marks(0, "probe.error").count(), 0, "every read reports success");
    let (records, blocks) = (bad(&run, "record"), bad(&run, "alien") + bad(&run, "stale") + bad(&run, "torn"));
    assert!(records > 0 && blocks > 0, "{records} records and {blocks} blocks from elsewhere");
    let (_, holes, wrong) = judge_log(&run.world.read_file(NodeId(0), LOG).unwrap_or_default());
    assert_eq!(holes + wrong + bad_blocks(&run, 0) as u64, 0, "the disk itself is as it should be");
    assert!(run.world.damaged().is_empty(), "so nothing is damaged");
    run.others_are_well();
    run.shown(format!("{records} records and {blocks} blocks read from elsewhere, nothing wrong on the disk"))
}

fn phantom_write() -> Shown {
    let run = keepers_that_lose_power(FaultKind::PhantomWrite, 5, |spec| spec.chance_ppm = 100_000);
    assert!(run.errors("sync").is_empty(), "every sync reports success");
    let holes: Vec<u64> = run.numbers(0, "keeper.found", "holes");
    assert!(holes.iter().max() > Some(&0), "a power loss shows that the device never wrote it");
    only_the_struck_is_damaged(&run);
    let most = holes.iter().max().copied().unwrap_or(0);
    run.shown(format!("{most} synced records were holes after {} power losses", holes.len() - 1))
}

fn host_loss() -> Shown {
    let run = Run::of(FaultKind::HostLoss, 20, |_| {});
    let boots = run.numbers(0, "probe.boot", "host_boot");
    assert!(boots.len() as u64 > run.count.fired / 2 && boots.windows(2).all(|pair| pair[1] > pair[0]), "{boots:?}");
    let bytes = |node| run.world.read_file(NodeId(node), "probe.log").map_or(0, |bytes| bytes.len());
    let (gone, kept) = (bytes(0), bytes(2));
    assert!(gone < kept / 4, "{gone} bytes on the machine that came back, {kept} on another");
    only_the_struck_is_damaged(&run);
    run.shown(format!("{gone} bytes on the machine that came back {} times, {kept} on another", boots.len() - 1))
}

/// What boots found after power losses under a profile, over a few seeds.
#[derive(Default)]
struct Found {
    boots: usize,
    /// Logs with records that are zeros where there should be data.
    holes: usize,
    /// Logs with records that are garbage or partly there.
    wrong: usize,
    /// Blocks with sectors of two versions.
    torn: u64,
    /// Blocks with bytes that nobody wrote.
    garbage: u64,
    /// Replaced files found empty.
    empty: usize,
    /// Replaced files found with a part of their data.
    partial: usize,
}

fn found(profile: Profile) -> (Run, Found) {
    let mut found = Found::default();
    let mut last = None;
    for seed in 0..4 {
        let run = Run::on(keeper::plan(4), FaultKind::PowerLoss, seed, |_| {}, |it| it.disk.profile = profile);
        let flags = |fact| run.marks(0, "keeper.found").filter(|seen| seen.mark.flag(fact) == Some(true)).count();
        let some = |fact| run.numbers(0, "keeper.found", fact).iter().filter(|count| **count > 0).count();
        found.boots += run.marks(0, "keeper.found").count();
        found.holes += some("holes");
        found.wrong += some("wrong");
        found.torn += run.numbers(0, "keeper.found", "torn").iter().sum::<u64>();
        found.garbage += run.numbers(0, "keeper.found", "alien").iter().sum::<u64>();
        found.empty += flags("empty");
        found.partial += flags("partial");
        assert!(run.world.damaged().is_empty(), "losing what was never durable damages nothing");
        run.others_are_well();
        last = Some(run);
    }
    (last.expect("there are several seeds"), found)
}

impl Found {
    fn shown(&self, run: &Run) -> Shown {
        let Found { boots, holes, wrong, torn, garbage, empty, partial } = self;
        run.shown(format!(
            "of {boots} boots {holes} find holes and {wrong} garbage in the log, {empty} an empty and {partial} a \
             partial replaced file; {torn} blocks torn, {garbage} garbage"
        ))
    }
}

fn posix_min() -> Shown {
    let (run, found) = found(Profile::PosixMin);
    assert!(found.holes + found.wrong > 0 && found.torn > 0, "a log can have holes and garbage");
    assert!(found.garbage > 0 && found.empty > 0 && found.partial > 0, "and so can everything else");
    found.shown(&run)
}

fn ext4_ordered() -> Shown {
    let (run, found) = found(Profile::Ext4Ordered);
    assert_eq!(found.holes + found.wrong, 0, "a length never survives without its data");
    assert_eq!(found.empty + found.partial, 0, "a rename over a file brings the data with it");
    assert!(found.torn > 0 && found.garbage > 0, "what is overwritten in place is torn");
    found.shown(&run)
}

fn ext4_noauto() -> Shown {
    let (run, found) = found(Profile::Ext4Noauto);
    assert_eq!(found.holes + found.wrong, 0, "a length never survives without its data");
    assert!(found.empty > 0, "a rename can come before the data");
    assert!(found.torn > 0 && found.garbage > 0, "what is overwritten in place is torn");
    found.shown(&run)
}

fn btrfs_like() -> Shown {
    let (run, found) = found(Profile::BtrfsLike);
    assert_eq!(found.holes + found.wrong, 0, "a length never survives without its data");
    assert_eq!(found.torn + found.garbage, 0, "a page is old or new");
    assert!(found.empty > 0, "a rename can come before the data");
    found.shown(&run)
}

fn strict() -> Shown {
    let (run, found) = found(Profile::Strict);
    let wrong = found.holes + found.wrong + found.empty + found.partial;
    assert_eq!(wrong as u64 + found.torn + found.garbage, 0, "whatever survives is a moment of the past");
    let lost = run
        .world
        .trace()
        .iter()
        .filter(|line| line.detail.contains(" dropped") && !line.detail.contains(": 0 dropped"))
        .count();
    assert!(lost > 0, "though something is lost");
    found.shown(&run)
}
