//! What the contract promises an actor, on the real host.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test of the real world uses it, and fails by panicking"
)]

mod common;

use common::{Ask, Client, ClientPlan, Ledger, LedgerRules, Scratch, Setup, in_system, of_kind, port};
use contract::cell::blueprint;
use contract::host::Liveness;
use contract::{Actor, Context, Duration, Halt, Pid, ProcessId, inbox, mark};
use host::stats::Count;
use host::{Door, ExitStatus, ReservedPort};

const LEDGER: ProcessId = ProcessId(0);

fn plan(count: u64) -> ClientPlan {
    ClientPlan { server: LEDGER, first: 1, count, body: 20, window: 4 }
}

#[test]
fn processes_of_one_node_talk_without_sockets() {
    in_system(async {
        let dir = Scratch::new();
        let processes = vec![(0, blueprint::<Ledger>(LedgerRules::default())), (1, blueprint::<Client>(plan(50)))];
        let (mut node, mut marks) = Setup::new(&[]).start(&dir.0, processes);
        marks.until_count("test.answered", 50).await;
        assert_eq!(node.stop().await, ExitStatus::Stopped);
        assert_eq!(node.stats().count(Count::FramesSent), 0);
        assert!(node.stats().count(Count::DirectSent) >= 100);
    });
}

#[test]
fn work_on_a_thread_comes_back_through_the_door_as_a_message_to_oneself() {
    in_system(async {
        let dir = Scratch::new();
        let door = Door::default();
        let ask = |id| Ask { id, body: vec![], reply_to: common::addr(LEDGER) };
        assert!(!door.put(ask(1)), "it leads nowhere yet");
        let setup = Setup { door: Some(door.clone()), ..Setup::new(&[]) };
        let (mut node, mut marks) = setup.start(&dir.0, vec![(0, blueprint::<Ledger>(LedgerRules::default()))]);
        let inside = door.clone();
        std::thread::spawn(move || assert!(inside.put(ask(2)))).join().unwrap();
        marks.until_count("test.stored", 1).await;
        let stored = of_kind(&marks.seen, "test.stored");
        assert_eq!((stored[0].mark.number("id"), stored[0].mark.number("from")), (Some(2), Some(u64::from(LEDGER.0))));
        assert_eq!(node.stop().await, ExitStatus::Stopped);
        drop(node);
    });
}

#[test]
fn what_was_stored_is_there_after_a_restart_and_is_stored_once() {
    in_system(async {
        let dir = Scratch::new();
        let mut stored = Vec::new();
        for incarnation in 1..=3 {
            let mut setup = Setup::new(&[]);
            setup.incarnation = incarnation;
            let client = ClientPlan { first: 1, count: 20 * u64::from(incarnation), ..plan(0) };
            let (ledger, client) = (blueprint::<Ledger>(LedgerRules::default()), blueprint::<Client>(client));
            let (mut node, mut marks) = setup.start(&dir.0, vec![(0, ledger), (1, client)]);
            marks.until_count("test.answered", 20 * incarnation as usize).await;
            assert_eq!(node.stop().await, ExitStatus::Stopped);
            let recovered = of_kind(&marks.seen, "test.recovered");
            assert_eq!(recovered[0].mark.number("count"), Some(20 * u64::from(incarnation - 1)));
            assert!(marks.seen.iter().all(|seen| seen.incarnation == incarnation));
            stored.extend(marks.ids("test.stored"));
        }
        stored.sort_unstable();
        assert_eq!(stored, (1..=60).collect::<Vec<u64>>());
    });
}

