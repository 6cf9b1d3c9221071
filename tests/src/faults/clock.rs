//! Clocks.

use super::Experiment;

pub const ALL: &[Experiment] = &[];
