//! Who may know whom. The table is the one of ARCHITECTURE.md; a new edge needs a decision record that
//! holds the line "Edge: `from -> to`" in `book/src/decisions/`.

use crate::demand;
use crate::manifests::{self, KINDS, Manifest};
use crate::tree::{self, TextFile};

/// A layer of the house: what its crates may depend on inside the project.
struct Layer {
    /// The crate's folder; with a slash at the end for every crate below it.
    folder: &'static str,
    /// The project's crates that it may know.
    may_know: &'static [&'static str],
    /// Those that its tests may know as well.
    tests_may_know: &'static [&'static str],
    /// Whether clocks, threads, sockets and runtimes are its business.
    real: bool,
}

const EVERYONE: &[&str] =
    &["contract", "kernel", "oracles", "runner", "host", "scenarios", "consensus", "edge", "workspace", "local"];

const LAYERS: [Layer; 10] = [
    Layer { folder: "sim/contract", may_know: &[], tests_may_know: &[], real: false },
    Layer { folder: "sim/kernel", may_know: &["contract"], tests_may_know: &[], real: false },
    Layer { folder: "sim/oracles", may_know: &["contract"], tests_may_know: &[], real: false },
    Layer { folder: "sim/runner", may_know: &["contract", "kernel", "oracles"], tests_may_know: &[], real: false },
    Layer { folder: "sim/host", may_know: &["contract"], tests_may_know: &[], real: true },
    Layer {
        folder: "sim",
        may_know: &["contract", "kernel", "oracles", "runner", "host"],
        tests_may_know: &[],
        real: false,
    },
    Layer { folder: "actors/", may_know: &["contract"], tests_may_know: &["kernel", "oracles"], real: false },
    // The workspace and the host by decision record 0004.
    Layer { folder: "local", may_know: &["contract"], tests_may_know: &["host"], real: true },
    Layer { folder: "scenarios", may_know: EVERYONE, tests_may_know: EVERYONE, real: true },
    Layer { folder: "tests", may_know: EVERYONE, tests_may_know: EVERYONE, real: true },
];

/// Everything that the contract may be built from.
const CONTRACT_IS_BUILT_FROM: [&str; 3] = ["serde", "bincode", "xxhash-rust"];

/// Crates that bring a clock, a thread, a socket or an unkeyed random source, by how their names start.
const REAL_WORLD: [&str; 16] = [
    "actix",
    "async-",
    "chrono",
    "crossbeam",
    "fastrand",
    "futures",
    "getrandom",
    "hyper",
    "madsim",
    "mio",
    "rayon",
    "reqwest",
    "socket2",
    "time",
    "tokio",
    "turmoil",
];

fn forbidden_edges(members: &[Manifest], projects: &[String], recorded: &[String]) -> Vec<String> {
    let mut complaints = Vec::new();
    for member in members {
        let Some(layer) = layer_of(&member.folder) else {
            complaints.push(format!("{} stands in no layer of the table", member.folder));
            continue;
        };
        for kind in KINDS {
            for (name, _) in member.dependencies(kind) {
                let edge = format!("{} -> {name}", member.folder.rsplit('/').next().unwrap_or_default());
                let test = kind == "dev-dependencies";
                if !allowed(layer, name, test, projects) && !recorded.contains(&edge) {
                    complaints.push(format!("{edge} ({kind})"));
                }
            }
        }
    }
    complaints
}

fn allowed(layer: &Layer, name: &str, test: bool, projects: &[String]) -> bool {
    if projects.iter().any(|project| project == name) {
        return layer.may_know.contains(&name) || (test && layer.tests_may_know.contains(&name));
    }
    if layer.folder == "sim/contract" && !test {
        return CONTRACT_IS_BUILT_FROM.contains(&name);
    }
    // The wire encoding has one home, so that it can be replaced.
    let foreign_codec = name == "bincode";
    let real = REAL_WORLD.iter().any(|start| name.starts_with(start));
    !foreign_codec && (layer.real || !real)
}

fn layer_of(folder: &str) -> Option<&'static Layer> {
    let inside = |layer: &&Layer| match layer.folder.strip_suffix('/') {
        Some(parent) => folder.strip_prefix(parent).is_some_and(|rest| rest.starts_with('/')),
        None => folder == layer.folder,
    };
    LAYERS.iter().find(inside)
}

