//! Scenario files: where they stand says what they cost and what they prove.

use crate::demand;
use crate::tree::{self, TextFile};
use toml::Table;

/// The folders, as `scenarios/README.md` explains them.
const FOLDERS: [&str; 4] = ["fast", "slow", "regress", "negative"];

fn misplaced(files: &[TextFile]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in scenario_files(files) {
        let folder = file.path.split('/').nth(1).unwrap_or_default();
        if !FOLDERS.contains(&folder) || file.path.split('/').count() != 3 {
            complaints.push(format!("{}: stands in none of {FOLDERS:?}", file.path));
            continue;
        }
        match file.text.parse::<Table>() {
            Err(error) => complaints.push(format!("{}: {}", file.path, error.message())),
            Ok(scenario) => {
                complaints.extend(wrong(folder, &file.text, &scenario).map(|why| format!("{}: {why}", file.path)));
            }
        }
    }
    complaints
}

/// What its folder demands of a scenario and this one lacks.
fn wrong(folder: &str, text: &str, scenario: &Table) -> Option<&'static str> {
    let expects = |key: &str| scenario.get("expect").is_some_and(|expect| expect.get(key).is_some());
    if !scenario.contains_key("title") {
        return Some("has no title");
    }
    if !text.starts_with('#') {
        return Some("does not begin with a comment that says why it exists");
    }
    match (folder == "negative", expects("defect"), expects("caught_by")) {
        (true, false, _) | (true, _, false) => Some("a negative scenario says expect.defect and expect.caught_by"),
        (false, true, _) => Some("only a negative scenario plants a defect"),
        _ => None,
    }
}

fn scenario_files(files: &[TextFile]) -> impl Iterator<Item = &TextFile> {
    let inside = |file: &&TextFile| file.under("scenarios/") && file.path.ends_with(".toml");
    files.iter().filter(inside).filter(|file| !file.path.ends_with("Cargo.toml") && !file.path.contains("/tests/"))
}

fn unexplained(readme: &str) -> Vec<String> {
    let missing = FOLDERS.iter().filter(|folder| !readme.contains(&format!("{folder}/")));
    missing.map(|folder| (*folder).to_owned()).collect()
}

#[test]
fn every_scenario_keeps_the_rules_of_its_folder() {
    let files = tree::texts();
    assert!(scenario_files(&files).count() > 0, "there are no scenarios under scenarios/");
    demand("move or complete these scenarios (scenarios/README.md has the rules):", &misplaced(&files));
}

#[test]
fn a_misplaced_scenario_is_seen() {
    const PLAIN: &str = "# Why.\ntitle = \"x\"\n";
    let planted = format!("{PLAIN}[expect]\ndefect = \"P01\"\ncaught_by = \"custody\"\n");
    let check = |path: &str, text: &str| misplaced(&[TextFile::made_up(path, text)]).len();
    assert_eq!(check("scenarios/fast/a.toml", PLAIN), 0);
    assert_eq!(check("scenarios/negative/a.toml", &planted), 0);
    assert_eq!(check("scenarios/a.toml", PLAIN), 1, "in no folder");
    assert_eq!(check("scenarios/odd/a.toml", PLAIN), 1, "in a folder without rules");
    assert_eq!(check("scenarios/fast/a.toml", "title = \"x\"\n"), 1, "without a reason");
    assert_eq!(check("scenarios/fast/a.toml", "# Why.\n"), 1, "without a title");
    assert_eq!(check("scenarios/fast/a.toml", "# Why.\ntitle = \n"), 1, "no TOML");
    assert_eq!(check("scenarios/fast/a.toml", &planted), 1, "a defect among the sound");
    assert_eq!(check("scenarios/negative/a.toml", PLAIN), 1, "nothing to catch");
    assert_eq!(check("scenarios/Cargo.toml", "x"), 0);
}

#[test]
fn the_readme_explains_every_folder() {
    demand("explain these folders in scenarios/README.md:", &unexplained(&tree::file("scenarios/README.md").text));
}

#[test]
fn an_unexplained_folder_is_seen() {
    assert_eq!(unexplained("fast/ slow/ regress/"), ["negative"]);
}
