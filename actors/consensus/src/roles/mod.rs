//! What scenario files may ask for: the service `rcs`, its clients `rcs_client`, what their locks protect,
//! `rcs_resource`, and the examination `rcs_exam`.

mod client;
mod member;

use crate::exam::{self, Examiner};
use crate::planted::Planted;
use crate::resource::{self, Resource};
use contract::cell::{Blueprint, blueprint};
use contract::knobs::Knob;
use contract::plan::{Core, PlanError, Role, RoleKind, Site};
use contract::{Addr, Message};
use std::sync::Arc;

/// The roles of this component.
pub fn roles() -> Vec<Role> {
    vec![member::ROLE, client::ROLE, RESOURCE, EXAM]
}

const RESOURCE: Role = Role {
    name: "rcs_resource",
    about: "what a lock protects: it takes a write only if it has seen no higher fencing token",
    kind: RoleKind::System,
    core: Core::All,
    knobs: &[],
    processes: |_| vec!["resource".to_owned()],
    build: build_resource,
    other_build: None,
};

const EXAM: Role = Role {
    name: "rcs_exam",
    about: "an examiner that asks the Routing Coordination Service a script of questions with known answers",
    kind: RoleKind::Workload,
    core: Core::All,
    knobs: &EXAM_KNOBS,
    processes: |_| vec!["examiner".to_owned()],
    build: build_exam,
    other_build: None,
};

const EXAM_KNOBS: [Knob; 2] = [
    Knob::millis("patience", "time between a question whose answer was too early and its repetition", 100, 10, 5_000),
    Knob::millis("silence", "after this another member is asked; longer than a watch lasts", 3_000, 200, 60_000),
];

fn build_exam(site: &Site<'_>) -> Result<Arc<dyn Blueprint>, PlanError> {
    Ok(blueprint::<Examiner>(Arc::new(exam::Config {
        members: members(site)?.into(),
        patience: site.knobs.time("patience"),
        silence: site.knobs.time("silence"),
    })))
}

fn build_resource(site: &Site<'_>) -> Result<Arc<dyn Blueprint>, PlanError> {
    let name = format!("resource-{}", site.index);
    let planted = Planted::among(site.defects)?;
    Ok(blueprint::<Resource>(Arc::new(resource::Config { name, planted })))
}

/// The members of the service, by slot, as whoever accepts `M`.
fn members<M: Message>(site: &Site<'_>) -> Result<Vec<Addr<M>>, PlanError> {
    let count = site.directory.count("rcs").max(1);
    (0..count).map(|slot| site.directory.addr("rcs", slot, "member")).collect()
}

/// The index of a node as the wire has it.
fn index(site: &Site<'_>) -> Result<u32, PlanError> {
    u32::try_from(site.index).map_err(|_| PlanError("too many nodes".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::roles;
    use std::collections::BTreeSet;

    #[test]
    fn every_knob_is_declared_once_and_its_default_is_legal() {
        for role in roles() {
            let names: BTreeSet<&str> = role.knobs.iter().map(|knob| knob.name).collect();
            assert_eq!(names.len(), role.knobs.len(), "role {}", role.name);
            for knob in role.knobs {
                assert!((knob.least..=knob.most).contains(&knob.default), "{}.{}", role.name, knob.name);
            }
        }
    }
}
