//! Short random schedules: everything that can happen to a cluster, judged all the way, then healed.

use crate::net::{MS, Net, draw, member, tuning};
use consensus::planted::Planted;
use consensus::raft::{Change, Core, Tuning};
use contract::Duration;

/// What a seed draws before the first step: each schedule has some of the faults, and some of none.
#[derive(Clone, Debug)]
struct Weather {
    voters: usize,
    losses: u64,
    copies: u64,
    disorder: u64,
    crashes: u64,
    cuts: u64,
    hangs: u64,
    changes: u64,
    transfers: u64,
    snapshots: u64,
    rot: u64,
    /// Milliseconds in a step of time, at most.
    pace: u64,
    steps: u64,
}

fn chance(seed: &mut u64, percent: u64) -> bool {
    draw(seed) % 100 < percent
}

fn below(seed: &mut u64, count: usize) -> usize {
    (draw(seed) % count.max(1) as u64) as usize
}

fn weather(seed: &mut u64) -> Weather {
    let mut some = |most: u64| if draw(seed).is_multiple_of(2) { 0 } else { draw(seed) % most + 1 };
    let (losses, copies, disorder) = (some(30), some(20), some(100));
    let (crashes, cuts, hangs, changes) = (some(3), some(3), some(3), some(4));
    let (transfers, snapshots, rot) = (some(3), some(5), some(40));
    let voters = [1, 3, 5][below(seed, 3)];
    // A configuration on the way to fewer voters bears no loss at all.
    let rot = if changes > 0 { 0 } else { rot };
    let (pace, steps) = ([10, 50, 150][below(seed, 3)], 200 + draw(seed) % 400);
    Weather { voters, losses, copies, disorder, crashes, cuts, hangs, changes, transfers, snapshots, rot, pace, steps }
}

fn limits(seed: &mut u64) -> Tuning {
    let tiny = Tuning { append_entries: 1, append_bytes: 1, in_flight: 1, keep_entries: 0, page_bytes: 3, ..tuning() };
    let usual = [tiny, Tuning { keep_entries: 0, ..tuning() }, tuning()][below(seed, 3)];
    let lease_reads = chance(seed, 50);
    Tuning { lease_reads, drift_ppm: 110_000, heartbeat: Duration::from_millis(40), ..usual }
}

/// A schedule under way.
struct Storm {
    net: Net,
    weather: Weather,
    seed: u64,
    rotten: Vec<usize>,
}

impl Storm {
    fn new(number: u64, planted: Planted) -> Self {
        let mut seed = number.wrapping_mul(0x5851_f42d_4c95_7f2d);
        let weather = weather(&mut seed);
        let tuning = limits(&mut seed);
        let extra = usize::from(weather.changes > 0);
        let mut net = Net::new(weather.voters + extra, weather.voters, tuning, planted, draw(&mut seed));
        net.choosy = chance(&mut seed, 50);
        let writes = [1, 2, 8][below(&mut seed, 3)];
        for node in &mut net.nodes {
            node.rate = 950_000 + draw(&mut seed) % 100_001;
            node.writes = writes;
        }
        Storm { net, weather, seed, rotten: Vec::new() }
    }

    fn node(&mut self) -> usize {
        below(&mut self.seed, self.net.nodes.len())
    }

    fn up(&self, n: usize) -> bool {
        self.net.nodes[n].core.is_some()
    }

    fn step(&mut self) {
        match draw(&mut self.seed) % 100 {
            0..55 => self.deliver(),
            55..70 => {
                let most = if chance(&mut self.seed, 10) { 300 } else { self.weather.pace };
                let span = draw(&mut self.seed) % (most * MS);
                self.net.advance(span);
            }
            70..78 => self.propose(),
            78..82 => {
                let n = self.node();
                if self.up(n) {
                    self.net.read(n);
                }
            }
            82..90 => {
                let n = self.node();
                self.net.sync(n);
            }
            _ => self.strike(),
        }
        while self.net.flying.len() > 400 {
            self.net.flying.pop_front();
        }
    }

    fn deliver(&mut self) {
        for _ in 0..3 {
            let len = self.net.flying.len();
            if len == 0 {
                return;
            }
            let at = if chance(&mut self.seed, self.weather.disorder) { below(&mut self.seed, len) } else { 0 };
            let Some(letter) = self.net.flying.remove(at) else { return };
            if chance(&mut self.seed, self.weather.losses) {
                continue;
            }
            if chance(&mut self.seed, self.weather.copies) {
                self.net.flying.push_back(letter.clone());
            }
            self.net.deliver(letter);
        }
    }

    fn propose(&mut self) {
        let leaders = self.net.leaders();
        if !leaders.is_empty() {
            let n = leaders[below(&mut self.seed, leaders.len())];
            self.net.propose(n);
        }
    }

