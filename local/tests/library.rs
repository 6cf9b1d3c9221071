//! What the library promises on a real file system, one program at a time.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test of the real world uses it, and fails by panicking"
)]

mod common;

use ::workspace::format::Status;
use ::workspace::ledger::Unfit;
use ::workspace::lock::LockError;
use ::workspace::snapshot::SnapshotError;
use common::{Scratch, append_to, event, keys};
use contract::Duration;
use host::disk_fill::SmallDisk;
use local::{Error, Options, Workspace};
use std::collections::BTreeSet;

fn impatient() -> Options {
    let mut options = Options::default();
    options.limits.patience = Duration::from_millis(50);
    options
}

#[test]
fn threads_and_programs_append_at_once_and_every_event_has_its_own_number() {
    let scratch = Scratch::new();
    Workspace::init(&scratch.workspace()).unwrap();
    let programs: Vec<Workspace> = (0..2).map(|_| Workspace::open(&scratch.workspace()).unwrap()).collect();
    let mut acked = BTreeSet::new();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|thread| {
                let program = &programs[thread % 2];
                scope.spawn(move || {
                    let keys = (0..20).map(|nth| format!("{thread}-{nth}"));
                    keys.map(|key| (program.append(&[event(&key)]).unwrap().start, key)).collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| acked.extend(thread.join().unwrap()));
    });
    let found: BTreeSet<(u64, String)> = (1..).zip(keys(&programs[0])).collect();
    assert_eq!((found.len(), &found), (160, &acked));
}

#[test]
fn an_append_is_all_or_nothing_and_one_that_does_not_fit_hurts_nobody() {
    let scratch = Scratch::new();
    let workspace = Workspace::init(&scratch.workspace()).unwrap();
    let bad = local::NewEvent { payload: "{".to_owned(), ..event("bad") };
    assert_eq!(workspace.append(&[event("a"), bad]), Err(Error::Unfit(Unfit::Payload)));
    assert_eq!(workspace.append(&[]), Err(Error::Unfit(Unfit::Batch)));
    assert_eq!(workspace.append(&[event("b"), event("c")]), Ok(1..3));
    assert_eq!(keys(&workspace), ["b", "c"]);
}

#[test]
fn a_torn_tail_is_cut_and_what_was_acknowledged_stays() {
    let scratch = Scratch::new();
    let workspace = Workspace::init(&scratch.workspace()).unwrap();
    workspace.append(&[event("a")]).unwrap();
    append_to(&scratch.workspace().join("events.jsonl"), b"{\"eventId\":2,\"domain\":\"tx\"");
    assert_eq!(workspace.verify().unwrap()[0].found.as_deref(), Ok("1 events, 108 bytes"));
    assert_eq!(workspace.repair().unwrap().cut, 26);
    assert_eq!(workspace.append(&[event("b")]), Ok(2..3));
    assert_eq!(keys(&workspace), ["a", "b"]);
    let telemetry = std::fs::read_to_string(scratch.workspace().join("telemetry.jsonl")).unwrap();
    assert_eq!(telemetry.matches("CORRUPT_TAIL_RECOVERY").count(), 1);
}

#[test]
fn a_lock_that_is_held_is_refused_by_name_and_free_when_it_is_dropped() {
    let scratch = Scratch::new();
    let one = Workspace::init(&scratch.workspace()).unwrap();
    let two = Workspace::open_with(&scratch.workspace(), impatient()).unwrap();
    let lock = one.lock("report").unwrap();
    match two.lock("report").err() {
        Some(Error::Lock(LockError::Contention { holder, .. })) => assert_eq!(holder.owner.pid.0, std::process::id()),
        other => panic!("held, but: {other:?}"),
    }
    assert!(two.lock("other").is_ok());
    drop(lock);
    assert!(!two.lock("report").unwrap().recovered());
    assert_eq!(two.lock("../x").err(), Some(Error::LockName("../x".to_owned())));
}

