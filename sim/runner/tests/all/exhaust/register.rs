//! One value in one file, replaced in right and in wrong ways.

use super::{assert_right, caught, run};
use contract::file_protocol::Event;
use contract::{Disk, DiskError, FileProtocol, Open};
use kernel::Profile;
use std::collections::BTreeSet;

const NAME: &str = "value";
const DRAFT: &str = "value.new";
/// A value fills two sectors, so that a write of it can be torn.
const LEN: usize = 1024;

/// What is done, or left out, when the value is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Write a draft, sync it, rename it, sync the directory.
    Careful,
    /// The draft is not synced.
    NoFileSync,
    /// The directory is not synced.
    NoDirectorySync,
    /// The old value is unlinked before the draft gets its name.
    UnlinkFirst,
    /// The value is written over the old one and synced.
    InPlace,
    /// As careful, but a recovery reports what may not be durable.
    TrustsTheCache,
}

struct Register(Way);

/// The values that may be found.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Allowed(BTreeSet<u8>);

impl Default for Allowed {
    fn default() -> Self {
        Allowed(BTreeSet::from([0]))
    }
}

impl Register {
    fn set(&self, value: u8, disk: &mut Disk<'_>) -> Result<(), DiskError> {
        if self.0 == Way::InPlace {
            let file = disk.open(NAME, Open::Create)?;
            disk.write_at(file, 0, &[value; LEN])?;
            disk.sync(file)?;
            disk.close(file);
            return disk.sync_dir(".");
        }
        if disk.exists(DRAFT)? {
            disk.unlink(DRAFT)?;
        }
        let file = disk.open(DRAFT, Open::CreateNew)?;
        disk.append_all(file, &[value; LEN])?;
        if self.0 != Way::NoFileSync {
            disk.sync(file)?;
        }
        disk.close(file);
        if self.0 == Way::UnlinkFirst && disk.exists(NAME)? {
            disk.unlink(NAME)?;
        }
        disk.rename(DRAFT, NAME)?;
        if self.0 != Way::NoDirectorySync { disk.sync_dir(".") } else { Ok(()) }
    }

    fn start(&self, disk: &mut Disk<'_>) -> Result<u8, String> {
        let words = |error: DiskError| error.to_string();
        if !disk.exists(NAME).map_err(words)? {
            // The first value is made with care by all of them: what differs is how it is replaced.
            Register(Way::Careful).set(0, disk).map_err(words)?;
        }
        let file = disk.open(NAME, Open::Write).map_err(words)?;
        if self.0 != Way::TrustsTheCache {
            disk.sync(file).and_then(|()| disk.sync_dir(".")).map_err(words)?;
        }
        let bytes = disk.read_all(file).map_err(words)?;
        disk.close(file);
        match bytes.first() {
            Some(first) if bytes == [*first; LEN] => Ok(*first),
            _ => Err(format!("a torn value of {} bytes", bytes.len())),
        }
    }
}

impl FileProtocol for Register {
    type Op = u8;
    type Ack = ();
    type State = ();
    type Found = u8;
    type Model = Allowed;

    fn name(&self) -> &'static str {
        "register"
    }
    fn about(&self) -> &'static str {
        "one value in one file"
    }
    fn operations(&self, step: usize) -> Vec<u8> {
        vec![step as u8 + 1]
    }
    fn recover(&self, disk: &mut Disk<'_>) -> Result<((), u8), String> {
        Ok(((), self.start(disk)?))
    }
    fn apply(&self, (): &mut (), value: &u8, disk: &mut Disk<'_>) -> Result<(), String> {
        self.set(*value, disk).map_err(|error| error.to_string())
    }
    fn judge(&self, Allowed(allowed): &mut Allowed, event: Event<'_, Self>) -> Result<(), String> {
        match event {
            Event::Acknowledged(value, ()) => *allowed = BTreeSet::from([*value]),
            Event::Cut(value) => _ = allowed.insert(*value),
            Event::Found(value) if !allowed.contains(value) => return Err(format!("{value} is not in {allowed:?}")),
            Event::Found(value) => *allowed = BTreeSet::from([*value]),
        }
        Ok(())
    }
}

#[test]
fn a_careful_replacement_is_right_under_every_profile() {
    assert_right(&Register(Way::Careful));
}

#[test]
fn a_rename_of_a_file_that_was_not_synced_is_caught() {
    let failure = caught(&Register(Way::NoFileSync), Profile::PosixMin);
    assert_eq!(failure.steps.len(), 1, "{failure:#?}");
    assert!(failure.crash.unwrap().place.starts_with("power loss in operation 1, after `rename value.new -> value`"));
}

#[test]
fn a_rename_that_relies_on_auto_da_alloc_is_right_where_that_is_on_and_nowhere_else() {
    let relies = Register(Way::NoFileSync);
    for (profile, right) in [
        (Profile::Ext4Ordered, true),
        (Profile::Strict, true),
        (Profile::Ext4Noauto, false),
        (Profile::BtrfsLike, false),
        (Profile::PosixMin, false),
    ] {
        let failure = run(&relies, profile).failure;
        assert_eq!(failure.is_none(), right, "{profile:?}: {failure:#?}");
    }
}

#[test]
fn a_rename_whose_directory_was_not_synced_is_caught_under_every_profile() {
    for (_, profile) in Profile::ALL {
        let failure = caught(&Register(Way::NoDirectorySync), profile);
        assert_eq!(failure.steps, ["1. 1 -> ()"]);
        let crash = failure.crash.unwrap();
        assert_eq!(crash.place, "power loss after operation 1 was acknowledged");
        assert!(
            crash.changes.contains(&"remove value.new, replace value in .: lost".to_owned()),
            "{:?}",
            crash.changes
        );
        assert_eq!(failure.why, "0 is not in {1}");
    }
}

#[test]
fn an_old_value_that_is_unlinked_first_is_caught() {
    let failure = caught(&Register(Way::UnlinkFirst), Profile::PosixMin);
    // The first operation replaces the value that a start makes if there is none. The death of the process is
    // enough: nothing has to be lost.
    assert_eq!(failure.crash.unwrap().place, "death of the process in operation 2, after `unlink value`");
}

#[test]
fn overwriting_in_place_is_caught_where_sectors_tear() {
    for profile in [Profile::PosixMin, Profile::Ext4Ordered, Profile::Ext4Noauto] {
        let failure = caught(&Register(Way::InPlace), profile);
        assert!(failure.found.contains("torn value"), "{failure:#?}");
        assert!(failure.crash.unwrap().changes[0].contains("write of bytes 0..1024 in value: torn"));
    }
    assert_eq!(run(&Register(Way::InPlace), Profile::Strict).failure, None);
}

#[test]
fn a_recovery_that_reports_what_only_the_page_cache_has_is_caught_by_a_second_crash() {
    let failure = caught(&Register(Way::TrustsTheCache), Profile::PosixMin);
    assert!(failure.crash.unwrap().place.starts_with("death of the process"));
    assert_eq!(failure.second.unwrap().place, "power loss after the recovery");
    assert_eq!(failure.why, "0 is not in {1}");
}
