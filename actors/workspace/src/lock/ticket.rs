//! The ticket: the file that a locker links to where a lock belongs, so that a lock is published with its content.

use super::token::Token;
use crate::places::Places;
use crate::turn::{Step, Turn};
use contract::{DiskError, Open};
use serde::{Deserialize, Serialize};

/// What stands in a ticket, and so in each lock that was taken with it: one line of JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The holder's process number.
    pub pid: u32,
    /// When the holder started, in nanoseconds of its boot clock.
    pub started: u64,
    /// Which boot of the machine that was.
    pub boot: u64,
    /// The machine.
    pub host: u64,
    /// All of these and a random number, as in the names of the holder's files.
    pub token: String,
    /// When the ticket was made, in milliseconds since 1970, for people.
    pub since: i64,
}

/// A ticket on the disk, safe there before any lock is taken with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Whose it is.
    pub token: Token,
    /// Where it is.
    pub path: String,
    /// Which file it is, under whatever name.
    pub inode: u64,
}

/// What a lock file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// The holder's token.
    Taken(Token),
    /// Nothing: an older version died between creating and writing, or is about to write.
    Empty {
        /// Which file.
        inode: u64,
    },
    /// Something else: not ours to judge.
    Unreadable,
}

impl Ticket {
    /// Writes a new ticket and makes it safe.
    ///
    /// # Errors
    /// Whatever the disk says; what was made is removed again as far as the disk lets us.
    pub fn make(turn: &mut Turn<'_>, places: &Places) -> Step<Result<Ticket, DiskError>> {
        let owner = turn.identity()?;
        let token = Token { owner, random: turn.random()? };
        let since = turn.wall()?.0 / 1_000_000;
        let path = places.temporary(&format!("{token}.ticket"));
        match write(turn, &path, &line(token, since))? {
            Ok(inode) => Ok(Ok(Ticket { token, path, inode })),
            Err(error) => {
                let _ = turn.unlink(&path)?;
                Ok(Err(error))
            }
        }
    }
}

/// The content of a ticket, with its newline.
pub fn line(token: Token, since: i64) -> Vec<u8> {
    let contract::host::Identity { pid, started, boot, host } = token.owner;
    let note = Note { pid: pid.0, started, boot, host, token: token.to_string(), since };
    let mut line = serde_json::to_vec(&note).expect("numbers and a text always have a JSON form");
    line.push(b'\n');
    line
}

/// Reads the content of a lock. Never fails: what is not understood is [`Content::Unreadable`].
pub fn read(bytes: &[u8], inode: u64) -> Content {
    if bytes.is_empty() {
        return Content::Empty { inode };
    }
    let note: Option<Note> = bytes.strip_suffix(b"\n").and_then(|line| serde_json::from_slice(line).ok());
    match note.and_then(|note| note.token.parse().ok()) {
        Some(token) => Content::Taken(token),
        None => Content::Unreadable,
    }
}

fn write(turn: &mut Turn<'_>, path: &str, bytes: &[u8]) -> Step<Result<u64, DiskError>> {
    let file = match turn.open(path, Open::CreateNew)? {
        Ok(file) => file,
        Err(error) => return Ok(Err(error)),
    };
    let mut written = turn.append(file, bytes)?;
    if written.is_ok() {
        written = turn.sync(file)?;
    }
    turn.close(file)?;
    match written {
        Ok(()) => Ok(turn.stat(path)?.map(|stat| stat.inode)),
        Err(error) => Ok(Err(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::Pid;
    use contract::host::Identity;

    #[test]
    fn a_ticket_reads_back_and_other_bytes_never_panic() {
        let token = Token { owner: Identity { pid: Pid(7), started: 9, boot: 3, host: 4 }, random: 5 };
        let bytes = line(token, 1_700_000_000_000);
        let text = "{\"pid\":7,\"started\":9,\"boot\":3,\"host\":4,\"token\":\"4-3-7-9-0000000000000005\",\"since\":1700000000000}\n";
        assert_eq!(String::from_utf8(bytes.clone()).unwrap(), text);
        assert_eq!(read(&bytes, 1), Content::Taken(token));
        assert_eq!(read(b"", 8), Content::Empty { inode: 8 });
        for cut in 1..bytes.len() {
            assert_eq!(read(&bytes[..cut], 1), Content::Unreadable, "the first {cut} bytes");
        }
        assert_eq!(read(&[0; 64], 1), Content::Unreadable);
    }
}
