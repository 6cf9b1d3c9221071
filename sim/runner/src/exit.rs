//! What a command's exit code tells a script.

use std::process::ExitCode;

/// How a run, a sweep or another command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Exit {
    /// Everything that was promised holds.
    Passed = 0,
    /// An invariant was broken.
    Violated = 1,
    /// The command line or a file is wrong.
    Usage = 2,
    /// A healed system did not converge in time.
    NotConverged = 3,
    /// An actor panicked.
    Panicked = 4,
    /// Two runs of one seed differ.
    NotDeterministic = 5,
    /// It passed, but what it asked for never happened, so that it proves nothing.
    Vacuous = 6,
    /// The machine failed, not the system under test.
    Infrastructure = 7,
}

impl Exit {
    /// Every exit, in the order of the codes.
    pub const ALL: [Exit; 8] = [
        Exit::Passed,
        Exit::Violated,
        Exit::Usage,
        Exit::NotConverged,
        Exit::Panicked,
        Exit::NotDeterministic,
        Exit::Vacuous,
        Exit::Infrastructure,
    ];

    /// The code.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The word in reports and in JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Exit::Passed => "passed",
            Exit::Violated => "violated",
            Exit::Usage => "usage",
            Exit::NotConverged => "not_converged",
            Exit::Panicked => "panicked",
            Exit::NotDeterministic => "not_deterministic",
            Exit::Vacuous => "vacuous",
            Exit::Infrastructure => "infrastructure",
        }
    }

    /// The exit whose word that is.
    pub fn from_word(word: &str) -> Option<Exit> {
        Self::ALL.into_iter().find(|exit| exit.word() == word)
    }

    /// Which of two exits a command with several results reports: what makes the other results
    /// doubtful wins (a broken machine, then a run that cannot be repeated), then the graver failure.
    pub fn or_graver(self, other: Exit) -> Exit {
        if self.gravity() >= other.gravity() { self } else { other }
    }

    const fn gravity(self) -> u8 {
        match self {
            Exit::Passed => 0,
            Exit::Vacuous => 1,
            Exit::NotConverged => 2,
            Exit::Panicked => 3,
            Exit::Violated => 4,
            Exit::NotDeterministic => 5,
            Exit::Infrastructure => 6,
            Exit::Usage => 7,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}
