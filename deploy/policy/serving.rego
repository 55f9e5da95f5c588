# The service: addresses, probes and timeouts of containers that run `cocoon serve`. Settings
# without a flag or variable have the program's default.
package main

import data.documents
import rego.v1

# METADATA
# title: Addresses of the service
# custom:
#   id: listen_address
deny contains msg if {
	some container in serving
	some name in ["admin-listen", "listen"]
	value := container.settings[name]
	value != null
	not container.addresses[name]
	msg := sprintf("%s: invalid %s %q: expected HOST:PORT", [container.name, name, value])
}

# METADATA
# title: Addresses that no other pod reaches
# custom:
#   id: loopback
deny contains msg if {
	some container in serving
	some name, address in container.addresses
	host := address.host
	regex.match(`^(127\..*|localhost|\[::1\])$`, host)
	msg := sprintf("%s: %s must not be the loopback address %s", [container.name, name, host])
}

# METADATA
# title: Addresses without a port of the container
# custom:
#   id: listen_port
deny contains msg if {
	some container in serving
	some name, address in container.addresses
	port := address.port
	not port_number(container, port)
	msg := sprintf("%s: %s has port %v: expected one of its TCP ports", [container.name, name, port])
}

health_paths := {
	"livenessProbe": {"/healthz"},
	"readinessProbe": {"/readyz"},
	"startupProbe": {"/healthz", "/readyz"},
}

# METADATA
# title: Paths of probes
# description: The default path is `/`, the default scheme HTTP.
# custom:
#   id: probe_path
deny contains msg if {
	some container in serving
	some probe, paths in health_paths
	documents.field(container.spec, [probe], null) != null
	not asks_for(container, probe, paths)
	msg := sprintf("%s: the %s must be an httpGet of %s by HTTP", [container.name, probe, concat(" or ", sort(paths))])
}

asks_for(container, probe, paths) if {
	asked := container.spec[probe].httpGet
	documents.field(asked, ["path"], "/") in paths
	documents.field(asked, ["scheme"], "HTTP") == "HTTP"
}

# METADATA
# title: Ports of probes of the service
# description: With an admin address, health is served only there.
# custom:
#   id: health_port
deny contains msg if {
	some container in serving
	some probe in object.keys(health_paths)
	given := container.spec[probe].httpGet.port
	port := port_number(container, given)
	port != health_port(container)
	msg := sprintf("%s: the %s probes port %v: expected port %v, which serves health", [
		container.name,
		probe,
		port,
		health_port(container),
	])
}

# --- shutdown -----------------------------------------------------------------

# METADATA
# title: Times of the service
# custom:
#   id: times
deny contains msg if {
	some container in serving
	some name in ["deadline", "drain-delay", "drain-timeout"]
	not name in object.keys(container.seconds)
	msg := sprintf("%s must set %s in whole s, m or h, such as 30s", [container.name, name])
}

# METADATA
# title: Requests from routers that still know the pod
# custom:
#   id: drain_delay
deny contains msg if {
	some container in serving
	container.seconds["drain-delay"] == 0
	msg := sprintf("%s must set a drain-delay: routers send requests until they know that the pod ends", [container.name])
}

# METADATA
# title: The end of a pod
# description: The default grace period is 30 s.
# custom:
#   id: grace_period
deny contains msg if {
	some container in serving
	grace := documents.field(container.pod.spec, ["terminationGracePeriodSeconds"], 30)
	time := container.seconds["drain-delay"] + container.seconds["drain-timeout"]
	grace <= time
	msg := sprintf(
		"%s is killed while it drains: terminationGracePeriodSeconds (%v) must be more than delay and timeout (%v)",
		[container.name, grace, time],
	)
}

# METADATA
# title: The end of jobs
# custom:
#   id: drain_timeout
deny contains msg if {
	some container in serving
	deadline := container.seconds.deadline
	timeout := container.seconds["drain-timeout"]
	timeout < deadline
	msg := sprintf(
		"%s cancels jobs that it admitted: drain-timeout (%v s) must not be less than deadline (%v s)",
		[container.name, timeout, deadline],
	)
}
