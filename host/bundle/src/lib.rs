//! The bundled component, built for WebAssembly and precompiled with Wasmtime.
//!
//! Cargo runs the build script, which builds the component, while it compiles Wasmtime. Without
//! the feature `compiler` the package builds nothing.

#[cfg(feature = "compiler")]
#[allow(dead_code, reason = "the host uses the rest of the file")]
#[path = "../../src/engine/config.rs"]
mod config;
#[cfg(feature = "compiler")]
mod precompile;

#[cfg(feature = "compiler")]
pub use precompile::precompile;
