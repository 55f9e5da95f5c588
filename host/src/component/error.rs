//! The error of a component that cannot be loaded.

use std::path::PathBuf;

#[cfg(feature = "registry")]
use super::registry::RegistryError;
use crate::grants::GrantError;
use crate::limits::Limit;

/// Why a component cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ComponentError {
    /// The file cannot be read.
    #[error("cannot read {}: {reason}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        reason: String,
    },
    /// The file is over the limit.
    #[error("{} is larger than the limit of {} ({}); --{} raises it", .path.display(), Limit::ComponentSize,
        Limit::ComponentSize.format(*.value), Limit::ComponentSize.spec().flag)]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit in bytes.
        value: u64,
    },
    /// The registry does not return it.
    #[cfg(feature = "registry")]
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The component is in a registry, and this build has none.
    #[cfg(not(feature = "registry"))]
    #[error(
        "this build of cocoon has no registries; use the image's default target, or build with \
         --features registry"
    )]
    NoRegistries,
    /// The bytes are something else.
    #[error("this is not a component but {0}")]
    NotAComponent(&'static str),
    /// It must be compiled, and this build has no compiler.
    #[error(
        "{0} has to be compiled, and this build of cocoon has no compiler; use the image's \
         default target, or build with --features compiler"
    )]
    NoCompiler(String),
    /// The bytes do not compile.
    #[error("the component is not valid: {0}")]
    Invalid(String),
    /// The compiler needs more memory than the machine has.
    #[error("compiling the component takes about {}, and there are {} in all; a larger machine, or \
        container, has more", Limit::TotalMemory.format(*.needed), Limit::TotalMemory.format(*.bytes))]
    CompileMemory {
        /// Bytes that the program and its compiler need.
        needed: u64,
        /// Bytes of memory of the machine or container.
        bytes: u64,
    },
    /// Compiling takes too long.
    #[error("compiling the component takes longer than {}; --{} raises this limit",
        Limit::CompileTime.format(*.value), Limit::CompileTime.spec().flag)]
    CompileTime {
        /// The limit in milliseconds.
        value: u64,
    },
    /// It lacks an export of the world, or needs more than the engine has.
    #[error("the component does not fit: {0}")]
    Link(String),
    /// It cannot have an import, or a granted folder.
    #[error(transparent)]
    Grant(#[from] GrantError),
}
