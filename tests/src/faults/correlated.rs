//! One draw, many victims; and strikes that wait for a mark.

use super::Experiment;

pub const ALL: &[Experiment] = &[];
