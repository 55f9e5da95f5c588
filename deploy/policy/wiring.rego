# Wiring: references from one manifest to another. Most rules need all manifests together
# (`--combine`), and do not apply to a single manifest.
package main

import data.documents
import rego.v1

services := of_kind("Service")

service_selects(service, pod) if {
	namespace_of(service) == pod.namespace
	selects_labels(documents.field(service, ["spec", "selector"], {}), pod)
}

# METADATA
# title: Services without pods
# custom:
#   id: service_selector
deny contains msg if {
	documents.combined
	some service in services
	count([pod | some pod in pods; service_selects(service, pod)]) == 0
	msg := sprintf("%s selects no pod of these", [name_of(service)])
}

# METADATA
# title: Ports of a Service
# custom:
#   id: service_ports
deny contains msg if {
	some service in services
	some pod in pods
	service_selects(service, pod)
	some port in documents.field(service, ["spec", "ports"], [])
	not port_of(pod, port)
	msg := sprintf("%s: the port %v must have the name of a port of %s, and target it by that name", [
		name_of(service),
		documents.field(port, ["name"], "?"),
		pod.name,
	])
}

port_of(pod, port) if {
	some container in containers
	container.pod.name == pod.name
	some known in documents.field(container.spec, ["ports"], [])
	known.name == port.name
	known.name == port.targetPort
	documents.field(known, ["protocol"], "TCP") == documents.field(port, ["protocol"], "TCP")
}

# METADATA
# title: Services of jobs
# custom:
#   id: service_of_job
deny contains msg if {
	some service in services
	some pod in pods
	pod.kind in {"CronJob.batch", "Job.batch"}
	service_selects(service, pod)
	msg := sprintf("%s must not select the pods of %s", [name_of(service), pod.name])
}

# METADATA
# title: Accounts of pods
# custom:
#   id: service_account
deny contains msg if {
	documents.combined
	some pod in pods
	account := documents.field(pod.spec, ["serviceAccountName"], "default")
	account != "default"
	known := {found.metadata.name | some found in of_kind("ServiceAccount"); namespace_of(found) == pod.namespace}
	not account in known
	msg := sprintf("%s: the ServiceAccount %v is not among these", [pod.name, account])
}

# METADATA
# title: ConfigMaps of pods
# custom:
#   id: config_map
deny contains msg if {
	documents.combined
	some container in containers
	some source in documents.field(container.spec, ["envFrom"], [])
	reference := source.configMapRef
	documents.field(reference, ["optional"], false) == false
	name := documents.field(reference, ["name"], "?")
	not config_map(container.pod, name)
	msg := sprintf("%s: the ConfigMap %v is not among these", [container.name, name])
}

# --- routes -------------------------------------------------------------------

# The target of each route: a Service and its port, by name or number.
backends contains {"route": route, "service": service.name, "port": port} if {
	some route in of_kind("Ingress.networking.k8s.io")
	walk(route.spec, [_, value])
	service := value.service
	some port in documents.field(service, ["port"], {"name": "?"})
}

backends contains {"route": route, "service": backend.name, "port": documents.field(backend, ["port"], "?")} if {
	some route in of_kind("HTTPRoute.gateway.networking.k8s.io")
	some rule in documents.field(route, ["spec", "rules"], [])
	some backend in documents.field(rule, ["backendRefs"], [])
}

backends contains {"route": route, "service": documents.field(route, ["spec", "to", "name"], "?"), "port": port} if {
	some route in of_kind("Route.route.openshift.io")
	port := documents.field(route, ["spec", "port", "targetPort"], "?")
}

# METADATA
# title: Routes to nothing
# custom:
#   id: backends
deny contains msg if {
	documents.combined
	some backend in backends
	not has_backend(backend)
	msg := sprintf("%s leads to the port %v of Service/%v, which is not in the input", [
		name_of(backend.route),
		backend.port,
		backend.service,
	])
}

has_backend(backend) if {
	some service in services
	service.metadata.name == backend.service
	namespace_of(service) == namespace_of(backend.route)
	some port in service.spec.ports
	backend.port in {documents.field(port, ["name"], null), port.port}
}

# METADATA
# title: Ingresses without TLS
# description: Each host must be listed in `tls`.
# custom:
#   id: ingress_tls
deny contains msg if {
	some ingress in of_kind("Ingress.networking.k8s.io")
	secured := {host |
		some tls in documents.field(ingress, ["spec", "tls"], [])
		some host in documents.field(tls, ["hosts"], [])
	}
	some rule in documents.field(ingress, ["spec", "rules"], [{}])
	host := documents.field(rule, ["host"], "*")
	not host in secured
	msg := sprintf("%s must answer by TLS: name the host %v in tls", [name_of(ingress), host])
}

# --- monitoring ---------------------------------------------------------------

endpoints contains {"monitor": monitor, "endpoint": endpoint, "pod": pod} if {
	some monitor in of_kind("PodMonitor.monitoring.coreos.com")
	some pod in pods
	namespace_of(monitor) == pod.namespace
	selects(documents.field(monitor, ["spec", "selector"], {}), pod)
	some endpoint in documents.field(monitor, ["spec", "podMetricsEndpoints"], [])
}

# METADATA
# title: Monitors of nothing
# custom:
#   id: monitor_selector
deny contains msg if {
	documents.combined
	some monitor in of_kind("PodMonitor.monitoring.coreos.com")
	count([entry | some entry in endpoints; entry.monitor == monitor]) == 0
	msg := sprintf("%s has no endpoint of pods of these", [name_of(monitor)])
}

# METADATA
# title: Ports and paths of metrics
# description: The default path is /metrics.
# custom:
#   id: monitor_port
deny contains msg if {
	some entry in endpoints
	some container in serving
	container.pod.name == entry.pod.name
	not reads_metrics(entry.endpoint, container)
	msg := sprintf("%s must read /metrics of %s at the port %v, by its name", [
		name_of(entry.monitor),
		entry.pod.name,
		health_port(container),
	])
}

reads_metrics(endpoint, container) if {
	documents.field(endpoint, ["path"], "/metrics") == "/metrics"
	port_number(container, endpoint.port) == health_port(container)
}

# METADATA
# title: Metrics that ask for a token
# custom:
#   id: monitor_token
deny contains msg if {
	some entry in endpoints
	some container in serving
	container.pod.name == entry.pod.name
	container.settings["admin-listen"] == null
	container.settings["token-file"] != null
	documents.field(entry.endpoint, ["authorization"], null) == null
	msg := sprintf("%s must set authorization: the metrics of %s ask for a token", [
		name_of(entry.monitor),
		entry.pod.name,
	])
}
