package cluster

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

const (
	idleConnections = 3000
	// idleWatch is longer than the time after which a kubelet kills a pod that fails its probes.
	idleWatch = 45 * time.Second
	// lightMax bounds the time of a light request on a busy machine.
	lightMax = 10 * time.Second

	overloadCallers = 5000
	overloadPath    = "/factorial/1000000"
)

// service creates a service of two pods without an autoscaler.
func service(t *testing.T, name string) space {
	t.Helper()
	s := newSpace(t, name)
	s.apply(deploy("base"))
	s.ready()
	s.kubectl("delete", "horizontalpodautoscaler", "cocoon")
	s.scale(2)
	return s
}

func TestIdleConnectionsTakeNoPodAway(t *testing.T) {
	s := service(t, "idle")
	watch := s.watchPods()
	address := s.pods(servicePods)[0].Status.PodIP + ":8080"
	var open []net.Conn
	for range idleConnections {
		connection, err := net.DialTimeout("tcp", address, lightMax)
		if err != nil {
			t.Fatalf("connection %d: %v", len(open)+1, err)
		}
		defer connection.Close()
		connection.SetDeadline(time.Now().Add(lightMax))
		fmt.Fprintf(connection, "GET /factorial/5 HTTP/1.1\r\nHost: %s\r\n\r\n", address)
		answer, err := http.ReadResponse(bufio.NewReader(connection), nil)
		if err != nil || answer.StatusCode != http.StatusOK {
			t.Fatalf("connection %d: %v, %v", len(open)+1, answer, err)
		}
		open = append(open, connection)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: lightMax}
	for end := time.Now().Add(idleWatch); time.Now().Before(end); time.Sleep(pause) {
		if err := ask(client, "http://"+address+"/factorial/5", "120"); err != nil {
			t.Errorf("a new connection: %v", err)
		}
	}
	watch.end(t)
	t.Logf("%d connections were opened", len(open))
}

func TestAFullQueueIsAnsweredAndKeepsPodsReady(t *testing.T) {
	s := service(t, "full")
	url := s.url()
	watch := s.watchPods()
	var heavy, light statuses
	var callers sync.WaitGroup
	for range overloadCallers {
		callers.Add(1)
		go func() {
			defer callers.Done()
			heavy.add(outcome(url+overloadPath, waitMax))
		}()
	}
	done := make(chan struct{})
	go func() { callers.Wait(); close(done) }()
	for waiting := true; waiting; {
		light.add(outcome(url+"/factorial/5", lightMax))
		select {
		case <-done:
			waiting = false
		case <-time.After(pause):
		}
	}
	watch.end(t)
	t.Logf("%d callers: %v; light ones: %v", overloadCallers, heavy.counts(), light.counts())
	for status := range heavy.counts() {
		if status != "200" && status != "503" && status != "504" {
			t.Errorf("expected 200, 503 with Retry-After, or 504, got %s", status)
		}
	}
	for status := range light.counts() {
		if status != "200" && status != "503" {
			t.Errorf("expected 200, or 503 with Retry-After, for a light request, got %s", status)
		}
	}
	if heavy.counts()["503"] == 0 {
		t.Error("expected a full queue, got no 503")
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: lightMax}
	s.await("a recovery", func() bool { return ask(client, url+"/factorial/5", "120") == nil })
}

// outcome is the status of a complete answer, or the error.
func outcome(url string, wait time.Duration) string {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true}, Timeout: wait}
	answer, err := client.Get(url)
	if err != nil {
		return "no answer: " + cause(err)
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return fmt.Sprintf("%d, cut: %s", answer.StatusCode, cause(err))
	}
	if answer.StatusCode == http.StatusServiceUnavailable && answer.Header.Get("Retry-After") == "" {
		return "503 without Retry-After"
	}
	return fmt.Sprint(answer.StatusCode)
}

// cause removes ports, which differ between callers.
func cause(err error) string {
	for {
		inner, ok := err.(interface{ Unwrap() error })
		if !ok {
			return err.Error()
		}
		err = inner.Unwrap()
	}
}

// The autoscaler reads the pods' processor time, and adds pods under load.
func TestLoadScalesOut(t *testing.T) {
	s := newSpace(t, "autoscaler")
	s.apply(deploy("base"))
	s.ready()
	s.await("two pods", func() bool { return len(s.pods(servicePods)) == 2 })
	// Two busy processors may leave less to the pods than the manifest's target.
	s.kubectl("patch", "horizontalpodautoscaler", "cocoon", "--type=json",
		"--patch", `[{"op": "replace", "path": "/spec/metrics/0/resource/target/averageValue", "value": "100m"}]`)
	url := s.url()
	ended := make(chan struct{})
	defer close(ended)
	for range 4 {
		go func() {
			for {
				select {
				case <-ended:
					return
				default:
					outcome(url+"/factorial/200000", waitMax)
				}
			}
		}()
	}
	s.await("a third pod", func() bool { return len(s.pods(servicePods)) > 2 })
}

// A watch observes the pods while a test disturbs them.
type watch struct {
	stop  chan struct{}
	ended chan map[string]int
	looks int
}

func (s space) watchPods() *watch {
	w := &watch{stop: make(chan struct{}), ended: make(chan map[string]int, 1)}
	pods := len(s.pods(servicePods))
	go func() {
		faults := map[string]int{}
		defer func() { w.ended <- faults }()
		for ; ; w.looks++ {
			seen := s.pods(servicePods)
			if len(seen) != pods {
				faults[fmt.Sprintf("%d pods instead of %d", len(seen), pods)]++
			}
			for _, pod := range seen {
				if !pod.ready() {
					faults[pod.Metadata.Name+" is not ready"]++
				}
				if count := pod.restarts(); count > 0 {
					faults[fmt.Sprintf("%s restarted %d times", pod.Metadata.Name, count)]++
				}
			}
			select {
			case <-w.stop:
				return
			case <-time.After(pause):
			}
		}
	}()
	return w
}

// end reports the problems of the pods, with their counts.
func (w *watch) end(t *testing.T) {
	t.Helper()
	close(w.stop)
	faults := <-w.ended
	t.Logf("looked at the pods %d times", w.looks)
	for fault, count := range faults {
		t.Errorf("%s, seen %d times", fault, count)
	}
}
