//! Links between two nodes: connections and their buffers.

use super::{Experiment, Run, Shown, usual};
use contract::NodeId;
use kernel::{FaultKind, Span};
use std::collections::BTreeSet;

pub const ALL: &[Experiment] = &[
    usual(FaultKind::Clog, clog),
    usual(FaultKind::Swizzle, swizzle),
    usual(FaultKind::Reset, reset),
    usual(FaultKind::HalfOpen, half_open),
    usual(FaultKind::SlowReceiver, slow_receiver),
];

/// When a probe heard its notes, in order.
fn arrivals(run: &Run, process: u32) -> Vec<u64> {
    run.marks(process, "probe.heard").map(|seen| seen.at.0).collect()
}

/// The longest silence at a probe, in milliseconds.
fn silence(run: &Run, process: u32) -> u64 {
    arrivals(run, process).windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0) / 1_000_000
}

/// The most notes that a probe heard within the spread of the usual latencies.
fn burst(run: &Run, process: u32) -> usize {
    let at = arrivals(run, process);
    (0..at.len()).map(|start| at[start..].partition_point(|time| time - at[start] < 6_000_000)).max().unwrap_or(0)
}

/// The serials that a probe never heard, below the last one it did.
fn missing(run: &Run, process: u32) -> Vec<u64> {
    let heard: BTreeSet<u64> = run.heard(process).into_iter().collect();
    (1..=heard.last().copied().unwrap_or(0)).filter(|serial| !heard.contains(serial)).collect()
}

fn clog() -> Shown {
    let run = Run::of(FaultKind::Clog, 19, |_| {});
    let (silence, burst) = (silence(&run, 1), burst(&run, 1));
    assert!(silence >= 200, "silence while it is clogged");
    assert!(burst >= 8, "then many notes within the spread of the latencies: {burst}");
    assert!(missing(&run, 1).len() < 40, "none is lost but those still held");
    run.others_are_well();
    run.shown(format!("silence of {silence} ms, then {burst} notes within 6 ms, none lost"))
}

/// Where a node's clog begins and ends shows in what its neighbour hears from it.
fn swizzle() -> Shown {
    let run = Run::of(FaultKind::Swizzle, 23, |spec| {
        spec.lasts = Span::millis(900, 1_500);
        spec.targets = (0..4).map(NodeId).collect();
    });
    let silent: Vec<u32> = (0..4).filter(|node| silence(&run, *node) >= 200 && burst(&run, *node) >= 8).collect();
    assert!(silent.len() == 4, "each link is clogged at times: {silent:?}");
    let lost: usize = (0..4).map(|node| missing(&run, node).len()).sum();
    assert!(lost < 200, "none is lost but those still held: {lost}");
    let (orders, alone) = freed_in_another_order(&run);
    assert!(orders > 3, "links fall silent in one order and are freed in another: {orders} times");
    run.shown(format!(
        "{orders} pairs of links fall silent in one order and speak again in the other, {alone} in the same"
    ))
}

/// Of the overlapping silences of two links: how many end in another order than they began, and how many in the same.
fn freed_in_another_order(run: &Run) -> (usize, usize) {
    let mut silences = Vec::new();
    for node in 0..4 {
        let at = arrivals(run, node);
        silences.extend(at.windows(2).filter(|pair| pair[1] - pair[0] > 150_000_000).map(|pair| (pair[0], pair[1])));
    }
    let (mut other, mut same) = (0, 0);
    for (place, a) in silences.iter().enumerate() {
        for b in &silences[place + 1..] {
            let (begins, ends) = (a.0.abs_diff(b.0), a.1.abs_diff(b.1));
            // Clear of the latencies, and at the same time.
            if a.0 < b.1 && b.0 < a.1 && begins > 30_000_000 && ends > 30_000_000 {
                *(if (a.0 < b.0) == (a.1 < b.1) { &mut same } else { &mut other }) += 1;
            }
        }
    }
    (other, same)
}

