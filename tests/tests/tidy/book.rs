//! The book and the other prose: every link leads somewhere, every chapter is found, tables are complete.

use crate::demand;
use crate::tree::{self, TextFile};
use kernel::FaultKind;

/// The relative targets of a Markdown file's links, without anchors; code is not looked at.
fn links(text: &str) -> Vec<String> {
    let mut fenced = false;
    let mut targets = Vec::new();
    for line in text.lines() {
        fenced ^= line.trim_start().starts_with("```");
        // Every second part stands between backquotes.
        let prose: String = if fenced { String::new() } else { line.split('`').step_by(2).collect() };
        for part in prose.split("](").skip(1) {
            let target = part.split([')', '#', ' ']).next().unwrap_or_default();
            if !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:") {
                targets.push(target.to_owned());
            }
        }
    }
    targets
}

/// `target` as a path from the top, seen from the folder of `path`.
fn resolve(path: &str, target: &str) -> String {
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "." | "" => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    parts.join("/")
}

fn dead_links(files: &[TextFile], exists: impl Fn(&str) -> bool) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with(".md")) {
        for target in links(&file.text) {
            if !exists(&resolve(&file.path, &target)) {
                complaints.push(format!("{}: {target}", file.path));
            }
        }
    }
    complaints
}

fn lost_chapters(files: &[TextFile]) -> Vec<String> {
    const SUMMARY: &str = "book/src/SUMMARY.md";
    let summary = files.iter().find(|file| file.path == SUMMARY);
    let listed: Vec<String> =
        summary.map(|file| links(&file.text)).unwrap_or_default().iter().map(|link| resolve(SUMMARY, link)).collect();
    let chapters = files.iter().filter(|file| file.under("book/src/") && file.path.ends_with(".md"));
    let lost = chapters.filter(|file| file.path != SUMMARY && !listed.contains(&file.path));
    lost.map(|file| file.path.clone()).collect()
}

fn missing_faults(chapter: &str) -> Vec<String> {
    let missing = FaultKind::ALL.into_iter().filter(|kind| !chapter.contains(&format!("`{}`", kind.name())));
    missing.map(|kind| format!("{}: {}", kind.name(), kind.about())).collect()
}

#[test]
fn every_link_leads_to_a_file() {
    demand("these links lead nowhere:", &dead_links(&tree::texts(), tree::exists));
}

#[test]
fn a_dead_link_is_seen() {
    let text = "[a](b.md#x) `[no](code.md)` [w](https://example.org)\n```text\n[no](fence.md)\n```\n[up](../c.md)\n";
    let files = [TextFile::made_up("book/src/a.md", text)];
    assert_eq!(dead_links(&files, |path| path == "book/src/b.md"), ["book/src/a.md: ../c.md"]);
    assert!(dead_links(&files, |path| ["book/src/b.md", "book/c.md"].contains(&path)).is_empty());
}

#[test]
fn every_chapter_is_in_the_summary() {
    demand("add these chapters to book/src/SUMMARY.md:", &lost_chapters(&tree::texts()));
}

#[test]
fn a_lost_chapter_is_seen() {
    let summary = TextFile::made_up("book/src/SUMMARY.md", "- [A](a.md)\n- [D](decisions/d.md)\n");
    let chapter = |path: &str| TextFile::made_up(path, "");
    let files = [summary, chapter("book/src/a.md"), chapter("book/src/decisions/d.md"), chapter("book/src/lost.md")];
    assert_eq!(lost_chapters(&files), ["book/src/lost.md"]);
}

#[test]
fn the_fault_table_names_every_kind() {
    demand(
        "add these kinds to the table of book/src/faults.md:",
        &missing_faults(&tree::file("book/src/faults.md").text),
    );
}

#[test]
fn a_kind_that_the_table_lacks_is_seen() {
    assert_eq!(missing_faults("`loss`").len(), FaultKind::ALL.len() - 1);
}
