//! Exact factorials and related numbers: the component that Cocoon ships.
//!
//! The arithmetic is plain Rust and builds on every target. It does not depend on WIT,
//! WASI or the host. On WebAssembly, the adapters in `wasm` make it a component of the
//! world `program` in `wit/`, or of the world `reply` with the feature of that name.
//!
//! ```
//! use factorial::answer::compute;
//! use factorial::estimate::estimate;
//! use factorial::request::{Count, Kind, Request};
//!
//! let request = Request::decimal(Kind::Factorial, 20);
//! assert_eq!(estimate(request)?.digits, Count::Exact(19));
//! assert_eq!(compute(request)?, "2432902008176640000");
//! # Ok::<(), factorial::request::Error>(())
//! ```
//!
//! Lowest layer first; a module uses only those above it, which `tests/layers.rs` checks:
//!
//! | module | contents |
//! | --- | --- |
//! | [`request`] | requests and reasons for refusal |
//! | `fft` | the fast Fourier transform and the bound on its errors |
//! | [`natural`] | long numbers, their digits and residues |
//! | [`mul`] | products, proved or verified |
//! | [`number`] | the number of a request |
//! | [`estimate`] | facts about the requested number, without computing it |
//! | [`verify`] | checks of digits without computing the number |
//! | [`answer`] | an answer as a whole or in pieces |
//! | [`fanout`] | one number in several sandboxes |
//! | [`program`] | the command line program |
//! | `wasm` | adapters to WebAssembly |
//!
//! A sandbox has 32-bit addresses and a stack of 32 KiB. So arithmetic on n uses integers
//! of at least 64 bits, never `usize`, and the depth of recursion is at most logarithmic.

// Each sandbox maps the whole component: `std` would add its texts, tables and startup
// code to it.
#![cfg_attr(all(target_family = "wasm", not(test)), no_std)]

extern crate alloc;

pub mod request;

mod fft;

pub mod natural;

pub mod mul;

pub mod number;

pub mod estimate;

pub mod verify;

pub mod answer;

pub mod fanout;

pub mod program;

// Unit tests are a program of their own, which must not export another one.
#[cfg(all(target_family = "wasm", not(test)))]
mod wasm;
