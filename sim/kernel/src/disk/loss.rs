//! What a crash leaves: the death of a process, and the loss of power.
//!
//! A power loss keeps what was synced and a legal subset of the rest. [`FileSystem::fates`] chooses what
//! becomes of each change, by the profile; [`FileSystem::leave`] makes it so.

use super::change::{Change, Duty, Pending};
use super::fates::{ByChance, Fate, Fates, Sector, Tear, sectors};
use super::{Body, FileSystem, Ino, Inode};
use crate::draw::fold;
use contract::ProcessId;
use rand_core::Rng;

/// What a power loss did, for the count of fired faults and the trace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loss {
    /// Unsynced changes that were lost.
    pub dropped: u32,
    /// Unsynced changes that were torn.
    pub torn: u32,
    /// Unsynced changes that survived.
    pub kept: u32,
    /// For each lost write that a sync had reported as durable, the fault slot that made it a phantom.
    pub phantoms: Vec<usize>,
}

/// A change taken off the visible state, with what it takes to put it back.
struct Undone {
    pending: Pending,
    /// The bytes a write had put there, or those behind a grown end.
    bytes: Vec<u8>,
}

impl FileSystem {
    /// A process died at `at`: what it would have done later was never done.
    pub fn cut(&mut self, process: ProcessId, at: u64) {
        let later = |pending: &Pending| pending.by == process && pending.stamp > at;
        for ino in 0..self.inodes.len() as Ino {
            let Some(inode) = self.inodes[ino as usize].as_mut() else { continue };
            // A sync that had not ended has made nothing durable for certain.
            inode.pending.iter_mut().for_each(|pending| pending.put_off(process, at, |_| u64::MAX));
            let Some(first) = inode.pending.iter().position(later) else { continue };
            let undone = self.undo_from(ino, first);
            for one in undone.into_iter().filter(|one| !later(&one.pending)) {
                self.redo(ino, one);
            }
        }
        self.recount();
    }

    /// The power went at `at`: settles every change's fate by chance. Nothing is pending afterwards.
    pub fn power_loss(&mut self, at: u64, rng: &mut impl Rng) -> Loss {
        let fates = self.fates(at, &mut ByChance(rng));
        self.leave(at, &fates)
    }

    /// Gives every pending change its fate and makes what is left durable. `fates` are those of
    /// [`FileSystem::fates`] for the same state and moment.
    pub fn leave(&mut self, at: u64, fates: &Fates) -> Loss {
        let mut loss = Loss::default();
        for (ino, fates) in fates {
            let undone = self.undo_from(*ino, 0);
            assert_eq!(undone.len(), fates.len(), "each pending change of inode {ino} has one fate");
            for (one, fate) in undone.into_iter().zip(fates) {
                loss.count(&one.pending, fate, at);
                match fate {
                    Fate::Kept => self.redo(*ino, one),
                    Fate::Torn(tear) => self.redo_torn(*ino, &one, tear),
                    Fate::Dropped => {}
                }
            }
            if let Some(inode) = self.inodes[*ino as usize].as_mut() {
                inode.mend(inode.pending.len());
                inode.pending.clear();
            }
        }
        self.collect();
        self.recount();
        loss
    }

    /// Takes pending changes `first..` off the visible state, newest first; returns them oldest first.
    fn undo_from(&mut self, ino: Ino, first: usize) -> Vec<Undone> {
        let Ok(inode) = self.inode_mut(ino) else { return Vec::new() };
        let mut undone = Vec::new();
        for pending in inode.pending.split_off(first).into_iter().rev() {
            let bytes = self.undo(ino, &pending.change);
            undone.push(Undone { pending, bytes });
        }
        undone.reverse();
        undone
    }

