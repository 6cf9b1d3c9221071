//! Messages and partitions.

use super::Experiment;

pub const ALL: &[Experiment] = &[];
