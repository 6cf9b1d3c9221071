//! What scenario files may name: the composition root fills it.

use crate::exhaust::Subject;
use contract::plan::{Role, RoleKind};
use oracles::OracleKind;
use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;

/// A defect that was planted on purpose and that an oracle must catch.
#[derive(Clone, Copy, Debug)]
pub struct DefectInfo {
    /// As in `[expect]`: `"P01"`.
    pub id: &'static str,
    /// What is wrong, in a few words.
    pub title: &'static str,
    /// The oracle that must catch it.
    pub oracle: &'static str,
    /// The scenario that provokes it, as a path from the project's root.
    pub scenario: &'static str,
}

/// A command of a component, beside the runner's own.
#[derive(Clone, Copy, Debug)]
pub struct Extra {
    /// The word behind `stormproof`.
    pub name: &'static str,
    /// What it is for, in the list of commands.
    pub about: &'static str,
    /// Runs it with all of the program's arguments, from the program's name on.
    pub main: fn(&[OsString]) -> ExitCode,
}

/// Every role, oracle and planted defect of this build.
#[derive(Clone, Default)]
pub struct Registry {
    /// Systems and workloads.
    pub roles: Vec<Role>,
    /// Judges.
    pub oracles: Vec<OracleKind>,
    /// Planted defects that this build contains.
    pub defects: Vec<DefectInfo>,
    /// What components keep in files, for `stormproof exhaust`.
    pub file_protocols: Vec<Arc<dyn Subject>>,
    /// Commands of components.
    pub extras: Vec<Extra>,
}

impl Registry {
    /// The role of that name.
    pub fn role(&self, name: &str) -> Option<&Role> {
        self.roles.iter().find(|role| role.name == name)
    }

    /// The oracle of that name.
    pub fn oracle(&self, name: &str) -> Option<&OracleKind> {
        self.oracles.iter().find(|oracle| oracle.name == name)
    }

    /// The defect of that id.
    pub fn defect(&self, id: &str) -> Option<&DefectInfo> {
        self.defects.iter().find(|defect| defect.id == id)
    }

    /// The names of all roles of a kind.
    pub fn role_names(&self, kind: RoleKind) -> Vec<&'static str> {
        self.roles.iter().filter(|role| role.kind == kind).map(|role| role.name).collect()
    }
}