    fn undo(&mut self, ino: Ino, change: &Change) -> Vec<u8> {
        let mut grown = 0i64;
        let bytes = match (change, &mut self.inodes[ino as usize]) {
            (Change::Write { offset, len, old, old_len }, Some(Inode { body: Body::File(image), .. })) => {
                let bytes = image.slice(*offset, *len);
                grown = *old_len as i64 - image.len() as i64;
                image.resize(*old_len);
                image.write(*offset.min(old_len), if old.is_empty() { &[] } else { old });
                bytes
            }
            (Change::Resize { len, old_len, tail }, Some(Inode { body: Body::File(image), .. })) => {
                grown = *old_len as i64 - *len as i64;
                image.resize(*old_len);
                if !tail.is_empty() {
                    image.write(*len, tail);
                }
                Vec::new()
            }
            (Change::Entries(entries), _) => {
                for (name, before, _) in entries.iter().rev() {
                    self.set_entry(ino, name, *before);
                }
                Vec::new()
            }
            _ => unreachable!("files have byte changes and directories have entry changes"),
        };
        self.used = self.used.saturating_add_signed(grown);
        bytes
    }

    fn redo(&mut self, ino: Ino, one: Undone) {
        let mut grown = 0i64;
        match (&one.pending.change, &mut self.inodes[ino as usize]) {
            (Change::Write { offset, .. }, Some(Inode { body: Body::File(image), .. })) => {
                let before = image.len() as i64;
                image.write(*offset, &one.bytes);
                grown = image.len() as i64 - before;
            }
            (Change::Resize { len, .. }, Some(Inode { body: Body::File(image), .. })) => {
                grown = *len as i64 - image.len() as i64;
                image.resize(*len);
            }
            (Change::Entries(entries), _) => {
                for (name, _, now) in entries {
                    self.set_entry(ino, name, *now);
                }
            }
            _ => unreachable!("files have byte changes and directories have entry changes"),
        }
        self.used = self.used.saturating_add_signed(grown);
        if let Ok(inode) = self.inode_mut(ino) {
            inode.pending.push(one.pending);
        }
    }

    /// A write of which each sector met its own fate; the length may survive without the data.
    fn redo_torn(&mut self, ino: Ino, one: &Undone, tear: &Tear) {
        let (Change::Write { offset, .. }, Some(inode)) = (&one.pending.change, &mut self.inodes[ino as usize]) else {
            unreachable!("only writes into files are torn");
        };
        let Body::File(image) = &mut inode.body else { unreachable!("only files are written into") };
        if tear.grown_to > image.len() {
            image.resize(tear.grown_to);
        }
        for (piece, sector) in sectors(*offset, one.bytes.len()).zip(&tear.sectors) {
            match sector {
                Sector::Lost => continue,
                Sector::Kept => image.write(piece.start, &one.bytes[piece.start - offset..piece.end - offset]),
                Sector::Garbage(seed) => image.write(piece.start, &garbage(piece.len(), *seed)),
            }
            inode.blemishes.retain(|it| !it.lies_in(&piece));
        }
    }

    fn recount(&mut self) {
        let named = || self.inodes.iter().flatten().filter(|inode| inode.links > 0);
        self.used = named().map(Inode::size).sum();
        self.named = 1 + named().count() as u64;
    }
}

impl Loss {
    fn count(&mut self, pending: &Pending, fate: &Fate, at: u64) {
        if pending.is_durable(at) {
            return assert_eq!(*fate, Fate::Kept, "what is durable survives");
        }
        if let (Duty::Phantom(slot), true) = (pending.duty, pending.durable_at() <= at) {
            self.phantoms.push(slot as usize);
        }
        match fate {
            Fate::Kept => self.kept += 1,
            Fate::Dropped => self.dropped += 1,
            Fate::Torn(_) => self.torn += 1,
        }
    }
}

/// Bytes that nobody wrote; all of them follow from `seed`.
fn garbage(len: usize, seed: u64) -> Vec<u8> {
    let words = (0..).map(|word: u64| fold(seed ^ word.wrapping_mul(0x9e37_79b9_7f4a_7c15), 0xa076_1d64_78bd_642f));
    words.flat_map(u64::to_le_bytes).take(len).collect()
}