#[test]
fn nothing_is_left_in_the_temporary_folder_when_a_program_ends() {
    let scratch = Scratch::new();
    let workspace = Workspace::init(&scratch.workspace()).unwrap();
    workspace.append(&[event("a")]).unwrap();
    workspace.save("totals", &serde_json::json!({ "sum": 3 })).unwrap();
    workspace.lock("report").unwrap().release().unwrap();
    drop(workspace);
    for folder in ["tmp", "locks"] {
        assert_eq!(std::fs::read_dir(scratch.workspace().join(folder)).unwrap().count(), 0, "{folder}");
    }
}

#[test]
fn a_restore_brings_back_what_the_snapshot_had_and_nothing_else() {
    let scratch = Scratch::new();
    let workspace = Workspace::init(&scratch.workspace()).unwrap();
    workspace.append(&[event("a")]).unwrap();
    workspace.save("kept", &1.into()).unwrap();
    let (id, manifest) = workspace.snapshot(Some("before")).unwrap();
    assert_eq!(manifest.files.len(), 3, "ledger, format and a saved file");
    assert_eq!(workspace.snapshot(Some("before")).err(), Some(Error::Snapshot(SnapshotError::Exists(id.clone()))));
    workspace.append(&[event("b"), event("c")]).unwrap();
    workspace.save("kept", &2.into()).unwrap();
    workspace.save("later", &3.into()).unwrap();
    assert_eq!(workspace.project().unwrap().events, 3);

    workspace.restore(&id).unwrap();
    assert_eq!(keys(&workspace), ["a"]);
    assert_eq!(workspace.load("kept").unwrap().unwrap().data, 1);
    assert_eq!(workspace.load("later"), Ok(None));
    assert_eq!(workspace.append(&[event("d")]), Ok(2..3));
    let projected = workspace.project().unwrap();
    assert_eq!((projected.events, projected.added), (2, 2));
    workspace.remove_snapshot(&id).unwrap();
    assert_eq!(workspace.snapshots(), Ok(Vec::new()));
    assert_eq!(workspace.restore(&id).err(), Some(Error::Snapshot(SnapshotError::Unknown(id))));
}

#[test]
fn a_damaged_snapshot_is_found_and_not_restored() {
    let scratch = Scratch::new();
    let workspace = Workspace::init(&scratch.workspace()).unwrap();
    workspace.append(&[event("a")]).unwrap();
    workspace.snapshot(Some("s")).unwrap();
    let copy = scratch.workspace().join("snapshots/s/events.jsonl");
    let sound = std::fs::read(&copy).unwrap();
    for at in [0, sound.len() / 2, sound.len() - 1] {
        let mut rotten = sound.clone();
        rotten[at] ^= 4;
        std::fs::write(&copy, rotten).unwrap();
        let damaged = SnapshotError::Damaged("s".to_owned(), vec!["events.jsonl: other bytes".to_owned()]);
        assert_eq!(workspace.restore("s").err(), Some(Error::Snapshot(damaged)), "byte {at}");
    }
    std::fs::remove_file(&copy).unwrap();
    assert!(workspace.verify().unwrap().iter().any(|checked| checked.what == "snapshot s" && checked.found.is_err()));
    assert_eq!(workspace.append(&[event("b")]), Ok(2..3));
}

#[test]
fn a_restore_that_was_cut_short_stops_appends_and_is_finished_at_the_next_opening() {
    let scratch = Scratch::new();
    let workspace = Workspace::init(&scratch.workspace()).unwrap();
    workspace.append(&[event("a")]).unwrap();
    workspace.snapshot(Some("s")).unwrap();
    workspace.append(&[event("b")]).unwrap();
    // As a crash leaves it that came right after the intent.
    std::fs::write(scratch.workspace().join("restore.json"), "{\"snapshot\":\"s\"}").unwrap();
    assert_eq!(workspace.append(&[event("c")]), Err(Error::RestoreUnfinished));
    assert_eq!(workspace.save("x", &1.into()).err(), Some(Error::RestoreUnfinished));
    assert_eq!(workspace.remove_snapshot("s").err(), Some(Error::Snapshot(SnapshotError::InUse("s".to_owned()))));
    let next = Workspace::open(&scratch.workspace()).unwrap();
    assert_eq!(keys(&next), ["a"]);
    assert_eq!(workspace.append(&[event("c")]), Ok(2..3));
}