fn reset() -> Shown {
    let run = Run::of(FaultKind::Reset, 24, |spec| {
        spec.every = Span::millis(50, 150);
        spec.lasts = Span::millis(1, 5);
    });
    let lost = run.world.trace().iter().filter(|line| line.what == "drop").count();
    let unheard = missing(&run, 0).len() + missing(&run, 1).len();
    assert!(lost as u64 == run.count.fired && unheard + 2 >= lost, "{lost} lost, {unheard} unheard, {:?}", run.count);
    let broken: Vec<String> = run.world.trace().into_iter().filter_map(|line| broken_after(&line.detail)).collect();
    assert!(broken.len() > 10 && broken.len() as u64 <= run.count.fired, "{} frames were cut", broken.len());
    let places: BTreeSet<&String> = broken.iter().collect();
    assert!(places.len() > 5, "at different bytes: {places:?}");
    assert!(missing(&run, 2).is_empty() && missing(&run, 3).is_empty(), "other connections hold");
    run.others_are_well();
    run.shown(format!("{lost} notes lost under way, {} of them cut at {} different bytes", broken.len(), places.len()))
}

/// The bytes of a frame that came through, as the trace tells it.
fn broken_after(detail: &str) -> Option<String> {
    detail.split_once("broke after ").map(|(_, rest)| rest.split(' ').next().unwrap_or_default().to_owned())
}

const BUFFER: u64 = 4;

fn half_open() -> Shown {
    let run = Run::with(FaultKind::HalfOpen, 25, |_| {}, |settings| settings.network.buffer = BUFFER as usize);
    let (lost, late) = (missing(&run, 0).len() + missing(&run, 1).len(), burst(&run, 0).max(burst(&run, 1)));
    assert!(lost as u64 <= run.count.asked * BUFFER, "the send buffer's content is lost: {lost}");
    assert!((lost as u64).is_multiple_of(BUFFER) && lost > 0, "all of it: {lost}");
    assert!(late > 4, "the rest goes over the next connection: {late}");
    // One direction at a time: while one is silent the other is not.
    assert!(silence(&run, 0) >= 200 && silence(&run, 1) >= 200);
    let both = both_silent(&run);
    assert!(both == 0, "{both} times both directions were silent");
    run.others_are_well();
    run.shown(format!("{lost} notes lost in send buffers of {BUFFER}, then up to {late} at once; the other way works"))
}

/// Silences of one direction of the struck node's links during which nothing passed in the other.
fn both_silent(run: &Run) -> usize {
    let silences = |process: u32| -> Vec<(u64, u64)> {
        arrivals(run, process)
            .windows(2)
            .map(|pair| (pair[0], pair[1]))
            .filter(|pair| pair.1 - pair.0 > 150_000_000)
            .collect()
    };
    let (a, b) = (silences(0), silences(1));
    a.iter().filter(|a| b.iter().any(|b| a.0.max(b.0) + 50_000_000 < a.1.min(b.1))).count()
}

fn slow_receiver() -> Shown {
    let strong = |spec: &mut kernel::FaultSpec| spec.amount = Span::millis(40, 80);
    let run = Run::with(FaultKind::SlowReceiver, 26, strong, |settings| settings.network.buffer = BUFFER as usize);
    let lost = missing(&run, 0);
    assert!(lost.len() > 20, "what does not fit the buffer is lost: {}", lost.len());
    let wide = Run::of(FaultKind::SlowReceiver, 26, strong);
    assert!(missing(&wide, 0).is_empty(), "a wide buffer loses nothing");
    // A note takes 40 ms and more although one comes every 20.
    let slow = arrivals(&run, 0).windows(2).filter(|pair| pair[1] - pair[0] >= 40_000_000).count();
    assert!(slow > 50, "{slow} notes were waited for");
    assert!(missing(&run, 1).is_empty(), "what it sends is not lost");
    run.others_are_well();
    run.shown(format!(
        "{slow} notes taken 40 ms or more after the one before; {} overflow a buffer of {BUFFER}, 0 a wide one",
        lost.len()
    ))
}
