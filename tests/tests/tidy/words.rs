//! Words that may not stand in code, with what to write instead and where they may.

use crate::demand;
use crate::source::{Source, word_at};
use crate::tree::{self, TextFile};

/// A folder or file, and why it is an exception.
type Allowed = &'static [(&'static str, &'static str)];

struct Ban {
    words: &'static [&'static str],
    instead: &'static str,
    allowed: Allowed,
}

const HOST: (&str, &str) = ("sim/host/", "is the real world");
const RUNNER: (&str, &str) =
    ("sim/runner/", "is the command line: it reads files, shows progress and sweeps on threads");
const ROOT: (&str, &str) = ("scenarios/", "is the composition root: it starts processes of the real world");
const LOCAL: (&str, &str) = ("local/", "is the workspace for programs of the real world");
const TESTS: (&str, &str) = ("tests/", "looks at the whole from outside");

const BANS: [Ban; 7] = [
    Ban {
        words: &["HashMap", "HashSet", "RandomState"],
        instead: "BTreeMap, BTreeSet or an index: iteration order must be the same in every run",
        allowed: &[HOST, TESTS],
    },
    Ban {
        words: &["Instant", "SystemTime", "thread::sleep"],
        instead: "Context::now, Context::wall and a timer",
        allowed: &[HOST, RUNNER, ROOT, LOCAL, TESTS],
    },
    Ban {
        words: &["thread::spawn", "thread::scope", "thread::Builder", "std::sync::mpsc", "rayon"],
        instead: "a process of its own, or a message to oneself",
        allowed: &[HOST, RUNNER, ROOT, LOCAL, TESTS],
    },
    Ban {
        words: &["std::net", "std::fs", "std::env", "std::process", "std::os"],
        instead: "Context::send, Context::disk, and the configuration that boot is given",
        allowed: &[HOST, RUNNER, ROOT, LOCAL, TESTS],
    },
    Ban {
        words: &["thread_rng", "rand::rng", "rand::random", "OsRng", "getrandom", "from_entropy"],
        instead: "Context::random, or a stream keyed by what it is for",
        allowed: &[HOST, TESTS],
    },
    Ban {
        words: &["next_u64() as usize", "random() as usize"],
        instead: "draw::index or Context::random_below: a 32-bit machine would cut the draw to its low half",
        allowed: &[HOST, TESTS],
    },
    Ban {
        words: &[".await", "async fn", "thread_local!", "static mut", "LazyLock", "OnceLock"],
        instead: "handlers that run to completion, and state that belongs to a value",
        allowed: &[HOST, RUNNER, TESTS],
    },
];

/// Places of files, not of crates, that every rule on words leaves alone.
const READ_AND_WRITE: [&str; 2] = ["std::fs", "std::env"];

fn banned(files: &[TextFile], bans: &[Ban]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files {
        let code = Source::read(&file.text).code;
        for ban in bans.iter().filter(|ban| !ban.allowed.iter().any(|(folder, _)| file.under(folder))) {
            for (index, line) in code.iter().enumerate() {
                // A group of imports hides no path.
                let line = flatten(line);
                let found = ban.words.iter().find(|word| contains(&line, word) && !reads_snapshots(&file.path, word));
                if let Some(word) = found {
                    complaints.push(format!("{}:{}: {word}; write {}", file.path, index + 1, ban.instead));
                }
            }
        }
    }
    complaints
}

/// Integration tests of any crate may read their stories and rewrite them on demand.
fn reads_snapshots(path: &str, word: &str) -> bool {
    path.contains("/tests/") && READ_AND_WRITE.contains(&word)
}

/// `use std::{fs, net}` as `std::fs std::net`, for one line of code.
fn flatten(line: &str) -> String {
    let Some((before, group)) = line.split_once("std::{") else { return line.to_owned() };
    let names = group.split(',').map(|name| format!(" std::{}", name.trim_start()));
    format!("{before}{}", names.collect::<String>())
}

fn contains(line: &str, word: &str) -> bool {
    let code: Vec<char> = line.chars().collect();
    (0..code.len()).any(|at| word_at(&code, at, word))
}

/// Macros and attributes that stand for unfinished work.
const UNFINISHED: [(&str, &str); 4] = [
    ("todo!", "finish it"),
    ("unimplemented!", "finish it"),
    ("dbg!", "state a mark, or take it out"),
    ("#[ignore", "let the test run, and assert what happens today with a comment that says why it is wrong"),
];

fn unfinished(files: &[TextFile]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files {
        for (index, line) in Source::read(&file.text).code.iter().enumerate() {
            for (word, remedy) in UNFINISHED.iter().filter(|(word, _)| contains(line, word)) {
                complaints.push(format!("{}:{}: {word}: {remedy}", file.path, index + 1));
            }
        }
    }
    complaints
}

fn bare_unwraps(files: &[TextFile]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| !is_test_file(&file.path)) {
        let source = Source::read(&file.text);
        for (index, line) in source.code.iter().enumerate() {
            let reason = |at: usize| !source.comments[at].trim().is_empty();
            let explained = reason(index) || (index > 0 && reason(index - 1));
            if line.contains(".unwrap()") && !source.test[index] && !explained {
                complaints.push(format!("{}:{}: unwrap", file.path, index + 1));
            }
        }
    }
    complaints
}

