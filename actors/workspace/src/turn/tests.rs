//! What an operation sees of its machine, in a program and in an actor.

use super::*;

/// A machine with a clock that counts calls and a disk that has one file.
#[derive(Default)]
struct Bench {
    calls: u64,
    slept: Duration,
    said: Vec<String>,
}

impl Machine for Bench {
    fn disk(&mut self) -> Disk<'_> {
        unreachable!("these operations use no disk")
    }
    fn identity(&self) -> Identity {
        Identity { pid: Pid(2), started: 1, boot: 1, host: 1 }
    }
    fn liveness(&self, _: Pid) -> Liveness {
        Liveness::Dead
    }
    fn now(&self) -> Time {
        Time::ZERO
    }
    fn wall(&self) -> Wall {
        Wall::default()
    }
    fn random(&mut self) -> u64 {
        self.calls += 1;
        self.calls
    }
    fn mark(&mut self, mark: Mark) {
        self.said.push(mark.to_string());
    }
    fn sleep(&mut self, time: Duration) {
        self.slept += time;
    }
}

fn sum(turn: &mut Turn<'_>) -> Step<u64> {
    let first = turn.random()?;
    turn.mark(Mark::new("bench.first"))?;
    turn.wait(Duration::from_secs(1))?;
    let second = turn.random()?;
    Ok(first * 10 + second)
}

#[test]
fn a_program_runs_an_operation_to_its_end() {
    let mut bench = Bench::default();
    assert_eq!(Turn::through(&mut bench, sum), 12);
    assert_eq!((bench.slept, bench.said.len()), (Duration::from_secs(1), 1));
}

#[test]
fn an_actor_runs_it_turn_by_turn_with_the_same_answers_and_says_everything_once() {
    let mut bench = Bench::default();
    let mut journal = Journal::default();
    let waits = Err(Over { after: Duration::from_secs(1) });
    assert_eq!(sum(&mut Turn::once(&mut bench, &mut journal, Planted::default())), waits);
    let fork = journal.clone();
    assert_eq!(sum(&mut Turn::once(&mut bench, &mut journal, Planted::default())), Ok(12));
    assert_eq!(bench.said, ["bench.first"]);
    assert_eq!((bench.calls, fork.len(), journal.len()), (2, 3, 4));
    assert_eq!(bench.slept, Duration::ZERO);
}

#[test]
#[should_panic(expected = "earlier runs")]
fn an_operation_that_takes_another_way_is_found_out() {
    let mut bench = Bench::default();
    let mut journal = Journal::default();
    let _ = sum(&mut Turn::once(&mut bench, &mut journal, Planted::default()));
    let _ = Turn::once(&mut bench, &mut journal, Planted::default()).wall();
}
