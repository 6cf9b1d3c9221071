//! Hand-made histories, generated ones, and logs, before each oracle.

mod convergence;
mod custody;
mod exactly_once;
mod generated;
mod legal;
mod logs;
mod panel;
mod planted;
mod reference;
mod story;
