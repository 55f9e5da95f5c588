//! The number that a request asks for.

pub mod small;

pub mod sieve;

pub mod product_tree;

pub mod exponents;

pub(crate) mod prime_powers;

mod factorial_sums;

#[expect(
    clippy::module_inception,
    reason = "the folder is named for its main type"
)]
mod number;

pub use number::{Number, compute};