    fn strike(&mut self) {
        let n = self.node();
        let (weather, kind) = (self.weather.clone(), below(&mut self.seed, 8));
        let strikes = |seed: &mut u64, weight: u64| chance(seed, weight * 25);
        match kind {
            0 if self.up(n) && strikes(&mut self.seed, weather.crashes) => self.crash(n),
            1 | 2 if !self.up(n) => self.net.start(n),
            3 if strikes(&mut self.seed, weather.cuts) => {
                let other = self.node();
                if chance(&mut self.seed, 30) {
                    self.net.cut.insert((n, other));
                } else {
                    self.net.link(n, other, false);
                }
            }
            4 if chance(&mut self.seed, 30) => self.net.cut.clear(),
            4 => {
                self.net.nodes[n].disk.hangs = strikes(&mut self.seed, weather.hangs);
                self.net.sync(n);
            }
            5 if strikes(&mut self.seed, weather.snapshots) => self.net.snapshot(n),
            6 if strikes(&mut self.seed, weather.changes) => self.change(),
            7 if strikes(&mut self.seed, weather.transfers) => {
                if let Some(&leader) = self.net.leaders().first() {
                    // To somebody who may not take it: a refusal is an answer.
                    let _ = self.net.transfer(leader, n);
                }
            }
            _ => {}
        }
    }

    /// Leaders are hit more often than their number says: what is in their hands is what can be lost.
    fn crash(&mut self, n: usize) {
        let leader = self.net.leaders().first().copied().filter(|_| chance(&mut self.seed, 60));
        let n = leader.unwrap_or(n);
        let kept = below(&mut self.seed, 4);
        self.net.crash(n, kept);
        let minority = (self.weather.voters - 1) / 2;
        let may = self.rotten.contains(&n) || self.rotten.len() < minority;
        let (first, last) = (self.net.nodes[n].disk.uncovered(), self.net.nodes[n].disk.last().index);
        if may && first <= last && chance(&mut self.seed, self.weather.rot) {
            let index = first + draw(&mut self.seed) % (last - first + 1);
            self.net.nodes[n].disk.rot(index);
            if !self.rotten.contains(&n) {
                self.rotten.push(n);
            }
        }
    }

    fn change(&mut self) {
        let Some(&leader) = self.net.leaders().first() else { return };
        let n = self.node();
        let id = member(n);
        let change = [Change::AddLearner(id), Change::Promote(id), Change::Remove(id)][below(&mut self.seed, 3)];
        // A step that is not possible now is refused.
        let _ = self.net.change(leader, change);
    }

    /// Everything works again; then a leader must be found, a command must come through, and all must be equal.
    fn heal(&mut self) {
        self.net.cut.clear();
        for n in 0..self.net.nodes.len() {
            self.net.nodes[n].disk.hangs = false;
            self.net.sync(n);
            if !self.up(n) {
                self.net.start(n);
            }
        }
        let mut proposed = None;
        for _ in 0..400 {
            self.net.run(10);
            let leaders = self.net.leaders();
            let [leader] = leaders[..] else { continue };
            if proposed.is_none_or(|(term, _)| term != self.net.core(leader).term()) {
                let at = self.net.propose(leader);
                proposed = at.map(|at| (at.term, at.index));
            }
            if proposed.is_some_and(|(_, index)| self.converged(leader, index)) {
                return;
            }
        }
        let cores: Vec<&Core> = (0..self.net.nodes.len()).map(|n| self.net.core(n)).collect();
        panic!("no agreement 4 s after everything was healed, {:?}: {cores:#?}", self.weather);
    }

    fn converged(&self, leader: usize, index: u64) -> bool {
        let judge = &self.net.judge;
        let whole = judge.committed();
        let configuration = self.net.core(leader).configuration();
        whole >= index
            && configuration
                .all()
                .all(|member| self.net.nodes[member.slot as usize].state == (whole, judge.commands(whole)))
    }
}

/// Runs schedule `number` to its end.
pub fn storm(number: u64, planted: Planted) -> Net {
    let mut storm = Storm::new(number, planted);
    for _ in 0..storm.weather.steps {
        storm.step();
        if !storm.net.judge.broken.is_empty() {
            return storm.net;
        }
    }
    storm.heal();
    storm.net
}

/// How many schedules a run tries, and from which on: `STORMPROOF_STORMS=from..to`.
fn numbers() -> std::ops::Range<u64> {
    let wanted = std::env::var_os("STORMPROOF_STORMS").and_then(|text| text.into_string().ok());
    let range = wanted.as_deref().and_then(|text| text.split_once(".."));
    range.and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?)).unwrap_or(0..4_000)
}

#[test]
fn storms_break_nothing_and_heal() {
    let mut marks = std::collections::BTreeMap::new();
    for number in numbers() {
        let run = std::panic::catch_unwind(|| storm(number, Planted::default()));
        let Ok(net) = run else { panic!("storm {number} panicked: STORMPROOF_STORMS={number}..{}", number + 1) };
        assert!(net.judge.broken.is_empty(), "storm {number}: {:#?}", net.judge.broken);
        for (mark, count) in net.marks {
            *marks.entry(mark).or_insert(0) += count;
        }
    }
    println!("{marks:#?}");
}
