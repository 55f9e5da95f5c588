package dockerfile_test

import data.dockerfile
import rego.v1

instruction(stage, command, value) := {
	"Cmd": command,
	"Flags": [],
	"JSON": command in {"cmd", "entrypoint", "healthcheck"},
	"Stage": stage,
	"SubCmd": "",
	"Value": value,
}

flagged(command, flag, value) := object.union(instruction(1, command, value), {"Flags": [flag]})

good := [
	instruction(0, "arg", ["BASE=rust:1.95"]),
	instruction(0, "from", ["${BASE}", "AS", "build"]),
	instruction(0, "run", ["cargo build"]),
	instruction(1, "from", ["scratch", "AS", "settings"]),
	instruction(1, "env", ["COCOON_LISTEN", "0.0.0.0:8080", "="]),
	instruction(1, "expose", ["8080"]),
	instruction(1, "user", ["65532:65532"]),
	instruction(1, "healthcheck", ["CMD", "/cocoon", "health"]),
	instruction(1, "entrypoint", ["/cocoon"]),
	instruction(2, "from", ["settings"]),
	flagged("copy", "--from=build", ["/image/", "/"]),
]

denied(file) := found if found := dockerfile.deny with input as file

# The valid file, with one instruction of its second stage replaced.
denied_with(changed) := denied(array.concat(
	[other | some other in good; [other.Cmd, other.Stage] != [changed.Cmd, changed.Stage]],
	[changed],
))

denied_without(command) := denied([other | some other in good; other.Cmd != command])

denied_and(added) := denied(array.concat(good, [added]))

both(text) := {sprintf("stage settings %s", [text]), sprintf("stage 2 %s", [text])}

test_accepts_combined if {
	found := dockerfile.deny with input as [{"path": "Dockerfile", "contents": good}]
	found == set()
}

test_refuses_dockerfile_other if {
	found := dockerfile.warn with input as {"kind": "Pod", "apiVersion": "v1"}
	found == {"a document was not checked: expected a Dockerfile"}
}

test_accepts_dockerfile_other if {
	found := dockerfile.warn with input as good
	found == set()
}

test_refuses_dockerfile_user if {
	text := "must end with USER and two numbers other than 0, such as 65532:65532"
	every user in ["0:0", "root", "65532", "65532:0", "0:65532", "nobody:nobody", "00:1"] {
		denied_with(instruction(1, "user", [user])) == both(text)
	}
	denied_without("user") == both(text)
	denied_and(instruction(2, "user", ["0:0"])) == {sprintf("stage 2 %s", [text])}
}

test_accepts_dockerfile_user if denied_with(instruction(1, "user", ["1:10"])) == set()

test_refuses_dockerfile_base if {
	msg := "FROM %s must pin its image by a version or a digest"
	denied_with(instruction(0, "arg", ["BASE=rust"])) == {sprintf(msg, ["${BASE}"])}
	denied_and(instruction(3, "from", ["debian:latest"])) & {sprintf(msg, ["debian:latest"])} != set()
	denied(array.concat([instruction(0, "arg", ["BASE=rust"])], array.slice(good, 1, count(good)))) ==
		{sprintf(msg, ["rust"])}
}

test_accepts_dockerfile_base if denied(good) == set()

test_refuses_dockerfile_copy if {
	denied_and(flagged("copy", "--from=nginx", ["/x", "/"])) ==
		{"COPY --from=nginx must pin its image by a version or a digest"}
}

test_accepts_dockerfile_copy if {
	denied_and(flagged("copy", "--from=nginx:1.29", ["/x", "/"])) == set()
	denied_and(flagged("copy", "--from=0", ["/x", "/"])) == set()
}

test_refuses_dockerfile_add if {
	denied_and(instruction(1, "add", ["https://example.com/x", "/"])) ==
		{"ADD https://example.com/x must have a --checksum"}
}

test_accepts_dockerfile_add if {
	denied_and(flagged("add", "--checksum=sha256:0a", ["https://example.com/x", "/"])) == set()
	denied_and(instruction(1, "add", ["x.tar", "/"])) == set()
}

test_refuses_dockerfile_pipe if {
	every line in ["curl -s https://x | sh", "set -e; wget -O- https://x | sudo bash -s"] {
		denied_and(instruction(1, "run", [line])) ==
			{"RUN must not pipe a download into a shell: compare its checksum first"}
	}
}

test_accepts_dockerfile_pipe if {
	denied_and(instruction(1, "run", ["curl -o x https://x && sha256sum -c x.sha256"])) == set()
}

test_refuses_dockerfile_insecure if {
	every flag in ["--network=host", "--security=insecure"] {
		denied_and(flagged("run", flag, ["true"])) == {sprintf("RUN must not have %s", [flag])}
	}
}

test_accepts_dockerfile_insecure if denied_and(flagged("run", "--network=none", ["true"])) == set()

test_refuses_dockerfile_secrets if {
	denied_and(instruction(1, "env", ["A", "b", "=", "DB_PASSWORD", "x", "="])) ==
		{"ENV DB_PASSWORD would stay in the image: use RUN --mount=type=secret"}
	denied_and(instruction(1, "arg", ["API_KEY"])) ==
		{"ARG API_KEY would stay in the image: use RUN --mount=type=secret"}
}

test_accepts_dockerfile_secrets if denied_and(instruction(1, "env", ["A", "token", "="])) == set()

test_refuses_dockerfile_exec_form if {
	denied_and(object.union(instruction(1, "cmd", ["/cocoon run"]), {"JSON": false})) ==
		{"CMD must be a list of words in JSON"}
}

test_accepts_dockerfile_exec_form if denied_and(instruction(1, "cmd", ["run", "10"])) == set()

test_refuses_dockerfile_signal if {
	denied_and(instruction(1, "stopsignal", ["SIGKILL"])) ==
		both("must stop by SIGTERM, at which Cocoon drains, not by SIGKILL")
}

test_accepts_dockerfile_signal if denied_and(instruction(1, "stopsignal", ["SIGTERM"])) == set()

test_refuses_dockerfile_health if {
	denied_without("healthcheck") == both("must have a HEALTHCHECK")
	denied_and(instruction(1, "healthcheck", ["NONE"])) == both("must have a HEALTHCHECK")
}

test_accepts_dockerfile_health if denied(good) == set()

test_refuses_dockerfile_port if {
	denied_without("expose") == both("listens at 0.0.0.0:8080: expected EXPOSE 8080")
	denied_with(instruction(1, "expose", ["9090"])) == both("listens at 0.0.0.0:8080: expected EXPOSE 8080")
}

test_accepts_dockerfile_port if denied_with(instruction(1, "expose", ["8080/tcp"])) == set()
