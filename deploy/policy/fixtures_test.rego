# Manifests that satisfy every rule, and functions that change one field in them.
package fixtures

import rego.v1

labels := {"name": "cocoon", "part": "service"}

security_context := {
	"allowPrivilegeEscalation": false,
	"readOnlyRootFilesystem": true,
	"capabilities": {"drop": ["ALL"]},
}

pod_security_context := {
	"runAsNonRoot": true,
	"runAsUser": 65532,
	"runAsGroup": 65532,
	"seccompProfile": {"type": "RuntimeDefault"},
}

resources := {"requests": {"cpu": "250m", "memory": "2Gi"}, "limits": {"cpu": "2", "memory": "2Gi"}}

deployment := {
	"apiVersion": "apps/v1",
	"kind": "Deployment",
	"metadata": {"name": "cocoon"},
	"spec": {
		"selector": {"matchLabels": labels},
		"template": {
			"metadata": {"labels": labels, "annotations": {"checked": "yes"}},
			"spec": {
				"serviceAccountName": "cocoon",
				"automountServiceAccountToken": false,
				"enableServiceLinks": false,
				"terminationGracePeriodSeconds": 60,
				"securityContext": pod_security_context,
				"topologySpreadConstraints": [{
					"topologyKey": "kubernetes.io/hostname",
					"labelSelector": {"matchLabels": labels},
				}],
				"containers": [{
					"name": "cocoon",
					"image": "localhost/cocoon:0.1.0",
					"args": ["serve"],
					"env": [
						{"name": "COCOON_ADMIN_LISTEN", "value": "0.0.0.0:8081"},
						{"name": "COCOON_DRAIN_DELAY", "value": "10s"},
						{"name": "COCOON_DRAIN_TIMEOUT", "value": "40s"},
					],
					"envFrom": [{"configMapRef": {"name": "cocoon"}}],
					"ports": [{"name": "http", "containerPort": 8080}, {"name": "admin", "containerPort": 8081}],
					"livenessProbe": {"httpGet": {"path": "/healthz", "port": "admin"}},
					"readinessProbe": {"httpGet": {"path": "/readyz", "port": "admin"}},
					"resources": resources,
					"securityContext": security_context,
				}],
			},
		},
	},
}

job := {
	"apiVersion": "batch/v1",
	"kind": "Job",
	"metadata": {"name": "once"},
	"spec": {"template": {
		"metadata": {"labels": {"name": "once"}},
		"spec": {
			"restartPolicy": "Never",
			"automountServiceAccountToken": false,
			"enableServiceLinks": false,
			"securityContext": pod_security_context,
			"containers": [{
				"name": "cocoon",
				"image": "localhost/cocoon:0.1.0",
				"args": ["run", "10"],
				"resources": resources,
				"securityContext": security_context,
			}],
		},
	}},
}

network_policy := {
	"apiVersion": "networking.k8s.io/v1",
	"kind": "NetworkPolicy",
	"metadata": {"name": "cocoon"},
	"spec": {
		"podSelector": {"matchLabels": labels},
		"policyTypes": ["Ingress", "Egress"],
		"ingress": [{"ports": [{"port": 8080}]}, {"from": [{"namespaceSelector": {}}], "ports": [{"port": 8081}]}],
		"egress": [
			{"ports": [{"protocol": "UDP", "port": 53}, {"port": 53}]},
			{"to": [{"namespaceSelector": {}}], "ports": [{"port": 4318}]},
		],
	},
}

job_policy := {
	"apiVersion": "networking.k8s.io/v1",
	"kind": "NetworkPolicy",
	"metadata": {"name": "once"},
	"spec": {"podSelector": {"matchLabels": {"name": "once"}}, "policyTypes": ["Ingress", "Egress"]},
}

service := {
	"apiVersion": "v1",
	"kind": "Service",
	"metadata": {"name": "cocoon"},
	"spec": {"selector": labels, "ports": [{"name": "http", "port": 8080, "targetPort": "http"}]},
}

scaler := {
	"apiVersion": "autoscaling/v2",
	"kind": "HorizontalPodAutoscaler",
	"metadata": {"name": "cocoon"},
	"spec": {
		"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "cocoon"},
		"minReplicas": 2,
		"maxReplicas": 4,
	},
}

keda_scaler := {
	"apiVersion": "keda.sh/v1alpha1",
	"kind": "ScaledObject",
	"metadata": {"name": "cocoon"},
	"spec": {"scaleTargetRef": {"name": "cocoon"}, "minReplicaCount": 2},
}

budget := {
	"apiVersion": "policy/v1",
	"kind": "PodDisruptionBudget",
	"metadata": {"name": "cocoon"},
	"spec": {"maxUnavailable": 1, "selector": {"matchLabels": labels}},
}

account := {
	"apiVersion": "v1",
	"kind": "ServiceAccount",
	"metadata": {"name": "cocoon"},
	"automountServiceAccountToken": false,
}

