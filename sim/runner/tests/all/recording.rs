//! Recordings: what is written reads back, anything else is refused, and a replay names the first departure.

#![allow(clippy::disallowed_methods, reason = "a test makes its own files")]

use crate::fixture::{CALM, Folder, command, planted, registry, teller_padded, teller_without_defects};
use proptest::prelude::*;
use runner::recording::{Deeds, MAGIC, Recording, Refused, SAMPLES_MAX, Sample, Samples};
use runner::{Exit, Registry};
use serde_json::Value;

/// A scenario whose T01 is found by seed, recorded there.
struct Recorded {
    folder: Folder,
    file: String,
    recording: String,
    seed: String,
}

fn recorded(test: &str) -> Recorded {
    let folder = Folder::new(test);
    let file = folder.write("T01.toml", &planted("T01", ""));
    let recording = folder.path("T01.recording");
    for seed in (0..200).map(|seed| seed.to_string()) {
        let printed = command(&registry(), &["run", &file, "--seed", &seed, "--record", &recording]);
        if printed.exit == Exit::Violated {
            assert!(printed.err.contains("events in "), "{}", printed.err);
            return Recorded { folder, file, recording, seed };
        }
        assert!(printed.err.contains("nothing recorded") && !std::path::Path::new(&recording).exists());
    }
    panic!("T01 is found in 200 seeds");
}

fn replayed(registry: &Registry, recording: &str) -> (Exit, Value) {
    let printed = command(registry, &["replay", recording, "--json"]);
    (printed.exit, serde_json::from_str(&printed.out).unwrap_or_else(|_| panic!("{}{}", printed.out, printed.err)))
}

#[test]
fn an_unchanged_build_makes_the_recorded_run_again() {
    let Recorded { folder, file, recording, .. } = recorded("record-same");
    let printed = command(&registry(), &["replay", &recording]);
    assert_eq!(printed.exit, Exit::Violated);
    assert!(printed.out.contains("it still fails the same way\nthe fingerprint is equal"), "{}", printed.out);
    assert!(printed.out.contains("the run is the recorded one, event by event"), "{}", printed.out);
    assert!(printed.out.ends_with(&format!("replay: stormproof replay {recording}\n")), "{}", printed.out);
    assert_eq!(printed.err, "");

    // The file goes its own way; the recording has the text.
    std::fs::remove_file(&file).unwrap();
    let (exit, object) = replayed(&registry(), &recording);
    assert_eq!((exit, &object["failure"], &object["same_fingerprint"]), (Exit::Violated, &"same".into(), &true.into()));
    assert_eq!((&object["divergence"], &object["verdict"]), (&Value::Null, &"violated".into()));
    assert!(command(&registry(), &["replay", &recording]).err.contains("is not what was recorded"));
    drop(folder);
}

#[test]
fn a_changed_disk_call_is_the_first_departure_and_the_failure_still_holds() {
    let Recorded { recording, folder, file, seed } = recorded("record-pad");
    let mut changed = registry();
    changed.roles[0] = teller_padded();
    let (_, object) = replayed(&changed, &recording);
    let divergence = &object["divergence"];
    assert_eq!((&object["failure"], &object["same_fingerprint"]), (&"same".into(), &false.into()), "{object}");
    assert_eq!(divergence["field"], "disk calls", "{object}");
    // The first message that a teller gets is what it first writes.
    let trace = command(&registry(), &["run", &file, "--seed", &seed, "--trace"]).out;
    let first = trace.lines().find(|line| line.contains(" deliver ") && line.contains(" teller-")).unwrap();
    let [event, _, process] = first.split_whitespace().take(3).collect::<Vec<_>>()[..] else { panic!("{first}") };
    assert_eq!((divergence["event"].to_string().as_str(), &divergence["process"]), (event, &process.into()), "{first}");
    assert_eq!(divergence["equal_until"].as_u64(), divergence["event"].as_u64().map(|event| event - 1));
    let happened = divergence["happened"].as_str().unwrap();
    assert!(happened.starts_with("append numbers 17 bytes at "), "{happened}");
    assert!(divergence["recorded"].as_str().unwrap().starts_with("append numbers 16 bytes ("), "{object}");
    let text = command(&changed, &["replay", &recording]).out;
    let says = format!("it first diverges at event {event}, ");
    assert!(text.contains(&says) && text.contains(&format!("of {process}, in its disk calls\n  recorded: ")), "{text}");
    drop(folder);
}

