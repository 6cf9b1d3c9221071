//! Runs one seed several times at once and names the first difference.
//!
//! Two runs that were drawn apart go in lock-step; a third is copied from the first now and again and
//! must go the same way, since forks, step-back and shrinking rest on copies.

use crate::draw;
use crate::engine::{Engine, Phase};
use crate::registry::Registry;
use crate::run::{self, Keep};
use crate::scenario::Scenario;
use crate::verdict::hex;
use contract::Time;
use contract::plan::PlanError;
use kernel::{TraceLine, World};

/// The first place where two runs of one seed differ, a sentence a line; `None` if they do not.
pub fn difference(scenario: &Scenario, registry: &Registry, seed: u64) -> Result<Option<Vec<String>>, PlanError> {
    // Without texts, whose copies would grow with the run; a line's digest tells payloads apart.
    let keep = Keep { trace: 64, narrate: false };
    let start = || Ok(run::checked(scenario, registry, &draw::draw(scenario, seed, keep.trace, keep.narrate)?));
    let (mut first, mut second): (Engine, Engine) = (start()?, start()?);
    let mut copy = first.clone();
    for slice in 1u64.. {
        let before = [first.fork_world(), second.fork_world(), copy.fork_world()];
        first.advance();
        second.advance();
        copy.advance();
        let [one, two, three] = before;
        if differ(&first, &second) {
            return Ok(Some(explain("a second run", one, two, &first, &second)));
        }
        if differ(&first, &copy) {
            return Ok(Some(explain("a copied world", one, three, &first, &copy)));
        }
        if matches!(first.phase(), Phase::Over(_)) {
            break;
        }
        if slice.is_power_of_two() {
            copy = first.clone();
        }
    }
    Ok(None)
}

/// Whether two engines that should be equal are not.
fn differ(one: &Engine, other: &Engine) -> bool {
    let state = |engine: &Engine| (engine.world().fingerprint(), engine.world().events(), engine.world().now());
    state(one) != state(other) || one.phase() != other.phase() || one.judge().coverage() != other.judge().coverage()
}

/// Steps both worlds from where they were still equal to the first event that differs.
fn explain(other: &str, mut one: World, mut two: World, after_one: &Engine, after_two: &Engine) -> Vec<String> {
    let end = after_one.world().now().max(after_two.world().now());
    while one.now() <= end {
        let stepped = (one.step(), two.step());
        if one.fingerprint() != two.fingerprint() || stepped.0 != stepped.1 {
            return compare(other, &one, &two);
        }
        if stepped.0.is_none() {
            break;
        }
    }
    vec![
        format!("{other} ends differently after the same events"),
        format!("first: {:?}, {}", after_one.phase(), state_line(after_one.world())),
        format!("other: {:?}, {}", after_two.phase(), state_line(after_two.world())),
    ]
}

fn state_line(world: &World) -> String {
    let Time(nanos) = world.now();
    format!("{} events, {nanos} ns, fingerprint {}", world.events(), hex(world.fingerprint()))
}

fn compare(other: &str, one: &World, two: &World) -> Vec<String> {
    let (Some(one), Some(two)) = (one.trace().pop(), two.trace().pop()) else {
        return vec![format!("{other} has other events")];
    };
    let field = differing_field(&one, &two).unwrap_or("the payload, or state that the trace does not show");
    vec![
        format!("{other} differs first at event {} of {}, in its {field}", one.event, one.process),
        format!("first: {}", line(&one)),
        format!("other: {}", line(&two)),
    ]
}

/// The first field, in the order of a reader's interest, in which two lines differ.
fn differing_field(one: &TraceLine, two: &TraceLine) -> Option<&'static str> {
    let fields = [
        ("number", one.event != two.event),
        ("process", one.process != two.process),
        ("kind", one.what != two.what),
        ("time", one.at != two.at),
        ("cause", one.cause != two.cause),
        ("detail", one.detail != two.detail),
    ];
    fields.into_iter().find(|(_, differs)| *differs).map(|(name, _)| name)
}

/// One line of a trace for people.
pub fn line(line: &TraceLine) -> String {
    let TraceLine { event, at, process, what, detail, cause, fingerprint } = line;
    let cause = if *cause == 0 { String::new() } else { format!("  <- {cause}") };
    format!("{event:>8}  {at}  {process:<18} {what:<8} {detail}{cause}  {fingerprint:016x}")
}
