//! The exhaustive mode: right protocols pass under every profile, each wrong one is caught by a short sequence.

// A helper that fails fails its test.
#![allow(clippy::unwrap_used)]

mod log;
mod register;
mod slots;
mod states;

use contract::FileProtocol;
use kernel::Profile;
use kernel::exhaust::{Failure, Options, Report, explore};

/// Sequences of up to three operations, as long as CrashMonkey's.
pub fn run<P: FileProtocol>(protocol: &P, profile: Profile) -> Report {
    explore(protocol, &Options { profile, ..Options::default() }, &mut |_| {})
}

/// It must hold under every profile, with all that was to be tried.
pub fn assert_right<P: FileProtocol>(protocol: &P) {
    for (word, profile) in Profile::ALL {
        let report = run(protocol, profile);
        assert_eq!(report.failure, None, "{} under {word}", protocol.name());
        assert_eq!(report.counts.omitted, 0, "{} under {word}", protocol.name());
        assert!(report.counts.sequences > 3 && report.counts.states > 10, "{:?}", report.counts);
    }
}

/// It must be caught by three operations or fewer, each time in the same way.
pub fn caught<P: FileProtocol>(protocol: &P, profile: Profile) -> Failure {
    let failure = run(protocol, profile).failure.expect(protocol.name());
    assert!(failure.steps.len() <= 3, "{failure:#?}");
    assert_eq!(run(protocol, profile).failure.as_ref(), Some(&failure), "equal searches find equal failures");
    failure
}
