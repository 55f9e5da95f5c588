//! The generated bindings of the world `program` in `wit/`, or of `reply`.
//!
//! All `unsafe` code in here is generated.
#![expect(unsafe_code, reason = "bindings call the component model's built-ins")]
#![allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    reason = "generated code follows its generator's style"
)]

#[cfg(not(feature = "reply"))]
wit_bindgen::generate!({
    path: "../wit",
    world: "program",
    generate_all,
});

#[cfg(feature = "reply")]
wit_bindgen::generate!({
    path: "../wit",
    world: "reply",
    generate_all,
});

#[cfg(feature = "reply")]
pub use cocoon::factorial::factorial as types;
#[cfg(not(feature = "reply"))]
pub use exports::cocoon::factorial::factorial as types;

export!(Component with_types_in self);

/// The implementation of the exports.
pub struct Component;
