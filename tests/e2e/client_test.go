package e2e_test

import (
	stdjson "encoding/json"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"cocoon/e2e/internal/cocoon"
	"cocoon/e2e/internal/naive"
)

// expectedOfClient is the output of client/main.go, with X for grades.
func expectedOfClient() string {
	var lines strings.Builder
	write := func(format string, arguments ...any) { fmt.Fprintf(&lines, format+"\n", arguments...) }
	write("text 200 %s", naive.Number("factorial", 20))
	write("number 30 %s 3 X", naive.Scientific(naive.Number("multi:3", 30), 3))
	write("facts 100 %d", len(naive.Number("double", 100).String()))
	for _, kind := range naive.Kinds {
		write("kind %s %s", kind, naive.Number(kind, 5))
	}
	write("listed 1 1 1 X")
	write("listed 2 2 1 X")
	write("listed 3 6 1 X")
	write("done true 3")
	write("batch 6 720 3 X")
	write("refused 400")
	write("problem 400 %s", problemMalformed)
	write("limit 422 list-items")
	write("ready 200")
	return lines.String()
}

var _ = Describe("The description", func() {
	It("makes a client in Go that builds and calls the service", func() {
		service := cocoon.Running()
		folder := GinkgoT().TempDir()
		description := filepath.Join(folder, "openapi.json")
		generated := filepath.Join(folder, "generated.go")
		Expect(os.WriteFile(description, []byte(service.Get("/openapi.json").Body), 0o600)).To(Succeed())
		generate := osexec.Command("go", "tool", "oapi-codegen",
			"-generate", "types,client", "-package", "main", "-o", generated, description)
		Expect(cocoon.RunBuild(generate)).To(HaveField("Code", 0))

		// The package contains the file for this build only.
		inPackage, err := filepath.Abs(filepath.Join("client", "generated.go"))
		Expect(err).NotTo(HaveOccurred())
		overlay, err := stdjson.Marshal(map[string]any{"Replace": map[string]string{inPackage: generated}})
		Expect(err).NotTo(HaveOccurred())
		replaced := filepath.Join(folder, "overlay.json")
		Expect(os.WriteFile(replaced, overlay, 0o600)).To(Succeed())
		call := osexec.Command("go", "run", "-tags", "generated", "-overlay", replaced, "./client", service.URL)
		ended := cocoon.RunBuild(call)
		grades := strings.NewReplacer(" proved\n", " X\n", " verified\n", " X\n")
		Expect(ended.Code).To(Equal(0))
		Expect(grades.Replace(ended.Out)).To(Equal(expectedOfClient()))
	})
})