const OLD: &str = "{\"eventId\":1,\"domain\":\"tx\",\"at\":1700000000000,\"payload\":{\"sum\":3}}\n\
                   {\"eventId\":2,\"domain\":\"tx\"}\n";

fn old_workspace(scratch: &Scratch, ledger: &str) {
    std::fs::create_dir(scratch.workspace()).unwrap();
    std::fs::write(scratch.workspace().join("events.jsonl"), ledger).unwrap();
}

#[test]
fn a_workspace_of_format_1_is_refused_migrated_once_and_can_be_had_back() {
    let scratch = Scratch::new();
    old_workspace(&scratch, &format!("{OLD}{{\"eventId\":3,\"dom"));
    assert_eq!(Workspace::open(&scratch.workspace()).err(), Some(Error::Format(Status::NeedsMigration { from: 1 })));
    let migrated = Workspace::migrate(&scratch.workspace(), Options::default()).unwrap();
    assert_eq!((migrated.events, migrated.cut), (2, 17));
    assert_eq!(Workspace::migrate(&scratch.workspace(), Options::default()), Err(Error::Format(Status::Ready)));
    let workspace = Workspace::open(&scratch.workspace()).unwrap();
    assert_eq!(workspace.append(&[event("new")]), Ok(3..4));
    assert_eq!(keys(&workspace), ["", "", "new"]);
    assert!(workspace.verify().unwrap().iter().all(|checked| checked.found.is_ok()));

    workspace.restore("before-format-2").unwrap();
    assert_eq!(workspace.format(), Ok(Status::NeedsMigration { from: 1 }));
    let ledger = std::fs::read_to_string(scratch.workspace().join("events.jsonl")).unwrap();
    assert!(ledger.starts_with(OLD), "as it was: {ledger}");
}

#[test]
fn a_migration_keeps_its_hands_off_a_damaged_ledger() {
    let (one, two) = OLD.split_once('\n').unwrap();
    for (ledger, line) in [
        (format!("{one}\nrubbish\n{two}"), 2),
        (format!("{one}\nrubbish\nrubbish\n"), 2),
        (format!("{one}\nrubbish\n{{\"eventId\""), 2),
        (format!("{two}{one}\n"), 1),
        (format!("{OLD}{{\"eventId\":4,\"domain\":\"tx\"}}\n"), 3),
    ] {
        let scratch = Scratch::new();
        old_workspace(&scratch, &ledger);
        let error = Workspace::migrate(&scratch.workspace(), Options::default()).unwrap_err().to_string();
        assert!(error.contains(&format!("LEDGER_DAMAGED: line {line} ")), "{error}");
        assert_eq!(std::fs::read_to_string(scratch.workspace().join("events.jsonl")).unwrap(), ledger);
        assert!(!scratch.workspace().join("format.json").exists(), "nothing says that it is of a newer format");
    }
}

/// A crash between any two steps of a migration leaves what the next migration finishes.
#[test]
fn a_migration_that_was_cut_short_is_finished_by_the_next_one() {
    let scratch = Scratch::new();
    old_workspace(&scratch, OLD);
    Workspace::migrate(&scratch.workspace(), Options::default()).unwrap();
    let path = |name: &str| scratch.workspace().join(name);
    let (new, format) = (std::fs::read(path("events.jsonl")).unwrap(), std::fs::read(path("format.json")).unwrap());
    for ledger in [OLD.as_bytes(), &new] {
        std::fs::write(path("events.jsonl"), ledger).unwrap();
        std::fs::write(path("format.json"), "{\"format\":1,\"minimum\":2,\"tool\":\"x\"}").unwrap();
        std::fs::remove_file(path("events.watermark")).ok();
        assert_eq!(
            Workspace::open(&scratch.workspace()).err(),
            Some(Error::Format(Status::NeedsMigration { from: 1 }))
        );
        assert_eq!(Workspace::migrate(&scratch.workspace(), Options::default()).unwrap().events, 2);
        assert_eq!(std::fs::read(path("events.jsonl")).unwrap(), new);
        assert_eq!(keys(&Workspace::open(&scratch.workspace()).unwrap()), ["", ""]);
        assert_eq!(std::fs::read(path("format.json")).unwrap(), format);
    }
}

