// Package observability checks what a Collector, Jaeger and Zipkin receive from Cocoon.
//
// Each real system is started once. deploy/otel-collector.yaml configures the Collector.
// The service name identifies a test.
package observability

import (
	"bufio"
	"cmp"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	// waitMax bounds every wait for the product.
	waitMax = 60 * time.Second
	// startMax bounds the start of a system. Zipkin's virtual machine takes 5 s, and twenty
	// times as long under load.
	startMax = 3 * time.Minute
	pause    = 20 * time.Millisecond

	collectorOTLP    = "http://localhost:4318"
	collectorGRPC    = "http://localhost:4317"
	collectorHealth  = "http://localhost:13133"
	collectorMetrics = "http://localhost:8888/metrics"
	jaegerHealth     = "http://localhost:14133/status"
	jaegerQuery      = "http://localhost:16686"
	zipkin           = "http://localhost:9411"
)

// logs is the folder of the systems' logs, which are kept.
var logs string

var collector *system

// A system is a running program.
type system struct {
	name    string
	process *exec.Cmd
	log     string
}

func TestMain(m *testing.M) {
	code, err := withSystems(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		code = 1
	}
	os.Exit(code)
}

func withSystems(run func() int) (int, error) {
	if logs = os.Getenv("COCOON_LOGS"); logs == "" {
		return 0, fmt.Errorf("expected a folder in COCOON_LOGS, got none; run .ci/systems")
	}
	if _, err := start("jaeger", jaegerHealth, os.Getenv("COCOON_JAEGER"), "--config=jaeger.yaml"); err != nil {
		return 0, err
	}
	if _, err := start("zipkin", zipkin+"/health", "java", "-Xmx512m", "-jar", os.Getenv("COCOON_ZIPKIN")); err != nil {
		return 0, err
	}
	var err error
	if collector, err = startCollector(); err != nil {
		return 0, err
	}
	return run(), nil
}

var (
	collectorConfig = filepath.Join(cmp.Or(os.Getenv("COCOON_DEPLOY"), "../../deploy"), "otel-collector.yaml")

	exporterList = regexp.MustCompile(`(?m)^\s+exporters: \[(.*)\]`)
	google       = regexp.MustCompile(`googlecloud,\s*|,?\s*googlecloud`)
)

// startCollector starts the Collector without the exporter to Google Cloud, which needs an
// account.
func startCollector() (*system, error) {
	text, err := os.ReadFile(collectorConfig)
	if err != nil {
		return nil, err
	}
	exporters := exporterList.FindSubmatch(text)
	if exporters == nil {
		return nil, fmt.Errorf("expected a list of exporters in %s, got none", collectorConfig)
	}
	return start("collector", collectorHealth, os.Getenv("COCOON_COLLECTOR"), "--config="+collectorConfig,
		"--config=yaml:service::pipelines::traces::exporters: ["+google.ReplaceAllString(string(exporters[1]), "")+"]")
}

// start starts a program and waits until its health answers 200. The program ends with the
// process namespace at the latest.
func start(name, health, program string, arguments ...string) (*system, error) {
	if program == "" {
		return nil, fmt.Errorf("expected the program %s, got none; run .ci/systems", name)
	}
	path := filepath.Join(logs, name+".log")
	log, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	process := exec.Command(program, arguments...)
	// Jaeger would send the Collector spans of its own.
	process.Env = append(os.Environ(), "OTEL_TRACES_SAMPLER=always_off")
	process.Stdout, process.Stderr = log, log
	if err := process.Start(); err != nil {
		return nil, err
	}
	started := &system{name, process, path}
	if awaitWithin(startMax, func() bool { return healthy(health) }) {
		return started, nil
	}
	started.stop()
	return nil, fmt.Errorf("expected %s to be healthy within %s; its log is %s", name, startMax, path)
}

func (s *system) stop() {
	s.process.Process.Signal(syscall.SIGTERM)
	ended := make(chan error, 1)
	go func() { ended <- s.process.Wait() }()
	select {
	case <-ended:
	case <-time.After(waitMax):
		s.process.Process.Kill()
	}
}

// await reports whether a condition became true in time.
func await(holds func() bool) bool { return awaitWithin(waitMax, holds) }

func awaitWithin(limit time.Duration, holds func() bool) bool {
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(pause) {
		if holds() {
			return true
		}
	}
	return false
}

func healthy(url string) bool {
	answer, err := http.Get(url)
	if err != nil {
		return false
	}
	answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// settle waits until the Collector has exported every span that it accepted.
func settle(t *testing.T) {
	t.Helper()
	var counts map[string]float64
	settled := await(func() bool {
		counts = spanCounts(t)
		accepted := counts["otelcol_receiver_accepted_spans"]
		return counts["jaeger"] == accepted && counts["zipkin"] == accepted
	})
	if !settled {
		t.Fatalf("expected the Collector to hand on what it accepted, got %v", counts)
	}
}

// spanCounts returns the Collector's counters: of accepted and refused spans by metric, and
// of sent ones by exporter.
func spanCounts(t *testing.T) map[string]float64 {
	t.Helper()
	counts := map[string]float64{}
	answer, err := http.Get(collectorMetrics)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		name, rest, _ := strings.Cut(lines.Text(), "{")
		labels, text, _ := strings.Cut(rest, "} ")
		value, err := strconv.ParseFloat(text, 64)
		if err != nil {
			continue
		}
		name, _, _ = strings.Cut(strings.TrimSuffix(name, "_total"), "__spans_")
		switch {
		case name == "otelcol_exporter_sent_spans" && strings.Contains(labels, "jaeger"):
			counts["jaeger"] += value
		case name == "otelcol_exporter_sent_spans" && strings.Contains(labels, "zipkin"):
			counts["zipkin"] += value
		case strings.HasSuffix(name, "_spans"):
			counts[name] += value
		}
	}
	return counts
}
