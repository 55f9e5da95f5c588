package observability

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A service is a running `cocoon serve`, whose spans go to the Collector.
type service struct {
	url     string
	process *exec.Cmd
	log     *log
}

// log is the output of a process so far.
type log struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

func (l *log) Write(text []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.Write(text)
}

func (l *log) String() string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.String()
}

var address = regexp.MustCompile(`127\.0\.0\.1:[1-9]\d*`)

// cocoon returns a command of the product, whose spans have the test's name as their
// service.
func cocoon(t *testing.T, environment []string, arguments ...string) *exec.Cmd {
	t.Helper()
	binary := os.Getenv("COCOON_BIN")
	if binary == "" {
		t.Fatal("expected the product's binary in COCOON_BIN, got none; run .ci/systems")
	}
	command := exec.Command(binary, arguments...)
	command.Env = append([]string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + t.TempDir(),
		"OTEL_SERVICE_NAME=" + t.Name(),
		"OTEL_EXPORTER_OTLP_ENDPOINT=" + collectorOTLP,
	}, environment...)
	return command
}

// run runs a command of the product to its end and returns its output.
func run(t *testing.T, environment []string, arguments ...string) (out, report string) {
	t.Helper()
	command := cocoon(t, environment, arguments...)
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(arguments, " "), err, stderr.String())
	}
	return stdout.String(), stderr.String()
}

func serve(t *testing.T, environment ...string) *service {
	t.Helper()
	process := cocoon(t, environment, "serve", "--listen", "127.0.0.1:0")
	started := &service{process: process, log: &log{}}
	process.Stdout, process.Stderr = started.log, started.log
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { process.Process.Kill() })
	if !await(func() bool { return address.MatchString(started.log.String()) }) {
		t.Fatalf("expected an address, got %q", started.log)
	}
	started.url = "http://" + address.FindString(started.log.String())
	return started
}

// stop ends the service, which then exports its last spans.
func (s *service) stop(t *testing.T) {
	t.Helper()
	s.process.Process.Signal(syscall.SIGTERM)
	if err := s.process.Wait(); err != nil {
		t.Errorf("expected a service that ends well, got %v\n%s", err, s.log)
	}
}

// A request is one request to the service, with the expected answer.
type request struct {
	name, method, path, body string
	status                   int
}

// send sends a request and returns the status of its answer and its length.
func (s *service) send(r request, header ...string) (status int, length int64, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), waitMax)
	defer cancel()
	return s.sendWithin(ctx, r, header...)
}

func (s *service) sendWithin(ctx context.Context, r request, header ...string) (status int, length int64, err error) {
	message, err := http.NewRequestWithContext(ctx, r.method, s.url+r.path, strings.NewReader(r.body))
	if err != nil {
		return 0, 0, err
	}
	for i := 0; i+1 < len(header); i += 2 {
		message.Header.Add(header[i], header[i+1])
	}
	answer, err := http.DefaultClient.Do(message)
	if err != nil {
		return 0, 0, err
	}
	defer answer.Body.Close()
	length, err = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode, length, err
}

func millis(count int) time.Duration { return time.Duration(count) * time.Millisecond }
