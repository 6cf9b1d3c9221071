//! One append process on one disk, and the member that talks to it.

use super::disk::FakeDisk;
use consensus::raft::{Configuration, Entry, Hard, MemberId, Payload as Says, Position, SnapshotMeta};
use consensus::wal::message::{Answer, Ask, Held, Reply, Request, Write};
use consensus::wal::{Config, Log};
use contract::cell::{Cell, Stop, blueprint};
use contract::disk::Storage;
use contract::host::{Host, Identity, Liveness};
use contract::plan::Directory;
use contract::timer::Alarm;
use contract::{Blob, Duration, Mark, Payload, Pid, ProcessId, Time, Wall};
use std::sync::Arc;

/// What the process did, and what its world gives it.
#[derive(Default)]
pub struct World {
    pub disk: FakeDisk,
    pub marks: Vec<Mark>,
    sent: Vec<Box<dyn Payload>>,
    alarms: Vec<(Time, Alarm)>,
    now: Time,
    random: u64,
}

/// An append process and a member.
pub struct Rig {
    pub world: World,
    pub config: Config,
    pub session: u64,
    nonce: u64,
    cell: Option<Box<dyn Cell>>,
}

/// The entry at that index, of that term.
pub fn entry(term: u64, index: u64) -> Entry {
    let command = format!("command {index} of term {term}").into_bytes();
    Entry { at: Position { term, index }, payload: Says::Command(command.into()) }
}

/// Entries of one term.
pub fn entries(term: u64, indexes: std::ops::RangeInclusive<u64>) -> Vec<Entry> {
    indexes.map(|index| entry(term, index)).collect()
}

/// A write of entries of one term.
pub fn append(term: u64, indexes: std::ops::RangeInclusive<u64>) -> Write {
    Write { hard: hard(term), entries: entries(term, indexes), ..Write::default() }
}

/// The state of a member that has seen a term and voted in it.
pub fn hard(term: u64) -> Hard {
    Hard { term, vote: Some(MemberId { slot: 0, disk: 7 }), claim: None }
}

/// A snapshot up to there.
pub fn meta(term: u64, index: u64) -> SnapshotMeta {
    let voters = [MemberId { slot: 0, disk: 7 }].into();
    SnapshotMeta { at: Position { term, index }, configuration: Configuration { voters, ..Configuration::default() } }
}

/// The pages of a snapshot.
pub fn pages(index: u64) -> Vec<Blob> {
    vec![vec![index as u8; 600].into(), vec![0xff; 3].into()]
}

impl Rig {
    /// A booted process on an empty disk, with a session.
    pub fn new() -> Rig {
        Rig::with(Config::default())
    }

    /// As [`Rig::new`], configured.
    pub fn with(config: Config) -> Rig {
        let mut rig = Rig { world: World::default(), config, session: 0, nonce: 0, cell: None };
        rig.start().unwrap();
        rig.open();
        rig
    }

    /// Starts the process anew.
    pub fn start(&mut self) -> Result<(), String> {
        self.cell = None;
        self.world.alarms.clear();
        let cell = blueprint::<Log>(Arc::new(self.config)).boot(&mut self.world).map_err(|halt| halt.reason)?;
        self.cell = Some(cell);
        Ok(())
    }

    /// Starts it anew and opens a session.
    pub fn restart(&mut self) -> Held {
        self.start().unwrap();
        self.open()
    }

    /// Loses what is not durable, starts anew and opens a session.
    pub fn power_loss(&mut self) -> Held {
        self.world.disk.power_loss();
        self.restart()
    }

    /// Opens a session.
    pub fn open(&mut self) -> Held {
        self.nonce += 1;
        let mut answers = self.ask(Ask::Open { nonce: self.nonce }).unwrap();
        let Some((session, Answer::Opened { held, .. })) = answers.pop() else { panic!("a session opens") };
        self.session = session;
        held
    }

    /// Asks within the session; the answers with their sessions.
    pub fn ask(&mut self, ask: Ask) -> Result<Vec<(u64, Answer)>, String> {
        let request = Request { reply_to: Directory::known(ProcessId(1)), session: self.session, ask };
        let cell = self.cell.as_mut().expect("the process runs");
        match cell.deliver(ProcessId(1), Box::new(request), &mut self.world) {
            Ok(()) => Ok(self.answers()),
            Err(Stop::Halt(halt)) => {
                self.cell = None;
                Err(halt.reason)
            }
            Err(Stop::Refused(why)) => panic!("refused: {why:?}"),
        }
    }

