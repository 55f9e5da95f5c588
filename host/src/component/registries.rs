//! The settings of registries.

use std::path::PathBuf;

/// The access to registries, and the cache of their components.
#[derive(Clone, Debug, Default)]
pub struct Registries {
    /// Whether a registry on another machine is reached without TLS.
    pub plain_http: bool,
    /// The folder of the cache, or `None` for the system's folder of caches.
    pub cache: Option<PathBuf>,
}
