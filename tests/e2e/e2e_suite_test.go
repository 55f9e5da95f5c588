// Package e2e_test specifies the product from outside. It uses the binary, the service's
// address and the image, and asserts fields, codes and flags, but no sentences.
package e2e_test

import (
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"cocoon/e2e/internal/cocoon"
)

// defaultLabels excludes specs that need more than this machine and a checkout.
const defaultLabels = "!image && !cluster"

func TestCocoon(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(cocoon.WaitMax)
	SetDefaultEventuallyPollingInterval(5 * time.Millisecond)
	suite, reporter := GinkgoConfiguration()
	if suite.LabelFilter == "" {
		suite.LabelFilter = defaultLabels
	}
	RunSpecs(t, "Cocoon", suite, reporter)
}
