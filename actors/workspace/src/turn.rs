//! Straight-line code over shared files that other processes may interleave at every system call.
//!
//! An operation is a plain function that takes a [`Turn`] and makes system calls through it. It reads like the
//! specification and knows nothing of where it runs:
//!
//! - In a program ([`Turn::through`]) each call is made at once, and the function runs to its end.
//! - In an actor ([`Turn::once`]) one call is made, is written into the operation's [`Journal`], and the function
//!   is left with [`Over`]. In the next turn it runs again from its start; what the journal holds is answered from
//!   it, so that the function comes to the same place and makes its next call. An operation in the middle is
//!   therefore plain data: it can be cloned, compared and printed, unlike a future.
//!
//! The one rule: between two calls a function depends on nothing but its arguments and the answers. Dates, random
//! numbers and the process table are calls too. The journal checks the rule: an answer of another kind than the one
//! asked for is a broken promise. The price is that an operation of `n` calls runs `n` times in the simulator, which
//! is nothing beside a disk call; book/src/decisions/0003-turns.md has the numbers and the alternatives.

use crate::planted::{Defect, Planted};
use contract::disk::Stat;
use contract::host::{Identity, Liveness};
use contract::{Actor, Context, Disk, DiskError, Duration, File, Mark, Open, Pid, Time, Wall};
use std::sync::Arc;

/// What an operation may ask of the machine it runs on.
pub trait Machine {
    /// The disk.
    fn disk(&mut self) -> Disk<'_>;
    /// This incarnation.
    fn identity(&self) -> Identity;
    /// Whether a process of this machine runs.
    fn liveness(&self, pid: Pid) -> Liveness;
    /// The monotonic clock.
    fn now(&self) -> Time;
    /// The date.
    fn wall(&self) -> Wall;
    /// Sixty-four random bits.
    fn random(&mut self) -> u64;
    /// States a fact.
    fn mark(&mut self, mark: Mark);
    /// Blocks; only [`Turn::through`] asks for it.
    fn sleep(&mut self, time: Duration);
}

impl<A: Actor> Machine for Context<'_, A> {
    fn disk(&mut self) -> Disk<'_> {
        Context::disk(self)
    }
    fn identity(&self) -> Identity {
        Context::identity(self)
    }
    fn liveness(&self, pid: Pid) -> Liveness {
        Context::liveness(self, pid)
    }
    fn now(&self) -> Time {
        Context::now(self)
    }
    fn wall(&self) -> Wall {
        Context::wall(self)
    }
    fn random(&mut self) -> u64 {
        Context::random(self)
    }
    fn mark(&mut self, mark: Mark) {
        Context::mark(self, mark);
    }
    fn sleep(&mut self, _: Duration) {
        unreachable!("an actor takes its operations turn by turn and sets a timer instead");
    }
}

/// The turn is over; the operation goes on in the next one, after at least `after`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Over {
    /// How long the operation wants to wait; zero to go on at once.
    pub after: Duration,
}

/// What a function that makes calls returns: its result, or that the turn is over. Pass [`Over`] on with `?`.
pub type Step<T> = Result<T, Over>;

/// What one operation has been answered so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Journal {
    answers: Vec<Answer>,
}

impl Journal {
    /// How many calls have been answered.
    pub fn len(&self) -> usize {
        self.answers.len()
    }

    /// Whether the operation has not begun.
    pub fn is_empty(&self) -> bool {
        self.answers.is_empty()
    }
}

/// The answer to one call.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    Done(Result<(), DiskError>),
    Opened(Result<File, DiskError>),
    Bytes(Result<Arc<[u8]>, DiskError>),
    Length(Result<u64, DiskError>),
    Names(Result<Arc<[String]>, DiskError>),
    Stat(Result<Stat, DiskError>),
    Identity(Identity),
    Liveness(Liveness),
    Now(Time),
    Wall(Wall),
    Random(u64),
    Said,
}

