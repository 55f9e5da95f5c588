package e2e_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gexec"

	"cocoon/e2e/internal/cocoon"
	"cocoon/e2e/internal/naive"
)

// loaded is a client that sends requests in a loop on one connection.
type loaded struct {
	answered int
	// wrong is an answer that differs from the expected one.
	wrong error
	// lost is a request that was sent before the signal and was not answered.
	lost error
}

var _ = Describe("SIGTERM", func() {
	It("ends the service after all streams that have begun", func(ctx SpecContext) {
		const batches, listed = 4, 3000
		service := cocoon.Serve()

		// Batches with one answered line, and a listing of which the reader reads one line.
		var sending []*io.PipeWriter
		var lines []func() (cocoon.Number, bool)
		for range batches {
			body, send := io.Pipe()
			first := strings.NewReader("{\"n\":1}\n")
			lines = append(lines, stream(ctx, service, http.MethodPost, "/batch", io.MultiReader(first, body)))
			sending = append(sending, send)
		}
		lines = append(lines, stream(ctx, service, http.MethodGet, fmt.Sprintf("/factorials/%d", listed), nil))
		for _, next := range lines {
			line, more := next()
			Expect(more).To(BeTrue())
			expectFactorial(line, 1)
		}
		service.Session.Terminate()
		Eventually(dial).WithArguments(service).Should(MatchError(syscall.ECONNREFUSED))

		for i, send := range sending {
			_, err := io.WriteString(send, "{\"n\":2}\n")
			Expect(err).NotTo(HaveOccurred())
			line, more := lines[i]()
			Expect(more).To(BeTrue())
			expectFactorial(line, 2)
			Expect(send.Close()).To(Succeed())
			_, more = lines[i]()
			Expect(more).To(BeFalse())
		}
		for k := 2; k <= listed; k++ {
			line, more := lines[batches]()
			Expect(more).To(BeTrue())
			Expect(line).To(And(HaveField("N", uint64(k)), HaveField("Problem", BeNil())))
		}
		last, _ := lines[batches]()
		Expect(last).To(And(HaveField("Done", true), HaveField("Count", uint64(listed))))
		Eventually(service.Session).Should(gexec.Exit(0))
	}, NodeTimeout(cocoon.WaitMax))

	It("loses no request of clients under load", func(ctx SpecContext) {
		const clients, n = 8, 2000
		// In this time, the service asks clients to close their connections.
		service := cocoon.Serve("--drain-delay", "2s")
		value := naive.Number("factorial", n).String()
		var signalled atomic.Int64
		loads := make([]loaded, clients)
		var warm, group sync.WaitGroup
		warm.Add(clients)
		for i := range loads {
			group.Go(func() { loads[i].run(ctx, service, n, value, warm.Done, &signalled) })
		}
		warm.Wait()
		signalled.Store(time.Now().UnixNano())
		service.Session.Terminate()
		group.Wait()
		for _, load := range loads {
			Expect(load.wrong).NotTo(HaveOccurred())
			Expect(load.lost).NotTo(HaveOccurred())
			Expect(load.answered).To(BeNumerically(">", 0))
		}
		Eventually(service.Session).Should(gexec.Exit(0))
	}, NodeTimeout(cocoon.WaitMax))

	It("gives a job up after the time to drain, and says so", func(ctx SpecContext) {
		service := serveHostile("--deadline", "1h", "--drain-timeout", "200ms")
		spinning := askLater(ctx, service, hostilePath(spin))
		Eventually(service.Metric).WithArguments("cocoon_sandboxes_live").Should(BeEquivalentTo(1))
		service.Session.Terminate()
		Eventually(service.Session).Should(gexec.Exit(1))
		Expect(string(service.Session.Err.Contents())).To(ContainSubstring("--drain-timeout"))
		Eventually(spinning).Should(Receive(HaveField("Err", HaveOccurred())))
	}, NodeTimeout(cocoon.WaitMax))

	It("lets work in for as long as the delay, and is not ready", func() {
		service := cocoon.Serve("--drain-delay", "1h")
		Expect(service.Get("/readyz")).To(HaveField("Status", 200))
		service.Session.Terminate()
		Eventually(service.Get).WithArguments("/readyz").Should(HaveField("Status", 503))
		Expect(service.Get("/healthz")).To(HaveField("Status", 200))
		Expect(service.Get("/factorial/5")).To(HaveField("Body", "120"))
	})
})

// dial connects to a service and disconnects.
func dial(service *cocoon.Service) error {
	connection, err := net.Dial("tcp", strings.TrimPrefix(service.URL, "http://"))
	if err != nil {
		return err
	}
	return connection.Close()
}

// run sends requests until the service has ended.
func (l *loaded) run(ctx context.Context, service *cocoon.Service, n int, value string, warm func(), signalled *atomic.Int64) {
	warm = sync.OnceFunc(warm)
	defer warm()
	client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}}
	defer client.CloseIdleConnections()
	for {
		var sent atomic.Int64
		traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
			WroteRequest: func(httptrace.WroteRequestInfo) { sent.Store(time.Now().UnixNano()) },
		})
		answer, err := service.Try(traced, client, http.MethodGet, fmt.Sprintf("/factorial/%d", n), "")
		if err != nil {
			told := signalled.Load()
			if told == 0 || sent.Load() != 0 && sent.Load() < told {
				l.lost = err
			}
			return
		}
		if answer.Status != 200 || answer.Body != value {
			l.wrong = fmt.Errorf("status %d, %d bytes", answer.Status, len(answer.Body))
			return
		}
		l.answered++
		warm()
	}
}

// stream opens a stream of lines, and returns a function that reads the next line.
func stream(ctx context.Context, service *cocoon.Service, method, path string, body io.Reader) func() (cocoon.Number, bool) {
	GinkgoHelper()
	response, err := service.Open(ctx, http.DefaultClient, method, path, body, "Content-Type", ndjson)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(response.Body.Close)
	Expect(response.StatusCode).To(Equal(200))
	lines := cocoon.Lines(response.Body)
	return func() (line cocoon.Number, more bool) {
		GinkgoHelper()
		if !lines.Scan() {
			Expect(lines.Err()).NotTo(HaveOccurred())
			return line, false
		}
		return cocoon.Decode[cocoon.Number](lines.Text()), true
	}
}
