//! Writers that are killed at random points: no acknowledged event is lost, numbers have no gap, and no lock ever has
//! two holders.
//!
//! Several processes append, save and take a lock while the parent kills them with SIGKILL and starts new ones. What
//! they were told they write down, one unbuffered line each, which a kill cannot take back. Holders of the lock
//! `critical` write to one witness file; so does the parent *before* it kills. A holder who begins before the last one
//! has ended is right only if that one was being killed.
//!
//! `STORMPROOF_WORKSPACE_KILLS` says how many kills; 200 if unset.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test of the real world uses it, and fails by panicking"
)]

mod common;

use common::{Scratch, all, event};
use local::Workspace;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const WRITERS: usize = 4;
const KILLS: u32 = 200;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if let [_, role, folder, seed] = args.as_slice()
        && role == "writer"
    {
        write_until_killed(Path::new(folder), seed.parse().unwrap());
    }
    let kills = std::env::var("STORMPROOF_WORKSPACE_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let scratch = Scratch::new();
    drop(Workspace::init(&scratch.workspace()).unwrap());
    storm(&scratch.0, kills);
    let found = judge(&scratch.0).unwrap_or_else(|broken| panic!("{broken}"));
    println!("{kills} kills: {found}");
    assert!(found.events > 0 && found.held > 0 && found.saves > 0, "the writers did something");
    assert!(found.takeovers > 0, "some writer was killed while it held a lock");
    let broken = broken_witnesses();
    assert!(broken.is_empty(), "the judge of the witness file accepts {broken:?}");
}

/// Starts writers, kills one at a time at a random moment, and starts another one in its place.
fn storm(folder: &Path, kills: u32) {
    let mut random = Random(u64::from(kills) + 1);
    let mut witness = lines(&folder.join("witness"));
    let mut writers: Vec<Writer> = (0..WRITERS).map(|_| Writer::start(folder, random.next())).collect();
    for _ in 0..kills {
        std::thread::sleep(Duration::from_micros(random.below(20_000)));
        let writer = &mut writers[random.below(WRITERS as u64) as usize];
        writer.kill(&mut witness);
        *writer = Writer::start(folder, random.next());
    }
    writers.iter_mut().for_each(|writer| writer.kill(&mut witness));
}

/// A process that writes, and what it is called: process numbers come again.
struct Writer {
    child: Child,
    name: u64,
}

impl Writer {
    fn start(folder: &Path, name: u64) -> Writer {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg("writer").arg(folder).arg(name.to_string()).stdin(Stdio::null());
        Writer { child: command.spawn().unwrap(), name }
    }

    fn kill(&mut self, witness: &mut File) {
        say(witness, &format!("kill {}", self.name));
        self.child.kill().unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.code().is_none(), "a writer ends by being killed, not with {status}");
    }
}

/// One writer: appends, saves and holds a lock, and writes down what it was promised.
fn write_until_killed(folder: &Path, seed: u64) -> ! {
    let workspace = Workspace::open(&folder.join("w")).unwrap();
    let mut told = lines(&folder.join(format!("told-{seed}")));
    let mut witness = lines(&folder.join("witness"));
    let mut random = Random(seed);
    for nth in 0_u64.. {
        match random.below(4) {
            0 => {
                let lock = workspace.lock("critical").unwrap();
                say(&mut witness, &format!("begin {seed}"));
                std::thread::sleep(Duration::from_micros(random.below(2_000)));
                say(&mut witness, &format!("end {seed}"));
                lock.release().unwrap();
            }
            1 => {
                let saved = workspace.save("totals", &seed.into()).unwrap();
                say(&mut told, &format!("saved {} -", saved.version));
            }
            _ => {
                let keys: Vec<String> = (0..=random.below(3)).map(|part| format!("{seed}-{nth}-{part}")).collect();
                let events: Vec<_> = keys.iter().map(|key| event(key)).collect();
                let ids = workspace.append(&events).unwrap();
                for (id, key) in ids.zip(&keys) {
                    say(&mut told, &format!("appended {id} {key}"));
                }
            }
        }
    }
    unreachable!("only a kill ends a writer");
}

/// What the run proved.
struct Found {
    events: usize,
    acked: usize,
    saves: usize,
    held: usize,
    takeovers: usize,
    cuts: usize,
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Found { events, acked, saves, held, takeovers, cuts } = self;
        write!(f, "{events} events, {acked} acknowledged, {saves} saves, {held} critical sections, ")?;
        write!(f, "{takeovers} locks taken over, {cuts} tails cut; nothing lost, no gap, never two holders")
    }
}