/// One run of an operation.
pub struct Turn<'t> {
    machine: &'t mut dyn Machine,
    planted: Planted,
    /// `None` for a run to the end, which needs no memory.
    journal: Option<&'t mut Journal>,
    /// The next answer to give from the journal.
    next: usize,
    /// Whether a call to the disk was made in this turn.
    spent: bool,
}

impl<'t> Turn<'t> {
    /// A run that makes at most one new call to the disk.
    pub fn once(machine: &'t mut dyn Machine, journal: &'t mut Journal, planted: Planted) -> Turn<'t> {
        Turn { machine, planted, journal: Some(journal), next: 0, spent: false }
    }

    /// Runs `operation` to its end, blocking.
    pub fn through<T>(machine: &mut dyn Machine, operation: impl FnOnce(&mut Turn<'_>) -> Step<T>) -> T {
        let mut turn = Turn { machine, planted: Planted::default(), journal: None, next: 0, spent: false };
        match operation(&mut turn) {
            Ok(result) => result,
            Err(Over { .. }) => unreachable!("without a journal no call ends the turn"),
        }
    }

    /// Whether `defect` is switched on.
    pub fn has(&self, defect: Defect) -> bool {
        self.planted.has(defect)
    }

    /// Answers from the journal, or makes the call and writes its answer down.
    fn ask(&mut self, on_disk: bool, act: impl FnOnce(&mut dyn Machine) -> Answer) -> Step<Answer> {
        let Some(journal) = self.journal.as_deref_mut() else { return Ok(act(self.machine)) };
        if let Some(answer) = journal.answers.get(self.next) {
            self.next += 1;
            return Ok(answer.clone());
        }
        if self.spent {
            // Others may come between any two calls, also between this one and the last.
            return Err(Over { after: Duration::ZERO });
        }
        self.spent = on_disk;
        let answer = act(self.machine);
        journal.answers.push(answer.clone());
        self.next += 1;
        Ok(answer)
    }

    /// Waits for `time`: others run meanwhile.
    pub fn wait(&mut self, time: Duration) -> Step<()> {
        let Some(journal) = self.journal.as_deref_mut() else {
            self.machine.sleep(time);
            return Ok(());
        };
        if self.next < journal.answers.len() {
            self.next += 1;
            return Ok(());
        }
        journal.answers.push(Answer::Said);
        Err(Over { after: time })
    }
}

/// Declares calls: name, arguments, what is made of the machine, which answer it is.
macro_rules! calls {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $type:ty),*) -> $out:ty = $disk:literal $answer:ident($machine:ident) $act:expr;)*) => {
        impl Turn<'_> {
            $(
                $(#[$doc])*
                pub fn $name(&mut self $(, $arg: $type)*) -> Step<$out> {
                    match self.ask($disk, |$machine| Answer::$answer($act))? {
                        Answer::$answer(answer) => Ok(answer),
                        other => panic!(concat!("an operation asked for ", stringify!($name), " where its earlier runs asked for {:?}"), other),
                    }
                }
            )*
        }
    };
}

