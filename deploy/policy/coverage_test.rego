package main_test

import data.fixtures
import data.main
import rego.v1

# Reports about several documents together, and about one alone.
denied(documents) := found if found := main.deny with input as fixtures.combined(documents)

warned(documents) := found if found := main.warn with input as fixtures.combined(documents)

denied_alone(document) := found if found := main.deny with input as document

# The service, the job and the service on OpenShift, with one manifest changed.
service_with(manifest) := denied(fixtures.replaced(fixtures.all_of_service, manifest))

# The Deployment alone, which takes half of the time.
deployment_with(path, value) := denied_alone(fixtures.with_field(fixtures.deployment, path, value))

deployment_without(path) := denied_alone(fixtures.without_field(fixtures.deployment, path))

job_with(manifest) := denied(fixtures.replaced(fixtures.all_of_job, manifest))

openshift_with(manifest) := denied(fixtures.replaced(fixtures.all_of_openshift, manifest))

# A pod with one privileged container without a name.
hostile := {"containers": [{"image": "x", "securityContext": {"privileged": true}}]}

privileged(name) := sprintf("%s, container containers[0] must not be privileged", [name])

test_accepts_the_service if denied(fixtures.all_of_service) == set()

test_accepts_the_job if denied(fixtures.all_of_job) == set()

test_accepts_the_service_on_openshift if denied(fixtures.all_of_openshift) == set()

test_accepts_manifests_alone if {
	every manifest in fixtures.all_of_service {
		denied_alone(manifest) == set()
	}
}

test_refuses_pods_of_other_places if {
	every document in [
		{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": hostile},
		{"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "x"}, "template": {"spec": hostile}},
		{
			"apiVersion": "batch/v1",
			"kind": "CronJob",
			"metadata": {"name": "x"},
			"spec": {"jobTemplate": {"spec": {"template": {"spec": hostile}}}},
		},
	] {
		privileged(sprintf("%s/x", [document.kind])) in denied_alone(document)
	}
}

test_refuses_pods_of_every_kind if {
	every kind, version in {
		"DaemonSet": "apps/v1",
		"Deployment": "apps/v1",
		"Job": "batch/v1",
		"ReplicaSet": "apps/v1",
		"ReplicationController": "v1",
		"StatefulSet": "apps/v1",
	} {
		document := {
			"apiVersion": version,
			"kind": kind,
			"metadata": {"name": "x"},
			"spec": {"template": {"spec": hostile}},
		}
		privileged(sprintf("%s/x", [kind])) in denied_alone(document)
	}
}

test_refuses_every_list_of_containers if {
	every list in main.container_lists {
		document := {"apiVersion": "v1", "kind": "Pod", "spec": {list: hostile.containers}}
		sprintf("Pod/?, container %s[0] must not be privileged", [list]) in denied_alone(document)
	}
}

test_refuses_items_of_lists if {
	pod := {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": hostile}
	privileged("Pod/x") in denied_alone({"apiVersion": "v1", "kind": "List", "items": [pod]})
	bare := {"metadata": {"name": "x"}, "spec": {"template": {"spec": hostile}}}
	privileged("Deployment/x") in denied_alone({"apiVersion": "apps/v1", "kind": "DeploymentList", "items": [bare]})
}

test_accepts_items_of_lists if {
	denied([{"apiVersion": "v1", "kind": "List", "items": fixtures.all_of_service}]) == set()
}

test_refuses_unknown_workload if {
	every document in [
		{"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "spec": {"template": {"spec": hostile}}},
		{"apiVersion": "serving.knative.dev/v1", "kind": "Service", "spec": {"template": {"spec": hostile}}},
		{"apiVersion": "extensions/v1beta1", "kind": "Deployment", "spec": {"template": {"spec": hostile}}},
		{"apiVersion": "x/v1", "kind": "Deep", "spec": {"a": [{"b": {"initContainers": [{}]}}]}},
		{"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "spec": {"container": {"image": "x", "args": []}}},
		{"kind": "Pod", "apiVersion": "core/v1", "spec": hostile},
	] {
		count(denied_alone(document)) == 1
		some msg in denied_alone(document)
		contains(msg, "has containers, but no rule covers the kind")
	}
}

test_accepts_unknown_workload if denied_alone(fixtures.job_policy) == set()

test_refuses_no_containers if {
	elsewhere := {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}, "template": {"spec": hostile}}
	"Deployment/x has no containers where its kind has them" in denied_alone(elsewhere)
	"Pod/? has no containers where its kind has them" in denied_alone({"apiVersion": "v1", "kind": "Pod"})
}

test_accepts_no_containers if denied_alone(fixtures.job) == set()

test_refuses_unknown_document if {
	denied_alone({"spec": hostile}) == {"a document has containers, but is no manifest: expected apiVersion and kind"}
}

test_accepts_unknown_document if {
	denied_alone({"some": "values"}) == set()
	denied_alone(null) == set()
}

test_refuses_unknown_kind if {
	secret := {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}}
	warned([secret]) == {`Secret/x was not checked: no rule covers the kind "Secret"`}
	denied([secret]) == set()
}

test_accepts_unknown_kind if warned(fixtures.all_of_service) == set()

test_refuses_no_manifest if {
	warned([{"some": "values"}]) == {"a document was not checked: expected a manifest, a Compose file or a Dockerfile"}
}

test_accepts_no_manifest if {
	warned([null]) == set()
	warned([{"services": {}}]) == set()
}

test_refuses_compose_file if {
	msgs := denied_alone({"services": {"x": {"image": "x", "privileged": true}}})
	"service x must not be privileged" in msgs
}

test_accepts_compose_file if denied_alone({"services": {}}) == set()

test_refuses_a_dockerfile if {
	from := {"Cmd": "from", "Flags": [], "JSON": false, "Stage": 0, "SubCmd": "", "Value": ["debian"]}
	"FROM debian must pin its image by a version or a digest" in denied_alone([from])
	"FROM debian must pin its image by a version or a digest" in denied([[from]])
}

test_accepts_a_dockerfile if {
	cmd := {"Cmd": "from", "Flags": [], "JSON": false, "Stage": 0, "SubCmd": "", "Value": ["debian:12"]}
	not "FROM debian:12 must pin its image by a version or a digest" in denied_alone([cmd])
}
