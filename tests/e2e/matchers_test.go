package e2e_test

import (
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
)

// Types of problems, for programs.
const (
	problemMalformed = "urn:cocoon:problem:malformed"
	problemTooLarge  = "urn:cocoon:problem:too-large"
	problemStopped   = "urn:cocoon:problem:stopped"
	problemTrapped   = "urn:cocoon:problem:trapped"
)

// beProblem matches an error with a status, in the head and in the body.
func beProblem(status int) types.GomegaMatcher {
	return And(
		HaveField("Status", status),
		HaveField("Header", HaveKeyWithValue("Content-Type", ConsistOf("application/problem+json"))),
		HaveField("Header", HaveKeyWithValue("Cache-Control", ConsistOf("no-store"))),
		HaveField("Problem()", And(
			HaveField("Status", status),
			HaveField("Type", Not(BeEmpty())),
			HaveField("Title", Not(BeEmpty())),
			HaveField("Detail", Not(BeEmpty())),
		)),
	)
}

// meetLimit matches an error that names a limit, its value and the flag that raises it.
func meetLimit(status int, limit string, value uint64) types.GomegaMatcher {
	return And(
		beProblem(status),
		HaveField("Problem()", And(
			HaveField("Limit", limit),
			HaveField("Value", value),
			HaveField("Detail", ContainSubstring("--"+limit)),
		)),
	)
}

// succeed matches a command that exited with 0 and printed no error.
func succeed() types.GomegaMatcher {
	return And(HaveField("Code", 0), HaveField("Err", BeEmpty()))
}

// failWith matches a command that exited with a code and named a flag or an argument.
func failWith(code int, named string) types.GomegaMatcher {
	return And(HaveField("Code", code), HaveField("Err", ContainSubstring(named)))
}
