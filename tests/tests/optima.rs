//! The reproductions by hand still reproduce: each fails by its defect's oracle, and no longer without the defect.

// Scenario files are read from the project's folder; a build without defects cannot read them.
#![allow(clippy::disallowed_types, clippy::disallowed_methods, clippy::unwrap_used)]

use runner::{Scenario, shrink};
use std::path::Path;

#[test]
fn each_reproduction_by_hand_fails_by_its_oracle_and_passes_without_its_defect() {
    let registry = scenarios::registry();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("optima");
    let mut seen = 0;
    for defect in &registry.defects {
        let path = folder.join(format!("{}.toml", defect.id.to_lowercase()));
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        seen += 1;
        let scenario = Scenario::parse(path.to_str().unwrap(), &text, &registry).unwrap();
        let seed = scenario.seed.unwrap();
        let (size, verdict) = shrink::measure(&scenario, &registry, seed).unwrap();
        assert_eq!(verdict.oracle.as_deref(), Some(defect.oracle), "{}: {:?}", defect.id, verdict.signature);
        assert!(size.events < 100, "{} is small: {size:?}", defect.id);
        let lines: Vec<&str> =
            text.lines().filter(|line| !line.starts_with("defect") && !line.starts_with("caught_by")).collect();
        let control = Scenario::parse(path.to_str().unwrap(), &lines.join("\n"), &registry).unwrap();
        let (_, verdict) = shrink::measure(&control, &registry, seed).unwrap();
        assert!(!verdict.failed(), "{} fails without its defect: {:?}", defect.id, verdict.signature);
    }
    assert!(seen >= 5, "the folder of reproductions was not found");
}
