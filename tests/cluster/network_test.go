package cluster

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// nodeLocalDNS is the address on which NodeLocal DNSCache listens on every node.
const nodeLocalDNS = "169.254.20.10"

// process returns a process of a pod by the name of its program.
func (s space) process(p pod, program string) (id int) {
	s.Helper()
	groups, err := filepath.Glob("/proc/[0-9]*/cgroup")
	if err != nil {
		s.Fatal(err)
	}
	for _, group := range groups {
		text, _ := os.ReadFile(group)
		name, _ := os.ReadFile(filepath.Join(filepath.Dir(group), "comm"))
		if strings.Contains(string(text), p.Metadata.UID) && strings.TrimSpace(string(name)) == program {
			fmt.Sscanf(group, "/proc/%d/", &id)
			return id
		}
	}
	s.Fatalf("expected a process %s of the pod %s, got none", program, p.Metadata.Name)
	return 0
}

// inPod returns this program, as a command in the network of a pod.
func (s space) inPod(p pod, arguments ...string) *exec.Cmd {
	s.Helper()
	self, err := os.Executable()
	if err != nil {
		s.Fatal(err)
	}
	target := fmt.Sprint("--target=", s.process(p, "pause"))
	return exec.Command("nsenter", append([]string{target, "--net", "--", self}, arguments...)...)
}

// started starts a server, waits until it listens, and returns the file of its output.
func (s space) started(command *exec.Cmd) string {
	s.Helper()
	out, err := os.CreateTemp(s.TempDir(), "out")
	if err != nil {
		s.Fatal(err)
	}
	defer out.Close()
	command.Stdout, command.Stderr = out, out
	if err := command.Start(); err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { command.Process.Kill(); command.Wait() })
	s.await("a server", func() bool { return strings.Contains(s.read(out.Name()), "listening") })
	return out.Name()
}

func (s space) read(file string) string {
	s.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		s.Fatal(err)
	}
	return string(text)
}

// bystander creates a pod that only holds a network, and waits for it.
func (s space) bystander() pod {
	s.Helper()
	s.kubectl("run", "bystander", "--image=localhost/pause:local", "--image-pull-policy=Never", "--overrides",
		`{"spec": {"automountServiceAccountToken": false, "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
		"containers": [{"name": "bystander", "image": "localhost/pause:local", "imagePullPolicy": "Never",
		"securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}}}]}}`)
	s.Cleanup(func() {
		s.kubectl("delete", "pod", "bystander", "--force", "--grace-period=0", "--wait=false", "--ignore-not-found")
	})
	s.kubectl("wait", "--for=condition=Ready", "pod/bystander", "--timeout="+waitMax.String())
	return s.pods("run=bystander")[0]
}

func TestTheNetworkPolicyAllowsWhatIsNeeded(t *testing.T) {
	s := newSpace(t, "network")
	s.apply(deploy("base"))
	s.ready()
	pod := s.pods(servicePods)[0]
	other := newSpace(t, "network-other")
	monitoring := newSpace(t, "monitoring")
	neighbour, prometheus := other.bystander(), monitoring.bystander()

	if out, err := exec.Command("ip", "address", "add", nodeLocalDNS+"/32", "dev", "lo").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Cleanup(func() { exec.Command("ip", "address", "delete", nodeLocalDNS+"/32", "dev", "lo").Run() })
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, server := range [][2]string{{"udp", ":53"}, {"tcp", ":53"}, {"tcp", ":54"}} {
		s.started(exec.Command(self, "listen", server[0], nodeLocalDNS+server[1]))
	}
	for _, port := range []string{":4317", ":4318", ":4319"} {
		s.started(other.inPod(neighbour, "listen", "tcp", neighbour.Status.PodIP+port))
	}

	for _, way := range []struct {
		name             string
		from             *exec.Cmd
		network, address string
		open             bool
	}{
		{"to a name server of the node, by UDP", s.inPod(pod), "udp", nodeLocalDNS + ":53", true},
		{"to a name server of the node, by TCP", s.inPod(pod), "tcp", nodeLocalDNS + ":53", true},
		{"to another port of the node", s.inPod(pod), "tcp", nodeLocalDNS + ":54", false},
		{"to a Collector, by gRPC", s.inPod(pod), "tcp", neighbour.Status.PodIP + ":4317", true},
		{"to a Collector, by HTTP", s.inPod(pod), "tcp", neighbour.Status.PodIP + ":4318", true},
		{"to another port of a pod", s.inPod(pod), "tcp", neighbour.Status.PodIP + ":4319", false},
		{"from another namespace to the service", other.inPod(neighbour), "tcp", pod.Status.PodIP + ":8080", true},
		{"from another namespace to metrics", other.inPod(neighbour), "tcp", pod.Status.PodIP + ":8081", false},
		{"from monitoring to metrics", monitoring.inPod(prometheus), "tcp", pod.Status.PodIP + ":8081", true},
	} {
		t.Run(way.name, func(t *testing.T) {
			way.from.Args = append(way.from.Args, "dial", way.network, way.address)
			out, err := way.from.CombinedOutput()
			if open := err == nil; open != way.open {
				t.Errorf("expected open=%v, got %v: %s", way.open, err, out)
			}
		})
	}
}

// A pod's spans name it, its namespace and its node.
func TestSpansNameTheirPod(t *testing.T) {
	s := newSpace(t, "spans")
	collector := newSpace(t, "spans-collector")
	receiver := collector.bystander()
	received := collector.started(collector.inPod(receiver, "collect", "tcp", receiver.Status.PodIP+":4318"))
	s.apply(s.overlay("base", "configMapGenerator:\n- name: cocoon\n  behavior: merge\n  literals: [OTEL_EXPORTER_OTLP_ENDPOINT=http://"+
		receiver.Status.PodIP+":4318]\n"))
	s.ready()
	client := &http.Client{Timeout: waitMax}
	if err := ask(client, s.url()+"/factorial/5", "120"); err != nil {
		t.Fatal(err)
	}
	named := func() bool {
		// Protobuf messages contain texts unencoded.
		spans := s.read(received)
		for _, pod := range s.pods(servicePods) {
			if strings.Contains(spans, pod.Metadata.Name) && strings.Contains(spans, pod.Metadata.UID) {
				return true
			}
		}
		return false
	}
	s.await("spans that name a pod", named)
	for _, text := range []string{"k8s.pod.name", "k8s.namespace.name", s.name, "k8s.node.name", "node1", "service.instance.id"} {
		if !strings.Contains(s.read(received), text) {
			t.Errorf("expected %s in the spans' resource, got none", text)
		}
	}
}
