//! How long things may be: files, functions, the contract and the kernel. Ratchets: lower them when you can.

use crate::demand;
use crate::source::Source;
use crate::tree::{self, TextFile};

const FILE_LINES_MAX: usize = 600;
const HEART_LINES_MAX: usize = 1_000;
const FUNCTION_LINES_MAX: usize = 70;

/// The one file a component whose ideas do not come apart, with why. At most one a crate.
const HEARTS: [(&str, &str); 0] = [];

/// Lines of code without blanks, comments and tests.
const BUDGETS: [(&str, usize); 2] = [("sim/contract/src/", 1_500), ("sim/kernel/src/", 6_000)];

fn long_files(files: &[TextFile], hearts: &[(&str, &str)]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files {
        let heart = hearts.iter().any(|(path, _)| *path == file.path);
        let (lines, most) = (file.text.lines().count(), if heart { HEART_LINES_MAX } else { FILE_LINES_MAX });
        if lines > most {
            complaints.push(format!("{}: {lines} lines, at most {most}", file.path));
        }
    }
    complaints
}

fn long_functions(files: &[TextFile]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files {
        let functions = Source::read(&file.text).functions();
        for function in functions.iter().filter(|function| function.lines > FUNCTION_LINES_MAX) {
            complaints
                .push(format!("{}:{}: fn {} has {} lines", file.path, function.line, function.name, function.lines));
        }
    }
    complaints
}

fn over_budget(files: &[TextFile], budgets: &[(&str, usize)]) -> Vec<String> {
    let mut complaints = Vec::new();
    for (folder, most) in budgets {
        let inside = files.iter().filter(|file| file.under(folder));
        let lines: usize = inside.map(|file| Source::read(&file.text).code_lines()).sum();
        if lines > *most {
            complaints.push(format!("{folder} has {lines} lines of code, at most {most}"));
        }
    }
    complaints
}

#[test]
fn files_stay_readable() {
    demand(
        "split these along an idea, or list one heart for the crate in HEARTS with its reason:",
        &long_files(&tree::sources(), &HEARTS),
    );
}

#[test]
fn a_long_file_is_seen_and_a_heart_has_its_own_limit() {
    let lines = |count: usize| TextFile::made_up("a/src/world.rs", &"//! x\n".repeat(count));
    assert_eq!(long_files(&[lines(601)], &[]), ["a/src/world.rs: 601 lines, at most 600"]);
    assert!(long_files(&[lines(600)], &[]).is_empty());
    assert!(long_files(&[lines(1_000)], &[("a/src/world.rs", "one loop")]).is_empty());
    assert_eq!(long_files(&[lines(1_001)], &[("a/src/world.rs", "one loop")]).len(), 1);
}

#[test]
fn hearts_exist_are_long_and_are_one_a_crate() {
    let mut crates: Vec<&str> = Vec::new();
    for (path, reason) in HEARTS {
        let heart = tree::file(path);
        assert!(heart.text.lines().count() > FILE_LINES_MAX, "{path} is short enough to do without its exception");
        assert!(!reason.is_empty(), "{path} needs its reason");
        let owner = path.split("/src/").next().expect("a split has a first part");
        assert!(!crates.contains(&owner), "{owner} has two hearts");
        crates.push(owner);
    }
}

#[test]
fn functions_stay_readable() {
    demand("give a part of these functions a name that says what it does:", &long_functions(&tree::sources()));
}

#[test]
fn a_long_function_is_seen() {
    let body = |lines: usize| TextFile::made_up("a.rs", &format!("fn f() {{\n{}}}\n", "    x();\n".repeat(lines)));
    assert_eq!(long_functions(&[body(69)]), ["a.rs:1: fn f has 71 lines"]);
    assert!(long_functions(&[body(68)]).is_empty());
}

#[test]
fn contract_and_kernel_stay_small() {
    demand("move out of these what is not theirs:", &over_budget(&tree::sources(), &BUDGETS));
}

#[test]
fn a_crate_over_its_budget_is_seen() {
    let file =
        TextFile::made_up("a/src/lib.rs", "//! Doc.\n\nfn a() {}\n// Why.\nfn b() {}\n#[cfg(test)]\nmod tests {}\n");
    assert_eq!(over_budget(std::slice::from_ref(&file), &[("a/src/", 1)]), ["a/src/ has 2 lines of code, at most 1"]);
    assert!(over_budget(&[file], &[("a/src/", 2)]).is_empty());
}
