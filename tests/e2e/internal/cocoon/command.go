package cocoon

import (
	"os/exec"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gexec"
)

// Ended is the output of a program and its exit code.
type Ended struct {
	Out, Err string
	Code     int
}

// Command returns the binary with arguments and its own environment. Flags override its
// timeouts, which are long enough for a busy machine.
func Command(arguments ...string) *exec.Cmd {
	GinkgoHelper()
	command := exec.Command(Binary(), arguments...)
	command.Env = Env("COCOON_DEADLINE=10m", "COCOON_STALL=10m", "COCOON_DRAIN_TIMEOUT=10m")
	return command
}

// Run runs the binary to its end.
func Run(arguments ...string) Ended {
	GinkgoHelper()
	return RunCommand(Command(arguments...))
}

// RunCommand runs any program to its end.
func RunCommand(command *exec.Cmd) Ended {
	GinkgoHelper()
	return runWithin(WaitMax, command)
}

// RunBuild runs a command that compiles first.
func RunBuild(command *exec.Cmd) Ended {
	GinkgoHelper()
	return runWithin(buildMax, command)
}

func runWithin(most time.Duration, command *exec.Cmd) Ended {
	GinkgoHelper()
	session := start(command)
	Eventually(session).WithTimeout(most).Should(gexec.Exit())
	return Ended{
		Out:  string(session.Out.Contents()),
		Err:  string(session.Err.Contents()),
		Code: session.ExitCode(),
	}
}

// start starts a program that ends with the spec.
func start(command *exec.Cmd) *gexec.Session {
	GinkgoHelper()
	session, err := gexec.Start(command, nil, GinkgoWriter)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { session.Kill().Wait(WaitMax) })
	return session
}
