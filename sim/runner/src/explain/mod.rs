//! From a run to a report that people can act on: why it failed, beside the nearest run that does not.
//!
//! The run is repeated with notes ([`record`]) and taken apart ([`model`]); its causal slice is found
//! ([`causes`]); the nearest passing run is searched ([`nearest`]) and compared ([`difference`]). The result
//! ([`Report`]) becomes a self-contained page ([`page`]), a Perfetto trace ([`perfetto`]) or text ([`story`]).

pub mod causes;
pub mod difference;
pub mod model;
pub mod nearest;
pub mod page;
pub mod perfetto;
pub mod record;
pub mod report;
pub mod story;

pub use causes::{Near, Slice};
pub use model::Run;
pub use report::{Passing, Report};
