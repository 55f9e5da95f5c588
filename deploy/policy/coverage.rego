# METADATA
# title: Coverage
# description: |
#   The kinds that the rules cover. Any other kind is reported, because no rule checks it: as
#   a failure if it has a container, or else as a warning. Compose files and Dockerfiles have
#   their own rules in the packages `compose` and `dockerfile`.
package main

import data.documents
import rego.v1

# The path of the pod template in each kind that has one, by kind and group.
templates := {
	"CronJob.batch": ["spec", "jobTemplate", "spec", "template"],
	"DaemonSet.apps": ["spec", "template"],
	"Deployment.apps": ["spec", "template"],
	"Job.batch": ["spec", "template"],
	"Pod": [],
	"PodTemplate": ["template"],
	"ReplicaSet.apps": ["spec", "template"],
	"ReplicationController": ["spec", "template"],
	"StatefulSet.apps": ["spec", "template"],
}

without_pods := {
	"ConfigMap",
	"HTTPRoute.gateway.networking.k8s.io",
	"HorizontalPodAutoscaler.autoscaling",
	"Ingress.networking.k8s.io",
	"NetworkPolicy.networking.k8s.io",
	"PersistentVolumeClaim",
	"PodDisruptionBudget.policy",
	"PodMonitor.monitoring.coreos.com",
	"Route.route.openshift.io",
	"ScaledObject.keda.sh",
	"Service",
	"ServiceAccount",
	"TriggerAuthentication.keda.sh",
}

covered := object.keys(templates) | without_pods

# The kind with its group, as kubectl writes it: Deployment.apps, or Pod without a group.
kind_of(manifest) := concat(".", [part | some part in [kind, group]; part != ""]) if {
	kind := sprintf("%v", [documents.field(manifest, ["kind"], "")])
	version := split(sprintf("%v", [documents.field(manifest, ["apiVersion"], "")]), "/")
	group := concat("/", array.slice(version, 0, count(version) - 1))
}

name_of(manifest) := sprintf("%v/%v", [
	documents.field(manifest, ["kind"], "?"),
	documents.field(manifest, ["metadata", "name"], documents.field(manifest, ["metadata", "generateName"], "?")),
])

manifests_of[kind] contains manifest if {
	some manifest in documents.manifests
	kind := kind_of(manifest)
}

of_kind(kind) := object.get(manifests_of, kind, set())

container_lists := {"containers", "initContainers", "ephemeralContainers"}

# Fields of a container other than its image. Custom resources may have a container
# outside of a list.
container_fields := {
	"args",
	"command",
	"env",
	"envFrom",
	"livenessProbe",
	"ports",
	"readinessProbe",
	"resources",
	"script",
	"securityContext",
	"volumeMounts",
}

has_containers(document) if {
	walk(document, [_, value])
	is_object(value)
	count(container_lists & object.keys(value)) > 0
}

has_containers(document) if {
	walk(document, [_, value])
	is_object(value)
	is_string(value.image)
	count(container_fields & object.keys(value)) > 0
}

# METADATA
# title: Containers of kinds that no rule covers
# custom:
#   id: unknown_workload
deny contains msg if {
	some manifest in documents.manifests
	not kind_of(manifest) in covered
	has_containers(manifest)
	msg := sprintf("%s has containers, but no rule covers the kind %q", [name_of(manifest), kind_of(manifest)])
}

# METADATA
# title: Pods without containers
# description: Containers elsewhere in the manifest are not checked.
# custom:
#   id: no_containers
deny contains msg if {
	some pod in pods
	count(documents.field(pod.spec, ["containers"], [])) == 0
	msg := sprintf("%s has no containers where its kind has them", [pod.name])
}

# METADATA
# title: Containers outside of manifests, Compose files and Dockerfiles
# custom:
#   id: unknown_document
deny contains msg if {
	some document in documents.others
	has_containers(document)
	msg := "a document has containers, but is no manifest: expected apiVersion and kind"
}

# METADATA
# title: Kinds that no rule covers
# custom:
#   id: unknown_kind
warn contains msg if {
	some manifest in documents.manifests
	not kind_of(manifest) in covered
	not has_containers(manifest)
	msg := sprintf("%s was not checked: no rule covers the kind %q", [name_of(manifest), kind_of(manifest)])
}

# METADATA
# title: Documents that are not manifests
# custom:
#   id: no_manifest
warn contains msg if {
	some document in documents.others
	not has_containers(document)
	msg := "a document was not checked: expected a manifest, a Compose file or a Dockerfile"
}

# METADATA
# title: Compose files
# description: The rules of the package `compose`.
# custom:
#   id: compose_file
deny contains msg if {
	some document in documents.compose_files
	some msg in data.compose.deny with input as document
}

# METADATA
# title: Dockerfiles
# description: The rules of the package `dockerfile`.
# custom:
#   id: a_dockerfile
deny contains msg if {
	some document in documents.dockerfiles
	some msg in data.dockerfile.deny with input as document
}
