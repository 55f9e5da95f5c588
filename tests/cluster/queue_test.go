package cluster

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	password     = "a-password-of-the-tests"
	queueWorkers = "app.kubernetes.io/component=worker"
	redisPods    = "app.kubernetes.io/name=redis"
	queued       = 20000
	// drainMax is far below the grace period of workers, whose instances are short.
	drainMax = 60 * time.Second
)

// queue creates the Redis and the workers of overlays/queue-trial, with further changes. Names
// of Services are resolved by hostAliases, because the node has no DNS.
func (s space) queue(redis, more string) {
	s.Helper()
	s.kubectl("create", "secret", "generic", "cocoon-queue", "--from-literal=password="+password)
	s.volume("data-redis-0", "ReadWriteOnce")
	s.apply(s.overlay("overlays/queue-trial", fmt.Sprintf(`
images:
- {name: redis, newName: localhost/redis, newTag: tests}
patches:
- target: {kind: Service, name: redis}
  patch: '[{"op": "add", "path": "/spec/clusterIP", "value": %[1]q}]'
- target: {kind: Deployment, name: cocoon-worker}
  patch: '[{"op": "add", "path": "/spec/template/spec/hostAliases", "value": [{"ip": %[1]q, "hostnames": ["redis"]}]}]'
`, redis)+more))
	out, err := s.try("", "rollout", "status", "statefulset/redis", "--timeout="+waitMax.String())
	if err != nil {
		s.Fatalf("%v: %s\n%s", err, out, s.state())
	}
}

// submit starts a pod that runs a batch of a program, and prints its results. Programs that are
// not in the image are in the ConfigMap `programs`.
func (s space) submit(redis, program string, arguments ...string) {
	s.Helper()
	command := append([]string{"exec", program, "--queue", "redis://redis:6379",
		"--queue-password-file", "/run/secrets/cocoon/password"}, arguments...)
	for i, argument := range command {
		command[i] = strconv.Quote(argument)
	}
	s.kubectlWith(fmt.Sprintf(`{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "submitter", "labels": {
		"app.kubernetes.io/name": "cocoon", "app.kubernetes.io/component": "submitter"}}, "spec": {
		"restartPolicy": "Never", "automountServiceAccountToken": false, "hostAliases": [{"ip": %q, "hostnames": ["redis"]}],
		"securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
		"volumes": [{"name": "queue", "secret": {"secretName": "cocoon-queue"}},
			{"name": "programs", "configMap": {"name": "programs", "optional": true}}],
		"containers": [{"name": "cocoon", "image": %q, "args": [%s],
		"volumeMounts": [{"name": "queue", "mountPath": "/run/secrets/cocoon", "readOnly": true},
			{"name": "programs", "mountPath": "/programs", "readOnly": true}],
		"securityContext": {"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}}}]}}`,
		redis, image, strings.Join(command, ", ")), "create", "--filename=-")
}

// submitted returns the phase of the submitter.
func (s space) submitted() string {
	s.Helper()
	return s.kubectl("get", "pod", "submitter", "--output=jsonpath={.status.phase}")
}

// succeeded waits for the end of the batch.
func (s space) succeeded() {
	s.Helper()
	s.await("an end of the batch", func() bool { return s.submitted() == "Succeeded" || s.submitted() == "Failed" })
	if phase := s.submitted(); phase != "Succeeded" {
		s.Fatalf("expected a batch that succeeded, got %s: %s", phase, s.kubectl("logs", "submitter", "--tail=5"))
	}
}

// results returns the lines of a batch by their instance.
func (s space) results() map[int][]string {
	s.Helper()
	results := map[int][]string{}
	// The submitter may not have started.
	log, _ := s.try("", "logs", "submitter")
	for line := range strings.Lines(log) {
		var i int
		if _, err := fmt.Sscanf(line, "[%d]", &i); err == nil {
			results[i] = append(results[i], strings.TrimSpace(line[strings.Index(line, "]")+1:]))
		}
	}
	return results
}

// scientific returns the factorials of 1 to n with three digits.
func scientific(n int) []string {
	texts := make([]string, n+1)
	logarithm := 0.0
	for i := 1; i <= n; i++ {
		logarithm += math.Log10(float64(i))
		exponent := math.Floor(logarithm)
		digits := fmt.Sprintf("%.2f", math.Pow(10, logarithm-exponent))
		if digits == "10.00" {
			digits, exponent = "1.00", exponent+1
		}
		texts[i] = fmt.Sprintf("%se+%.0f", digits, exponent)
	}
	return texts
}

