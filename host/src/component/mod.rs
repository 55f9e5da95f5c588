//! Components: from a file, bytes or a registry to a linked component that is ready to be
//! instantiated.

#[cfg(feature = "compiler")]
mod cached;
mod compile;
#[cfg(any(feature = "cli", feature = "compiler"))]
mod core_module;
mod digest;
#[cfg(feature = "compiler")]
mod engines;
mod error;
#[cfg(feature = "compiler")]
mod exit_codes;
#[cfg(any(feature = "cli", feature = "compiler"))]
mod footprint;
mod header;
#[cfg(any(feature = "cli", feature = "compiler"))]
mod inspect;
mod linked;
mod location;
mod native_code;
mod reference;
mod registries;
#[cfg(feature = "registry")]
mod registry;
#[cfg(all(feature = "service", feature = "compiler"))]
mod resident_copy;
mod source;
#[cfg(all(feature = "service", feature = "compiler"))]
mod thread_copies;
mod world;

#[cfg(feature = "compiler")]
pub use cached::Kept;
#[cfg(feature = "compiler")]
pub use compile::compile_into_cache;
#[cfg(any(feature = "cli", feature = "compiler"))]
pub use core_module::CoreModuleError;
pub use digest::Digest;
pub use error::ComponentError;
#[cfg(any(feature = "cli", feature = "compiler"))]
pub use inspect::{Flag, Format, Inspection, Interface, PrecompiledCode, Role, inspect};
pub use linked::Component;
pub use location::Location;
pub use reference::{Reference, ReferenceError};
pub use registries::Registries;
#[cfg(feature = "registry")]
pub use registry::RegistryError;
pub use source::{Bundled, Source};
pub use world::World;
