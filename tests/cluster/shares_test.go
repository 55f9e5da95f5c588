package cluster

import (
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// sharedInstances is the number of instances of deploy/indexed-job.
const sharedInstances = 1000

// Each pod of the Indexed Job writes the outputs of its own share, and together they are all.
func TestTheIndexedJobWritesEachResultOnce(t *testing.T) {
	s := newSpace(t, "shares")
	folder := s.volume("cocoon-batch", "ReadWriteMany")
	s.apply(deploy("indexed-job"))
	s.completed("cocoon-batch")
	// The volume belongs to the group of the pods, so this user can read it as root only.
	results := filepath.Join(folder, "batch")
	for i := 1; i <= sharedInstances; i++ {
		text, err := os.ReadFile(filepath.Join(results, fmt.Sprintf("%d.out", i)))
		if err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf("%d! = %s\n", i, new(big.Int).MulRange(1, int64(i)))
		if !strings.HasPrefix(string(text), want) {
			t.Fatalf("instance %d: expected %.40q, got %.40q", i, want, text)
		}
	}
	entries, err := os.ReadDir(results)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		name, _ := strings.CutSuffix(entry.Name(), ".out")
		name, _ = strings.CutSuffix(name, ".err")
		var i int
		if _, err := fmt.Sscanf(name, "%d", &i); err != nil || i < 1 || i > sharedInstances {
			t.Errorf("expected outputs of instances alone, got %s", entry.Name())
		}
	}
	// The log of each pod counts the instances of its share.
	total := 0
	for _, pod := range s.pods("app.kubernetes.io/component=batch") {
		log := s.kubectl("logs", pod.Metadata.Name)
		var succeeded, all int
		for line := range strings.Lines(log) {
			fmt.Sscanf(line, "cocoon: %d of %d instances succeeded", &succeeded, &all)
		}
		if succeeded == 0 || succeeded != all {
			t.Errorf("expected a whole share of %s, got %q", pod.Metadata.Name, log)
		}
		total += succeeded
	}
	if total != sharedInstances {
		t.Errorf("expected %d instances in all shares, got %d", sharedInstances, total)
	}
}
