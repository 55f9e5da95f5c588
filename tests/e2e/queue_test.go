package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"cocoon/e2e/internal/cocoon"
	"cocoon/e2e/internal/naive"
)

// reply is the outcome of a request.
type reply struct {
	Answer cocoon.Answer
	Err    error
}

// askLater sends GET path and returns a channel for the reply.
func askLater(ctx context.Context, service *cocoon.Service, path string) <-chan reply {
	replies := make(chan reply, 1)
	go func() {
		answer, err := service.Try(ctx, http.DefaultClient, http.MethodGet, path, "")
		replies <- reply{answer, err}
	}()
	return replies
}

var _ = Describe("A full queue", func() {
	It("refuses with 503 and Retry-After, and recovers", func(ctx SpecContext) {
		service := serveHostile("--sandboxes", "1", "--queue", "1", "--deadline", "1h")
		spinning, hangUp := context.WithCancel(ctx)
		defer hangUp()
		first := askLater(spinning, service, hostilePath(spin))
		Eventually(service.Metric).WithArguments("cocoon_sandboxes_live").Should(BeEquivalentTo(1))
		second := askLater(ctx, service, honest)
		Eventually(service.Metric).WithArguments("cocoon_queue_length").Should(BeEquivalentTo(1))

		refused := service.Get(honest)
		Expect(refused).To(meetLimit(503, "queue", 1))
		seconds, err := strconv.Atoi(refused.Header.Get("Retry-After"))
		Expect(err).NotTo(HaveOccurred())
		Expect(seconds).To(BeNumerically(">=", 1))
		Expect(service.Get("/healthz")).To(HaveField("Status", 200))

		hangUp()
		Eventually(first).Should(Receive(HaveField("Err", MatchError(context.Canceled))))
		Eventually(second).Should(Receive(And(
			HaveField("Err", BeNil()), HaveField("Answer.Status", 200), HaveField("Answer.Body", "1000"),
		)))
		Expect(service.Get(honest)).To(HaveField("Status", 200))
		Eventually(service.Metric).WithArguments("cocoon_queue_length").Should(BeEquivalentTo(0))
	}, NodeTimeout(cocoon.WaitMax))

	It("gives each of many clients the right digits or a 503", func(ctx SpecContext) {
		const clients, requests, n = 40, 5, 8000
		service := cocoon.Serve("--sandboxes", "2", "--queue", "4")
		value := naive.Number("factorial", n).String()
		replies := make(chan reply, clients*requests)
		var group sync.WaitGroup
		for range clients {
			group.Go(func() {
				client := &http.Client{Transport: &http.Transport{}}
				defer client.CloseIdleConnections()
				for range requests {
					answer, err := service.Try(ctx, client, http.MethodGet, fmt.Sprintf("/factorial/%d", n), "")
					replies <- reply{answer, err}
				}
			})
		}
		group.Wait()
		close(replies)

		counts := map[int]int{}
		for reply := range replies {
			Expect(reply.Err).NotTo(HaveOccurred())
			counts[reply.Answer.Status]++
			if reply.Answer.Status == 200 {
				Expect(reply.Answer.Body == value).To(BeTrue())
			} else {
				Expect(reply.Answer).To(And(
					meetLimit(503, "queue", 4), HaveField("Header", HaveKey("Retry-After")),
				))
			}
		}
		AddReportEntry("answers by status", counts)
		Expect(counts[200]).To(BeNumerically(">", 0))
		Expect(service.Get("/factorial/5")).To(HaveField("Body", "120"))
	}, NodeTimeout(cocoon.WaitMax))
})
