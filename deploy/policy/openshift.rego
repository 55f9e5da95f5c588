# OpenShift: routes, and pods that name the constraint `restricted-v2`.
package main

import data.documents
import rego.v1

constraint := "openshift.io/required-scc"

on_openshift(pod) if constraint in object.keys(pod.annotations)

timeout_annotation := "haproxy.router.openshift.io/timeout"

routes := of_kind("Route.route.openshift.io")

route_timeout(route) := documents.seconds(documents.field(route, ["metadata", "annotations", timeout_annotation], ""))

has_timeout(route) if is_number(route_timeout(route))

# METADATA
# title: Timeout of the router
# custom:
#   id: route_timeout
deny contains msg if {
	some route in routes
	not has_timeout(route)
	msg := sprintf("%s must set %s, such as 40s", [name_of(route), timeout_annotation])
}

# METADATA
# title: Timeouts of the router and of the service
# custom:
#   id: route_deadline
deny contains msg if {
	some route in routes
	some container in serving
	deadline := container.seconds.deadline
	route_timeout(route) < deadline
	msg := sprintf(
		"%s ends before the service does: its timeout (%v s) must not be less than deadline (%v s)",
		[name_of(route), route_timeout(route), deadline],
	)
}

# METADATA
# title: Routes without TLS
# custom:
#   id: route_tls
deny contains msg if {
	some route in routes
	documents.field(route, ["spec", "tls", "termination"], null) == null
	msg := sprintf("%s must set tls.termination", [name_of(route)])
}

# METADATA
# title: Routes with and without TLS
# description: The default policy is None, which closes port 80.
# custom:
#   id: route_insecure
deny contains msg if {
	some route in routes
	documents.field(route, ["spec", "tls", "insecureEdgeTerminationPolicy"], "None") == "Allow"
	msg := sprintf("%s must not answer without TLS", [name_of(route)])
}

# METADATA
# title: The constraint of pods behind a Route
# custom:
#   id: required_scc
deny contains msg if {
	count(routes) > 0
	some pod in pods
	documents.field(pod.annotations, [constraint], "") != "restricted-v2"
	msg := sprintf("%s must set the annotation %s: restricted-v2", [pod.name, constraint])
}

# METADATA
# title: Users, groups and labels that OpenShift sets by namespace
# custom:
#   id: assigned_ids
deny contains msg if {
	some context in contexts
	on_openshift(context.pod)
	some key in ["runAsUser", "runAsGroup", "fsGroup", "supplementalGroups", "seLinuxOptions"]
	documents.field(context.spec, [key], null) != null
	msg := sprintf("%s must not set %s, which OpenShift sets", [context.name, key])
}
