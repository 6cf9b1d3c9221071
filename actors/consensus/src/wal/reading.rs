//! Reading a file at boot, when what is not read is lost for good.
//!
//! A device hands out another place's bytes now and then, and fails a call now and then: a piece counts as read
//! once two readings in a row agree. What still cannot be read is a sector that has gone bad, and is NUL here.

use contract::{Disk, DiskError, File, Open};

/// A file's bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// As long as the file.
    pub bytes: Vec<u8>,
    /// The offset after the last sector that cannot be read; 0 if all can.
    pub unreadable_to: u64,
}

/// Bytes that are read at once.
const PIECE: usize = 64 * 1024;
/// What a device loses at once, in bytes.
const SECTOR: usize = 512;
/// Readings of a piece before it is given up.
const READINGS: usize = 8;

/// Reads the file of that name.
///
/// # Errors
/// When the disk fails rather than a part of it: nothing can be read, or the file cannot be opened.
pub fn read(path: &str, disk: &mut Disk<'_>) -> Result<Image, DiskError> {
    let file = disk.open(path, Open::Read)?;
    let image = read_open(file, disk);
    disk.close(file);
    image
}

fn read_open(file: File, disk: &mut Disk<'_>) -> Result<Image, DiskError> {
    let len = usize::try_from(disk.len(file)?).map_err(|_| DiskError::Invalid)?;
    let mut image = Image::default();
    let mut readable = len == 0;
    while image.bytes.len() < len {
        let at = image.bytes.len();
        let wanted = PIECE.min(len - at);
        if let Ok(bytes) = surely(file, at, wanted, disk) {
            image.bytes.extend(bytes);
            readable = true;
        } else {
            readable |= image.read_by_sector(file, at + wanted, disk);
        }
    }
    if readable { Ok(image) } else { Err(DiskError::Io) }
}

impl Image {
    /// Reads on up to `end`; whether any sector could be read.
    fn read_by_sector(&mut self, file: File, end: usize, disk: &mut Disk<'_>) -> bool {
        let mut readable = false;
        while self.bytes.len() < end {
            let at = self.bytes.len();
            let wanted = (SECTOR - at % SECTOR).min(end - at);
            match surely(file, at, wanted, disk) {
                Ok(bytes) => {
                    self.bytes.extend(bytes);
                    readable = true;
                }
                Err(_) => {
                    self.bytes.resize(at + wanted, 0);
                    self.unreadable_to = (at + wanted) as u64;
                }
            }
        }
        readable
    }
}

/// A piece as two readings in a row show it, or else as the last one did.
fn surely(file: File, at: usize, len: usize, disk: &mut Disk<'_>) -> Result<Vec<u8>, DiskError> {
    let mut last = Err(DiskError::Io);
    for _ in 0..READINGS {
        let again = match disk.read_range(file, at as u64, len) {
            Ok(bytes) if bytes.len() == len => Ok(bytes),
            // The file does not shrink meanwhile: an early end is an error of the device.
            Ok(_) => Err(DiskError::Io),
            Err(error) => Err(error),
        };
        match (&again, &last) {
            (Ok(new), Ok(old)) if new == old => return again,
            (Err(_), Ok(_)) => {}
            _ => last = again,
        }
    }
    last
}
