//! What scenario files may ask for: the service `rcs`, its clients `rcs_client` and what their locks protect,
//! `rcs_resource`.

mod client;
mod member;

use crate::planted::Planted;
use crate::resource::{self, Resource};
use contract::cell::{Blueprint, blueprint};
use contract::plan::{Core, PlanError, Role, RoleKind, Site};
use std::sync::Arc;

/// The roles of this component.
pub fn roles() -> Vec<Role> {
    vec![member::ROLE, client::ROLE, RESOURCE]
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

fn build_resource(site: &Site<'_>) -> Result<Arc<dyn Blueprint>, PlanError> {
    let name = format!("resource-{}", site.index);
    let planted = Planted::among(site.defects)?;
    Ok(blueprint::<Resource>(Arc::new(resource::Config { name, planted })))
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
