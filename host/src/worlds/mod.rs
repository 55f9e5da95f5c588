//! The worlds that come with the library.

pub mod command;
pub mod factorial;
