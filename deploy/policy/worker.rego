# Workers: containers that run `cocoon worker`, and the scaling of their pods by the queue.
package main

import data.documents
import rego.v1

# The flags that rules check, with the defaults of `cocoon worker`.
worker_defaults := {
	"admin-listen": null,
	"drain-timeout": "30s",
}

# The containers that run `cocoon worker`, with their settings.
working contains object.union(container, {"settings": settings, "queue": queue, "admin": admin}) if {
	some container in containers
	words := array.concat(
		documents.field(container.spec, ["command"], []),
		documents.field(container.spec, ["args"], []),
	)
	"worker" in words
	settings := {name: option(container, words, name, value) | some name, value in worker_defaults}
	admin := address(documents.field(settings, ["admin-listen"], ":0"))
	queue := queue_of(container, words)
}

# The address of the queue, or an empty string.
queue_of(container, words) := url if {
	found := [value | some index, word in words; value := flag_value(words, "--queue", index, word)]
	url := found[count(found) - 1]
} else := url if {
	found := variables(container, "COCOON_QUEUE_URL")
	url := found[count(found) - 1]
} else := ""

# METADATA
# title: Queues of workers
# custom:
#   id: worker_queue
deny contains msg if {
	some container in working
	container.queue == ""
	msg := sprintf("%s must set COCOON_QUEUE_URL", [container.name])
}

# METADATA
# title: Passwords in addresses
# description: Anyone who can read the manifest can read a password in it.
# custom:
#   id: worker_password
deny contains msg if {
	some container in working
	regex.match(`^[a-z+]+://[^/@]*:[^/@]+@`, container.queue)
	msg := sprintf("%s must not have a password in the address of its queue: use COCOON_QUEUE_PASSWORD_FILE", [container.name])
}

# METADATA
# title: Health of workers
# custom:
#   id: worker_health
deny contains msg if {
	some container in working
	some probe in ["livenessProbe", "readinessProbe"]
	not probes_worker(container, probe)
	msg := sprintf("%s: the %s must be an httpGet of %s at the port of admin-listen", [
		container.name,
		probe,
		concat(" or ", sort(health_paths[probe])),
	])
}

probes_worker(container, probe) if {
	asks_for(container, probe, health_paths[probe])
	port_number(container, container.spec[probe].httpGet.port) == container.admin.port
}

# METADATA
# title: The end of workers
# description: The default grace period is 30 s. Redis has 10 s to answer after the timeout.
# custom:
#   id: worker_grace
deny contains msg if {
	some container in working
	grace := documents.field(container.pod.spec, ["terminationGracePeriodSeconds"], 30)
	timeout := documents.seconds(container.settings["drain-timeout"])
	grace <= timeout + 10
	msg := sprintf(
		"%s is killed while it drains: terminationGracePeriodSeconds (%v) must be more than the timeout and 10 s (%v)",
		[container.name, grace, timeout + 10],
	)
}

# METADATA
# title: Destinations of workers
# description: Port 53 is DNS, and ports 4317 and 4318 are those of a Collector.
# custom:
#   id: worker_egress
deny contains msg if {
	some container in working
	some entry in rules
	entry.direction == "egress"
	policy_selects(entry.policy, container.pod)
	some open in documents.field(entry.rule, ["ports"], [])
	not open.port in {53, 4317, 4318, queue_port(container.queue)}
	msg := sprintf("%s must allow %s no port but that of its queue, got %v", [
		name_of(entry.policy),
		container.pod.name,
		documents.field(open, ["port"], "all"),
	])
}

# The default port of Redis is 6379.
queue_port(url) := to_number(port) if {
	[[_, port]] := regex.find_all_string_submatch_n(`^[a-z+]+://[^/#]*:([0-9]{1,5})(?:[/#]|$)`, url, 1)
} else := 6379

# METADATA
# title: Scaling of workers
# description: |
#   The queue has a hash with a field for each range that waits or runs. The lag of a stream
#   is 0 while its last ranges run, so workers would end in the middle of them.
# custom:
#   id: worker_trigger
deny contains msg if {
	some scaler in scalers
	some container in working
	scaler.target == container.pod.name
	scaler.namespace == container.pod.namespace
	not counts_open_ranges(scaler.manifest)
	msg := sprintf("%s must have a trigger of the type redis with the list cocoon:{NAME}:open", [scaler.name])
}

counts_open_ranges(manifest) if {
	some trigger in documents.field(manifest, ["spec", "triggers"], [])
	trigger.type == "redis"
	regex.match(`^cocoon:\{[^{}]+\}:open$`, documents.field(trigger, ["metadata", "listName"], ""))
}

# METADATA
# title: Work that wakes no worker
# description: KEDA wakes when the length exceeds the threshold, whose default is 0.
# custom:
#   id: worker_activation
deny contains msg if {
	some manifest in of_kind("ScaledObject.keda.sh")
	some trigger in documents.field(manifest, ["spec", "triggers"], [])
	trigger.type == "redis"
	threshold := documents.field(trigger, ["metadata", "activationListLength"], "0")
	threshold != "0"
	msg := sprintf("%s must set activationListLength to 0, got %v", [name_of(manifest), threshold])
}
