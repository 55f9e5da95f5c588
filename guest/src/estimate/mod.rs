//! Properties of a number that are known without computing it.
//!
//! The modules from `ball` to `magnitude` certify logarithms of any size; `log_f64` does so
//! in double precision for small n. [`cost`] and [`info`] put the results together.

mod ball;

mod bernoulli;

mod logarithm;

mod magnitude;

mod log_f64;

pub mod digit_count;

pub mod trailing_zeros;

pub mod scientific;

pub(crate) mod peak_memory;

pub mod cost;

pub mod info;

pub use cost::{Cost, estimate};
pub use info::{Info, describe};
