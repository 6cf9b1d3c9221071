//! A disk so small that it can be filled for real: the kernel itself answers ENOSPC.
//!
//! It is a tmpfs that is mounted nowhere: it is reached through the parent's descriptor and ceases to
//! exist with the last process that has it open, so that nothing is left behind even by a SIGKILL.
//! It needs the privilege to mount; without it the fault is skipped, visibly.

use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{AtFlags, Mode, OFlags, mkdirat, openat, unlinkat};
use rustix::io::{Errno, retry_on_intr, write};
use std::io;
use std::path::PathBuf;

/// Why something that was asked for was not done. To be shown, never swallowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped(pub String);

impl std::fmt::Display for Skipped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

const BALLAST: &str = "ballast";
const DATA: &str = "data";
const CHUNK: usize = 64 * 1024;

/// A file system of a fixed size with a data directory on it.
#[derive(Debug)]
pub struct SmallDisk {
    root: OwnedFd,
    full: bool,
}

impl SmallDisk {
    /// A disk of `bytes`, rounded up to whole pages.
    pub fn new(bytes: u64) -> Result<SmallDisk, Skipped> {
        let root = tmpfs(bytes).map_err(|errno| match errno {
            Errno::PERM | Errno::ACCESS => {
                Skipped("no privilege to mount a tmpfs: run as root or in a user namespace".to_owned())
            }
            other => Skipped(format!("this system mounts no tmpfs: {other}")),
        })?;
        mkdirat(&root, DATA, Mode::from_raw_mode(0o755))
            .map_err(|errno| Skipped(format!("the tmpfs cannot be used: {errno}")))?;
        Ok(SmallDisk { root, full: false })
    }

    /// The data directory, for this process and those that may look into it (its children).
    pub fn data_dir(&self) -> PathBuf {
        format!("/proc/{}/fd/{}/{DATA}", std::process::id(), self.root.as_raw_fd()).into()
    }

    /// Writes ballast until the kernel has no page left. Asked again, it takes what was freed meanwhile.
    pub fn fill(&mut self) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND | OFlags::CLOEXEC;
        self.full = true;
        let ballast = match openat(&self.root, BALLAST, flags, Mode::from_raw_mode(0o600)) {
            Err(Errno::NOSPC) => return Ok(()),
            other => other?,
        };
        let zeros = vec![0; CHUNK];
        loop {
            match retry_on_intr(|| write(&ballast, &zeros)) {
                Ok(0) | Err(Errno::NOSPC) => return Ok(()),
                Ok(_) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// Takes the ballast away.
    pub fn relieve(&mut self) -> io::Result<()> {
        self.full = false;
        match unlinkat(&self.root, BALLAST, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Whether it was filled and not relieved.
    pub fn is_full(&self) -> bool {
        self.full
    }
}

#[cfg(target_os = "linux")]
fn tmpfs(bytes: u64) -> Result<OwnedFd, Errno> {
    use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};
    use rustix::mount::{fsconfig_create, fsconfig_set_string, fsmount, fsopen};
    let context = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(&context, "size", bytes.to_string().as_str())?;
    fsconfig_create(&context)?;
    let attributes =
        MountAttrFlags::MOUNT_ATTR_NOEXEC | MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

#[cfg(not(target_os = "linux"))]
fn tmpfs(_bytes: u64) -> Result<OwnedFd, Errno> {
    Err(Errno::NOSYS)
}
