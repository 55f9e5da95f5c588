package cluster

import (
	"os"
	"os/exec"
	"testing"
)

// tests/e2e has specs for a cluster. One of them disturbs the service by the command in
// COCOON_DISRUPT.
func TestTheSpecificationHolds(t *testing.T) {
	specs := os.Getenv("COCOON_SPECIFICATION")
	if specs == "" {
		t.Fatal("expected the program of tests/e2e in COCOON_SPECIFICATION, got none; run tests/cluster/run")
	}
	s := service(t, "specification")
	command := exec.Command(specs, "-ginkgo.v", "-ginkgo.no-color", "-ginkgo.label-filter=cluster")
	command.Env = append(os.Environ(), "COCOON_URL="+s.url(),
		"COCOON_DISRUPT=kubectl --namespace "+s.name+" rollout restart deployment/cocoon && "+
			"kubectl --namespace "+s.name+" rollout status deployment/cocoon --timeout="+waitMax.String())
	out, err := command.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Errorf("%v\n%s", err, s.state())
	}
}
