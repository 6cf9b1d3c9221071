//! What a newcomer finds: change log, licences, a make target with a word of help, a README a component.

use crate::demand;
use crate::tree::{self, TextFile};

/// The text of the section `## Unreleased`, up to the next section.
fn unreleased(changelog: &str) -> Option<&str> {
    let (_, rest) = changelog.split_once("\n## Unreleased\n")?;
    Some(rest.split("\n## ").next().unwrap_or(rest))
}

/// Targets of a makefile without `## help` behind them, and rules of more than one line.
fn unexplained_targets(makefile: &str) -> Vec<String> {
    let rules = makefile.lines().filter(|line| {
        let name = line.split(':').next().unwrap_or_default();
        line.contains(':') && !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '-')
    });
    rules.filter(|line| !line.contains("## ")).map(str::to_owned).collect()
}

/// Component crates without the page that says what they promise.
fn components_without_readme(files: &[TextFile]) -> Vec<String> {
    let manifests = files.iter().filter(|file| file.under("actors/") && file.path.ends_with("/Cargo.toml"));
    let readmes = manifests.map(|file| file.path.replace("Cargo.toml", "README.md"));
    readmes.filter(|readme| !files.iter().any(|file| file.path == *readme)).collect()
}

#[test]
fn the_change_log_tells_what_is_not_yet_released() {
    let changelog = tree::file("CHANGELOG.md").text;
    let entries = unreleased(&changelog).expect("CHANGELOG.md has a section `## Unreleased`");
    assert!(entries.lines().any(|line| line.starts_with("- ")), "`## Unreleased` of CHANGELOG.md lists no change");
}

#[test]
fn a_change_log_without_news_is_seen() {
    assert_eq!(unreleased("# Changes\n\n## 0.1.0\n- First.\n"), None);
    assert_eq!(unreleased("# Changes\n\n## Unreleased\n- New.\n\n## 0.1.0\n- Old.\n"), Some("- New.\n"));
}

#[test]
fn every_make_target_has_its_help() {
    let makefile = tree::file("Makefile").text;
    demand("write `target: ## what it does` in the Makefile:", &unexplained_targets(&makefile));
    for target in ["run", "test", "bench"] {
        assert!(makefile.lines().any(|line| line.starts_with(&format!("{target}:"))), "`make {target}` is missing");
    }
}

#[test]
fn a_target_without_help_is_seen() {
    assert_eq!(unexplained_targets("run: ## Runs.\n\tcargo run\nlint:\n\tcargo clippy\nX := a:b\n"), ["lint:"]);
}

#[test]
fn the_licences_are_whole() {
    assert!(tree::file("LICENSE-APACHE").text.contains("END OF TERMS AND CONDITIONS"));
    assert!(tree::file("LICENSE-MIT").text.contains("WITHOUT WARRANTY OF ANY KIND"));
    let both = tree::file("LICENSE").text;
    assert!(both.contains("LICENSE-APACHE") && both.contains("LICENSE-MIT"), "LICENSE points to both");
}

#[test]
fn every_component_says_what_it_promises() {
    demand("write these pages:", &components_without_readme(&tree::texts()));
}

#[test]
fn a_component_without_its_page_is_seen() {
    let file = |path: &str| TextFile::made_up(path, "");
    let files = [file("actors/a/Cargo.toml"), file("actors/a/README.md"), file("actors/b/Cargo.toml")];
    assert_eq!(components_without_readme(&files), ["actors/b/README.md"]);
}
