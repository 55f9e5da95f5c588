//! Manifests against the types of the Kubernetes API.
//!
//! The types read the fields that they know and skip the rest. [`check`] serialises the result
//! again and compares: a missing field is unknown. The version is the oldest that the crate
//! has, since clusters may be older than it.
//!
//! A separate package without optimisation: within the system tests the types took longer to
//! compile than all tests that use them.

mod custom;

use custom::{HttpRoute, PodMonitor, Route, ScaledObject, TriggerAuthentication};
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Deserialises a manifest as `T` and serialises it again.
fn through<T: DeserializeOwned + Serialize>(manifest: &Value) -> Result<Value, String> {
    let read: T = serde_json::from_value(manifest.clone()).map_err(|error| error.to_string())?;
    serde_json::to_value(read).map_err(|error| error.to_string())
}

/// Collects the differences of two trees, as JSON pointers.
fn differences(at: &str, one: &Value, other: &Value, found: &mut Vec<String>) {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let missing = |from: &Map<_, _>, in_: &Map<String, _>| {
                let keys = from.keys().filter(|key| !in_.contains_key(*key));
                keys.map(|key| format!("{at}/{key}")).collect::<Vec<_>>()
            };
            found.extend(missing(one, other));
            found.extend(missing(other, one));
            for (key, value) in one {
                if let Some(same) = other.get(key) {
                    differences(&format!("{at}/{key}"), value, same, found);
                }
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (index, (value, same)) in one.iter().zip(other).enumerate() {
                differences(&format!("{at}/{index}"), value, same, found);
            }
        }
        _ if one == other => {}
        _ => found.push(at.to_owned()),
    }
}

/// Checks that a manifest has the fields of its kind, and no others.
///
/// # Errors
///
/// The kind, with the serde error or the JSON pointers of unknown fields.
pub fn check(manifest: &Value) -> Result<(), String> {
    let text = |key: &str| manifest[key].as_str().unwrap_or_default();
    let kind = format!("{} {}", text("apiVersion"), text("kind"));
    let again = match kind.as_str() {
        "apps/v1 Deployment" => through::<Deployment>(manifest),
        "apps/v1 StatefulSet" => through::<StatefulSet>(manifest),
        "autoscaling/v2 HorizontalPodAutoscaler" => through::<HorizontalPodAutoscaler>(manifest),
        "batch/v1 Job" => through::<Job>(manifest),
        "gateway.networking.k8s.io/v1 HTTPRoute" => through::<HttpRoute>(manifest),
        "keda.sh/v1alpha1 ScaledObject" => through::<ScaledObject>(manifest),
        "keda.sh/v1alpha1 TriggerAuthentication" => through::<TriggerAuthentication>(manifest),
        "monitoring.coreos.com/v1 PodMonitor" => through::<PodMonitor>(manifest),
        "networking.k8s.io/v1 Ingress" => through::<Ingress>(manifest),
        "networking.k8s.io/v1 NetworkPolicy" => through::<NetworkPolicy>(manifest),
        "policy/v1 PodDisruptionBudget" => through::<PodDisruptionBudget>(manifest),
        "route.openshift.io/v1 Route" => through::<Route>(manifest),
        "v1 ConfigMap" => through::<ConfigMap>(manifest),
        "v1 PersistentVolumeClaim" => through::<PersistentVolumeClaim>(manifest),
        "v1 Service" => through::<Service>(manifest),
        "v1 ServiceAccount" => through::<ServiceAccount>(manifest),
        _ => Err("no known kind".to_owned()),
    };
    let again = again.map_err(|error| format!("{kind}: {error}"))?;
    let mut found = Vec::new();
    differences("", manifest, &again, &mut found);
    if found.is_empty() {
        Ok(())
    } else {
        Err(format!("{kind}: unknown {}", found.join(", ")))
    }
}
