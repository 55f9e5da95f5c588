package main_test

import data.fixtures
import rego.v1

worker_with(path, value) := denied(fixtures.replaced(
	fixtures.all_of_worker,
	fixtures.with_field(fixtures.worker, path, value),
))

worker_scaler_with(path, value) := denied(fixtures.replaced(
	fixtures.all_of_worker,
	fixtures.with_field(fixtures.worker_scaler, path, value),
))

in_worker(text) := sprintf("Deployment/worker, container worker%s", [text])

test_refuses_worker_queue if {
	worker_with("container/env/0/name", "OTHER") == {in_worker(" must set COCOON_QUEUE_URL")}
}

test_accepts_worker_queue if {
	denied(fixtures.all_of_worker) == set()
	worker_with("container/args", ["worker", "--queue", "redis://other:6379"]) == set()
}

test_refuses_worker_password if {
	msg := in_worker(" must not have a password in the address of its queue: use COCOON_QUEUE_PASSWORD_FILE")
	worker_with("container/env/0/value", "redis://:secret@redis") == {msg}
	worker_with("container/env/0/value", "rediss://user:secret@redis:6379") == {msg}
	worker_with("container/args", ["worker", "--queue=redis://user:secret@redis"]) == {msg}
}

test_accepts_worker_password if worker_with("container/env/0/value", "redis://user@redis:6379/1#name") == set()

test_refuses_worker_health if {
	msg := in_worker(": the livenessProbe must be an httpGet of /healthz at the port of admin-listen")
	worker_with("container/livenessProbe/httpGet/path", "/readyz") == {msg}
	both := {msg, in_worker(": the readinessProbe must be an httpGet of /readyz at the port of admin-listen")}
	worker_with("container/env/1/name", "OTHER") == both
	worker_with("container/env/1/value", "0.0.0.0:9090") == both
}

test_accepts_worker_health if worker_with("container/env/1/value", "[::]:8081") == set()

test_refuses_worker_grace if {
	msg := "terminationGracePeriodSeconds (%v) must be more than the timeout and 10 s (40)"
	full := in_worker(sprintf(" is killed while it drains: %s", [msg]))
	worker_with("pod/terminationGracePeriodSeconds", 40) == {sprintf(full, [40])}
	worker_with("pod/terminationGracePeriodSeconds", null) == {sprintf(full, [30])}
}

test_accepts_worker_grace if worker_with("pod/terminationGracePeriodSeconds", 41) == set()

test_refuses_worker_egress if {
	msg := "NetworkPolicy/worker must allow Deployment/worker no port but that of its queue, got %v"
	changed := fixtures.with_field(fixtures.worker_policy, "spec/egress/0/ports/0/port", 443)
	denied(fixtures.replaced(fixtures.all_of_worker, changed)) == {sprintf(msg, [443])}
	worker_with("container/env/0/value", "redis://redis:6380/0") == {sprintf(msg, [6379])}
}

test_accepts_worker_egress if worker_with("container/env/0/value", "redis://redis#name") == set()

test_refuses_worker_trigger if {
	msg := "ScaledObject/worker must have a trigger of the type redis with the list cocoon:{NAME}:open"
	too_few := "ScaledObject/worker must set minReplicaCount to 2 or more, got 0"
	worker_scaler_with("spec/triggers/0/type", "redis-streams") == {msg, too_few}
	worker_scaler_with("spec/triggers/0/metadata/listName", "cocoon:{cocoon}:turns") == {msg, too_few}
	worker_scaler_with("spec/triggers", []) == {msg, too_few}
}

test_accepts_worker_trigger if {
	worker_scaler_with("spec/triggers/0/metadata/listName", "cocoon:{other}:open") == set()
}

test_refuses_worker_activation if {
	worker_scaler_with("spec/triggers/0/metadata/activationListLength", "1") ==
		{"ScaledObject/worker must set activationListLength to 0, got 1"}
}

test_accepts_worker_activation if {
	worker_scaler_with("spec/triggers/0/metadata/activationListLength", "0") == set()
}

# --- data of one pod ----------------------------------------------------------

test_accepts_one_pod_with_data if {
	database := json.patch(fixtures.worker, [
		{"op": "replace", "path": "kind", "value": "StatefulSet"},
		{"op": "replace", "path": "metadata/name", "value": "database"},
		{"op": "replace", "path": fixtures.pointer("container/args"), "value": ["other"]},
		{"op": "remove", "path": fixtures.pointer("pod/topologySpreadConstraints")},
		{"op": "add", "path": "spec/volumeClaimTemplates", "value": [{"metadata": {"name": "data"}}]},
	])
	denied([database, fixtures.worker_policy]) == set()
	count(denied([json.remove(database, ["spec/volumeClaimTemplates"]), fixtures.worker_policy])) == 3
}
