//! Kinds that the Kubernetes API lacks, with the fields that `deploy/` uses. Their projects
//! define more fields.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use serde::{Deserialize, Serialize};

/// A manifest of a kind with its own `spec`.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Manifest<Spec> {
    api_version: String,
    kind: String,
    metadata: ObjectMeta,
    spec: Spec,
}

pub(crate) type HttpRoute = Manifest<HttpRouteSpec>;
pub(crate) type PodMonitor = Manifest<PodMonitorSpec>;
pub(crate) type Route = Manifest<RouteSpec>;
pub(crate) type ScaledObject = Manifest<ScaledObjectSpec>;
pub(crate) type TriggerAuthentication = Manifest<TriggerAuthenticationSpec>;

// --- the Gateway API ----------------------------------------------------------

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct HttpRouteSpec {
    hostnames: Vec<String>,
    parent_refs: Vec<ParentReference>,
    rules: Vec<HttpRouteRule>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ParentReference {
    group: String,
    kind: String,
    name: String,
    section_name: String,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct HttpRouteRule {
    matches: Vec<HttpRouteMatch>,
    timeouts: HttpRouteTimeouts,
    backend_refs: Vec<BackendReference>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct HttpRouteMatch {
    path: HttpPathMatch,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct HttpPathMatch {
    r#type: String,
    value: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct HttpRouteTimeouts {
    request: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct BackendReference {
    group: String,
    kind: String,
    name: String,
    port: u16,
    weight: u32,
}

// --- the Prometheus operator --------------------------------------------------

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PodMonitorSpec {
    selector: LabelSelector,
    pod_metrics_endpoints: Vec<PodMetricsEndpoint>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct PodMetricsEndpoint {
    port: String,
    path: String,
    interval: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorization: Option<Authorization>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Authorization {
    r#type: String,
    credentials: SecretKey,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct SecretKey {
    name: String,
    key: String,
}

// --- OpenShift ----------------------------------------------------------------

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RouteSpec {
    to: RouteTarget,
    port: RoutePort,
    tls: RouteTls,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct RouteTarget {
    kind: String,
    name: String,
    weight: u8,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RoutePort {
    target_port: String,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RouteTls {
    termination: String,
    insecure_edge_termination_policy: String,
}

// --- KEDA ---------------------------------------------------------------------

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ScaledObjectSpec {
    scale_target_ref: ScaleTarget,
    min_replica_count: u32,
    max_replica_count: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    polling_interval: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cooldown_period: Option<u32>,
    advanced: Advanced,
    triggers: Vec<Trigger>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ScaleTarget {
    api_version: String,
    kind: String,
    name: String,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Advanced {
    horizontal_pod_autoscaler_config: AutoscalerConfig,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct AutoscalerConfig {
    name: String,
}

/// Fields of `metadata` that are strings.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Trigger {
    r#type: String,
    metric_type: String,
    metadata: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authentication_ref: Option<AuthenticationReference>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct AuthenticationReference {
    name: String,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TriggerAuthenticationSpec {
    secret_target_ref: Vec<SecretTarget>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct SecretTarget {
    parameter: String,
    name: String,
    key: String,
}
