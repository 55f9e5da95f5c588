# METADATA
# title: Documents
# description: |
#   The documents of an input by type: Kubernetes manifests, Compose files, Dockerfiles and
#   others. With `--combine`, Conftest passes all documents together, each with its path.
#   Otherwise it passes one document at a time.
package documents

import rego.v1

# Returns the field at a path, or a default if the field is absent or null. Kubernetes and
# Compose treat both alike.
field(from, path, default_value) := value if {
	is_object(from)
	value := object.get(from, path, null)
	value != null
} else := default_value

combined if {
	is_array(input)
	count(input) > 0
	every entry in input {
		is_object(entry)
		object.keys(entry) == {"path", "contents"}
	}
}

all contains input if not combined

all contains entry.contents if {
	combined
	some entry in input
}

# --- Dockerfiles --------------------------------------------------------------

dockerfiles contains document if {
	some document in all
	is_dockerfile(document)
}

is_dockerfile(document) if {
	is_array(document)
	count(document) > 0
	every instruction in document {
		is_string(instruction.Cmd)
	}
}

# --- Compose files ------------------------------------------------------------

compose_files contains document if {
	some document in all
	is_compose(document)
}

is_compose(document) if {
	is_object(document)
	count({"apiVersion", "kind"} & object.keys(document)) == 0
	count({"include", "services"} & object.keys(document)) > 0
}

# --- manifests ----------------------------------------------------------------

# Replaces lists by their items, as kubectl does. An item without a kind has the kind of its
# list: a DeploymentList contains Deployments.
manifests contains manifest if {
	some manifest in all
	is_manifest(manifest)
	not is_list(manifest)
}

manifests contains item if {
	some list in all
	is_list(list)
	some given in list.items
	is_object(given)
	common := {
		"apiVersion": field(list, ["apiVersion"], ""),
		"kind": trim_suffix(field(list, ["kind"], ""), "List"),
	}
	item := object.union(common, given)
}

is_list(document) if {
	is_object(document)
	is_array(document.items)
}

is_manifest(document) if {
	is_object(document)
	not is_compose(document)
	count({"apiVersion", "kind"} & object.keys(document)) > 0
}

# --- the rest -----------------------------------------------------------------

others contains document if {
	some document in all
	document != null
	not is_dockerfile(document)
	not is_compose(document)
	not is_manifest(document)
	not is_list(document)
}

# --- images -------------------------------------------------------------------

# True if an image has a digest, or a tag that is a version. A colon before the last slash
# belongs to a registry's port.
pinned(image) if {
	is_string(image)
	regex.match(`@sha256:[0-9a-f]{64}$`, image)
}

pinned(image) if {
	is_string(image)
	not contains(image, "@")
	regex.match(`:[A-Za-z0-9_][A-Za-z0-9_.-]*$`, image)
	not endswith(image, ":latest")
}

# --- times --------------------------------------------------------------------

# Parses a time of Cocoon or HAProxy; returns seconds.
seconds(text) := to_number(number) * unit if {
	is_string(text)
	some suffix, unit in {"s": 1, "m": 60, "h": 3600}
	number := trim_suffix(text, suffix)
	regex.match(`^[0-9]+$`, number)
	number != text
}
