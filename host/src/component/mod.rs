//! Components: from a file, bytes or a registry to a linked component that is ready to be
//! instantiated.

#[cfg(feature = "compiler")]
mod cached;
mod compile;
mod digest;
mod error;
#[cfg(feature = "compiler")]
mod footprint;
mod header;
mod inspect;
mod linked;
mod location;
mod native_code;
mod reference;
mod registries;
#[cfg(feature = "registry")]
mod registry;
mod source;
mod world;

#[cfg(feature = "compiler")]
pub use cached::Kept;
#[cfg(feature = "compiler")]
pub use compile::compile_into_cache;
pub use digest::Digest;
pub use error::ComponentError;
pub use inspect::{Inspection, Interface, PrecompiledCode, inspect};
pub use linked::Component;
pub use location::Location;
pub use reference::{Reference, ReferenceError};
pub use registries::Registries;
#[cfg(feature = "registry")]
pub use registry::RegistryError;
pub use source::{Bundled, Source};
pub use world::World;
