//! The bundled component, which the build script builds for WebAssembly.
//!
//! A package of its own, without dependencies: Cargo runs its build script while it compiles
//! Wasmtime. `host/build.rs` waits for both and precompiles the component.

/// The component of the world `program`.
pub const FACTORIAL: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/factorial.wasm"));

/// The component of the world `reply`.
pub const REPLY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/reply.wasm"));
