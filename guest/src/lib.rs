//! Exact factorials and their relatives.
pub mod answer;
mod ball;
pub mod command_line;
pub mod cost;
pub mod decimal;
pub mod digits;
pub mod error;
mod fast;
pub mod info;
pub mod listing;
mod logarithm;
mod memory;
pub mod notation;
pub mod number;
pub mod powers;
pub mod product;
pub mod radix;
pub mod request;
pub mod scientific;
pub mod sieve;
pub mod small;
pub mod sums;
pub mod zeros;

#[cfg(target_family = "wasm")]
mod bindings;
#[cfg(target_family = "wasm")]
mod command;
#[cfg(target_family = "wasm")]
mod component;
