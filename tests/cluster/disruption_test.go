package cluster

import (
	"fmt"
	"testing"
	"time"
)

// TestNoRequestIsLost disturbs one service in several ways, each time under load.
func TestNoRequestIsLost(t *testing.T) {
	s := newSpace(t, "disruption")
	s.apply(deploy("base"))
	s.ready()
	// The tests scale manually.
	s.kubectl("delete", "horizontalpodautoscaler", "cocoon")
	s.scale(2)
	url := s.url()
	for _, disruption := range []struct {
		name string
		run  func(space)
	}{
		{"rollout", func(s space) { s.kubectl("rollout", "restart", "deployment/cocoon") }},
		{"scale-out", func(s space) { s.kubectl("scale", "deployment/cocoon", "--replicas=4") }},
		{"scale-in", func(s space) { s.kubectl("scale", "deployment/cocoon", "--replicas=2") }},
		{"eviction", func(s space) { s.disturb(space.evict) }},
		{"deletion", func(s space) { s.disturb(space.remove) }},
	} {
		t.Run(disruption.name, func(t *testing.T) {
			inner := space{t, s.name}
			load := startLoad(url)
			defer load.end(t)
			disruption.run(inner)
			inner.settled()
		})
	}
}

func (s space) scale(replicas int) {
	s.Helper()
	s.kubectl("scale", "deployment/cocoon", fmt.Sprintf("--replicas=%d", replicas))
	s.ready()
}

// disturb ends each pod, one after another.
func (s space) disturb(end func(space, pod)) {
	s.Helper()
	for _, pod := range s.pods(servicePods) {
		end(s, pod)
		// The controller may not have noticed yet that the pod ends.
		s.await("an end of the pod's readiness", func() bool { return s.gone(pod) })
		s.ready()
	}
}

// gone reports whether a pod is deleted or being deleted.
func (s space) gone(old pod) bool {
	for _, pod := range s.pods("") {
		if pod.Metadata.UID == old.Metadata.UID {
			return false
		}
	}
	return true
}

// evict asks for an eviction, as `kubectl drain` does.
func (s space) evict(p pod) {
	s.Helper()
	s.kubectlWith(fmt.Sprintf(`{"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": %q, "namespace": %q}}`, p.Metadata.Name, s.name),
		"create", "--raw", fmt.Sprintf("/api/v1/namespaces/%s/pods/%s/eviction", s.name, p.Metadata.Name), "--filename=-")
}

func (s space) remove(p pod) {
	s.Helper()
	s.kubectl("delete", "pod", p.Metadata.Name, "--wait=false")
}

// settled waits until all pods are new and ready, and old ones are gone.
func (s space) settled() {
	s.Helper()
	s.ready()
	s.await("an end of the old pods", func() bool {
		var list struct{ Items []pod }
		s.get(&list, "pods", "--selector="+servicePods)
		return len(list.Items) == len(s.pods(servicePods))
	})
	// The load continues for a while after the disruption.
	time.Sleep(time.Second)
}

// An evicted Job restarts and does not fail.
func TestAJobOutlivesTwoEvictions(t *testing.T) {
	s := newSpace(t, "evicted-job")
	const longer = `
patches:
- target: {kind: Job}
  patch: '[{"op": "replace", "path": "/spec/template/spec/containers/0/args", "value": ["exec", "/factorial.wasm", "-n", "100000", "--sandbox-memory", "16MiB", "--", "run", "1"]}]'
`
	s.apply(s.overlay("job", longer))
	for range 2 {
		var running []pod
		s.await("a running pod of the Job", func() bool {
			running = nil
			for _, pod := range s.pods(jobPods) {
				if pod.Status.Phase == "Running" {
					running = append(running, pod)
				}
			}
			return len(running) == 1
		})
		time.Sleep(time.Second)
		s.evict(running[0])
		s.await("an end of the evicted pod", func() bool {
			for _, pod := range s.pods(jobPods) {
				if pod.Metadata.UID == running[0].Metadata.UID && pod.Status.Phase == "Running" {
					return false
				}
			}
			return true
		})
	}
	s.completed("cocoon")
}
