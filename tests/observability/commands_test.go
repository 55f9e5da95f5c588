package observability

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// instanceSpansMax is the number of instance spans that one command exports.
const instanceSpansMax = 1000

// component returns the bundled component as a program for `exec`.
func component(t *testing.T) string {
	t.Helper()
	path := os.Getenv("COCOON_COMPONENT_FILE")
	if path == "" {
		t.Fatal("expected a component in COCOON_COMPONENT_FILE, got none; run .ci/systems")
	}
	return path
}

func TestACommandIsOneTrace(t *testing.T) {
	digits := filepath.Join(t.TempDir(), "digits")
	if err := os.WriteFile(digits, []byte("2432902008176640000\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, arguments := range map[string][]string{
		"run":     {"run", "10"},
		"compute": {"compute", "1000"},
		"kinds":   {"kinds", "10"},
		"verify":  {"verify", "20", digits},
		"exec":    {"exec", component(t), "-n", "5", "--", "run", "10"},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, nil, arguments...)
			found := traces(t)
			if len(found) != 1 {
				t.Fatalf("expected one trace, got %d\n%v", len(found), found)
			}
			found[0].root(t, "")
			if len(found[0].Spans) < 2 {
				t.Errorf("expected spans of sandboxes under the root, got\n%s", found[0])
			}
		})
	}
}

func TestACommandContinuesItsCallersTrace(t *testing.T) {
	id, span := newParent()
	run(t, []string{"TRACEPARENT=00-" + id + "-" + span + sampled, "TRACESTATE=vendor=1"}, "run", "10")
	found := traces(t)
	if len(found) != 1 || found[0].ID != id {
		t.Fatalf("expected the trace %s, got %v", id, found)
	}
	found[0].root(t, span)
}

func TestACommandOfAnUnsampledCallerExportsNothing(t *testing.T) {
	id, span := newParent()
	run(t, []string{"TRACEPARENT=00-" + id + "-" + span + dropped}, "run", "10")
	if found := traces(t); len(found) != 0 {
		t.Errorf("expected no trace, got %v", found)
	}
}

// Of 1,500 instances, the first 1,000 have spans, and the others are counted.
func TestACommandBoundsItsSpans(t *testing.T) {
	const instances, leftOut = instanceSpansMax * 3 / 2, instanceSpansMax / 2
	_, report := run(t, nil, "exec", component(t), "-n", strconv.Itoa(instances), "--output-dir", t.TempDir(), "--", "run", "3")
	found := traces(t)
	if len(found) != 1 {
		t.Fatalf("expected one trace, got %d", len(found))
	}
	root := found[0].root(t, "")
	below := 0
	for _, span := range found[0].Spans {
		if span.parent() == root.ID {
			below++
		}
	}
	if below > instanceSpansMax || below < instanceSpansMax/2 {
		t.Errorf("expected about %d spans of instances, got %d", instanceSpansMax, below)
	}
	said := strings.Contains(report, strconv.Itoa(leftOut))
	for _, attribute := range root.Tags {
		said = said || value([]tag{attribute}, attribute.Key) == strconv.Itoa(leftOut)
	}
	if !said {
		t.Errorf("expected a report of %d spans that were left out, got %q and %v", leftOut, report, root.Tags)
	}
}
