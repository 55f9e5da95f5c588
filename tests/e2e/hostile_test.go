package e2e_test

import (
	"fmt"

	. "github.com/onsi/ginkgo/v2"

	"cocoon/e2e/internal/cocoon"
)

// Arguments of the hostile factorial, from tests/guests/src/hostile.rs.
const (
	spin     = 4
	takeAll  = 5
	recurse  = 8
	panics   = 9
	flood    = 100
	trapLate = 101
)

// honest is a path that the hostile factorial answers correctly, with its own number.
const honest = "/factorial/1000"

// hostilePath is the path of a number that triggers hostile behavior.
func hostilePath(n int) string { return fmt.Sprintf("/factorial/%d", n) }

// serveHostile starts a service that runs the hostile factorial.
func serveHostile(flags ...string) *cocoon.Service {
	GinkgoHelper()
	component := []string{"--component", cocoon.Guest("hostile_factorial.wasm")}
	return cocoon.Serve(append(component, flags...)...)
}
