package e2e_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"cocoon/e2e/internal/cocoon"
	"cocoon/e2e/internal/naive"
)

// ndjson and events are the media types of streams.
const (
	ndjson = "application/x-ndjson"
	events = "text/event-stream"
)

var _ = Describe("Streams", func() {
	var service *cocoon.Service
	BeforeEach(func() { service = cocoon.Running() })

	It("list factorials as NDJSON, in order, with an end", func() {
		answer := service.Get("/factorials/300", "Accept", ndjson)
		Expect(answer.Status).To(Equal(200))
		Expect(answer.Header.Get("Content-Type")).To(Equal(ndjson))
		lines := answer.Numbers()
		Expect(lines).To(HaveLen(301))
		for i, line := range lines[:300] {
			expectFactorial(line, i+1)
		}
		Expect(lines[300]).To(And(HaveField("Done", true), HaveField("Count", uint64(300))))
	})

	It("list factorials as server-sent events, in order, with an end", func() {
		answer := service.Get("/factorials/100", "Accept", events)
		Expect(answer.Status).To(Equal(200))
		Expect(answer.Header.Get("Content-Type")).To(Equal(events))
		var results []cocoon.Number
		states := map[uint64][]string{}
		stream := answer.Events()
		for _, event := range stream {
			switch event.Name {
			case "result":
				results = append(results, event.Data)
			case "state":
				states[event.Data.N] = append(states[event.Data.N], event.Data.State)
			}
		}
		Expect(results).To(HaveLen(100))
		for i, result := range results {
			expectFactorial(result, i+1)
			Expect(states[result.N]).To(Equal([]string{"queued", "running", "done"}))
		}
		last := stream[len(stream)-1]
		Expect(last).To(And(HaveField("Name", "done"), HaveField("Data.Count", uint64(100))))
	})

	It("answer a batch line by line, wrong lines in their place", func() {
		lines := []string{
			`{"n":5}`, `{"n":-1}`, `{"n":6,"kind":"primorial"}`, `no JSON`,
			`{"n":10,"kind":"double","format":"scientific:2"}`, `{"n":7}`,
		}
		answer := service.Ask(http.MethodPost, "/batch", strings.Join(lines, "\n"), "Content-Type", ndjson)
		Expect(answer.Status).To(Equal(200))
		Expect(answer.Header.Get("Content-Type")).To(Equal(ndjson))
		Expect(answer.Numbers()).To(HaveExactElements(
			HaveField("Value", "120"),
			HaveField("Problem.Status", 400),
			HaveField("Value", "30"),
			HaveField("Problem.Status", 400),
			HaveField("Value", "3.8e+3"),
			HaveField("Value", "5040"),
		))
	})

	It("answer a line of a batch before the next is sent", func(ctx SpecContext) {
		body, sending := io.Pipe()
		response, err := service.Open(ctx, http.DefaultClient, http.MethodPost, "/batch", io.MultiReader(strings.NewReader("{\"n\":1}\n"), body), "Content-Type", ndjson)
		Expect(err).NotTo(HaveOccurred())
		defer response.Body.Close()
		lines := cocoon.Lines(response.Body)
		for n := 1; n <= 20; n++ {
			Expect(lines.Scan()).To(BeTrue(), "expected line %d: %v", n, lines.Err())
			expectFactorial(cocoon.Decode[cocoon.Number](lines.Text()), n)
			_, err := fmt.Fprintf(sending, "{\"n\":%d}\n", n+1)
			Expect(err).NotTo(HaveOccurred())
		}
		Expect(sending.Close()).To(Succeed())
		Expect(lines.Scan()).To(BeTrue())
		Expect(lines.Scan()).To(BeFalse())
		Expect(lines.Err()).NotTo(HaveOccurred())
	}, NodeTimeout(cocoon.WaitMax))
})

var _ = Describe("Streams that the client breaks off", func() {
	DescribeTable("free their sandboxes",
		func(ctx SpecContext, method, path, accept, body, until string, spinning int) {
			// The sandboxes would run for an hour if the service did not notice the disconnect.
			service := serveHostile("--sandboxes", "2", "--queue", "8", "--deadline", "1h", "--stall", "1h")
			asking, breakOff := context.WithCancel(ctx)
			defer breakOff()
			response, err := service.Open(asking, http.DefaultClient, method, path, strings.NewReader(body),
				"Accept", accept, "Content-Type", ndjson)
			Expect(err).NotTo(HaveOccurred())
			defer response.Body.Close()
			Expect(response.StatusCode).To(Equal(200))
			expectStream(response.Body, until)
			Eventually(service.Metric).WithArguments("cocoon_sandboxes_live").Should(BeEquivalentTo(spinning))

			breakOff()
			Eventually(service.Metric).WithArguments("cocoon_sandboxes_live").Should(BeEquivalentTo(0))
			Expect(service.Get(honest)).To(HaveField("Status", 200))
		},
		Entry("of digits", NodeTimeout(cocoon.WaitMax),
			http.MethodGet, hostilePath(flood), "text/plain", "", "7777", 1),
		Entry("of NDJSON", NodeTimeout(cocoon.WaitMax),
			http.MethodPost, "/batch", ndjson, "{\"n\":1000}\n{\"n\":4}\n", `"value":"1000"`, 1),
		// The first and the last of four items spin, and the two between them fail.
		Entry("of server-sent events", NodeTimeout(cocoon.WaitMax),
			http.MethodGet, "/factorials/4", events, "", `"running"`, 2),
	)
})

// expectFactorial asserts that a line is n!.
func expectFactorial(line cocoon.Number, n int) {
	GinkgoHelper()
	Expect(line.Problem).To(BeNil())
	Expect(line.N).To(BeEquivalentTo(n))
	Expect(line.Value).To(Equal(naive.Number("factorial", int64(n)).String()))
}

// expectStream reads a stream until a text appears in it.
func expectStream(stream io.Reader, text string) {
	GinkgoHelper()
	var seen strings.Builder
	piece := make([]byte, 512)
	for !strings.Contains(seen.String(), text) {
		read, err := stream.Read(piece)
		Expect(err).NotTo(HaveOccurred(), "after %s", seen.String())
		seen.Write(piece[:read])
	}
}
