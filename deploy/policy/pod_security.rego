# The Pod Security Standard `restricted`, of which `baseline` is a part.
package main

import rego.v1

deny contains msg if {
	some pod in pods
	some key in ["hostNetwork", "hostPID", "hostIPC"]
	pod.spec[key]
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

deny contains msg if {
	some pod in pods
	some volume in object.get(pod.spec, "volumes", [])
	kinds := object.keys(volume) - {"name"}
	count(kinds & volumes_allowed) == 0
	msg := sprintf("%s: the volume %s must be one of %s", [pod.name, volume.name, concat(", ", sort(volumes_allowed))])
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

deny contains msg if {
	some pod in pods
	some sysctl in object.get(pod.spec, ["securityContext", "sysctls"], [])
	not sysctl.name in sysctls_allowed
	msg := sprintf("%s: the sysctl %s is not a safe one", [pod.name, sysctl.name])
}

deny contains msg if {
	some container in containers
	setting(container, ["runAsNonRoot"]) != true
	msg := sprintf("%s must set runAsNonRoot: true, or its pod", [container.name])
}

deny contains msg if {
	some container in containers
	setting(container, ["runAsUser"]) == 0
	msg := sprintf("%s runs as root: runAsUser must not be 0", [container.name])
}

deny contains msg if {
	some container in containers
	not setting(container, ["seccompProfile", "type"]) in {"RuntimeDefault", "Localhost"}
	msg := sprintf("%s must set seccompProfile.type: RuntimeDefault, or its pod", [container.name])
}

deny contains msg if {
	some container in containers
	object.get(container.spec, ["securityContext", "privileged"], false)
	msg := sprintf("%s must not be privileged", [container.name])
}

deny contains msg if {
	some container in containers
	object.get(container.spec, ["securityContext", "allowPrivilegeEscalation"], true)
	msg := sprintf("%s must set allowPrivilegeEscalation: false", [container.name])
}

deny contains msg if {
	some container in containers
	dropped := object.get(container.spec, ["securityContext", "capabilities", "drop"], [])
	not "ALL" in dropped
	msg := sprintf("%s must drop ALL capabilities", [container.name])
}

deny contains msg if {
	some container in containers
	some capability in object.get(container.spec, ["securityContext", "capabilities", "add"], [])
	capability != "NET_BIND_SERVICE"
	msg := sprintf("%s must not add the capability %s", [container.name, capability])
}

deny contains msg if {
	some container in containers
	object.get(container.spec, ["securityContext", "procMount"], "Default") != "Default"
	msg := sprintf("%s must leave procMount as it is by default", [container.name])
}

deny contains msg if {
	some container in containers
	some port in object.get(container.spec, "ports", [])
	object.get(port, "hostPort", 0) != 0
	msg := sprintf("%s must not take the node's port %d", [container.name, port.hostPort])
}

# A handler with a host of its own would have the node ask somebody else.
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
	object.get(container.spec, array.concat(path, [way, "host"]), "") != ""
	msg := sprintf("%s: %s must not name a host", [container.name, concat(".", path)])
}

selinux_types_allowed := {
	"",
	"container_engine_t",
	"container_init_t",
	"container_kvm_t",
	"container_t",
}

# The security contexts of all pods and containers, for what may stand in either.
contexts contains {"name": pod.name, "spec": pod.spec.securityContext} if some pod in pods

contexts contains {"name": container.name, "spec": container.spec.securityContext} if {
	some container in containers
}

deny contains msg if {
	some context in contexts
	not object.get(context.spec, ["seLinuxOptions", "type"], "") in selinux_types_allowed
	msg := sprintf("%s must not set a type of SELinux but those of containers", [context.name])
}

deny contains msg if {
	some context in contexts
	some key in ["user", "role"]
	object.get(context.spec, ["seLinuxOptions", key], "") != ""
	msg := sprintf("%s must not set a %s of SELinux", [context.name, key])
}

deny contains msg if {
	some context in contexts
	object.get(context.spec, ["appArmorProfile", "type"], "RuntimeDefault") == "Unconfined"
	msg := sprintf("%s must not be unconfined by AppArmor", [context.name])
}

deny contains msg if {
	some context in contexts
	object.get(context.spec, ["windowsOptions", "hostProcess"], false)
	msg := sprintf("%s must not be a process of the host", [context.name])
}
