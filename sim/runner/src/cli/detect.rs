//! `stormproof defects`: how soon each planted defect is found.

use super::run::to_json;
use super::{DefectsArgs, Session, cores};
use crate::console::Tone;
use crate::diagnostic::listed;
use crate::exit::Exit;
use crate::registry::DefectInfo;
use crate::sweep::defects::{self, Detection};
use contract::Time;

/// Searches for each defect and prints seeds and virtual time to detection.
pub fn detect(session: &mut Session<'_, '_>, args: &DefectsArgs) -> Exit {
    let wanted = match wanted(session, &args.ids) {
        Ok(wanted) => wanted,
        Err(exit) => return exit,
    };
    let mut exit = Exit::Passed;
    for defect in wanted {
        let scenario = match session.load(defect.scenario) {
            Ok(scenario) if scenario.expect.defect == Some(defect.id) => scenario,
            Ok(scenario) => return session.refused(format!("{} does not plant {}", scenario.path, defect.id)),
            Err(exit) => return exit,
        };
        let found = defects::detect(&scenario, session.registry, args.ranges, args.budget, cores(args.jobs));
        let detection = match found {
            Ok(detection) => detection,
            Err(error) => return session.refused(error),
        };
        if !detection.is_as_stated() {
            exit = Exit::Violated;
        }
        if args.json {
            session.console.say(to_json(&detection));
        } else {
            show(session, &defect, &detection);
        }
    }
    exit
}

fn wanted(session: &mut Session<'_, '_>, ids: &[String]) -> Result<Vec<DefectInfo>, Exit> {
    if ids.is_empty() && session.registry.defects.is_empty() {
        return Err(session.refused("this build contains no planted defects: build it with the feature `planted`"));
    }
    if ids.is_empty() {
        return Ok(session.registry.defects.clone());
    }
    let registry = session.registry;
    let find = |id: &String| registry.defect(id).copied().ok_or_else(|| id.clone());
    ids.iter().map(find).collect::<Result<Vec<_>, _>>().map_err(|id| {
        let known = listed(registry.defects.iter().map(|defect| defect.id));
        session.refused(format!("no planted defect `{id}`; known: {known}"))
    })
}

fn show(session: &mut Session<'_, '_>, defect: &DefectInfo, detection: &Detection) {
    let (tone, word) = if detection.is_as_stated() { (Tone::Good, "caught") } else { (Tone::Bad, "NOT AS STATED") };
    let word = session.console.paint(tone, word);
    let by: Vec<String> = detection.first_by.iter().map(|(by, count)| format!("{by} {count}")).collect();
    session.console.say(format!("{}  {}  {word}", defect.id, defect.title));
    session.console.say(format!(
        "  stated oracle {}; first by: {}; missed in {} of {} ranges of {} seeds",
        detection.caught_by,
        if by.is_empty() { "nobody".to_owned() } else { by.join(", ") },
        detection.missed,
        detection.ranges,
        detection.budget,
    ));
    if detection.asserted > 0 {
        session.console.say(format!("  an assertion of the system came first in {} other runs", detection.asserted));
    }
    if let (Some(median), Some(max)) = (detection.seeds_median, detection.seeds_max) {
        let time = |nanos: Option<u64>| Time(nanos.unwrap_or(0)).to_string();
        let (time_median, time_max) = (time(detection.time_median), time(detection.time_max));
        session.console.say(format!("  seeds to detection: median {median}, max {max}"));
        session.console.say(format!("  virtual time of the failing run: median {time_median}, max {time_max}"));
    }
    if let Some(replay) = &detection.replay {
        session.say_command("  replay: ", replay);
    }
}
