package main_test

import data.fixtures
import rego.v1

# The service scaled by KEDA, with a change of the ScaledObject.
keda_with(scaler) := denied(array.concat(fixtures.others, [fixtures.deployment, scaler]))

test_refuses_scale_target if {
	changed := fixtures.with_field(fixtures.scaler, "spec/scaleTargetRef/name", "other")
	"HorizontalPodAutoscaler/cocoon scales Deployment/other, which is not in the input" in service_with(changed)
}

test_accepts_scale_target if {
	keda_with(fixtures.keda_scaler) == set()
	denied_alone(fixtures.scaler) == set()
}

test_refuses_min_replicas if {
	msg := "HorizontalPodAutoscaler/cocoon must set minReplicas to 2 or more, got 1"
	service_with(fixtures.with_field(fixtures.scaler, "spec/minReplicas", 1)) == {msg}
	service_with(fixtures.without_field(fixtures.scaler, "spec/minReplicas")) == {msg}
	denied_alone(fixtures.without_field(fixtures.scaler, "spec/minReplicas")) == {msg}
	keda_with(fixtures.without_field(fixtures.keda_scaler, "spec/minReplicaCount")) ==
		{"ScaledObject/cocoon must set minReplicaCount to 2 or more, got 0"}
}

test_accepts_min_replicas if service_with(fixtures.with_field(fixtures.scaler, "spec/minReplicas", 3)) == set()

test_refuses_replicas_and_scaler if {
	service_with(fixtures.with_field(fixtures.deployment, "spec/replicas", 2)) ==
		{"Deployment/cocoon must not set replicas, which HorizontalPodAutoscaler/cocoon sets"}
}

test_accepts_replicas_and_scaler if service_with(fixtures.with_field(fixtures.deployment, "spec/replicas", null)) == set()

test_refuses_one_scaler if {
	denied(array.concat(fixtures.all_of_service, [fixtures.keda_scaler])) ==
		{"Deployment/cocoon must have one autoscaler, not HorizontalPodAutoscaler/cocoon and ScaledObject/cocoon"}
}

test_accepts_one_scaler if keda_with(fixtures.keda_scaler) == set()

test_refuses_replicas if {
	msg := "Deployment/cocoon must set replicas to 2 or more, or have an autoscaler, got 1"
	denied(array.concat(fixtures.others, [fixtures.deployment])) == {msg}
}

test_accepts_replicas if {
	deployment := fixtures.with_field(fixtures.deployment, "spec/replicas", 2)
	denied(array.concat(fixtures.others, [deployment])) == set()
}

test_refuses_disruption_budget if {
	msg := "Deployment/cocoon has no PodDisruptionBudget that selects it"
	service_with(fixtures.with_field(fixtures.budget, "spec/selector/matchLabels", {"name": "x"})) == {msg}
	service_with(fixtures.without_field(fixtures.budget, "spec/selector")) == {msg}
	service_with(fixtures.with_field(fixtures.budget, "metadata/namespace", "elsewhere")) == {msg}
}

test_accepts_disruption_budget if {
	service_with(fixtures.with_field(fixtures.budget, "spec/selector", {})) == set()
}

test_refuses_eviction if {
	service_with(fixtures.with_field(fixtures.budget, "spec/maxUnavailable", 0)) ==
		{"PodDisruptionBudget/cocoon prevents all evictions: maxUnavailable must not be 0"}
	service_with(fixtures.with_field(fixtures.budget, "spec/minAvailable", "100%")) ==
		{"PodDisruptionBudget/cocoon prevents all evictions: minAvailable must not be 100%"}
}

test_accepts_eviction if service_with(fixtures.with_field(fixtures.budget, "spec/maxUnavailable", "50%")) == set()
