package e2e_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"cocoon/e2e/internal/cocoon"
)

// record is a line of `exec --json`.
type record struct {
	Instance     int
	Stream, Text string
	Exit         *int
	Error        string
}

// exec runs the test program, whose arguments choose its behavior.
func exec(flags []string, arguments ...string) cocoon.Ended {
	GinkgoHelper()
	command := append([]string{"exec", cocoon.Guest("hostile-program.wasm"), "--sandbox-memory", "16MiB"}, flags...)
	return cocoon.Run(append(append(command, "--"), arguments...)...)
}

var _ = Describe("exec", func() {
	It("runs 1000 instances of a program", func() {
		const instances = 1000
		ended := exec([]string{"-n", fmt.Sprint(instances), "--json"}, "say", "instance", "{i}")
		Expect(ended.Code).To(Equal(0))
		said, exits := map[int]string{}, map[int]int{}
		for _, record := range cocoon.Records[record](ended.Out) {
			if record.Exit != nil {
				exits[record.Instance] = *record.Exit
			} else {
				said[record.Instance] += record.Text
			}
		}
		Expect(said).To(HaveLen(instances))
		Expect(exits).To(HaveLen(instances))
		for i := 1; i <= instances; i++ {
			Expect(said).To(HaveKeyWithValue(i, fmt.Sprintf("instance %d", i)))
			Expect(exits).To(HaveKeyWithValue(i, 0))
		}
	})

	It("runs a program that knows nothing of it", func() {
		factor := cocoon.Guest("factor.wasm")
		Expect(cocoon.Run("exec", factor, "--", "12")).To(And(succeed(), HaveField("Out", "12: 2 2 3\n")))
		ended := cocoon.Run("exec", factor, "-n", "20", "--", "{i}")
		Expect(ended.Code).To(Equal(0))
		Expect(strings.Split(strings.TrimSpace(ended.Out), "\n")).
			To(And(HaveLen(20), ContainElements("[1] 1:", "[12] 12: 2 2 3", "[20] 20: 2 2 5")))
	})

	It("hands standard input on and keeps the streams apart", func() {
		folder := GinkgoT().TempDir()
		input := filepath.Join(folder, "input")
		Expect(os.WriteFile(input, []byte("one\n\xff\nend"), 0o600)).To(Succeed())
		Expect(exec([]string{"--stdin", input}, "cat")).To(HaveField("Out", "one\n\xff\nend"))
		Expect(exec(nil, "both", "a")).To(And(
			HaveField("Code", 0), HaveField("Out", "out a\n"), HaveField("Err", ContainSubstring("err a\n")),
		))
	})

	It("fails if one of its instances does, and says which", func() {
		ended := exec([]string{"-n", "4", "--json"}, "exit-if-odd", "{i}")
		Expect(ended.Code).To(Equal(1))
		failed := map[int]bool{}
		for _, record := range cocoon.Records[record](ended.Out) {
			Expect(record.Exit).NotTo(BeNil())
			failed[record.Instance] = *record.Exit != 0
		}
		Expect(failed).To(Equal(map[int]bool{1: true, 2: false, 3: true, 4: false}))
	})
})

