package e2e_test

import (
	"net/http"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"cocoon/e2e/internal/cocoon"
)

var _ = Describe("Requests that make no sense", func() {
	var service *cocoon.Service
	BeforeEach(func() { service = cocoon.Running() })

	DescribeTable("are refused with 400",
		func(path string) {
			Expect(service.Get(path)).To(And(beProblem(400), HaveField("Problem().Type", problemMalformed)))
		},
		Entry("a word as n", "/factorial/ten"),
		Entry("a negative n", "/factorial/-1"),
		Entry("an n beyond 64 bits", "/factorial/18446744073709551616"),
		Entry("an unknown kind", "/factorial/5?kind=treble"),
		Entry("a step of 0", "/factorial/5?kind=multi:0"),
		Entry("an unknown format", "/factorial/5?format=hex"),
		Entry("no digits", "/factorial/5?format=scientific:0"),
		Entry("too many digits", "/factorial/5?format=scientific:1001"),
		Entry("no time", "/factorial/5?timeout=soon"),
		Entry("an unknown parameter", "/factorial/5?colour=red"),
	)

	It("are refused with the status that fits", func() {
		Expect(service.Get("/nowhere")).To(beProblem(404))
		Expect(service.Get("/factorial/5", "Accept", "image/png")).To(beProblem(406))
		Expect(service.Ask(http.MethodDelete, "/factorial/5", "")).
			To(And(beProblem(405), HaveField("Header", HaveKey("Allow"))))
		Expect(service.Ask(http.MethodPost, "/batch", "{\"n\":5}", "Content-Type", "image/png")).
			To(beProblem(415))
	})
})

var _ = Describe("Limits of the service", func() {
	It("refuse what would exceed them, before it runs", func() {
		service := cocoon.Serve("--output", "1KiB", "--list-items", "10")
		answer := service.Get("/factorial/1000")
		Expect(answer).To(meetLimit(422, "output", 1024))
		Expect(answer.Problem()).To(And(
			HaveField("Type", problemTooLarge),
			HaveField("Needed", BeNumerically(">=", 2568)),
		))
		Expect(service.Get("/factorials/11")).To(meetLimit(422, "list-items", 10))
		Expect(service.Get("/factorial/20")).To(HaveField("Status", 200))
		Expect(service.Get("/factorials/10")).To(HaveField("Status", 200))
	})

	It("refuse a job that needs more memory than a sandbox may have", func() {
		service := cocoon.Serve("--sandbox-memory", "1MiB")
		Expect(service.Get("/factorial/100000")).To(meetLimit(422, "sandbox-memory", 1<<20))
		Expect(service.Get("/factorial/1000")).To(HaveField("Status", 200))
	})

	It("refuse lines and headers that are too long", func() {
		service := cocoon.Serve("--batch-line", "100B", "--headers", "8KiB")
		long := `{"n":5,` + strings.Repeat(" ", 100) + `"kind":"double"}`
		answer := service.Ask(http.MethodPost, "/batch", long+"\n{\"n\":5}\n", "Content-Type", ndjson)
		Expect(answer.Status).To(Equal(200))
		Expect(answer.Numbers()).To(HaveExactElements(
			HaveField("Problem", And(HaveField("Status", 413), HaveField("Limit", "batch-line"), HaveField("Value", uint64(100)))),
			HaveField("Value", "120"),
		))
		Expect(service.Get("/factorial/5", "X-Long", strings.Repeat("x", 9000))).To(HaveField("Status", 431))
	})

	It("end a job that computes past its deadline", func() {
		service := serveHostile("--deadline", "300ms")
		Expect(service.Get(hostilePath(spin))).To(And(
			meetLimit(504, "deadline", 300), HaveField("Problem().Type", problemStopped),
		))
	})

	It("let a client lower its own deadline", func() {
		service := serveHostile()
		Expect(service.Get(hostilePath(spin) + "?timeout=200ms")).To(And(
			beProblem(504), HaveField("Problem().Limit", "deadline"), HaveField("Problem().Value", uint64(200)),
		))
	})

	It("stop sandboxes that take too much, and answer the next request", func() {
		service := serveHostile("--sandbox-memory", "8MiB", "--output", "1MiB", "--sandboxes", "2", "--queue", "1")
		for range 3 {
			Expect(service.Get(hostilePath(takeAll))).To(meetLimit(502, "sandbox-memory", 8<<20))
			Expect(service.Get(hostilePath(recurse))).To(meetLimit(502, "stack", 512<<10))
			Expect(service.Get(hostilePath(panics))).To(And(beProblem(502), HaveField("Problem().Type", problemTrapped)))
			Expect(service.Get(honest)).To(And(HaveField("Status", 200), HaveField("Body", "1000")))
		}
	})

	DescribeTable("never let a broken answer look whole",
		func(ctx SpecContext, n int, coding string) {
			service := serveHostile("--output", "1MiB")
			answer, err := service.Try(ctx, http.DefaultClient, http.MethodGet, hostilePath(n), "", "Accept-Encoding", coding)
			// The status may wait until there is enough output to compress.
			if coding == "identity" {
				Expect(answer.Status).To(Equal(200))
			}
			Expect(err).To(HaveOccurred())
			Expect(len(answer.Body)).To(BeNumerically("<=", 1<<20))
			Expect(service.Get(honest)).To(HaveField("Status", 200))
		},
		Entry("which floods", NodeTimeout(cocoon.WaitMax), flood, "identity"),
		Entry("which floods, compressed", NodeTimeout(cocoon.WaitMax), flood, "gzip"),
		Entry("which traps halfway", NodeTimeout(cocoon.WaitMax), trapLate, "identity"),
		Entry("which traps halfway, compressed", NodeTimeout(cocoon.WaitMax), trapLate, "gzip"),
	)
})

var _ = Describe("Limits of the commands", func() {
	DescribeTable("end a command with 1 and name the flag",
		func(flag, value string, command ...string) {
			Expect(cocoon.Run(append(command, flag, value)...)).
				To(And(failWith(1, flag), HaveField("Out", BeEmpty())))
		},
		Entry("output", "--output", "1KiB", "compute", "100000"),
		Entry("memory", "--sandbox-memory", "1MiB", "compute", "100000"),
		Entry("the deadline", "--deadline", "50ms", "compute", "20000000"),
	)

	DescribeTable("end what is typed wrong with 2 and name it",
		func(named string, arguments ...string) {
			Expect(cocoon.Run(arguments...)).To(And(failWith(2, named), HaveField("Out", BeEmpty())))
		},
		Entry("a word as N", "ten", "compute", "ten"),
		Entry("an unknown kind", "treble", "compute", "5", "--kind", "treble"),
		Entry("an unknown format", "hex", "compute", "5", "--format", "hex"),
		Entry("an unknown flag", "--colour", "compute", "5", "--colour"),
		Entry("a time without a unit", "--deadline", "compute", "5", "--deadline", "5"),
		Entry("an unknown command", "computer", "computer"),
	)
})
