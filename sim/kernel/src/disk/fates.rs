//! What may become of unsynced changes when the power goes: for each profile the legal combinations.
//!
//! [`FileSystem::fates`] walks through everything that is pending and asks a [`Chooser`] wherever the
//! profile leaves a choice. Chance is one chooser; one that takes every way in turn enumerates all that a
//! power loss may leave. Whatever is chosen is legal; what is not durable and was never written by the
//! device ([`Pending::is_doomed`]) is lost under every profile.

use super::change::{Change, Pending};
use super::image::PAGE;
use super::{FileSystem, Ino, SECTOR};
use crate::draw::within;
use crate::settings::Profile;
use rand_core::Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// What becomes of one change.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// It survives.
    Kept,
    /// It is lost.
    Dropped,
    /// Of a write, parts survive.
    Torn(Tear),
}

/// A write of which each sector meets its own fate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tear {
    /// The file has at least this length before the sectors are written: a length without its data.
    pub grown_to: usize,
    /// What becomes of each sector that the write touches, in order; see [`sectors`].
    pub sectors: Vec<Sector>,
}

/// What becomes of one sector of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sector {
    /// The new bytes are there.
    Kept,
    /// What was there before is still there.
    Lost,
    /// Bytes that nobody wrote, following from this seed.
    Garbage(u64),
}

/// The fates of each inode's pending changes, in the order of [`FileSystem::pending`].
pub type Fates = Vec<(Ino, Vec<Fate>)>;

/// Decides wherever a profile leaves a choice.
pub trait Chooser {
    /// One of `weights.len()` ways, each with its weight; ways of no weight are not taken.
    fn pick(&mut self, weights: &[u32]) -> usize;

    /// One of several manners in which changes are treated together. The last allows all that the others do,
    /// which only make the telling combinations likelier: whoever takes every way needs no other.
    fn manner(&mut self, weights: &[u32]) -> usize {
        self.pick(weights)
    }

    /// How many of the oldest `len` changes survive.
    fn prefix(&mut self, len: usize) -> usize;

    /// What becomes of `count` sectors of one write that have nothing to do with each other; garbage only
    /// where the profile has it.
    fn sectors(&mut self, count: usize, garbage: bool) -> Vec<Sector>;

    /// What becomes of a write of `len` bytes at `offset` where anything goes, its length as well.
    fn tear(&mut self, offset: usize, len: usize) -> Tear {
        let grown_to = if self.coin() { offset + len } else { 0 };
        Tear { grown_to, sectors: self.sectors(sectors(offset, len).count(), true) }
    }

    /// Yes or no.
    fn coin(&mut self) -> bool {
        self.pick(&[1, 1]) == 1
    }
}

/// Chooses by chance.
pub struct ByChance<'r, R: Rng>(pub &'r mut R);

impl<R: Rng> Chooser for ByChance<'_, R> {
    fn pick(&mut self, weights: &[u32]) -> usize {
        let mut rest = within(self.0.next_u64(), 1, weights.iter().map(|weight| u64::from(*weight)).sum());
        let taken = weights.iter().position(|weight| {
            let taken = rest <= u64::from(*weight);
            rest = rest.saturating_sub(u64::from(*weight));
            taken
        });
        taken.unwrap_or(0)
    }

    fn prefix(&mut self, len: usize) -> usize {
        match self.pick(&[1, 1, 2]) {
            0 => 0,
            1 => len,
            _ => within(self.0.next_u64(), 0, len as u64) as usize,
        }
    }

    fn sectors(&mut self, count: usize, garbage: bool) -> Vec<Sector> {
        let mut one = || match self.pick(&[4, 3, u32::from(garbage)]) {
            0 => Sector::Kept,
            1 => Sector::Lost,
            _ => Sector::Garbage(self.0.next_u64()),
        };
        (0..count).map(|_| one()).collect()
    }
}

/// How one inode's unsynced changes are treated. Every subset is legal where these are used; the manners
/// make the telling ones likelier than a fair coin a change would.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// None survives.
    Nothing,
    /// All survive: background write-back was quick.
    Everything,
    /// The oldest few survive.
    Prefix,
    /// Each survives or not.
    Subset,
    /// Each sector of each survives, is lost, or is garbage.
    Torn,
}

