//! The watermark: up to where the ledger is durable, written down for the other processes of this boot.
//!
//! Who takes a lock over from a dead holder finds the last batch in the page cache and cannot know whether its sync
//! succeeded: the batch may have been acknowledged, and a later sync proves nothing about pages that an earlier one
//! has failed to write and marked clean. So a writer says how far it got, after the sync and before the answer. The
//! watermark itself is never synced. It is meant for those who share the page cache with its writer; after a boot
//! everything that is on the disk is durable, and a watermark of an earlier boot only warns of damage.
//!
//! The file has two slots of [`SLOT`] bytes, each a [sealed](crate::sealed) object padded with blanks to a line. A
//! writer fills the slot that does not hold the newest watermark, so that a write that was cut short spoils none that
//! counts.

use crate::sealed;
use crate::turn::{Step, Turn};
use contract::{DiskError, File};
use serde::Deserialize;

/// Bytes of a slot.
pub const SLOT: usize = 256;

/// Up to where a ledger is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Watermark {
    /// The boot in which it was written, and in which it counts.
    #[serde(deserialize_with = "hex::deserialize")]
    pub boot: u64,
    /// Which file the ledger was.
    pub inode: u64,
    /// All bytes before this one are durable.
    pub end: u64,
    /// The number of the last event among them.
    pub last: u64,
}

/// What the two slots hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watermarks([Option<Watermark>; 2]);

impl Watermarks {
    /// Reads the slots; what was not written whole is none.
    pub fn parse(bytes: &[u8]) -> Watermarks {
        let slot = |nth: usize| {
            let slot = bytes.get(nth * SLOT..)?;
            let object = slot[..slot.len().min(SLOT)].trim_ascii_end();
            sealed::checksum(&[object, b"\n"].concat())?;
            serde_json::from_slice(object).ok()
        };
        Watermarks([slot(0), slot(1)])
    }

    /// The slot and the watermark that count in this boot for that file.
    pub fn newest(&self, boot: u64, inode: u64) -> Option<(usize, Watermark)> {
        let slots = (0..).zip(self.0).filter_map(|(slot, mark)| Some((slot, mark?)));
        slots.filter(|(_, mark)| (mark.boot, mark.inode) == (boot, inode)).max_by_key(|(_, mark)| mark.end)
    }

    /// Up to where the file was durable in any boot; 0 if nothing is known.
    pub fn ever(&self, inode: u64) -> u64 {
        self.0.iter().flatten().filter(|mark| mark.inode == inode).map(|mark| mark.end).max().unwrap_or(0)
    }
}

/// Reads both slots.
pub fn read(turn: &mut Turn<'_>, file: File) -> Step<Result<Watermarks, DiskError>> {
    Ok(turn.read(file, 0, 2 * SLOT)?.map(|bytes| Watermarks::parse(&bytes)))
}

/// Writes a watermark into a slot.
pub fn write(turn: &mut Turn<'_>, file: File, slot: usize, mark: Watermark) -> Step<Result<(), DiskError>> {
    turn.write(file, (slot * SLOT) as u64, &line(mark))
}

/// The bytes of a slot.
fn line(mark: Watermark) -> Vec<u8> {
    let Watermark { boot, inode, end, last } = mark;
    let object = format!("{{\"boot\":\"{boot:016x}\",\"inode\":{inode},\"end\":{end},\"last\":{last}");
    let mut line = sealed::seal(&object);
    line.pop();
    line.resize(SLOT - 1, b' ');
    line.push(b'\n');
    line
}

/// A boot as sixteen hexadecimal digits: readers in other languages keep 53 bits of a number.
mod hex {
    use serde::{Deserialize, Deserializer, de::Error};

    pub fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<u64, D::Error> {
        let text = <&str>::deserialize(from)?;
        u64::from_str_radix(text, 16).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: Watermark = Watermark { boot: 0xb007, inode: 7, end: 420, last: 3 };

    #[test]
    fn a_slot_has_these_bytes() {
        let text = String::from_utf8(line(MARK)).unwrap();
        let expected = "{\"boot\":\"000000000000b007\",\"inode\":7,\"end\":420,\"last\":3,\"crc\":\"";
        assert!(text.starts_with(expected), "{text}");
        assert_eq!((text.len(), text.lines().count()), (SLOT, 1));
        let widest = Watermark { boot: u64::MAX, inode: u64::MAX, end: u64::MAX, last: u64::MAX };
        assert_eq!(Watermarks::parse(&line(widest)).newest(u64::MAX, u64::MAX), Some((0, widest)));
    }

    #[test]
    fn the_newest_of_this_boot_counts_and_a_torn_one_does_not() {
        let later = Watermark { end: 500, last: 4, ..MARK };
        let file = [line(MARK), line(later)].concat();
        assert_eq!(Watermarks::parse(&file).newest(0xb007, 7), Some((1, later)));
        assert_eq!(Watermarks::parse(&file).newest(1, 7), None, "another boot");
        assert_eq!(Watermarks::parse(&file).newest(0xb007, 8), None, "another file");
        assert_eq!((Watermarks::parse(&file).ever(7), Watermarks::parse(&file).ever(8)), (500, 0));
        let whole = line(later).trim_ascii_end().len();
        for cut in 0..whole {
            let torn = [&line(MARK)[..], &line(later)[..cut], &b"x".repeat(SLOT - cut)].concat();
            assert_eq!(Watermarks::parse(&torn).newest(0xb007, 7), Some((0, MARK)), "cut at {cut}");
        }
    }

    #[test]
    fn no_bytes_make_it_panic() {
        for length in 0..3 * SLOT {
            for filler in [0, b' ', b'{', b'}', 0xff] {
                assert_eq!(Watermarks::parse(&vec![filler; length]), Watermarks::default());
            }
        }
    }
}