    /// Writes; the numbers that are said to be durable.
    pub fn write(&mut self, seq: u64, write: Write) -> Vec<u64> {
        saved(self.ask(Ask::Write { seq, write }).unwrap())
    }

    /// Writes a snapshot with its pages.
    pub fn snapshot(&mut self, seq: u64, write: Write) -> Vec<u64> {
        let (at, _) = write.snapshot.clone().expect("it has a snapshot");
        for (page, data) in (0..).zip(pages(at.at.index)) {
            assert!(self.ask(Ask::Stage { seq, page, data }).unwrap().is_empty());
        }
        self.write(seq, write)
    }

    /// Lets time pass; what is said meanwhile.
    pub fn wait(&mut self, span: Duration) -> Vec<(u64, Answer)> {
        let end = self.world.now + span;
        while let Some(index) = self.world.next_alarm(end) {
            let (at, alarm) = self.world.alarms.remove(index);
            self.world.now = at.max(self.world.now);
            self.cell.as_mut().expect("the process runs").fire(alarm, &mut self.world).unwrap();
        }
        self.world.now = end;
        self.answers()
    }

    /// Every kept entry, a page at a time.
    pub fn log(&mut self) -> Vec<Entry> {
        let mut log = Vec::new();
        let mut from = self.open().first;
        loop {
            let answer = self.ask(Ask::Entries { from }).unwrap().pop();
            let Some((_, Answer::Entries { entries, .. })) = answer else { panic!("entries are given") };
            let Some(last) = entries.last() else { return log };
            from = last.at.index + 1;
            log.extend(entries);
        }
    }

    /// The name of the log file.
    pub fn file(&self) -> String {
        let mut logs = self.world.disk.paths().into_iter().filter(|path| path.starts_with("wal-"));
        let file = logs.next().expect("there is a log file").to_owned();
        assert_eq!(logs.next(), None, "there is one log file");
        file
    }

    /// How often it stated that kind.
    pub fn count(&self, kind: &str) -> usize {
        self.world.marks.iter().filter(|mark| mark.kind == kind).count()
    }

    fn answers(&mut self) -> Vec<(u64, Answer)> {
        let sent = std::mem::take(&mut self.world.sent).into_iter();
        let replies = sent.map(|payload| *payload.into_any().downcast::<Reply>().expect("it only replies"));
        replies.map(|reply| (reply.session, reply.answer)).collect()
    }
}

/// The numbers that are said to be durable.
pub fn saved(answers: Vec<(u64, Answer)>) -> Vec<u64> {
    let seqs = answers.into_iter().map(|(_, answer)| match answer {
        Answer::Saved { seq } => seq,
        other => panic!("not about a write: {other:?}"),
    });
    seqs.collect()
}

impl World {
    fn next_alarm(&self, end: Time) -> Option<usize> {
        let due = self.alarms.iter().enumerate().filter(|(_, (at, _))| *at <= end);
        due.min_by_key(|(index, (at, _))| (*at, *index)).map(|(index, _)| index)
    }
}

impl Host for World {
    fn me(&self) -> ProcessId {
        ProcessId(0)
    }
    fn identity(&self) -> Identity {
        Identity { pid: Pid(1), started: 0, boot: 1, host: 0 }
    }
    fn liveness(&self, _: Pid) -> Liveness {
        Liveness::Dead
    }
    fn now(&self) -> Time {
        self.now
    }
    fn wall(&self) -> Wall {
        Wall(0)
    }
    fn random(&mut self) -> u64 {
        self.random += 1;
        self.random
    }
    fn send(&mut self, _: ProcessId, payload: Box<dyn Payload>) {
        self.sent.push(payload);
    }
    fn arm(&mut self, alarm: Alarm, after: Duration) {
        let at = self.now + after;
        self.alarms.push((at, alarm));
    }
    fn storage(&mut self) -> &mut dyn Storage {
        &mut self.disk
    }
    fn mark(&mut self, mark: Mark) {
        self.marks.push(mark);
    }
    fn choose(&mut self, _: &'static str) -> bool {
        false
    }
}
