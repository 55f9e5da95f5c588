package observability

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// The Collector logs no warning with deploy/otel-collector.yaml.
func TestTheCollectorStartsWithoutAWarning(t *testing.T) {
	text, err := os.ReadFile(collector.log)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, "\twarn\t") || strings.Contains(line, "\terror\t") {
			t.Errorf("the Collector says: %s", line)
		}
	}
}

// fresh returns a request that no other resembles: a remembered cost would save a span.
func fresh(number int) request {
	return request{"fresh", "GET", fmt.Sprintf("/factorial/%d", 1000+number), "", http.StatusOK}
}

// Every span of a burst arrives, or is counted as dropped.
func TestSpansArriveOrAreCounted(t *testing.T) {
	const clients, each = 16, 500
	before := spanCounts(t)["otelcol_receiver_accepted_spans"]
	service := serve(t)
	var group sync.WaitGroup
	for client := range clients {
		group.Add(1)
		go func() {
			defer group.Done()
			for i := range each {
				if status, _, err := service.send(fresh(1 + client*each + i)); err != nil || status != http.StatusOK {
					t.Errorf("status %d, %v", status, err)
				}
			}
		}()
	}
	group.Wait()
	if _, _, err := service.send(fresh(0)); err != nil {
		t.Error(err)
	}
	lost := droppedSpans(t, service)
	service.stop(t)
	found := traces(t)
	arrived := int(spanCounts(t)["otelcol_receiver_accepted_spans"] - before)
	most := 0
	for _, trace := range found {
		most = max(most, len(trace.Spans))
	}
	expected := (clients*each + 1) * most
	t.Logf("%d spans arrived, %d were dropped", arrived, lost)
	if arrived+lost != expected {
		t.Errorf("expected %d spans, got %d and %d dropped", expected, arrived, lost)
	}
}

var droppedMetric = regexp.MustCompile(`(?m)^cocoon_\w*spans?_dropped_total(?:\{[^}]*\})? (\S+)$`)

// droppedSpans returns the service's count of spans that it dropped.
func droppedSpans(t *testing.T, service *service) int {
	t.Helper()
	answer, err := http.Get(service.url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	found := droppedMetric.FindAllStringSubmatch(string(text), -1)
	if found == nil {
		t.Errorf("expected a metric of dropped spans, got none")
	}
	sum := 0
	for _, match := range found {
		count, err := strconv.ParseFloat(match[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		sum += int(count)
	}
	return sum
}

// Without a Collector, the service answers as fast, logs one line, and exports again when a
// Collector is available.
func TestACollectorMayEndAndComeBack(t *testing.T) {
	service := serve(t, "OTEL_BSP_SCHEDULE_DELAY=100", "COCOON_LOG_FORMAT=json")
	ask := func(count int) {
		for range count {
			if status, _, err := service.send(requests[0]); err != nil || status != http.StatusOK {
				t.Errorf("status %d, %v", status, err)
			}
		}
	}
	ask(1)
	collector.stop()
	ask(500)
	// The failed export ends after that of the batch before it.
	told := await(func() bool { return warnings(service.log.String()) > 0 })
	if !told {
		t.Errorf("expected a warning about the Collector, got %q", service.log)
	}
	var err error
	if collector, err = startCollector(); err != nil {
		t.Fatal(err)
	}
	back := await(func() bool { ask(1); return spanCounts(t)["otelcol_receiver_accepted_spans"] > 0 })
	if !back {
		t.Error("expected spans at the new Collector, got none")
	}
	service.stop(t)
	for _, trace := range traces(t) {
		trace.root(t, "")
	}
	if lines := warnings(service.log.String()); lines > 4 {
		t.Errorf("expected a line for the outage, one for its end and one of what was lost, got %d warnings\n%s", lines, service.log)
	}
}

var warning = regexp.MustCompile(`(?i)"level": ?"(warn|error)"`)

func warnings(text string) (count int) {
	for line := range strings.Lines(text) {
		if warning.MatchString(line) {
			count++
		}
	}
	return count
}

// Exporting to Google needs an account. The Collector's own check of the whole configuration
// needs none.
func TestTheCollectorTakesTheWholeConfiguration(t *testing.T) {
	check := exec.Command(os.Getenv("COCOON_COLLECTOR"), "validate", "--config="+collectorConfig)
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
