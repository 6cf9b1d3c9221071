//! The debugger on a real terminal: the real binary in tmux, real keys, what a person would see.

// The tests start the `stormproof` command in tmux; a helper that fails fails its test.
#![allow(clippy::disallowed_types, clippy::disallowed_methods, clippy::unwrap_used)]

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// How long a picture may take to appear on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const SCENARIO: &str = "scenarios/fast/edge_custody.toml";

/// A tmux server of one test, ended with it.
struct Terminal {
    socket: String,
}

impl Terminal {
    /// A terminal of that size in which a shell runs `command`; `None`, with the reason printed, without tmux.
    fn open(test: &str, (width, height): (u16, u16), command: &str) -> Option<Terminal> {
        if Command::new("tmux").arg("-V").output().is_err() {
            println!("skipped: there is no tmux on this machine");
            return None;
        }
        let terminal = Terminal { socket: format!("stormproof-{test}-{}", std::process::id()) };
        let (width, height) = (width.to_string(), height.to_string());
        let started = terminal.tmux(&["new-session", "-d", "-x", &width, "-y", &height, "sh"]);
        assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
        terminal.keys(&[&format!("cd '{}' && PS1='shell> ' && clear", root().display()), "Enter"]);
        terminal.keys(&[&format!("{command}; echo \"exit $?\""), "Enter"]);
        Some(terminal)
    }

    fn tmux(&self, args: &[&str]) -> Output {
        Command::new("tmux").args(["-L", &self.socket, "-f", "/dev/null"]).args(args).output().unwrap()
    }

    fn keys(&self, keys: &[&str]) {
        assert!(self.tmux(&[&["send-keys"], keys].concat()).status.success());
    }

    fn picture(&self) -> String {
        String::from_utf8_lossy(&self.tmux(&["capture-pane", "-p"]).stdout).into_owned()
    }

    /// Waits until the picture holds `text`.
    #[track_caller]
    fn wait(&self, text: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let picture = self.picture();
            if picture.contains(text) {
                return picture;
            }
            assert!(Instant::now() < end, "no `{text}` in\n{picture}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn debug() -> String {
    format!("'{}' debug {SCENARIO} --seed 1", env!("CARGO_BIN_EXE_stormproof"))
}

#[test]
fn a_person_walks_through_a_run_and_gets_the_terminal_back() {
    let Some(terminal) = Terminal::open("walk", (80, 24), &debug()) else { return };
    let start = terminal.wait("event 0  move 0");
    assert!(start.contains("? help"), "{start}");
    terminal.keys(&["n", "n", "n", "b"]);
    terminal.wait("move 2 ");
    terminal.keys(&[":", "goto 300", "Enter"]);
    terminal.wait("event 300 ");
    terminal.keys(&["c", "Enter"]);
    terminal.keys(&["6"]);
    terminal.wait("by hand");
    terminal.keys(&["?"]);
    terminal.wait("help: any key shows the commands");
    terminal.keys(&["Space"]);
    terminal.wait("goto EVENT|TIME");
    terminal.keys(&["Space", "r"]);
    let over = terminal.wait("OVER: ");
    assert!(over.lines().all(|line| line.chars().count() <= 80), "{over}");
    terminal.tmux(&["resize-window", "-x", "120", "-y", "40"]);
    let end = Instant::now() + PATIENCE;
    while !terminal.picture().lines().any(|line| line.chars().count() > 100) {
        assert!(Instant::now() < end, "it does not grow:\n{}", terminal.picture());
        std::thread::sleep(Duration::from_millis(50));
    }
    terminal.keys(&["q"]);
    let after = terminal.wait("exit 0");
    assert!(after.contains("crash ") && !after.contains("OVER"), "the shell's own screen is back:\n{after}");
}

#[test]
fn no_colour_where_it_is_not_wanted() {
    let Some(terminal) = Terminal::open("mono", (80, 24), &format!("NO_COLOR=1 {}", debug())) else { return };
    terminal.wait("event 0  move 0");
    terminal.keys(&["N"]);
    terminal.wait("move 100 ");
    let escapes = String::from_utf8_lossy(&terminal.tmux(&["capture-pane", "-p", "-e"]).stdout).into_owned();
    let is_colour = |code: &str| matches!(code.parse(), Ok(30..=37 | 40..=47 | 90..=97 | 100..=107));
    let codes = escapes.split("\x1b[").skip(1).filter_map(|rest| rest.split_once('m')).flat_map(|it| it.0.split(';'));
    assert_eq!(codes.filter(|code| is_colour(code)).count(), 0, "{escapes}");
}

#[test]
fn without_a_terminal_it_says_what_to_do() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stormproof"));
    let output =
        command.current_dir(root()).args(["debug", SCENARIO]).stdin(std::process::Stdio::null()).output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(err.contains("needs a terminal") && err.contains("--script FILE"), "{err}");
}
