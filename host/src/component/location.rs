//! The location of a component: a file or a registry.

use std::ffi::OsString;
use std::path::PathBuf;

use super::reference::{Reference, ReferenceError, SCHEME};
use super::registries::Registries;
use super::{ComponentError, Source};
use crate::limits::Limits;

/// The location of a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A file.
    File(PathBuf),
    /// A registry.
    Registry(Reference),
}

impl Location {
    /// Parses a location: a reference starts with `oci://`, and everything else is a path.
    ///
    /// # Errors
    ///
    /// [`ReferenceError`] for text that starts with `oci://` and is not a reference.
    pub fn parse(text: OsString) -> Result<Self, ReferenceError> {
        match text.to_string_lossy() {
            reference if reference.starts_with(SCHEME) => reference.parse().map(Self::Registry),
            _ => Ok(Self::File(text.into())),
        }
    }

    /// The component's own name: that of its file, or the last part of its name
    /// in the registry.
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            Self::Registry(reference) => {
                let name = reference.name();
                name.rsplit('/').next().unwrap_or(name).to_owned()
            }
        }
    }

    /// The component there: the path of a file, which is read when it is loaded, or the bytes
    /// from the registry or the cache.
    ///
    /// # Errors
    ///
    /// [`ComponentError::Registry`].
    #[cfg(feature = "registry")]
    pub async fn source(
        &self,
        limits: &Limits,
        registries: &Registries,
    ) -> Result<Source, ComponentError> {
        match self {
            Self::File(path) => Ok(Source::File(path.clone())),
            Self::Registry(reference) => {
                let wasm = super::registry::pull(reference, limits, registries).await?;
                Ok(Source::Bytes(wasm))
            }
        }
    }

    /// The component there: the path of a file, which is read when it is loaded.
    ///
    /// # Errors
    ///
    /// [`ComponentError::NoRegistries`].
    #[cfg(not(feature = "registry"))]
    #[expect(
        clippy::unused_async,
        reason = "it is async where there are registries"
    )]
    pub async fn source(&self, _: &Limits, _: &Registries) -> Result<Source, ComponentError> {
        match self {
            Self::File(path) => Ok(Source::File(path.clone())),
            Self::Registry(_) => Err(ComponentError::NoRegistries),
        }
    }
}
