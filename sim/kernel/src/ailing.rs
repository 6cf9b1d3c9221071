//! What a disk call meets on a node whose disk is ailing. Every choice is keyed by the call's identity and the
//! fault's slot; a fault counts as fired where it changed what the call did.

use crate::ail::Ailment;
use crate::disk::{Doer, Ino};
use crate::draw::{Identity, Step, hits, within};
use crate::fault::FaultKind;
use crate::syscall::Scope;
use contract::DiskError;
use std::ops::Range;

/// With a full disk, this share of syncs fails (delayed allocation), in parts per million.
const FULL_SYNC_PPM: u32 = 250_000;
/// With a full disk, this share of creations and renames fails: directories grow only now and then.
const FULL_NAME_PPM: u32 = 500_000;
/// Always.
const ALWAYS_PPM: u32 = 1_000_000;

/// What a call is about to do, as far as an ailing disk cares.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Errand {
    /// Open an existing file for reading.
    OpenToRead,
    /// Open an existing file for writing.
    OpenToWrite,
    /// Make a file and open it.
    Create,
    /// Make a directory.
    MakeDirectory,
    /// Give a second or another name.
    Rename,
    /// Remove a name.
    Unlink,
    /// Change a file's bytes or length.
    Write,
    /// Read bytes or names.
    Read,
    /// Sync what has changed.
    Sync,
    /// Sync what has not changed.
    SyncClean,
}

/// How an ailment refuses an errand, and with which probability in parts per million.
fn refusal(kind: FaultKind, errand: Errand, ppm: u32) -> Option<(DiskError, u32)> {
    use Errand as E;
    use FaultKind as F;
    let syncs = matches!(errand, E::Sync | E::SyncClean);
    let changes = !matches!(errand, E::OpenToRead | E::Read | E::SyncClean);
    match kind {
        F::TooManyOpen if matches!(errand, E::OpenToRead | E::OpenToWrite | E::Create) => {
            Some((DiskError::TooManyOpen, ppm))
        }
        F::ReadOnly if changes => Some((DiskError::ReadOnly, ALWAYS_PPM)),
        F::DiskError if !syncs => Some((DiskError::Io, ppm)),
        F::FsyncFailure if syncs => Some((DiskError::Io, ppm)),
        F::InodeExhaustion if matches!(errand, E::Create | E::MakeDirectory) => Some((DiskError::NoSpace, ALWAYS_PPM)),
        F::DiskFull if matches!(errand, E::Create | E::MakeDirectory | E::Rename) => {
            Some((DiskError::NoSpace, FULL_NAME_PPM))
        }
        F::DiskFull if errand == E::Sync => Some((DiskError::NoSpace, FULL_SYNC_PPM)),
        _ => None,
    }
}