#[test]
fn marks_are_in_program_order_and_precede_what_they_cause() {
    in_system(async {
        let dir = Scratch::new();
        let (ledger_port, client_port) = (port(), port());
        let peers = [(0, ledger_port.address()), (1, client_port.address())];
        let start = |listen: &ReservedPort, id, blueprint| {
            let setup = Setup { listen: listen.address(), ..Setup::new(&peers) };
            setup.start(&dir.0, vec![(id, blueprint)])
        };
        let (_ledger, mut marks) = start(&ledger_port, 0, blueprint::<Ledger>(LedgerRules::default()));
        let (client, mut client_marks) = start(&client_port, 1, blueprint::<Client>(plan(100)));
        client_marks.until_count("test.answered", 100).await;
        marks.until_count("test.stored", 100).await;
        assert!(client.stats().count(Count::FramesSent) >= 100);
        assert_eq!(marks.seen[0].mark.kind, "system.boot");
        assert_eq!(marks.seen[1].mark.kind, "test.recovered");
        for stream in [&marks.seen, &client_marks.seen] {
            assert!(stream.is_sorted_by_key(|seen| seen.at));
        }
        for answered in of_kind(&client_marks.seen, "test.answered") {
            let id = answered.mark.number("id");
            let stored = marks.seen.iter().find(|seen| seen.mark.kind == "test.stored" && seen.mark.number("id") == id);
            assert!(stored.expect("an answer to something stored").at < answered.at);
        }
    });
}

#[test]
fn a_halt_ends_the_process_with_its_reason() {
    in_system(async {
        let dir = Scratch::new();
        let rules = LedgerRules { halt_at: Some(7), ..LedgerRules::default() };
        let processes = vec![(0, blueprint::<Ledger>(rules)), (1, blueprint::<Client>(plan(20)))];
        let (mut node, mut marks) = Setup::new(&[]).start(&dir.0, processes);
        let (process, status) = node.ended().await;
        assert_eq!((process, &status), (LEDGER, &ExitStatus::Halted(Halt::new("asked to halt"))));
        assert_eq!(status.code(), 20);
        marks.until_count("system.exit", 1).await;
        let exit = of_kind(&marks.seen, "system.exit")[0];
        assert_eq!((exit.process, exit.mark.text("reason")), (LEDGER, Some("halt")));
        assert!(!marks.ids("test.stored").contains(&7));
        assert!(marks.ids("test.stored").len() >= 3, "what came before the halt was stored");
    });
}

#[test]
fn a_panic_ends_only_its_process() {
    in_system(async {
        let dir = Scratch::new();
        let rules = LedgerRules { panic_at: Some(3), ..LedgerRules::default() };
        let processes =
            vec![(0, blueprint::<Ledger>(rules)), (1, blueprint::<Client>(plan(20))), (2, blueprint::<Ticker>(()))];
        let (mut node, mut marks) = Setup::new(&[]).start(&dir.0, processes);
        let (process, status) = node.ended().await;
        assert_eq!((process, status), (LEDGER, ExitStatus::Panicked("asked to panic".to_owned())));
        marks.until_count("test.ticked", 3).await;
    });
}

#[test]
fn an_actor_that_cannot_boot_halts() {
    in_system(async {
        let dir = Scratch::new();
        std::fs::create_dir(dir.0.join("ledger.log")).unwrap();
        let (mut node, _marks) = Setup::new(&[]).start(&dir.0, vec![(0, blueprint::<Ledger>(LedgerRules::default()))]);
        let (_, status) = node.ended().await;
        assert_eq!(status, ExitStatus::Halted(Halt::new("disk: is a directory (EISDIR)")));
    });
}

/// Uses timers in every way and tells when they fire.
#[derive(Clone, Debug)]
struct Ticker {
    booted: contract::Time,
    rounds: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Tick {
    Replaced,
    Cancelled,
    AfterZero,
    Round,
}

inbox! { enum TickerInbox { Ask(Ask) } }

impl Actor for Ticker {
    type Config = ();
    type Inbox = TickerInbox;
    type Timer = Tick;

