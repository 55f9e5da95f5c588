# Workloads: requirements for every pod, in addition to the Pod Security Standard.
package main

import data.documents
import rego.v1

# METADATA
# title: Writable images
# custom:
#   id: read_only_root
deny contains msg if {
	some container in containers
	documents.field(container.spec, ["securityContext", "readOnlyRootFilesystem"], false) != true
	msg := sprintf("%s must set readOnlyRootFilesystem: true", [container.name])
}

# METADATA
# title: The group root
# description: |
#   Without a group, the container runtime may use 0. OpenShift assigns one itself.
# custom:
#   id: root_group
deny contains msg if {
	some container in containers
	not on_openshift(container.pod)
	documents.field({"group": setting(container, "runAsGroup")}, ["group"], 0) == 0
	msg := sprintf("%s may run with the group 0: set runAsGroup, or its pod", [container.name])
}

# METADATA
# title: Versions of images
# description: The default tag is latest.
# custom:
#   id: pinned_image
deny contains msg if {
	some container in containers
	image := documents.field(container.spec, ["image"], "")
	not documents.pinned(image)
	msg := sprintf("%s must pin its image by a version or a digest, got %q", [container.name, image])
}

# METADATA
# title: Requests and limits
# custom:
#   id: resources
deny contains msg if {
	some container in containers
	container.list != "ephemeralContainers"
	some key in ["requests", "limits"]
	some resource in ["cpu", "memory"]
	documents.field(container.spec, ["resources", key, resource], null) == null
	msg := sprintf("%s must set resources.%s.%s", [container.name, key, resource])
}

# METADATA
# title: Memory beyond the request
# description: A node cannot reclaim memory from a process.
# custom:
#   id: memory_request
deny contains msg if {
	some container in containers
	request := documents.field(container.spec, ["resources", "requests", "memory"], null)
	limit := documents.field(container.spec, ["resources", "limits", "memory"], null)
	request != null
	limit != null
	not same_bytes(request, limit)
	msg := sprintf("%s must request as much memory as its limit", [container.name])
}

same_bytes(a, b) if a == b

same_bytes(a, b) if bytes(a) == bytes(b)

bytes(amount) := units.parse_bytes(text) if {
	text := sprintf("%v", [amount])
	regex.match(`^[0-9.]+[A-Za-z]*$`, text)
}

# METADATA
# title: Tokens of pods
# description: The default is true.
# custom:
#   id: pod_token
deny contains msg if {
	some pod in pods
	documents.field(pod.spec, ["automountServiceAccountToken"], true)
	msg := sprintf("%s must set automountServiceAccountToken: false", [pod.name])
}

# METADATA
# title: Tokens of accounts
# description: The default is true.
# custom:
#   id: account_token
deny contains msg if {
	some account in of_kind("ServiceAccount")
	documents.field(account, ["automountServiceAccountToken"], true)
	msg := sprintf("%s must set automountServiceAccountToken: false", [name_of(account)])
}

# METADATA
# title: Tokens in volumes
# custom:
#   id: projected_token
deny contains msg if {
	some pod in pods
	some volume in documents.field(pod.spec, ["volumes"], [])
	some source in documents.field(volume, ["projected", "sources"], [])
	documents.field(source, ["serviceAccountToken"], null) != null
	msg := sprintf("%s must not mount a token by the volume %v", [pod.name, documents.field(volume, ["name"], "?")])
}

# METADATA
# title: Variables of Services
# description: |
#   A Service `cocoon` sets COCOON_PORT in each pod of its namespace. The default is true.
# custom:
#   id: service_links
deny contains msg if {
	some pod in pods
	documents.field(pod.spec, ["enableServiceLinks"], true)
	msg := sprintf("%s must set enableServiceLinks: false", [pod.name])
}

# METADATA
# title: Probes
# custom:
#   id: probes
deny contains msg if {
	some container in lasting
	some probe in ["livenessProbe", "readinessProbe"]
	documents.field(container.spec, [probe], null) == null
	msg := sprintf("%s must set a %s", [container.name, probe])
}

# METADATA
# title: Ports of probes
# custom:
#   id: probe_ports
deny contains msg if {
	some container in containers
	some probe in ["livenessProbe", "readinessProbe", "startupProbe"]
	some way in ["httpGet", "tcpSocket"]
	documents.field(container.spec, [probe, way], null) != null
	port := documents.field(container.spec, [probe, way, "port"], "")
	names := {known.name | some known in documents.field(container.spec, ["ports"], [])}
	not port in names
	msg := sprintf("%s: the %s must name one of its ports, unlike %v", [container.name, probe, port])
}

# METADATA
# title: Spread over nodes
# custom:
#   id: spread
deny contains msg if {
	some pod in pods
	pod.kind in {"Deployment.apps", "ReplicaSet.apps", "ReplicationController", "StatefulSet.apps"}
	not has_data(pod)
	count(documents.field(pod.spec, ["topologySpreadConstraints"], [])) == 0
	msg := sprintf("%s must set topologySpreadConstraints", [pod.name])
}

# METADATA
# title: Spread of other pods
# description: A constraint without a selector matches no pod and has no effect.
# custom:
#   id: spread_selector
deny contains msg if {
	some pod in pods
	some constraint in documents.field(pod.spec, ["topologySpreadConstraints"], [])
	not selects(documents.field(constraint, ["labelSelector"], null), pod)
	msg := sprintf("%s: the spread over %v must select its own pods", [
		pod.name,
		documents.field(constraint, ["topologyKey"], "?"),
	])
}
