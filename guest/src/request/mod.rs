//! Requests: the kinds of numbers, their formats, and reasons for refusal.
//!
//! The types mirror the contract but do not depend on its bindings, so that the
//! arithmetic builds and is tested on every target.

pub mod decimal;

mod count;

pub(crate) mod error;

mod kind;

mod format;

#[expect(
    clippy::module_inception,
    reason = "the folder is named for its main type"
)]
mod request;

pub mod notation;

pub use count::Count;
pub use error::Error;
pub use format::{Format, SIGNIFICANT_MAX};
pub use kind::Kind;
pub use request::Request;
