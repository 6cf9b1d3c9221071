//! Every state that a crash may legally leave, for trying all of them instead of drawing one.
//!
//! [`FileSystem::fates`] knows what a profile allows and asks a [`Chooser`]; here the chooser takes every way
//! in turn. **Bounds.** One write is torn in one place at most: at a sector boundary, either side of which is
//! lost, or in one sector that is garbage. Several writes may each be torn, and lengths survive without their
//! bytes wherever the profile has that. Lost bytes read as what was there before, or zeros, never as another
//! file's. A call is one change: its own middle is covered by the tears of a power loss, not by the death of a
//! process.

use super::change::Change;
use super::fates::{Chooser, Fate, Fates, Sector, Tear, sectors};
use super::{Body, FileSystem, Ino, Inode, ROOT};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use xxhash_rust::xxh3::Xxh3;

/// When every sync that was begun has ended.
const LATER: u64 = u64::MAX - 1;

/// Combinations beyond the limit are counted up to here.
const COUNT_MAX: u64 = 1_000_000;

impl FileSystem {
    /// What the death of all processes leaves: every change, and no open handle.
    pub fn after_death(&self) -> FileSystem {
        let mut left = self.clone();
        left.close_all();
        left
    }

    /// What a power loss with these fates leaves. Nothing is pending and nothing is open afterwards.
    pub fn after_power_loss(&self, fates: &Fates) -> FileSystem {
        let mut left = self.clone();
        left.leave(LATER, fates);
        left.close_all();
        left
    }

    /// Calls `visit` with the combinations of fates that the profile allows, within the bounds above, in a
    /// fixed order, likely ones first; at most `limit` of them. Returns how many more there are
    /// (counted up to a million).
    pub fn every_power_loss(&self, limit: usize, visit: &mut dyn FnMut(&Fates)) -> u64 {
        let (mut every, mut visited, mut omitted) = (EveryWay::default(), 0, 0);
        while omitted < COUNT_MAX {
            let fates = self.fates(LATER, &mut every);
            if visited < limit {
                visited += 1;
                visit(&fates);
            } else {
                omitted += 1;
            }
            if !every.advance() {
                break;
            }
        }
        omitted
    }

    /// Forgets how to undo what is durable by now.
    pub fn settle_all(&mut self) {
        self.inodes.iter_mut().flatten().for_each(|inode| inode.settle(LATER));
    }

    /// When the newest change that is still pending took effect; 0 if there is none.
    pub fn latest_stamp(&self) -> u64 {
        let pending = self.pending().flat_map(|(_, pending)| pending);
        pending.map(|pending| pending.stamp).max().unwrap_or(0)
    }

    /// A number for what is visible and what is pending: equal states have equal digests, whatever the numbers
    /// of their inodes and the times of their changes.
    pub fn digest(&self) -> u128 {
        let orders: BTreeSet<u64> = self.pending().flat_map(|(_, pending)| pending).map(|it| it.order()).collect();
        let rank: BTreeMap<u64, u64> = orders.into_iter().zip(0..).collect();
        let mut digest = Digest { hash: Xxh3::new(), numbers: BTreeMap::from([(ROOT, 0)]), found: vec![ROOT] };
        let mut next = 0;
        while let Some(&ino) = digest.found.get(next) {
            next += 1;
            let Ok(inode) = self.inode(ino) else { continue };
            digest.inode(inode);
            for pending in &inode.pending {
                digest.number(rank[&pending.order()]);
                digest.change(pending.change());
            }
        }
        digest.hash.digest128()
    }

    fn close_all(&mut self) {
        for inode in self.inodes.iter_mut().flatten() {
            inode.handles = 0;
        }
        self.collect();
    }
}

/// Takes every way in turn, like an odometer whose wheels are the choices.
#[derive(Default)]
struct EveryWay {
    /// For each choice so far, the way taken and how many there are.
    wheels: Vec<(usize, usize)>,
    at: usize,
}

impl EveryWay {
    fn turn(&mut self, ways: usize) -> usize {
        if self.at == self.wheels.len() {
            self.wheels.push((0, ways));
        }
        self.at += 1;
        self.wheels[self.at - 1].0
    }

    /// Whether there is another combination.
    fn advance(&mut self) -> bool {
        self.at = 0;
        while let Some((way, ways)) = self.wheels.pop() {
            if way + 1 < ways {
                self.wheels.push((way + 1, ways));
                return true;
            }
        }
        false
    }
}

