//! Disks that refuse, lie, hang or forget.

use super::keeper::{self, LOG, judge_log};
use super::{Experiment, Run, Shown, usual};
use contract::NodeId;
use kernel::{FaultKind, FaultSpec, Profile, Settings, Span};

pub const ALL: &[Experiment] = &[
    usual(FaultKind::DiskFull, disk_full),
    usual(FaultKind::DiskError, disk_error),
    usual(FaultKind::FsyncFailure, fsync_failure),
    usual(FaultKind::FsyncLie, fsync_lie),
    usual(FaultKind::SlowDisk, slow_disk),
    usual(FaultKind::HungDisk, hung_disk),
    usual(FaultKind::ReadOnly, read_only),
    usual(FaultKind::InodeExhaustion, inode_exhaustion),
    usual(FaultKind::TooManyOpen, too_many_open),
    usual(FaultKind::ShortIo, short_io),
];

/// A run of four keepers.
pub fn keepers(kind: FaultKind, seed: u64, adjust: impl FnOnce(&mut FaultSpec)) -> Run {
    Run::on(keeper::plan(4), kind, seed, adjust, |_| {})
}

/// The same on a file system that keeps the order of all changes, so that a power loss alone leaves no hole
/// and no garbage; and the node loses power now and then.
pub fn keepers_that_lose_power(kind: FaultKind, seed: u64, adjust: impl FnOnce(&mut FaultSpec)) -> Run {
    Run::on(keeper::plan(4), kind, seed, adjust, |settings| lose_power(settings, Profile::Strict))
}

fn lose_power(settings: &mut Settings, profile: Profile) {
    settings.disk.profile = profile;
    let usual = FaultKind::PowerLoss.usual(vec![NodeId(0)]);
    settings.faults.push(FaultSpec { every: Span::millis(1_000, 3_000), lasts: Span::millis(100, 200), ..usual });
}

/// The longest time between two rounds of the struck probe, in milliseconds.
fn longest_round(run: &Run) -> u64 {
    let rounds: Vec<u64> = run.marks(0, "probe.round").map(|seen| seen.at.0).collect();
    rounds.windows(2).map(|pair| (pair[1] - pair[0]) / 1_000_000).max().unwrap_or(0)
}

fn disk_full() -> Shown {
    let run = Run::of(FaultKind::DiskFull, 3, |_| {});
    let errors = ["append", "sync", "rename"].map(|call| run.errors(call));
    for errors in &errors {
        assert!(!errors.is_empty() && errors.iter().all(|error| error.contains("ENOSPC")), "{errors:?}");
    }
    let short = run.marks(0, "probe.short").count();
    assert!(short > 0, "a write ends short before the disk is full");
    let last = run.marks(0, "probe.error").last().map(|seen| seen.event);
    assert!(run.marks(0, "probe.round").last().map(|seen| seen.event) > last, "rounds succeed after relief");
    run.others_are_well();
    let [appends, syncs, renames] = errors.map(|errors| errors.len());
    run.shown(format!("ENOSPC at {appends} appends, {syncs} syncs and {renames} renames, after {short} short writes"))
}

fn disk_error() -> Shown {
    let run = keepers(FaultKind::DiskError, 4, |spec| spec.chance_ppm = 300_000);
    let errors = ["append", "read", "open"].map(|call| run.errors(call));
    for errors in &errors {
        assert!(!errors.is_empty() && errors.iter().all(|error| error.contains("EIO")), "{errors:?}");
    }
    assert!(run.errors("sync").is_empty(), "syncs have a fault of their own");
    run.others_are_well();
    run.shown(format!("EIO at {} appends, {} reads and {} opens", errors[0].len(), errors[1].len(), errors[2].len()))
}

fn fsync_failure() -> Shown {
    let run = keepers_that_lose_power(FaultKind::FsyncFailure, 5, |spec| spec.chance_ppm = 500_000);
    let errors = run.errors("sync");
    assert!(errors.iter().all(|error| error.contains("EIO")), "{errors:?}");
    let boot = run.errors("boot");
    assert!(errors.len() + boot.len() >= run.count.fired as usize, "each is seen");
    assert_eq!(run.marks(0, "probe.error").count(), errors.len() + boot.len(), "and nothing else fails");
    let holes: u64 = run.numbers(0, "keeper.found", "holes").iter().sum();
    assert_eq!(holes, 0, "a later sync saves what an earlier one did not");
    run.others_are_well();
    run.shown(format!("EIO at {} syncs, and no hole in what a later sync confirmed", errors.len()))
}

