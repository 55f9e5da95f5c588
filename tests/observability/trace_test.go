package observability

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A trace as Jaeger's query API returns it.
type trace struct {
	ID        string             `json:"traceID"`
	Spans     []span             `json:"spans"`
	Processes map[string]process `json:"processes"`
}

type span struct {
	ID         string      `json:"spanID"`
	Trace      string      `json:"traceID"`
	Name       string      `json:"operationName"`
	References []reference `json:"references"`
	StartMicro int64       `json:"startTime"`
	TookMicro  int64       `json:"duration"`
	Tags       []tag       `json:"tags"`
	Process    string      `json:"processID"`
}

type reference struct {
	Type  string `json:"refType"`
	Trace string `json:"traceID"`
	Span  string `json:"spanID"`
}

type process struct {
	Service string `json:"serviceName"`
	Tags    []tag  `json:"tags"`
}

type tag struct {
	Key   string `json:"key"`
	Value any    `json:"value"`
}

// tracesMax is more than any test creates.
const tracesMax = 100_000

// outlivesMax is how much later than its parent a span may end: spans close one after
// another.
const outlivesMax = 2 * time.Millisecond

// traces returns Jaeger's traces of the test's service, which must have ended.
func traces(t *testing.T) []trace {
	t.Helper()
	settle(t)
	now := time.Now()
	query := url.Values{
		"service": {t.Name()},
		"start":   {strconv.FormatInt(now.Add(-time.Hour).UnixMicro(), 10)},
		"end":     {strconv.FormatInt(now.Add(time.Minute).UnixMicro(), 10)},
		"limit":   {strconv.Itoa(tracesMax)},
	}
	var found struct{ Data []trace }
	fetch(t, jaegerQuery+"/api/traces?"+query.Encode(), &found)
	for _, trace := range found.Data {
		checkZipkin(t, trace)
	}
	return found.Data
}

// checkZipkin checks that Zipkin has the spans that Jaeger has.
func checkZipkin(t *testing.T, jaeger trace) {
	t.Helper()
	var spans []struct{ ID string }
	fetch(t, zipkin+"/api/v2/trace/"+jaeger.ID, &spans)
	ids := map[string]bool{}
	for _, span := range spans {
		ids[span.ID] = true
	}
	for _, span := range jaeger.Spans {
		if !ids[span.ID] {
			t.Errorf("expected the span %q of trace %s in Zipkin, got none", span.Name, jaeger.ID)
		}
	}
	if len(ids) != len(jaeger.Spans) {
		t.Errorf("expected %d spans of trace %s in Zipkin, got %d", len(jaeger.Spans), jaeger.ID, len(ids))
	}
}

func fetch(t *testing.T, url string, value any) {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: status %d", url, answer.StatusCode)
	}
	if err := json.NewDecoder(answer.Body).Decode(value); err != nil {
		t.Fatalf("%s: %v", url, err)
	}
}

// root checks that a trace is whole and returns its root: the one span without a parent in
// it. The parent of the root is `remote`, the span of another service, or none.
func (tr trace) root(t *testing.T, remote string) span {
	t.Helper()
	known := map[string]span{}
	for _, span := range tr.Spans {
		known[span.ID] = span
	}
	var roots []span
	for _, span := range tr.Spans {
		id := span.parent()
		parent, here := known[id]
		switch {
		case here && span.end().After(parent.end().Add(outlivesMax)):
			t.Errorf("expected %q to end before its parent %q, got %s later", span.Name, parent.Name, span.end().Sub(parent.end()))
		case here:
		case id == remote:
			roots = append(roots, span)
		default:
			t.Errorf("expected the parent of %q in its trace, got an orphan of %q", span.Name, id)
		}
	}
	if len(roots) != 1 {
		t.Fatalf("expected one root, got %d\n%s", len(roots), tr)
	}
	return roots[0]
}

// parent returns the id of a span's parent, or "".
func (s span) parent() string {
	for _, reference := range s.References {
		if reference.Type == "CHILD_OF" {
			return reference.Span
		}
	}
	return ""
}

func (s span) start() time.Time { return time.UnixMicro(s.StartMicro) }
func (s span) took() time.Duration {
	return time.Duration(s.TookMicro) * time.Microsecond
}
func (s span) end() time.Time { return s.start().Add(s.took()) }

// value returns an attribute as text, or "".
func (s span) value(key string) string { return value(s.Tags, key) }

func value(tags []tag, key string) string {
	for _, tag := range tags {
		if tag.Key == key {
			if number, ok := tag.Value.(float64); ok {
				return strconv.FormatFloat(number, 'f', -1, 64)
			}
			return fmt.Sprint(tag.Value)
		}
	}
	return ""
}

func (s span) wants(t *testing.T, attributes map[string]string) {
	t.Helper()
	for key, want := range attributes {
		if got := s.value(key); got != want {
			t.Errorf("expected %s=%s at %q, got %q", key, want, s.Name, got)
		}
	}
}

// String lists the spans, one per line, for messages.
func (tr trace) String() string {
	var text strings.Builder
	for _, span := range tr.Spans {
		fmt.Fprintf(&text, "%s %s parent=%s %s %s\n", tr.ID, span.ID, span.parent(), span.took(), span.Name)
	}
	return text.String()
}