fn judge(folder: &Path) -> Result<Found, String> {
    let (mut acked, mut saves) = (BTreeMap::new(), BTreeSet::new());
    for line in told(folder) {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["appended", id, key] => drop(acked.insert(id.parse::<u64>().unwrap(), key.to_owned())),
            ["saved", version, _] => {
                let fresh = saves.insert(version.parse::<u64>().unwrap());
                fresh.then_some(()).ok_or(format!("A3: version {version} was acknowledged twice"))?;
            }
            _ => return Err(format!("a writer wrote {line:?}")),
        }
    }
    let witness = std::fs::read_to_string(folder.join("witness")).unwrap();
    let held = one_holder_at_a_time(&witness)?;

    let workspace = Workspace::open(&folder.join("w")).map_err(|error| error.to_string())?;
    let telemetry = std::fs::read_to_string(folder.join("w/telemetry.jsonl")).unwrap_or_default();
    let events = all(&workspace);
    if let Some((event, id)) = events.iter().zip(1..).find(|(event, id)| event.id != *id) {
        return Err(format!("G2: event {} where {id} belongs", event.id));
    }
    for (id, key) in &acked {
        match events.get(*id as usize - 1) {
            Some(event) if event.key == *key => {}
            other => return Err(format!("G1: event {id} was acknowledged as {key}, and there is {other:?}")),
        }
    }
    let keys: BTreeSet<&str> = events.iter().map(|event| &*event.key).collect();
    if keys.len() != events.len() {
        return Err(format!("G2: {} events, {} keys", events.len(), keys.len()));
    }
    let version = workspace.load("totals").map_err(|error| error.to_string())?.map_or(0, |loaded| loaded.version);
    if saves.last().is_some_and(|last| *last > version) {
        return Err(format!("A2: version {saves:?} was acknowledged, and {version} is there"));
    }
    workspace.repair().map_err(|error| error.to_string())?;
    drop(workspace);
    for place in ["tmp", "locks"] {
        let left: Vec<_> = std::fs::read_dir(folder.join("w").join(place)).unwrap().flatten().collect();
        // A dead holder's lock is taken over by whoever wants it; nothing else may be left.
        if let Some(residue) = left.iter().find(|entry| !entry.file_name().to_string_lossy().ends_with(".lock")) {
            return Err(format!("A4: {} is left", residue.path().display()));
        }
    }
    Ok(Found {
        events: events.len(),
        acked: acked.len(),
        saves: saves.len(),
        held,
        takeovers: telemetry.matches("STALE_LOCK_RECOVERY").count(),
        cuts: telemetry.matches("CORRUPT_TAIL_RECOVERY").count(),
    })
}

/// Counts the critical sections; an error names two that overlap.
fn one_holder_at_a_time(witness: &str) -> Result<usize, String> {
    let (mut holder, mut killed, mut count): (Option<&str>, BTreeSet<&str>, usize) = (None, BTreeSet::new(), 0);
    for line in witness.lines() {
        match line.split_once(' ') {
            Some(("begin", who)) => {
                if let Some(other) = holder.filter(|other| !killed.contains(other)) {
                    return Err(format!("L1: writer {who} holds the lock that writer {other} holds"));
                }
                (holder, count) = (Some(who), count + 1);
            }
            Some(("end", who)) if holder == Some(who) => holder = None,
            Some(("end", who)) => return Err(format!("L2: the lock of writer {who} was broken while it ran")),
            Some(("kill", who)) => drop(killed.insert(who)),
            _ => return Err(format!("the witness file has the line {line:?}")),
        }
    }
    Ok(count)
}

/// Witness files that must be refused and are not: a judge that cannot reject proves nothing.
fn broken_witnesses() -> Vec<&'static str> {
    let broken = ["begin 1\nbegin 2\n", "begin 1\nkill 1\nbegin 2\nend 1\n", "begin 1\nkill 3\nbegin 2\n", "end 1\n"];
    let sound =
        ["kill 1\nbegin 1\nbegin 2\n", "begin 1\nkill 1\nbegin 2\nend 2\n", "begin 1\nkill 1\nend 1\nbegin 2\n"];
    assert!(sound.iter().all(|witness| one_holder_at_a_time(witness).is_ok()));
    broken.into_iter().filter(|witness| one_holder_at_a_time(witness).is_ok()).collect()
}

fn told(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).unwrap().flatten();
    let files = files.filter(|entry| entry.file_name().to_string_lossy().starts_with("told-"));
    let texts = files.map(|entry| std::fs::read_to_string(entry.path()).unwrap());
    texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

fn lines(path: &Path) -> File {
    OpenOptions::new().create(true).append(true).open(path).unwrap()
}

/// One write for one line: a kill comes before or after it.
fn say(file: &mut File, line: &str) {
    file.write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// SplitMix64: other moments in each run of a writer, the same ones for the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }
}
