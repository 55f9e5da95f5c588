package compose_test

import data.compose
import rego.v1

good := {
	"image": "localhost/cocoon:0.1.0",
	"command": ["serve"],
	"environment": {"COCOON_DRAIN_TIMEOUT": "40s"},
	"ports": ["127.0.0.1:8080:8080"],
	"stop_grace_period": "50s",
	"read_only": true,
	"cap_drop": ["ALL"],
	"security_opt": ["no-new-privileges:true"],
	"mem_limit": "2g",
}

file(spec) := {"services": {"cocoon": spec}}

denied(spec) := found if found := compose.deny with input as file(spec)

denied_with(key, value) := denied(object.union(json.remove(good, [key]), {key: value}))

denied_without(key) := denied(json.remove(good, [key]))

test_accepts_combined if {
	found := compose.deny with input as [{"path": "compose.yaml", "contents": file(good)}]
	found == set()
}

test_refuses_compose_other if {
	found := compose.warn with input as {"kind": "Pod", "apiVersion": "v1"}
	found == {"a document was not checked: expected a Compose file, with services"}
}

test_accepts_compose_other if {
	found := compose.warn with input as file(good)
	found == set()
}

test_refuses_compose_include if {
	found := compose.deny with input as {"include": ["other.yaml"]}
	found == {"include brings services that are not checked: write them here, or check `docker compose config`"}
}

test_accepts_compose_include if denied(good) == set()

test_refuses_compose_extends if {
	denied_with("extends", {"file": "other.yaml", "service": "x"}) ==
		{"service cocoon must not have extends, which brings settings that are not checked"}
}

test_accepts_compose_extends if denied_with("extends", null) == set()

test_refuses_compose_image if {
	every image in ["cocoon", "cocoon:latest", "${IMAGE}"] {
		denied_with("image", image) ==
			{sprintf("service cocoon must pin its image by a version or a digest, got %q", [image])}
	}
	denied_without("image") == {`service cocoon must pin its image by a version or a digest, got ""`}
}

test_accepts_compose_image if denied_with("image", "localhost:5000/cocoon:1") == set()

test_refuses_compose_privileged if {
	denied_with("privileged", true) == {"service cocoon must not be privileged"}
}

test_accepts_compose_privileged if denied_with("privileged", false) == set()

test_refuses_compose_user if {
	every user in [0, "0", "root", "0:0", "root:root", "65532:0", "0:65532"] {
		denied_with("user", user) == {sprintf("service cocoon must not run as root: user is %v", [user])}
	}
}

test_accepts_compose_user if {
	denied_with("user", "65532:65532") == set()
	denied_with("user", 1000) == set()
}

test_refuses_compose_cap_drop if {
	denied_without("cap_drop") == {"service cocoon must set cap_drop: [ALL]"}
	denied_with("cap_drop", ["NET_RAW"]) == {"service cocoon must set cap_drop: [ALL]"}
}

test_accepts_compose_cap_drop if denied_with("cap_drop", ["NET_RAW", "ALL"]) == set()

test_refuses_compose_cap_add if {
	denied_with("cap_add", ["SYS_ADMIN"]) == {"service cocoon must not add the capability SYS_ADMIN"}
}

test_accepts_compose_cap_add if denied_with("cap_add", ["NET_BIND_SERVICE"]) == set()

test_refuses_compose_new_privileges if {
	denied_without("security_opt") == {"service cocoon must set security_opt: [no-new-privileges:true]"}
}

test_accepts_compose_new_privileges if denied_with("security_opt", ["no-new-privileges"]) == set()

test_refuses_compose_unconfined if {
	every option in ["seccomp:unconfined", "apparmor=unconfined", "label:disable"] {
		denied_with("security_opt", ["no-new-privileges:true", option]) ==
			{sprintf("service cocoon must not set security_opt %s", [option])}
	}
}

test_accepts_compose_unconfined if {
	denied_with("security_opt", ["no-new-privileges:true", "seccomp:./profile.json"]) == set()
}

