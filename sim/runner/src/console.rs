//! Where a command writes: results to `out`, progress and complaints to `err`.

use std::fmt::Display;
use std::io::Write;

/// The two streams of a command, and what they can show.
pub struct Console<'a> {
    /// Results.
    pub out: &'a mut dyn Write,
    /// Progress and complaints.
    pub err: &'a mut dyn Write,
    /// Whether colours are welcome.
    pub colour: bool,
    /// Whether `err` is a terminal, on which a progress bar can move.
    pub live: bool,
}

/// A colour with a meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// It holds.
    Good,
    /// It is broken.
    Bad,
    /// It needs a look.
    Doubtful,
    /// A heading.
    Strong,
    /// Less important.
    Faint,
}

impl Console<'_> {
    /// A line of the result. A reader who has gone away is no failure of the run, so that errors are dropped.
    pub fn say(&mut self, line: impl Display) {
        let _ = writeln!(self.out, "{line}");
    }

    /// A line for whoever watches.
    pub fn note(&mut self, line: impl Display) {
        let _ = writeln!(self.err, "{line}");
    }

    /// `text` in the colour of its meaning, where colours are welcome.
    pub fn paint(&self, tone: Tone, text: impl Display) -> String {
        let code = match tone {
            _ if !self.colour => return text.to_string(),
            Tone::Good => "32",
            Tone::Bad => "1;31",
            Tone::Doubtful => "33",
            Tone::Strong => "1",
            Tone::Faint => "2",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}
