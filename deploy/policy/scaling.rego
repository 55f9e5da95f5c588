# Scaling: the number of pods, the autoscalers, and how many pods may end at once. Some rules
# need all manifests together (`--combine`), and do not apply to a single manifest.
package main

import data.documents
import rego.v1

# Long-running workloads that an autoscaler can scale.
scalable := {"Deployment.apps", "ReplicaSet.apps", "ReplicationController", "StatefulSet.apps"}

# Both kinds of autoscalers, with their field names and defaults.
scalers contains scaler if {
	some manifest in of_kind("HorizontalPodAutoscaler.autoscaling")
	target := documents.field(manifest, ["spec", "scaleTargetRef"], {})
	scaler := {
		"manifest": manifest,
		"name": name_of(manifest),
		"target": name_of(object.union(target, {"metadata": {"name": documents.field(target, ["name"], "?")}})),
		"namespace": namespace_of(manifest),
		"key": "minReplicas",
		"least": documents.field(manifest, ["spec", "minReplicas"], 1),
	}
}

scalers contains scaler if {
	some manifest in of_kind("ScaledObject.keda.sh")
	target := documents.field(manifest, ["spec", "scaleTargetRef"], {})
	scaler := {
		"manifest": manifest,
		"name": name_of(manifest),
		"target": name_of({
			"kind": documents.field(target, ["kind"], "Deployment"),
			"metadata": {"name": documents.field(target, ["name"], "?")},
		}),
		"namespace": namespace_of(manifest),
		"key": "minReplicaCount",
		"least": documents.field(manifest, ["spec", "minReplicaCount"], 0),
	}
}

scales(scaler, manifest) if {
	scaler.target == name_of(manifest)
	scaler.namespace == namespace_of(manifest)
}

# METADATA
# title: Autoscalers without a target
# custom:
#   id: scale_target
deny contains msg if {
	documents.combined
	some scaler in scalers
	count([manifest | some manifest in documents.manifests; scales(scaler, manifest)]) == 0
	msg := sprintf("%s scales %s, which is not in the input", [scaler.name, scaler.target])
}

# METADATA
# title: The least number of pods
# description: |
#   The default of minReplicas is 1, that of KEDA's minReplicaCount 0. Workers of a queue may
#   have no pod, because the work waits in the queue.
# custom:
#   id: min_replicas
deny contains msg if {
	some scaler in scalers
	scaler.least < 2
	not counts_open_ranges(scaler.manifest)
	msg := sprintf("%s must set %s to 2 or more, got %v", [
		scaler.name,
		scaler.key,
		scaler.least,
	])
}

# METADATA
# title: Replicas of autoscaled workloads
# custom:
#   id: replicas_and_scaler
deny contains msg if {
	some scaler in scalers
	some manifest in documents.manifests
	scales(scaler, manifest)
	documents.field(manifest, ["spec", "replicas"], null) != null
	msg := sprintf("%s must not set replicas, which %s sets", [name_of(manifest), scaler.name])
}

# METADATA
# title: Several autoscalers of one workload
# custom:
#   id: one_scaler
deny contains msg if {
	some manifest in documents.manifests
	names := {scaler.name | some scaler in scalers; scales(scaler, manifest)}
	count(names) > 1
	msg := sprintf("%s must have one autoscaler, not %s", [name_of(manifest), concat(" and ", sort(names))])
}

# METADATA
# title: The number of pods without an autoscaler
# description: The default is 1. A StatefulSet whose pods have data of their own may have one.
# custom:
#   id: replicas
deny contains msg if {
	documents.combined
	some manifest in documents.manifests
	kind_of(manifest) in scalable
	count(documents.field(manifest, ["spec", "volumeClaimTemplates"], [])) == 0
	count([scaler | some scaler in scalers; scales(scaler, manifest)]) == 0
	replicas := documents.field(manifest, ["spec", "replicas"], 1)
	replicas < 2
	msg := sprintf("%s must set replicas to 2 or more, or have an autoscaler, got %v", [name_of(manifest), replicas])
}

# METADATA
# title: Evictions of all pods at once
# custom:
#   id: disruption_budget
deny contains msg if {
	documents.combined
	some pod in pods
	pod.kind in scalable
	not has_data(pod)
	not budgeted(pod)
	msg := sprintf("%s has no PodDisruptionBudget that selects it", [pod.name])
}

budgeted(pod) if {
	some budget in of_kind("PodDisruptionBudget.policy")
	namespace_of(budget) == pod.namespace
	selects(documents.field(budget, ["spec", "selector"], null), pod)
}

# METADATA
# title: Evictions that never succeed
# custom:
#   id: eviction
deny contains msg if {
	some budget in of_kind("PodDisruptionBudget.policy")
	some key, value in {"maxUnavailable": {0, "0%"}, "minAvailable": {"100%"}}
	budget.spec[key] in value
	msg := sprintf("%s prevents all evictions: %s must not be %v", [name_of(budget), key, budget.spec[key]])
}
