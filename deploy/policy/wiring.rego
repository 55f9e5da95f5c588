# What manifests say of each other. Only all of them together can be judged so.
package main

import rego.v1

together if is_array(input)

# --- services -----------------------------------------------------------------

deny contains msg if {
	together
	some service in of_kind("Service")
	not any_selected(service.spec.selector)
	msg := sprintf("%s selects no pod of these", [name_of(service)])
}

any_selected(selector) if {
	some pod in pods
	selects(selector, pod)
}

deny contains msg if {
	some service in of_kind("Service")
	some pod in pods
	selects(service.spec.selector, pod)
	some port in service.spec.ports
	not port_of(pod, port)
	msg := sprintf(
		"%s: the port %s must have the name of a port of %s, and target it by that name",
		[name_of(service), object.get(port, "name", "?"), pod.name],
	)
}

port_of(pod, port) if {
	some container in pod.spec.containers
	some known in container.ports
	known.name == port.name
	known.name == port.targetPort
}

# A job must not be asked for what the service answers.
deny contains msg if {
	some service in of_kind("Service")
	some pod in pods
	not pod.kind in services
	pod.kind != "Pod"
	selects(service.spec.selector, pod)
	msg := sprintf("%s must not select the pods of %s", [name_of(service), pod.name])
}

# --- what every deployment has ------------------------------------------------

deny contains msg if {
	together
	some pod in pods
	not policed(pod)
	msg := sprintf("%s has no NetworkPolicy that selects it", [pod.name])
}

policed(pod) if {
	some policy in of_kind("NetworkPolicy")
	selects(policy.spec.podSelector.matchLabels, pod)
}

deny contains msg if {
	together
	some pod in pods
	pod.kind == "Deployment"
	not budgeted(pod)
	msg := sprintf("%s has no PodDisruptionBudget that selects it", [pod.name])
}

budgeted(pod) if {
	some budget in of_kind("PodDisruptionBudget")
	selects(budget.spec.selector.matchLabels, pod)
}

deny contains msg if {
	together
	some pod in pods
	account := object.get(pod.spec, "serviceAccountName", "default")
	not account in {known.metadata.name | some known in of_kind("ServiceAccount")}
	account != "default"
	msg := sprintf("%s: the ServiceAccount %s is not among these", [pod.name, account])
}

deny contains msg if {
	together
	some scaler in of_kind("HorizontalPodAutoscaler")
	target := scaler.spec.scaleTargetRef
	name := sprintf("%s/%s", [target.kind, target.name])
	not name in {name_of(manifest) | some manifest in manifests}
	msg := sprintf("%s scales %s, which is not among these", [name_of(scaler), name])
}

deny contains msg if {
	some scaler in of_kind("HorizontalPodAutoscaler")
	scaler.spec.minReplicas < 2
	msg := sprintf("%s must have minReplicas of 2 or more, so that one may go", [name_of(scaler)])
}

deny contains msg if {
	some scaler in of_kind("HorizontalPodAutoscaler")
	some manifest in manifests
	manifest.kind == scaler.spec.scaleTargetRef.kind
	manifest.metadata.name == scaler.spec.scaleTargetRef.name
	manifest.spec.replicas
	msg := sprintf("%s must not set replicas, which %s sets", [name_of(manifest), name_of(scaler)])
}

# --- the network --------------------------------------------------------------

deny contains msg if {
	some policy in of_kind("NetworkPolicy")
	some direction in ["Ingress", "Egress"]
	not direction in object.get(policy.spec, "policyTypes", [])
	msg := sprintf("%s must have %s in policyTypes", [name_of(policy), direction])
}

deny contains msg if {
	some policy in of_kind("NetworkPolicy")
	some direction in ["ingress", "egress"]
	some rule in object.get(policy.spec, direction, [])
	count(object.get(rule, "ports", [])) == 0
	msg := sprintf("%s: a rule of %s must name its ports", [name_of(policy), direction])
}

deny contains msg if {
	some policy in of_kind("NetworkPolicy")
	some rule in object.get(policy.spec, "egress", [])
	count(object.get(rule, "to", [])) == 0
	msg := sprintf("%s: a rule of egress must say to whom", [name_of(policy)])
}

deny contains msg if {
	some policy in of_kind("NetworkPolicy")
	some pod in pods
	selects(policy.spec.podSelector.matchLabels, pod)
	some rule in object.get(policy.spec, "ingress", [])
	some open in object.get(rule, "ports", [])
	not listens(pod, open.port)
	msg := sprintf("%s opens the port %v, on which %s does not listen", [name_of(policy), open.port, pod.name])
}

listens(pod, port) if {
	some container in pod.spec.containers
	some known in container.ports
	port in {known.name, known.containerPort}
}
