# Network: the connections that pods may accept and open. Some rules need all manifests
# together (`--combine`), and do not apply to a single manifest.
package main

import data.documents
import rego.v1

policies := of_kind("NetworkPolicy.networking.k8s.io")

policy_selects(policy, pod) if {
	namespace_of(policy) == pod.namespace
	selects(documents.field(policy, ["spec", "podSelector"], {}), pod)
}

# METADATA
# title: Pods without a NetworkPolicy
# custom:
#   id: policed
deny contains msg if {
	documents.combined
	some pod in pods
	count([policy | some policy in policies; policy_selects(policy, pod)]) == 0
	msg := sprintf("%s has no NetworkPolicy that selects it", [pod.name])
}

# Without policyTypes, the types are Ingress, and Egress if it has rules.
policy_types(policy) := documents.field(policy, ["spec", "policyTypes"], by_default) if {
	egress := documents.field(policy, ["spec", "egress"], [])
	by_default := array.concat(["Ingress"], [type | count(egress) > 0; type := "Egress"])
}

# METADATA
# title: Directions of a NetworkPolicy
# custom:
#   id: policy_types
deny contains msg if {
	some policy in policies
	some direction in ["Ingress", "Egress"]
	not direction in policy_types(policy)
	msg := sprintf("%s must have %s in policyTypes", [name_of(policy), direction])
}

rules contains {"policy": policy, "direction": direction, "rule": rule} if {
	some policy in policies
	some direction in ["ingress", "egress"]
	some rule in documents.field(policy, ["spec", direction], [])
}

# METADATA
# title: All ports
# description: Without ports, or with an entry without `port`, a rule allows all ports.
# custom:
#   id: policy_ports
deny contains msg if {
	some entry in rules
	not names_ports(entry.rule)
	msg := sprintf("%s: a rule of %s must name its ports", [name_of(entry.policy), entry.direction])
}

names_ports(rule) if {
	ports := documents.field(rule, ["ports"], [])
	count(ports) > 0
	every open in ports {
		documents.field(open, ["port"], null) != null
	}
}

# METADATA
# title: Ranges of ports
# custom:
#   id: policy_port_ranges
deny contains msg if {
	some entry in rules
	some open in documents.field(entry.rule, ["ports"], [])
	documents.field(open, ["endPort"], null) != null
	msg := sprintf("%s: a rule of %s must name each port, without endPort", [name_of(entry.policy), entry.direction])
}

# METADATA
# title: All destinations
# description: |
#   Port 53 is allowed at any address: NodeLocal DNSCache listens on an address of the node,
#   which no selector matches.
# custom:
#   id: egress_peers
deny contains msg if {
	some entry in rules
	entry.direction == "egress"
	not for_names(entry.rule)
	not names_peers(entry.rule)
	msg := sprintf("%s: a rule of egress must name its destinations, except for port 53", [name_of(entry.policy)])
}

for_names(rule) if {
	every open in rule.ports {
		open.port == 53
	}
}

names_peers(rule) if {
	peers := documents.field(rule, ["to"], [])
	count(peers) > 0
	every peer in peers {
		not endswith(documents.field(peer, ["ipBlock", "cidr"], ""), "/0")
	}
}

# METADATA
# title: Ports on which no pod listens
# custom:
#   id: policy_listeners
deny contains msg if {
	some entry in rules
	entry.direction == "ingress"
	some pod in pods
	policy_selects(entry.policy, pod)
	some open in documents.field(entry.rule, ["ports"], [])
	port := documents.field(open, ["port"], null)
	port != null
	not listens(pod, port, documents.field(open, ["protocol"], "TCP"))
	msg := sprintf("%s allows port %v, on which %s does not listen", [name_of(entry.policy), port, pod.name])
}

listens(pod, port, protocol) if {
	some container in containers
	container.pod.name == pod.name
	some known in documents.field(container.spec, ["ports"], [])
	documents.field(known, ["protocol"], "TCP") == protocol
	port in {documents.field(known, ["name"], null), known.containerPort}
}
