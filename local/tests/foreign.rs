//! A program of another language takes part: it locks, appends and reads by the files alone, at the same time as ours.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test of the real world uses it, and fails by panicking"
)]

mod common;

use common::{Scratch, all, event};
use local::Workspace;
use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/foreign.py");
const APPENDS: usize = 40;

fn python(scratch: &Scratch, name: &str) -> Option<Child> {
    let mut command = Command::new("python3");
    command.arg(SCRIPT).arg(scratch.workspace()).args([&APPENDS.to_string(), name]).stdout(Stdio::piped());
    command.spawn().ok()
}

#[test]
fn python_and_we_append_to_one_ledger_at_the_same_time() {
    let scratch = Scratch::new();
    let workspace = Workspace::init(&scratch.workspace()).unwrap();
    let Some(first) = python(&scratch, "one") else {
        return eprintln!("skipped: this machine has no python3");
    };
    let mut scripts = [first, python(&scratch, "two").unwrap()];
    let mut acked: BTreeMap<u64, String> = BTreeMap::new();
    let running = |script: &mut Child| script.try_wait().unwrap().is_none();
    for nth in 0.. {
        if !scripts.iter_mut().any(running) {
            break;
        }
        let keys = [format!("ours-{nth}-0"), format!("ours-{nth}-1")];
        let ids = workspace.append(&[event(&keys[0]), event(&keys[1])]).unwrap();
        acked.extend(ids.zip(keys));
        std::thread::sleep(std::time::Duration::from_millis(3));
    }
    for script in scripts {
        let ended = script.wait_with_output().unwrap();
        assert!(ended.status.success(), "the script says why on the standard error");
        let told = String::from_utf8(ended.stdout).unwrap();
        let told = told.lines().map(|line| line.split_once(' ').unwrap());
        acked.extend(told.map(|(id, key)| (id.parse().unwrap(), key.to_owned())));
    }
    let found: BTreeMap<u64, String> = all(&workspace).into_iter().map(|event| (event.id, event.key)).collect();
    assert!(acked.len() > 2 * APPENDS, "all three appended: {}", acked.len());
    assert_eq!(found, acked);
    let turns = found.values().zip(found.values().skip(1)).filter(|(one, next)| one[..3] != next[..3]).count();
    assert!(turns >= 4, "they appended at the same time, not one after the other: {turns} changes");
    assert!((1..=found.len() as u64).all(|id| found.contains_key(&id)), "numbers have no gap");
    assert!(workspace.verify().unwrap().iter().all(|checked| checked.found.is_ok()));
}

#[test]
fn a_lock_that_python_holds_names_its_process_and_one_that_it_died_with_is_taken_over() {
    let scratch = Scratch::new();
    drop(Workspace::init(&scratch.workspace()).unwrap());
    let mut command = Command::new("python3");
    let code = "import sys; source = open(sys.argv[1]).read().replace('main(*sys.argv[1:])', ''); exec(source)\n\
                workspace = Workspace(sys.argv[2]); workspace.lock('report'); print('held', flush=True); sys.stdin.read()";
    command.args(["-c", code, SCRIPT]).arg(scratch.workspace()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let Ok(mut holder) = command.spawn() else {
        return eprintln!("skipped: this machine has no python3");
    };
    let mut held = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(holder.stdout.take().unwrap()), &mut held).unwrap();
    assert_eq!(held, "held\n");
    let mut options = local::Options::default();
    options.limits.patience = std::time::Duration::from_millis(50);
    let workspace = Workspace::open_with(&scratch.workspace(), options).unwrap();
    let refused = workspace.lock("report").err().unwrap().to_string();
    assert!(refused.contains(&format!("held by process {}", holder.id())), "{refused}");
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert!(workspace.lock("report").unwrap().recovered());
}
