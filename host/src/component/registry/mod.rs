//! Components from OCI registries, in the layout of the CNCF's Wasm artifacts: a manifest
//! whose config says Wasm, and one layer, the component.
//!
//! One time limit bounds a pull from the first look into the cache to the last byte. Writing
//! the cache comes after it. Every content must have the digest that was requested, wherever
//! it comes from, and the cache keeps nothing before all of a pull is verified. A reference
//! with a digest needs no network if the cache has it. A tag always does, since it may move.

mod cache;
mod client;
mod credentials;
mod docker_hub;
mod error;
mod manifest;
mod pull;

pub use error::RegistryError;
pub(super) use pull::pull;