impl Scope<'_> {
    fn ailments(&mut self) -> &mut Vec<Ailment> {
        &mut self.world.nodes[self.node.0 as usize].ailments
    }

    /// The bits of a choice about a call under an ailment.
    fn bits(&self, ailment: &Ailment, about: Identity, nth: u32) -> u64 {
        self.world.draw.slot_bits(about.then(Step::Disk, 1, nth), ailment.key)
    }

    /// The ailments of one kind that hit the call.
    fn hit(&mut self, kind: FaultKind, about: Identity) -> Vec<Ailment> {
        let all = &self.world.nodes[self.node.0 as usize].ailments;
        let hits = |it: &&Ailment| it.kind == kind && hits(self.bits(it, about, 0), it.ppm);
        all.iter().filter(hits).cloned().collect()
    }

    fn fired(&mut self, slot: usize) {
        self.world.counts[slot].fired += 1;
    }

    /// How long a call takes that usually takes `usual`: a slow disk prolongs it, a hung one ends it at the
    /// end of the occurrence.
    #[cold]
    pub(crate) fn prolonged(&mut self, about: Identity, usual: u64) -> u64 {
        let mut time = usual;
        for slow in self.hit(FaultKind::SlowDisk, about) {
            self.fired(slow.slot);
            time += within(self.bits(&slow, about, 1), slow.amount.0, slow.amount.1);
        }
        for hung in self.hit(FaultKind::HungDisk, about) {
            if hung.until > self.local + time {
                self.fired(hung.slot);
                time = hung.until - self.local;
                self.world.processes[self.process.0 as usize].hung_until = hung.until;
            }
        }
        time
    }

    /// Whether the disk refuses the errand.
    #[cold]
    pub(crate) fn refused(&mut self, about: Identity, errand: Errand) -> Result<(), DiskError> {
        let all = &self.world.nodes[self.node.0 as usize].ailments;
        let refuses = |it: &Ailment| {
            let (error, ppm) = refusal(it.kind, errand, it.ppm)?;
            hits(self.bits(it, about, 0), ppm).then_some((it.slot, error))
        };
        let Some((slot, error)) = all.iter().find_map(refuses) else { return Ok(()) };
        self.fired(slot);
        Err(error)
    }

    /// How many of `whole` bytes one call transfers: at least one, where there are any.
    #[cold]
    pub(crate) fn shortened(&mut self, about: Identity, whole: usize) -> usize {
        let mut count = whole;
        for short in self.hit(FaultKind::ShortIo, about) {
            if count > 1 {
                self.fired(short.slot);
                count = within(self.bits(&short, about, 1), 1, count as u64 - 1) as usize;
            }
        }
        count
    }

    /// How many of `wanted` new bytes a full disk takes.
    #[cold]
    pub(crate) fn last_room(&mut self, wanted: u64) -> u64 {
        let mut room = wanted;
        let mut refusing = Vec::new();
        for full in self.ailments().iter_mut().filter(|it| it.kind == FaultKind::DiskFull) {
            if wanted > full.room {
                refusing.push(full.slot);
            }
            room = room.min(full.room);
            full.room -= wanted.min(full.room);
        }
        refusing.into_iter().for_each(|slot| self.fired(slot));
        room
    }

    /// The first sync of each dirty file fails and marks its pages clean. (Directories lie in the journal,
    /// whose failure a file system does not survive.)
    #[cold]
    pub(crate) fn fails_and_forgets(&mut self, ino: Ino) -> Result<(), DiskError> {
        if self.disk().len(ino).is_err() || !self.disk().is_dirty(ino) {
            return Ok(());
        }
        let mut lies = self.ailments().iter_mut().filter(|it| it.kind == FaultKind::FsyncLie);
        let Some(slot) = lies.find_map(|it| it.owned_up.insert(ino).then_some(it.slot)) else { return Ok(()) };
        let event = self.world.now;
        self.fired(slot);
        self.disk().abandon(ino, event)?;
        Err(DiskError::Io)
    }

    /// Whether the write lands elsewhere: what should have been written over stays, and the file is as long
    /// as if it had been.
    #[cold]
    pub(crate) fn misplaced(
        &mut self,
        about: Identity,
        (ino, offset): (Ino, usize),
        bytes: &[u8],
        doer: Doer,
    ) -> Result<bool, DiskError> {
        let end = offset + bytes.len();
        for astray in self.hit(FaultKind::MisdirectedWrite, about) {
            let bits = self.bits(&astray, about, 1);
            let process = self.process;
            let Some((victim, start)) = self.disk().elsewhere(process, (ino, offset..end), bits) else { continue };
            let mut room = self.disk().len(victim)? - start;
            if victim == ino && start < offset {
                room = room.min(offset - start);
            }
            if end > self.disk().len(ino)? {
                self.disk().resize(ino, end, doer)?;
            }
            self.disk().write(victim, start, &bytes[..bytes.len().min(room)], doer)?;
            self.fired(astray.slot);
            self.damage(|disk| format!("written to byte {start} of {}", disk.path_of(victim).unwrap_or_default()));
            return Ok(true);
        }
        Ok(false)
    }

    /// Whether the device takes the write just made and forgets it. It counts as fired when a power loss
    /// shows it, and as damage when a sync has reported success.
    #[cold]
    pub(crate) fn forgotten(&mut self, about: Identity, ino: Ino) {
        if let Some(phantom) = self.hit(FaultKind::PhantomWrite, about).first() {
            self.disk().forget_last(ino, phantom.slot);
        }
    }

    /// Whether the bytes read come from elsewhere.
    #[cold]
    pub(crate) fn misread(
        &mut self,
        about: Identity,
        (ino, offset): (Ino, usize),
        into: &mut [u8],
    ) -> Result<(), DiskError> {
        for astray in self.hit(FaultKind::MisdirectedRead, about) {
            let bits = self.bits(&astray, about, 1);
            let right = (ino, offset..offset + into.len());
            let process = self.process;
            let Some((other, start)) = self.disk().elsewhere(process, right, bits) else { continue };
            let mut wrong = into.to_vec();
            self.disk().read(other, start, &mut wrong)?;
            if wrong != into {
                into.copy_from_slice(&wrong);
                self.fired(astray.slot);
            }
        }
        Ok(())
    }

    /// A read meets what has gone wrong at rest: an unreadable sector fails it, a rotten bit does not.
    #[cold]
    pub(crate) fn meets_blemishes(&mut self, ino: Ino, range: Range<usize>) -> Result<(), DiskError> {
        let met: Vec<(usize, bool)> =
            self.disk().blemishes(ino, range).map(|blemish| (blemish.slot, blemish.unreadable)).collect();
        let fails = met.iter().any(|(_, unreadable)| *unreadable);
        met.iter().filter(|(_, unreadable)| *unreadable == fails).for_each(|(slot, _)| self.fired(*slot));
        if fails { Err(DiskError::Io) } else { Ok(()) }
    }

    /// What was durable on this node is no longer so, or is wrong.
    pub(crate) fn damage(&mut self, what: impl FnOnce(&crate::disk::FileSystem) -> String) {
        self.world.damaged.insert(self.node);
        if self.world.trace.narrates() {
            let text = what(&self.world.nodes[self.node.0 as usize].disk);
            self.world.trace.narrate(text);
        }
    }
}
