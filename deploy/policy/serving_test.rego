package main_test

import data.fixtures
import rego.v1

in_container(text) := sprintf("Deployment/cocoon, container cocoon%s", [text])

# The variables of the service, with one changed or added.
deployment_with_variable(name, value) := found if {
	others := [entry |
		some entry in fixtures.deployment.spec.template.spec.containers[0].env
		entry.name != name
	]
	found := deployment_with("container/env", array.concat(others, [{"name": name, "value": value}]))
}

test_refuses_listen_address if {
	deployment_with_variable("COCOON_LISTEN", "8080") ==
		{in_container(`: invalid listen "8080": expected HOST:PORT`)}
}

test_accepts_listen_address if deployment_with_variable("COCOON_LISTEN", "[::]:8080") == set()

test_refuses_loopback if {
	every host in ["127.0.0.1", "127.1.2.3", "localhost", "[::1]"] {
		deployment_with_variable("COCOON_LISTEN", sprintf("%s:8080", [host])) ==
			{in_container(sprintf(": listen must not be the loopback address %s", [host]))}
	}
}

test_accepts_loopback if deployment_with_variable("COCOON_LISTEN", "0.0.0.0:8080") == set()

test_refuses_listen_port if {
	msg := in_container(": listen has port 9090: expected one of its TCP ports")
	deployment_with_variable("COCOON_LISTEN", "0.0.0.0:9090") == {msg}
	deployment_with("container/args", ["serve", "--listen", "0.0.0.0:9090"]) == {msg}
	deployment_with("container/args", ["serve", "--listen=0.0.0.0:9090"]) == {msg}
	map := fixtures.with_field(fixtures.config_map, "data/COCOON_LISTEN", "0.0.0.0:9090")
	service_with(map) == {msg}
	from_map := {"name": "COCOON_LISTEN", "valueFrom": {"configMapKeyRef": {"name": "cocoon", "key": "COCOON_LISTEN"}}}
	changed := fixtures.with_field(fixtures.deployment, "container/env/-", from_map)
	documents := fixtures.replaced(fixtures.replaced(fixtures.all_of_service, map), changed)
	denied(documents) == {msg}
	in_container(": listen has port 8080: expected one of its TCP ports") in
		deployment_with("container/ports/0/protocol", "UDP")
}

test_accepts_listen_port if {
	# A flag weighs more than a variable.
	changed := fixtures.with_field(fixtures.deployment, "container/args", ["serve", "--listen=0.0.0.0:8080"])
	service_with(fixtures.with_field(
		changed,
		"container/env/-",
		{"name": "COCOON_LISTEN", "value": "0.0.0.0:9090"},
	)) == set()
}

test_refuses_probe_path if {
	liveness := in_container(": the livenessProbe must be an httpGet of /healthz by HTTP")
	deployment_with("container/livenessProbe/httpGet/path", "/health") == {liveness}
	deployment_with("container/livenessProbe/httpGet/path", "/readyz") == {liveness}
	deployment_without("container/livenessProbe/httpGet/path") == {liveness}
	deployment_with("container/livenessProbe/httpGet/scheme", "HTTPS") == {liveness}
	deployment_with("container/livenessProbe", {"tcpSocket": {"port": "admin"}}) == {liveness}
	readiness := in_container(": the readinessProbe must be an httpGet of /readyz by HTTP")
	deployment_with("container/readinessProbe/httpGet/path", "/healthz") == {readiness}
}

test_accepts_probe_path if deployment_with("container/livenessProbe/httpGet/scheme", "HTTP") == set()

test_refuses_health_port if {
	deployment_with("container/livenessProbe/httpGet/port", "http") ==
		{in_container(": the livenessProbe probes port 8080: expected port 8081, which serves health")}
}

test_accepts_health_port if {
	# Without an admin address, the main one answers.
	container := fixtures.deployment.spec.template.spec.containers[0]
	changed := object.union(container, {
		"env": [entry | some entry in container.env; entry.name != "COCOON_ADMIN_LISTEN"],
		"ports": [{"name": "http", "containerPort": 8080}],
		"livenessProbe": {"httpGet": {"path": "/healthz", "port": "http"}},
		"readinessProbe": {"httpGet": {"path": "/readyz", "port": "http"}},
	})
	deployment := fixtures.with_field(fixtures.deployment, "pod/containers/0", changed)
	denied_alone(json.patch(
		deployment,
		[{"op": "remove", "path": fixtures.pointer("pod/containers/1")}],
	)) == set()
}

test_refuses_times if {
	deployment_with_variable("COCOON_DRAIN_DELAY", "10 s") ==
		{in_container(" must set drain-delay in whole s, m or h, such as 30s")}
	from_secret := {"name": "COCOON_DEADLINE", "valueFrom": {"secretKeyRef": {"name": "x", "key": "y"}}}
	deployment_with("container/env/-", from_secret) ==
		{in_container(" must set deadline in whole s, m or h, such as 30s")}
}

test_accepts_times if deployment_with_variable("COCOON_DRAIN_DELAY", "5s") == set()

test_refuses_drain_delay if {
	msg := in_container(" must set a drain-delay: routers send requests until they know that the pod ends")
	deployment_with_variable("COCOON_DRAIN_DELAY", "0s") == {msg}
	deployment_with("container/env/1/name", "OTHER") == {msg}
}

test_accepts_drain_delay if deployment_with("container/args", ["serve", "--drain-delay", "1s"]) == set()

test_refuses_grace_period if {
	msg := "terminationGracePeriodSeconds (%v) must be more than delay and timeout (50)"
	full := in_container(sprintf(" is killed while it drains: %s", [msg]))
	deployment_with("pod/terminationGracePeriodSeconds", 50) == {sprintf(full, [50])}
	deployment_without("pod/terminationGracePeriodSeconds") == {sprintf(full, [30])}
}

test_accepts_grace_period if deployment_with("pod/terminationGracePeriodSeconds", 51) == set()

test_refuses_drain_timeout if {
	msg := in_container(" cancels jobs that it admitted: drain-timeout (29 s) must not be less than deadline (30 s)")
	deployment_with_variable("COCOON_DRAIN_TIMEOUT", "29s") == {msg}
}

test_accepts_drain_timeout if deployment_with_variable("COCOON_DRAIN_TIMEOUT", "30s") == set()
