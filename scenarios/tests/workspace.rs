//! `stormproof workspace` as people meet it: a session, and what each failure says and advises.

#![allow(clippy::disallowed_types, clippy::disallowed_methods, clippy::unwrap_used)] // a test of the real world

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A directory of its own; what is printed says `DIR` for it.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Scratch {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("stormproof-cli-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stormproof"));
        command.arg("workspace").args(line.split(' ')).current_dir(&self.0).env_remove("STORMPROOF_WORKSPACE");
        command
    }

    /// Runs a command; returns its exit code and all that it printed, without what differs from run to run.
    fn run(&self, line: &str) -> String {
        let ended = self.command(line).stdin(Stdio::null()).output().unwrap();
        let printed = [&*ended.stdout, &*ended.stderr].map(String::from_utf8_lossy).concat();
        let printed = printed.replace(&self.0.display().to_string(), "DIR");
        let printed = printed.replace(env!("CARGO_BIN_EXE_stormproof"), "stormproof");
        format!("{printed}exit {}", ended.status.code().unwrap())
    }

    #[track_caller]
    fn expect(&self, line: &str, expected: &str) {
        assert_eq!(self.run(line), expected, "stormproof workspace {line}");
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join("w").join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn flip(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[10] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_session() {
    let here = Scratch::new();
    here.expect("init w", "made a workspace in DIR/w\nexit 0");
    here.expect("append w --domain tx --key a --payload {\"sum\":3}", "event 1 is on the disk\nexit 0");
    here.expect("append w --domain tx --key b --payload 4 --json", "{\"first\":2,\"last\":2}\nexit 0");
    let log = here.run("log w --from 2");
    assert!(log.starts_with("       2  20") && log.ends_with("Z  tx           b                4\nexit 0"), "{log}");
    here.expect("log w --domain other", "exit 0");
    here.expect("snapshot w --name before", "took snapshot before: 2 files, 259 bytes\nexit 0");
    here.expect("append w --domain tx --payload 5", "event 3 is on the disk\nexit 0");
    here.expect("project w", "DIR/w/projection.sqlite: 3 events, 3 of them new\nexit 0");
    here.expect("snapshot w --list", "before\nexit 0");
    let status = "workspace    DIR/w\nformat       2, up to date\nledger       3 events, 307 bytes\n\
                  saved files  none\nsnapshots    before\nexit 0";
    here.expect("status w", status);
    let restored = here.run("restore before w");
    assert!(restored.starts_with("restored before, of 20") && restored.ends_with(": 2 files\nexit 0"), "{restored}");
    let verified = here.run("verify w");
    assert!(
        verified.starts_with("ledger                   sound    2 events, 208 bytes\nsnapshot before          sound"),
        "{verified}"
    );
    here.expect("snapshot w --remove before", "removed snapshot before\nexit 0");
}

#[test]
fn lines_of_the_standard_input_are_appended_together() {
    use std::io::Write;
    let here = Scratch::new();
    here.run("init w");
    let mut append = here.command("append w").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = b"{\"domain\":\"tx\",\"key\":\"a\",\"payload\":{}}\n\n{\"domain\":\"tx\",\"payload\":[1]}\n";
    append.stdin.take().unwrap().write_all(lines).unwrap();
    let ended = append.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&ended.stdout), "events 1 to 2 are on the disk\n");
}

#[test]
fn a_lock_is_held_while_its_command_runs_and_its_code_is_passed_on() {
    let here = Scratch::new();
    here.run("init w");
    here.expect("lock report w -- sh -c exit\t7", "exit 7");
    let inner = format!("{} workspace lock report w --patience 0 -- true", env!("CARGO_BIN_EXE_stormproof"));
    let outer = here.command("lock report w -- sh -c").arg(inner).output().unwrap();
    let said = String::from_utf8_lossy(&outer.stderr);
    assert_eq!(outer.status.code(), Some(3), "{said}");
    let advice: Vec<&str> = said.lines().map(|line| line.split(": ").next().unwrap_or_default()).collect();
    assert_eq!(advice, ["error", "  see who that is", "  wait longer", "  end it"], "{said}");
    assert!(said.contains("LOCK_CONTENTION") && said.contains("which runs"), "{said}");
}

#[test]
fn a_lock_of_a_killed_command_is_taken_over() {
    let here = Scratch::new();
    here.run("init w");
    let mut holder: Child = here.command("lock report w -- sleep 60").spawn().unwrap();
    while !here.file("locks/report.lock").exists() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let status = here.run("status w");
    assert!(status.contains(&format!("report: held by process {}, which runs", holder.id())), "{status}");
    holder.kill().unwrap();
    holder.wait().unwrap();
    let status = here.run("status w");
    assert!(status.contains("which is dead; the next who wants it takes it over"), "{status}");
    let taken = "taken over from a process that died: what it was doing may be half done\nexit 0";
    here.expect("lock report w -- true", taken);
}

