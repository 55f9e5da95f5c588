// Package cluster tests deploy/ and the image on a real Kubernetes node, which
// tests/cluster/cluster starts. It runs inside the node:
//
//	tests/cluster/cluster in tests.test -test.v
//
// Each test has its own namespace under PodSecurity `restricted`, except tests that only
// disturb a service, which they share.
package cluster

import (
	"cmp"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	// waitMax bounds every wait for the cluster.
	waitMax = 3 * time.Minute
	pause   = 200 * time.Millisecond
	image   = "localhost/cocoon:0.1.0"
)

func TestMain(m *testing.M) {
	if probed, ok := probe(os.Args[1:]); ok {
		os.Exit(probed)
	}
	os.Exit(m.Run())
}

// deploy returns the path of a folder of manifests.
func deploy(folder string) string {
	return filepath.Join(cmp.Or(os.Getenv("COCOON_DEPLOY"), "../../deploy"), folder)
}

// A space is a namespace, which ends with its test.
type space struct {
	*testing.T
	name string
}

// newSpace creates a namespace that rejects pods which are not `restricted`.
func newSpace(t *testing.T, name string) space {
	t.Helper()
	s := space{t, name}
	s.kubectl("create", "namespace", name)
	t.Cleanup(func() {
		s.kubectl("delete", "namespace", name, "--wait=false")
		// Tests do not wait until the pods of the previous test have drained.
		s.kubectl("delete", "pods", "--all", "--force", "--grace-period=0", "--wait=false")
	})
	s.kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted",
		"pod-security.kubernetes.io/warn=restricted")
	return s
}

// try runs kubectl in the namespace and returns its whole output.
func (s space) try(stdin string, arguments ...string) (string, error) {
	command := exec.Command("kubectl", append([]string{"--namespace", s.name}, arguments...)...)
	command.Stdin = strings.NewReader(stdin)
	out, err := command.CombinedOutput()
	return string(out), err
}

func (s space) kubectl(arguments ...string) string {
	s.Helper()
	return s.kubectlWith("", arguments...)
}

func (s space) kubectlWith(stdin string, arguments ...string) string {
	s.Helper()
	out, err := s.try(stdin, arguments...)
	if err != nil {
		s.Fatalf("kubectl %s: %v\n%s", strings.Join(arguments, " "), err, out)
	}
	return out
}

// apply applies a folder of manifests and returns a line for each object.
func (s space) apply(folder string) []string {
	s.Helper()
	out := s.kubectl("apply", "--kustomize", folder)
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "Warning") {
			s.Errorf("%s: %s", folder, line)
		}
	}
	return strings.Split(strings.TrimSpace(out), "\n")
}

// get decodes an object, or a list of them.
func (s space) get(value any, arguments ...string) {
	s.Helper()
	out := s.kubectl(append([]string{"get", "--output=json"}, arguments...)...)
	if err := json.Unmarshal([]byte(out), value); err != nil {
		s.Fatalf("kubectl get %s: %v", strings.Join(arguments, " "), err)
	}
}

// existing returns a namespace that the node has already.
func (s space) existing(name string) space { return space{s.T, name} }

// ready waits until all pods of the service are new and ready.
func (s space) ready() {
	s.Helper()
	s.rolled("cocoon")
}

// rolled waits until all pods of a Deployment are new and ready.
func (s space) rolled(deployment string) {
	s.Helper()
	out, err := s.try("", "rollout", "status", "deployment/"+deployment, "--timeout="+waitMax.String())
	if err != nil {
		s.Fatalf("%v: %s\n%s", err, out, s.state())
	}
}

// completed waits until a Job is complete.
func (s space) completed(job string) {
	s.Helper()
	out, err := s.try("", "wait", "--for=condition=complete", "job/"+job, "--timeout="+waitMax.String())
	if err != nil {
		log, _ := s.try("", "logs", "job/"+job, "--tail=5")
		s.Fatalf("%v: %s\n%s\n%s", err, out, log, s.state())
	}
}

// state describes the namespace in a message about a failure.
func (s space) state() string {
	pods, _ := s.try("", "get", "pods", "--output=wide")
	events, _ := s.try("", "get", "events", "--sort-by=.lastTimestamp")
	return pods + events
}

// await waits until a condition holds.
func (s space) await(what string, holds func() bool) {
	s.Helper()
	for end := time.Now().Add(waitMax); !holds(); time.Sleep(pause) {
		if time.Now().After(end) {
			s.Fatalf("expected %s within %s\n%s", what, waitMax, s.state())
		}
	}
}

// A pod contains the fields of a pod that the tests read.
type pod struct {
	Metadata struct {
		Name, UID         string
		DeletionTimestamp string
	}
	Status struct {
		Phase, PodIP      string
		Conditions        []struct{ Type, Status string }
		ContainerStatuses []struct {
			RestartCount int
			State        struct {
				Running *struct{ StartedAt string }
			}
		}
	}
}

func (p pod) ready() bool {
	for _, condition := range p.Status.Conditions {
		if condition.Type == "Ready" {
			return condition.Status == "True"
		}
	}
	return false
}

// started reports whether all containers run, ready or not.
func (p pod) started() bool {
	for _, container := range p.Status.ContainerStatuses {
		if container.State.Running == nil {
			return false
		}
	}
	return len(p.Status.ContainerStatuses) > 0
}

func (p pod) restarts() (count int) {
	for _, container := range p.Status.ContainerStatuses {
		count += container.RestartCount
	}
	return count
}

// pods returns the pods that are not being deleted.
func (s space) pods(selector string) (live []pod) {
	s.Helper()
	var list struct{ Items []pod }
	s.get(&list, "pods", "--selector="+selector)
	for _, pod := range list.Items {
		if pod.Metadata.DeletionTimestamp == "" {
			live = append(live, pod)
		}
	}
	return live
}

// Selectors of the manifests.
const (
	servicePods = "app.kubernetes.io/component=service"
	jobPods     = "app.kubernetes.io/component=job"
)

// url returns the address of the Service, once kube-proxy knows its pods.
func (s space) url() string {
	s.Helper()
	address := s.kubectl("get", "service", "cocoon", "--output=jsonpath={.spec.clusterIP}") + ":8080"
	s.await("a connection to the Service", func() bool {
		connection, err := net.DialTimeout("tcp", address, waitMax)
		if err == nil {
			connection.Close()
		}
		return err == nil
	})
	return "http://" + address
}

// overlay writes a kustomization over a folder of deploy/ and returns its path.
func (s space) overlay(folder, more string) string {
	s.Helper()
	own := s.TempDir()
	there, err := filepath.Abs(deploy(folder))
	if err != nil {
		s.Fatal(err)
	}
	relative, err := filepath.Rel(own, there)
	if err != nil {
		s.Fatal(err)
	}
	text := "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [" + relative + "]\n" + more
	if err := os.WriteFile(filepath.Join(own, "kustomization.yaml"), []byte(text), 0o644); err != nil {
		s.Fatal(err)
	}
	return own
}
