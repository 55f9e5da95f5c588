# What the house asks of every pod beyond the Pod Security Standard.
package main

import rego.v1

deny contains msg if {
	some container in containers
	object.get(container.spec, ["securityContext", "readOnlyRootFilesystem"], false) != true
	msg := sprintf("%s must set readOnlyRootFilesystem: true", [container.name])
}

# A tag or a digest; what stands before the last slash may be a registry's port.
pinned(image) if regex.match(`@sha256:[0-9a-f]{64}$`, image)

pinned(image) if {
	regex.match(`:[A-Za-z0-9_][A-Za-z0-9_.-]*$`, image)
	not endswith(image, ":latest")
}

deny contains msg if {
	some container in containers
	not pinned(container.spec.image)
	msg := sprintf("%s must pin its image by a version or a digest, unlike %s", [container.name, container.spec.image])
}

deny contains msg if {
	some container in containers
	container.list != "ephemeralContainers"
	some key in ["requests", "limits"]
	some resource in ["cpu", "memory"]
	object.get(container.spec, ["resources", key, resource], null) == null
	msg := sprintf("%s must set resources.%s.%s", [container.name, key, resource])
}

# Memory cannot be taken back from who has it.
deny contains msg if {
	some container in containers
	request := units.parse_bytes(container.spec.resources.requests.memory)
	limit := units.parse_bytes(container.spec.resources.limits.memory)
	request != limit
	msg := sprintf("%s must request as much memory as it may take", [container.name])
}

deny contains msg if {
	some pod in pods
	object.get(pod.spec, "automountServiceAccountToken", true)
	msg := sprintf("%s must set automountServiceAccountToken: false", [pod.name])
}

deny contains msg if {
	some account in of_kind("ServiceAccount")
	object.get(account, "automountServiceAccountToken", true)
	msg := sprintf("%s must set automountServiceAccountToken: false", [name_of(account)])
}

deny contains msg if {
	some pod in pods
	some volume in object.get(pod.spec, "volumes", [])
	some source in object.get(volume, ["projected", "sources"], [])
	source.serviceAccountToken
	msg := sprintf("%s must not mount a token by the volume %s", [pod.name, volume.name])
}

# --- what runs for ever -------------------------------------------------------

served contains container if {
	some container in containers
	container.list == "containers"
	container.pod.kind in services
}

deny contains msg if {
	some container in served
	some probe in ["livenessProbe", "readinessProbe"]
	not container.spec[probe]
	msg := sprintf("%s must set a %s", [container.name, probe])
}

deny contains msg if {
	some container in served
	some probe in ["livenessProbe", "readinessProbe", "startupProbe"]
	port := container.spec[probe].httpGet.port
	names := {known.name | some known in object.get(container.spec, "ports", [])}
	not port in names
	msg := sprintf("%s: the %s must name one of its ports, unlike %v", [container.name, probe, port])
}

deny contains msg if {
	some pod in pods
	pod.kind in {"Deployment", "StatefulSet"}
	count(object.get(pod.spec, "topologySpreadConstraints", [])) == 0
	msg := sprintf("%s must set topologySpreadConstraints", [pod.name])
}

# A constraint that counts no pod of its own spreads nothing.
deny contains msg if {
	some pod in pods
	some constraint in object.get(pod.spec, "topologySpreadConstraints", [])
	not selects(constraint.labelSelector.matchLabels, pod)
	msg := sprintf("%s: the spread over %s must select its own pods", [pod.name, constraint.topologyKey])
}

# --- its end ------------------------------------------------------------------

drained contains container if {
	some container in served
	"serve" in object.get(container.spec, "args", [])
}

# A rule of its own: `not seconds(variable(…))` would be undefined without the variable.
is_time(container, name) if seconds(variable(container, name))

deny contains msg if {
	some container in drained
	some name in ["COCOON_DRAIN_DELAY", "COCOON_DRAIN_TIMEOUT", "COCOON_DEADLINE"]
	not is_time(container, name)
	msg := sprintf("%s must set %s, such as 30s, so that it can be compared", [container.name, name])
}

deny contains msg if {
	some container in drained
	grace := object.get(container.pod.spec, "terminationGracePeriodSeconds", 30)
	delay := seconds(variable(container, "COCOON_DRAIN_DELAY"))
	timeout := seconds(variable(container, "COCOON_DRAIN_TIMEOUT"))
	grace <= delay + timeout
	msg := sprintf(
		"%s is killed while it drains: terminationGracePeriodSeconds (%d) must be more than delay and timeout (%d)",
		[container.name, grace, delay + timeout],
	)
}

deny contains msg if {
	some container in drained
	deadline := seconds(variable(container, "COCOON_DEADLINE"))
	timeout := seconds(variable(container, "COCOON_DRAIN_TIMEOUT"))
	timeout < deadline
	msg := sprintf(
		"%s gives jobs up that it took: COCOON_DRAIN_TIMEOUT (%d s) must not be less than COCOON_DEADLINE (%d s)",
		[container.name, timeout, deadline],
	)
}
