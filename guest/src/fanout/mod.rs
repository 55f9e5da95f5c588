//! One number computed by several sandboxes.
//!
//! [`plan`](mod@plan) assigns steps to sandboxes, `shares` divides the factors between them,
//! [`wire`] is the format of their messages, and [`part_run`] executes one part.

mod balance;

mod shares;

pub mod wire;

pub mod plan;

pub mod output;

pub mod part_run;

pub use output::Output;
pub use part_run::{PartRun, Transfer};
pub use plan::{Part, Width, plan};
