//! Products of long numbers, and proof or check that they are exact.
//!
//! Short operands are multiplied by [`schoolbook`], long ones by the transform in
//! `convolution`. A product of two sandboxes is computed as two
//! half products (`half_product`), which a `joiner` puts together.

pub mod grade;

mod rounding;

mod exactness;

mod points;

pub mod schoolbook;

mod division;

mod convolution;

pub(crate) mod half_product;

pub(crate) mod joiner;

pub mod multiplier;

#[cfg(test)]
mod error_tests;
#[cfg(test)]
mod fault_tests;

pub use grade::{Grade, Verification};
pub use multiplier::Multiplier;
