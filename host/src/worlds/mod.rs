//! The worlds that come with the library.

pub mod command;
mod exports;
#[cfg(feature = "bundled")]
pub mod factorial;
#[cfg(feature = "cli")]
pub mod function;
#[cfg(all(feature = "service", feature = "compiler"))]
pub mod handler;
mod program;
