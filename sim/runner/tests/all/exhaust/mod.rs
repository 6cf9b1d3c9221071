//! The exhaustive mode: right protocols pass under every profile, each wrong one is caught by a short sequence.
//! And `stormproof exhaust`, over one of each.

mod log;
mod register;
mod slots;

use crate::fixture::{command, registry};
use contract::file_protocol::Event;
use contract::{Disk, DiskError, File, FileProtocol, Open};
use kernel::Profile;
use runner::exhaust::{Failure, Options, Report, Subject, explore};
use runner::{Exit, Registry};
use serde_json::Value;
use std::sync::Arc;

/// Sequences of up to three operations, as long as CrashMonkey's.
fn run<P: FileProtocol>(protocol: &P, profile: Profile) -> Report {
    explore(protocol, &Options { profile, ..Options::default() }, &mut |_| {})
}

/// It must hold under every profile, with all that was to be tried.
fn assert_right<P: FileProtocol>(protocol: &P) {
    for (word, profile) in Profile::ALL {
        let report = run(protocol, profile);
        assert_eq!(report.failure, None, "{} under {word}", protocol.name());
        assert_eq!(report.counts.omitted, 0, "{} under {word}", protocol.name());
        assert!(report.counts.sequences > 3 && report.counts.states > 10, "{:?}", report.counts);
    }
}

/// It must be caught by three operations or fewer, each time in the same way.
fn caught<P: FileProtocol>(protocol: &P, profile: Profile) -> Failure {
    let failure = run(protocol, profile).failure;
    let failure = failure.unwrap_or_else(|| panic!("{} passes under {profile:?}", protocol.name()));
    assert!(failure.steps.len() <= 3, "{failure:#?}");
    assert_eq!(run(protocol, profile).failure.as_ref(), Some(&failure), "equal searches find equal failures");
    failure
}

/// Counts appended bytes in a file.
struct Counter {
    name: &'static str,
    syncs: bool,
}

impl Counter {
    fn append(&self, file: File, disk: &mut Disk<'_>) -> Result<(), DiskError> {
        disk.append_all(file, b"x")?;
        if self.syncs { disk.sync(file) } else { Ok(()) }
    }
}

impl FileProtocol for Counter {
    type Op = &'static str;
    type Ack = &'static str;
    type State = File;
    type Found = usize;
    /// At least so many, and one more if one was cut short.
    type Model = (usize, usize);

    fn name(&self) -> &'static str {
        self.name
    }
    fn about(&self) -> &'static str {
        "counts"
    }
    fn operations(&self, _: usize) -> Vec<&'static str> {
        vec!["count"]
    }
    fn recover(&self, disk: &mut Disk<'_>) -> Result<(File, usize), String> {
        let start = |disk: &mut Disk<'_>| {
            let file = disk.open("counter", Open::Create)?;
            disk.sync(file)?;
            disk.sync_dir(".")?;
            Ok((file, disk.read_all(file)?.len()))
        };
        start(disk).map_err(|error: DiskError| error.to_string())
    }
    fn apply(&self, file: &mut File, _: &&'static str, disk: &mut Disk<'_>) -> Result<&'static str, String> {
        match self.append(*file, disk) {
            Ok(()) => Ok("counted"),
            Err(error) => Err(error.to_string()),
        }
    }
    fn judge(&self, (sure, cut): &mut (usize, usize), event: Event<'_, Self>) -> Result<(), String> {
        match event {
            Event::Acknowledged(..) => *sure += 1,
            Event::Cut(_) => *cut += 1,
            Event::Found(found) if !(*sure..=*sure + *cut).contains(found) => {
                return Err(format!("{sure} were counted"));
            }
            Event::Found(found) => (*sure, *cut) = (*found, 0),
        }
        Ok(())
    }
}

fn counters() -> Registry {
    let counter = |name, syncs| -> Arc<dyn Subject> { Arc::new(Counter { name, syncs }) };
    Registry { file_protocols: vec![counter("careful", true), counter("hasty", false)], ..registry() }
}

