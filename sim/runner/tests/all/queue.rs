//! A sweep over a queue finds what a local one finds, though the queue repeats, forgets and hands out twice.
//!
//! The queue is a table in memory; the real one is tested where its server can be had (`make queue-test`).

#![allow(clippy::disallowed_types, reason = "workers are threads")]

use crate::fixture::{CALM, Folder, planted, registry};
use contract::Duration;
use runner::Scenario;
use runner::scenario::LoadError;
use runner::sweep::queue::serve::{News, Trouble, Worker};
use runner::sweep::queue::{ATTEMPTS_MAX, Keep, Lease, Posted, Posting, WorkQueue};
use runner::sweep::summary::Summary;
use runner::sweep::tally::Tally;
use runner::sweep::{self, Options, Shard, Watcher, journal};
use runner::verdict::Verdict;
use runner::{Exit, Registry};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

/// A range in the table.
struct Row {
    body: Vec<u8>,
    attempts: u64,
    held: bool,
}

#[derive(Default)]
struct Table {
    open: BTreeMap<String, String>,
    work: BTreeMap<u64, Row>,
    /// By place, which counts from 1.
    results: Vec<(u64, Vec<u8>)>,
}

/// One sweep at a time. Every result is posted twice.
#[derive(Default)]
struct Fake {
    table: Arc<Mutex<Table>>,
    /// Every so many first attempts the holder goes without a word; 0 for never.
    lost: u64,
    /// Bytes that a result may have.
    room: usize,
}

impl Fake {
    fn new(lost: u64) -> Arc<Fake> {
        Arc::new(Fake { table: Arc::default(), lost, room: 1 << 20 })
    }
}

impl WorkQueue for Fake {
    fn open(&self, sweep: &str, header: &str) -> Result<u64, String> {
        let mut table = self.table.lock().unwrap();
        table.open.insert(sweep.to_owned(), header.to_owned());
        Ok(table.results.len() as u64)
    }

    fn submit(&self, _: &str, range: u64, body: &[u8]) -> Result<(), String> {
        let row = || Row { body: body.to_vec(), attempts: 0, held: false };
        self.table.lock().unwrap().work.entry(range).or_insert_with(row);
        Ok(())
    }

    fn withdraw(&self, _: &str, range: u64) -> Result<(), String> {
        self.table.lock().unwrap().work.remove(&range);
        Ok(())
    }

    fn result(&self, _: &str, range: u64) -> Result<Option<Posted>, String> {
        let table = self.table.lock().unwrap();
        let found = table.results.iter().enumerate().find(|(_, (number, _))| *number == range);
        Ok(found.map(|(index, (range, body))| Posted { place: index as u64 + 1, range: *range, body: body.clone() }))
    }

    fn next_result(&self, _: &str, after: u64) -> Result<Option<Posted>, String> {
        let table = self.table.lock().unwrap();
        let found = table.results.get(after as usize);
        Ok(found.map(|(range, body)| Posted { place: after + 1, range: *range, body: body.clone() }))
    }

    fn discard(&self, _: &str, range: u64) -> Result<(), String> {
        self.table.lock().unwrap().results.retain(|(number, _)| *number != range);
        Ok(())
    }

    fn close(&self, sweep: &str, results: Keep) -> Result<(), String> {
        let mut table = self.table.lock().unwrap();
        table.open.remove(sweep);
        table.work.clear();
        if results == Keep::Nothing {
            table.results.clear();
        }
        Ok(())
    }

    fn sweeps(&self) -> Result<Vec<String>, String> {
        Ok(self.table.lock().unwrap().open.keys().cloned().collect())
    }

    fn header(&self, sweep: &str) -> Result<Option<String>, String> {
        Ok(self.table.lock().unwrap().open.get(sweep).cloned())
    }

    fn take(&self, _: &str, _: Duration) -> Result<Option<Box<dyn Lease>>, String> {
        let mut table = self.table.lock().unwrap();
        let Some((range, row)) = table.work.iter_mut().find(|(_, row)| !row.held) else { return Ok(None) };
        row.attempts += 1;
        if self.lost > 0 && range % self.lost == 0 && row.attempts == 1 {
            return Ok(None);
        }
        row.held = true;
        let (range, body, attempt) = (*range, row.body.clone(), row.attempts);
        Ok(Some(Box::new(Held { table: self.table.clone(), range, body, attempt })))
    }

    fn room(&self) -> usize {
        self.room
    }
}

struct Held {
    table: Arc<Mutex<Table>>,
    range: u64,
    body: Vec<u8>,
    attempt: u64,
}

impl Lease for Held {
    fn body(&self) -> &[u8] {
        &self.body
    }

    fn attempt(&self) -> u64 {
        self.attempt
    }

    fn extend(&self, _: Duration) {}

    fn complete(&self, result: &[u8]) -> Result<(), String> {
        let mut table = self.table.lock().unwrap();
        table.results.extend([(self.range, result.to_vec()), (self.range, result.to_vec())]);
        table.work.remove(&self.range);
        Ok(())
    }

    fn give_back(&self) {
        if let Some(row) = self.table.lock().unwrap().work.get_mut(&self.range) {
            row.held = false;
        }
    }
}

struct Lines(Vec<String>);

impl Watcher for Lines {
    fn finished(&mut self, _: &Scenario, verdict: &Verdict) -> std::io::Result<()> {
        self.0.push(format!("{verdict:?}"));
        Ok(())
    }

    fn tick(&mut self, _: u64, _: Option<u64>, _: u64) {}
}

