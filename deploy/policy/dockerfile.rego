# METADATA
# title: Dockerfiles
# description: |
#   The user of an image, its sources, its start and its shutdown.
#
#     conftest test --parser dockerfile --policy deploy/policy --namespace dockerfile Dockerfile
#
#   The package `main` also applies these rules to Dockerfiles.
package dockerfile

import data.documents
import rego.v1

# The instructions, by their positions.
instructions := [instruction |
	some file in documents.dockerfiles
	some instruction in file
	instruction.Cmd != "comment"
]

of_command(command) := [instruction | some instruction in instructions; instruction.Cmd == command]

# METADATA
# title: Other documents
# custom:
#   id: dockerfile_other
warn contains msg if {
	some document in documents.all
	not document in documents.dockerfiles
	msg := "a document was not checked: expected a Dockerfile"
}

# --- stages -------------------------------------------------------------------

# An ARG before the first FROM may be part of the name of a base.
preamble := array.slice(instructions, 0, min([index |
	some index, instruction in instructions
	instruction.Cmd == "from"
]))

arguments[name] := value if {
	some instruction in preamble
	instruction.Cmd == "arg"
	some word in instruction.Value
	[name, value] := split(word, "=")
}

resolved(image) := arguments[name] if {
	name := trim_suffix(trim_prefix(trim_prefix(image, "$"), "{"), "}")
	startswith(image, "$")
} else := image

stages := [stage |
	some from in of_command("from")
	stage := {"base": resolved(from.Value[0]), "name": stage_name(from)}
]

stage_name(from) := lower(from.Value[2]) if {
	lower(from.Value[1]) == "as"
} else := ""

# The position of the stage on which a stage is based.
parent(index) := max(found) if {
	base := lower(stages[index].base)
	found := [at | some at, stage in array.slice(stages, 0, index); stage.name == base]
	count(found) > 0
}

# A stage and all stages on which it is based: at most the number of stages.
edges[sprintf("%d", [index])] := {sprintf("%d", [at]) | at := parent(index)} if some index, _ in stages

lineage(index) := {to_number(at) | some at in graph.reachable(edges, {sprintf("%d", [index])})}

# The last instruction of a kind that a stage has or inherits.
effective(index, command) := found[count(found) - 1] if {
	found := [instruction |
		some instruction in of_command(command)
		instruction.Stage in lineage(index)
	]
	count(found) > 0
}

# Stages that are run as an image: the last one, and each that has or inherits ENTRYPOINT or CMD.
images contains image if {
	some index, stage in stages
	is_image(index)
	image := {"index": index, "name": image_name(index, stage)}
}

is_image(index) if index == count(stages) - 1

is_image(index) if effective(index, "entrypoint")

is_image(index) if effective(index, "cmd")

image_name(index, stage) := sprintf("stage %d", [index]) if {
	stage.name == ""
} else := sprintf("stage %s", [stage.name])

# --- rules --------------------------------------------------------------------

# METADATA
# title: The user of an image
# description: |
#   Without a user, an image runs as root; without a group, often as group 0. The kubelet
#   cannot verify that a name is not root.
# custom:
#   id: dockerfile_user
deny contains msg if {
	some image in images
	not has_user(image.index)
	msg := sprintf("%s must end with USER and two numbers other than 0, such as 65532:65532", [image.name])
}

has_user(index) if {
	user := effective(index, "user").Value[0]
	regex.match(`^0*[1-9][0-9]*:0*[1-9][0-9]*$`, user)
}

# METADATA
# title: Versions of bases
# description: The default tag is latest.
# custom:
#   id: dockerfile_base
deny contains msg if {
	some index, stage in stages
	stage.base != "scratch"
	not parent(index)
	not documents.pinned(stage.base)
	msg := sprintf("FROM %s must pin its image by a version or a digest", [stage.base])
}

