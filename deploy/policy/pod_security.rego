# Pod security: the Pod Security Standard `restricted`, which includes `baseline`.
# https://kubernetes.io/docs/concepts/security/pod-security-standards/
package main

import data.documents
import rego.v1

# METADATA
# title: The node's namespaces
# custom:
#   id: host_namespaces
deny contains msg if {
	some pod in pods
	some key in ["hostNetwork", "hostPID", "hostIPC"]
	documents.field(pod.spec, [key], false)
	msg := sprintf("%s shares the node's namespaces: %s must not be true", [pod.name, key])
}

volumes_allowed := {
	"configMap",
	"csi",
	"downwardAPI",
	"emptyDir",
	"ephemeral",
	"persistentVolumeClaim",
	"projected",
	"secret",
}

# METADATA
# title: Types of volumes
# custom:
#   id: volume_types
deny contains msg if {
	some pod in pods
	some volume in documents.field(pod.spec, ["volumes"], [])
	some type in object.keys(volume) - {"name"}
	not type in volumes_allowed
	msg := sprintf("%s: the volume %v must be one of %s, not %s", [
		pod.name,
		documents.field(volume, ["name"], "?"),
		concat(", ", sort(volumes_allowed)),
		type,
	])
}

sysctls_allowed := {
	"kernel.shm_rmid_forced",
	"net.ipv4.ip_local_port_range",
	"net.ipv4.ip_local_reserved_ports",
	"net.ipv4.ip_unprivileged_port_start",
	"net.ipv4.ping_group_range",
	"net.ipv4.tcp_fin_timeout",
	"net.ipv4.tcp_keepalive_intvl",
	"net.ipv4.tcp_keepalive_probes",
	"net.ipv4.tcp_keepalive_time",
	"net.ipv4.tcp_rmem",
	"net.ipv4.tcp_syncookies",
	"net.ipv4.tcp_wmem",
}

# METADATA
# title: Kernel parameters
# custom:
#   id: sysctls
deny contains msg if {
	some pod in pods
	some sysctl in documents.field(pod.spec, ["securityContext", "sysctls"], [])
	name := documents.field(sysctl, ["name"], "?")
	not name in sysctls_allowed
	msg := sprintf("%s: the sysctl %v is not safe", [pod.name, name])
}

# METADATA
# title: Users other than root
# custom:
#   id: run_as_non_root
deny contains msg if {
	some container in containers
	setting(container, "runAsNonRoot") != true
	msg := sprintf("%s must set runAsNonRoot: true, in the container or the pod", [container.name])
}

# METADATA
# title: The user root
# custom:
#   id: root_user
deny contains msg if {
	some container in containers
	setting(container, "runAsUser") == 0
	msg := sprintf("%s runs as root: runAsUser must not be 0", [container.name])
}

# METADATA
# title: Filters of system calls
# custom:
#   id: seccomp
deny contains msg if {
	some container in containers
	profile := setting(container, "seccompProfile")
	not documents.field(profile, ["type"], "Unconfined") in {"RuntimeDefault", "Localhost"}
	msg := sprintf("%s must set seccompProfile.type: RuntimeDefault, in the container or the pod", [container.name])
}

# METADATA
# title: Privileged containers
# custom:
#   id: privileged
deny contains msg if {
	some container in containers
	documents.field(container.spec, ["securityContext", "privileged"], false)
	msg := sprintf("%s must not be privileged", [container.name])
}

# METADATA
# title: More privileges than the parent process
# description: The default is true.
# custom:
#   id: privilege_escalation
deny contains msg if {
	some container in containers
	documents.field(container.spec, ["securityContext", "allowPrivilegeEscalation"], true)
	msg := sprintf("%s must set allowPrivilegeEscalation: false", [container.name])
}

