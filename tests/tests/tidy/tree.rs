//! The files of the repository, by path relative to its top.

use std::fs;
use std::path::{Path, PathBuf};

/// One text file.
#[derive(Clone, Debug)]
pub struct TextFile {
    /// Relative to the top, with `/`.
    pub path: String,
    /// Its content.
    pub text: String,
}

impl TextFile {
    /// A made-up file, for showing a rule what it must complain about.
    pub fn made_up(path: &str, text: &str) -> Self {
        TextFile { path: path.to_owned(), text: text.to_owned() }
    }

    /// Whether it stands under the folder or is the file of that path.
    pub fn under(&self, folder: &str) -> bool {
        self.path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || folder.ends_with('/'))
    }
}

/// Build products and the version control's own; nobody's source.
const SKIPPED: [&str; 4] = [".git", "target", "out", "proptest-regressions"];
const TEXT_SUFFIXES: [&str; 10] = ["rs", "toml", "md", "sh", "yml", "yaml", "json", "txt", "html", "css"];
const TEXT_NAMES: [&str; 4] = ["Makefile", "run", "LICENSE", ".gitignore"];

/// The repository's top folder.
pub fn top() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("the tests crate stands in a folder of the repository").to_owned()
}

/// Every text file, in the order of paths.
pub fn texts() -> Vec<TextFile> {
    let mut files = Vec::new();
    walk(&top(), "", &mut files);
    assert!(files.len() > 50, "the walk from {} found almost nothing", top().display());
    files
}

/// Every Rust file.
pub fn sources() -> Vec<TextFile> {
    texts().into_iter().filter(|file| file.path.ends_with(".rs")).collect()
}

/// The file of that path.
pub fn file(path: &str) -> TextFile {
    let text = fs::read_to_string(top().join(path)).unwrap_or_else(|error| panic!("{path} cannot be read: {error}"));
    TextFile { path: path.to_owned(), text }
}

/// Whether something stands at that path.
pub fn exists(path: &str) -> bool {
    top().join(path).exists()
}

fn walk(folder: &Path, prefix: &str, files: &mut Vec<TextFile>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{} cannot be listed: {error}", folder.display()));
    let mut names: Vec<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    for name in names {
        let (path, relative) = (folder.join(&name), format!("{prefix}{name}"));
        if path.is_dir() {
            if !SKIPPED.contains(&name.as_str()) {
                walk(&path, &format!("{relative}/"), files);
            }
        } else if is_text(&name)
            && let Ok(text) = fs::read_to_string(&path)
        {
            files.push(TextFile { path: relative, text });
        }
    }
}

fn is_text(name: &str) -> bool {
    let suffix = name.rsplit_once('.').map(|(_, suffix)| suffix);
    suffix.is_some_and(|suffix| TEXT_SUFFIXES.contains(&suffix)) || TEXT_NAMES.contains(&name)
}

#[test]
fn a_file_is_under_its_folder_and_not_under_a_longer_name() {
    let file = TextFile::made_up("sim/host/src/net.rs", "");
    assert!(file.under("sim/host/") && file.under("sim/host/src/net.rs"));
    assert!(!file.under("sim/ho") && !file.under("sim/host/src/net"));
}