/// The sectors that a write of `len` bytes at `offset` touches, each cut to what it writes.
pub fn sectors(offset: usize, len: usize) -> impl Iterator<Item = Range<usize>> {
    let end = offset + len;
    let mut from = offset;
    std::iter::from_fn(move || {
        let piece = from..((from / SECTOR + 1) * SECTOR).min(end);
        from = piece.end;
        (!piece.is_empty()).then_some(piece)
    })
}

impl FileSystem {
    /// Chooses what becomes of each pending change if the power goes at `at`.
    pub fn fates(&self, at: u64, chooser: &mut impl Chooser) -> Fates {
        match self.profile {
            Profile::PosixMin => self.each(|_, pending| posix(pending, at, chooser)),
            Profile::Strict => {
                let kept = oldest(self.undecided(at, |_| true), chooser);
                self.each(|_, pending| whole(pending, at, |order| kept.contains(&order)))
            }
            Profile::Ext4Ordered | Profile::Ext4Noauto => {
                let kept = oldest(self.undecided(at, is_entries), chooser);
                let flushed = match self.profile {
                    Profile::Ext4Ordered => self.flushed(|pending| kept.contains(&pending.order())),
                    _ => BTreeMap::new(),
                };
                self.files_and_names(at, &kept, &flushed, false, chooser)
            }
            Profile::BtrfsLike => {
                let kept = some(self.undecided(at, is_entries), chooser);
                self.files_and_names(at, &kept, &BTreeMap::new(), true, chooser)
            }
        }
    }

    fn each(&self, mut fates: impl FnMut(Ino, &[Pending]) -> Vec<Fate>) -> Fates {
        self.pending().map(|(ino, pending)| (ino, fates(ino, pending))).collect()
    }

    /// The directory changes of `kept` survive, and of each file what a walk through its changes leaves.
    fn files_and_names(
        &self,
        at: u64,
        kept: &BTreeSet<u64>,
        flushed: &BTreeMap<Ino, u64>,
        copy_on_write: bool,
        chooser: &mut impl Chooser,
    ) -> Fates {
        self.each(|ino, pending| {
            if pending.iter().all(is_entries) {
                return whole(pending, at, |order| kept.contains(&order));
            }
            let flushed = flushed.get(&ino).copied().unwrap_or(0);
            Walk::new(pending, copy_on_write).run(pending, at, flushed, chooser)
        })
    }

    /// The orders of the changes that a power loss at `at` decides about, of those that `which` names.
    fn undecided(&self, at: u64, which: impl Fn(&Pending) -> bool) -> BTreeSet<u64> {
        let all = self.pending().flat_map(|(_, pending)| pending);
        all.filter(|it| which(it) && is_open(it, at)).map(Pending::order).collect()
    }

    /// What becomes of each change, a line each, for people; asked before the fates are applied.
    pub fn describe(&self, fates: &Fates) -> Vec<String> {
        let mut lines = Vec::new();
        for (ino, fates) in fates {
            let path = self.path_of(*ino).unwrap_or_else(|| format!("inode {ino}"));
            for (one, fate) in self.pending_of(*ino).iter().zip(fates) {
                let fate = match fate {
                    Fate::Kept => "kept".to_owned(),
                    Fate::Dropped => "lost".to_owned(),
                    Fate::Torn(tear) => tear.to_string(),
                };
                lines.push((one.order(), format!("{} in {path}: {fate}", one.change())));
            }
        }
        lines.sort();
        lines.into_iter().map(|(_, line)| line).collect()
    }
}

impl std::fmt::Display for Tear {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let letter = |sector: &Sector| match sector {
            Sector::Kept => 'k',
            Sector::Lost => 'l',
            Sector::Garbage(_) => 'g',
        };
        let letters: String = self.sectors.iter().map(letter).collect();
        write!(f, "torn, by sector {letters} (kept, lost, garbage)")?;
        if self.grown_to > 0 {
            write!(f, ", length {} survives", self.grown_to)?;
        }
        Ok(())
    }
}

