package e2e_test

import (
	"fmt"
	"os"
	osexec "os/exec"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"cocoon/e2e/internal/cocoon"
	"cocoon/e2e/internal/naive"
)

// lockedDown are the options that remove all rights a container does not need.
var lockedDown = []string{
	"run", "--rm", "--read-only", "--cap-drop", "ALL", "--network", "none",
	"--security-opt", "no-new-privileges",
}

// tenFactorials is the output of each way in.
func tenFactorials() string {
	var lines strings.Builder
	for n := range int64(10) {
		fmt.Fprintf(&lines, "%d! = %s\n", n+1, naive.Number("factorial", n+1))
	}
	return lines.String()
}

var _ = Describe("The ten factorials", func() {
	It("come from the host binary", func() {
		Expect(cocoon.Run("run", "10")).To(And(succeed(), HaveField("Out", tenFactorials())))
	})

	It("come from the component on stock Wasmtime", func() {
		command := osexec.Command(cocoon.Tool("wasmtime"), "run", cocoon.BundledComponent())
		Expect(cocoon.RunCommand(command)).To(And(succeed(), HaveField("Out", tenFactorials())))
	})

	It("come from a sandbox each, as records", func() {
		ended := cocoon.Run("run", "10", "--json")
		Expect(ended).To(succeed())
		numbers := cocoon.Records[cocoon.Number](ended.Out)
		Expect(numbers).To(HaveLen(10))
		for i, number := range numbers {
			Expect(number.N).To(BeEquivalentTo(i + 1))
			Expect(number.Value).To(Equal(naive.Number("factorial", int64(i+1)).String()))
		}
	})

	Context("in a container", Label("image"), func() {
		docker := func(arguments ...string) cocoon.Ended {
			GinkgoHelper()
			image := os.Getenv("COCOON_IMAGE")
			if image == "" {
				image = "cocoon"
			}
			all := append(append([]string{}, lockedDown...), image)
			return cocoon.RunCommand(osexec.Command(cocoon.Tool("docker"), append(all, arguments...)...))
		}

		It("come from the image", func() {
			Expect(docker()).To(And(succeed(), HaveField("Out", tenFactorials())))
		})

		It("are not all that the image computes", func() {
			long := naive.Number("factorial", 20_000).String()
			Expect(docker("compute", "20000")).To(And(succeed(), HaveField("Out", long+"\n")))
		})

		It("leave exit codes as they are", func() {
			Expect(docker("compute", "ten")).To(failWith(2, "ten"))
			Expect(docker("compute", "100000", "--output", "1KiB")).To(failWith(1, "--output"))
		})
	})
})