impl Chooser for EveryWay {
    fn pick(&mut self, weights: &[u32]) -> usize {
        let open: Vec<usize> = (0..weights.len()).rev().filter(|way| weights[*way] > 0).collect();
        open[self.turn(open.len())]
    }

    fn manner(&mut self, weights: &[u32]) -> usize {
        weights.len() - 1
    }

    fn prefix(&mut self, len: usize) -> usize {
        len - self.turn(len + 1)
    }

    fn sectors(&mut self, count: usize, garbage: bool) -> Vec<Sector> {
        let ways = tears(count, garbage);
        ways[self.turn(ways.len())].clone()
    }

    fn tear(&mut self, offset: usize, len: usize) -> Tear {
        let mut ways: Vec<Tear> = Vec::new();
        for sectors in tears(sectors(offset, len).count(), true) {
            // Where the last sector is there, so is the length.
            let open = sectors.last() == Some(&Sector::Lost);
            ways.push(Tear { grown_to: 0, sectors: sectors.clone() });
            if open {
                ways.push(Tear { grown_to: offset + len, sectors });
            }
        }
        let way = self.turn(ways.len());
        ways.swap_remove(way)
    }
}

/// The ways in which a write over `count` sectors is torn: all kept; all lost; what lies behind a boundary lost,
/// or what lies before it; one sector garbage.
fn tears(count: usize, garbage: bool) -> Vec<Vec<Sector>> {
    let lost = |range: Range<usize>, fate| {
        let mut sectors = vec![Sector::Kept; count];
        sectors[range].fill(fate);
        sectors
    };
    let mut ways = vec![lost(0..0, Sector::Lost)];
    ways.extend((0..count).map(|boundary| lost(boundary..count, Sector::Lost)));
    ways.extend((1..count).map(|boundary| lost(0..boundary, Sector::Lost)));
    if garbage {
        ways.extend((0..count).map(|nth| lost(nth..nth + 1, Sector::Garbage(1))));
    }
    ways
}

/// The same fates, with writes that are torn in no place said to be kept or dropped.
pub fn in_short(fates: &Fates) -> Fates {
    let short = |fate: &Fate| match fate {
        Fate::Torn(tear) if tear.sectors.iter().all(|it| *it == Sector::Kept) => Fate::Kept,
        Fate::Torn(tear) if tear.grown_to == 0 && tear.sectors.iter().all(|it| *it == Sector::Lost) => Fate::Dropped,
        other => other.clone(),
    };
    fates.iter().map(|(ino, fates)| (*ino, fates.iter().map(short).collect())).collect()
}

/// Hashes inodes under numbers in the order in which a walk from the root finds them.
struct Digest {
    hash: Xxh3,
    numbers: BTreeMap<Ino, u64>,
    found: Vec<Ino>,
}

impl Digest {
    fn number(&mut self, number: u64) {
        self.hash.update(&number.to_le_bytes());
    }

    fn text(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.hash.update(bytes);
    }

    fn ino(&mut self, ino: Option<Ino>) {
        let number = match ino {
            None => u64::MAX,
            Some(ino) => {
                let next = self.numbers.len() as u64;
                let found = &mut self.found;
                *self.numbers.entry(ino).or_insert_with(|| {
                    found.push(ino);
                    next
                })
            }
        };
        self.number(number);
    }

    fn inode(&mut self, inode: &Inode) {
        match &inode.body {
            Body::File(image) => {
                self.number(0);
                self.text(&image.slice(0, image.len()));
            }
            Body::Directory(entries) => {
                self.number(1 + entries.len() as u64);
                for (name, ino) in entries {
                    self.text(name.as_bytes());
                    self.ino(Some(*ino));
                }
            }
        }
        self.number(inode.pending.len() as u64);
    }

    fn change(&mut self, change: &Change) {
        match change {
            Change::Write { offset, len, old, old_len } => {
                [*offset, *len, *old_len].into_iter().for_each(|number| self.number(number as u64));
                self.text(old);
            }
            Change::Resize { len, old_len, tail } => {
                [*len, *old_len].into_iter().for_each(|number| self.number(number as u64));
                self.text(tail);
            }
            Change::Entries(entries) => {
                for (name, before, now) in entries {
                    self.text(name.as_bytes());
                    self.ino(*before);
                    self.ino(*now);
                }
            }
        }
    }
}
