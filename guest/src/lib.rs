//! Exact factorials and their relatives: the component that Cocoon ships.
//!
//! The arithmetic is plain Rust and builds on every target; it knows nothing of
//! WIT, WASI or the host. On WebAssembly adapters join it (`bindings`, `convert`,
//! `component` and `command`), which hold no arithmetic and make the crate a
//! component of the world in `wit/`, and `runtime`, which stands in for `std`. With
//! the feature `reply`, `component` and `command` give way to `reply`, and the
//! component only answers in one piece.
//!
//! ```
//! use factorial::answer::compute;
//! use factorial::cost::{Count, cost};
//! use factorial::request::{Kind, Request};
//!
//! let request = Request::decimal(Kind::Factorial, 20);
//! assert_eq!(cost(request)?.digits, Count::Exact(19));
//! assert_eq!(compute(request)?, "2432902008176640000");
//! # Ok::<(), factorial::error::Error>(())
//! ```
//!
//! In reading order:
//!
//! | modules | what they are for |
//! | --- | --- |
//! | [`request`], [`error`], [`notation`] | what can be asked, why not, and how it is written |
//! | [`small`] | results of up to 128 bits, without allocation |
//! | [`natural`], `carry`, `pair`, `roots`, `transform`, `bound`, [`direct`], [`multiply`], `halves` | long numbers and their products |
//! | [`sieve`], [`product`], [`powers`], [`sums`], [`number`] | long results |
//! | [`decimal`], [`radix`], `ascii`, [`scientific`] | their digits |
//! | `ball`, `bernoulli`, `logarithm`, `magnitude`, `fast`, [`digits`], [`zeros`] | what is known without the number |
//! | `memory`, [`cost`], [`info`] | what a request takes and what can be said of it |
//! | [`modular`], `residues`, `mistake`, [`verify`] | how digits are checked without computing them |
//! | [`answer`] | a whole answer, or one piece by piece |
//! | `wire`, [`parts`] | one number computed by several sandboxes |
//! | [`command_line`], [`listing`] | the program: its arguments and its text |
//!
//! Two rules hold throughout, since a sandbox has 32-bit addresses and a stack
//! of 32 KiB: arithmetic on n is done in 64 bits or more, never in `usize`, and
//! no recursion is deeper than the logarithm of what it works on.

// A sandbox maps all of the component's image: `std` would bring its texts,
// tables and its own start into each.
#![cfg_attr(all(target_family = "wasm", not(test)), no_std)]

extern crate alloc;

pub mod answer;
mod ascii;
mod ball;
mod bernoulli;
mod bound;
mod carry;
mod checksum;
pub mod command_line;
pub mod cost;
pub mod decimal;
pub mod digits;
pub mod direct;
pub mod error;
mod fast;
mod halves;
pub mod info;
pub mod listing;
mod logarithm;
mod magnitude;
mod memory;
mod mistake;
pub mod modular;
pub mod multiply;
pub mod natural;
pub mod notation;
pub mod number;
mod pair;
pub mod parts;
pub mod powers;
pub mod product;
pub mod radix;
pub mod request;
mod residues;
mod roots;
pub mod scientific;
mod shares;
pub mod sieve;
pub mod small;
pub mod sums;
mod transform;
pub mod verify;
mod wire;
pub mod zeros;

// The harness of unit tests is a program of its own, which must not export a
// second one.
#[cfg(all(target_family = "wasm", not(test)))]
mod bindings;
#[cfg(all(target_family = "wasm", not(feature = "reply"), not(test)))]
mod command;
#[cfg(all(target_family = "wasm", not(feature = "reply"), not(test)))]
mod component;
#[cfg(all(target_family = "wasm", not(test)))]
mod convert;
#[cfg(all(target_family = "wasm", feature = "reply", not(test)))]
mod reply;
#[cfg(all(target_family = "wasm", not(test)))]
mod runtime;
