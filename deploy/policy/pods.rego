# Pods: the pods and containers of all covered kinds, and the settings in a container's
# command line, variables and ConfigMaps. An absent field has its default.
package main

import data.documents
import rego.v1

pods contains pod if {
	some manifest in documents.manifests
	template := documents.field(manifest, templates[kind_of(manifest)], {})
	pod := {
		"name": name_of(manifest),
		"kind": kind_of(manifest),
		"namespace": namespace_of(manifest),
		"labels": documents.field(template, ["metadata", "labels"], {}),
		"annotations": documents.field(template, ["metadata", "annotations"], {}),
		"spec": documents.field(template, ["spec"], {}),
		"claims": documents.field(manifest, ["spec", "volumeClaimTemplates"], []),
	}
}

containers contains container if {
	some pod in pods
	some list in container_lists
	some index, spec in documents.field(pod.spec, [list], [])
	position := sprintf("%s[%v]", [list, index])
	container := {
		"name": sprintf("%s, container %v", [pod.name, documents.field(spec, ["name"], position)]),
		"list": list,
		"pod": pod,
		"spec": spec,
	}
}

# Without a namespace, a manifest has kubectl's current one.
namespace_of(manifest) := documents.field(manifest, ["metadata", "namespace"], "")

# Returns a setting of a container's security context, or else of its pod's.
setting(container, key) := documents.field(
	container.spec,
	["securityContext", key],
	documents.field(container.pod.spec, ["securityContext", key], null),
)

# Containers that run forever. The default restart policy is Always.
lasting contains container if {
	some container in containers
	container.list == "containers"
	documents.field(container.pod.spec, ["restartPolicy"], "Always") == "Always"
}

# True if a pod has data of its own, as that of a StatefulSet with claims. Another pod would not
# have them, so one pod is not a mistake.
has_data(pod) if count(pod.claims) > 0

# --- Cocoon's settings --------------------------------------------------------

# The flags that rules check, with the defaults of `cocoon serve` in the image.
defaults := {
	"admin-listen": null,
	"deadline": "30s",
	"drain-delay": "0s",
	"drain-timeout": "30s",
	"listen": "0.0.0.0:8080",
	"token-file": null,
}

# The containers that run `cocoon serve`, with their settings, addresses and times.
serving contains object.union(container, {"settings": settings, "addresses": addresses, "seconds": times}) if {
	some container in containers
	words := array.concat(
		documents.field(container.spec, ["command"], []),
		documents.field(container.spec, ["args"], []),
	)
	"serve" in words
	settings := {name: option(container, words, name, value) | some name, value in defaults}
	addresses := {name: address(settings[name]) | some name in ["admin-listen", "listen"]}
	times := {name: documents.seconds(settings[name]) | some name in ["deadline", "drain-delay", "drain-timeout"]}
}

# Flags override variables, and variables override the default.
option(container, words, name, default_value) := value if {
	flag := sprintf("--%s", [name])
	found := [value | some index, word in words; value := flag_value(words, flag, index, word)]
	value := found[count(found) - 1]
} else := value if {
	found := variables(container, sprintf("COCOON_%s", [upper(replace(name, "-", "_"))]))
	value := found[count(found) - 1]
} else := default_value

flag_value(words, flag, index, word) := words[index + 1] if word == flag

flag_value(_, flag, _, word) := trim_prefix(word, prefix) if {
	prefix := sprintf("%s=", [flag])
	startswith(word, prefix)
}

# The host of an address, and its port as a number.
address(text) := {"host": parts[1], "port": to_number(parts[2])} if {
	is_string(text)
	[parts] := regex.find_all_string_submatch_n(`^(.*):([0-9]{1,5})$`, text, 1)
}

# The values of a variable, in order. The last one applies; `envFrom` comes first.
variables(container, name) := array.concat(
	[value |
		some source in documents.field(container.spec, ["envFrom"], [])
		map := config_map(container.pod, source.configMapRef.name)
		prefix := documents.field(source, ["prefix"], "")
		some key, value in documents.field(map, ["data"], {})
		concat("", [prefix, key]) == name
	],
	[value |
		some entry in documents.field(container.spec, ["env"], [])
		entry.name == name
		value := variable_value(container, entry)
	],
)

variable_value(container, entry) := value if {
	reference := entry.valueFrom.configMapKeyRef
	value := config_map(container.pod, reference.name).data[reference.key]
} else := "unknown" if {
	documents.field(entry, ["valueFrom"], null) != null
} else := documents.field(entry, ["value"], "")

config_map(pod, name) := map if {
	some map in of_kind("ConfigMap")
	map.metadata.name == name
	namespace_of(map) == pod.namespace
}

# --- ports --------------------------------------------------------------------

# The number of a container's TCP port, by its number or by its name.
port_number(container, port) := known.containerPort if {
	some known in documents.field(container.spec, ["ports"], [])
	documents.field(known, ["protocol"], "TCP") == "TCP"
	port in {known.containerPort, documents.field(known, ["name"], null)}
}

# The port of a service container that serves health and metrics.
health_port(container) := container.addresses["admin-listen"].port if {
	container.settings["admin-listen"] != null
} else := container.addresses.listen.port

# --- selectors ----------------------------------------------------------------

# True if a LabelSelector selects a pod. An empty one selects every pod.
selects(selector, pod) if {
	is_object(selector)
	every key, value in documents.field(selector, ["matchLabels"], {}) {
		pod.labels[key] == value
	}
	every expression in documents.field(selector, ["matchExpressions"], []) {
		matches(expression, pod.labels)
	}
}

matches(expression, labels) if {
	expression.operator == "In"
	labels[expression.key] in expression.values
}

matches(expression, labels) if {
	expression.operator == "NotIn"
	not has_value(expression, labels)
}

matches(expression, labels) if {
	expression.operator == "Exists"
	expression.key in object.keys(labels)
}

matches(expression, labels) if {
	expression.operator == "DoesNotExist"
	not expression.key in object.keys(labels)
}

has_value(expression, labels) if labels[expression.key] in expression.values

# True if the label map of a Service or ReplicationController selects a pod. An empty one
# selects no pod.
selects_labels(map, pod) if {
	count(map) > 0
	selects({"matchLabels": map}, pod)
}