config_map := {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cocoon"}, "data": {"COCOON_QUEUE": "50"}}

ingress := {
	"apiVersion": "networking.k8s.io/v1",
	"kind": "Ingress",
	"metadata": {"name": "cocoon"},
	"spec": {
		"tls": [{"hosts": ["cocoon.example.com"], "secretName": "cocoon-tls"}],
		"rules": [{
			"host": "cocoon.example.com",
			"http": {"paths": [{"path": "/", "backend": {"service": {"name": "cocoon", "port": {"name": "http"}}}}]},
		}],
	},
}

http_route := {
	"apiVersion": "gateway.networking.k8s.io/v1",
	"kind": "HTTPRoute",
	"metadata": {"name": "cocoon"},
	"spec": {"rules": [{"backendRefs": [{"name": "cocoon", "port": 8080}]}]},
}

monitor := {
	"apiVersion": "monitoring.coreos.com/v1",
	"kind": "PodMonitor",
	"metadata": {"name": "cocoon"},
	"spec": {"selector": {"matchLabels": labels}, "podMetricsEndpoints": [{"port": "admin"}]},
}

route := {
	"apiVersion": "route.openshift.io/v1",
	"kind": "Route",
	"metadata": {"name": "cocoon", "annotations": {"haproxy.router.openshift.io/timeout": "40s"}},
	"spec": {
		"to": {"kind": "Service", "name": "cocoon"},
		"port": {"targetPort": "http"},
		"tls": {"termination": "edge", "insecureEdgeTerminationPolicy": "Redirect"},
	},
}

openshift_deployment := json.patch(deployment, [
	{"op": "remove", "path": "spec/template/spec/securityContext/runAsUser"},
	{"op": "remove", "path": "spec/template/spec/securityContext/runAsGroup"},
	{
		"op": "add",
		"path": "spec/template/metadata/annotations/openshift.io~1required-scc",
		"value": "restricted-v2",
	},
])

worker_labels := {"name": "worker"}

worker := json.patch(deployment, [
	{"op": "replace", "path": "metadata/name", "value": "worker"},
	{"op": "replace", "path": "spec/selector/matchLabels", "value": worker_labels},
	{"op": "replace", "path": "spec/template/metadata/labels", "value": worker_labels},
	{"op": "remove", "path": pointer("pod/serviceAccountName")},
	{
		"op": "replace",
		"path": pointer("pod/topologySpreadConstraints/0/labelSelector/matchLabels"),
		"value": worker_labels,
	},
	{"op": "replace", "path": pointer("container/name"), "value": "worker"},
	{"op": "replace", "path": pointer("container/args"), "value": ["worker"]},
	{"op": "replace", "path": pointer("container/ports"), "value": [{"name": "admin", "containerPort": 8081}]},
	{"op": "remove", "path": pointer("container/envFrom")},
	{
		"op": "replace",
		"path": pointer("container/env"),
		"value": [
			{"name": "COCOON_QUEUE_URL", "value": "redis://redis:6379"},
			{"name": "COCOON_ADMIN_LISTEN", "value": "0.0.0.0:8081"},
		],
	},
])

worker_scaler := {
	"apiVersion": "keda.sh/v1alpha1",
	"kind": "ScaledObject",
	"metadata": {"name": "worker"},
	"spec": {
		"scaleTargetRef": {"name": "worker"},
		"triggers": [{"type": "redis", "metadata": {"listName": "cocoon:{cocoon}:open"}}],
	},
}

worker_policy := {
	"apiVersion": "networking.k8s.io/v1",
	"kind": "NetworkPolicy",
	"metadata": {"name": "worker"},
	"spec": {
		"podSelector": {"matchLabels": worker_labels},
		"policyTypes": ["Ingress", "Egress"],
		"ingress": [{"ports": [{"port": 8081}]}],
		"egress": [{"to": [{"podSelector": {}}], "ports": [{"port": 6379}]}],
	},
}

worker_budget := {
	"apiVersion": "policy/v1",
	"kind": "PodDisruptionBudget",
	"metadata": {"name": "worker"},
	"spec": {"maxUnavailable": 1, "selector": {"matchLabels": worker_labels}},
}

all_of_worker := [worker, worker_budget, worker_policy, worker_scaler]

routes := {
	"apiVersion": "v1",
	"kind": "ConfigMap",
	"metadata": {"name": "routes"},
	"data": {"cocoon.toml": sprintf(`component = "oci://registry.example.com/facts@sha256:%064d"`, [0])},
}

handler_deployment := json.patch(deployment, [
	{
		"op": "add",
		"path": pointer("pod/volumes"),
		"value": [{"name": "routes", "configMap": {"name": "routes"}}, {"name": "cache", "emptyDir": {}}],
	},
	{
		"op": "add",
		"path": pointer("container/volumeMounts"),
		"value": [
			{"name": "routes", "mountPath": "/etc/cocoon"},
			{"name": "cache", "mountPath": "/var/cache/cocoon", "subPath": "cache"},
		],
	},
	{
		"op": "add",
		"path": pointer("container/env/-"),
		"value": {"name": "COCOON_CODE_CACHE", "value": "/var/cache/cocoon/code"},
	},
	{
		"op": "add",
		"path": pointer("container/startupProbe"),
		"value": {"httpGet": {"path": "/readyz", "port": "admin"}},
	},
])

others := [account, budget, config_map, network_policy, service]

all_of_service := array.concat(others, [deployment, scaler])

all_of_handler := array.concat(others, [handler_deployment, routes, scaler])

all_of_job := [job, job_policy]

all_of_openshift := array.concat(others, [openshift_deployment, scaler, route])

# --- changes ------------------------------------------------------------------

# A JSON pointer in a manifest, or below its pod or its first container.
pointer(path) := concat("/", ["spec/template/spec/containers/0", trim_prefix(path, "container/")]) if {
	startswith(path, "container/")
} else := concat("/", ["spec/template/spec", trim_prefix(path, "pod/")]) if {
	startswith(path, "pod/")
} else := path

with_field(manifest, path, value) := json.patch(manifest, [{"op": "add", "path": pointer(path), "value": value}])

without_field(manifest, path) := json.patch(manifest, [{"op": "remove", "path": pointer(path)}])

# The manifests, with the one of the same kind and name replaced.
replaced(manifests, manifest) := array.concat(
	[other |
		some other in manifests
		[other.kind, other.metadata.name] != [manifest.kind, manifest.metadata.name]
	],
	[manifest],
)

# An input in the form of `conftest test --combine`.
combined(documents) := [{"path": "-", "contents": document} | some document in documents]
