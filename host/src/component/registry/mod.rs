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

use bytes::Bytes;

use super::digest::Digest;
use super::reference::Reference;
use super::registries::Registries;
use super::source::recognise;
use crate::limits::{Limit, Limits, REGISTRY_ANSWER_BYTES};

use cache::Cache;
use client::Registry;
pub use error::RegistryError;
use manifest::Layer;

/// Pulls the component of `reference` from the cache or from its registry.
///
/// # Errors
///
/// [`RegistryError`].
pub(super) async fn pull(
    reference: &Reference,
    limits: &Limits,
    registries: &Registries,
) -> Result<Bytes, RegistryError> {
    let patience = limits.duration(Limit::PullTime);
    let cache = Cache::new(registries.cache.as_deref());
    let most = limits.bytes(Limit::ComponentSize);
    let pulling = fetch(reference, most, registries, &cache);
    let pulled = tokio::time::timeout(patience, pulling).await;
    let Pull { component, new } = pulled.map_err(|_| RegistryError::TooSlow {
        reference: reference.to_string(),
        value: limits.get(Limit::PullTime),
    })??;
    for (digest, content) in new {
        cache.keep(digest, &content).await;
    }
    Ok(component)
}

/// The result of a pull.
struct Pull {
    component: Bytes,
    /// Contents that the cache lacks. The manifest is the last: a cached manifest implies a
    /// cached component.
    new: Vec<(Digest, Bytes)>,
}

async fn fetch(
    reference: &Reference,
    most: u64,
    registries: &Registries,
    cache: &Cache,
) -> Result<Pull, RegistryError> {
    let mut registry = Registry::new(reference, registries.plain_http);
    let cached = match reference.digest() {
        Some(digest) => cache.read(digest, REGISTRY_ANSWER_BYTES).await,
        None => None,
    };
    let manifest = match &cached {
        Some(manifest) => manifest.clone(),
        None => registry.manifest().await?,
    };
    let none = |what| RegistryError::NotAComponent {
        reference: reference.to_string(),
        what,
    };
    // What is kept for the index, if it is one, beside what is kept for its entry.
    let mut kept_manifests = vec![];
    if cached.is_none() {
        kept_manifests.push((Digest::of(&manifest), manifest.clone()));
    }
    let manifest = match manifest::only_entry(&manifest).map_err(none)? {
        None => manifest,
        Some(entry) => {
            if let Some(manifest) = cache.read(entry, REGISTRY_ANSWER_BYTES).await {
                manifest
            } else {
                let version = entry.to_string();
                let manifest = registry.manifest_at(&version, Some(entry)).await?;
                kept_manifests.insert(0, (entry, manifest.clone()));
                manifest
            }
        }
    };
    let Layer { digest, size_bytes } = manifest::layer(&manifest).map_err(none)?;
    if size_bytes > most {
        return Err(RegistryError::TooLarge {
            reference: reference.to_string(),
            size_bytes,
            value: most,
        });
    }
    let kept = cache.read(digest, size_bytes).await;
    let component = match &kept {
        Some(component) => component.clone(),
        None => registry.blob(digest, size_bytes).await?,
    };
    recognise(&component).map_err(|what| RegistryError::NotAComponent {
        reference: reference.to_string(),
        what: what.to_owned(),
    })?;
    let new_component = kept.is_none().then(|| (digest, component.clone()));
    Ok(Pull {
        component,
        new: new_component.into_iter().chain(kept_manifests).collect(),
    })
}
