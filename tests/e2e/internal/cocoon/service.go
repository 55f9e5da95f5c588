package cocoon

import (
	"context"
	"net/http"
	"os/exec"
	"regexp"
	"strconv"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gexec"
)

// Service is a running service: one that a spec started, or the one at COCOON_URL.
type Service struct {
	URL string
	// Session is the process, or nil for the service at COCOON_URL.
	Session *gexec.Session
}

// Matches the address in the start line, whose wording and stream may change.
var address = regexp.MustCompile(`127\.0\.0\.1:[1-9]\d*`)

// Serve starts a service on a free port. Flags override its small limits, which leave room
// for other specs.
func Serve(flags ...string) *Service {
	GinkgoHelper()
	command := Command(append([]string{"serve", "--listen", "127.0.0.1:0"}, flags...)...)
	command.Env = append(command.Env, "COCOON_SANDBOXES=64", "COCOON_TOTAL_MEMORY=1GiB")
	service := &Service{Session: start(command)}
	service.URL = "http://" + listening(service.Session)
	DeferCleanup(func() {
		Expect(string(service.Session.Err.Contents())).NotTo(ContainSubstring("panicked at"))
	})
	return service
}

// Running returns the service at COCOON_URL or, without the variable, a new service with
// default limits.
func Running() *Service {
	GinkgoHelper()
	if url := RunningURL(); url != "" {
		return &Service{URL: url}
	}
	return Serve()
}

// StartServer starts another server, which prints 127.0.0.1:PORT, and returns its address.
func StartServer(command *exec.Cmd) string {
	GinkgoHelper()
	return listening(start(command))
}

// listening waits for the address that a server prints.
func listening(session *gexec.Session) (found string) {
	GinkgoHelper()
	Eventually(func() string {
		found = address.FindString(string(session.Out.Contents()) + string(session.Err.Contents()))
		if found == "" && session.ExitCode() >= 0 {
			StopTrying("the server ended before it listened").Now()
		}
		return found
	}).WithTimeout(WaitMax).ShouldNot(BeEmpty())
	return found
}

// Get returns the answer to GET path, whole. A header is a name and a value.
func (s *Service) Get(path string, header ...string) Answer {
	GinkgoHelper()
	return s.Ask(http.MethodGet, path, "", header...)
}

// Ask returns the answer to a request, whole.
func (s *Service) Ask(method, path, body string, header ...string) Answer {
	GinkgoHelper()
	ctx, cancel := context.WithTimeout(context.Background(), WaitMax)
	defer cancel()
	answer, err := s.Try(ctx, http.DefaultClient, method, path, body, header...)
	Expect(err).NotTo(HaveOccurred())
	return answer
}

// Metric returns the value of a metric without labels.
func (s *Service) Metric(name string) float64 {
	GinkgoHelper()
	text := s.Get("/metrics").Body
	found := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` (\S+)$`).FindStringSubmatch(text)
	Expect(found).NotTo(BeNil(), "expected the metric %s", name)
	value, err := strconv.ParseFloat(found[1], 64)
	Expect(err).NotTo(HaveOccurred())
	return value
}
