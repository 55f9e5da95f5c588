package main_test

import data.fixtures
import rego.v1

test_refuses_host_namespaces if {
	every key in ["hostNetwork", "hostPID", "hostIPC"] {
		msg := sprintf("Deployment/cocoon shares the node's namespaces: %s must not be true", [key])
		deployment_with(sprintf("pod/%s", [key]), true) == {msg}
	}
}

test_accepts_host_namespaces if {
	deployment_with("pod/hostNetwork", false) == set()
	deployment_with("pod/hostNetwork", null) == set()
}

test_refuses_volume_types if {
	allowed := "configMap, csi, downwardAPI, emptyDir, ephemeral, persistentVolumeClaim, projected, secret"
	msg := sprintf("Deployment/cocoon: the volume v must be one of %s, not hostPath", [allowed])
	deployment_with("pod/volumes", [{"name": "v", "hostPath": {"path": "/"}}]) == {msg}
	deployment_with("pod/volumes", [{"name": "v", "emptyDir": {}, "hostPath": {"path": "/"}}]) == {msg}
	count(deployment_with("pod/volumes", [{"hostPath": {"path": "/"}}])) == 1
}

test_accepts_volume_types if {
	deployment_with("pod/volumes", [{"name": "v", "emptyDir": {}}, {"name": "w"}]) == set()
}

test_refuses_sysctls if {
	msg := "Deployment/cocoon: the sysctl kernel.msgmax is not safe"
	deployment_with("pod/securityContext/sysctls", [{"name": "kernel.msgmax", "value": "1"}]) == {msg}
}

test_accepts_sysctls if {
	deployment_with("pod/securityContext/sysctls", [{"name": "net.ipv4.tcp_syncookies", "value": "1"}]) == set()
}

test_refuses_run_as_non_root if {
	msg := "Deployment/cocoon, container cocoon must set runAsNonRoot: true, in the container or the pod"
	deployment_without("pod/securityContext/runAsNonRoot") == {msg}
	deployment_with("container/securityContext/runAsNonRoot", false) == {msg}
}

test_accepts_run_as_non_root if {
	deployment_with("container/securityContext/runAsNonRoot", true) == set()
	deployment_with("container/securityContext/runAsNonRoot", null) == set()
}

test_refuses_root_user if {
	msg := "Deployment/cocoon, container cocoon runs as root: runAsUser must not be 0"
	deployment_with("pod/securityContext/runAsUser", 0) == {msg}
	deployment_with("container/securityContext/runAsUser", 0) == {msg}
}

test_accepts_root_user if deployment_with("container/securityContext/runAsUser", 1000) == set()

test_refuses_seccomp if {
	msg := "Deployment/cocoon, container cocoon must set seccompProfile.type: RuntimeDefault, in the container or the pod"
	deployment_without("pod/securityContext/seccompProfile") == {msg}
	deployment_with("container/securityContext/seccompProfile", {"type": "Unconfined"}) == {msg}
	deployment_with("container/securityContext/seccompProfile", {}) == {msg}
}

test_accepts_seccomp if {
	profile := {"type": "Localhost", "localhostProfile": "cocoon.json"}
	deployment_with("container/securityContext/seccompProfile", profile) == set()
}

test_refuses_privileged if {
	deployment_with("container/securityContext/privileged", true) ==
		{"Deployment/cocoon, container cocoon must not be privileged"}
}

test_refuses_privileged_without_a_name if {
	nameless := json.remove(fixtures.deployment.spec.template.spec.containers[0], ["name"])
	container := json.patch(nameless, [{"op": "add", "path": "securityContext/privileged", "value": true}])
	deployment_with("pod/containers", [container]) ==
		{"Deployment/cocoon, container containers[0] must not be privileged"}
}

test_accepts_privileged if deployment_with("container/securityContext/privileged", false) == set()

test_refuses_privilege_escalation if {
	msg := "Deployment/cocoon, container cocoon must set allowPrivilegeEscalation: false"
	deployment_without("container/securityContext/allowPrivilegeEscalation") == {msg}
	deployment_with("container/securityContext/allowPrivilegeEscalation", true) == {msg}
}

