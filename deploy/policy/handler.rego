# Handlers: components that `cocoon serve` loads from a registry, named in the command line or in
# the routes of a mounted ConfigMap.
package main

import data.documents
import rego.v1

# The ConfigMaps that a container mounts.
mounted_maps(container) := {map |
	some mount in documents.field(container.spec, ["volumeMounts"], [])
	some volume in documents.field(container.pod.spec, ["volumes"], [])
	volume.name == mount.name
	map := config_map(container.pod, volume.configMap.name)
}

references contains {"container": container, "reference": reference} if {
	some container in serving
	words := array.concat(
		documents.field(container.spec, ["command"], []),
		documents.field(container.spec, ["args"], []),
	)
	files := [text | some map in mounted_maps(container); some text in documents.field(map, ["data"], {})]
	some text in array.concat(words, files)
	some reference in regex.find_n(`oci://[^"'\s]+`, text, -1)
}

# The containers that serve such components.
hosting contains entry.container if some entry in references

# METADATA
# title: Versions of components
# description: A tag can change between the starts of two pods.
# custom:
#   id: component_digest
deny contains msg if {
	some entry in references
	not regex.match(`@sha256:[0-9a-f]{64}$`, entry.reference)
	msg := sprintf("%s must pin the component %s by its digest", [entry.container.name, entry.reference])
}

# METADATA
# title: Compilation before the first request
# description: A livenessProbe would end a container that compiles.
# custom:
#   id: handler_startup
deny contains msg if {
	some container in hosting
	documents.field(container.spec, ["startupProbe", "httpGet", "path"], "") != "/readyz"
	msg := sprintf("%s compiles components when it starts: expected a startupProbe of /readyz", [container.name])
}

# METADATA
# title: Volumes of compiled code
# description: |
#   All users can write to an emptyDir, and Cocoon refuses to load code from such a folder. A
#   subPath is a folder that an earlier container has created.
# custom:
#   id: code_cache
deny contains msg if {
	some container in hosting
	not keeps_code(container)
	msg := sprintf(
		"%s must keep compiled code: set COCOON_CODE_CACHE to a folder in a volumeMount with a subPath",
		[container.name],
	)
}

keeps_code(container) if {
	some folder in variables(container, "COCOON_CODE_CACHE")
	some mount in documents.field(container.spec, ["volumeMounts"], [])
	startswith(sprintf("%s/", [folder]), sprintf("%s/", [mount.mountPath]))
	documents.field(mount, ["subPath"], "") != ""
	documents.field(mount, ["readOnly"], false) == false
}

# METADATA
# title: ConfigMaps of volumes
# custom:
#   id: config_map_volume
deny contains msg if {
	documents.combined
	some pod in pods
	some volume in documents.field(pod.spec, ["volumes"], [])
	name := volume.configMap.name
	documents.field(volume, ["configMap", "optional"], false) == false
	not config_map(pod, name)
	msg := sprintf("%s: the ConfigMap %v of the volume %v is not among these", [pod.name, name, volume.name])
}