# METADATA
# title: Versions of images that files are copied from
# custom:
#   id: dockerfile_copy
deny contains msg if {
	some copy in of_command("copy")
	some flag in copy.Flags
	startswith(flag, "--from=")
	source := trim_prefix(flag, "--from=")
	not lower(source) in {stage.name | some stage in stages}
	not regex.match(`^[0-9]+$`, source)
	not documents.pinned(resolved(source))
	msg := sprintf("COPY --from=%s must pin its image by a version or a digest", [source])
}

# METADATA
# title: Files from the network
# custom:
#   id: dockerfile_add
deny contains msg if {
	some add in of_command("add")
	some source in add.Value
	regex.match(`^(https?://|git@|git://)`, source)
	not verified(add)
	msg := sprintf("ADD %s must have a --checksum", [source])
}

verified(add) if {
	some flag in add.Flags
	startswith(flag, "--checksum=")
}

# METADATA
# title: Scripts from the network
# custom:
#   id: dockerfile_pipe
deny contains msg if {
	some run in of_command("run")
	some line in run.Value
	regex.match(`(curl|wget)[^|;&]*\|\s*(sudo\s+)?(ba|da|z)?sh\b`, line)
	msg := "RUN must not pipe a download into a shell: compare its checksum first"
}

# METADATA
# title: Privileges while an image is built
# custom:
#   id: dockerfile_insecure
deny contains msg if {
	some run in of_command("run")
	some flag in run.Flags
	flag in {"--network=host", "--security=insecure"}
	msg := sprintf("RUN must not have %s", [flag])
}

# METADATA
# title: Secrets in layers
# custom:
#   id: dockerfile_secrets
deny contains msg if {
	some instruction in instructions
	some name in names_set(instruction)
	regex.match(`(?i)(password|passwd|secret|token|credential|api_?key|private_?key)`, name)
	msg := sprintf("%s %s would stay in the image: use RUN --mount=type=secret", [upper(instruction.Cmd), name])
}

# ENV has a name, a value and a separator for each variable.
names_set(instruction) := [name |
	some index, name in instruction.Value
	index % 3 == 0
] if {
	instruction.Cmd == "env"
}

names_set(instruction) := [split(word, "=")[0] | some word in instruction.Value] if instruction.Cmd == "arg"

# METADATA
# title: Signals
# description: A shell would be the first process, and would not forward signals.
# custom:
#   id: dockerfile_exec_form
deny contains msg if {
	some instruction in instructions
	instruction.Cmd in {"cmd", "entrypoint"}
	not instruction.JSON
	msg := sprintf("%s must be a list of words in JSON", [upper(instruction.Cmd)])
}

# METADATA
# title: The stop signal of an image
# description: An absent signal means SIGTERM.
# custom:
#   id: dockerfile_signal
deny contains msg if {
	some image in images
	signal := effective(image.index, "stopsignal").Value[0]
	not signal in {"15", "SIGTERM", "TERM"}
	msg := sprintf("%s must stop by SIGTERM, at which Cocoon drains, not by %s", [image.name, signal])
}

# METADATA
# title: Health
# custom:
#   id: dockerfile_health
deny contains msg if {
	some image in images
	not has_health(image.index)
	msg := sprintf("%s must have a HEALTHCHECK", [image.name])
}

has_health(index) if {
	kind := effective(index, "healthcheck").Value[0]
	upper(kind) != "NONE"
}

# METADATA
# title: The port of the service
# custom:
#   id: dockerfile_port
deny contains msg if {
	some image in images
	some env in of_command("env")
	env.Stage in lineage(image.index)
	some index, name in env.Value
	name == "COCOON_LISTEN"
	address := env.Value[index + 1]
	port := regex.replace(address, `^.*:`, "")
	not port in exposed(image.index)
	msg := sprintf("%s listens at %s: expected EXPOSE %s", [image.name, address, port])
}

exposed(index) := {trim_suffix(port, "/tcp") |
	some instruction in of_command("expose")
	instruction.Stage in lineage(index)
	some port in instruction.Value
}
