//! Where a run first departs from a recorded one: event, time, process, field, and both sides.

use super::Recording;
use super::sample::{DEEDS_MAX, Deeds, Sample, Samples, deed_words};
use crate::scenario::Scenario;
use crate::verdict::Seconds;
use contract::Time;
use kernel::{Note, World};
use serde::Serialize;

/// The first departure of a run from a recorded one. Its keys are part of the command line's contract.
#[derive(Serialize)]
pub struct Divergence {
    /// The first sampled event that differs.
    pub event: u64,
    /// The last event that is known to be equal; 0 for none.
    pub equal_until: u64,
    /// When: the earlier of both, in true virtual time.
    pub at: Seconds,
    /// The process that handled it, as recorded; a node for faults.
    pub process: String,
    /// What differs.
    pub field: &'static str,
    /// What was recorded.
    pub recorded: String,
    /// What happened instead.
    pub happened: String,
}

impl Divergence {
    /// For people, a sentence a line.
    pub fn lines(&self) -> Vec<String> {
        let Divergence { event, equal_until, at: Seconds(at), process, field, recorded, happened } = self;
        let from = match event - equal_until {
            0 | 1 => String::new(),
            _ if *equal_until == 0 => ", or before it: that was not recorded".to_owned(),
            _ => format!(", or between it and event {equal_until}: that was not recorded"),
        };
        vec![
            format!("it first diverges at event {event}, {} of {process}, in its {field}{from}", Time(*at)),
            format!("  recorded: {recorded}"),
            format!("  happened: {happened}"),
        ]
    }
}

/// The first departure; `None` if nothing departs.
pub fn first(recorded: &Recording, scenario: &Scenario, world: &World) -> Option<Divergence> {
    let then = &recorded.samples;
    let now = Samples::of(scenario, world, then.every);
    let start = match (then.all.is_empty(), now.all.is_empty()) {
        (false, false) => then.first.max(now.first),
        // Less than one sample: only the ends can be compared.
        _ => u64::MAX,
    };
    let mut equal_until = 0;
    for event in (0_u64..).map_while(|nth| start.checked_add(nth.checked_mul(then.every)?)) {
        let sides = (then.get(event), now.get(event));
        let (Some(one), Some(two)) = sides else {
            let side = |samples: &Samples, sample: Option<&Sample>| sample.map(|it| (samples.place(it), it.at));
            let place = side(then, sides.0).or(side(&now, sides.1));
            return end(recorded, world, place, event, equal_until);
        };
        if let Some((field, recorded, happened)) = differ(then, one, (&now, two, world, event)) {
            let (at, process) = (Seconds(one.at.min(two.at)), then.word(one.process).to_owned());
            return Some(Divergence { event, equal_until, at, process, field, recorded, happened });
        }
        equal_until = event;
    }
    None
}

/// One run has no such event, or neither has one: they have come to their ends.
fn end(
    recorded: &Recording,
    world: &World,
    place: Option<(String, u64)>,
    event: u64,
    equal_until: u64,
) -> Option<Divergence> {
    let now = (world.events(), world.fingerprint());
    if now == (recorded.events, recorded.fingerprint) {
        return None;
    }
    let (process, at) = place.unwrap_or_else(|| ("the whole run".to_owned(), world.now().0));
    let words = |(events, fingerprint): (u64, u64)| format!("{events} events, fingerprint {fingerprint:016x}");
    Some(Divergence {
        event: event.min(now.0.max(recorded.events)),
        equal_until,
        at: Seconds(at),
        process,
        field: "end",
        recorded: words((recorded.events, recorded.fingerprint)),
        happened: words(now),
    })
}

/// The first field, in the order of a reader's interest, in which two samples of one event differ, and both sides.
fn differ(
    then: &Samples,
    one: &Sample,
    (now, two, world, event): (&Samples, &Sample, &World, u64),
) -> Option<(&'static str, String, String)> {
    let words = |place: fn(&Sample) -> u32| then.word(place(one)) != now.word(place(two));
    let fields = [
        ("process", words(|it| it.process)),
        ("kind", words(|it| it.what)),
        ("protocol", words(|it| it.protocol)),
        ("sender", words(|it| it.other)),
        ("number", one.tag != two.tag),
        ("time", one.at != two.at),
        ("cause", one.cause != two.cause),
        ("content", one.digest != two.digest),
        ("past: effects that no sample shows", one.fingerprint != two.fingerprint),
    ];
    if let Some((field, _)) = fields.into_iter().find(|(_, differs)| *differs) {
        let side = |samples: &Samples, it: &Sample| format!("{}: {}", samples.place(it), samples.phrase(it));
        return Some((field, side(then, one), side(now, two)));
    }
    // Disk calls take time: another one gives the rest other times.
    let deeds: [(_, _, _, IsKind); 3] = [
        ("disk calls", &one.disk, &two.disk, |note| matches!(note, Note::Disk(_))),
        ("facts stated", &one.marks, &two.marks, |note| matches!(note, Note::Mark { .. })),
        ("messages sent", &one.sent, &two.sent, |note| matches!(note, Note::Sent { .. })),
    ];
    let differs = |before: &Deeds, after: &Deeds| (before.count, before.digest) != (after.count, after.digest);
    let (field, before, after, kind) = deeds.into_iter().find(|(_, before, after, _)| differs(before, after))?;
    Some((field, remembered(then, before), told(world, event, after, kind)))
}

/// Whether a note is of one kind of deeds.
type IsKind = fn(&Note) -> bool;

/// What a recording knows of deeds: the first of them without their times, and a digest.
fn remembered(samples: &Samples, deeds: &Deeds) -> String {
    let words: Vec<String> = deeds.words.iter().map(|word| samples.word(*word).to_owned()).collect();
    listed(&words, deeds.count, Some(deeds.digest))
}

/// What the handler of an event did, of one kind.
fn told(world: &World, event: u64, deeds: &Deeds, kind: IsKind) -> String {
    let notes = world.happenings().find(|it| it.event == event).map(|it| it.notes).unwrap_or_default();
    let words: Vec<String> =
        notes.iter().filter(|note| kind(note)).take(DEEDS_MAX).map(|note| deed_words(world, note)).collect();
    listed(&words, deeds.count, None)
}

fn listed(words: &[String], count: u32, digest: Option<u16>) -> String {
    if words.is_empty() {
        return "none".to_owned();
    }
    let rest = (count as usize).saturating_sub(words.len());
    let more = if rest == 0 { String::new() } else { format!("; and {rest} more") };
    let digest = digest.map_or_else(String::new, |digest| format!(" (with times and contents: digest {digest:04x})"));
    format!("{}{more}{digest}", words.join("; "))
}