/// Of a run longer than what a world keeps, only the last events are recorded.
#[test]
fn a_recording_without_its_beginning_is_compared_from_where_it_begins() {
    let Recorded { recording, folder, .. } = recorded("record-late");
    let mut late = Recording::decode(&std::fs::read(&recording).unwrap()).unwrap();
    let cut = late.samples.all.len() / 2;
    late.samples.all.drain(..cut);
    late.samples.first += cut as u64 * late.samples.every;
    std::fs::write(&recording, late.encode().unwrap()).unwrap();
    assert_eq!(replayed(&registry(), &recording).1["divergence"], Value::Null);
    let mut changed = registry();
    changed.roles[0] = teller_padded();
    let text = command(&changed, &["replay", &recording]).out;
    let says = format!("it first diverges at event {}, ", late.samples.first);
    assert!(text.contains(&says) && text.contains(", or before it: that was not recorded"), "{text}");
    drop(folder);
}

#[test]
fn a_cured_defect_is_gone() {
    let Recorded { recording, folder, .. } = recorded("record-gone");
    let mut cured = registry();
    cured.roles[0] = teller_without_defects();
    let (exit, object) = replayed(&cured, &recording);
    assert_eq!((exit, &object["failure"]), (Exit::Passed, &"gone".into()), "{object}");
    assert_eq!(object["divergence"]["field"], "disk calls");
    assert!(command(&cured, &["replay", &recording]).out.contains("it no longer fails\nthe fingerprint differs"));
    drop(folder);
}

#[test]
fn a_sweep_and_a_search_for_the_smallest_record_as_well() {
    let folder = Folder::new("record-others");
    let file = folder.write("T01.toml", &planted("T01", ""));
    let (first, small) = (folder.path("first.recording"), folder.path("small.recording"));
    let swept = command(&registry(), &["sweep", &file, "--seeds", "0..200", "--record", &first]);
    assert_eq!(swept.exit, Exit::Passed, "{}", swept.err);
    let seed = Recording::decode(&std::fs::read(&first).unwrap()).unwrap().seed;
    assert!(swept.out.contains(&format!("first seed {seed}\n")), "{}", swept.out);
    let out = folder.path("small.toml");
    let shrink = ["shrink", &file, "--seed", &seed.to_string(), "--out", &out, "--record", &small];
    assert_eq!(command(&registry(), &shrink).exit, Exit::Passed);
    for recording in [&first, &small] {
        let (exit, object) = replayed(&registry(), recording);
        assert_eq!((exit, &object["failure"], &object["divergence"]), (Exit::Violated, &"same".into(), &Value::Null));
    }
    let small = Recording::decode(&std::fs::read(&small).unwrap()).unwrap();
    assert_eq!((small.text, small.path), (std::fs::read_to_string(&out).unwrap(), out));
}

#[test]
fn a_long_run_is_sampled_and_still_compared() {
    let folder = Folder::new("record-long");
    let late = CALM.replace("liveness = \"30s\"", "liveness = \"1ns\"").replace("requests = 40", "requests = 90000");
    let fast = late.replace("count = 2", "count = 2\nrate = 200");
    let file = folder.write("late.toml", &format!("{fast}[swarm]\nsafety = false\n"));
    let recording = folder.path("late.recording");
    let printed = command(&registry(), &["run", &file, "--seed", "1", "--record", &recording]);
    assert_eq!(printed.exit, Exit::NotConverged, "{}", printed.err);
    let kept = Recording::decode(&std::fs::read(&recording).unwrap()).unwrap();
    assert!(kept.events > SAMPLES_MAX && kept.samples.all.len() as u64 <= SAMPLES_MAX, "{} events", kept.events);
    assert!(kept.samples.every.is_power_of_two() && kept.samples.every > 1);
    assert_eq!(replayed(&registry(), &recording).1["divergence"], Value::Null);
    let mut changed = registry();
    changed.roles[0] = teller_padded();
    let divergence = &replayed(&changed, &recording).1["divergence"];
    let (event, before) = (divergence["event"].as_u64().unwrap(), divergence["equal_until"].as_u64().unwrap());
    assert!(event > before && event - before <= kept.samples.every && event.is_multiple_of(kept.samples.every));
}

#[test]
fn a_run_that_does_not_repeat_is_not_recorded() {
    let folder = Folder::new("record-differs");
    let late = planted("T03", "").replace("liveness = \"30s\"", "liveness = \"1ns\"");
    let file = folder.write("T03.toml", &late.replace("requests = 40", "requests = 4000"));
    let recording = folder.path("T03.recording");
    let runs = (0..50)
        .map(|seed: u64| command(&registry(), &["run", &file, "--seed", &seed.to_string(), "--record", &recording]));
    let printed = runs.into_iter().find(|printed| printed.exit != Exit::Passed).expect("somebody waits in the end");
    assert_eq!(printed.exit, Exit::NotDeterministic, "{}", printed.out);
    assert!(printed.err.contains("went another way when it was recorded"), "{}", printed.err);
    assert!(!std::path::Path::new(&recording).exists());
}

