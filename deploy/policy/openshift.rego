# What a Route needs, and the constraint `restricted-v2` under which pods run
# where there are Routes.
package main

import rego.v1

timeout_annotation := "haproxy.router.openshift.io/timeout"

deny contains msg if {
	some route in of_kind("Route")
	not seconds(object.get(route.metadata, ["annotations", timeout_annotation], ""))
	msg := sprintf("%s must set %s, such as 40s", [name_of(route), timeout_annotation])
}

deny contains msg if {
	some route in of_kind("Route")
	timeout := seconds(route.metadata.annotations[timeout_annotation])
	some container in drained
	deadline := seconds(variable(container, "COCOON_DEADLINE"))
	timeout < deadline
	msg := sprintf(
		"%s gives up before the service: its timeout (%d s) must not be less than COCOON_DEADLINE (%d s)",
		[name_of(route), timeout, deadline],
	)
}

deny contains msg if {
	some route in of_kind("Route")
	object.get(route.spec, ["tls", "insecureEdgeTerminationPolicy"], "None") == "Allow"
	msg := sprintf("%s must not answer without TLS", [name_of(route)])
}

deny contains msg if {
	some route in of_kind("Route")
	not route.spec.tls.termination
	msg := sprintf("%s must set tls.termination", [name_of(route)])
}

deny contains msg if {
	together
	some route in of_kind("Route")
	not routed(route)
	msg := sprintf("%s must name a Service of these, and one of its ports by name", [name_of(route)])
}

routed(route) if {
	some service in of_kind("Service")
	service.metadata.name == route.spec.to.name
	some port in service.spec.ports
	port.name == route.spec.port.targetPort
}

# The constraint gives users, groups and labels of SELinux by namespace.
deny contains msg if {
	count(of_kind("Route")) > 0
	some context in contexts
	some key in ["runAsUser", "runAsGroup", "fsGroup", "supplementalGroups", "seLinuxOptions"]
	key in object.keys(context.spec)
	msg := sprintf("%s must not set %s, which OpenShift sets", [context.name, key])
}