# METADATA
# title: Capabilities of the container runtime
# custom:
#   id: drop_capabilities
deny contains msg if {
	some container in containers
	not "ALL" in documents.field(container.spec, ["securityContext", "capabilities", "drop"], [])
	msg := sprintf("%s must drop ALL capabilities", [container.name])
}

# METADATA
# title: Added capabilities
# custom:
#   id: add_capabilities
deny contains msg if {
	some container in containers
	some capability in documents.field(container.spec, ["securityContext", "capabilities", "add"], [])
	capability != "NET_BIND_SERVICE"
	msg := sprintf("%s must not add the capability %v", [container.name, capability])
}

# METADATA
# title: The view of /proc
# custom:
#   id: proc_mount
deny contains msg if {
	some container in containers
	documents.field(container.spec, ["securityContext", "procMount"], "Default") != "Default"
	msg := sprintf("%s must leave procMount at its default", [container.name])
}

# METADATA
# title: Ports of the node
# custom:
#   id: host_ports
deny contains msg if {
	some container in containers
	some port in documents.field(container.spec, ["ports"], [])
	host_port := documents.field(port, ["hostPort"], 0)
	host_port != 0
	msg := sprintf("%s must not use the node's port %v", [container.name, host_port])
}

# METADATA
# title: Hosts of probes
# description: With a host, the kubelet connects from the node to that host.
# custom:
#   id: probe_hosts
deny contains msg if {
	some container in containers
	some path in [
		["livenessProbe"],
		["readinessProbe"],
		["startupProbe"],
		["lifecycle", "postStart"],
		["lifecycle", "preStop"],
	]
	some way in ["httpGet", "tcpSocket"]
	documents.field(container.spec, array.concat(path, [way, "host"]), "") != ""
	msg := sprintf("%s: %s must not name a host", [container.name, concat(".", path)])
}

# Security contexts of pods and containers, for fields that both can have.
contexts contains {"name": pod.name, "pod": pod, "spec": spec} if {
	some pod in pods
	spec := documents.field(pod.spec, ["securityContext"], {})
}

contexts contains {"name": container.name, "pod": container.pod, "spec": spec} if {
	some container in containers
	spec := documents.field(container.spec, ["securityContext"], {})
}

selinux_types_allowed := {
	"",
	"container_engine_t",
	"container_init_t",
	"container_kvm_t",
	"container_t",
}

# METADATA
# title: Types of SELinux
# custom:
#   id: selinux_type
deny contains msg if {
	some context in contexts
	not documents.field(context.spec, ["seLinuxOptions", "type"], "") in selinux_types_allowed
	msg := sprintf("%s must set a type of SELinux for containers", [context.name])
}

# METADATA
# title: Users and roles of SELinux
# custom:
#   id: selinux_user
deny contains msg if {
	some context in contexts
	some key in ["user", "role"]
	documents.field(context.spec, ["seLinuxOptions", key], "") != ""
	msg := sprintf("%s must not set a %s of SELinux", [context.name, key])
}

# METADATA
# title: Profiles of AppArmor
# custom:
#   id: apparmor
deny contains msg if {
	some context in contexts
	documents.field(context.spec, ["appArmorProfile", "type"], "RuntimeDefault") == "Unconfined"
	msg := sprintf("%s must not be unconfined by AppArmor", [context.name])
}

# METADATA
# title: Profiles of AppArmor by annotation
# custom:
#   id: apparmor_annotation
deny contains msg if {
	some pod in pods
	some key, value in pod.annotations
	startswith(key, "container.apparmor.security.beta.kubernetes.io/")
	value == "unconfined"
	msg := sprintf("%s must not be unconfined by AppArmor: remove the annotation %s", [pod.name, key])
}

# METADATA
# title: Processes of a Windows host
# custom:
#   id: host_process
deny contains msg if {
	some context in contexts
	documents.field(context.spec, ["windowsOptions", "hostProcess"], false)
	msg := sprintf("%s must not be a process of the host", [context.name])
}
