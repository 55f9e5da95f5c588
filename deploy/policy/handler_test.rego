package main_test

import data.fixtures
import rego.v1

handler_with(path, value) := denied(fixtures.replaced(
	fixtures.all_of_handler,
	fixtures.with_field(fixtures.handler_deployment, path, value),
))

routes_with(text) := denied(fixtures.replaced(
	fixtures.all_of_handler,
	fixtures.with_field(fixtures.routes, "data/cocoon.toml", text),
))

test_refuses_component_digest if {
	msg := in_container(" must pin the component oci://registry.example.com/facts:1 by its digest")
	routes_with(`component = "oci://registry.example.com/facts:1"`) == {msg}
	handler_with("container/args", ["serve", "oci://registry.example.com/facts:1"]) == {msg}
}

test_accepts_component_digest if {
	denied(fixtures.all_of_handler) == set()
	routes_with(`component = "/components/facts.wasm"`) == set()
}

test_refuses_handler_startup if {
	msg := in_container(" compiles components when it starts: expected a startupProbe of /readyz")
	handler_with("container/startupProbe/httpGet/path", "/healthz") == {msg}
	handler_with("container/startupProbe", null) == {msg}
}

test_accepts_handler_startup if handler_with("container/startupProbe/failureThreshold", 9) == set()

test_refuses_code_cache if {
	msg := in_container(" must keep compiled code: set COCOON_CODE_CACHE to a folder in a volumeMount with a subPath")
	handler_with("container/volumeMounts/1/subPath", "") == {msg}
	handler_with("container/volumeMounts/1/mountPath", "/var/cache/coco") == {msg}
	handler_with("container/volumeMounts/1/readOnly", true) == {msg}
	handler_with("container/env", fixtures.deployment.spec.template.spec.containers[0].env) == {msg}
}

test_accepts_code_cache if handler_with("container/volumeMounts/1/mountPath", "/var/cache") == set()

test_refuses_config_map_volume if {
	"Deployment/cocoon: the ConfigMap other of the volume routes is not among these" in
		handler_with("pod/volumes/0/configMap/name", "other")
}

test_accepts_config_map_volume if {
	handler_with("pod/volumes/-", {"name": "more", "configMap": {"name": "other", "optional": true}}) == set()
	denied_alone(fixtures.handler_deployment) == set()
}
