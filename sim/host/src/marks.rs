//! Where a process's marks go: lines on a pipe for the parent, or a channel inside one OS process.

use contract::Observed;
use std::io::{self, Write};
use std::sync::mpsc;

/// Takes marks in the order in which a process states them, before any later effect becomes visible.
pub trait MarkSink: Send {
    /// Takes one mark.
    fn state(&mut self, observed: &Observed);
}

/// The exit status of a process whose marks nobody can read any more.
pub const MARKS_LOST: u8 = 23;

/// One JSON object a line, each with one unbuffered write: at most `PIPE_BUF` bytes arrive whole or not
/// at all when the process is killed; a longer line cut short is recognised by its missing newline.
///
/// A line that cannot be written ends the OS process at that point, with [`MARKS_LOST`]: effects that
/// nobody hears of would make a judge see what never happened.
#[derive(Debug)]
pub struct JsonLines<W: Write + Send> {
    out: W,
    line: Vec<u8>,
}

impl<W: Write + Send> JsonLines<W> {
    /// Lines on `out`, which must not buffer.
    pub fn new(out: W) -> Self {
        JsonLines { out, line: Vec::new() }
    }
}

impl JsonLines<std::fs::File> {
    /// Lines on the standard output, past the buffer of the standard library.
    pub fn stdout() -> io::Result<Self> {
        let fd = rustix::io::fcntl_dupfd_cloexec(io::stdout(), 3)?;
        Ok(JsonLines::new(std::fs::File::from(fd)))
    }
}

impl<W: Write + Send> MarkSink for JsonLines<W> {
    fn state(&mut self, observed: &Observed) {
        self.line.clear();
        let written = serde_json::to_writer(&mut self.line, observed).map_err(io::Error::from).and_then(|()| {
            self.line.push(b'\n');
            self.out.write_all(&self.line)
        });
        if let Err(error) = written {
            eprintln!("marks cannot be written ({error}): process {} ends here", observed.process.0);
            std::process::exit(i32::from(MARKS_LOST));
        }
    }
}

/// Marks as values to another thread; a receiver that went away is nobody's loss.
#[derive(Clone, Debug)]
pub struct Channel(pub mpsc::Sender<Observed>);

impl MarkSink for Channel {
    fn state(&mut self, observed: &Observed) {
        // The receiver ends before its processes only when their run has been judged.
        let _ = self.0.send(observed.clone());
    }
}
