//! Every fault kind, asked for alone, fires and has its effect on a probe.

use kernel::FaultKind;
use support::faults;

#[test]
fn every_kind_has_an_experiment_and_each_shows_its_effect() {
    let mut seen = Vec::new();
    for experiment in faults::all() {
        let shown = (experiment.show)();
        assert!(shown.count.fired > 0 && !shown.effect.is_empty(), "{} {}", experiment.kind.name(), experiment.how);
        seen.push(experiment.kind);
    }
    let missing: Vec<&str> =
        FaultKind::ALL.into_iter().filter(|kind| !seen.contains(kind)).map(FaultKind::name).collect();
    assert!(missing.is_empty(), "no experiment shows {missing:?}");
}
