package main_test

import data.fixtures
import rego.v1

timeout := "metadata/annotations/haproxy.router.openshift.io~1timeout"

test_refuses_route_timeout if {
	openshift_with(fixtures.without_field(fixtures.route, timeout)) ==
		{"Route/cocoon must set haproxy.router.openshift.io/timeout, such as 40s"}
}

test_accepts_route_timeout if openshift_with(fixtures.with_field(fixtures.route, timeout, "1m")) == set()

test_refuses_route_deadline if {
	openshift_with(fixtures.with_field(fixtures.route, timeout, "29s")) ==
		{"Route/cocoon ends before the service does: its timeout (29 s) must not be less than deadline (30 s)"}
}

test_accepts_route_deadline if openshift_with(fixtures.with_field(fixtures.route, timeout, "30s")) == set()

test_refuses_route_tls if {
	openshift_with(fixtures.without_field(fixtures.route, "spec/tls")) == {"Route/cocoon must set tls.termination"}
}

test_accepts_route_tls if {
	openshift_with(fixtures.with_field(fixtures.route, "spec/tls/termination", "reencrypt")) == set()
}

test_refuses_route_insecure if {
	openshift_with(fixtures.with_field(fixtures.route, "spec/tls/insecureEdgeTerminationPolicy", "Allow")) ==
		{"Route/cocoon must not answer without TLS"}
}

test_accepts_route_insecure if {
	openshift_with(fixtures.without_field(fixtures.route, "spec/tls/insecureEdgeTerminationPolicy")) == set()
}

scc := "spec/template/metadata/annotations/openshift.io~1required-scc"

test_refuses_required_scc if {
	msg := "Deployment/cocoon must set the annotation openshift.io/required-scc: restricted-v2"
	openshift_with(fixtures.with_field(fixtures.openshift_deployment, scc, "anyuid")) == {msg}
	openshift_with(fixtures.deployment) == {msg}
}

test_accepts_required_scc if denied(fixtures.all_of_openshift) == set()

test_refuses_assigned_ids if {
	every key in ["runAsUser", "runAsGroup", "fsGroup"] {
		path := sprintf("pod/securityContext/%s", [key])
		openshift_with(fixtures.with_field(fixtures.openshift_deployment, path, 65532)) ==
			{sprintf("Deployment/cocoon must not set %s, which OpenShift sets", [key])}
	}
	path := "container/securityContext/runAsUser"
	openshift_with(fixtures.with_field(fixtures.openshift_deployment, path, 65532)) ==
		{"Deployment/cocoon, container cocoon must not set runAsUser, which OpenShift sets"}
}

test_accepts_assigned_ids if {
	path := "pod/securityContext/runAsUser"
	openshift_with(fixtures.with_field(fixtures.openshift_deployment, path, null)) == set()
}
