//! Adapters between the arithmetic and WebAssembly, on that target only.
//!
//! They hold no arithmetic. [`bindings`] are generated from the contract in `wit/`, and
//! [`runtime`] replaces `std`. With the feature `reply` the component has the world
//! `reply`, else the world `program`.

mod runtime;

pub(crate) mod bindings;

mod convert;

#[cfg(not(feature = "reply"))]
mod convert_results;

#[cfg(not(feature = "reply"))]
mod streams;

#[cfg(not(feature = "reply"))]
mod component;

#[cfg(not(feature = "reply"))]
mod fan_out;

#[cfg(not(feature = "reply"))]
mod command;

#[cfg(feature = "reply")]
mod reply;