calls! {
    /// `open(2)`.
    open(path: &str, mode: Open) -> Result<File, DiskError> = true Opened(m) m.disk().open(path, mode);
    /// `write(2)` at the end; may be short: returns the bytes written, at least one unless `bytes` is empty.
    append_some(file: File, bytes: &[u8]) -> Result<u64, DiskError> = true Length(m) m.disk().append(file, bytes).map(|count| count as u64);
    /// `pwrite(2)`; may be short, as [`Turn::append_some`].
    write_some(file: File, offset: u64, bytes: &[u8]) -> Result<u64, DiskError> = true Length(m) m.disk().write_at(file, offset, bytes).map(|count| count as u64);
    /// Reads up to `len` bytes at `offset`; fewer only where the file ends.
    read(file: File, offset: u64, len: usize) -> Result<Arc<[u8]>, DiskError> = true Bytes(m) m.disk().read_range(file, offset, len).map(Arc::from);
    /// Reads the whole file.
    read_all(file: File) -> Result<Arc<[u8]>, DiskError> = true Bytes(m) m.disk().read_all(file).map(Arc::from);
    /// `ftruncate(2)`.
    truncate(file: File, len: u64) -> Result<(), DiskError> = true Done(m) m.disk().truncate(file, len);
    /// The file's length in bytes.
    len(file: File) -> Result<u64, DiskError> = true Length(m) m.disk().len(file);
    /// `fsync(2)` on a file.
    sync(file: File) -> Result<(), DiskError> = true Done(m) m.disk().sync(file);
    /// `fsync(2)` on a directory.
    sync_dir(path: &str) -> Result<(), DiskError> = true Done(m) m.disk().sync_dir(path);
    /// `rename(2)`.
    rename(from: &str, to: &str) -> Result<(), DiskError> = true Done(m) m.disk().rename(from, to);
    /// `link(2)`.
    link(existing: &str, to: &str) -> Result<(), DiskError> = true Done(m) m.disk().link(existing, to);
    /// `unlink(2)`.
    unlink(path: &str) -> Result<(), DiskError> = true Done(m) m.disk().unlink(path);
    /// `mkdir(2)`.
    mkdir(path: &str) -> Result<(), DiskError> = true Done(m) m.disk().mkdir(path);
    /// Names in a directory, sorted.
    list(path: &str) -> Result<Arc<[String]>, DiskError> = true Names(m) m.disk().list(path).map(Arc::from);
    /// `stat(2)`.
    stat(path: &str) -> Result<Stat, DiskError> = true Stat(m) m.disk().stat(path);
    /// This incarnation.
    identity() -> Identity = false Identity(m) m.identity();
    /// Whether a process of this machine runs.
    liveness(pid: Pid) -> Liveness = false Liveness(m) m.liveness(pid);
    /// The monotonic clock.
    now() -> Time = false Now(m) m.now();
    /// The date.
    wall() -> Wall = false Wall(m) m.wall();
    /// Sixty-four random bits.
    random() -> u64 = false Random(m) m.random();
}

impl Turn<'_> {
    /// Writes all of `bytes` at the end, in as many calls as the system wants; after an error a prefix may have
    /// been written.
    pub fn append(&mut self, file: File, bytes: &[u8]) -> Step<Result<(), DiskError>> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.append_some(file, rest)? {
                Ok(0) => return Ok(Err(DiskError::Io)),
                Ok(count) => rest = rest.get(count as usize..).unwrap_or_default(),
                Err(error) => return Ok(Err(error)),
            }
        }
        Ok(Ok(()))
    }

    /// Writes all of `bytes` at `offset`, in as many calls as the system wants; after an error a prefix may have
    /// been written.
    pub fn write(&mut self, file: File, offset: u64, bytes: &[u8]) -> Step<Result<(), DiskError>> {
        let mut done = 0;
        while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
            match self.write_some(file, offset + done as u64, rest)? {
                Ok(0) => return Ok(Err(DiskError::Io)),
                Ok(count) => done += count as usize,
                Err(error) => return Ok(Err(error)),
            }
        }
        Ok(Ok(()))
    }

    /// `close(2)`; it cannot fail, and nobody else sees it.
    pub fn close(&mut self, file: File) -> Step<()> {
        self.say(|machine| machine.disk().close(file))
    }

    /// States a fact, once.
    pub fn mark(&mut self, mark: Mark) -> Step<()> {
        self.say(|machine| machine.mark(mark))
    }

    fn say(&mut self, act: impl FnOnce(&mut dyn Machine)) -> Step<()> {
        let answer = self.ask(false, |machine| {
            act(machine);
            Answer::Said
        })?;
        assert!(matches!(answer, Answer::Said), "an operation took another way than in its earlier runs: {answer:?}");
        Ok(())
    }
}

#[cfg(test)]
mod tests;
