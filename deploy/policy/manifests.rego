# What the rules have in common: manifests, the pods in them, and their
# containers.
#
#   cd deploy
#   kubectl kustomize base | conftest test --combine -
#
# With `--combine` all manifests are judged together, and what one says of another
# too. Without, each is judged alone.
package main

import rego.v1

manifests contains input if is_object(input)

manifests contains document.contents if {
	is_array(input)
	some document in input
}

of_kind(kind) := [manifest | some manifest in manifests; manifest.kind == kind]

name_of(manifest) := sprintf("%s/%s", [manifest.kind, object.get(manifest.metadata, "name", "?")])

templates := {"DaemonSet", "Deployment", "Job", "ReplicaSet", "StatefulSet"}

# The kinds whose pods are to run for ever.
services := {"DaemonSet", "Deployment", "StatefulSet"}

pods contains pod if {
	some manifest in manifests
	manifest.kind in templates
	template := manifest.spec.template
	pod := {
		"name": name_of(manifest),
		"kind": manifest.kind,
		"labels": object.get(template, ["metadata", "labels"], {}),
		"spec": template.spec,
	}
}

pods contains pod if {
	some manifest in of_kind("CronJob")
	template := manifest.spec.jobTemplate.spec.template
	pod := {
		"name": name_of(manifest),
		"kind": "Job",
		"labels": object.get(template, ["metadata", "labels"], {}),
		"spec": template.spec,
	}
}

pods contains pod if {
	some manifest in of_kind("Pod")
	pod := {
		"name": name_of(manifest),
		"kind": "Pod",
		"labels": object.get(manifest.metadata, "labels", {}),
		"spec": manifest.spec,
	}
}

containers contains container if {
	some pod in pods
	some list in ["containers", "initContainers", "ephemeralContainers"]
	some spec in object.get(pod.spec, list, [])
	container := {
		"name": sprintf("%s, container %s", [pod.name, spec.name]),
		"list": list,
		"pod": pod,
		"spec": spec,
	}
}

# What holds for a container: its own setting, or else its pod's.
setting(container, path) := object.get(
	container.spec,
	array.concat(["securityContext"], path),
	object.get(container.pod.spec, array.concat(["securityContext"], path), null),
)

# The value of a variable, where the manifest itself has it.
variable(container, name) := entry.value if {
	some entry in object.get(container.spec, "env", [])
	entry.name == name
}

# A time as Cocoon and HAProxy write it, in seconds.
seconds(text) := to_number(number) * unit if {
	some suffix, unit in {"s": 1, "m": 60, "h": 3600}
	number := trim_suffix(text, suffix)
	regex.match(`^[0-9]+$`, number)
	number != text
}

# Whether a pod has all of the labels of a selector, which must have some.
selects(selector, pod) if {
	count(selector) > 0
	every key, value in selector {
		pod.labels[key] == value
	}
}
