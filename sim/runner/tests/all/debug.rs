//! The debugger: forward is the run, back is the state before, acts are undone, and the picture shows it all.

use crate::fixture::{CALM, Folder, command, planted, registry};
use contract::{ProcessId, Time};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use runner::debug::Debugger;
use runner::debug::screen::Screen;
use runner::run::{self, Keep};
use runner::{Exit, Scenario};

/// Everything of a run that a debugger must bring back.
type State = (u64, u64, Time, Vec<Option<String>>, Vec<(String, u64, bool)>, Vec<(&'static str, String)>);

fn state(debugger: &Debugger) -> State {
    let engine = debugger.timeline().engine();
    let world = engine.world();
    let processes = 0..world.plan().processes.len() as u32;
    let states = processes.map(|process| world.inspect(ProcessId(process))).collect();
    let files = (0..world.plan().nodes.len() as u32).flat_map(|node| world.files(contract::NodeId(node)));
    let pending = engine.judge().pending();
    (world.fingerprint(), world.events(), world.now(), states, files.collect(), pending)
}

fn open(test: &str, text: &str, seed: u64) -> (Scenario, Debugger) {
    let folder = Folder::new(test);
    let path = folder.write("scenario.toml", text);
    let registry = registry();
    let scenario = Scenario::load(&path, &registry).unwrap_or_else(|_| panic!("{path} is wrong"));
    let debugger = Debugger::new(&scenario, &registry, seed).unwrap();
    (scenario, debugger)
}

/// A run of some thousand moves.
fn calm(test: &str, seed: u64) -> Debugger {
    let long = CALM.replace("requests = 40", "requests = 600").replace("safety = \"20s\"", "safety = \"120s\"");
    open(test, &format!("{long}[swarm]\nsafety = false\n"), seed).1
}

#[track_caller]
fn check(debugger: &mut Debugger, line: &str) -> Vec<String> {
    debugger.execute(line).unwrap_or_else(|why| panic!("{line}: {why}")).lines
}

/// The first seed whose run ends so.
fn seed_that_ends(text: &str, exit: Exit) -> u64 {
    let ends_so = |seed: &u64| {
        let (scenario, _) = open("seed", text, *seed);
        run::run(&scenario, &registry(), *seed, Keep::LITTLE).unwrap().verdict.exit == exit
    };
    (0..200).find(ends_so).expect("some seed ends so")
}

#[test]
fn steps_to_the_end_are_the_run() {
    for seed in 0..6 {
        let (scenario, mut debugger) = open("end", CALM, seed);
        check(&mut debugger, "run");
        let finished = run::run(&scenario, &registry(), seed, Keep::LITTLE).unwrap();
        let world = debugger.timeline().engine().world();
        assert_eq!(debugger.exit(), finished.verdict.exit, "seed {seed}");
        assert_eq!((world.fingerprint(), world.events()), (finished.world.fingerprint(), finished.world.events()));
        let end = debugger.timeline().moves();
        check(&mut debugger, "next");
        assert_eq!(debugger.timeline().moves(), end, "a run that is over stays where it is");
    }
}

#[test]
fn a_step_back_is_the_state_before() {
    let mut debugger = calm("back", 3);
    let mut states = vec![state(&debugger)];
    for _ in 0..2_500 {
        check(&mut debugger, "next");
        states.push(state(&debugger));
    }
    let reached = debugger.timeline().moves() as usize;
    assert!(reached > 1_500, "the run is long enough to have checkpoints: {reached}");
    for back in [1, 1, 2, 40, 700, 1, 300] {
        check(&mut debugger, &format!("back {back}"));
        assert_eq!(state(&debugger), states[debugger.timeline().moves() as usize]);
    }
    check(&mut debugger, "next 900");
    assert_eq!(state(&debugger), states[debugger.timeline().moves() as usize]);
    check(&mut debugger, "back 100000");
    assert_eq!(state(&debugger), states[0]);
}

#[test]
fn stepping_back_over_an_act_undoes_it() {
    for act in [
        "crash teller-0/main 300ms",
        "power teller-1 1s",
        "strike partition teller-0 2s",
        "strike pause teller-1 2s",
        "fork 9",
        "heal",
    ] {
        let mut debugger = calm("undo", 2);
        check(&mut debugger, "goto 60");
        let before = state(&debugger);
        check(&mut debugger, "next 300");
        let usual = state(&debugger);
        check(&mut debugger, "back 300");
        assert_eq!(state(&debugger), before, "{act}");
        check(&mut debugger, act);
        assert_eq!(debugger.script().last().map(String::as_str), Some(act));
        check(&mut debugger, "next 300");
        if act != "heal" {
            assert_ne!(state(&debugger).0, usual.0, "{act} changes nothing");
        }
        check(&mut debugger, "back 300");
        assert_eq!(debugger.timeline().acts().len(), 1, "the act itself is still done");
        check(&mut debugger, "back");
        assert_eq!((state(&debugger), debugger.script().len()), (before, 0), "{act}");
        check(&mut debugger, "next 300");
        assert_eq!(state(&debugger), usual, "{act}");
    }
}

#[test]
fn what_was_done_by_hand_is_a_script_that_does_it_again() {
    let mut debugger = calm("script", 4);
    for line in ["goto 80", "crash teller-0/main 500ms", "next 20", "strike clock_drift teller-1 3s", "next 30", "heal"]
    {
        check(&mut debugger, line);
    }
    let mut again = calm("script", 4);
    for line in debugger.script() {
        check(&mut again, &line);
    }
    assert_eq!(state(&again), state(&debugger));
    assert_eq!(debugger.timeline().acts().len(), 3);
}

#[test]
fn it_goes_to_events_times_and_marks_in_both_directions() {
    let mut debugger = calm("goto", 5);
    check(&mut debugger, "goto 500");
    let at_500 = state(&debugger);
    check(&mut debugger, "goto 3s");
    let now = debugger.timeline().engine().world().now();
    assert!(now <= Time(3_000_000_000) && now > Time(2_800_000_000), "{now}");
    let at_3s = state(&debugger);
    check(&mut debugger, "run");
    check(&mut debugger, "goto 3s");
    assert_eq!(state(&debugger), at_3s);
    check(&mut debugger, "goto 500");
    assert_eq!((at_500.1, state(&debugger)), (500, at_500));
    let found = check(&mut debugger, "mark fixture.kept");
    assert!(found.iter().any(|line| line.contains("fixture.kept")), "{found:?}");
    let first = debugger.timeline().moves();
    check(&mut debugger, "mark kept");
    assert!(debugger.timeline().moves() > first);
    check(&mut debugger, "backmark kept");
    assert_eq!(debugger.timeline().moves(), first);
    assert!(debugger.execute("backmark no.such.mark").unwrap_err().contains("no earlier mark"));
    assert_eq!(debugger.timeline().moves(), first);
}

#[test]
fn a_cut_an_unsynced_write_and_a_drifting_clock_are_seen() {
    let mut debugger = calm("views", 1);
    check(&mut debugger, "goto 40");
    check(&mut debugger, "cut teller-0 1s");
    check(&mut debugger, "strike clock_drift teller-1 1s");
    assert!(check(&mut debugger, "faults").contains(&"in force  partition on teller-0".to_owned()));
    let clocks = check(&mut debugger, "clocks");
    let drifting: Vec<&String> =
        clocks.iter().filter(|line| line.contains("drift") && !line.ends_with("+0.0")).collect();
    assert!(drifting.len() == 1 && drifting[0].starts_with("teller-1"), "{clocks:?}");
    check(&mut debugger, "heal");
    assert!(!check(&mut debugger, "faults").iter().any(|line| line.starts_with("in force")));
    let (mut pending, mut on_the_way) = (false, false);
    for _ in 0..400 {
        check(&mut debugger, "next");
        let disk = check(&mut debugger, "disk teller-0");
        pending |= disk.iter().any(|line| line.starts_with("pending") && line.contains("write 16 bytes"));
        on_the_way |=
            check(&mut debugger, "queue").iter().any(|line| line.contains("-> teller-") && line.contains("Keep"));
    }
    assert!(pending && on_the_way, "pending {pending}, on the way {on_the_way}");
    assert!(check(&mut debugger, "disk teller-0 numbers")[0].starts_with("000000"));
    assert!(check(&mut debugger, "state teller-0/main")[0].starts_with("Teller"));
}

#[test]
fn checkpoints_are_few() {
    let long = CALM.replace("requests = 40", "requests = 4000").replace("safety = \"20s\"", "safety = \"300s\"");
    let mut debugger = open("few", &long, 0).1;
    check(&mut debugger, "run");
    let (moves, kept) = (debugger.timeline().moves(), debugger.timeline().checkpoints());
    assert!(moves > 20_000 && kept > 8 && kept < 40, "{kept} checkpoints of {moves} moves");
}

#[test]
fn a_script_ends_with_the_exit_of_the_run_and_names_a_wrong_line() {
    let text = planted("T01", "");
    let seed = seed_that_ends(&text, Exit::Violated).to_string();
    let folder = Folder::new("play");
    let file = folder.write("T01.toml", &text);
    let script = folder.write("commands.txt", "# to the violation\nrun\noracles\nback\nnext\n");
    let printed = command(&registry(), &["debug", &file, "--seed", &seed, "--script", &script]);
    assert_eq!(printed.exit, Exit::Violated, "{}{}", printed.out, printed.err);
    assert!(printed.out.contains("> run\n") && printed.out.contains("OVER: an invariant is broken"), "{}", printed.out);
    assert!(printed.out.contains("\nBROKEN promise/K1"), "{}", printed.out);
    let wrong = folder.write("wrong.txt", "next 5\ncrash nobody\n");
    let printed = command(&registry(), &["debug", &file, "--script", &wrong]);
    assert_eq!(printed.exit, Exit::Usage);
    let err = &printed.err;
    assert!(err.contains("wrong.txt:2: there is no process `nobody`; there are teller-0/main"), "{err}");
}

#[test]
fn every_wrong_line_is_refused_and_changes_nothing() {
    let mut debugger = calm("wrong", 0);
    check(&mut debugger, "next 30");
    let before = state(&debugger);
    for line in [
        "nonsense",
        "next x",
        "goto",
        "goto 5 parsecs",
        "crash",
        "strike flood teller-0",
        "power teller-9",
        "fork",
        "cut teller-0 long",
    ] {
        let why = debugger.execute(line).unwrap_err();
        assert!(["there is no", "write", "is not", "is no"].iter().any(|words| why.contains(words)), "{line}: {why}");
        assert_eq!(state(&debugger), before, "{line}");
    }
    check(&mut debugger, "run");
    assert!(debugger.execute("heal").unwrap_err().contains("over"));
    debugger.execute("").unwrap();
}

fn press(screen: &mut Screen, keys: &str) {
    for key in keys.chars() {
        let code = if key == '\n' { KeyCode::Enter } else { KeyCode::Char(key) };
        assert!(screen.press(KeyEvent::new(code, KeyModifiers::NONE)), "{key:?} leaves the debugger");
    }
}

fn picture(screen: &Screen, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| screen.draw(frame)).unwrap();
    let buffer = terminal.backend().buffer().clone();
    let row = |y: u16| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned() + "\n";
    (0..height).map(row).collect()
}

/// Compares with the file that holds the expected picture; `STORMPROOF_BLESS=1` writes it anew.
#[track_caller]
#[allow(clippy::disallowed_methods)] // a test looks after its own files
fn expect(name: &str, picture: &str) {
    let path = format!("{}/tests/all/screens/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("STORMPROOF_BLESS").is_some() {
        std::fs::write(&path, picture).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    assert!(expected == picture, "{path} differs from\n{picture}");
}

#[test]
fn the_picture_at_two_sizes() {
    let mut screen = Screen::new(calm("picture", 3), false);
    press(&mut screen, ":next 40\n");
    expect("state_80x24", &picture(&screen, 80, 24));
    expect("state_120x40", &picture(&screen, 120, 40));
    press(&mut screen, "?");
    expect("help_80x24", &picture(&screen, 80, 24));
    press(&mut screen, " ");
    expect("commands_80x24", &picture(&screen, 80, 24));
    press(&mut screen, " 2:cut teller-0");
    expect("prompt_80x24", &picture(&screen, 80, 24));
}

#[test]
fn keys_are_commands_and_no_size_is_too_small() {
    let mut screen = Screen::new(calm("keys", 3), true);
    press(&mut screen, "NnnBb");
    assert_eq!(screen.debugger().timeline().moves(), 1);
    press(&mut screen, "h\n");
    assert_eq!(screen.debugger().timeline().acts().len(), 1);
    for (width, height) in [(1, 1), (3, 2), (20, 5), (300, 100)] {
        for panel in "1234567?".chars() {
            press(&mut screen, &panel.to_string());
            picture(&screen, width, height);
        }
        press(&mut screen, "  ");
    }
    assert!(!screen.press(KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE)));
}

#[test]
fn a_target_that_is_where_it_stands_goes_nowhere() {
    let mut debugger = calm("here", 3);
    check(&mut debugger, "goto 77");
    let before = state(&debugger);
    check(&mut debugger, "goto 77");
    assert_eq!(state(&debugger), before);
}
