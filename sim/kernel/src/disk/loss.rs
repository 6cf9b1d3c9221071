//! What a crash leaves: the death of a process, and the loss of power.
//!
//! A power loss keeps what was synced and a legal subset of the rest, per file: nothing, a prefix, any
//! subset of the changes, or any subset of their 512-byte sectors with garbage among them; sizes may
//! survive without their data. Directory changes survive one by one in any order. This is the
//! `posix-min` profile: the weakest behaviour that POSIX and the measured file systems allow.

use super::{Body, Change, FileSystem, Ino, Inode, Pending};
use contract::ProcessId;
use rand_core::Rng;

/// Bytes that a device writes or loses together.
const SECTOR: usize = 512;

/// How a power loss treats one inode's unsynced changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// None survives.
    Nothing,
    /// The oldest few survive.
    Prefix,
    /// Each survives or not.
    Subset,
    /// Each sector of each survives, is lost, or is garbage.
    Torn,
    /// All survive: background write-back was quick.
    Everything,
}

/// What a power loss did, for the count of fired faults and the trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loss {
    /// Unsynced changes that were lost.
    pub dropped: u32,
    /// Unsynced changes that were torn.
    pub torn: u32,
    /// Unsynced changes that survived.
    pub kept: u32,
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
            for pending in inode.pending.iter_mut().filter(|pending| pending.by == process) {
                if pending.durable_at > at {
                    pending.durable_at = u64::MAX;
                }
            }
            let Some(first) = inode.pending.iter().position(later) else { continue };
            let undone = self.undo_from(ino, first);
            for one in undone.into_iter().filter(|one| !later(&one.pending)) {
                self.redo(ino, one);
            }
        }
        self.recount();
    }

    /// The power went at `at`: settles every inode's fate. Nothing is pending afterwards.
    pub fn power_loss(&mut self, at: u64, rng: &mut impl Rng) -> Loss {
        let mut loss = Loss::default();
        for ino in 0..self.inodes.len() as Ino {
            let Some(inode) = self.inodes[ino as usize].as_mut() else { continue };
            inode.settle(at);
            if inode.pending.is_empty() {
                continue;
            }
            let manner = draw_manner(rng, matches!(inode.body, Body::File(_)));
            let undone = self.undo_from(ino, 0);
            let keep = match manner {
                Manner::Prefix => rng.next_u64() as usize % (undone.len() + 1),
                _ => 0,
            };
            for (number, one) in undone.into_iter().enumerate() {
                let durable = one.pending.durable_at <= at;
                let fate = if durable { Fate::Kept } else { fate(manner, &one.pending, number < keep, rng) };
                match fate {
                    Fate::Kept => self.redo(ino, one),
                    Fate::Torn => self.redo_torn(ino, one, rng),
                    Fate::Dropped => {}
                }
                if !durable {
                    loss.count(fate);
                }
            }
            if let Some(inode) = self.inodes[ino as usize].as_mut() {
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
    fn redo_torn(&mut self, ino: Ino, one: Undone, rng: &mut impl Rng) {
        let Change::Write { offset, .. } = one.pending.change else {
            return self.redo(ino, one);
        };
        let Some(Inode { body: Body::File(image), .. }) = &mut self.inodes[ino as usize] else { return };
        let end = offset + one.bytes.len();
        if end > image.len() && rng.next_u64().is_multiple_of(2) {
            image.resize(end);
        }
        let mut from = offset;
        while from < end {
            let to = ((from / SECTOR + 1) * SECTOR).min(end);
            match rng.next_u64() % 8 {
                0..=3 => image.write(from, &one.bytes[from - offset..to - offset]),
                4 => image.write(from, &garbage(to - from, rng)),
                _ => {}
            }
            from = to;
        }
    }

    fn recount(&mut self) {
        let named = self.inodes.iter().flatten().filter(|inode| inode.links > 0);
        self.used = named
            .map(|inode| match &inode.body {
                Body::File(image) => image.len() as u64,
                Body::Directory(_) => 0,
            })
            .sum();
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Kept,
    Dropped,
    Torn,
}

impl Loss {
    fn count(&mut self, fate: Fate) {
        match fate {
            Fate::Kept => self.kept += 1,
            Fate::Dropped => self.dropped += 1,
            Fate::Torn => self.torn += 1,
        }
    }
}

fn draw_manner(rng: &mut impl Rng, file: bool) -> Manner {
    match (rng.next_u64() % 8, file) {
        (0 | 1, _) => Manner::Nothing,
        (2, _) => Manner::Prefix,
        (3, _) => Manner::Everything,
        (4 | 5, true) => Manner::Torn,
        _ => Manner::Subset,
    }
}

fn fate(manner: Manner, pending: &Pending, in_prefix: bool, rng: &mut impl Rng) -> Fate {
    if pending.abandoned {
        return Fate::Dropped;
    }
    let keep = match manner {
        Manner::Nothing => false,
        Manner::Everything => true,
        Manner::Prefix => in_prefix,
        Manner::Subset => rng.next_u64().is_multiple_of(2),
        Manner::Torn => return Fate::Torn,
    };
    if keep { Fate::Kept } else { Fate::Dropped }
}

fn garbage(len: usize, rng: &mut impl Rng) -> Vec<u8> {
    let mut bytes = vec![0; len];
    rng.fill_bytes(&mut bytes);
    bytes
}
