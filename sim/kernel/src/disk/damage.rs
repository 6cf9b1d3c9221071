//! Durable bytes gone wrong: rotten bits, unreadable sectors, and places where a write or a read goes astray.
//!
//! A blemish stays until what was written over it is durable. The page cache hides it before: a read of
//! bytes that wait to be written does not touch the device.

use super::change::Change;
use super::{Body, FileSystem, Ino, Inode, SECTOR};
use crate::draw::within;
use contract::ProcessId;
use std::ops::Range;

/// Something wrong with some of an inode's durable bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blemish {
    /// The bytes.
    place: Range<usize>,
    /// The fault slot that made it.
    pub slot: usize,
    /// Whether reading them fails, rather than giving wrong bytes.
    pub unreadable: bool,
}

impl Blemish {
    /// Whether all of it lies in `range`.
    pub(super) fn lies_in(&self, range: &Range<usize>) -> bool {
        range.start <= self.place.start && self.place.end <= range.end
    }
}

impl FileSystem {
    /// Every file that has a name.
    pub fn files(&self) -> Vec<Ino> {
        let named = |inode: &Inode| inode.links > 0 && matches!(inode.body, Body::File(_));
        let all = self.inodes.iter().enumerate();
        all.filter(|(_, inode)| inode.as_ref().is_some_and(named)).map(|(ino, _)| ino as Ino).collect()
    }

    /// Flips one bit of what is durable in a file; which one, or `None` where nothing is.
    pub fn rot(&mut self, ino: Ino, bits: [u64; 2], slot: usize, event: u64) -> Option<usize> {
        let sector = self.clean_sector(ino, bits[0], event)?;
        let bit = within(bits[1], 0, 8 * sector.len() as u64 - 1) as usize;
        let byte = sector.start + bit / 8;
        let inode = self.inode_mut(ino).ok()?;
        let Body::File(image) = &mut inode.body else { return None };
        let was = image.slice(byte, 1);
        image.write(byte, &[was[0] ^ (1 << (bit % 8))]);
        inode.blemishes.push(Blemish { place: byte..byte + 1, slot, unreadable: false });
        Some(byte)
    }

    /// Makes one durable sector of a file unreadable; where, or `None` where nothing is durable.
    pub fn spoil(&mut self, ino: Ino, bits: u64, slot: usize, event: u64) -> Option<usize> {
        let place = self.clean_sector(ino, bits, event)?;
        let start = place.start;
        self.inode_mut(ino).ok()?.blemishes.push(Blemish { place, slot, unreadable: true });
        Some(start)
    }

    /// Whether something is wrong with the file's durable bytes.
    #[inline]
    pub fn is_blemished(&self, ino: Ino) -> bool {
        self.inode(ino).is_ok_and(|inode| !inode.blemishes.is_empty())
    }

    /// What a read of `range` meets, apart from what the page cache hides.
    pub fn blemishes(&self, ino: Ino, range: Range<usize>) -> impl Iterator<Item = &Blemish> {
        let inode = self.inode(ino).ok();
        let all = inode.into_iter().flat_map(|inode| inode.blemishes.iter().map(move |it| (inode, it)));
        let met = all.filter(move |(_, it)| it.place.start < range.end && range.start < it.place.end);
        met.filter(|(inode, it)| !inode.hides(it)).map(|(_, it)| it)
    }

    /// One of the sectors of the files that `process` alone has written, but for those in `right`, which is
    /// where it belongs. Files of others are left out: they would see at once what has yet to happen.
    pub fn elsewhere(&self, process: ProcessId, right: (Ino, Range<usize>), bits: u64) -> Option<(Ino, usize)> {
        let (here, right) = (right.0, right.1);
        let mut sectors = Vec::new();
        for ino in self.files() {
            let Ok(inode) = self.inode(ino) else { continue };
            if inode.owner != Some(process) || inode.shared {
                continue;
            }
            let starts = (0..inode.size() as usize).step_by(SECTOR);
            let wrong = starts.filter(|start| ino != here || *start >= right.end || start + SECTOR <= right.start);
            sectors.extend(wrong.map(|start| (ino, start)));
        }
        let last = sectors.len().checked_sub(1)?;
        Some(sectors[within(bits, 0, last as u64) as usize])
    }

    /// One of the sectors of a file that no pending change touches.
    fn clean_sector(&mut self, ino: Ino, bits: u64, event: u64) -> Option<Range<usize>> {
        let inode = self.inode_mut(ino).ok()?;
        inode.settle(event);
        let len = inode.size() as usize;
        let sectors = (0..len).step_by(SECTOR).map(|start| start..(start + SECTOR).min(len));
        let clean: Vec<Range<usize>> = sectors.filter(|sector| !inode.touches(sector)).collect();
        let last = clean.len().checked_sub(1)?;
        Some(clean[within(bits, 0, last as u64) as usize].clone())
    }
}

impl Inode {
    /// Takes away the blemishes that the first `count` pending changes have written over; they are durable.
    pub(super) fn mend(&mut self, count: usize) {
        let Inode { pending, blemishes, .. } = self;
        for one in &pending[..count] {
            match one.change {
                Change::Write { offset, len, .. } => blemishes.retain(|it| !it.lies_in(&(offset..offset + len))),
                Change::Resize { len, .. } => blemishes.retain(|it| it.place.start < len),
                Change::Entries(_) => {}
            }
        }
    }

    /// Whether the page cache has newer bytes in the blemish's place, so that no read meets it.
    fn hides(&self, blemish: &Blemish) -> bool {
        self.pending.iter().any(|pending| match pending.change {
            Change::Write { offset, len, .. } => blemish.lies_in(&(offset..offset + len)),
            _ => false,
        })
    }

    fn touches(&self, place: &Range<usize>) -> bool {
        self.pending.iter().any(|pending| match &pending.change {
            Change::Write { offset, len, .. } => *offset < place.end && place.start < offset + len,
            Change::Resize { len, old_len, .. } => place.end > *len.min(old_len),
            Change::Entries(_) => false,
        })
    }
}