#[test]
fn a_workspace_of_a_newer_program_is_left_alone() {
    let scratch = Scratch::new();
    drop(Workspace::init(&scratch.workspace()).unwrap());
    let format = scratch.workspace().join("format.json");
    std::fs::write(&format, "{\"format\":7,\"minimum\":7,\"tool\":\"later\"}").unwrap();
    let refused = Some(Error::Format(Status::TooNew { minimum: 7 }));
    assert_eq!(Workspace::open(&scratch.workspace()).err(), refused);
    assert_eq!(Workspace::migrate(&scratch.workspace(), Options::default()).err(), refused);
    assert_eq!(Workspace::init(&scratch.workspace()).err(), refused);
    std::fs::write(&format, "{\"format\":7,\"minimum\":2,\"tool\":\"later\"}").unwrap();
    assert!(Workspace::open(&scratch.workspace()).is_ok(), "what the newer format adds does no harm to us");
}

#[test]
fn the_projection_is_brought_up_to_date_and_made_again_when_it_is_not_of_this_ledger() {
    let scratch = Scratch::new();
    let workspace = Workspace::init(&scratch.workspace()).unwrap();
    let project = || {
        let projected = workspace.project().unwrap();
        (projected.events, projected.added, projected.rebuilt)
    };
    assert_eq!(project(), (0, 0, false));
    workspace.append(&[event("a"), event("b")]).unwrap();
    assert_eq!(project(), (2, 2, false));
    workspace.append(&[event("c")]).unwrap();
    assert_eq!(project(), (3, 1, false));
    assert_eq!(project(), (3, 0, false));
    let path = scratch.workspace().join("projection.sqlite");
    let sqlite = rusqlite::Connection::open(&path).unwrap();
    let sum: u32 = sqlite.query_row("SELECT sum(payload ->> 'sum') FROM events", [], |row| row.get(0)).unwrap();
    assert_eq!(sum, 9);
    sqlite.execute("UPDATE applied SET crc = crc + 1", []).unwrap();
    drop(sqlite);
    assert_eq!(project(), (3, 3, true), "of another ledger");
    std::fs::write(&path, "not a database at all, and long enough to be looked at").unwrap();
    assert_eq!(project(), (3, 3, true), "damaged");
    std::fs::remove_file(&path).unwrap();
    assert_eq!(project(), (3, 3, false), "deleted");
}

/// The kernel itself says that there is no space: nothing is acknowledged that is not there, and nothing is lost.
#[test]
fn a_full_disk_refuses_and_relieved_it_goes_on() {
    let mut disk = match SmallDisk::new(1 << 20) {
        Ok(disk) => disk,
        Err(skipped) => return eprintln!("skipped: {skipped}"),
    };
    let path = disk.data_dir().join("w");
    let workspace = Workspace::init(&path).unwrap();
    workspace.append(&[event("before")]).unwrap();
    disk.fill().unwrap();
    let long = local::NewEvent { payload: format!("\"{}\"", "x".repeat(8_000)), ..event("refused") };
    for _ in 0..3 {
        let refused = workspace.append(std::slice::from_ref(&long)).unwrap_err().to_string();
        assert!(refused.contains("ENOSPC"), "{refused}");
    }
    let refused = workspace.save("totals", &"x".repeat(8_000).into()).unwrap_err().to_string();
    assert!(refused.contains("ENOSPC"), "{refused}");
    assert!(workspace.snapshot(Some("s")).is_err());
    assert_eq!(workspace.snapshots(), Ok(Vec::new()));
    assert_eq!(keys(&workspace), ["before"]);
    disk.relieve().unwrap();
    assert_eq!(workspace.append(&[event("after")]), Ok(2..3));
    assert_eq!(keys(&workspace), ["before", "after"]);
    assert_eq!(workspace.load("totals"), Ok(None));
}
