//! One number computed by several sandboxes.
//!
//! [`plan`] says which sandbox does what, [`shares`] divides the factors, [`wire`] is the
//! format of what they send to each other, and [`part_run`] executes one part.

mod balance;

mod shares;

pub mod wire;

pub mod plan;

pub mod output;

pub mod part_run;

pub use output::Output;
pub use part_run::{PartRun, Transfer};
pub use plan::{Part, Width, plan};
