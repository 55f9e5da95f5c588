package main_test

import data.fixtures
import rego.v1

with_service(path, value) := service_with(fixtures.with_field(fixtures.service, path, value))

# The service with one more manifest.
and_manifest(manifest) := denied(array.concat(fixtures.all_of_service, [manifest]))

test_refuses_service_selector if {
	msg := "Service/cocoon selects no pod of these"
	with_service("spec/selector", {"name": "other"}) == {msg}
	with_service("spec/selector", {}) == {msg}
	service_with(fixtures.without_field(fixtures.service, "spec/selector")) == {msg}
}

test_accepts_service_selector if with_service("spec/selector", {"name": "cocoon"}) == set()

test_refuses_service_ports if {
	msg := "Service/cocoon: the port %s must have the name of a port of Deployment/cocoon, and target it by that name"
	with_service("spec/ports/0/name", "web") == {sprintf(msg, ["web"])}
	with_service("spec/ports/0/targetPort", 8080) == {sprintf(msg, ["http"])}
	with_service("spec/ports/0/protocol", "UDP") == {sprintf(msg, ["http"])}
	service_with(fixtures.without_field(fixtures.service, "spec/ports/0/targetPort")) == {sprintf(msg, ["http"])}
	service_with(fixtures.without_field(fixtures.service, "spec/ports/0/name")) == {sprintf(msg, ["?"])}
}

test_accepts_service_ports if with_service("spec/ports/0/port", 80) == set()

test_refuses_service_of_job if {
	service := fixtures.with_field(fixtures.service, "spec", {"selector": {"name": "once"}, "ports": []})
	denied(array.concat(fixtures.all_of_job, [service])) == {"Service/cocoon must not select the pods of Job/once"}
}

test_accepts_service_of_job if {
	denied(array.concat(fixtures.all_of_job, fixtures.all_of_service)) == set()
}

test_refuses_service_account if {
	service_with(fixtures.with_field(fixtures.deployment, "pod/serviceAccountName", "other")) ==
		{"Deployment/cocoon: the ServiceAccount other is not among these"}
}

test_accepts_service_account if {
	service_with(fixtures.without_field(fixtures.deployment, "pod/serviceAccountName")) == set()
	service_with(fixtures.with_field(fixtures.deployment, "pod/serviceAccountName", "default")) == set()
}

test_refuses_config_map if {
	service_with(fixtures.with_field(fixtures.deployment, "container/envFrom/0/configMapRef/name", "other")) ==
		{"Deployment/cocoon, container cocoon: the ConfigMap other is not among these"}
}

test_accepts_config_map if {
	other := {"configMapRef": {"name": "other", "optional": true}}
	service_with(fixtures.with_field(fixtures.deployment, "container/envFrom/-", other)) == set()
	denied_alone(fixtures.deployment) == set()
}

test_refuses_backends if {
	ingress := fixtures.with_field(fixtures.ingress, "spec/rules/0/http/paths/0/backend/service/name", "other")
	and_manifest(ingress) == {"Ingress/cocoon leads to the port http of Service/other, which is not in the input"}
	whole := fixtures.with_field(fixtures.ingress, "spec/defaultBackend", {"service": {"name": "cocoon", "port": {"number": 1}}})
	and_manifest(whole) == {"Ingress/cocoon leads to the port 1 of Service/cocoon, which is not in the input"}
	http := fixtures.with_field(fixtures.http_route, "spec/rules/0/backendRefs/0/port", 80)
	and_manifest(http) == {"HTTPRoute/cocoon leads to the port 80 of Service/cocoon, which is not in the input"}
	route := fixtures.without_field(fixtures.route, "spec/port")
	openshift_with(route) == {"Route/cocoon leads to the port ? of Service/cocoon, which is not in the input"}
}

test_accepts_backends if {
	and_manifest(fixtures.ingress) == set()
	and_manifest(fixtures.http_route) == set()
	denied_alone(fixtures.ingress) == set()
}

test_refuses_ingress_tls if {
	msg := "Ingress/cocoon must answer by TLS: name the host %s in tls"
	and_manifest(fixtures.without_field(fixtures.ingress, "spec/tls")) == {sprintf(msg, ["cocoon.example.com"])}
	and_manifest(fixtures.without_field(fixtures.ingress, "spec/rules/0/host")) == {sprintf(msg, ["*"])}
}

test_accepts_ingress_tls if {
	and_manifest(fixtures.with_field(fixtures.ingress, "spec/tls/-", {"hosts": ["other.example.com"]})) == set()
}

test_refuses_monitor_selector if {
	msg := "PodMonitor/cocoon has no endpoint of pods of these"
	and_manifest(fixtures.with_field(fixtures.monitor, "spec/selector/matchLabels", {"name": "x"})) == {msg}
	and_manifest(fixtures.with_field(fixtures.monitor, "spec/podMetricsEndpoints", [])) == {msg}
}

test_accepts_monitor_selector if and_manifest(fixtures.with_field(fixtures.monitor, "spec/selector", {})) == set()

test_refuses_monitor_port if {
	msg := "PodMonitor/cocoon must read /metrics of Deployment/cocoon at the port 8081, by its name"
	and_manifest(fixtures.with_field(fixtures.monitor, "spec/podMetricsEndpoints/0/port", "http")) == {msg}
	and_manifest(fixtures.with_field(fixtures.monitor, "spec/podMetricsEndpoints/0/path", "/")) == {msg}
	and_manifest(fixtures.without_field(fixtures.monitor, "spec/podMetricsEndpoints/0/port")) == {msg}
}

test_accepts_monitor_port if {
	and_manifest(fixtures.with_field(fixtures.monitor, "spec/podMetricsEndpoints/0/path", "/metrics")) == set()
}

# The service with a token and no admin address, and its PodMonitor.
with_token(endpoint) := denied(array.concat(
	fixtures.replaced(fixtures.all_of_service, json.patch(fixtures.deployment, [
		{
			"op": "replace",
			"path": fixtures.pointer("container/env/0"),
			"value": {"name": "COCOON_TOKEN_FILE", "value": "/run/secrets/token"},
		},
		{"op": "replace", "path": fixtures.pointer("container/livenessProbe/httpGet/port"), "value": "http"},
		{"op": "replace", "path": fixtures.pointer("container/readinessProbe/httpGet/port"), "value": "http"},
	])),
	[fixtures.with_field(fixtures.monitor, "spec/podMetricsEndpoints", [endpoint])],
))

test_refuses_monitor_token if {
	with_token({"port": "http"}) ==
		{"PodMonitor/cocoon must set authorization: the metrics of Deployment/cocoon ask for a token"}
}

test_accepts_monitor_token if {
	with_token({"port": "http", "authorization": {"credentials": {"name": "x", "key": "token"}}}) == set()
}
