//! The worlds that come with the library.

pub mod command;
#[cfg(feature = "bundled")]
pub mod factorial;
#[cfg(feature = "cli")]
pub mod function;
mod program;