fn fsync_lie() -> Shown {
    let run = keepers_that_lose_power(FaultKind::FsyncLie, 6, |_| {});
    let errors = run.errors("sync");
    assert!(errors.iter().all(|error| error.contains("EIO")), "{errors:?}");
    assert!(errors.len() as u64 <= 2 * run.count.asked, "each file is told once an occurrence");
    let holes = run.numbers(0, "keeper.found", "holes").into_iter().max().unwrap_or(0);
    assert!(holes > 0, "a later sync reported success without the pages");
    run.others_are_well();
    run.shown(format!(
        "EIO at {} syncs, once a file; {holes} records lost although a later sync succeeded",
        errors.len()
    ))
}

fn slow_disk() -> Shown {
    let quick = Run::of(FaultKind::ClockSkew, 17, |_| {});
    let run = Run::of(FaultKind::SlowDisk, 17, |spec| spec.amount = Span::millis(50, 100));
    // A round is held up by the slow calls of the one before: the timer waits for the end of the span.
    let (usual, slow) = (longest_round(&quick), longest_round(&run));
    assert!(slow > 3 * usual, "{slow} against {usual} ms");
    assert_eq!(run.marks(0, "probe.error").count(), 0, "slow calls succeed");
    run.others_are_well();
    run.shown(format!("the longest round takes {slow} ms instead of {usual} ms, no error"))
}

fn hung_disk() -> Shown {
    let run = keepers(FaultKind::HungDisk, 7, |spec| spec.lasts = Span::millis(400, 400));
    let longest = longest_round(&run);
    assert!((300..450).contains(&longest), "a call that hung returned at the end of the occurrence: {longest} ms");
    assert_eq!(run.marks(0, "probe.error").count(), 0, "and it succeeded");
    run.others_are_well();
    run.shown(format!("{} calls hung; the longest round took {longest} ms of 400, no error", run.count.fired))
}

fn read_only() -> Shown {
    let run = Run::of(FaultKind::ReadOnly, 18, |_| {});
    let errors: Vec<&str> = run.marks(0, "probe.error").filter_map(|seen| seen.mark.text("error")).collect();
    assert!(errors.len() > 10 && errors.iter().all(|error| error.contains("EROFS")), "{errors:?}");
    let first = run.marks(0, "probe.error").next().map(|seen| seen.event);
    let later = run.marks(0, "probe.round").filter(|seen| Some(seen.event) > first).count();
    assert!(later > errors.len() + 50, "{later} rounds, {} refused: it is mounted again in between", errors.len());
    run.others_are_well();
    run.shown(format!("EROFS at {} changes, {} rounds undisturbed in between", errors.len(), later - errors.len()))
}

fn inode_exhaustion() -> Shown {
    let run = keepers(FaultKind::InodeExhaustion, 8, |_| {});
    let creations = run.errors("create");
    assert!(!creations.is_empty() && creations.iter().all(|error| error.contains("ENOSPC")), "{creations:?}");
    assert_eq!(run.marks(0, "probe.error").count(), creations.len(), "writes, syncs, renames and opens succeed");
    run.others_are_well();
    run.shown(format!("ENOSPC at {} creations, at no write", creations.len()))
}

fn too_many_open() -> Shown {
    let run = keepers(FaultKind::TooManyOpen, 9, |_| {});
    let opens = run.errors("open").len() + run.errors("create").len();
    assert!(run.marks(0, "probe.error").all(|seen| seen.mark.text("error").is_some_and(|it| it.contains("EMFILE"))));
    assert_eq!(run.marks(0, "probe.error").count(), opens, "files that are open go on");
    run.others_are_well();
    run.shown(format!("EMFILE at {opens} opens, none at a file that was open"))
}

fn short_io() -> Shown {
    let run = keepers(FaultKind::ShortIo, 10, |_| {});
    let (writes, reads) = (run.numbers(0, "probe.short", "written"), run.numbers(0, "keeper.short_read", "read"));
    assert!(writes.len() > 10 && writes.iter().all(|count| (1..700).contains(count)), "{writes:?}");
    assert!(reads.len() > 10 && reads.iter().all(|count| (1..700).contains(count)), "{reads:?}");
    assert_eq!(run.marks(0, "probe.error").count(), 0);
    let log = run.world.read_file(NodeId(0), LOG).unwrap_or_default();
    let (right, holes, wrong) = judge_log(&log);
    assert!(right > 900 && holes + wrong == 0, "who goes on after a short write has written everything");
    run.others_are_well();
    run.shown(format!("{} appends and {} reads ended short; {right} records are whole", writes.len(), reads.len()))
}
