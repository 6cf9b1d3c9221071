//! How many acknowledged events a second the workspace takes, beside the disk's own fsync rate and beside SQLite doing
//! the same: `make bench-workspace`.
//!
//! Everything is measured in one run, in rounds that take turns, so that a disk that slows down slows down all of
//! them. Each contestant gets the same events from the same number of threads, and acknowledges one only when it is
//! durable: SQLite runs in WAL mode with `synchronous = FULL`.
//!
//! | contestant | what it does for each event or batch |
//! |---|---|
//! | fsync | appends a line of the same length to a file and syncs it: what the disk can do one at a time |
//! | workspace | `Workspace::append` of one event; threads share syncs |
//! | sqlite | one transaction an event; threads take turns on the one writer that SQLite has |
//! | sqlite, batches | the same queue of leader and followers as ours in front of SQLite, one transaction a batch |
//!
//! On a virtual machine an idle processor may wake late for the disk: then one thread syncs more slowly than a busy
//! machine does, and ratios to `fsync` exceed the number of threads. Those to SQLite compare like with like.
//!
//! `STORMPROOF_BENCH_DIR` says on which disk; the default is the temporary folder. Ratios are medians over rounds.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a benchmark reads the clock, and fails by panicking"
)]

use local::{NewEvent, Workspace};
use rusqlite::{Connection, params};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

const THREADS: [usize; 3] = [1, 8, 64];
const ROUNDS: usize = 60;
/// Each contestant works so long in each round.
const SPAN: Duration = Duration::from_millis(100);
const PAYLOAD: &str = r#"{"from":"alice","to":"bob","sum":12345,"memo":"one hundred bytes or so, as an event has"}"#;

fn main() {
    let parent = std::env::var_os("STORMPROOF_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = parent.join(format!("stormproof-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    println!("events of {} bytes, rounds of {SPAN:?}, medians of {ROUNDS}; acknowledged events a second", line().len());
    println!("ratios of the workspace to the others: median over rounds (and quartiles)");
    let heads = ["fsync", "workspace", "sqlite", "batches"].map(|head| format!("{head:>9}")).join("  ");
    let ratios = ["to fsync", "to sqlite", "to sqlite, batches"].map(|head| format!("{head:>24}")).join("  ");
    println!("threads  {heads}  {ratios}");
    for threads in THREADS {
        compare(&folder, threads);
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

fn compare(folder: &Path, threads: usize) {
    let file = OpenOptions::new().create(true).append(true).open(folder.join("lines")).unwrap();
    let workspace = Workspace::init(&folder.join(format!("w{threads}"))).unwrap();
    let sqlite = Mutex::new(Sqlite::new(&folder.join(format!("one{threads}.sqlite"))));
    let batches = Batches::new(&folder.join(format!("batches{threads}.sqlite")));
    let mut rates: [Vec<f64>; 4] = Default::default();
    for round in 0..=ROUNDS {
        let measured = [
            rate(1, &|| sync_a_line(&file)),
            rate(threads, &|| assert!(workspace.append(&[event()]).is_ok())),
            rate(threads, &|| sqlite.lock().unwrap().insert(&[event()])),
            rate(threads, &|| batches.append(event())),
        ];
        // The first round warms up: files are made, caches filled.
        if round > 0 {
            rates.iter_mut().zip(measured).for_each(|(all, rate)| all.push(rate));
        }
    }
    let [sync, ours, one, batch] = rates.each_ref().map(|rates| median(rates.clone()));
    let ratio = |other: &[f64]| {
        let mut ratios: Vec<f64> = rates[1].iter().zip(other).map(|(ours, other)| ours / other).collect();
        ratios.sort_by(f64::total_cmp);
        let at = |quarter: usize| ratios[quarter * (ratios.len() - 1) / 4];
        format!("{:.2} ({:.2} .. {:.2})", at(2), at(1), at(3))
    };
    let [to_sync, to_one, to_batch] = [&rates[0], &rates[2], &rates[3]].map(|other| ratio(other));
    println!(
        "{threads:>7}  {sync:>9.0}  {ours:>9.0}  {one:>9.0}  {batch:>9.0}  {to_sync:>24}  {to_one:>24}  {to_batch:>24}"
    );
}

/// Calls of `work` a second, from that many threads.
fn rate(threads: usize, work: &(dyn Fn() + Sync)) -> f64 {
    let start = Instant::now();
    let done: u64 = std::thread::scope(|scope| {
        let worker = || {
            let mut done = 0;
            while start.elapsed() < SPAN {
                work();
                done += 1;
            }
            done
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum::<u64>()
    });
    done as f64 / start.elapsed().as_secs_f64()
}

fn event() -> NewEvent {
    NewEvent { domain: "tx".to_owned(), key: "order-7".to_owned(), payload: PAYLOAD.to_owned() }
}

/// A line as long as one of the ledger.
fn line() -> Vec<u8> {
    let mut line = Vec::new();
    ::workspace::ledger::line::write(&event(), 100_000, 1_700_000_000_000, (1, 8), &mut line).unwrap();
    line
}

fn sync_a_line(mut file: &File) {
    file.write_all(&line()).unwrap();
    file.sync_all().unwrap();
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A table in WAL mode whose commits are durable.
struct Sqlite(Connection);

impl Sqlite {
    fn new(path: &Path) -> Sqlite {
        let connection = Connection::open(path).unwrap();
        connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;").unwrap();
        let table = "CREATE TABLE events (id INTEGER PRIMARY KEY, domain TEXT, at INTEGER, key TEXT, payload TEXT)";
        connection.execute(table, []).unwrap();
        Sqlite(connection)
    }

    fn insert(&mut self, events: &[NewEvent]) {
        let transaction = self.0.transaction().unwrap();
        {
            let sql = "INSERT INTO events (domain, at, key, payload) VALUES (?, ?, ?, ?)";
            let mut row = transaction.prepare_cached(sql).unwrap();
            for event in events {
                row.execute(params![event.domain, 1_700_000_000_000_i64, event.key, event.payload]).unwrap();
            }
        }
        transaction.commit().unwrap();
    }
}

/// Group commit in front of SQLite: whoever gets the writer takes everything that waits into its transaction.
struct Batches {
    queue: Mutex<Queue>,
    bell: Condvar,
    sqlite: Mutex<Sqlite>,
}

#[derive(Default)]
struct Queue {
    events: Vec<NewEvent>,
    /// How many batches were begun, and how many of them are durable.
    begun: u64,
    durable: u64,
}

impl Batches {
    fn new(path: &Path) -> Batches {
        Batches { queue: Mutex::default(), bell: Condvar::new(), sqlite: Mutex::new(Sqlite::new(path)) }
    }

    fn append(&self, event: NewEvent) {
        let mut queue = self.queue.lock().unwrap();
        queue.events.push(event);
        let mine = queue.begun + 1;
        loop {
            if queue.durable >= mine {
                return;
            }
            if queue.begun == queue.durable {
                queue.begun += 1;
                let events = std::mem::take(&mut queue.events);
                drop(queue);
                self.sqlite.lock().unwrap().insert(&events);
                queue = self.queue.lock().unwrap();
                queue.durable += 1;
                self.bell.notify_all();
            } else {
                queue = self.bell.wait(queue).unwrap();
            }
        }
    }
}
