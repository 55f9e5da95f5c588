//! Manifests: the layer of a component.

use serde::Deserialize;

use crate::component::digest::Digest;
use crate::json::Object;
use crate::text::counted;

/// The config of a Wasm artifact. The component itself has the same facts.
const CONFIG: &str = "application/vnd.wasm.config.v0+json";
/// The layer that is the component.
const LAYER: &str = "application/wasm";
/// The longest part of an unknown type in a message.
const TYPE_CHARS: usize = 100;

/// Kinds of manifests: ours, and others that this program names in its errors. A registry answers
/// 404 if it has a kind that is not listed.
pub(super) const KINDS: &str = "application/vnd.oci.image.manifest.v1+json, \
    application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.docker.distribution.manifest.list.v2+json";

/// The component of an artifact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layer {
    pub(super) digest: Digest,
    pub(super) size_bytes: u64,
}

#[derive(Deserialize)]
struct Manifest {
    config: Option<Object<Descriptor>>,
    #[serde(default)]
    layers: Vec<Object<Descriptor>>,
    manifests: Option<Vec<Object<Descriptor>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
    size: u64,
}

fn read(manifest: &[u8]) -> Result<Manifest, String> {
    serde_json::from_slice(manifest)
        .map(|Object(manifest)| manifest)
        .map_err(|error| format!("an invalid OCI manifest ({error})"))
}

/// The one manifest of an index, or `None` for another kind of manifest.
///
/// # Errors
///
/// The description of an index without manifests or with several.
pub(super) fn only_entry(manifest: &[u8]) -> Result<Option<Digest>, String> {
    let Some(manifests) = read(manifest)?.manifests else {
        return Ok(None);
    };
    let [Object(entry)] = manifests.as_slice() else {
        return Err(format!(
            "an index of {}; use the digest of one of them",
            counted(manifests.len() as u64, "manifest", "manifests")
        ));
    };
    let digest = entry.digest.parse().map_err(|_| {
        format!(
            "an index whose manifest has the digest {}, which is not sha256",
            shown(&entry.digest)
        )
    })?;
    Ok(Some(digest))
}

/// The one layer of a manifest.
pub(super) fn layer(manifest: &[u8]) -> Result<Layer, String> {
    let manifest = read(manifest)?;
    if manifest.manifests.is_some() {
        return Err("an index in an index".to_owned());
    }
    let config = manifest.config.map(|Object(config)| config.media_type);
    if config.as_deref() != Some(CONFIG) {
        let found = shown(config.as_deref().unwrap_or("missing"));
        return Err(format!(
            "an image or another artifact, whose config is {found} instead of {CONFIG}"
        ));
    }
    let [Object(layer)] = manifest.layers.as_slice() else {
        return Err(format!(
            "an artifact of {} instead of one",
            counted(manifest.layers.len() as u64, "layer", "layers")
        ));
    };
    if layer.media_type != LAYER {
        let found = shown(&layer.media_type);
        return Err(format!(
            "an artifact whose layer is {found} instead of {LAYER}"
        ));
    }
    let digest = layer.digest.parse().map_err(|_| {
        format!(
            "an artifact whose layer has the digest {}, which is not sha256",
            shown(&layer.digest)
        )
    })?;
    Ok(Layer {
        digest,
        size_bytes: layer.size,
    })
}

fn shown(text: &str) -> String {
    text.chars().take(TYPE_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn manifest(config: &str, layers: &[(&str, &str)]) -> String {
        let layers: Vec<_> = layers
            .iter()
            .map(|(kind, digest)| {
                format!(r#"{{"mediaType":"{kind}","digest":"{digest}","size":7}}"#)
            })
            .collect();
        format!(
            r#"{{"schemaVersion":2,"config":{{"mediaType":"{config}","digest":"{DIGEST}","size":2}},"layers":[{}]}}"#,
            layers.join(",")
        )
    }

    #[test]
    fn a_component_has_its_layer() {
        let wasm = manifest(CONFIG, &[(LAYER, DIGEST)]);
        let expected = Layer {
            digest: Digest::of(b""),
            size_bytes: 7,
        };
        assert_eq!(layer(wasm.as_bytes()), Ok(expected));
    }

    #[test]
    fn unsupported_manifests_are_named() {
        let long = "x".repeat(1_000_000);
        let wasm = manifest(CONFIG, &[(LAYER, DIGEST)]);
        for (text, word) in [
            (String::new(), "manifest"),
            ("[]".to_owned(), "manifest"),
            // Derived readers take the fields of a struct from an array too.
            (
                format!(r#"[["{CONFIG}","{DIGEST}",2],[["{LAYER}","{DIGEST}",7]],null]"#),
                "object",
            ),
            (
                format!(r#"{{"config":["{CONFIG}","{DIGEST}",2]}}"#),
                "object",
            ),
            (
                wasm.replace(
                    &format!(r#"{{"mediaType":"{LAYER}","digest":"{DIGEST}","size":7}}"#),
                    &format!(r#"["{LAYER}","{DIGEST}",7]"#),
                ),
                "object",
            ),
            (
                wasm.replacen('{', r#"{"layers":[],"#, 1),
                "duplicate field `layers`",
            ),
            (
                wasm.replace(r#""size":7"#, r#""size":7,"size":8"#),
                "duplicate field `size`",
            ),
            (r#"{"layers":[{"size":-1}]}"#.to_owned(), "manifest"),
            ("{}".to_owned(), "config is missing"),
            (r#"{"manifests":[]}"#.to_owned(), "index"),
            (
                manifest("application/vnd.oci.image.config.v1+json", &[]),
                "an image or another artifact",
            ),
            (manifest(CONFIG, &[]), "0 layers"),
            (manifest(CONFIG, &[(LAYER, DIGEST); 2]), "2 layers"),
            (
                manifest(CONFIG, &[("application/x-tar", DIGEST)]),
                "application/x-tar",
            ),
            (manifest(CONFIG, &[(LAYER, "sha512:00")]), "sha512:00"),
            (manifest(&long, &[]), "xxx"),
        ] {
            let what = layer(text.as_bytes()).expect_err(&text);
            assert!(what.contains(word), "{what}");
            assert!(what.len() < 300, "{what}");
        }
    }
}
