//! The manifests against the types of the Kubernetes API.

use cocoon_test_schema::check;
use serde_json::json;

use crate::manifests::{BUILDS, build, build_with, of_kind};

#[test]
#[ignore = "needs kustomize"]
fn every_manifest_matches_the_api() {
    for folder in BUILDS {
        for manifest in build(folder) {
            assert_eq!(check(&manifest), Ok(()), "{folder}");
        }
    }
    for component in ["httproute", "ingress", "keda", "monitoring", "token"] {
        for manifest in build_with(component) {
            assert_eq!(check(&manifest), Ok(()), "{component}");
        }
    }
}

#[test]
#[ignore = "needs kustomize"]
fn unknown_fields_and_kinds_are_refused() {
    let container = "/spec/template/spec/containers/0";
    for (folder, kind, at, key, value, found) in [
        (
            "base",
            "Deployment",
            container,
            "livnessProbe",
            json!({}),
            "unknown /spec/template/spec/containers/0/livnessProbe",
        ),
        (
            "base",
            "Deployment",
            &format!("{container}/securityContext/capabilities"),
            "dorp",
            json!(["ALL"]),
            "capabilities/dorp",
        ),
        (
            "base",
            "Deployment",
            &format!("{container}/livenessProbe"),
            "periodSeconds",
            json!("10"),
            "invalid type",
        ),
        (
            "base",
            "Deployment",
            "",
            "apiVersion",
            json!("apps/v1beta1"),
            "no known kind",
        ),
        (
            "base",
            "Service",
            "/spec/ports/0",
            "target",
            json!("http"),
            "unknown /spec/ports/0/target",
        ),
        (
            "base",
            "HorizontalPodAutoscaler",
            "/spec",
            "minReplica",
            json!(2),
            "unknown /spec/minReplica",
        ),
        (
            "base",
            "NetworkPolicy",
            "/spec/egress/0",
            "form",
            json!([]),
            "unknown /spec/egress/0/form",
        ),
        (
            "base",
            "PodDisruptionBudget",
            "/spec",
            "maxUnavailabel",
            json!(1),
            "unknown /spec/maxUnavailabel",
        ),
        (
            "base",
            "ServiceAccount",
            "",
            "automountToken",
            json!(false),
            "unknown /automountToken",
        ),
        (
            "overlays/openshift",
            "Route",
            "/spec",
            "timeout",
            json!("40s"),
            "unknown field `timeout`",
        ),
        (
            "job",
            "Job",
            "/spec",
            "backofLimit",
            json!(1),
            "unknown /spec/backofLimit",
        ),
    ] {
        let mut manifest = of_kind(&build(folder), kind).clone();
        let place = manifest.pointer_mut(at).expect("the place");
        place[key] = value;
        let error = check(&manifest).expect_err(key);
        assert!(error.contains(found), "{error}");
    }
}
