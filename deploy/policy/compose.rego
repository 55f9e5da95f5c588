# METADATA
# title: Compose files
# description: |
#   Services have the same restrictions as the pods of the manifests, and only this machine
#   can reach them.
#
#     cd deploy && conftest test --namespace compose compose/compose.yaml
#
#   The package `main` also applies these rules to Compose files.
package compose

import data.documents
import rego.v1

services contains service if {
	some file in documents.compose_files
	some name, spec in documents.field(file, ["services"], {})
	service := {"name": sprintf("service %s", [name]), "spec": spec}
}

# METADATA
# title: Other documents
# custom:
#   id: compose_other
warn contains msg if {
	some document in documents.all
	not document in documents.compose_files
	msg := "a document was not checked: expected a Compose file, with services"
}

# METADATA
# title: Services of other files
# custom:
#   id: compose_include
deny contains msg if {
	some file in documents.compose_files
	documents.field(file, ["include"], null) != null
	msg := "include brings services that are not checked: write them here, or check `docker compose config`"
}

# METADATA
# title: Settings of other files
# custom:
#   id: compose_extends
deny contains msg if {
	some service in services
	documents.field(service.spec, ["extends"], null) != null
	msg := sprintf("%s must not have extends, which brings settings that are not checked", [service.name])
}

# METADATA
# title: Versions of images
# description: The default tag is latest.
# custom:
#   id: compose_image
deny contains msg if {
	some service in services
	image := documents.field(service.spec, ["image"], "")
	not documents.pinned(image)
	msg := sprintf("%s must pin its image by a version or a digest, got %q", [service.name, image])
}

# METADATA
# title: Privileged services
# custom:
#   id: compose_privileged
deny contains msg if {
	some service in services
	documents.field(service.spec, ["privileged"], false)
	msg := sprintf("%s must not be privileged", [service.name])
}

# METADATA
# title: The user root
# custom:
#   id: compose_user
deny contains msg if {
	some service in services
	user := sprintf("%v", [documents.field(service.spec, ["user"], "")])
	regex.match(`^(0|root)(:|$)|:(0|root)$`, user)
	msg := sprintf("%s must not run as root: user is %s", [service.name, user])
}

# METADATA
# title: Capabilities of the container runtime
# custom:
#   id: compose_cap_drop
deny contains msg if {
	some service in services
	not "ALL" in documents.field(service.spec, ["cap_drop"], [])
	msg := sprintf("%s must set cap_drop: [ALL]", [service.name])
}

# METADATA
# title: Added capabilities
# custom:
#   id: compose_cap_add
deny contains msg if {
	some service in services
	some capability in documents.field(service.spec, ["cap_add"], [])
	capability != "NET_BIND_SERVICE"
	msg := sprintf("%s must not add the capability %v", [service.name, capability])
}

# METADATA
# title: More privileges than the parent process
# custom:
#   id: compose_new_privileges
deny contains msg if {
	some service in services
	options := {option | some option in documents.field(service.spec, ["security_opt"], [])}
	count(options & {"no-new-privileges", "no-new-privileges:true", "no-new-privileges=true"}) == 0
	msg := sprintf("%s must set security_opt: [no-new-privileges:true]", [service.name])
}

# METADATA
# title: Disabled confinement
# custom:
#   id: compose_unconfined
deny contains msg if {
	some service in services
	some option in documents.field(service.spec, ["security_opt"], [])
	regex.match(`(unconfined|disable|no-new-privileges[:=]false)$`, option)
	msg := sprintf("%s must not set security_opt %s", [service.name, option])
}

# METADATA
# title: Namespaces of the host
# custom:
#   id: compose_host_namespaces
deny contains msg if {
	some service in services
	some key in ["cgroup", "ipc", "network_mode", "pid", "userns_mode", "uts"]
	documents.field(service.spec, [key], "") == "host"
	msg := sprintf("%s shares the machine's namespaces: %s must not be host", [service.name, key])
}

# METADATA
# title: Devices of the host
# custom:
#   id: compose_devices
deny contains msg if {
	some service in services
	some key in ["devices", "device_cgroup_rules"]
	count(documents.field(service.spec, [key], [])) > 0
	msg := sprintf("%s must not set %s", [service.name, key])
}

# METADATA
# title: Ports that other machines can reach
# description: Without an address, a port is published at all addresses.
# custom:
#   id: compose_ports
deny contains msg if {
	some service in services
	some port in documents.field(service.spec, ["ports"], [])
	not of_this_machine(port)
	msg := sprintf("%s must publish a port at 127.0.0.1, got %v", [service.name, port])
}

of_this_machine(port) if {
	is_string(port)
	regex.match(`^(127\.0\.0\.1|\[::1\]):`, port)
}