fn is_test_file(path: &str) -> bool {
    path.starts_with("tests/") || ["/tests/", "/benches/", "/tests.rs"].iter().any(|part| path.contains(part))
}

fn headless(files: &[TextFile]) -> Vec<String> {
    let without = files.iter().filter(|file| !file.text.starts_with("//! "));
    without.map(|file| file.path.clone()).collect()
}

/// Folders that exist on one developer's machine; in halves, so that this file passes.
const HOMES: [(&str, &str); 5] = [("/ho", "me/"), ("/Us", "ers/"), ("/ro", "ot/"), ("/wo", "rk/"), ("C:", "\\")];

fn machine_paths(files: &[TextFile]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files {
        for (index, line) in file.text.lines().enumerate() {
            for home in HOMES.map(|(head, tail)| format!("{head}{tail}")) {
                let mut places = line.match_indices(&home).map(|(at, _)| line[..at].chars().next_back());
                if places.any(|before| before.is_none_or(|c| !c.is_alphanumeric() && !"_.~/-}".contains(c))) {
                    complaints.push(format!("{}:{}: {home}", file.path, index + 1));
                }
            }
        }
    }
    complaints
}

#[test]
fn determinism_is_not_broken_by_a_word() {
    demand(
        "use what the context offers, or list the folder in BANS with its reason:",
        &banned(&tree::sources(), &BANS),
    );
}

#[test]
fn every_ban_is_seen_where_it_holds_and_only_there() {
    for ban in &BANS {
        for word in ban.words {
            let text = format!("//! Doc.\nfn f() {{\n    x({word});\n}}\n");
            let found = banned(&[TextFile::made_up("actors/a/src/lib.rs", &text)], &BANS);
            assert!(found.len() == 1 && found[0].starts_with("actors/a/src/lib.rs:3: "), "{word}: {found:?}");
            let host = TextFile::made_up("sim/host/src/lib.rs", &text);
            assert!(banned(&[host], &BANS).is_empty(), "{word} is the host's business");
        }
    }
    let harmless =
        "//! std::fs and HashMap.\n// Instant\nlet s = \"std::net SystemTime\"; let instantly = MyHashMap2;\n";
    assert!(banned(&[TextFile::made_up("actors/a/src/lib.rs", harmless)], &BANS).is_empty());
    let grouped = TextFile::made_up("actors/a/src/lib.rs", "use std::{fmt, fs};\n");
    assert_eq!(banned(&[grouped], &BANS).len(), 1);
    let story = TextFile::made_up("actors/a/tests/stories.rs", "use std::fs;\nuse std::net;\n");
    assert_eq!(banned(&[story], &BANS).len(), 1, "a test may read its stories, and open no socket");
}

#[test]
fn nothing_is_unfinished() {
    demand("unfinished work does not stay in the tree:", &unfinished(&tree::sources()));
}

#[test]
fn unfinished_work_is_seen() {
    let text =
        "//! A todo! in prose.\n#[ignore = \"slow\"]\nfn f() { todo!() }\nfn g() { dbg!(1); unimplemented!() }\n";
    assert_eq!(unfinished(&[TextFile::made_up("a.rs", text)]).len(), 4);
}

#[test]
fn every_unwrap_has_its_reason_beside_it() {
    demand("handle the error, or write on the line above why it cannot happen:", &bare_unwraps(&tree::sources()));
}

#[test]
fn a_bare_unwrap_is_seen() {
    let text = "fn a() { b.unwrap(); }\n\n// It was checked on entry.\nfn c() { d.unwrap(); }\n#[cfg(test)]\nmod t { fn e() { f.unwrap(); } }\n";
    assert_eq!(bare_unwraps(&[TextFile::made_up("a/src/lib.rs", text)]), ["a/src/lib.rs:1: unwrap"]);
    assert!(bare_unwraps(&[TextFile::made_up("a/tests/it.rs", text)]).is_empty());
}

#[test]
fn every_file_says_first_what_it_promises() {
    demand("begin these files with `//! ` and what they promise:", &headless(&tree::sources()));
}

#[test]
fn a_file_without_a_first_word_is_seen() {
    assert_eq!(headless(&[TextFile::made_up("a.rs", "use b;\n//! Too late.\n")]), ["a.rs"]);
    assert!(headless(&[TextFile::made_up("a.rs", "//! What it promises.\n")]).is_empty());
}

#[test]
fn no_file_knows_a_developers_machine() {
    demand("write a path relative to the top of the repository:", &machine_paths(&tree::texts()));
}

#[test]
fn a_developers_machine_is_seen() {
    let [home, ..] = HOMES.map(|(head, tail)| format!("{head}{tail}"));
    let text = format!("cd {home}anna/stormproof\nsee tests{home}x and https://example.org{home}\n");
    assert_eq!(machine_paths(&[TextFile::made_up("a.md", &text)]), [format!("a.md:1: {home}")]);
}
