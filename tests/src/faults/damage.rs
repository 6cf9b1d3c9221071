//! Durable data that is destroyed, and the budget that keeps a copy.

use super::Experiment;

pub const ALL: &[Experiment] = &[];