    fn boot((): &(), ctx: &mut Context<'_, Self>) -> Result<Self, Halt> {
        let millis = Duration::from_millis;
        (1..=500).for_each(|_| ctx.set_timer(Tick::Replaced, millis(5)));
        ctx.set_timer(Tick::Replaced, millis(120));
        ctx.set_timer(Tick::Cancelled, millis(10));
        ctx.set_timer(Tick::Round, millis(10));
        Ok(Ticker { booted: ctx.now(), rounds: 0 })
    }
    fn on_message(&mut self, _: ProcessId, _: TickerInbox, _: &mut Context<'_, Self>) -> Result<(), Halt> {
        Ok(())
    }
    fn on_timer(&mut self, tick: Tick, ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        let after = ctx.now().since(self.booted).as_millis() as u64;
        ctx.mark(mark!("test.ticked", tick = format!("{tick:?}"), after = after));
        match tick {
            Tick::Round => {
                ctx.cancel_timer(Tick::Cancelled);
                self.rounds += 1;
                ctx.set_timer(if self.rounds < 3 { Tick::Round } else { Tick::AfterZero }, Duration::ZERO);
            }
            Tick::Replaced | Tick::AfterZero | Tick::Cancelled => {}
        }
        Ok(())
    }
}

#[test]
fn timers_are_replaced_cancelled_and_never_early() {
    in_system(async {
        let dir = Scratch::new();
        let (mut node, mut marks) = Setup::new(&[]).start(&dir.0, vec![(0, blueprint::<Ticker>(()))]);
        marks
            .until("the replaced timer", |seen| seen.iter().any(|seen| seen.mark.text("tick") == Some("Replaced")))
            .await;
        assert_eq!(node.stop().await, ExitStatus::Stopped);
        marks.until("everything", |_| true).await;
        let ticked = of_kind(&marks.seen, "test.ticked");
        let names: Vec<&str> = ticked.iter().filter_map(|seen| seen.mark.text("tick")).collect();
        let expected_early = ["Round", "Round", "Round", "AfterZero"];
        let early: Vec<&str> =
            names.iter().copied().filter(|name| *name != "Replaced" && *name != "Cancelled").collect();
        assert_eq!(early, expected_early);
        assert_eq!(names.iter().filter(|name| **name == "Replaced").count(), 1);
        let replaced = ticked.iter().find(|seen| seen.mark.text("tick") == Some("Replaced")).unwrap();
        assert!(replaced.mark.number("after").unwrap() >= 120);
        assert!(ticked[0].mark.number("after").unwrap() >= 10);
    });
}

/// States what it learns of its host.
#[derive(Clone, Debug)]
struct Curious;

impl Actor for Curious {
    type Config = ();
    type Inbox = TickerInbox;
    type Timer = ();

    fn boot((): &(), ctx: &mut Context<'_, Self>) -> Result<Self, Halt> {
        let me = ctx.identity();
        let alive = ctx.liveness(me.pid) == Liveness::Alive { started: me.started };
        let init = ctx.liveness(Pid(1)) != Liveness::Dead;
        let dead = ctx.liveness(Pid(u32::MAX)) == Liveness::Dead;
        let (one, two) = (ctx.random(), ctx.random());
        let date_is_sane = ctx.wall().0 > 1_600_000_000_000_000_000;
        let quiet = !ctx.choose("test.site");
        ctx.mark(mark!(
            "test.learned",
            alive = alive,
            init = init,
            dead = dead,
            differ = one != two,
            one = one,
            date = date_is_sane,
            quiet = quiet,
            pid = me.pid.0
        ));
        Ok(Curious)
    }
    fn on_message(&mut self, _: ProcessId, _: TickerInbox, _: &mut Context<'_, Self>) -> Result<(), Halt> {
        Ok(())
    }
    fn on_timer(&mut self, (): (), _: &mut Context<'_, Self>) -> Result<(), Halt> {
        Ok(())
    }
}

#[test]
fn a_process_knows_itself_its_neighbours_and_its_own_randomness() {
    in_system(async {
        let dir = Scratch::new();
        let mut drawn = Vec::new();
        for incarnation in [1, 2, 2] {
            let mut setup = Setup::new(&[]);
            setup.incarnation = incarnation;
            let (_node, mut marks) = setup.start(&dir.0, vec![(0, blueprint::<Curious>(()))]);
            marks.until_count("test.learned", 1).await;
            let learned = &of_kind(&marks.seen, "test.learned")[0].mark;
            for fact in ["alive", "init", "dead", "differ", "date", "quiet"] {
                assert_eq!(learned.flag(fact), Some(true), "{fact}");
            }
            assert_eq!(learned.number("pid"), Some(u64::from(std::process::id())));
            drawn.push(learned.number("one").unwrap());
        }
        assert_ne!(drawn[0], drawn[1], "each start draws from a stream of its own");
        assert_eq!(drawn[1], drawn[2], "a fixed seed fixes the stream");
    });
}
