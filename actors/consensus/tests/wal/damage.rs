//! Any one damage to a sealed log: nothing is forgotten without being claimed, and nothing is made up.

use super::rig::{Rig, entries, hard, meta, pages, saved};
use consensus::raft::{Entry, Position};
use consensus::wal::message::{Answer, Ask, Write};
use contract::Duration;
use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};

/// One more write, as far as the state allows it.
#[derive(Clone, Debug)]
enum Step {
    /// So many entries, after taking back so many.
    Append { back: u64, count: u64 },
    /// A term and a vote.
    Vote,
    /// A snapshot so many entries before the end, with so many kept before it.
    Snapshot { back: u64, keep: u64 },
    /// The log is sealed.
    Quiet,
    /// The process starts anew.
    Restart,
}

/// What happens to a stretch of a file, shorter than the distance between a record and its seal.
#[derive(Clone, Debug)]
enum Damage {
    Flip,
    Fill(u8),
    Spoil,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..3_u64, 1..40_u64).prop_map(|(back, count)| Step::Append { back, count }),
        1 => Just(Step::Vote),
        1 => (0..3_u64, 0..5_u64).prop_map(|(back, keep)| Step::Snapshot { back, keep }),
        1 => Just(Step::Quiet),
        1 => Just(Step::Restart),
    ];
    proptest::collection::vec(step, 1..12)
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![Just(Damage::Flip), any::<u8>().prop_map(Damage::Fill), Just(Damage::Spoil)]
}

/// What was written.
#[derive(Clone, Debug, Default)]
struct Written {
    term: u64,
    snapshot: Option<Position>,
    log: Vec<Entry>,
    first: u64,
    /// The log before each write.
    past: Vec<Vec<Entry>>,
}

impl Written {
    fn last(&self) -> Position {
        self.log.last().map_or(Position::default(), |entry| entry.at)
    }

    /// The next write, with its snapshot's index.
    fn step(&mut self, step: &Step) -> Option<(Write, Option<u64>)> {
        self.term += 1;
        self.past.push(self.log.clone());
        let covered = self.snapshot.map_or(0, |at| at.index);
        let mut write = Write { hard: hard(self.term), ..Write::default() };
        match *step {
            Step::Append { back, count } => {
                let from = self.last().index.saturating_sub(back).max(covered) + 1;
                write.entries = entries(self.term, from..=from + count - 1);
                self.log.truncate(from as usize - 1);
                self.log.extend(write.entries.iter().cloned());
            }
            Step::Snapshot { back, keep } => {
                let index = self.last().index.saturating_sub(back);
                if index > covered {
                    let at = self.log[index as usize - 1].at;
                    self.first = self.first.max((index + 1).saturating_sub(keep));
                    (write.snapshot, write.keep_from) = (Some((meta(at.term, index), 2)), self.first);
                    self.snapshot = Some(at);
                }
            }
            Step::Vote => {}
            Step::Quiet | Step::Restart => return None,
        }
        let index = write.snapshot.as_ref().map(|(meta, _)| meta.at.index);
        Some((write, index))
    }
}

fn run(steps: &[Step]) -> (Rig, Written) {
    let (mut rig, mut written, mut seq) = (Rig::new(), Written::default(), 0);
    for step in steps {
        match (written.step(step), step) {
            (Some((write, index)), _) => {
                seq += 1;
                for (page, data) in (0..).zip(index.map(pages).unwrap_or_default()) {
                    rig.ask(Ask::Stage { seq, page, data }).unwrap();
                }
                assert_eq!(saved(rig.ask(Ask::Write { seq, write }).unwrap()), [seq]);
            }
            (None, Step::Restart) => {
                rig.power_loss();
                seq = 0;
            }
            (None, _) => assert_eq!(rig.wait(Duration::from_secs(1)), []),
        }
    }
    rig.wait(Duration::from_secs(1));
    (rig, written)
}

fn inflict(rig: &mut Rig, file: &str, at: usize, len: usize, damage: &Damage) {
    let all = rig.world.disk.bytes(file).len();
    let range = at % all..(at % all + len).min(all);
    match *damage {
        Damage::Flip => rig.world.disk.change(file, |bytes| bytes[range.start] ^= 1),
        Damage::Fill(byte) => rig.world.disk.change(file, |bytes| bytes[range].fill(byte)),
        Damage::Spoil => rig.world.disk.spoil(file, range.start..range.start + 1),
    }
}

proptest! {
    #[test]
    fn nothing_is_forgotten_without_a_claim(
        steps in steps(),
        which in any::<proptest::sample::Index>(),
        at in any::<usize>(),
        len in 1..400_usize,
        damage in damage(),
    ) {
        let (mut rig, written) = run(&steps);
        let before = rig.open();
        let file = which.get(&rig.world.disk.paths()).to_string();
        inflict(&mut rig, &file, at, len, &damage);
        let held = rig.restart();
        if held.disk != before.disk {
            // Only a sector that cannot be read may lie both in a record and in the seal behind it.
            assert!(matches!(damage, Damage::Spoil), "{damage:?} makes no new disk");
            assert_eq!((held.hard.term, held.last, held.snapshot), (0, 0, None));
            return Ok(());
        }
        let log = rig.log();
        // What is left of a log whose last writes are gone may be what they would have taken back.
        let mut states = written.past.iter().chain([&written.log]);
        let piece = held.first as usize - 1..held.last as usize;
        assert!(states.any(|state| state.get(piece.clone()) == Some(&log)), "nothing is made up: {log:?}");
        assert_eq!((held.hard.term, held.hard.vote), (before.hard.term, before.hard.vote), "no vote is forgotten");
        match held.hard.claim {
            None => {
                assert_eq!(held.last, before.last, "what is gone is claimed");
                assert!(log.last().is_none_or(|last| last.at == written.last()), "what is gone is claimed");
            }
            Some(claim) => assert_eq!(claim, written.last(), "what is claimed was there"),
        }
        if let Some((meta, count)) = held.snapshot {
            assert_eq!(Some(meta.at), written.snapshot);
            for (page, data) in (0..count).zip(pages(meta.at.index)) {
                let session = rig.session;
                assert_eq!(rig.ask(Ask::Page { page }).unwrap(), [(session, Answer::Page { page, data })]);
            }
        }
        // And it goes on.
        let next = held.last + 1;
        let write = Write { hard: hard(99), entries: entries(99, next..=next), ..Write::default() };
        assert_eq!(rig.write(1, write), [1]);
        assert_eq!(rig.power_loss().last, next);
    }
}