fn options(chunk: u64, interrupted: &Arc<AtomicBool>) -> Options {
    Options {
        strategy: runner::explore::Strategy::Uniform,
        seeds: Some(0..100),
        time: None,
        jobs: 2,
        chunk,
        queue: None,
        shard: Shard { index: 1, count: 2 },
        recheck: 10,
        stop_after: None,
        quiet_below: None,
        run_limit: None,
        interrupted: interrupted.clone(),
    }
}

/// Runs, in order, and the sums.
type Found = Result<(Vec<String>, Value), String>;

/// What a sweep found.
fn found(scenarios: &[Scenario], registry: &Registry, options: &Options) -> Found {
    let mut lines = Lines(Vec::new());
    let mut tallies = sweep::sweep(scenarios, registry, options, None, &mut lines)?;
    tallies.iter_mut().for_each(|tally: &mut Tally| tally.wall = Duration::ZERO);
    Ok((lines.0, serde_json::json!(Summary::new(&tallies, Duration::ZERO, Exit::Passed))))
}

fn worker<'a>(queue: &'a Fake, registry: &'a Registry, over: &'a AtomicBool) -> Worker<'a> {
    let build = journal::build();
    Worker { registry, queue, name: "worker 1".to_owned(), build, jobs: 2, idle: None, interrupted: over }
}

/// The sweep over the queue with one worker beside it, and how that worker ended.
fn over(queue: &Arc<Fake>, scenarios: &[Scenario], registry: &Registry) -> (Found, Result<(), Trouble>) {
    let mut options = options(4, &Arc::default());
    options.queue = Some(Posting { queue: queue.clone(), header: journal::header(scenarios, &options) });
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let worker = worker(queue, registry, &over);
        let worker = scope.spawn(move || worker.work(&mut |_: Option<News>| {}));
        let found = found(scenarios, registry, &options);
        over.store(true, Relaxed);
        (found, worker.join().unwrap())
    })
}

fn load(files: &[&str], registry: &Registry) -> Vec<Scenario> {
    let loaded: Result<_, LoadError> = files.iter().map(|file| Scenario::load(file, registry)).collect();
    loaded.unwrap()
}

#[test]
fn workers_find_what_threads_find() {
    let folder = Folder::new("queue");
    let calm = folder.write("calm.toml", CALM);
    let defect = folder.write("T01.toml", &planted("T01", ""));
    let registry = registry();
    let scenarios = load(&[&calm, &defect], &registry);
    let local = found(&scenarios, &registry, &options(sweep::CHUNK, &Arc::default())).unwrap();
    assert!(local.0.len() > 50, "50 runs of the first file, and some of the second");
    for lost in [0, 3] {
        let queue = Fake::new(lost);
        let (distributed, worker) = over(&queue, &scenarios, &registry);
        assert!(distributed.unwrap() == local, "with every {lost}-th first attempt lost");
        assert_eq!(worker, Ok(()));
        let table = queue.table.lock().unwrap();
        // A worker may be at a range of a scenario whose defect was found when the sweep ends; its result comes late.
        assert!(table.work.is_empty() && table.open.is_empty() && table.results.len() <= 2, "it leaves nothing");
    }
}

#[test]
fn a_range_that_was_taken_too_often_and_one_that_does_not_fit_end_the_sweep_by_name() {
    let folder = Folder::new("queue-ends");
    let calm = folder.write("calm.toml", CALM);
    let registry = registry();
    let scenarios = load(&[&calm], &registry);
    let queue = Arc::new(Fake { room: 100, ..Fake::default() });
    let why = over(&queue, &scenarios, &registry).0.unwrap_err();
    assert!(why.contains("calm.toml: worker 1 says: its results are "), "{why}");
    assert!(why.ends_with("the queue takes 100: sweep with a smaller --range"), "{why}");
    let body = |seeds: &str| format!("{{\"number\":0,\"scenario\":\"x\",\"hash\":\"0\",{seeds}}}").into_bytes();
    let row = Row { body: body("\"first\":1,\"step\":2,\"count\":2"), attempts: ATTEMPTS_MAX, held: false };
    let queue = Fake::new(0);
    queue.table.lock().unwrap().work.insert(0, row);
    let why = over(&queue, &scenarios, &registry).0.unwrap_err();
    assert!(why.contains("given up: workers took it 5 times and never finished"), "{why}");
}

#[test]
fn another_build_and_another_text_are_refused_and_run_nothing() {
    let folder = Folder::new("queue-refused");
    let calm = folder.write("calm.toml", CALM);
    let registry = registry();
    let scenarios = load(&[&calm], &registry);
    let header = journal::header(&scenarios, &options(4, &Arc::default()));
    let refused = |header: Value| {
        let (queue, never) = (Fake::new(0), AtomicBool::new(false));
        queue.open("a", &header.to_string()).unwrap();
        let row = Row { body: Vec::new(), attempts: 0, held: false };
        queue.table.lock().unwrap().work.insert(0, row);
        let ended = worker(&queue, &registry, &never).work(&mut |_| {});
        assert_eq!(queue.table.lock().unwrap().work[&0].attempts, 0, "it was not even taken");
        let Err(Trouble::Refused(why)) = ended else { panic!("{ended:?}") };
        why
    };
    let mut other = header.clone();
    other["build"] = "0123".into();
    assert!(refused(other).contains("the sweep on the queue is of build 0123, this worker is of build "));
    folder.write("calm.toml", &format!("{CALM}# changed\n"));
    assert!(refused(header.clone()).contains("has the hash "));
    std::fs::remove_file(&calm).unwrap();
    assert!(refused(header).contains("cannot be read"));
    assert!(refused(Value::Null).contains("a sweep of another version"));
}
