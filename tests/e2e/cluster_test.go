package e2e_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	osexec "os/exec"
	"strconv"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"cocoon/e2e/internal/cocoon"
	"cocoon/e2e/internal/naive"
)

// Settings of the specs that need a cluster.
const (
	// disruptVariable names a command that disturbs the service, such as a rollout. The load
	// starts before the command and ends after it.
	disruptVariable = "COCOON_DISRUPT"
	// idleVariable is the number of connections that stay open without a request.
	idleVariable = "COCOON_IDLE_CONNECTIONS"
	// callersVariable is the number of callers that overload the service.
	callersVariable = "COCOON_CALLERS"
)

// disruptMax bounds the command in COCOON_DISRUPT.
const disruptMax = 10 * time.Minute

var _ = Describe("The service of a cluster", Label("cluster"), Serial, func() {
	var service *cocoon.Service
	BeforeEach(func() {
		Expect(cocoon.RunningURL()).NotTo(BeEmpty(), "expected the service's address in COCOON_URL, got none")
		service = cocoon.Running()
	})

	It("answers every request while pods come and go", func(ctx SpecContext) {
		const clients, n = 8, 3000
		value := naive.Number("factorial", n).String()
		loading, stop := context.WithCancel(ctx)
		defer stop()
		var answered, group = make([]int, clients), sync.WaitGroup{}
		failures := make(chan error, clients)
		for i := range clients {
			group.Go(func() {
				// Half of the clients keep their connection.
				client := &http.Client{Transport: &http.Transport{DisableKeepAlives: i%2 == 0}}
				for loading.Err() == nil {
					answer, err := service.Try(ctx, client, http.MethodGet, fmt.Sprintf("/factorial/%d", n), "")
					if err == nil && (answer.Status != 200 || answer.Body != value) {
						err = fmt.Errorf("status %d, %d bytes", answer.Status, len(answer.Body))
					}
					if err != nil {
						failures <- err
						return
					}
					answered[i]++
				}
			})
		}
		disrupt(ctx)
		stop()
		group.Wait()
		close(failures)
		total := 0
		for _, count := range answered {
			total += count
		}
		AddReportEntry("requests answered", total)
		for err := range failures {
			Expect(err).NotTo(HaveOccurred(), "after %d requests", total)
		}
		Expect(total).To(BeNumerically(">", 0))
	}, NodeTimeout(disruptMax+cocoon.WaitMax))

	It("answers beside connections that are idle", func(ctx SpecContext) {
		address, err := url.Parse(service.URL)
		Expect(err).NotTo(HaveOccurred())
		for range setting(idleVariable, 3000) {
			connection, err := net.DialTimeout("tcp", address.Host, cocoon.WaitMax)
			Expect(err).NotTo(HaveOccurred())
			DeferCleanup(connection.Close)
			fmt.Fprintf(connection, "GET /factorial/5 HTTP/1.1\r\nHost: %s\r\n\r\n", address.Host)
			Expect(connection.SetDeadline(time.Now().Add(cocoon.WaitMax))).To(Succeed())
			answer, err := http.ReadResponse(bufio.NewReader(connection), nil)
			Expect(err).NotTo(HaveOccurred())
			Expect(answer.StatusCode).To(Equal(200))
		}
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		// Longer than the time after which a kubelet restarts a pod that fails its probes.
		for end := time.Now().Add(40 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
			answer, err := service.Try(ctx, client, http.MethodGet, "/factorial/5", "")
			Expect(err).NotTo(HaveOccurred())
			Expect(answer.Body).To(Equal("120"))
		}
	}, NodeTimeout(5*time.Minute))

	It("sheds load with 503 and Retry-After, refuses no connection, and recovers", func(ctx SpecContext) {
		callers := setting(callersVariable, 1000)
		// Long enough to fill the queues of some pods.
		const path = "/factorial/300000?timeout=10s"
		replies := make(chan reply, callers)
		for range callers {
			go func() {
				client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
				answer, err := service.Try(ctx, client, http.MethodGet, path, "", "Accept-Encoding", "identity")
				answer.Body = ""
				replies <- reply{answer, err}
			}()
		}
		counts := map[int]int{}
		for range callers {
			reply := <-replies
			Expect(reply.Err).NotTo(HaveOccurred())
			counts[reply.Answer.Status]++
			Expect(reply.Answer.Status).To(BeElementOf(200, 503, 504))
			if reply.Answer.Status == 503 {
				Expect(reply.Answer.Header).To(HaveKey("Retry-After"))
			}
		}
		AddReportEntry("answers by status", counts)
		Expect(counts[200]).To(BeNumerically(">", 0))
		Eventually(service.Get).WithArguments("/factorial/5").Should(HaveField("Body", "120"))
	}, NodeTimeout(5*time.Minute))
})

// disrupt runs the command in COCOON_DISRUPT or, without the variable, waits briefly.
func disrupt(ctx context.Context) {
	GinkgoHelper()
	command := os.Getenv(disruptVariable)
	if command == "" {
		command = "sleep 5"
	}
	ctx, cancel := context.WithTimeout(ctx, disruptMax)
	defer cancel()
	shell := osexec.CommandContext(ctx, "sh", "-c", command)
	shell.Stdout, shell.Stderr = GinkgoWriter, GinkgoWriter
	Expect(shell.Run()).To(Succeed(), command)
}

// setting reads a count from the environment.
func setting(variable string, otherwise int) int {
	GinkgoHelper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	count, err := strconv.Atoi(text)
	Expect(err).NotTo(HaveOccurred(), variable)
	return count
}
