//! Cargo manifests: versions once, lints everywhere, one profile for every measurement.

use crate::demand;
use crate::tree::{self, TextFile};
use toml::{Table, Value};

/// Workspaces of their own, which nobody builds to use the project.
const APART: [&str; 2] = ["tests/peers/", "tests/fuzz/"];
/// The kinds of dependencies in a manifest.
pub const KINDS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

/// A parsed `Cargo.toml`.
pub struct Manifest {
    /// The folder that it stands in, without a slash at the end; empty for the root.
    pub folder: String,
    pub table: Table,
}

impl Manifest {
    /// Parses a manifest; a file that is not TOML fails the test that reads it.
    pub fn parse(file: &TextFile) -> Manifest {
        let table = file.text.parse().unwrap_or_else(|error| panic!("{} is not TOML: {error}", file.path));
        let folder = file.path.strip_suffix("Cargo.toml").expect("a manifest's name").trim_end_matches('/').to_owned();
        Manifest { folder, table }
    }

    /// A made-up manifest.
    pub fn made_up(folder: &str, text: &str) -> Manifest {
        Manifest::parse(&TextFile::made_up(&format!("{folder}/Cargo.toml"), text))
    }

    /// The dependencies of one kind, those under `target` included: name and declaration.
    pub fn dependencies(&self, kind: &str) -> Vec<(&str, &Value)> {
        let targets = self.table.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
        let tables = std::iter::once(&self.table).chain(targets.filter_map(Value::as_table));
        let declared = tables.filter_map(|table| table.get(kind).and_then(Value::as_table));
        declared.flat_map(|table| table.iter().map(|(name, value)| (name.as_str(), value))).collect()
    }
}

/// The manifests of the main workspace's crates, without the root's.
pub fn members() -> Vec<Manifest> {
    let files = tree::texts().into_iter().filter(|file| file.path.ends_with("/Cargo.toml"));
    files.filter(|file| !APART.iter().any(|folder| file.under(folder))).map(|file| Manifest::parse(&file)).collect()
}

/// The root manifest.
pub fn root() -> Table {
    Manifest::parse(&tree::file("Cargo.toml")).table
}

fn versions_outside_the_root(members: &[Manifest]) -> Vec<String> {
    let mut complaints = Vec::new();
    for member in members {
        for kind in KINDS {
            for (name, declared) in member.dependencies(kind) {
                let inherited = declared.get("workspace").and_then(Value::as_bool) == Some(true);
                if !inherited {
                    complaints.push(format!("{}/Cargo.toml: {kind}: {name}", member.folder));
                }
            }
        }
    }
    complaints
}

fn not_inherited(members: &[Manifest]) -> Vec<String> {
    let mut complaints = Vec::new();
    let inherits =
        |value: Option<&Value>| value.and_then(|value| value.get("workspace")) == Some(&Value::Boolean(true));
    for member in members {
        if !inherits(member.table.get("lints")) {
            complaints.push(format!("{}/Cargo.toml: [lints]", member.folder));
        }
        for key in ["version", "edition", "rust-version", "license", "publish"] {
            if !inherits(member.table.get("package").and_then(|package| package.get(key))) {
                complaints.push(format!("{}/Cargo.toml: {key}", member.folder));
            }
        }
    }
    complaints
}

fn strays(root: &Table, members: &[Manifest]) -> Vec<String> {
    let listed = root.get("workspace").and_then(|workspace| workspace.get("members")).and_then(Value::as_array);
    let listed: Vec<&str> = listed.into_iter().flatten().filter_map(Value::as_str).collect();
    let stray = members.iter().filter(|member| !listed.contains(&member.folder.as_str()));
    stray.map(|member| member.folder.clone()).collect()
}

/// The settings that decide what a measurement measures.
fn measured_with(manifest: &Table, profile: &str) -> Vec<Option<Value>> {
    let profiles = manifest.get("profile");
    let setting = |profile: &str, key: &str| profiles?.get(profile)?.get(key).cloned();
    let inherited = |key: &str| setting(profile, key).or_else(|| setting("release", key));
    ["opt-level", "lto", "codegen-units"].map(inherited).to_vec()
}

#[test]
fn every_version_stands_once() {
    demand(
        "put the version into [workspace.dependencies] of the root and write `name.workspace = true` in:",
        &versions_outside_the_root(&members()),
    );
}

#[test]
fn a_version_outside_the_root_is_seen() {
    let text = "[dependencies]\na = \"1\"\nb.workspace = true\n[dev-dependencies]\nc = { path = \"../c\" }\n\
        [target.'cfg(unix)'.dependencies]\nd = { version = \"1\" }\ne = { workspace = true, features = [] }\n";
    let found = versions_outside_the_root(&[Manifest::made_up("x", text)]);
    assert_eq!(
        found,
        ["x/Cargo.toml: dependencies: a", "x/Cargo.toml: dependencies: d", "x/Cargo.toml: dev-dependencies: c"]
    );
}

#[test]
fn every_crate_inherits_the_lints_and_the_package_keys() {
    demand("write `lints.workspace = true` or `key.workspace = true` in:", &not_inherited(&members()));
}

#[test]
fn a_crate_with_lints_of_its_own_is_seen() {
    let text = "[package]\nname = \"x\"\nversion.workspace = true\nedition = \"2021\"\nrust-version.workspace = true\n\
        license.workspace = true\npublish.workspace = true\n";
    assert_eq!(not_inherited(&[Manifest::made_up("x", text)]), ["x/Cargo.toml: [lints]", "x/Cargo.toml: edition"]);
}

#[test]
fn every_crate_is_a_member() {
    demand("add these folders to the members of the root Cargo.toml:", &strays(&root(), &members()));
}

#[test]
fn a_crate_that_is_no_member_is_seen() {
    let root: Table = "[workspace]\nmembers = [\"a\"]\n".parse().expect("TOML");
    let members = [Manifest::made_up("a", ""), Manifest::made_up("b", "")];
    assert_eq!(strays(&root, &members), ["b"]);
}

/// Otherwise the published ratios would compare compilers' settings.
#[test]
fn peers_are_measured_with_the_projects_own_profile() {
    let peers = Manifest::parse(&tree::file("tests/peers/Cargo.toml")).table;
    let ours = measured_with(&root(), "bench");
    assert!(ours.iter().all(Option::is_some), "[profile.bench] says how the kernel is measured: {ours:?}");
    assert_eq!(measured_with(&peers, "release"), ours, "tests/peers/Cargo.toml [profile.release] differs from ours");
}
