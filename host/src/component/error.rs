//! The error of a component that cannot be loaded.

use std::path::PathBuf;

#[cfg(any(feature = "cli", feature = "compiler"))]
use super::core_module::CoreModuleError;
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
    #[error("expected a component of at most {}, got more in {}; use --{} to raise the limit",
        Limit::ComponentSize.format(*.value), .path.display(), Limit::ComponentSize.spec().flag)]
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
        "expected a file, got a reference to a registry; use a build of cocoon with the feature `registry`, such as the \
         image's default target"
    )]
    NoRegistries,
    /// The bytes are something else.
    #[error("expected a component, got {0}")]
    NotAComponent(&'static str),
    /// It is a core module that is no program.
    #[cfg(any(feature = "cli", feature = "compiler"))]
    #[error(transparent)]
    CoreModule(#[from] CoreModuleError),
    /// It must be compiled, and this build has no compiler.
    #[error(
        "cannot compile {0}: this build of cocoon has no compiler; use a build with the feature `compiler`, such as \
         the image's default target"
    )]
    NoCompiler(String),
    /// The bytes do not compile.
    #[error("invalid component: {0}")]
    Invalid(String),
    /// The compiler needs more memory than the machine has.
    #[error("expected at least {} of memory to compile the component, got {}; use a larger machine or container",
        Limit::TotalMemory.format(*.needed), Limit::TotalMemory.format(*.bytes))]
    CompileMemory {
        /// Bytes that the program and its compiler need.
        needed: u64,
        /// Bytes of memory of the machine or container.
        bytes: u64,
    },
    /// Compiling takes too long.
    #[error("expected to compile the component within {}; use --{} to raise the limit",
        Limit::CompileTime.format(*.value), Limit::CompileTime.spec().flag)]
    CompileTime {
        /// The limit in milliseconds.
        value: u64,
    },
    /// It lacks an export of the world, or needs more than the engine has.
    #[error("cannot link the component: {0}")]
    Link(String),
    /// It cannot have an import, or a granted folder.
    #[error(transparent)]
    Grant(#[from] GrantError),
}