fn is_entries(pending: &Pending) -> bool {
    matches!(pending.change(), Change::Entries(_))
}

/// Whether a power loss at `at` may keep it or not.
fn is_open(pending: &Pending, at: u64) -> bool {
    !pending.is_durable(at) && !pending.is_doomed()
}

/// What is not open to choice: durable changes are kept, doomed ones dropped.
fn settled(pending: &Pending, at: u64) -> Option<Fate> {
    match (pending.is_durable(at), pending.is_doomed()) {
        (true, _) => Some(Fate::Kept),
        (_, true) => Some(Fate::Dropped),
        _ => None,
    }
}

/// Each change survives whole or not at all.
fn whole(pending: &[Pending], at: u64, survives: impl Fn(u64) -> bool) -> Vec<Fate> {
    let fate = |it: &Pending| settled(it, at).unwrap_or_else(|| kept_if(survives(it.order())));
    pending.iter().map(fate).collect()
}

fn kept_if(kept: bool) -> Fate {
    if kept { Fate::Kept } else { Fate::Dropped }
}

fn oldest(orders: BTreeSet<u64>, chooser: &mut impl Chooser) -> BTreeSet<u64> {
    let count = chooser.prefix(orders.len());
    orders.into_iter().take(count).collect()
}

fn some(mut orders: BTreeSet<u64>, chooser: &mut impl Chooser) -> BTreeSet<u64> {
    match chooser.manner(&[1, 1, 2]) {
        0 => orders.clear(),
        1 => {}
        _ => orders.retain(|_| chooser.coin()),
    }
    orders
}

/// The fates of one inode's changes where anything goes.
fn posix(pending: &[Pending], at: u64, chooser: &mut impl Chooser) -> Vec<Fate> {
    use Manner as M;
    let file = !pending.iter().all(is_entries);
    let (weights, manners) = ([2, 1, 1, 2, 2], [M::Nothing, M::Everything, M::Prefix, M::Subset, M::Torn]);
    let manner = match (chooser.manner(&weights), file) {
        (4, false) => M::Subset,
        (picked, _) => manners[picked],
    };
    let oldest = if manner == M::Prefix { chooser.prefix(pending.len()) } else { 0 };
    let mut fates = Vec::with_capacity(pending.len());
    for (number, one) in pending.iter().enumerate() {
        let fate = settled(one, at).unwrap_or_else(|| match manner {
            M::Nothing => Fate::Dropped,
            M::Everything => Fate::Kept,
            M::Prefix => kept_if(number < oldest),
            M::Subset => kept_if(chooser.coin()),
            M::Torn => torn(one, chooser),
        });
        fates.push(fate);
    }
    fates
}

/// A write of which every sector goes its own way, and the length as well.
fn torn(pending: &Pending, chooser: &mut impl Chooser) -> Fate {
    let Change::Write { offset, len, .. } = *pending.change() else { return kept_if(chooser.coin()) };
    Fate::Torn(chooser.tear(offset, len))
}

/// A walk through one file's changes, oldest first, where its length never survives without its data: the
/// changes of its length survive as a prefix, the last one perhaps up to the end of a page, and each with
/// all its bytes behind the old end.
struct Walk {
    /// Pages are written elsewhere and then take the old ones' place: each is old or new and never garbage,
    /// and new ones have all that was written into them before.
    copy_on_write: bool,
    /// Length of what survives so far.
    len: usize,
    /// Whether every change of the length has survived so far.
    intact: bool,
    /// Pages that were not written any more.
    frozen: BTreeSet<usize>,
}

impl Walk {
    fn new(pending: &[Pending], copy_on_write: bool) -> Walk {
        let len = match pending.first().map(Pending::change) {
            Some(Change::Write { old_len, .. } | Change::Resize { old_len, .. }) => *old_len,
            _ => 0,
        };
        Walk { copy_on_write, len, intact: true, frozen: BTreeSet::new() }
    }