#[test]
fn every_failure_says_what_resolves_it() {
    let here = Scratch::new();
    here.expect(
        "append w --domain tx --payload 1",
        "error: NO_WORKSPACE: here is none\n  make one:            stormproof workspace init w\nexit 2",
    );
    here.run("init w");
    here.expect(
        "init w",
        "error: here is a workspace already\n  look at it:          stormproof workspace status w\nexit 2",
    );
    here.expect(
        "append w --domain tx --payload {",
        "error: the payload is not JSON\n  see the form:        stormproof workspace append --help\nexit 2",
    );
    here.expect(
        "restore nothing w",
        "error: NO_WORKSPACE: here is none\n  make one:            stormproof workspace init w\nexit 2",
    );
    here.run("append w --domain tx --payload 1");
    here.run("snapshot w --name s");
    here.expect(
        "snapshot w --name s",
        "error: there is a snapshot s already\n  let the date be it:  stormproof workspace snapshot w\n  \
         remove the old one:  stormproof workspace snapshot w --remove s\nexit 2",
    );
    std::fs::write(here.file("locks/report.lock"), "what is this").unwrap();
    here.expect(
        "lock report w --patience 0 -- true",
        "error: LOCK_UNREADABLE: w/locks/report.lock is no lock file of this or an older version\n  \
         look at it:          cat w/locks/report.lock\n  \
         when nobody uses it: rm w/locks/report.lock && stormproof workspace lock report w --patience 0 -- true\nexit 1",
    );
}

#[test]
fn damage_is_reported_with_the_way_back() {
    let here = Scratch::new();
    here.run("init w");
    here.run("append w --domain tx --payload 1");
    here.run("snapshot w --name s");
    flip(&here.file("events.jsonl"));
    here.expect(
        "log w",
        "error: LEDGER_DAMAGED: w/events.jsonl is damaged at byte 0\n  \
         keep what is there:  cp -a w w.damaged\n  see the snapshots:   ls w/snapshots\n  \
         go back to one:      stormproof workspace restore SNAPSHOT w\nexit 1",
    );
    let verified = here.run("verify w");
    assert!(verified.starts_with("ledger                   damaged\nsnapshot s               sound"), "{verified}");
    assert!(verified.ends_with("exit 1"), "{verified}");
    assert!(here.run("restore s w").ends_with("exit 0"));
    assert!(here.run("log w").ends_with("1\nexit 0"));
    flip(&here.file("snapshots/s/events.jsonl"));
    here.expect(
        "restore s w",
        "error: snapshot s is damaged: events.jsonl: other bytes\n  restore another one: ls w/snapshots\n  \
         remove it:           stormproof workspace snapshot w --remove s\nexit 1",
    );
}

#[test]
fn formats_are_migrated_or_refused() {
    let here = Scratch::new();
    std::fs::create_dir(here.0.join("w")).unwrap();
    std::fs::write(here.file("events.jsonl"), "{\"eventId\":1,\"domain\":\"tx\",\"payload\":1}\n{\"eventId\"").unwrap();
    let needs = "error: NEEDS_MIGRATION: the workspace has format 1, and this program writes format 2\n  \
                 bring it up to date: stormproof workspace migrate w\nexit 4";
    here.expect("log w", needs);
    here.expect("status w", &format!("format 1, needs a migration to 2\n{needs}"));
    let migrated = "migrated from format 1 to 2: 1 events\nleft behind 10 bytes that were never acknowledged\nexit 0";
    here.expect("migrate w", migrated);
    assert!(here.run("log w").ends_with("1\nexit 0"));
    std::fs::write(here.file("format.json"), "{\"format\":9,\"minimum\":9,\"tool\":\"later\"}").unwrap();
    here.expect(
        "log w",
        "error: TOO_NEW: the workspace needs a program that knows format 9; this one knows 2\n  \
         take that program:   grep tool w/format.json\nexit 4",
    );
}

#[test]
fn the_list_of_commands_names_it_and_each_command_has_an_example() {
    let help = |args: &[&str]| {
        let ended = Command::new(env!("CARGO_BIN_EXE_stormproof")).args(args).output().unwrap();
        String::from_utf8(ended.stdout).unwrap()
    };
    assert!(help(&["--help"]).contains("  workspace     A workspace on this machine's disk"), "{}", help(&["--help"]));
    let commands = "init status append log lock verify repair snapshot restore migrate project";
    for command in commands.split(' ') {
        let text = help(&["workspace", command, "--help"]);
        assert!(text.contains(&format!("stormproof workspace {command}")), "{text}");
    }
}