test_refuses_compose_host_namespaces if {
	every key in ["cgroup", "ipc", "network_mode", "pid", "userns_mode", "uts"] {
		denied_with(key, "host") ==
			{sprintf("service cocoon shares the machine's namespaces: %s must not be host", [key])}
	}
}

test_accepts_compose_host_namespaces if denied_with("network_mode", "none") == set()

test_refuses_compose_devices if {
	denied_with("devices", ["/dev/kvm:/dev/kvm"]) == {"service cocoon must not set devices"}
}

test_accepts_compose_devices if denied_with("devices", []) == set()

test_refuses_compose_ports if {
	every port in ["8080:8080", "0.0.0.0:8080:8080", "8080"] {
		denied_with("ports", [port]) == {sprintf("service cocoon must publish a port at 127.0.0.1, got %s", [port])}
	}
	count(denied_with("ports", [{"target": 8080, "published": "8080"}])) == 1
}

test_accepts_compose_ports if {
	denied_with("ports", [{"target": 8080, "published": "80", "host_ip": "127.0.0.1"}]) == set()
}

test_refuses_compose_mounts if {
	msg := "service cocoon must mount ./data read-only"
	denied_with("volumes", ["./data:/data"]) == {msg}
	denied_with("volumes", [{"type": "bind", "source": "./data", "target": "/data"}]) == {msg}
}

test_accepts_compose_mounts if {
	denied_with("volumes", ["./data:/data:ro", "named:/data", "/anonymous"]) == set()
	denied_with("volumes", [{"type": "bind", "source": "./data", "target": "/d", "read_only": true}]) == set()
}

test_refuses_compose_machine if {
	every source in ["/", "/etc", "/var/run/docker.sock", "/proc"] {
		denied_with("volumes", [sprintf("%s:/x:ro", [source])]) ==
			{sprintf("service cocoon must not mount %s of the machine", [source])}
	}
}

test_accepts_compose_machine if denied_with("volumes", ["/srv/data:/data:ro"]) == set()

test_refuses_compose_memory if denied_without("mem_limit") == {"service cocoon must set mem_limit"}

test_accepts_compose_memory if {
	deploy := {"resources": {"limits": {"memory": "2g"}}}
	denied(object.union(json.remove(good, ["mem_limit"]), {"deploy": deploy})) == set()
}

test_refuses_compose_read_only if {
	msg := "service cocoon must set read_only: true"
	denied_without("read_only") == {msg}
	denied(json.remove(object.union(good, {"command": "worker"}), ["read_only"])) == {msg}
}

test_accepts_compose_read_only if {
	# Other programs may need their files.
	denied(json.remove(object.union(good, {"command": "other"}), ["read_only"])) == set()
}

test_refuses_compose_listen if {
	msg := "service cocoon listens at 0.0.0.0:9090, but publishes 8080"
	denied_with("environment", {"COCOON_LISTEN": "0.0.0.0:9090", "COCOON_DRAIN_TIMEOUT": "40s"}) == {msg}
	denied_with("environment", ["COCOON_LISTEN=0.0.0.0:9090"]) == {msg}
}

test_accepts_compose_listen if {
	denied_with("command", "serve --queue 5") == set()
	denied(object.union(good, {
		"environment": ["COCOON_LISTEN=0.0.0.0:9090"],
		"ports": ["127.0.0.1:80:9090/tcp"],
	})) == set()
}

test_refuses_compose_grace if {
	msg := "stop_grace_period (%v s) must be more than delay and timeout (%v s)"
	full := sprintf("service cocoon is killed while it drains: %s", [msg])
	denied_without("stop_grace_period") == {sprintf(full, [10, 40])}
	denied(json.remove(good, ["stop_grace_period", "environment"])) == {sprintf(full, [10, 30])}
}

test_accepts_compose_grace if denied_with("stop_grace_period", "1m") == set()
