//! What people read when a scenario file is wrong. The cases are in `diagnostics.txt`: the file, `----`,
//! and the whole text of the errors. With STORMPROOF_REWRITE=1 the expectations are written anew; read
//! every line of the difference before you commit it.

use crate::fixture::registry;
use runner::Scenario;

const CASES: &str = include_str!("diagnostics.txt");
const SEPARATOR: &str = "\n====\n";

#[test]
fn every_error_names_the_place_and_the_remedy() {
    let actual: Vec<String> = CASES.trim_end().split(SEPARATOR).map(run).collect();
    let actual = actual.join(SEPARATOR) + "\n";
    if std::env::var_os("STORMPROOF_REWRITE").is_some() {
        rewrite(&actual);
    }
    for (expected, actual) in CASES.split(SEPARATOR).zip(actual.split(SEPARATOR)) {
        assert!(expected == actual, "expected:\n{expected}\nactual:\n{actual}");
    }
    assert!(CASES.split(SEPARATOR).count() >= 20, "the cases are there");
}

/// One case as it stands in the file.
fn run(case: &str) -> String {
    let source = case.split("\n----").next().unwrap_or_default();
    let source = format!("{source}\n");
    let rendered = match Scenario::parse("scenarios/a.toml", &source, &registry()) {
        Ok(_) => "nothing is wrong".to_owned(),
        Err(errors) => errors.render(false).trim_end().to_owned(),
    };
    format!("{source}----\n{rendered}")
}

#[allow(clippy::disallowed_methods)] // the test rewrites its own expectations
fn rewrite(actual: &str) {
    std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/all/diagnostics.txt"), actual).unwrap();
}