// A worker that is deleted drains, and one that is killed is replaced. Each result is printed once.
func TestEachResultOfAQueueIsPrintedOnce(t *testing.T) {
	const redis = "10.96.70.1"
	s := newSpace(t, "queue")
	// Without KEDA. Small limits make the batch last.
	s.queue(redis, `- target: {kind: Deployment, name: cocoon-worker}
  patch: '[{"op": "add", "path": "/spec/replicas", "value": 2},
    {"op": "replace", "path": "/spec/template/spec/containers/0/resources/requests/cpu", "value": "100m"},
    {"op": "replace", "path": "/spec/template/spec/containers/0/resources/limits/cpu", "value": "250m"},
    {"op": "replace", "path": "/spec/template/spec/initContainers/0/resources/requests/cpu", "value": "100m"}]'
- target: {kind: ScaledObject}
  patch: '{"$patch": "delete", "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": "cocoon-worker"}}'
- target: {kind: TriggerAuthentication}
  patch: '{"$patch": "delete", "apiVersion": "keda.sh/v1alpha1", "kind": "TriggerAuthentication", "metadata": {"name": "cocoon-worker"}}'
`)
	s.rolled("cocoon-worker")
	s.submit(redis, "/factorial.wasm", "-n", fmt.Sprint(queued), "--", "compute", "{i}", "--format", "scientific:3")
	beyond := func(count int) func() bool { return func() bool { return len(s.results()) > count } }

	s.await("a quarter of the results", beyond(queued/4))
	s.drained(s.pods(queueWorkers)[0])
	s.await("half of the results", beyond(queued/2))
	killed := s.process(s.pods(queueWorkers)[0], "cocoon")
	if process, err := os.FindProcess(killed); err != nil || process.Kill() != nil {
		t.Fatalf("expected a worker to kill, got %v", err)
	}
	if s.submitted() != "Running" {
		t.Error("expected a batch that lasts, got one that ended before the workers")
	}
	s.succeeded()

	results := s.results()
	for i, want := range scientific(queued) {
		if i == 0 {
			continue
		}
		if got := results[i]; len(got) != 1 || got[0] != want {
			t.Fatalf("instance %d: expected %s once, got %q", i, want, got)
		}
	}
	t.Logf("%d instances, each once", len(results))
}

// drained deletes a worker and checks that it ends by itself, with 0. A finalizer keeps the
// object of the pod until the test has read it.
func (s space) drained(p pod) {
	s.Helper()
	name := p.Metadata.Name
	finalizers := func(value string) {
		s.kubectl("patch", "pod", name, "--type=merge", "--patch", `{"metadata": {"finalizers": `+value+`}}`)
	}
	finalizers(`["cocoon.example/test"]`)
	defer finalizers("null")
	began := time.Now()
	s.remove(p)
	var code string
	s.await("an end of the worker", func() bool {
		code = s.kubectl("get", "pod", name, "--output=jsonpath={.status.containerStatuses[0].state.terminated.exitCode}")
		return code != ""
	})
	took := time.Since(began)
	s.Logf("%s drained within %s", name, took.Round(time.Millisecond))
	if code != "0" || took > drainMax {
		s.Errorf("expected a worker that ends with 0 within %s, got %s after %s", drainMax, code, took)
	}
}

func TestWorkersReachRedisAlone(t *testing.T) {
	const redis = "10.96.70.2"
	s := newSpace(t, "queue-network")
	s.queue(redis, `- target: {kind: Deployment, name: cocoon-worker}
  patch: '[{"op": "add", "path": "/spec/replicas", "value": 1}]'
- target: {kind: ScaledObject}
  patch: '{"$patch": "delete", "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": "cocoon-worker"}}'
`)
	s.rolled("cocoon-worker")
	worker, server := s.pods(queueWorkers)[0], s.pods(redisPods)[0]
	other := newSpace(t, "queue-other")
	neighbour := other.bystander()
	keda := s.existing("keda").bystander()
	for _, port := range []string{":6379", ":8080"} {
		s.started(other.inPod(neighbour, "listen", "tcp", neighbour.Status.PodIP+port))
	}
	for _, way := range []struct {
		name    string
		from    *exec.Cmd
		address string
		open    bool
	}{
		{"from a worker to Redis", s.inPod(worker), server.Status.PodIP + ":6379", true},
		{"from a worker to the Service of Redis", s.inPod(worker), redis + ":6379", true},
		{"from a worker to another port of a pod", s.inPod(worker), neighbour.Status.PodIP + ":8080", false},
		{"from a worker to the port of Redis elsewhere", s.inPod(worker), neighbour.Status.PodIP + ":6379", false},
		{"from a worker to the API server", s.inPod(worker), "10.77.0.2:6443", false},
		{"from another namespace to Redis", other.inPod(neighbour), server.Status.PodIP + ":6379", false},
		{"from KEDA to Redis", s.inPod(keda), server.Status.PodIP + ":6379", true},
		{"from Redis to another pod", s.inPod(server), neighbour.Status.PodIP + ":6379", false},
		{"from another namespace to the metrics of a worker", other.inPod(neighbour), worker.Status.PodIP + ":8081", false},
	} {
		t.Run(way.name, func(t *testing.T) {
			way.from.Args = append(way.from.Args, "dial", "tcp", way.address)
			out, err := way.from.CombinedOutput()
			if open := err == nil; open != way.open {
				t.Errorf("expected open=%v, got %v: %s", way.open, err, out)
			}
		})
	}
}