#[test]
fn without_a_name_the_protocols_are_listed() {
    let printed = command(&counters(), &["exhaust"]);
    assert_eq!((printed.exit, printed.err.as_str()), (Exit::Passed, ""));
    assert!(printed.out.contains("careful") && printed.out.contains("hasty"), "{}", printed.out);
    let list: Value = serde_json::from_str(&command(&counters(), &["exhaust", "--json"]).out).unwrap();
    assert_eq!(list[1]["name"], "hasty");
}

#[test]
fn a_careful_protocol_passes_under_every_profile() {
    let printed = command(&counters(), &["exhaust", "careful", "--profile", "all"]);
    assert_eq!(printed.exit, Exit::Passed, "{}", printed.out);
    assert_eq!(printed.out.matches("RECOVERED").count(), Profile::ALL.len(), "{}", printed.out);
    assert!(
        printed.out.contains("careful  up to 3 operations, one call refused, under ext4-noauto"),
        "{}",
        printed.out
    );
}

#[test]
fn a_hasty_protocol_exits_1_with_the_shortest_sequence_and_the_state_of_the_disk() {
    let printed = command(&counters(), &["exhaust", "hasty"]);
    assert_eq!(printed.exit, Exit::Violated);
    for line in [
        "NOT RECOVERED  first, and with no shorter sequence:",
        "1. \"count\" -> \"counted\"",
        "power loss after operation 1 was acknowledged",
        "write of bytes 0..1 in counter: lost",
        "the recovery read back 0",
        "1 were counted",
    ] {
        assert!(printed.out.contains(line), "{line}:\n{}", printed.out);
    }
    let replay = printed.out.lines().last().unwrap();
    assert!(replay.ends_with("exhaust hasty --length 3 --profile posix-min"), "{replay}");
}

#[test]
fn json_has_exactly_the_published_keys_and_all_names_all() {
    let printed = command(&counters(), &["exhaust", "all", "--length", "1", "--json"]);
    assert_eq!(printed.exit, Exit::Violated);
    let objects: Vec<Value> = printed.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let keys: Vec<&str> = objects[0].as_object().unwrap().keys().map(String::as_str).collect();
    let mut published = [
        "protocol",
        "profile",
        "length",
        "refusals",
        "states_max",
        "verdict",
        "exit",
        "sequences",
        "points",
        "states",
        "recoveries",
        "second",
        "omitted",
        "wall_time",
        "failure",
    ];
    published.sort_unstable();
    assert_eq!(keys, published);
    assert_eq!((&objects[0]["verdict"], &objects[0]["failure"]), (&"passed".into(), &Value::Null));
    let failure = &objects[1]["failure"];
    assert_eq!(failure["crash"]["changes"][0], "write of bytes 0..1 in counter: lost");
    assert_eq!((&failure["found"], &failure["second_crash"]), (&"0".into(), &Value::Null));
}

#[test]
fn states_left_out_are_no_certificate() {
    let printed = command(&counters(), &["exhaust", "careful", "--states", "1"]);
    assert_eq!(printed.exit, Exit::Vacuous, "{}", printed.out);
    assert!(printed.out.contains("CUT SHORT") && !printed.out.contains("RECOVERED"), "{}", printed.out);
}

#[test]
fn what_is_not_known_exits_2_and_names_what_is() {
    let printed = command(&counters(), &["exhaust", "nothing"]);
    assert_eq!(printed.exit, Exit::Usage);
    assert!(printed.err.contains("no file protocol `nothing`; known: careful, hasty"), "{}", printed.err);
    let printed = command(&counters(), &["exhaust", "careful", "--profile", "zfs"]);
    assert_eq!(printed.exit, Exit::Usage);
    assert!(printed.err.contains("known: posix-min, ext4-ordered"), "{}", printed.err);
    let help = command(&counters(), &["exhaust", "--help"]);
    assert!(help.exit == Exit::Passed && help.out.contains("stormproof exhaust all --length 3 --profile all"));
}
