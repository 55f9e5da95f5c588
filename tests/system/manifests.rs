//! The manifests of `deploy/`, built by `kustomize build`.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::{Outcome, run_command};
use crate::tools::KUSTOMIZE;

/// The folders of `deploy/` that can be applied.
pub(crate) const BUILDS: [&str; 10] = [
    "base",
    "indexed-job",
    "job",
    "overlays/example",
    "overlays/handler",
    "overlays/openshift",
    "overlays/openshift-job",
    "overlays/queue",
    "overlays/queue-trial",
    "overlays/token",
];

/// A path below `deploy/`.
pub(crate) fn deploy(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../deploy")
        .join(path)
}

/// The YAML documents of a file.
pub(crate) fn documents(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file);
    let text = text.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The only YAML document of a file.
pub(crate) fn document(file: &Path) -> Value {
    let [document] = <[Value; 1]>::try_from(documents(file))
        .unwrap_or_else(|all| panic!("{} has {} documents", file.display(), all.len()));
    document
}

/// Builds all manifests of a folder of `deploy/`.
pub(crate) fn build(folder: &str) -> Vec<Value> {
    built(&deploy(folder))
}

/// Builds all manifests of `deploy/base` with one of the components.
pub(crate) fn build_with(component: &str) -> Vec<Value> {
    let overlay = tempfile::tempdir().expect("a folder");
    let overlay = overlay.path().canonicalize().expect("its path");
    let up: PathBuf = overlay.components().skip(1).map(|_| "..").collect();
    // Kustomize refuses absolute paths.
    let relative = |path: &str| {
        let path = deploy(path).canonicalize().expect("a folder");
        let path = up.join(path.strip_prefix("/").expect("an absolute path"));
        Value::from(path.to_str().expect("UTF-8"))
    };
    let text = format!(
        "resources: [{}]\ncomponents: [{}]\n",
        relative("base"),
        relative(&format!("components/{component}"))
    );
    std::fs::write(overlay.join("kustomization.yaml"), text).expect("a file");
    built(&overlay)
}

fn built(folder: &Path) -> Vec<Value> {
    let Outcome { out, err, code } = run_command(KUSTOMIZE.command().arg("build").arg(folder));
    let quiet = (code, err.as_str());
    assert_eq!(quiet, (Some(0), ""), "{}", folder.display());
    serde_saphyr::from_multiple(&out).expect("YAML")
}

/// The manifest of a kind. Asserts that there is exactly one.
pub(crate) fn of_kind<'a>(manifests: &'a [Value], kind: &str) -> &'a Value {
    let mut all = manifests.iter().filter(|manifest| manifest["kind"] == kind);
    match (all.next(), all.next()) {
        (Some(one), None) => one,
        _ => panic!("expected one {kind}"),
    }
}

/// The manifest of a kind, for changes.
pub(crate) fn of_kind_mut<'a>(manifests: &'a mut [Value], kind: &str) -> &'a mut Value {
    let mut all = manifests.iter_mut();
    let found = all.find(|manifest| manifest["kind"] == kind);
    found.unwrap_or_else(|| panic!("expected one {kind}"))
}
