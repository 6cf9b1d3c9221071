//! `make faults`: runs every fault's experiment and prints the table: fault, asked, fired, effect observed.

use kernel::FaultKind;
use std::process::ExitCode;
use support::faults;

fn main() -> ExitCode {
    println!("{:<18} {:<22} {:>6} {:>7}  effect observed", "fault", "how", "asked", "fired");
    let mut seen = Vec::new();
    for experiment in faults::all() {
        let shown = (experiment.show)();
        let (name, count) = (experiment.kind.name(), shown.count);
        println!("{name:<18} {:<22} {:>6} {:>7}  {}", experiment.how, count.asked, count.fired, shown.effect);
        seen.push(experiment.kind);
    }
    let missing: Vec<&str> =
        FaultKind::ALL.into_iter().filter(|kind| !seen.contains(kind)).map(FaultKind::name).collect();
    if missing.is_empty() {
        println!("{} kinds, {} experiments, no row empty", FaultKind::ALL.len(), seen.len());
        return ExitCode::SUCCESS;
    }
    eprintln!("no experiment shows: {}", missing.join(", "));
    ExitCode::FAILURE
}
