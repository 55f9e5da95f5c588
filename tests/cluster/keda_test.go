package cluster

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

const (
	// cooldown is the time in seconds from the end of the work to the removal of the last worker.
	cooldown = 5
	// turns of the loop of an instance, which outlast the cooldown with a fifth of a processor.
	turns = 10_000_000_000
)

// spinner returns a core module of WASI preview 1 that counts to turns.
func spinner() []byte {
	section := func(id byte, content ...byte) []byte {
		return append(binary.AppendUvarint([]byte{id}, uint64(len(content))), content...)
	}
	// One local of i64; a loop; add 1 to the local; go on while it is less than turns. A constant is
	// signed: another byte of 0 follows a seventh bit.
	body := append([]byte{1, 1, 0x7e, 0x03, 0x40, 0x20, 0, 0x42, 1, 0x7c, 0x22, 0, 0x42}, binary.AppendUvarint(nil, turns)...)
	if body[len(body)-1]&0x40 != 0 {
		body[len(body)-1] |= 0x80
		body = append(body, 0)
	}
	body = append(body, 0x54, 0x0d, 0, 0x0b, 0x0b)
	exports := []byte("\x02\x06memory\x02\x00\x06_start\x00\x00")
	module := []byte("\x00asm\x01\x00\x00\x00")
	module = append(module, section(1, 1, 0x60, 0, 0)...)
	module = append(module, section(3, 1, 0)...)
	module = append(module, section(5, 1, 0, 1)...)
	module = append(module, section(7, exports...)...)
	code := append(binary.AppendUvarint([]byte{1}, uint64(len(body))), body...)
	return append(module, section(10, code...)...)
}

// KEDA wakes a worker for a batch that waits, and the autoscaler adds further ones. Neither
// removes a busy worker, however long one instance runs. All workers go after the work.
func TestKEDAScalesWorkersFromZero(t *testing.T) {
	const redis, workers = "10.96.70.3", 2
	s := newSpace(t, "scaling")
	file := filepath.Join(t.TempDir(), "spin.wasm")
	if err := os.WriteFile(file, spinner(), 0o644); err != nil {
		t.Fatal(err)
	}
	s.kubectl("create", "configmap", "programs", "--from-file="+file)
	// KEDA runs on the node, which has no DNS.
	s.queue(redis, fmt.Sprintf(`- target: {kind: ScaledObject, name: cocoon-worker}
  patch: '[{"op": "replace", "path": "/spec/triggers/0/metadata/address", "value": "%s:6379"},
    {"op": "replace", "path": "/spec/pollingInterval", "value": 1}, {"op": "replace", "path": "/spec/cooldownPeriod", "value": %d},
    {"op": "replace", "path": "/spec/maxReplicaCount", "value": %d}]'
- target: {kind: Deployment, name: cocoon-worker}
  patch: '[{"op": "replace", "path": "/spec/template/spec/containers/0/resources/requests/cpu", "value": "100m"},
    {"op": "replace", "path": "/spec/template/spec/containers/0/resources/limits/cpu", "value": "200m"},
    {"op": "replace", "path": "/spec/template/spec/initContainers/0/resources/requests/cpu", "value": "100m"}]'
`, redis, cooldown, workers))
	s.kubectl("wait", "--for=condition=Ready", "scaledobject/cocoon-worker", "--timeout="+waitMax.String())
	s.await("no worker without work", func() bool { return len(s.pods(queueWorkers)) == 0 && s.replicas() == "0" })

	began := time.Now()
	s.submit(redis, "/programs/spin.wasm", "-n", fmt.Sprint(2*workers))
	s.await("a worker", func() bool { return len(s.pods(queueWorkers)) > 0 })
	t.Logf("the first worker exists %s after the submission", time.Since(began).Round(time.Millisecond))
	seen := map[string]pod{}
	s.await("an end of the batch", func() bool {
		// Read before the workers, so that a batch that lasts has its workers.
		if s.submitted() == "Succeeded" {
			return true
		}
		for _, pod := range s.pods(queueWorkers) {
			seen[pod.Metadata.UID] = pod
		}
		for _, worker := range seen {
			if s.gone(worker) {
				t.Fatalf("expected %s until the end of the batch, got an end before it\n%s", worker.Metadata.Name, s.state())
			}
		}
		return false
	})
	worked := time.Since(began)
	s.succeeded()
	if len(seen) != workers {
		t.Errorf("expected %d workers for %d instances, got %d", workers, 2*workers, len(seen))
	}
	if worked < 3*cooldown*time.Second {
		t.Errorf("expected a batch that outlasts the cooldown of %d s, got %s", cooldown, worked)
	}
	ended := time.Now()
	s.await("no worker after the work", func() bool { return s.replicas() == "0" && len(s.pods(queueWorkers)) == 0 })
	t.Logf("%d workers, for %s; none %s later", len(seen), worked.Round(time.Second), time.Since(ended).Round(time.Second))
}

// replicas returns the number of workers that the autoscaler wants.
func (s space) replicas() string {
	s.Helper()
	return s.kubectl("get", "deployment", "cocoon-worker", "--output=jsonpath={.spec.replicas}")
}