var _ = Describe("Grants", func() {
	var folder string
	BeforeEach(func() {
		folder = GinkgoT().TempDir()
		Expect(os.Mkdir(filepath.Join(folder, "inside"), 0o700)).To(Succeed())
		Expect(os.WriteFile(filepath.Join(folder, "inside", "file"), []byte("text\n"), 0o600)).To(Succeed())
		Expect(os.WriteFile(filepath.Join(folder, "outside"), []byte("secret\n"), 0o600)).To(Succeed())
	})
	granted := func(more string) []string {
		return []string{"--dir", filepath.Join(folder, "inside") + ":/data" + more}
	}

	It("of a folder are for reading, and for that folder alone", func() {
		Expect(exec(granted(""), "read", "/data/file")).To(And(succeed(), HaveField("Out", "text\n")))
		for _, path := range []string{"/data/../outside", "/outside", "/etc/passwd"} {
			Expect(exec(granted(""), "read", path)).
				To(And(HaveField("Code", Not(BeZero())), HaveField("Out", BeEmpty())), path)
		}
		Expect(exec(nil, "read", "/data/file")).To(HaveField("Code", Not(BeZero())))
	})

	It("of a folder are for writing where they say so", func() {
		written := filepath.Join(folder, "inside", "new")
		Expect(exec(granted(""), "write", "/data/new")).To(HaveField("Code", Not(BeZero())))
		Expect(written).NotTo(BeAnExistingFile())
		Expect(exec(granted(":rw"), "write", "/data/new")).To(succeed())
		Expect(os.ReadFile(written)).To(BeEquivalentTo("written\n"))
	})

	It("of variables are for those alone", func() {
		Expect(exec(nil, "environment")).To(And(succeed(), HaveField("Out", BeEmpty())))
		Expect(exec([]string{"--env", "A=b=c"}, "environment")).
			To(And(succeed(), HaveField("Out", "A=b=c\n")))
		command := cocoon.Command("exec", cocoon.Guest("hostile-program.wasm"), "--env", "OURS", "--", "environment")
		command.Env = append(command.Env, "OURS=value", "THEIRS=other")
		Expect(cocoon.RunCommand(command)).To(And(succeed(), HaveField("Out", "OURS=value\n")))
	})

	DescribeTable("contain clocks and randomness, which a flag makes the same in each run",
		func(argument string) {
			of := func(flags []string) string {
				outcome := exec(flags, argument)
				Expect(outcome).To(And(succeed(), HaveField("Out", Not(BeEmpty()))))
				return outcome.Out
			}
			Expect(of(nil)).NotTo(Equal(of(nil)))
			seed := []string{"--deterministic=7"}
			Expect(of(seed)).To(Equal(of(seed)))
		},
		Entry("the wall clock", "clock"),
		Entry("the monotonic clock", "monotonic"),
		Entry("randomness", "random"),
	)

	It("leave the network off until a flag turns it on", func() {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		Expect(err).NotTo(HaveOccurred())
		defer listener.Close()
		connected := make(chan net.Conn, 2)
		go func() {
			for {
				connection, err := listener.Accept()
				if err != nil {
					return
				}
				connected <- connection
			}
		}()
		address := listener.Addr().String()
		denied := exec(nil, "connect", address)
		Expect(denied).To(And(HaveField("Code", 0), HaveField("Err", ContainSubstring("use --network to grant it"))))
		Expect(connected).To(BeEmpty())
		Expect(exec([]string{"--network"}, "connect", address)).To(succeed())
		Eventually(connected).Should(Receive())
	})
})

var _ = Describe("Hostile programs", func() {
	DescribeTable("meet the limit that they run into",
		func(flag, value, argument string, code int) {
			Expect(exec([]string{flag, value}, argument)).To(failWith(code, flag))
		},
		Entry("an endless loop", "--deadline", "300ms", "spin", 124),
		Entry("a flood of output", "--output", "1MiB", "flood", 137),
		Entry("a flood of both outputs", "--output", "1MiB", "flood-both", 137),
		Entry("a recursion without an end", "--stack", "256KiB", "recurse", 137),
	)

	It("meet the limit of memory", func() {
		Expect(exec(nil, "take")).To(failWith(137, "--sandbox-memory"))
	})

	It("keep what they wrote before a trap, and fail", func() {
		Expect(exec(nil, "trap-after", "these words")).
			To(And(HaveField("Code", 134), HaveField("Out", "these words\n")))
	})

	It("do not disturb their neighbours", func() {
		ended := exec([]string{"-n", "30", "--json", "--deadline", "2s"}, "say-and-spin", "{i}")
		Expect(ended.Code).To(Equal(1))
		said, stopped := map[int]string{}, map[int]string{}
		for _, record := range cocoon.Records[record](ended.Out) {
			said[record.Instance] += record.Text
			if record.Error != "" {
				stopped[record.Instance] = record.Error
			}
		}
		Expect(stopped).To(HaveLen(30))
		for i := 1; i <= 30; i++ {
			Expect(said).To(HaveKeyWithValue(i, fmt.Sprint(i)))
			Expect(stopped).To(HaveKeyWithValue(i, ContainSubstring("--deadline")))
		}
	})
})