test_accepts_privilege_escalation if {
	deployment_with("container/securityContext/allowPrivilegeEscalation", false) == set()
}

test_refuses_drop_capabilities if {
	msg := "Deployment/cocoon, container cocoon must drop ALL capabilities"
	deployment_with("container/securityContext/capabilities/drop", ["NET_RAW"]) == {msg}
	deployment_without("container/securityContext/capabilities") == {msg}
}

test_accepts_drop_capabilities if {
	deployment_with("container/securityContext/capabilities/drop", ["NET_RAW", "ALL"]) == set()
}

test_refuses_add_capabilities if {
	deployment_with("container/securityContext/capabilities/add", ["SYS_PTRACE"]) ==
		{"Deployment/cocoon, container cocoon must not add the capability SYS_PTRACE"}
}

test_accepts_add_capabilities if {
	deployment_with("container/securityContext/capabilities/add", ["NET_BIND_SERVICE"]) == set()
}

test_refuses_proc_mount if {
	deployment_with("container/securityContext/procMount", "Unmasked") ==
		{"Deployment/cocoon, container cocoon must leave procMount at its default"}
}

test_accepts_proc_mount if deployment_with("container/securityContext/procMount", "Default") == set()

test_refuses_host_ports if {
	deployment_with("container/ports/0/hostPort", 80) ==
		{"Deployment/cocoon, container cocoon must not use the node's port 80"}
}

test_accepts_host_ports if deployment_with("container/ports/0/hostPort", 0) == set()

test_refuses_probe_hosts if {
	deployment_with("container/livenessProbe/httpGet/host", "10.0.0.1") ==
		{"Deployment/cocoon, container cocoon: livenessProbe must not name a host"}
	deployment_with("container/lifecycle", {"preStop": {"tcpSocket": {"host": "10.0.0.1", "port": 1}}}) ==
		{"Deployment/cocoon, container cocoon: lifecycle.preStop must not name a host"}
}

test_accepts_probe_hosts if deployment_with("container/livenessProbe/httpGet/host", "") == set()

test_refuses_selinux_type if {
	deployment_with("container/securityContext/seLinuxOptions", {"type": "spc_t"}) ==
		{"Deployment/cocoon, container cocoon must set a type of SELinux for containers"}
}

test_accepts_selinux_type if {
	deployment_with("container/securityContext/seLinuxOptions", {"type": "container_t"}) == set()
}

test_refuses_selinux_user if {
	deployment_with("pod/securityContext/seLinuxOptions", {"user": "system_u"}) ==
		{"Deployment/cocoon must not set a user of SELinux"}
}

test_accepts_selinux_user if deployment_with("pod/securityContext/seLinuxOptions", {"level": "s0:c1"}) == set()

test_refuses_apparmor if {
	deployment_with("pod/securityContext/appArmorProfile", {"type": "Unconfined"}) ==
		{"Deployment/cocoon must not be unconfined by AppArmor"}
}

test_accepts_apparmor if {
	deployment_with("container/securityContext/appArmorProfile", {"type": "RuntimeDefault"}) == set()
}

apparmor := "container.apparmor.security.beta.kubernetes.io"

test_refuses_apparmor_annotation if {
	path := sprintf("spec/template/metadata/annotations/%s~1cocoon", [apparmor])
	deployment_with(path, "unconfined") ==
		{sprintf("Deployment/cocoon must not be unconfined by AppArmor: remove the annotation %s/cocoon", [apparmor])}
}

test_accepts_apparmor_annotation if {
	path := sprintf("spec/template/metadata/annotations/%s~1cocoon", [apparmor])
	deployment_with(path, "runtime/default") == set()
}

test_refuses_host_process if {
	deployment_with("container/securityContext/windowsOptions", {"hostProcess": true}) ==
		{"Deployment/cocoon, container cocoon must not be a process of the host"}
}

test_accepts_host_process if {
	deployment_with("container/securityContext/windowsOptions", {"hostProcess": false}) == set()
}
