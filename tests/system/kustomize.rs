//! The manifests of `deploy/`, built as `kubectl kustomize` builds them.
//!
//! It knows as much of Kustomize as `deploy/` uses, and refuses the rest: files
//! and folders as resources, components, and JSON patches with one target each.
//! `deploy.rs` compares its output with that of `kustomize build`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

/// What can be applied as it is.
pub(crate) const BUILDS: [&str; 4] = ["base", "overlays/openshift", "overlays/token", "job"];

/// A path below `deploy/`.
pub(crate) fn deploy(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../deploy")
        .join(path)
}

/// A file's YAML documents.
pub(crate) fn documents(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file);
    let text = text.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// A file's only YAML document.
pub(crate) fn document(file: &Path) -> Value {
    let [document] = <[Value; 1]>::try_from(documents(file))
        .unwrap_or_else(|all| panic!("{} has {} documents", file.display(), all.len()));
    document
}

/// A manifest by its kind, of which there must be one.
pub(crate) fn of_kind<'a>(manifests: &'a [Value], kind: &str) -> &'a Value {
    let mut all = manifests.iter().filter(|manifest| manifest["kind"] == kind);
    match (all.next(), all.next()) {
        (Some(one), None) => one,
        _ => panic!("there must be one {kind}"),
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Kustomization {
    api_version: String,
    kind: String,
    #[serde(default)]
    resources: Vec<String>,
    #[serde(default)]
    components: Vec<String>,
    #[serde(default)]
    patches: Vec<Patch>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Patch {
    path: String,
    target: Target,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Target {
    kind: String,
    name: String,
}

impl Kustomization {
    fn read(folder: &Path) -> Self {
        let read = serde_json::from_value(document(&folder.join("kustomization.yaml")));
        let read: Self = read.unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let known = [
            ("Kustomization", "kustomize.config.k8s.io/v1beta1"),
            ("Component", "kustomize.config.k8s.io/v1alpha1"),
        ];
        assert!(
            known.contains(&(&read.kind, &read.api_version)),
            "{}: {read:?}",
            folder.display()
        );
        read
    }

    /// What it makes of `manifests`, which come from whoever lists it.
    fn apply(&self, folder: &Path, manifests: &mut Vec<Value>) {
        for resource in &self.resources {
            let path = folder.join(resource);
            if path.is_dir() {
                Self::read(&path).apply(&path, manifests);
            } else {
                manifests.extend(documents(&path));
            }
        }
        for component in &self.components {
            let path = folder.join(component);
            Self::read(&path).apply(&path, manifests);
        }
        for patch in &self.patches {
            let path = folder.join(&patch.path);
            let steps = serde_json::from_value::<json_patch::Patch>(document(&path));
            let steps = steps.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let mut targets = manifests.iter_mut().filter(|manifest| {
                manifest["kind"] == patch.target.kind
                    && manifest["metadata"]["name"] == patch.target.name
            });
            // Kustomize itself is silent about a patch that meets nothing.
            let (Some(target), None) = (targets.next(), targets.next()) else {
                panic!(
                    "{}: {:?} must be one manifest",
                    path.display(),
                    patch.target
                );
            };
            json_patch::patch(target, &steps)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
    }
}

/// All manifests of a folder of `deploy/`.
pub(crate) fn build(folder: &str) -> Vec<Value> {
    let mut manifests = Vec::new();
    let folder = deploy(folder);
    Kustomization::read(&folder).apply(&folder, &mut manifests);
    manifests
}

/// The files beside a folder's kustomization, and those that it lists.
pub(crate) fn files_and_listed(folder: &Path) -> (BTreeSet<String>, BTreeSet<String>) {
    let read = Kustomization::read(folder);
    let patches = read.patches.into_iter().map(|patch| patch.path);
    let listed = read.resources.into_iter().chain(patches);
    let files = std::fs::read_dir(folder).expect("a folder").map(|entry| {
        let name = entry.expect("an entry").file_name();
        name.into_string().expect("UTF-8")
    });
    (
        files.filter(|name| name != "kustomization.yaml").collect(),
        listed.filter(|path| !path.starts_with("../")).collect(),
    )
}
