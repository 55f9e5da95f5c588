//! A pull: one component from the cache or from its registry.

use bytes::Bytes;

use super::cache::Cache;
use super::client::Registry;
use super::error::RegistryError;
use super::manifest::{self, Layer};
use crate::component::digest::Digest;
use crate::component::header::check_header;
use crate::component::reference::Reference;
use crate::component::registries::Registries;
use crate::limits::{Limit, Limits, REGISTRY_ANSWER_BYTES};

/// Pulls the component of `reference` from the cache or from its registry.
///
/// # Errors
///
/// [`RegistryError`].
pub(in crate::component) async fn pull(
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
    // The manifests for the cache: that of an index, and that of its entry.
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
    check_header(&component).map_err(|what| RegistryError::NotAComponent {
        reference: reference.to_string(),
        what: what.to_owned(),
    })?;
    let new_component = kept.is_none().then(|| (digest, component.clone()));
    Ok(Pull {
        component,
        new: new_component.into_iter().chain(kept_manifests).collect(),
    })
}