#[test]
fn what_is_no_recording_is_refused_with_its_place_and_a_remedy() {
    let Recorded { recording, folder, .. } = recorded("record-refused");
    let whole = std::fs::read(&recording).unwrap();
    let mut newer = whole.clone();
    newer[7] = b'9';
    for (name, bytes, why) in [
        ("cut", &whole[..whole.len() - 1], "it is cut or damaged at byte"),
        ("empty", &[][..], "it does not begin with STORMRC1"),
        ("newer", &newer, "its layout has version `9`, this build reads 1"),
    ] {
        let path = folder.path(&format!("{name}.recording"));
        std::fs::write(&path, bytes).unwrap();
        let printed = command(&registry(), &["replay", &path]);
        assert_eq!(printed.exit, Exit::Usage);
        assert!(printed.err.contains(why) && printed.err.contains(&path), "{}", printed.err);
    }
}

fn samples() -> impl Strategy<Value = Samples> {
    let deeds = || {
        let listed = prop::collection::vec(0..3_u32, 0..4);
        (any::<u32>(), any::<u16>(), listed).prop_map(|(count, digest, words)| Deeds { count, digest, words })
    };
    let names = (0..3_u32, 0..3_u32, 0..3_u32, 0..3_u32, any::<u32>());
    let numbers = (any::<u64>(), any::<u64>(), any::<u32>(), any::<u32>());
    let sample = (names, numbers, deeds(), deeds(), deeds()).prop_map(|(names, numbers, sent, disk, marks)| {
        let (process, what, other, protocol, tag) = names;
        let (at, cause, digest, fingerprint) = numbers;
        Sample { at, process, what, other, protocol, tag, cause, digest, fingerprint, sent, disk, marks }
    });
    let words = || prop::collection::vec("\\PC{0,9}", 3..5);
    (1..9_u64, 1..1_000_u64, words(), prop::collection::vec(sample, 0..40)).prop_map(|(every, first, words, all)| {
        let first = if all.is_empty() { 0 } else { first * every };
        Samples { every, first, words, all }
    })
}

fn recordings() -> impl Strategy<Value = Recording> {
    let texts = ("\\PC{0,20}", "\\PC{0,90}", any::<u64>(), any::<Option<u8>>());
    (texts, any::<u64>(), 10_000..u64::MAX, samples()).prop_map(|(texts, fingerprint, events, samples)| {
        let (path, text, seed, signature) = texts;
        let signature = signature.map(|number| format!("oracle/K{number}"));
        Recording { path, text, seed, signature, fingerprint, events, samples }
    })
}

proptest! {
    #[test]
    fn a_recording_reads_back(recording in recordings()) {
        let bytes = recording.encode().expect("it is short");
        prop_assert_eq!(Recording::decode(&bytes), Ok(recording));
    }

    #[test]
    fn a_cut_recording_is_refused(recording in recordings(), cut in any::<prop::sample::Index>()) {
        let bytes = recording.encode().expect("it is short");
        prop_assert!(Recording::decode(&bytes[..cut.index(bytes.len())]).is_err());
    }

    #[test]
    fn a_recording_with_any_bit_flipped_is_refused(recording in recordings(), at in any::<prop::sample::Index>()) {
        let mut bytes = recording.encode().expect("it is short");
        let bit = at.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(Recording::decode(&bytes).is_err());
    }

    /// Whole records with any bodies: what is believed is what would be written.
    #[test]
    fn any_records_are_refused_or_read_as_what_they_say(
        head in prop::collection::vec(any::<u8>(), 1..80),
        rest in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..80), 0..3),
    ) {
        let mut bytes = MAGIC.to_vec();
        for body in std::iter::once(&head).chain(&rest) {
            contract::codec::write_record(body, &mut bytes).expect("it is short");
        }
        if let Ok(recording) = Recording::decode(&bytes) {
            let again = recording.encode().expect("what was read fits");
            prop_assert_eq!(Recording::decode(&again), Ok(recording));
        }
    }

    #[test]
    fn samples_that_no_run_has_are_refused(recording in recordings(), which in 0..5_u8) {
        prop_assume!(!recording.samples.all.is_empty());
        let mut lying = recording;
        match which {
            0 => lying.samples.every = 0,
            1 => lying.samples.words.truncate(0),
            2 => lying.samples.all[0].disk.words = vec![0; 9],
            3 => lying.events = lying.samples.first - 1,
            _ => lying.samples.first = u64::MAX,
        }
        let bytes = lying.encode().expect("it is short");
        prop_assert!(matches!(Recording::decode(&bytes), Err(Refused::Impossible(_))));
    }
}
