//! Tokens: who a lock, a guard or a temporary file belongs to, in a form that is a file name.
//!
//! A token is the identity of one process incarnation and a random number. Whether its owner still runs can be
//! asked of the name alone, without reading the file.

use crate::turn::{Step, Turn};
use contract::Pid;
use contract::host::{Identity, Liveness};
use std::fmt;
use std::str::FromStr;

/// The name of one locker: unique for ever, as far as 64 random bits are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Token {
    /// The incarnation that it belongs to.
    pub owner: Identity,
    /// Tells the lockers of one incarnation apart.
    pub random: u64,
}

/// Whether the owner of a token can still act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It runs, or nobody here can tell: on another host, or not ours to ask about.
    Alive,
    /// It does nothing any more, for ever.
    Dead,
}

impl Token {
    /// The part that names guards: short, because they nest.
    pub fn short(&self) -> String {
        format!("{:016x}", self.random)
    }

    /// The token at the start of a temporary file's name, which goes on after a dot.
    pub fn of_file(name: &str) -> Option<Token> {
        name.split('.').next()?.parse().ok()
    }

    /// Asks the process table about the owner.
    pub fn life(&self, turn: &mut Turn<'_>) -> Step<Life> {
        let me = turn.identity()?;
        if self.owner.host != me.host {
            return Ok(Life::Alive);
        }
        if self.owner.boot != me.boot {
            return Ok(Life::Dead);
        }
        Ok(match turn.liveness(self.owner.pid)? {
            // The number was given to another process since.
            Liveness::Alive { started } if started != self.owner.started => Life::Dead,
            Liveness::Alive { .. } | Liveness::NotPermitted => Life::Alive,
            Liveness::Dead => Life::Dead,
        })
    }
}

/// `host-boot-pid-started-random`, each in hexadecimal.
impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Identity { pid, started, boot, host } = self.owner;
        write!(f, "{host:x}-{boot:x}-{:x}-{started:x}-{:016x}", pid.0, self.random)
    }
}

/// The text is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoToken;

impl FromStr for Token {
    type Err = NoToken;

    fn from_str(text: &str) -> Result<Token, NoToken> {
        let mut parts = text.split('-').map(|part| u64::from_str_radix(part, 16).map_err(|_| NoToken));
        let mut next = || parts.next().ok_or(NoToken)?;
        let (host, boot, pid, started, random) = (next()?, next()?, next()?, next()?, next()?);
        let pid = Pid(u32::try_from(pid).map_err(|_| NoToken)?);
        let token = Token { owner: Identity { pid, started, boot, host }, random };
        // One owner, one spelling: a name that reads as a token but is written otherwise is not ours.
        if token.to_string() == text { Ok(token) } else { Err(NoToken) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: Token =
        Token { owner: Identity { pid: Pid(0x2a), started: 7, boot: 0xb, host: u64::MAX }, random: 0x1f };

    #[test]
    fn a_token_is_written_and_read_back() {
        let text = TOKEN.to_string();
        assert_eq!(text, "ffffffffffffffff-b-2a-7-000000000000001f");
        assert_eq!(text.parse(), Ok(TOKEN));
        assert_eq!(Token::of_file(&format!("{text}.ticket")), Some(TOKEN));
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for text in ["", "a", "1-2-3-4", "1-2-3-4-5", "1-2-3-4-5-6", "0-0-fffffffff-0-0000000000000000", "g-0-0-0-0"] {
            assert_eq!(text.parse::<Token>(), Err(NoToken), "{text:?}");
        }
        assert_eq!(Token::of_file(""), None);
    }
}
