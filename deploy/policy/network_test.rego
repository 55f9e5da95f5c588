package main_test

import data.fixtures
import rego.v1

policy_with(path, value) := service_with(fixtures.with_field(fixtures.network_policy, path, value))

policy_without(path) := service_with(fixtures.without_field(fixtures.network_policy, path))

test_refuses_policed if {
	msg := "Deployment/cocoon has no NetworkPolicy that selects it"
	policy_with("spec/podSelector/matchLabels", {"name": "other"}) == {msg}
	policy_with("spec/podSelector", {"matchExpressions": [{"key": "name", "operator": "DoesNotExist"}]}) == {msg}
	policy_with("metadata/namespace", "elsewhere") == {msg}
}

test_accepts_policed if {
	policy_with("spec/podSelector", {}) == set()
	policy_with("spec/podSelector", {"matchExpressions": [{"key": "name", "operator": "Exists"}]}) == set()
}

test_refuses_policy_types if {
	policy_with("spec/policyTypes", ["Ingress"]) == {"NetworkPolicy/cocoon must have Egress in policyTypes"}
	job_with(fixtures.without_field(fixtures.job_policy, "spec/policyTypes")) ==
		{"NetworkPolicy/once must have Egress in policyTypes"}
}

# Without policyTypes, the types include Egress if it has rules.
test_accepts_policy_types if policy_without("spec/policyTypes") == set()

test_refuses_policy_ports if {
	policy_without("spec/egress/1/ports") == {"NetworkPolicy/cocoon: a rule of egress must name its ports"}
	ingress := "NetworkPolicy/cocoon: a rule of ingress must name its ports"
	policy_with("spec/ingress/-", {}) == {ingress}
	policy_with("spec/ingress/0/ports/0", {"protocol": "TCP"}) == {ingress}
}

test_accepts_policy_ports if policy_with("spec/ingress/0/ports/0", {"port": "http"}) == set()

test_refuses_policy_port_ranges if {
	policy_with("spec/egress/1/ports/0/endPort", 65535) ==
		{"NetworkPolicy/cocoon: a rule of egress must name each port, without endPort"}
	policy_with("spec/egress/0/ports/0/endPort", 65535) ==
		{"NetworkPolicy/cocoon: a rule of egress must name each port, without endPort"}
}

test_accepts_policy_port_ranges if policy_with("spec/egress/1/ports/-", {"port": 4317}) == set()

test_refuses_egress_peers if {
	msg := "NetworkPolicy/cocoon: a rule of egress must name its destinations, except for port 53"
	policy_without("spec/egress/1/to") == {msg}
	policy_with("spec/egress/1/to", []) == {msg}
	policy_with("spec/egress/1/to", [{"ipBlock": {"cidr": "0.0.0.0/0"}}]) == {msg}
	policy_with("spec/egress/0/ports/-", {"port": 443}) == {msg}
}

test_accepts_egress_peers if {
	policy_with("spec/egress/1/to", [{"ipBlock": {"cidr": "10.0.0.0/8"}}]) == set()
}

test_refuses_policy_listeners if {
	policy_with("spec/ingress/0/ports/-", {"port": 9090}) ==
		{"NetworkPolicy/cocoon allows port 9090, on which Deployment/cocoon does not listen"}
	policy_with("spec/ingress/0/ports/0/protocol", "UDP") ==
		{"NetworkPolicy/cocoon allows port 8080, on which Deployment/cocoon does not listen"}
}

test_accepts_policy_listeners if policy_with("spec/ingress/0/ports/0/protocol", "TCP") == set()
