//! Components from OCI registries, laid out as the CNCF's Wasm artifacts are: a
//! manifest whose config says that it is Wasm, and one layer, the component.
//!
//! A pull has one deadline from its first look into the cache to its last byte; what it
//! takes to keep what came has none.
//! Nothing is used whose digest is not the one that was asked for, wherever it
//! comes from, and nothing is kept before all of it has been found right. Who pins
//! a digest needs no network when the cache has it; a tag is asked for every time,
//! since it may have moved.

mod cache;
mod client;
mod credentials;
mod error;
mod manifest;

use std::time::Duration;

use bytes::Bytes;

use super::digest::Digest;
use super::location::Registries;
use super::recognise;
use super::reference::Reference;
use crate::limits::{Limit, Limits, REGISTRY_ANSWER_BYTES};

use cache::Cache;
use client::Registry;
pub use error::RegistryError;
use manifest::Layer;

/// The component that `reference` names, from the cache or from its registry.
pub(super) async fn pull(
    reference: &Reference,
    limits: &Limits,
    registries: &Registries,
) -> Result<Bytes, RegistryError> {
    let value = limits.get(Limit::PullTime);
    let cache = Cache::new(registries.cache.as_deref());
    let most = limits.get(Limit::ComponentSize);
    let pulling = fetch(reference, most, registries, &cache);
    let pulled = tokio::time::timeout(Duration::from_millis(value), pulling).await;
    let Pulled { component, new } = pulled.map_err(|_| RegistryError::TooSlow {
        reference: reference.to_string(),
        value,
    })??;
    for (digest, content) in new {
        cache.keep(digest, &content).await;
    }
    Ok(component)
}

/// What came of a pull.
struct Pulled {
    component: Bytes,
    /// What the cache has not. The manifest comes last: where it is, the component is too.
    new: Vec<(Digest, Bytes)>,
}

async fn fetch(
    reference: &Reference,
    most: u64,
    registries: &Registries,
    cache: &Cache,
) -> Result<Pulled, RegistryError> {
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
    Ok(Pulled {
        component,
        new: new_component.into_iter().chain(kept_manifests).collect(),
    })
}
