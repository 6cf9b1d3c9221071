//! Where two runs first part, found by comparing them event by event, part by part.

use super::model::{Deed, Effect, Event, Run};
use contract::Time;
use kernel::What;

/// The first difference of a failing run from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// When, in nanoseconds: the earlier of the two events.
    pub at: u64,
    /// The failing run's event; `None` where it has ended.
    pub here: Option<usize>,
    /// The other run's event.
    pub there: Option<usize>,
    /// What differs.
    pub part: &'static str,
    /// The failing run's side, in words.
    pub here_says: String,
    /// The other side.
    pub there_says: String,
}

/// The first difference in what processes did and met. That a fault begins or ends is no difference by
/// itself: what it does to a process is.
pub fn first(here: &Run, there: &Run) -> Option<Difference> {
    let of_processes = |run: &Run| {
        let wanted = |index: &usize| !matches!(run.events[*index].what, What::Strike | What::Relief);
        (0..run.events.len()).filter(wanted).collect::<Vec<usize>>()
    };
    let (ours, theirs) = (of_processes(here), of_processes(there));
    for place in 0..ours.len().max(theirs.len()) {
        let (one, two) = (ours.get(place).copied(), theirs.get(place).copied());
        let found = match (one, two) {
            (Some(one), Some(two)) => differ((here, one), (there, two)),
            (Some(one), None) => Some(("end", event_words(here, one), "it is over".to_owned())),
            (None, Some(two)) => Some(("end", "it is over".to_owned(), event_words(there, two))),
            (None, None) => None,
        };
        if let Some((part, here_says, there_says)) = found {
            let times = [one.map(|one| here.events[one].at), two.map(|two| there.events[two].at)];
            let at = times.into_iter().flatten().min().unwrap_or_default();
            return Some(Difference { at, here: one, there: two, part, here_says, there_says });
        }
    }
    None
}

/// The first part in which two events differ, with both sides in words.
fn differ((here, one): (&Run, usize), (there, two): (&Run, usize)) -> Option<(&'static str, String, String)> {
    let (a, b) = (&here.events[one], &there.events[two]);
    let sender = |event: &Event| event.message.as_ref().and_then(|message| message.from);
    let parts = [
        ("next event", a.what != b.what || a.process != b.process || sender(a) != sender(b)),
        ("time", a.at != b.at),
        ("content", a.digest != b.digest && a.what != What::Drop),
        ("cause", a.cause.is_some() != b.cause.is_some()),
    ];
    if let Some((part, _)) = parts.into_iter().find(|(_, differs)| *differs) {
        return Some((part, event_words(here, one), event_words(there, two)));
    }
    for place in 0..a.effects.len().max(b.effects.len()) {
        let (mine, other) = (a.effects.get(place), b.effects.get(place));
        let same = match (mine, other) {
            (Some(mine), Some(other)) => same_effect(mine, other),
            _ => false,
        };
        if !same {
            let words = |run: &Run, effect: Option<&Effect>| {
                effect
                    .map_or("nothing more".to_owned(), |effect| format!("{} at {}", effect.words(run), Time(effect.at)))
            };
            return Some((part_of(mine.or(other)), words(here, mine), words(there, other)));
        }
    }
    None
}

fn same_effect(one: &Effect, two: &Effect) -> bool {
    let same_deed = match (&one.deed, &two.deed) {
        (Deed::Send { identity: a, .. }, Deed::Send { identity: b, .. }) => a == b,
        (Deed::Disk(a), Deed::Disk(b)) => a == b,
        (Deed::Mark { text: a, .. }, Deed::Mark { text: b, .. }) => a == b,
        _ => false,
    };
    same_deed && one.at == two.at && one.taken_back == two.taken_back
}

fn part_of(effect: Option<&Effect>) -> &'static str {
    match effect.map(|effect| &effect.deed) {
        Some(Deed::Disk(_)) => "disk call",
        Some(Deed::Send { .. }) => "message sent",
        Some(Deed::Mark { .. }) => "fact stated",
        None => "what the handler did",
    }
}

/// An event in words, with its place and time.
pub fn event_words(run: &Run, index: usize) -> String {
    let event = &run.events[index];
    format!("{} {} at {}", run.place(event), phrase(run, event), Time(event.at))
}

/// What happened, as the rest of a sentence that begins with its place.
pub fn phrase(run: &Run, event: &Event) -> String {
    let message = |verb: &str| match &event.message {
        Some(message) => format!("{verb} {} from {}", run.kinds[message.kind], run.process_name(message.from)),
        None => format!("{verb} a message"),
    };
    let way = || event.message.as_ref().map(|message| rounded(event.at.saturating_sub(message.sent)));
    let window = event.window.map(|window| run.windows[window].name(run)).unwrap_or_default();
    match event.what {
        What::Deliver => format!("{} after {}", message("receives"), way().unwrap_or_default()),
        What::Drop => message("never gets"),
        What::Refuse => format!("refuses the message: {}", event.text),
        What::Timer => format!("timer {} fires", event.tag),
        What::Boot => format!("starts for the {} time", ordinal(event.tag)),
        What::Halt => format!("halts: {}", event.text),
        What::Crash => {
            let by: Vec<String> = event.met.iter().map(|window| run.windows[*window].name(run)).collect();
            if by.is_empty() { "is killed".to_owned() } else { format!("is killed by {}", by.join(", ")) }
        }
        What::Strike => format!("fault begins: {window}"),
        What::Relief => format!("fault ends: {window}"),
    }
}

/// A duration with three digits, for reading.
fn rounded(nanos: u64) -> String {
    let (unit, name) = match nanos {
        0..1_000 => return format!("{nanos} ns"),
        1_000..1_000_000 => (1e3, "us"),
        1_000_000..1_000_000_000 => (1e6, "ms"),
        _ => (1e9, "s"),
    };
    let value = nanos as f64 / unit;
    let digits = if value >= 100.0 { 0 } else { 1 + usize::from(value < 10.0) };
    format!("{value:.digits$} {name}")
}

fn ordinal(number: u32) -> String {
    let ending = match (number % 100, number % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

#[cfg(test)]
mod tests {
    use super::{ordinal, rounded};

    #[test]
    fn durations_have_three_digits() {
        let shown: Vec<String> = [7, 1_234, 56_789, 123_456_789, 1_962_525_000].map(rounded).into();
        assert_eq!(shown, ["7 ns", "1.23 us", "56.8 us", "123 ms", "1.96 s"]);
    }

    #[test]
    fn ordinals_have_their_endings() {
        let shown: Vec<String> = [1, 2, 3, 4, 11, 12, 21, 112, 123].map(ordinal).into();
        assert_eq!(shown, ["1st", "2nd", "3rd", "4th", "11th", "12th", "21st", "112th", "123rd"]);
    }
}
