package cluster

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// handler returns the component of examples/handlers/rust.
func handler(t *testing.T) []byte {
	t.Helper()
	file := os.Getenv("COCOON_HANDLER")
	if file == "" {
		t.Fatal("expected a component in COCOON_HANDLER, got none; run tests/cluster/run")
	}
	component, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return component
}

// another returns the same component with another digest: it has one more custom section.
func another(component []byte) []byte {
	return append(append([]byte{}, component...), 0, 2, 1, 'x')
}

// handlers applies overlays/handler with the routes, the registry and its authority.
func (s space) handlers(r *registry, routes string) {
	s.Helper()
	s.apply(s.overlay("overlays/handler", fmt.Sprintf(`
configMapGenerator:
- {name: cocoon-routes, behavior: replace, literals: [%q]}
- {name: authority, literals: [%q]}
patches:
- target: {kind: NetworkPolicy, name: cocoon}
  patch: '[{"op": "replace", "path": "/spec/egress/2", "value":
    {"to": [{"ipBlock": {"cidr": "%s/32"}}], "ports": [{"protocol": "TCP", "port": %s}]}}]'
- target: {kind: Deployment, name: cocoon}
  patch: '[
    {"op": "add", "path": "/spec/template/spec/volumes/-", "value": {"name": "authority", "configMap": {"name": "authority"}}},
    {"op": "add", "path": "/spec/template/spec/containers/0/volumeMounts/-", "value":
      {"name": "authority", "mountPath": "/etc/authority", "readOnly": true}},
    {"op": "add", "path": "/spec/template/spec/containers/0/env/-", "value": {"name": "SSL_CERT_FILE", "value": "/etc/authority/ca.crt"}}]'
- target: {kind: HorizontalPodAutoscaler}
  patch: '{"$patch": "delete", "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "cocoon"}}'
`, "cocoon.toml="+routes, "ca.crt="+r.authority, nodeAddress, r.port())))
}

func route(path, reference string) string {
	return fmt.Sprintf("[[serve.route]]\npath = %q\ncomponent = %q\n", path, reference)
}

// askHandler requires an answer of the component of examples/handlers/rust.
func askHandler(client *http.Client, url string) error {
	answer, err := client.Get(url + "/factorial/20")
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	var fact struct{ Factorial string }
	if err := json.Unmarshal(body, &fact); err != nil || fact.Factorial != "2432902008176640000" {
		return fmt.Errorf("status %d: %.200s", answer.StatusCode, body)
	}
	return nil
}

// status returns the status of an answer.
func status(t *testing.T, url string) int {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: probeMax}
	answer, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	return answer.StatusCode
}

// Pods are ready when they have compiled every route. A container that restarts needs no
// registry. A rollout to other routes loses no request.
func TestHandlersOfARegistryAreServed(t *testing.T) {
	s := newSpace(t, "handler")
	r := startRegistry(t)
	first, _ := r.add("first/facts", handler(t))
	second, blob := r.add("second/facts", another(handler(t)))
	release := r.hold(blob)
	defer release()
	s.handlers(r, route("/", first)+route("/words", second))

	s.await("a pod that waits for the second component", func() bool { return r.requests(blob) > 0 })
	waiting := s.pods(servicePods)[0]
	s.await("probes", func() bool { return s.pods(servicePods)[0].started() })
	admin := "http://" + waiting.Status.PodIP + ":8081"
	for path, want := range map[string]int{"/readyz": http.StatusServiceUnavailable, "/healthz": http.StatusOK} {
		if got := status(t, admin+path); got != want {
			t.Errorf("expected status %d of %s before the last route is compiled, got %d", want, path, got)
		}
	}
	// Longer than the period of the probe.
	time.Sleep(3 * time.Second)
	if pod := s.pods(servicePods)[0]; pod.ready() || pod.restarts() > 0 {
		t.Errorf("expected a pod that is not ready and did not restart, got %+v", pod.Status)
	}
	release()
	s.ready()
	s.scale(2)
	if got := status(t, admin+"/readyz"); got != http.StatusOK {
		t.Errorf("expected status 200 of /readyz, got %d", got)
	}
	url := s.url()
	client := &http.Client{Timeout: waitMax}
	if err := askHandler(client, url); err != nil {
		t.Fatal(err)
	}

	t.Run("a container that restarts needs no registry", func(t *testing.T) {
		s := space{t, s.name}
		before := r.requests("")
		pod := s.pods(servicePods)[0]
		process, err := os.FindProcess(s.process(pod, "cocoon"))
		if err != nil || process.Kill() != nil {
			t.Fatalf("expected a process to kill, got %v", err)
		}
		s.await("a restart", func() bool {
			for _, now := range s.pods(servicePods) {
				if now.Metadata.UID == pod.Metadata.UID {
					return now.restarts() == 1 && now.ready()
				}
			}
			return false
		})
		if after := r.requests(""); after != before {
			t.Errorf("expected no request to the registry, got %d", after-before)
		}
		s.await("an answer", func() bool { return askHandler(client, "http://"+pod.Status.PodIP+":8080") == nil })
	})

	t.Run("a rollout loses no request", func(t *testing.T) {
		s := space{t, s.name}
		before := s.pods(servicePods)
		load := startLoadOf(func(client *http.Client) error { return askHandler(client, url) })
		defer load.end(t)
		s.handlers(r, route("/", second))
		s.settled()
		for _, old := range before {
			if !s.gone(old) {
				t.Errorf("expected a new pod in place of %s", old.Metadata.Name)
			}
		}
		var routes []struct{ Path, Component string }
		answer, err := client.Get("http://" + s.pods(servicePods)[0].Status.PodIP + ":8081/routes.json")
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if err := json.NewDecoder(answer.Body).Decode(&routes); err != nil || len(routes) != 1 || !strings.HasSuffix(second, routes[0].Component[len("oci://"):]) {
			t.Errorf("expected the route / to %s, got %+v, %v", second, routes, err)
		}
	})
}
