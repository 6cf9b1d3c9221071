//! Disks that refuse, lie, hang or forget.

use super::Experiment;

pub const ALL: &[Experiment] = &[];
