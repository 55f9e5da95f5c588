package observability

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// requests cover every route: short and long, valid and invalid.
var requests = []request{
	{"short", "GET", "/factorial/20", "", 200},
	{"streamed", "GET", "/factorial/100000", "", 200},
	{"of several sandboxes", "GET", "/factorial/1000000", "", 200},
	{"head", "HEAD", "/factorial/20", "", 200},
	{"kinds", "GET", "/kinds/10", "", 200},
	{"listing", "GET", "/factorials/30", "", 200},
	{"batch", "POST", "/batch", strings.Repeat("7\n1000\n30000\n", 10), 200},
	{"malformed", "GET", "/factorial/x", "", 400},
	{"over a limit", "GET", "/factorial/18446744073709551615", "", 422},
	{"unknown path", "GET", "/none", "", 404},
	{"unknown method", "BREW", "/factorial/20", "", 405},
}

const (
	sampled = "-01"
	dropped = "-00"
)

var parents atomic.Uint32

// newParent returns the identifiers of a caller's span in a trace of its own.
func newParent() (trace, span string) {
	number := parents.Add(1)
	return fmt.Sprintf("5c0c00000000000000000000%08x", number), fmt.Sprintf("c0c0%012x", number)
}

func TestARequestIsOneTraceOfItsCaller(t *testing.T) {
	for _, request := range requests {
		t.Run(request.name, func(t *testing.T) {
			trace, span := newParent()
			service := serve(t)
			status, _, err := service.send(request, "traceparent", "00-"+trace+"-"+span+sampled)
			if err != nil || status != request.status {
				t.Errorf("expected status %d, got %d, %v", request.status, status, err)
			}
			service.stop(t)
			found := traces(t)
			if len(found) != 1 || found[0].ID != trace {
				t.Fatalf("expected the trace %s, got %v", trace, found)
			}
			root := found[0].root(t, span)
			root.wants(t, map[string]string{
				"span.kind":                 "server",
				"http.response.status_code": fmt.Sprint(status),
				"url.path":                  request.path,
				"url.scheme":                "http",
				"server.address":            "127.0.0.1",
				"server.port":               service.url[strings.LastIndex(service.url, ":")+1:],
				"client.address":            "127.0.0.1",
				"network.peer.address":      "127.0.0.1",
			})
			if request.method == "BREW" {
				root.wants(t, map[string]string{"http.request.method": "_OTHER", "http.request.method_original": "BREW"})
			} else {
				root.wants(t, map[string]string{"http.request.method": request.method})
			}
			for _, process := range found[0].Processes {
				for _, key := range []string{"service.instance.id", "host.name"} {
					if value(process.Tags, key) == "" {
						t.Errorf("expected the resource to have %s, got %v", key, process.Tags)
					}
				}
			}
		})
	}
}

func TestRequestsWithoutCallersAreTracesOfTheirOwn(t *testing.T) {
	service := serve(t)
	for _, request := range requests {
		if _, _, err := service.send(request); err != nil {
			t.Errorf("%s: %v", request.name, err)
		}
	}
	service.stop(t)
	found := traces(t)
	if len(found) != len(requests) {
		t.Errorf("expected %d traces, got %d", len(requests), len(found))
	}
	for _, trace := range found {
		trace.root(t, "")
	}
}

func TestRequestsOfAnUnsampledCallerAreNotExported(t *testing.T) {
	service := serve(t)
	for _, request := range requests {
		trace, span := newParent()
		if _, _, err := service.send(request, "traceparent", "00-"+trace+"-"+span+dropped); err != nil {
			t.Errorf("%s: %v", request.name, err)
		}
	}
	service.stop(t)
	if found := traces(t); len(found) != 0 {
		t.Errorf("expected no trace, got %v", found)
	}
}

func TestHealthAndMetricsAreNotTraced(t *testing.T) {
	service := serve(t)
	for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
		status, _, err := service.send(request{path, "GET", path, "", 200})
		if err != nil || status != http.StatusOK {
			t.Errorf("%s: status %d, %v", path, status, err)
		}
	}
	service.stop(t)
	if found := traces(t); len(found) != 0 {
		t.Errorf("expected no trace, got %v", found)
	}
}

func TestTwoParentsAreNone(t *testing.T) {
	service := serve(t)
	var headers []string
	for range 2 {
		trace, span := newParent()
		headers = append(headers, "traceparent", "00-"+trace+"-"+span+sampled)
	}
	if _, _, err := service.send(requests[0], headers...); err != nil {
		t.Error(err)
	}
	service.stop(t)
	found := traces(t)
	if len(found) != 1 {
		t.Fatalf("expected one trace, got %d", len(found))
	}
	found[0].root(t, "")
}

// The span of a request ends with an error when its client disconnects.
func TestACancelledRequestSaysSo(t *testing.T) {
	service := serve(t)
	ctx, cancel := context.WithTimeout(context.Background(), millis(400))
	defer cancel()
	began := time.Now()
	if _, _, err := service.sendWithin(ctx, request{"", "GET", "/factorial/5000000", "", 200}); err == nil {
		t.Fatal("expected a request that takes longer than its client waits")
	}
	gaveUp := time.Since(began)
	service.stop(t)
	found := traces(t)
	if len(found) != 1 {
		t.Fatalf("expected one trace, got %d", len(found))
	}
	root := found[0].root(t, "")
	if took := root.took(); took < gaveUp/2 || took > gaveUp+millis(2000) {
		t.Errorf("expected a span of about %s, got %s", gaveUp, took)
	}
	root.wants(t, map[string]string{"error": "true"})
	if root.value("error.type") == "" {
		t.Errorf("expected error.type at a cancelled request, got none in %v", root.Tags)
	}
}

// The second protocol of the exporter, and a propagator of Zipkin's users.
func TestGRPCAndB3(t *testing.T) {
	service := serve(t, "OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "OTEL_EXPORTER_OTLP_ENDPOINT="+collectorGRPC,
		"OTEL_PROPAGATORS=b3")
	trace, span := newParent()
	if _, _, err := service.send(requests[0], "b3", trace+"-"+span+"-1"); err != nil {
		t.Error(err)
	}
	service.stop(t)
	found := traces(t)
	if len(found) != 1 || found[0].ID != trace {
		t.Fatalf("expected the trace %s, got %v", trace, found)
	}
	found[0].root(t, span)
}
