// Package cocoon runs the product under test: its commands, its service and other programs.
// It reads the environment in one place, and bounds every wait.
//
// Processes that a spec starts end with the spec.
package cocoon

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
)

// WaitMax bounds every wait for the product. Only a hang takes this long, even on a busy
// machine.
const WaitMax = 60 * time.Second

// buildMax bounds a build without a cache.
const buildMax = 5 * time.Minute

// Variables that choose the product under test.
const (
	binaryVariable = "COCOON_BIN"
	urlVariable    = "COCOON_URL"
	tokenVariable  = "COCOON_TOKEN"
)

// RunningURL returns the address of a running service, or "" if specs start their own.
func RunningURL() string {
	return strings.TrimRight(os.Getenv(urlVariable), "/")
}

// Binary returns the path of the binary under test. It skips the spec if only a running
// service is under test.
func Binary() string {
	GinkgoHelper()
	if path := os.Getenv(binaryVariable); path != "" {
		return existing(path, "set "+binaryVariable+" to the binary")
	}
	skipWithoutCheckout()
	return existing(target("release/cocoon"), "run `cargo build --release`, or set "+binaryVariable)
}

// BundledComponent returns the path of the factorial component.
func BundledComponent() string {
	GinkgoHelper()
	skipWithoutCheckout()
	return existing(target("guest/wasm32-wasip2/component/factorial.wasm"), "run `cargo build --release`")
}

// Guest returns the path of a component that the Rust tests build.
func Guest(name string) string {
	GinkgoHelper()
	skipWithoutCheckout()
	path := target("test-guests/wasm32-wasip2/release/" + name)
	return existing(path, "run `cargo test --release --no-run`")
}

// Tool returns the path of a program that `.ci/tools` installs.
func Tool(name string) string {
	GinkgoHelper()
	if own := target("tools/bin/" + name); isFile(own) {
		return own
	}
	path, err := exec.LookPath(name)
	if err != nil {
		Fail("expected the program " + name + ", got none; run `.ci/tools`")
	}
	return path
}

// Env returns the environment without the settings of the person who runs the specs, and
// with more.
func Env(more ...string) []string {
	var clean []string
	for _, variable := range os.Environ() {
		ours := strings.HasPrefix(variable, "COCOON_") || strings.HasPrefix(variable, "OTEL_") ||
			strings.HasPrefix(variable, "TRACEPARENT=") || strings.HasPrefix(variable, "TRACESTATE=")
		if !ours {
			clean = append(clean, variable)
		}
	}
	return append(clean, more...)
}

func skipWithoutCheckout() {
	GinkgoHelper()
	if RunningURL() != "" && os.Getenv(binaryVariable) == "" {
		Skip("needs the binary: " + urlVariable + " is set and " + binaryVariable + " is not")
	}
}

// target returns a path in cargo's target folder, which cargo looks for from the root of the
// checkout.
func target(path string) string {
	folder := os.Getenv("CARGO_TARGET_DIR")
	if folder == "" {
		folder = "target"
	}
	if !filepath.IsAbs(folder) {
		folder = filepath.Join("..", "..", folder)
	}
	return filepath.Join(folder, path)
}

func existing(path, advice string) string {
	GinkgoHelper()
	absolute, err := filepath.Abs(path)
	if err != nil || !isFile(absolute) {
		Fail("expected the file " + path + ", got none; " + advice)
	}
	return absolute
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