/// The project's own crates: the workspace dependencies that are paths.
fn projects() -> Vec<String> {
    let root = manifests::root();
    let declared = root["workspace"]["dependencies"].as_table().expect("a table of dependencies");
    declared.iter().filter(|(_, value)| value.get("path").is_some()).map(|(name, _)| name.clone()).collect()
}

/// The edges that decision records allow.
fn recorded(files: &[TextFile]) -> Vec<String> {
    let records = files.iter().filter(|file| file.under("book/src/decisions/"));
    let lines = records.flat_map(|file| file.text.lines());
    let edges = lines.filter_map(|line| line.trim().strip_prefix("Edge: `")?.strip_suffix('`'));
    edges.map(str::to_owned).collect()
}

#[test]
fn crates_know_only_whom_they_may() {
    let complaints = forbidden_edges(&manifests::members(), &projects(), &recorded(&tree::texts()));
    demand(
        "take these dependencies out, or write a decision record in book/src/decisions/ with the line \
         \"Edge: `from -> to`\":",
        &complaints,
    );
}

#[test]
fn a_forbidden_edge_is_seen() {
    let projects = ["contract", "kernel", "oracles", "host", "edge", "pds"].map(str::to_owned);
    let check = |folder: &str, text: &str| forbidden_edges(&[Manifest::made_up(folder, text)], &projects, &[]);
    let dependency = |name: &str| format!("[dependencies]\n{name}.workspace = true\n");
    let test_dependency = |name: &str| format!("[dev-dependencies]\n{name}.workspace = true\n");
    for (folder, name, edge) in [
        ("sim/contract", "kernel", "contract -> kernel (dependencies)"),
        ("sim/contract", "rand_chacha", "contract -> rand_chacha (dependencies)"),
        ("sim/kernel", "edge", "kernel -> edge (dependencies)"),
        ("sim/kernel", "tokio", "kernel -> tokio (dependencies)"),
        ("sim/host", "kernel", "host -> kernel (dependencies)"),
        ("sim/host", "bincode", "host -> bincode (dependencies)"),
        ("sim/runner", "host", "runner -> host (dependencies)"),
        ("actors/edge", "host", "edge -> host (dependencies)"),
        ("actors/edge", "kernel", "edge -> kernel (dependencies)"),
        ("actors/edge", "pds", "edge -> pds (dependencies)"),
        ("actors/edge", "actix-rt", "edge -> actix-rt (dependencies)"),
    ] {
        assert_eq!(check(folder, &dependency(name)), [edge]);
    }
    assert_eq!(check("actors/edge", &test_dependency("host")), ["edge -> host (dev-dependencies)"]);
    assert_eq!(check("else/where", &dependency("contract")), ["else/where stands in no layer of the table"]);
    for (folder, text) in [
        ("sim/contract", dependency("serde")),
        ("sim/contract", test_dependency("proptest")),
        ("sim/kernel", dependency("rand_chacha")),
        ("sim/host", dependency("tokio")),
        ("actors/edge", test_dependency("kernel")),
        ("scenarios", dependency("host")),
    ] {
        assert!(check(folder, &text).is_empty(), "{folder}: {text}");
    }
}

#[test]
fn a_decision_record_allows_its_edge_and_no_other() {
    let record = TextFile::made_up("book/src/decisions/0009-x.md", "# 9\n\nEdge: `kernel -> edge`\n");
    let recorded = recorded(&[record, TextFile::made_up("README.md", "Edge: `a -> b`\n")]);
    assert_eq!(recorded, ["kernel -> edge"]);
    let text = "[dependencies]\nedge.workspace = true\nrunner.workspace = true\n";
    let projects = ["edge".to_owned(), "runner".to_owned()];
    let found = forbidden_edges(&[Manifest::made_up("sim/kernel", text)], &projects, &recorded);
    assert_eq!(found, ["kernel -> runner (dependencies)"]);
}

#[test]
fn the_table_names_every_crate_of_the_project() {
    for project in projects() {
        assert!(EVERYONE.contains(&project.as_str()), "add {project} to EVERYONE and, if it is a layer, to LAYERS");
    }
}
