//! Links between two nodes: connections and their buffers.

use super::Experiment;

pub const ALL: &[Experiment] = &[];