    /// The fates of all changes; those of an order below `flushed` are on the disk.
    fn run(mut self, pending: &[Pending], at: u64, flushed: u64, chooser: &mut impl Chooser) -> Vec<Fate> {
        let manner = chooser.manner(&[2, 2, 4]);
        let mut fates = Vec::with_capacity(pending.len());
        for one in pending {
            let fate = match settled(one, at) {
                Some(fate) => fate,
                None if one.order() < flushed => Fate::Kept,
                None if manner < 2 => kept_if(manner == 1),
                None => self.choose(one, chooser),
            };
            self.follow(one, &fate);
            fates.push(fate);
        }
        fates
    }

    fn follow(&mut self, pending: &Pending, fate: &Fate) {
        match (fate, pending.change()) {
            (Fate::Kept, Change::Write { offset, len, .. }) => self.len = self.len.max(offset + len),
            (Fate::Kept, Change::Resize { len, .. }) => self.len = *len,
            (Fate::Torn(tear), Change::Write { offset, len, .. }) => {
                let there = sectors(*offset, *len).zip(&tear.sectors).filter(|(_, sector)| **sector != Sector::Lost);
                self.len = there.last().map_or(self.len, |(piece, _)| self.len.max(piece.end));
            }
            _ => {}
        }
    }

    fn choose(&mut self, pending: &Pending, chooser: &mut impl Chooser) -> Fate {
        match *pending.change() {
            Change::Write { offset, len, .. } => self.write(offset, len, chooser),
            _ => {
                self.intact &= chooser.coin();
                kept_if(self.intact)
            }
        }
    }

    fn write(&mut self, offset: usize, len_written: usize, chooser: &mut impl Chooser) -> Fate {
        let end = offset + len_written;
        let ends_at = if end > self.len { self.grow(offset, end, chooser) } else { end };
        self.intact &= ends_at == end;
        // Bytes behind the old end come with the length, and with nothing else.
        let (len, grows) = (self.len, ends_at > self.len);
        let pieces: Vec<Range<usize>> = sectors(offset, len_written).collect();
        let free = pieces.iter().filter(|piece| piece.end <= len).count();
        if let (Some(bound), false) = (pieces.get(free), grows) {
            // What of its page lies behind the end is not written: neither is the rest of the page.
            self.frozen.insert(bound.start / PAGE);
        }
        let mut fates =
            if self.copy_on_write { self.pages(&pieces[..free], grows, chooser) } else { chooser.sectors(free, true) };
        fates.extend(pieces[free..].iter().map(|piece| match grows && piece.start < ends_at {
            true => Sector::Kept,
            false => Sector::Lost,
        }));
        match () {
            () if fates.iter().all(|it| *it == Sector::Kept) => Fate::Kept,
            () if fates.iter().all(|it| *it == Sector::Lost) => Fate::Dropped,
            () => Fate::Torn(Tear { grown_to: 0, sectors: fates }),
        }
    }

    /// How far a write over the end lets the file grow: to its end, to the end of a page, or not at all.
    fn grow(&self, offset: usize, end: usize, chooser: &mut impl Chooser) -> usize {
        let from = self.len.max(offset);
        let pages = from / PAGE..=(end - 1) / PAGE;
        if !self.intact || self.frozen.range(pages.clone()).next().is_some() {
            return self.len;
        }
        let inner = pages.count() - 1;
        match chooser.pick(&[2, 2, u32::from(inner > 0)]) {
            0 => self.len,
            1 => end,
            _ => (from / PAGE + 1 + chooser.pick(&vec![1; inner])) * PAGE,
        }
    }

    /// Overwritten pages: each is written once more or never again.
    fn pages(&mut self, pieces: &[Range<usize>], grows: bool, chooser: &mut impl Chooser) -> Vec<Sector> {
        let mut written = BTreeSet::new();
        let mut fates = Vec::with_capacity(pieces.len());
        for piece in pieces {
            let page = piece.start / PAGE;
            if !written.contains(&page) && !self.frozen.contains(&page) {
                // A page into which the file grows is written.
                let must = grows && page == self.len / PAGE;
                if must || chooser.coin() {
                    written.insert(page)
                } else {
                    self.frozen.insert(page)
                };
            }
            fates.push(if written.contains(&page) { Sector::Kept } else { Sector::Lost });
        }
        fates
    }
}