of_this_machine(port) if port.host_ip in {"127.0.0.1", "::1"}

# --- volumes ------------------------------------------------------------------

mounts contains mount if {
	some service in services
	some volume in documents.field(service.spec, ["volumes"], [])
	is_string(volume)
	parts := split(volume, ":")
	count(parts) > 1
	mount := {
		"service": service,
		"source": parts[0],
		"read_only": "ro" in split(concat(":", array.slice(parts, 2, count(parts))), ","),
	}
}

mounts contains mount if {
	some service in services
	some volume in documents.field(service.spec, ["volumes"], [])
	is_object(volume)
	mount := {
		"service": service,
		"source": documents.field(volume, ["source"], ""),
		"read_only": documents.field(volume, ["read_only"], false),
	}
}

# A source that is not a path is a named volume.
is_path(source) if regex.match(`^[./~$]`, source)

# METADATA
# title: Writable folders of the host
# custom:
#   id: compose_mounts
deny contains msg if {
	some mount in mounts
	is_path(mount.source)
	not mount.read_only
	msg := sprintf("%s must mount %s read-only", [mount.service.name, mount.source])
}

# METADATA
# title: Folders of the host with secrets
# description: The engine's socket, or the whole disk, gives the rights of root.
# custom:
#   id: compose_machine
deny contains msg if {
	some mount in mounts
	regex.match(`^/$|^/(dev|etc|proc|root|sys|var|run)(/|$)|\.sock$`, mount.source)
	msg := sprintf("%s must not mount %s of the machine", [mount.service.name, mount.source])
}

# --- limits -------------------------------------------------------------------

# METADATA
# title: Memory
# description: Without a limit, a service can use all memory of the host.
# custom:
#   id: compose_memory
deny contains msg if {
	some service in services
	documents.field(service.spec, ["mem_limit"], null) == null
	documents.field(service.spec, ["deploy", "resources", "limits", "memory"], null) == null
	msg := sprintf("%s must set mem_limit", [service.name])
}

serving contains service if {
	some service in services
	"serve" in words(service)
}

# The services that drain before they end.
draining contains service if {
	some service in services
	count({"serve", "worker"} & {word | some word in words(service)}) > 0
}

words(service) := array.concat(
	words_of(documents.field(service.spec, ["entrypoint"], [])),
	words_of(documents.field(service.spec, ["command"], [])),
)

words_of(command) := command if is_array(command)

words_of(command) := regex.split(`\s+`, command) if is_string(command)

# An environment is a map or a list of NAME=VALUE.
variable(service, name, default_value) := sprintf("%v", [value]) if {
	environment := service.spec.environment
	is_object(environment)
	value := documents.field(environment, [name], default_value)
} else := value if {
	environment := service.spec.environment
	is_array(environment)
	prefix := sprintf("%s=", [name])
	found := [trim_prefix(entry, prefix) | some entry in environment; startswith(entry, prefix)]
	value := found[count(found) - 1]
} else := default_value

# METADATA
# title: Writable image of the service
# custom:
#   id: compose_read_only
deny contains msg if {
	some service in draining
	documents.field(service.spec, ["read_only"], false) != true
	msg := sprintf("%s must set read_only: true", [service.name])
}

# METADATA
# title: Published ports on which the service does not listen
# custom:
#   id: compose_listen
deny contains msg if {
	some service in serving
	address := variable(service, "COCOON_LISTEN", "0.0.0.0:8080")
	number := regex.replace(address, `^.*:`, "")
	targets := {target | some port in documents.field(service.spec, ["ports"], []); target := target_of(port)}
	not number in targets
	msg := sprintf("%s listens at %s, but publishes %s", [service.name, address, concat(", ", sort(targets))])
}

target_of(port) := regex.replace(regex.replace(port, `/tcp$`, ""), `^.*:`, "") if is_string(port)

target_of(port) := sprintf("%v", [port.target]) if is_object(port)

# METADATA
# title: Shutdown of the service
# description: An absent stop_grace_period means 10 s, an absent drain timeout 30 s.
# custom:
#   id: compose_grace
deny contains msg if {
	some service in draining
	grace := documents.seconds(sprintf("%v", [documents.field(service.spec, ["stop_grace_period"], "10s")]))
	delay := documents.seconds(variable(service, "COCOON_DRAIN_DELAY", "0s"))
	timeout := documents.seconds(variable(service, "COCOON_DRAIN_TIMEOUT", "30s"))
	grace <= delay + timeout
	msg := sprintf(
		"%s is killed while it drains: stop_grace_period (%v s) must be more than delay and timeout (%v s)",
		[service.name, grace, delay + timeout],
	)
}
