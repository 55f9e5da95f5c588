package main_test

import data.fixtures
import rego.v1

test_refuses_read_only_root if {
	msg := "Deployment/cocoon, container cocoon must set readOnlyRootFilesystem: true"
	deployment_without("container/securityContext/readOnlyRootFilesystem") == {msg}
	deployment_with("container/securityContext/readOnlyRootFilesystem", false) == {msg}
}

test_refuses_read_only_root_of_init_containers if {
	first := {
		"image": "first:1",
		"resources": fixtures.resources,
		"securityContext": json.remove(fixtures.security_context, ["readOnlyRootFilesystem"]),
	}
	deployment_with("pod/initContainers", [first]) ==
		{"Deployment/cocoon, container initContainers[0] must set readOnlyRootFilesystem: true"}
}

test_accepts_read_only_root if {
	first := {"image": "first:1", "resources": fixtures.resources, "securityContext": fixtures.security_context}
	deployment_with("pod/initContainers", [first]) == set()
}

test_refuses_root_group if {
	msg := "Deployment/cocoon, container cocoon may run with the group 0: set runAsGroup, or its pod"
	deployment_without("pod/securityContext/runAsGroup") == {msg}
	deployment_with("container/securityContext/runAsGroup", 0) == {msg}
}

test_accepts_root_group if {
	deployment_with("container/securityContext/runAsGroup", 1000) == set()
	denied(fixtures.all_of_openshift) == set()
}

test_refuses_pinned_image if {
	every image in ["localhost/cocoon:latest", "localhost:5000/cocoon", "cocoon", "cocoon@sha256:abc", ""] {
		msg := sprintf("must pin its image by a version or a digest, got %q", [image])
		deployment_with("container/image", image) == {sprintf("Deployment/cocoon, container cocoon %s", [msg])}
	}
	deployment_without("container/image") ==
		{`Deployment/cocoon, container cocoon must pin its image by a version or a digest, got ""`}
}

test_accepts_pinned_image if {
	digest := "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"
	deployment_with("container/image", sprintf("localhost:5000/cocoon@sha256:%s", [digest])) == set()
	deployment_with("container/image", "localhost:5000/cocoon:1.2.3-rc.1") == set()
}

test_refuses_resources if {
	every path in ["requests.cpu", "limits.cpu", "requests.memory", "limits.memory"] {
		[key, resource] := split(path, ".")
		deployment_without(sprintf("container/resources/%s/%s", [key, resource])) ==
			{sprintf("Deployment/cocoon, container cocoon must set resources.%s", [path])}
	}
	count(deployment_without("container/resources")) == 4
}

test_accepts_resources if deployment_with("container/resources/limits/cpu", 4) == set()

test_refuses_memory_request if {
	msg := "Deployment/cocoon, container cocoon must request as much memory as its limit"
	deployment_with("container/resources/requests/memory", "1Gi") == {msg}
	deployment_with("container/resources/requests/memory", 1) == {msg}
	deployment_with("container/resources/requests/memory", "much") == {msg}
}

test_accepts_memory_request if {
	deployment_with("container/resources/limits/memory", "2048Mi") == set()
	deployment_with("container/resources/limits/memory", 2147483648) == set()
}

test_refuses_pod_token if {
	deployment_without("pod/automountServiceAccountToken") ==
		{"Deployment/cocoon must set automountServiceAccountToken: false"}
}

test_accepts_pod_token if deployment_with("pod/automountServiceAccountToken", false) == set()

test_refuses_account_token if {
	msg := "ServiceAccount/cocoon must set automountServiceAccountToken: false"
	service_with(fixtures.without_field(fixtures.account, "automountServiceAccountToken")) == {msg}
	service_with(fixtures.with_field(fixtures.account, "automountServiceAccountToken", true)) == {msg}
}

test_accepts_account_token if service_with(fixtures.account) == set()

test_refuses_projected_token if {
	volume := {"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}
	deployment_with("pod/volumes", [volume]) == {"Deployment/cocoon must not mount a token by the volume token"}
}

test_accepts_projected_token if {
	deployment_with("pod/volumes", [{"name": "x", "projected": {"sources": [{"secret": {"name": "x"}}]}}]) == set()
}

test_refuses_service_links if {
	deployment_without("pod/enableServiceLinks") == {"Deployment/cocoon must set enableServiceLinks: false"}
}

test_accepts_service_links if deployment_with("pod/enableServiceLinks", false) == set()

test_refuses_probes if {
	every probe in ["livenessProbe", "readinessProbe"] {
		deployment_without(sprintf("container/%s", [probe])) ==
			{sprintf("Deployment/cocoon, container cocoon must set a %s", [probe])}
	}
}

test_accepts_probes if {
	# A job ends by itself.
	denied(fixtures.all_of_job) == set()
	deployment_with("container/startupProbe", {"httpGet": {"path": "/healthz", "port": "admin"}}) == set()
}

test_refuses_probe_ports if {
	msg := "Deployment/cocoon, container cocoon: the readinessProbe must name one of its ports, unlike"
	deployment_with("container/readinessProbe/httpGet/port", 8081) == {sprintf("%s 8081", [msg])}
	deployment_with("container/readinessProbe/httpGet/port", "web") == {sprintf("%s web", [msg])}
}

test_accepts_probe_ports if deployment_with("container/readinessProbe/httpGet/port", "admin") == set()

test_refuses_spread if {
	msg := "Deployment/cocoon must set topologySpreadConstraints"
	deployment_without("pod/topologySpreadConstraints") == {msg}
	deployment_with("pod/topologySpreadConstraints", []) == {msg}
}

test_accepts_spread if {
	selector := {"matchExpressions": [{"key": "name", "operator": "In", "values": ["cocoon"]}]}
	deployment_with("pod/topologySpreadConstraints/0/labelSelector", selector) == set()
}

test_refuses_spread_selector if {
	msg := "Deployment/cocoon: the spread over kubernetes.io/hostname must select its own pods"
	deployment_without("pod/topologySpreadConstraints/0/labelSelector") == {msg}
	every operator, values in {"In": ["other"], "NotIn": ["cocoon"], "DoesNotExist": []} {
		selector := {"matchExpressions": [{"key": "name", "operator": operator, "values": values}]}
		deployment_with("pod/topologySpreadConstraints/0/labelSelector", selector) == {msg}
	}
	deployment_with("pod/topologySpreadConstraints/0/labelSelector/matchLabels", {"name": "other"}) == {msg}
}

test_accepts_spread_selector if {
	every expression in [
		{"key": "name", "operator": "Exists"},
		{"key": "other", "operator": "DoesNotExist"},
		{"key": "other", "operator": "NotIn", "values": ["x"]},
	] {
		selector := {"matchExpressions": [expression]}
		deployment_with("pod/topologySpreadConstraints/0/labelSelector", selector) == set()
	}
}
