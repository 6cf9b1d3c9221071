//! What each seed makes of machines, disks and links where the file leaves them open.

use super::{Draws, below, rounded, scaled, stretched};
use crate::scenario::{Hardware, Scenario};
use crate::units::Bounds;
use kernel::{Profile, Span};
use rand_chacha::ChaCha8Rng;

/// Every n-th message moves as bytes: each, some, few, none.
const CODEC_SAMPLES: [u64; 4] = [1, 16, 64, 0];
/// The smallest drawn limit of process numbers: soon used again.
const PID_MAX_LEAST: u32 = 8;
/// Limits of process numbers are this many octaves wide: up to 4,096.
const PID_MAX_OCTAVES: u64 = 9;
/// No more zones than that are drawn.
const ZONES_MOST: u64 = 4;

/// The hardware of one seed. What the file says stays, and room on disks is drawn only within its spans: a
/// disk that is too small for the work would not be the system's fault.
pub fn draw(scenario: &Scenario, draws: Draws) -> Hardware {
    let mut drawn = scenario.hardware.clone();
    let open = |key: &'static str| {
        let is_open = scenario.swarm.capacities && !scenario.hardware.said.contains(key);
        is_open.then(|| draws.stream(&format!("hardware/{key}")))
    };
    let (network, disk) = (&mut drawn.network, &mut drawn.disk);
    for (key, span) in [
        ("latency", &mut network.latency),
        ("local", &mut network.local),
        ("read", &mut disk.read),
        ("write", &mut disk.write),
        ("sync", &mut disk.sync),
    ] {
        if let Some(mut rng) = open(key) {
            *span = speed(&mut rng, *span);
        }
    }
    if let Some(mut rng) = open("buffer") {
        network.buffer = scaled(&mut rng, 16, 4) as usize;
    }
    if let Some(mut rng) = open("profile") {
        disk.profile = profile(&mut rng);
    }
    if let Some(mut rng) = open("codec_sample") {
        drawn.codec_sample = CODEC_SAMPLES[below(&mut rng, CODEC_SAMPLES.len() as u64) as usize];
    }
    if let Some(mut rng) = open("pid_max") {
        let octave = below(&mut rng, PID_MAX_OCTAVES + 1);
        drawn.pid_max = PID_MAX_LEAST << octave;
    }
    if let Some(mut rng) = open("zones") {
        let nodes = scenario.groups.iter().map(|group| group.count as u64).sum::<u64>();
        drawn.zones = 1 + below(&mut rng, nodes.clamp(1, ZONES_MOST)) as u32;
    }
    disk.capacity = size(&mut draws.stream("hardware/capacity"), drawn.capacity);
    disk.inodes = size(&mut draws.stream("hardware/inodes"), drawn.inodes);
    drawn
}

/// Half of the seeds are as quick as usual, the others up to eight times slower or quicker.
fn speed(rng: &mut ChaCha8Rng, usual: Span) -> Span {
    if below(rng, 2) == 0 { usual } else { stretched(rng, usual, 3) }
}

/// Half of the seeds have the weakest promises, the others one of the file systems that promise more.
fn profile(rng: &mut ChaCha8Rng) -> Profile {
    let stronger: Vec<Profile> =
        Profile::ALL.into_iter().map(|(_, profile)| profile).filter(|profile| *profile != Profile::PosixMin).collect();
    match below(rng, 2) {
        0 => Profile::PosixMin,
        _ => stronger[below(rng, stronger.len() as u64) as usize],
    }
}

/// A number within bounds, all octaves alike likely, with two significant digits where that stays within.
fn size(rng: &mut ChaCha8Rng, bounds: Bounds) -> u64 {
    let Bounds { least, most } = bounds;
    let octaves = u64::from((most / least.max(1)).max(1).ilog2());
    let floor = least.max(1).checked_shl(below(rng, octaves + 1) as u32).unwrap_or(most).min(most);
    let ceiling = floor.saturating_mul(2).min(most);
    let drawn = floor + below(rng, (ceiling - floor).saturating_add(1));
    rounded(drawn).clamp(least, most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_reach_both_ends_and_stay_between_them() {
        let mut rng = Draws { seed: 5 }.stream("test");
        for (least, most) in [(0, 0), (0, 1), (7, 7), (100, 5_000), (1 << 20, 1 << 26), (1, u64::MAX), (3, 5)] {
            let drawn: Vec<u64> = (0..2_000).map(|_| size(&mut rng, Bounds { least, most })).collect();
            assert!(drawn.iter().all(|value| (least..=most).contains(value)), "{least}..{most}");
            let (low, high) = (drawn.iter().min().unwrap(), drawn.iter().max().unwrap());
            assert!(*low <= least.max(1) + least / 8, "{least}..{most}: {low} is the least");
            assert!(*high >= most - most / 8, "{least}..{most}: {high} is the most");
        }
    }
}
