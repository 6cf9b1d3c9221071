//! One seed does not change another: the same runs in order, shuffled, and on two threads, with runs between
//! them that panic or are violated.
//!
//! Whatever a run leaves behind in its process (a static, a thread-local, a poisoned lock) would show as a verdict
//! that depends on what ran before.

#![allow(clippy::disallowed_methods)] // a test reads the scenario files

use contract::cell::{Blueprint, blueprint};
use contract::plan::{Core, PlanError, Role, RoleKind, Site};
use contract::{Actor, Context, Duration, Halt, ProcessId, inbox, mark, message};
use kernel::draw::{StreamFor, stream};
use rand_core::Rng;
use runner::run::{self, Keep};
use runner::verdict::Verdict;
use runner::{Exit, Registry, Scenario};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Runs of the comparison.
const RUNS: usize = 1_000;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Nothing;
message!(Nothing = "test.isolation/1");
inbox! { enum Inbox { Nothing(Nothing) } }

/// State that no world owns: what an actor must never have.
static SHARED: AtomicU32 = AtomicU32::new(0);

/// Panics about once in two virtual seconds; the leaky one also counts its steps for the whole process.
#[derive(Clone, Debug)]
struct Bomb {
    leaky: bool,
    steps: u64,
}

impl Actor for Bomb {
    type Config = bool;
    type Inbox = Inbox;
    type Timer = ();
    fn boot(leaky: &bool, ctx: &mut Context<'_, Self>) -> Result<Self, Halt> {
        ctx.set_timer((), Duration::from_millis(10));
        Ok(Bomb { leaky: *leaky, steps: 0 })
    }
    fn on_message(&mut self, _: ProcessId, _: Inbox, _: &mut Context<'_, Self>) -> Result<(), Halt> {
        Ok(())
    }
    fn on_timer(&mut self, (): (), ctx: &mut Context<'_, Self>) -> Result<(), Halt> {
        self.steps += 1;
        let shared = if self.leaky { u64::from(SHARED.fetch_add(1, Relaxed)) } else { 0 };
        ctx.mark(mark!("bomb.step", steps = self.steps, shared = shared));
        assert!(ctx.random_below(200) != 0, "step {} was the last", self.steps);
        ctx.set_timer((), Duration::from_millis(10));
        Ok(())
    }
}

const BOMB: Role = Role {
    name: "bomb",
    about: "panics sooner or later",
    kind: RoleKind::System,
    core: Core::All,
    knobs: &[],
    processes: |_| vec!["main".to_owned()],
    build: |_: &Site<'_>| -> Result<Arc<dyn Blueprint>, PlanError> { Ok(blueprint::<Bomb>(false)) },
    other_build: None,
};

const LEAKY: Role = Role {
    name: "leaky",
    build: |_: &Site<'_>| -> Result<Arc<dyn Blueprint>, PlanError> { Ok(blueprint::<Bomb>(true)) },
    ..BOMB
};

fn registry() -> Registry {
    let mut registry = scenarios::registry();
    registry.roles.extend([BOMB, LEAKY]);
    registry
}

/// The scenario of nothing but two of `role`.
fn of(role: &str, registry: &Registry) -> Scenario {
    let text = format!(
        "title = \"two that panic\"\nnodes = {{ {role} = 2 }}\nlimits = {{ safety = \"2s\", liveness = \"1s\" }}\n\
         [expect]\noracles = [\"convergence\"]\n"
    );
    Scenario::parse("two.toml", &text, registry).unwrap_or_else(|errors| panic!("{:?}", errors.errors))
}

/// Every scenario of the project, and the one that panics.
fn all(registry: &Registry) -> Vec<Scenario> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut paths = Vec::new();
    for folder in ["scenarios/fast", "scenarios/negative"] {
        let files = std::fs::read_dir(root.join(folder)).expect("the folder exists");
        paths.extend(files.map(|file| file.expect("the folder can be read").path().to_string_lossy().into_owned()));
    }
    paths.sort();
    let load = |path: &String| Scenario::load(path, registry).unwrap_or_else(|_| panic!("{path} is sound"));
    let mut scenarios: Vec<Scenario> = paths.iter().filter(|path| path.ends_with(".toml")).map(load).collect();
    scenarios.push(of("bomb", registry));
    scenarios
}

/// Runs number `order[0]`, `order[1]`... on one thread; each is a scenario in turn with its next seed.
fn verdicts(scenarios: &[Scenario], registry: &Registry, order: &[usize]) -> Vec<(usize, Verdict)> {
    let one = |&number: &usize| {
        let (which, seed) = (number % scenarios.len(), (number / scenarios.len()) as u64);
        let finished = run::run(&scenarios[which], registry, seed, Keep::LITTLE).expect("the plan can be built");
        (number, finished.verdict)
    };
    order.iter().map(one).collect()
}

/// The numbers below `count` in another order.
fn shuffled(count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    let mut rng = stream(7, StreamFor::Fault, 0);
    for last in (1..count).rev() {
        order.swap(last, (rng.next_u64() % (last as u64 + 1)) as usize);
    }
    order
}

fn by_number(mut verdicts: Vec<(usize, Verdict)>) -> Vec<Verdict> {
    verdicts.sort_by_key(|(number, _)| *number);
    verdicts.into_iter().map(|(_, verdict)| verdict).collect()
}

fn differences(one: &[Verdict], other: &[Verdict]) -> Vec<String> {
    assert_eq!(one.len(), other.len());
    let pairs = one.iter().zip(other).filter(|(one, other)| one != other);
    pairs.map(|(one, other)| format!("{} seed {}:\n{one:?}\n{other:?}", one.scenario, one.seed)).collect()
}

#[test]
fn a_run_is_the_same_whatever_ran_before_it_and_beside_it() {
    let registry = registry();
    let scenarios = all(&registry);
    let (in_order, order): (Vec<usize>, _) = ((0..RUNS).collect(), shuffled(RUNS));
    // Both halves run at once, so that this comparison is the one on two threads as well.
    let (first, second) = order.split_at(RUNS / 2);
    let (plain, mixed) = std::thread::scope(|scope| {
        let halves = [first, second].map(|half| scope.spawn(|| verdicts(&scenarios, &registry, half)));
        let mixed = halves.map(|half| half.join().expect("a run's panic is caught")).concat();
        (by_number(verdicts(&scenarios, &registry, &in_order)), by_number(mixed))
    });
    assert_eq!(differences(&plain, &mixed), Vec::<String>::new());
    let alone = by_number(verdicts(&scenarios, &registry, &order));
    assert_eq!(differences(&plain, &alone), Vec::<String>::new());
    let ended = |exit: Exit| plain.iter().filter(|verdict| verdict.exit == exit).count();
    let (panicked, violated) = (ended(Exit::Panicked), ended(Exit::Violated));
    assert!(panicked > RUNS / 100 && violated > 0, "{panicked} runs panicked and {violated} were violated in between");
}

#[test]
fn state_that_outlives_a_run_is_noticed() {
    let registry = registry();
    let scenarios = [of("leaky", &registry)];
    let order: Vec<usize> = (0..20).collect();
    let once = by_number(verdicts(&scenarios, &registry, &order));
    let again = by_number(verdicts(&scenarios, &registry, &order));
    assert!(!differences(&once, &again).is_empty(), "the comparison does not see a counter that all runs share");
}
